//! A simulation as one HTML page, complete in itself: no scripts, nothing from elsewhere.
//!
//! It has the look of the service's page. Everything that comes from an account or a configuration
//! is text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::simulation::chart::{Axis, Series, bars, float, lines};
use crate::report::simulation::compare::{Pair, pairs};
use crate::report::simulation::text::{basis_lines, course, first_text, gap_text, place_of, title};
use crate::report::simulation::{Place, Row, Simulation, amount};
use crate::report::text::{count, printable};

const STYLE: &str = concat!(include_str!("../page/style.css"), include_str!("style.css"));
/// With nothing but its own style, a page can neither fetch nor send anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'";

/// Returns the page; with another configuration beside, if it was played too.
pub fn render(today: &Simulation, against: Option<&Simulation>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "snapkeep: simulation of " (today.length) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (shown(&title(today))) }
                @match against {
                    None => { (single(today)) }
                    Some(other) => { (both(today, other)) }
                }
                section {
                    h2 { "What sizes and costs rest on" }
                    ul { @for line in basis_lines(today) { li { (shown(&line)) } } }
                }
                footer { p { "Made by snapkeep simulate. All times are UTC." } }
            }
        }
    };
    page.into_string()
}

fn single(simulation: &Simulation) -> Markup {
    let axis = axis(simulation);
    html! {
        (played(simulation, None))
        (all_places(simulation, &[simulation]))
        @if 3 < simulation.places.len() { (contents(simulation.places.iter().map(Place::name))) }
        @for (n, place) in simulation.places.iter().enumerate() {
            section id={ "place" (n) } {
                h2 { (shown(&place.name())) " " span.count { (count(place.n_sources, "source")) } }
                (facts(place))
                div.plots {
                    (lines("Points by tier", &axis, &points_of(place)))
                    (lines(&gib_title(), &axis, &[gib_of("GiB", &place.rows)]))
                }
                (place_table(simulation, place))
            }
        }
    }
}

fn both(today: &Simulation, other: &Simulation) -> Markup {
    let axis = axis(today);
    let pairs = pairs(today, other);
    html! {
        (played(today, Some("Today")))
        (played(other, Some("Against")))
        (all_places(today, &[today, other]))
        @if 3 < pairs.len() { (contents(pairs.iter().map(Pair::name))) }
        @for (n, pair) in pairs.iter().enumerate() {
            section id={ "place" (n) } {
                h2 { (shown(&pair.name())) }
                @if pair.is_same() { p { "No difference." } } @else {
                    ul { @for line in pair.differences() { li { (shown(&line)) } } }
                    div.plots {
                        (lines("Points", &axis, &side_by_side(today, pair, |row| float(row.n_points))))
                        (lines(&gib_title(), &axis, &side_by_side(today, pair, |row| row.gib)))
                    }
                    (pair_table(today, pair))
                }
            }
        }
    }
}

/// What was played, and what was not kept.
fn played(simulation: &Simulation, head: Option<&str>) -> Markup {
    html! {
        section {
            @if let Some(head) = head { h2 { (head) } }
            p { "Configuration " code { (shown(&simulation.config)) } }
            ul { @for line in course(simulation) { li { (shown(&line)) } } }
            @for gap in &simulation.gaps {
                p.odd { "Not read, so not played: " (shown(gap)) }
            }
            @if simulation.broken.is_empty() {
                p.verdict.good { "Every promise was kept." }
            } @else {
                div.alarm {
                    p.verdict.bad { (count(simulation.broken.len(), "broken promise")) }
                    ul {
                        @for broken in &simulation.broken {
                            li {
                                (shown(&place_of(broken))) (shown(&broken.text()))
                                div.reason { (shown(&broken.when())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn contents(names: impl Iterator<Item = String>) -> Markup {
    html! {
        nav aria-label="Policies and regions" {
            ul { @for (n, name) in names.enumerate() { li { a href={ "#place" (n) } { (shown(&name)) } } } }
        }
    }
}

/// What everything together comes to.
fn all_places(today: &Simulation, all: &[&Simulation]) -> Markup {
    let names = ["today", "against"];
    let labels: Vec<String> = today.stretches.iter().skip(1).map(|s| s.label.clone()).collect();
    let cost_axis = Axis { at: Vec::new(), labels };
    let totals: Vec<Vec<Row>> = all.iter().map(|simulation| simulation.totals()).collect();
    let costs = totals.iter().zip(names).map(|(rows, name)| Series {
        name: name.to_owned(),
        values: rows.iter().skip(1).map(|row| row.cost).collect(),
    });
    let costs: Vec<Series> = costs.collect();
    let gib = totals.iter().zip(names).map(|(rows, name)| gib_of(name, rows));
    let gib: Vec<Series> = gib.collect();
    let currency = &today.sizes.currency;
    html! {
        section {
            h2 { "All places" }
            p {
                @for (n, simulation) in all.iter().enumerate() {
                    @if 0 < n { ", against " }
                    (amount(simulation.cost())) " " (currency)
                }
                " in " (today.length) ", by estimate."
            }
            div.plots {
                (bars(&format!("Cost, {currency}"), &cost_axis, &costs))
                (lines(&gib_title(), &axis(today), &gib))
            }
            (numbers(&html! {
                tr { th { "" }
                    @for name in names.iter().take(all.len()) {
                        @let of = if all.len() < 2 { String::new() } else { format!(", {name}") };
                        th.n { "Points" (of) } th.n { "GiB" (of) } th.n { (currency) (of) }
                    }
                }
            }, &html! {
                @for (n, stretch) in today.stretches.iter().enumerate() {
                    tr {
                        th scope="row" { (stretch.label) }
                        @for row in totals.iter().filter_map(|rows| rows.get(n)) { (cells(row)) }
                    }
                }
            }))
        }
    }
}

fn cells(row: &Row) -> Markup {
    html! {
        td.n { (row.n_points) }
        td.n { (format!("{:.0}", row.gib)) }
        td.n { (amount(row.cost)) }
    }
}

fn facts(place: &Place) -> Markup {
    html! {
        ul {
            @if let Some(gap) = &place.largest_gap { li { (shown(&gap_text(gap))) } }
            @if 0 < place.first.n_deletes + place.first.n_withheld { li { (first_text(place)) } }
        }
    }
}

fn place_table(simulation: &Simulation, place: &Place) -> Markup {
    numbers(
        &html! {
            tr {
                th { "" } th.n { "Points" }
                @for tier in &place.tiers { th.n { (tier) } }
                th.n { "Other" } th.n { "GiB" } th.n { (simulation.sizes.currency) }
            }
        },
        &html! {
            @for (stretch, row) in simulation.stretches.iter().zip(&place.rows) {
                tr {
                    th scope="row" { (stretch.label) }
                    td.n { (row.n_points) }
                    @for n in &row.by_tier { td.n { (n) } }
                    td.n { (row.n_other) }
                    td.n { (format!("{:.0}", row.gib)) }
                    td.n { (amount(row.cost)) }
                }
            }
        },
    )
}

fn pair_table(simulation: &Simulation, pair: &Pair<'_>) -> Markup {
    let currency = &simulation.sizes.currency;
    numbers(
        &html! {
            tr {
                th { "" }
                @for name in ["today", "against"] {
                    th.n { "Points, " (name) } th.n { "GiB, " (name) } th.n { (currency) ", " (name) }
                }
            }
        },
        &html! {
            @for (stretch, rows) in simulation.stretches.iter().zip(pair.rows(simulation.stretches.len())) {
                tr {
                    th scope="row" { (stretch.label) }
                    @for row in &rows { (cells(row)) }
                }
            }
        },
    )
}

/// Wraps a table, which is long and has nothing that the plots do not show.
fn numbers(head: &Markup, body: &Markup) -> Markup {
    html! {
        details {
            summary { "Numbers" }
            div.wide { table.numbers { thead { (head) } tbody { (body) } } }
        }
    }
}

/// Returns where the ends of stretches are in time.
fn axis(simulation: &Simulation) -> Axis {
    let length = (simulation.until - simulation.from).as_seconds_f64().max(1.0);
    let at = |stretch: &super::Stretch| (stretch.at - simulation.from).as_seconds_f64() / length;
    // At the end of a stretch stands its last day: `2026-11` ends where December begins.
    let label = |stretch: &super::Stretch| stretch.at.format("%Y-%m-%d").to_string();
    Axis {
        at: simulation.stretches.iter().map(at).collect(),
        labels: simulation.stretches.iter().map(label).collect(),
    }
}

fn points_of(place: &Place) -> Vec<Series> {
    let all = Series {
        name: "all points".to_owned(),
        values: place.rows.iter().map(|row| float(row.n_points)).collect(),
    };
    let tiers = place.tiers.iter().enumerate().map(|(n, tier)| Series {
        name: (*tier).to_owned(),
        values: place
            .rows
            .iter()
            .map(|row| float(row.by_tier.get(n).copied().unwrap_or(0)))
            .collect(),
    });
    std::iter::once(all).chain(tiers).collect()
}

fn gib_of(name: &str, rows: &[Row]) -> Series {
    Series { name: name.to_owned(), values: rows.iter().map(|row| row.gib).collect() }
}

fn side_by_side(
    simulation: &Simulation,
    pair: &Pair<'_>,
    value: impl Fn(&Row) -> f64,
) -> Vec<Series> {
    let rows: Vec<[Row; 2]> = pair.rows(simulation.stretches.len()).collect();
    let series = |n: usize, name: &str| Series {
        name: name.to_owned(),
        values: rows.iter().map(|rows| value(&rows[n])).collect(),
    };
    vec![series(0, "today"), series(1, "against")]
}

fn gib_title() -> String {
    "GiB stored, by estimate".to_owned()
}

/// Returns what comes from outside as text and nothing else.
fn shown(text: &str) -> String {
    printable(text).into_owned()
}
