//! Exit codes: what a script learns from a command.

use std::collections::BTreeSet;

use crate::execute::Outcome;
use crate::plan::{Plan, Severity};
use crate::report::Drift;

/// The exit codes, in the order of their precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// The command line or the configuration is wrong.
    Usage,
    /// Something failed, or was refused.
    Failed,
    /// A limit withheld deletions.
    Withheld,
    /// The inventory is incomplete; the rest was done.
    Incomplete,
    /// With `--exit-code`: there is something to do.
    Actions,
    /// Done, or nothing to do.
    Done,
}

impl ExitCode {
    /// Returns the number.
    pub fn number(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Failed => 1,
            Self::Withheld => 3,
            Self::Incomplete => 4,
            Self::Actions => 10,
            Self::Done => 0,
        }
    }

    /// Returns all that apply to a plan, the one to exit with first.
    pub fn of_plan(plan: &Plan, tells_actions: bool) -> Vec<Self> {
        let is_refused = plan.notes.iter().any(|note| note.severity == Severity::Fatal);
        let mut codes = Vec::new();
        if is_refused {
            codes.push(Self::Failed);
        }
        if !plan.withheld.is_empty() {
            codes.push(Self::Withheld);
        }
        if !plan.gaps.is_empty() {
            codes.push(Self::Incomplete);
        }
        if tells_actions && !plan.actions.is_empty() {
            codes.push(Self::Actions);
        }
        if codes.is_empty() {
            codes.push(Self::Done);
        }
        codes
    }

    /// Returns all that apply to several plans or runs, the one to exit with first.
    pub fn of_all(codes: impl IntoIterator<Item = Vec<Self>>) -> Vec<Self> {
        let all: BTreeSet<Self> = codes.into_iter().flatten().collect();
        let is_all_done = all.len() == 1;
        all.into_iter().filter(|code| *code != Self::Done || is_all_done).collect()
    }

    /// Returns all that apply to a saved plan that was carried out, the one to exit with first.
    pub fn of_applied(plan: &Plan, outcomes: &[Outcome], drift: &Drift) -> Vec<Self> {
        let codes = Self::of_run(plan, outcomes);
        if drift.lines.is_empty() { codes } else { Self::of_all([codes, vec![Self::Failed]]) }
    }

    /// Returns all that apply to a run, the one to exit with first.
    pub fn of_run(plan: &Plan, outcomes: &[Outcome]) -> Vec<Self> {
        let mut codes = Self::of_plan(plan, false);
        let is_failure = |o: &Outcome| matches!(o, Outcome::Failed(_) | Outcome::NotStarted(_));
        if outcomes.iter().any(is_failure) && !codes.contains(&Self::Failed) {
            codes.insert(0, Self::Failed);
            codes.retain(|code| *code != Self::Done);
        }
        codes
    }
}
