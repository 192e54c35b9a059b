//! What an invocation answers, and whether Lambda should invoke it again.
//!
//! A table, and nothing else: [`crate::lambda`] has it in words.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, value::to_value};

use crate::report::ExitCode;
use crate::report::json;
use crate::run::{Outcome, Plan, Report};

/// How long the lists of an answer may be. Lambda takes 6 MB ("Lambda quotas", invocation payload);
/// what is around the lists is a few hundred bytes an account.
const ANSWER_BYTES_MAX: usize = 5 * 1024 * 1024;
/// How many reasons an error names.
const REASONS_MAX: usize = 3;

/// Why Lambda should invoke the function again: nobody has to do anything for it to go better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Retry {
    /// Which kind, for alarms and people: one word.
    pub kind: &'static str,
    /// Why.
    pub why: String,
}

/// What a refused event or configuration is answered with, or a repetition.
#[derive(Debug, Serialize)]
struct Refusal<'a> {
    format: &'static str,
    error: &'a str,
    exit_codes: [u8; 1],
}

/// Answers that nothing was done, because something is wrong that only a person can change.
pub fn refusal(error: &str) -> Value {
    let exit_codes = [ExitCode::Usage.number()];
    value(&Refusal { format: "snapkeep.refusal/1", error, exit_codes })
}

/// Answers that something was done that must not be repeated, although nobody knows all of it.
pub fn unfinished(error: &str) -> Value {
    let exit_codes = [ExitCode::Failed.number()];
    value(&Refusal { format: "snapkeep.refusal/1", error, exit_codes })
}

/// Answers what would be done.
pub fn of_plans(plans: &[Plan]) -> Value {
    let codes = ExitCode::of_all(plans.iter().map(|plan| ExitCode::of_plan(plan, false)));
    value(&json::plans_within(plans, &codes, ANSWER_BYTES_MAX))
}

/// Answers what was done.
///
/// # Errors
///
/// Something failed, or could not be read, that may go better by itself.
pub fn of_runs(reports: &[Report]) -> Result<Value, Retry> {
    let reasons = reports.iter().flat_map(passing_gaps);
    if let Some(why) = summed_up(reasons) {
        return Err(Retry { kind: "Incomplete", why });
    }
    if let Some(why) = summed_up(reports.iter().flat_map(passing_failures)) {
        return Err(Retry { kind: "Failed", why });
    }
    Ok(reported(reports))
}

/// Answers what was done, whether or not it may go better by itself.
pub fn reported(reports: &[Report]) -> Value {
    let runs: Vec<(&Plan, &[Outcome])> =
        reports.iter().map(|report| (&report.plan, &report.outcomes[..])).collect();
    let codes =
        ExitCode::of_all(runs.iter().map(|(plan, outcomes)| ExitCode::of_run(plan, outcomes)));
    value(&json::runs_within(&runs, &codes, ANSWER_BYTES_MAX))
}

fn passing_gaps(report: &Report) -> impl Iterator<Item = String> {
    let gaps = report.plan.gaps.iter().filter(|gap| gap.error.may_pass);
    gaps.map(|gap| {
        let place = gap.region.map_or_else(|| "the account".to_owned(), |r| r.to_string());
        format!("{} in {place}: {}", gap.operation, gap.error)
    })
}

fn passing_failures(report: &Report) -> impl Iterator<Item = String> {
    let ended = report.plan.actions.iter().zip(&report.outcomes);
    ended.filter_map(|(action, outcome)| match outcome {
        Outcome::Failed(failure) if failure.may_pass => Some(format!("{}: {failure}", action.id())),
        _ => None,
    })
}

/// Returns the first few of `reasons` and how many there are; none if there is none.
fn summed_up(reasons: impl Iterator<Item = String>) -> Option<String> {
    let reasons: Vec<String> = reasons.collect();
    let n_more = reasons.len().saturating_sub(REASONS_MAX);
    let mut text = reasons.get(..REASONS_MAX).unwrap_or(&reasons).join("; ");
    if 0 < n_more {
        let _ = write!(text, "; and {n_more} more");
    }
    (!reasons.is_empty()).then_some(text)
}

/// Returns a document as a value; that cannot fail with names as keys.
fn value(document: &impl Serialize) -> Value {
    to_value(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{refusal, summed_up};

    #[test]
    fn an_error_names_a_few_reasons_and_counts_the_rest() {
        let check = |n: usize| summed_up((1..=n).map(|n| format!("reason {n}")));
        assert_eq!(check(0), None);
        assert_eq!(check(2).unwrap(), "reason 1; reason 2");
        assert_eq!(check(3).unwrap(), "reason 1; reason 2; reason 3");
        assert_eq!(check(5).unwrap(), "reason 1; reason 2; reason 3; and 2 more");
    }

    #[test]
    fn a_refusal_exits_like_a_usage_error() {
        assert_eq!(refusal("no")["exit_codes"], json!([2]));
    }
}
