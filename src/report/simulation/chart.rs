//! Plots as inline SVG: lines over time, and bars.
//!
//! Colours come from the page's stylesheet, and no line is told from another by its colour alone.
//! Whoever cannot see a plot has a table with the same numbers.

use maud::{Markup, html};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// Labels that are closer run into each other.
const LABEL_WIDTH: f64 = 78.0;
/// How many lines have a look of their own; more share one.
const N_LOOKS: usize = 7;

/// One line, or the bars of one colour.
#[derive(Debug)]
pub(super) struct Series {
    /// What the legend calls it.
    pub(super) name: String,
    /// One value for each place on the time axis.
    pub(super) values: Vec<f64>,
}

/// What a plot is drawn over.
#[derive(Debug)]
pub(super) struct Axis {
    /// Where each value is, from 0.0 to 1.0.
    pub(super) at: Vec<f64>,
    /// What it is called.
    pub(super) labels: Vec<String>,
}

/// Returns a plot of lines with its legend.
pub(super) fn lines(title: &str, axis: &Axis, series: &[Series]) -> Markup {
    let scale = Scale::of(series);
    let body = html! {
        @for (n, series) in series.iter().enumerate() {
            polyline class={ "line look" (n % N_LOOKS) } points=(points(axis, &scale, series)) {}
        }
    };
    figure(title, axis, &scale, series, &body)
}

/// Returns a plot of bars side by side with its legend, where there are several.
pub(super) fn bars(title: &str, axis: &Axis, series: &[Series]) -> Markup {
    let scale = Scale::of(series);
    let n = axis.labels.len().max(1);
    let slot = (WIDTH - LEFT - RIGHT) / float(n);
    let width = (slot * 0.8 / float(series.len().max(1))).min(60.0);
    let axis = Axis {
        at: (0..n).map(|i| (float(i) + 0.5) / float(n)).collect(),
        labels: axis.labels.clone(),
    };
    let all = width * float(series.len());
    let body = html! {
        @for (k, series) in series.iter().enumerate() {
            @for (at, value) in axis.at.iter().zip(&series.values) {
                @let y = scale.y(*value);
                rect class={ "bar look" (k % N_LOOKS) }
                    x=(number(x(*at) - all / 2.0 + float(k) * width)) y=(number(y))
                    width=(number(width * 0.92)) height=(number(HEIGHT - BOTTOM - y)) {}
            }
        }
    };
    figure(title, &axis, &scale, series, &body)
}

fn figure(title: &str, axis: &Axis, scale: &Scale, series: &[Series], body: &Markup) -> Markup {
    html! {
        figure {
            figcaption {
                span.title { (title) }
                @if 1 < series.len() {
                    @for (n, series) in series.iter().enumerate() {
                        span.key {
                            svg.swatch viewBox="0 0 28 10" aria-hidden="true" {
                                line class={ "line look" (n % N_LOOKS) } x1="1" y1="5" x2="27" y2="5" {}
                            }
                            (series.name)
                        }
                    }
                }
            }
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
                aria-label={ (title) "; the table below has the numbers" } {
                @for tick in scale.ticks() {
                    @let y = number(scale.y(tick));
                    line.grid x1=(LEFT) y1=(y) x2=(WIDTH - RIGHT) y2=(y) {}
                    text.tick x=(LEFT - 8.0) y=(y) dy="0.32em" text-anchor="end" { (short(tick)) }
                }
                @for (at, label) in labels(axis) {
                    text.tick x=(number(x(at))) y=(HEIGHT - 8.0) text-anchor=(anchor(at)) { (label) }
                }
                (body)
            }
        }
    }
}

/// Returns as many labels as there is room for, with their places.
fn labels(axis: &Axis) -> Vec<(f64, &str)> {
    let mut shown: Vec<(f64, &str)> = Vec::new();
    let mut free_from = 0.0;
    for (at, label) in axis.at.iter().zip(&axis.labels) {
        let (begin, end) = match anchor(*at) {
            "start" => (x(*at), x(*at) + LABEL_WIDTH),
            "end" => (x(*at) - LABEL_WIDTH, x(*at)),
            _ => (x(*at) - LABEL_WIDTH / 2.0, x(*at) + LABEL_WIDTH / 2.0),
        };
        if free_from <= begin {
            shown.push((*at, label));
            free_from = end;
        }
    }
    shown
}

/// The first and the last label stay within the plot.
fn anchor(at: f64) -> &'static str {
    match at {
        ..0.04 => "start",
        0.96.. => "end",
        _ => "middle",
    }
}

fn points(axis: &Axis, scale: &Scale, series: &Series) -> String {
    let pairs = axis.at.iter().zip(&series.values);
    let pairs = pairs.map(|(at, value)| format!("{},{}", number(x(*at)), number(scale.y(*value))));
    pairs.collect::<Vec<_>>().join(" ")
}

fn x(at: f64) -> f64 {
    LEFT + at * (WIDTH - LEFT - RIGHT)
}

/// The value axis: from zero to a round number.
struct Scale {
    step: f64,
    max: f64,
}

impl Scale {
    fn of(series: &[Series]) -> Self {
        let values = series.iter().flat_map(|series| &series.values);
        let max = values.copied().fold(0.0, f64::max);
        if max <= 0.0 {
            return Self { step: 1.0, max: 1.0 };
        }
        let rough = max / 4.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|s| rough <= *s);
        let step = step.unwrap_or(10.0 * power);
        Self { step, max: (max / step).ceil() * step }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.max * (HEIGHT - TOP - BOTTOM)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step, max) = (self.step, self.max);
        (0..=10).map(move |n| f64::from(n) * step).take_while(move |tick| *tick <= max + step / 2.0)
    }
}

/// Returns a coordinate without digits that nobody sees.
fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// Returns a value as it stands at an axis: `12`, `0.5`, `3.2k`.
fn short(value: f64) -> String {
    let trim = |text: String| {
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        if text.contains('.') { trimmed.to_owned() } else { text }
    };
    match value {
        10_000_000.0.. => format!("{}M", trim(format!("{:.1}", value / 1e6))),
        10_000.0.. => format!("{}k", trim(format!("{:.1}", value / 1e3))),
        _ => trim(format!("{value:.3}")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody plots 2^53 values")]
pub(super) fn float(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::{Axis, Scale, Series, labels, short};

    #[test]
    fn labels_that_would_run_into_each_other_are_left_out() {
        let at = vec![0.0, 0.05, 0.25, 0.5, 0.97, 1.0];
        let labels_of = at.iter().map(ToString::to_string).collect();
        let axis = Axis { at, labels: labels_of };
        let shown: Vec<&str> = labels(&axis).into_iter().map(|(_, label)| label).collect();
        assert_eq!(shown, ["0", "0.25", "0.5", "0.97"]);
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (max, expected) in [
            (0.0, "0 1"),
            (0.3, "0 0.1 0.2 0.3"),
            (7.0, "0 2 4 6 8"),
            (12.0, "0 5 10 15"),
            (400.0, "0 100 200 300 400"),
            (38_000.0, "0 10k 20k 30k 40k"),
        ] {
            let series = Series { name: String::new(), values: vec![max] };
            let ticks = Scale::of(&[series]).ticks().map(short).collect::<Vec<_>>();
            assert_eq!(ticks.join(" "), expected, "{max}");
        }
    }
}
