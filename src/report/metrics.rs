//! Metrics in the text format that Prometheus reads (text/plain; version=0.0.4).
//!
//! Renders only: who runs cycles owns [`Totals`], which only grow, and keeps the [`Gauges`] of the
//! last cycle, which are small where its plan is not. No clock is read here.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::execute::Outcome;
use crate::plan::Plan;
use crate::report::ExitCode;

mod exposition;
mod gauges;
mod totals;

pub use gauges::Gauges;
pub use totals::Totals;

use exposition::Exposition;

/// The `Content-Type` of what [`render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One finished cycle.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'c> {
    /// What was planned.
    pub plan: &'c Plan,
    /// What became of each action, in the plan's order; those of a dry run are none.
    pub outcomes: &'c [Outcome],
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How long it took.
    pub took: Duration,
    /// What a `run` would have exited with.
    pub exit_code: ExitCode,
}

/// Renders everything: `totals`, the `last` cycle of each account if there was one, and when the
/// next begins. What belongs to an account that has a name bears it as a label.
pub fn render(totals: &Totals, last: &[Gauges], next: Option<DateTime<Utc>>) -> String {
    let mut out = Exposition::default();
    totals.render(&mut out);
    if !last.is_empty() {
        Gauges::render(last, &mut out);
    }
    if let Some(next) = next {
        let name = "snapkeep_next_wakeup_timestamp_seconds";
        out.family(name, "gauge", "When the next cycle begins, if nothing else comes first.");
        out.sample(&[], next.timestamp());
    }
    out.finish()
}
