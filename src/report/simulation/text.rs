//! A simulation as text: what was not kept, then a table for each policy and region.

use std::fmt::Write as _;

use crate::plan::reason::minute;
use crate::report::simulation::{
    Broken, Place, PointGap, Row, Simulation, Stretch, amount, span_text,
};
use crate::report::text::{COLUMNS, count, hanging, item, printable, wrapped};

/// Returns `simulation` as text.
pub fn render(simulation: &Simulation) -> String {
    let mut out = String::new();
    head(&mut out, simulation);
    broken(&mut out, simulation);
    for place in &simulation.places {
        place_table(&mut out, place, simulation);
    }
    if 1 < simulation.places.len() {
        totals(&mut out, simulation);
    }
    basis(&mut out, simulation);
    out
}

/// Returns what was played, and over which account.
pub(super) fn title(simulation: &Simulation) -> String {
    let Simulation { length, from, until, account, account_name, .. } = simulation;
    let account = match (account_name, account) {
        (Some(name), Some(id)) => format!(", account {name} ({id})"),
        (Some(one), None) | (None, Some(one)) => format!(", account {one}"),
        (None, None) => String::new(),
    };
    format!("Simulation of {length}, {} to {}{account}", minute(*from), minute(*until))
}

/// Returns what was done, and what went wrong on purpose; one line each.
pub(super) fn course(simulation: &Simulation) -> Vec<String> {
    let Simulation { done, trouble, wakes, .. } = simulation;
    let mut lines = vec![format!(
        "{}, {wakes}: {} done, {} failed and left to a later cycle, {}",
        count(done.n_cycles, "cycle"),
        count(done.n_actions, "action"),
        done.n_failed,
        count(done.n_calls, "call"),
    )];
    if 0.0 < trouble.fail_rate {
        let percent = amount(trouble.fail_rate * 100.0);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        lines.push(format!(
            "{percent} % of calls fail by chance, seed {}; listings are late",
            trouble.seed
        ));
    }
    for outage in &trouble.outages {
        let (from, to) = (minute(outage.from), minute(outage.to));
        lines.push(format!("{} is down from {from} to {to}", outage.region));
    }
    let faults: Vec<String> =
        trouble.faults.iter().map(|(word, n)| format!("{n} {word}")).collect();
    if faults.is_empty() {
        lines.push("no call was let fail".to_owned());
    } else {
        lines.push(format!("faults met: {}", faults.join(", ")));
    }
    lines
}

fn head(out: &mut String, simulation: &Simulation) {
    wrapped(out, "", &printable(&title(simulation)));
    for line in course(simulation) {
        wrapped(out, "", &printable(&line));
    }
}

pub(super) fn broken(out: &mut String, simulation: &Simulation) {
    for gap in &simulation.gaps {
        hanging(out, "not read, so not played: ", gap);
    }
    if simulation.broken.is_empty() {
        out.push_str("\nevery promise was kept\n");
        return;
    }
    let _ = writeln!(out, "\nBROKEN");
    for broken in &simulation.broken {
        item(out, &format!("{}{}", place_of(broken), broken.text()));
        wrapped(out, "      ", &printable(&broken.when()));
    }
}

/// Returns the policy and region of a promise, before a colon.
pub(super) fn place_of(broken: &Broken) -> String {
    match (&broken.policy, broken.region) {
        (Some(policy), Some(region)) => format!("{policy} · {region}: "),
        (Some(policy), None) => format!("{policy}: "),
        (None, Some(region)) => format!("{region}: "),
        (None, None) => String::new(),
    }
}

fn place_table(out: &mut String, place: &Place, simulation: &Simulation) {
    let sources = count(place.n_sources, "source");
    out.push('\n');
    wrapped(out, "", &printable(&format!("{}, {sources}", place.name())));
    let mut columns = vec!["points"];
    columns.extend(&place.tiers);
    columns.extend(["other", "GiB", &simulation.sizes.currency]);
    let rows = place.rows.iter().map(|row| {
        let mut cells = vec![row.n_points.to_string()];
        cells.extend(row.by_tier.iter().map(ToString::to_string));
        cells.push(row.n_other.to_string());
        cells.extend(sizes(row));
        cells
    });
    table(out, &columns, &simulation.stretches, rows);
    if let Some(gap) = &place.largest_gap {
        item(out, &gap_text(gap));
    }
    if 0 < place.first.n_deletes + place.first.n_withheld {
        item(out, &first_text(place));
    }
}

fn totals(out: &mut String, simulation: &Simulation) {
    out.push_str("\nall places\n");
    let columns = ["points", "GiB", &*simulation.sizes.currency];
    let totals = simulation.totals();
    let rows = totals.iter().map(|row| {
        let mut cells = vec![row.n_points.to_string()];
        cells.extend(sizes(row));
        cells
    });
    table(out, &columns, &simulation.stretches, rows);
}

/// Returns what is stored, and what it cost; the first row costs nothing yet.
fn sizes(row: &Row) -> [String; 2] {
    [format!("{:.0}", row.gib), amount(row.cost)]
}

/// Appends a table: each stretch with its cells, to the right.
fn table(
    out: &mut String,
    columns: &[&str],
    stretches: &[Stretch],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let rows: Vec<Vec<String>> = rows.collect();
    let widths = columns.iter().enumerate().map(|(n, column)| {
        let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
        cells.chain([column.chars().count()]).max().unwrap_or_default()
    });
    let widths: Vec<usize> = widths.collect();
    let first = stretches.iter().map(|stretch| stretch.label.len()).max().unwrap_or_default();
    // Many tiers of many points get less air.
    let all: usize = widths.iter().sum::<usize>() + 2 + first;
    let air = if all + 2 * widths.len() <= COLUMNS { 2 } else { 1 };
    let mut line = |label: &str, cells: &mut dyn Iterator<Item = &str>| {
        let _ = write!(out, "  {label:first$}");
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(out, "{:air$}{cell:>width$}", "");
        }
        out.push('\n');
    };
    line("", &mut columns.iter().copied());
    for (stretch, cells) in stretches.iter().zip(&rows) {
        line(&stretch.label, &mut cells.iter().map(String::as_str));
    }
}

/// Returns a gap in words.
pub(super) fn gap_text(gap: &PointGap) -> String {
    let length = span_text(gap.length());
    let (from, to) = (minute(gap.from), minute(gap.to));
    match (gap.after.is_some(), gap.is_open) {
        (true, false) => {
            format!("largest gap between points: {length}, {}, {from} to {to}", gap.source)
        }
        (false, false) => {
            format!("largest gap between points: {length} before the first, {}, {to}", gap.source)
        }
        (true, true) => {
            format!("largest gap: {length} without a newer point at the end, {}", gap.source)
        }
        (false, true) => format!("largest gap: no point at any time, {}", gap.source),
    }
}

/// Returns what the first cycle deletes, in words.
pub(super) fn first_text(place: &Place) -> String {
    let first = place.first;
    let mut text = format!(
        "deleted at once, in the first cycle: {}, {} GiB of volumes",
        first.n_deletes, first.volume_gib
    );
    if 0 < first.n_withheld {
        let _ = write!(text, "; withheld by a limit: {}", first.n_withheld);
    }
    text
}

fn basis(out: &mut String, simulation: &Simulation) {
    out.push_str("\nwhat sizes and costs rest on\n");
    for line in basis_lines(simulation) {
        item(out, &line);
    }
}

/// Returns what sizes and costs rest on, in sentences.
pub(super) fn basis_lines(simulation: &Simulation) -> Vec<String> {
    let sizes = &simulation.sizes;
    let percent = amount(sizes.change_percent);
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    let mut lines = vec![
        format!(
            "an estimate: EC2 tells no incremental sizes. The oldest snapshot of a volume in a region \
             counts as all that is written of it, each later one as {percent} % a day since the one \
             before (--change-rate)"
        ),
        format!(
            "how much is written EC2 told of {}; {} taken to be full",
            count(sizes.n_told, "volume"),
            match sizes.n_assumed {
                1 => "1 other is".to_owned(),
                n => format!("{n} others are"),
            },
        ),
    ];
    let mut prices: Vec<(String, String)> = Vec::new();
    for place in &simulation.places {
        let price = format!("{} {}", place.price.gib_month, sizes.currency);
        let what = format!("{price} for a GiB and month, {}", place.price.basis_text());
        let region = place.region.to_string();
        match prices.iter_mut().find(|(_, known)| *known == what) {
            Some((regions, _)) if regions.split(", ").any(|known| known == region) => {}
            Some((regions, _)) => {
                let _ = write!(regions, ", {region}");
            }
            None => prices.push((region, what)),
        }
    }
    lines.extend(prices.into_iter().map(|(regions, what)| format!("{regions}: {what}")));
    lines.extend(simulation.assumed.iter().cloned());
    lines.push(
        "not counted: transfer between regions, requests, fast restores; other people's snapshots"
            .to_owned(),
    );
    lines.push(
        "instances and volumes stay as they are; a month's line is its end, its cost the whole \
         month's"
            .to_owned(),
    );
    lines
}
