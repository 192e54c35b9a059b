//! Two configurations over the same account, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::domain::region::Region;
use crate::report::simulation::{Place, Row, Simulation, Stretch, amount, span_text, text};
use crate::report::text::{hanging, item, printable, wrapped};

/// What one place has under both.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'s> {
    /// Under today's configuration; none if nothing.
    pub today: Option<&'s Place>,
    /// Under the other one.
    pub other: Option<&'s Place>,
}

impl Pair<'_> {
    /// Returns what the place is called.
    pub fn name(&self) -> String {
        self.today.or(self.other).map(Place::name).unwrap_or_default()
    }

    /// Returns the rows of both at the end of each stretch.
    pub fn rows(self, n_stretches: usize) -> impl Iterator<Item = [Row; 2]> {
        let row = |place: Option<&Place>, n: usize| {
            place.and_then(|place| place.rows.get(n)).cloned().unwrap_or_default()
        };
        (0..n_stretches).map(move |n| [row(self.today, n), row(self.other, n)])
    }

    /// Returns what differs beside the rows, in sentences.
    pub fn differences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let gap = |place: Option<&Place>| {
            let gap = place.and_then(|place| place.largest_gap.as_ref());
            gap.map_or("none".to_owned(), |gap| span_text(gap.length()))
        };
        let gaps = (gap(self.today), gap(self.other));
        if gaps.0 != gaps.1 {
            lines.push(format!("largest gap between points: {} → {}", gaps.0, gaps.1));
        }
        let first = |place: Option<&Place>| place.map(|place| place.first).unwrap_or_default();
        let (today, other) = (first(self.today), first(self.other));
        if today != other {
            let mut line = format!(
                "deleted at once, in the first cycle: {} ({} GiB of volumes) → {} ({} GiB)",
                today.n_deletes, today.volume_gib, other.n_deletes, other.volume_gib
            );
            if 0 < today.n_withheld + other.n_withheld {
                let (today, other) = (today.n_withheld, other.n_withheld);
                let _ = write!(line, "; withheld by a limit: {today} → {other}");
            }
            lines.push(line);
        }
        lines
    }

    /// Returns true if nothing differs.
    pub fn is_same(&self) -> bool {
        match (self.today, self.other) {
            (Some(today), Some(other)) => today.rows == other.rows && self.differences().is_empty(),
            _ => false,
        }
    }
}

/// Returns the places of both, by policy and region, in the order of the first.
pub fn pairs<'s>(today: &'s Simulation, other: &'s Simulation) -> Vec<Pair<'s>> {
    let key = |place: &Place| (Arc::clone(&place.policy), place.region);
    let mut others: BTreeMap<(Arc<str>, Region), &Place> =
        other.places.iter().map(|place| (key(place), place)).collect();
    let both = today
        .places
        .iter()
        .map(|place| Pair { today: Some(place), other: others.remove(&key(place)) });
    let mut all: Vec<Pair<'_>> = both.collect();
    let new = other.places.iter().filter(|place| others.contains_key(&key(place)));
    all.extend(new.map(|place| Pair { today: None, other: Some(place) }));
    all
}

/// Returns both as text.
pub fn render(today: &Simulation, other: &Simulation) -> String {
    let mut out = String::new();
    wrapped(&mut out, "", &printable(&text::title(today)));
    for (head, simulation) in [("today  ", today), ("against", other)] {
        hanging(&mut out, &format!("{head} "), &simulation.config);
        for line in text::course(simulation) {
            wrapped(&mut out, "        ", &printable(&line));
        }
    }
    for (head, simulation) in [("today", today), ("against", other)] {
        let _ = write!(out, "\n{head}");
        text::broken(&mut out, simulation);
    }
    for pair in pairs(today, other) {
        out.push('\n');
        wrapped(&mut out, "", &printable(&pair.name()));
        if pair.is_same() {
            out.push_str("  no difference\n");
            continue;
        }
        table(&mut out, today, pair.rows(today.stretches.len()));
        for line in pair.differences() {
            item(&mut out, &line);
        }
    }
    out.push_str("\nall places\n");
    let totals = today.totals().into_iter().zip(other.totals());
    table(&mut out, today, totals.map(|(today, other)| [today, other]));
    let (before, after) = (today.cost(), other.cost());
    let line = format!(
        "cost of {}: {} → {} {}, {}{}",
        today.length,
        amount(before),
        amount(after),
        today.sizes.currency,
        if after < before { "-" } else { "+" },
        amount((after - before).abs()),
    );
    item(&mut out, &line);
    out.push_str("\nwhat sizes and costs rest on\n");
    for line in text::basis_lines(today) {
        item(&mut out, &line);
    }
    out
}

/// Appends a table: points, GiB and cost under both.
fn table(out: &mut String, simulation: &Simulation, rows: impl Iterator<Item = [Row; 2]>) {
    let currency = &simulation.sizes.currency;
    let (points, gib) = ("points", "GiB");
    let first = simulation.stretches.iter().map(|s| s.label.len()).max().unwrap_or_default();
    let _ = writeln!(out, "  {:first$}  {points:>15}  {gib:>17}  {currency:>19}", "");
    for (Stretch { label, .. }, [today, other]) in simulation.stretches.iter().zip(rows) {
        let points = format!("{:>6} → {:>6}", today.n_points, other.n_points);
        let gib = format!("{:>7.0} → {:>7.0}", today.gib, other.gib);
        let cost = format!("{:>8} → {:>8}", amount(today.cost), amount(other.cost));
        let _ = writeln!(out, "  {label:first$}  {points:>15}  {gib:>17}  {cost:>19}");
    }
}
