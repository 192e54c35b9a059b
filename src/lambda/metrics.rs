//! Metrics of an invocation, as lines that CloudWatch finds in the log.

use chrono::{DateTime, Utc};

use crate::lambda::handler::Ended;
use crate::report::ExitCode;
use crate::report::emf::{self, Invocation};
use crate::report::metrics::Cycle;

/// Returns the lines for what an invocation came to. One that Lambda counts as an error and that ran
/// no cycle has none.
pub fn lines(ended: &Ended, begun_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> String {
    let took = (ended_at - begun_at).to_std().unwrap_or_default();
    let cycles: Vec<Cycle<'_>> = ended
        .reports
        .iter()
        .map(|report| {
            let (plan, outcomes) = (&report.plan, &report.outcomes[..]);
            let exit_code = ExitCode::of_run(plan, outcomes).first().copied();
            let exit_code = exit_code.unwrap_or(ExitCode::Done);
            Cycle { plan, outcomes, ended_at, took, exit_code }
        })
        .collect();
    let Ended { is_partial, is_refused, .. } = *ended;
    emf::lines(&Invocation { ended_at, cycles: &cycles, is_partial, is_refused })
}
