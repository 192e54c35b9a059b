//! Metrics of an invocation, as lines that CloudWatch finds in the log.

use chrono::{DateTime, Utc};

use crate::lambda::handler::Ended;
use crate::report::metrics::Cycle;
use crate::report::{ExitCode, emf};

/// Returns the lines for what an invocation came to: each account's cycle, and one for what was
/// refused before any. An invocation that Lambda counts as an error and that ran no cycle has none.
pub fn lines(ended: &Ended, begun_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> String {
    let took = (ended_at - begun_at).to_std().unwrap_or_default();
    let mut lines = String::new();
    if ended.is_refused {
        lines.push_str(&emf::refused(ended_at));
    }
    for report in &ended.reports {
        let (plan, outcomes) = (&report.plan, &report.outcomes[..]);
        let exit_code = ExitCode::of_run(plan, outcomes).first().copied();
        let exit_code = exit_code.unwrap_or(ExitCode::Done);
        lines.push_str(&emf::lines(&Cycle { plan, outcomes, ended_at, took, exit_code }));
    }
    lines
}
