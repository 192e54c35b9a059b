//! When the next look at an account is worth it.
//!
//! What is pending stands in the account, and nobody tells when it ends: whoever repeats cycles asks
//! here when to look again.

use std::collections::HashSet;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::domain::ids::ResourceId;
use crate::execute::Outcome;
use crate::plan::Severity;
use crate::run::cycle::Report;

/// The pause after a cycle that did something; each that did nothing doubles it.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(15);
/// The pause after a cycle that made something is no shorter: listings may not show it before
/// (EC2 API reference, "Eventual consistency"), and the next cycle would make it again.
pub const UNSEEN_FOR: TimeDelta = TimeDelta::minutes(1);

/// The longest pause of a service before another look at what failed, is waited for or could not be
/// read.
pub const LOOK_MAX: TimeDelta = TimeDelta::minutes(15);

/// Pauses between cycles, which grow while nothing happens.
#[derive(Debug)]
pub(super) struct Pauses {
    next: TimeDelta,
    longest: TimeDelta,
}

impl Pauses {
    /// Pauses up to `longest`, unless it is known that nothing changes before.
    pub(super) fn up_to(longest: TimeDelta) -> Self {
        Self { next: PAUSE_MIN, longest }
    }

    /// Returns the pause after a cycle.
    pub(super) fn after(&mut self, report: &Report, is_progress: bool) -> TimeDelta {
        let pause = if is_progress { PAUSE_MIN } else { self.next };
        let pause = if makes_anything(report) { pause.max(UNSEEN_FOR) } else { pause };
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

/// When a service looks again although no slot is due: soon after it did something, and ever more
/// rarely while nothing changes.
#[derive(Debug)]
pub struct Looks {
    pauses: Pauses,
    /// What the last cycle did.
    done: HashSet<(String, Vec<ResourceId>)>,
}

impl Looks {
    /// Looks at most `longest` apart while anything is left.
    pub fn up_to(longest: TimeDelta) -> Self {
        Self { pauses: Pauses::up_to(longest), done: HashSet::new() }
    }

    /// Returns when to look again after a cycle that ended at `now`; none if it left nothing that
    /// may change before the next slot.
    ///
    /// Unlike `run --wait` a service also looks again at what failed and at what could not be
    /// read: it may have been a bad hour.
    pub fn next(&mut self, report: &Report, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let done: HashSet<_> = done(report).collect();
        let is_progress = !done.is_subset(&self.done);
        self.done = done;
        if !is_progress && !is_going_on(report) && !is_troubled(report) {
            self.pauses.next = PAUSE_MIN;
            return None;
        }
        let at = now + self.pauses.after(report, is_progress);
        Some(if is_troubled(report) { at } else { next_look(report, at) })
    }

    /// Returns when to look again after a cycle of which there is no report.
    pub fn after_failure(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.pauses.after(&Report::default(), false)
    }
}

/// Returns the ids of the actions that are done, each with what it made.
pub(super) fn done(report: &Report) -> impl Iterator<Item = (String, Vec<ResourceId>)> {
    let ended = report.plan.actions.iter().zip(&report.outcomes);
    let done = ended.filter(|(_, o)| matches!(o, Outcome::Done(_) | Outcome::Found(_)));
    done.map(|(action, outcome)| (action.id(), outcome.made().to_vec()))
}

/// Returns true if another cycle may find more to do, although nobody does anything.
pub(super) fn is_going_on(report: &Report) -> bool {
    report.plan.waiting.iter().any(|waiting| waiting.ends_by_itself)
        || report.outcomes.iter().any(is_waiting)
}

pub(super) fn is_waiting(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Waits(_))
}

/// Returns true if something failed, was refused or could not be read.
fn is_troubled(report: &Report) -> bool {
    let is_failure = |o: &Outcome| matches!(o, Outcome::Failed(_) | Outcome::NotStarted(_));
    !report.plan.gaps.is_empty()
        || report.outcomes.iter().any(is_failure)
        || report.plan.notes.iter().any(|note| note.severity == Severity::Fatal)
}

/// Returns true if a cycle made anything that listings may not show yet.
pub fn makes_anything(report: &Report) -> bool {
    let ended = report.plan.actions.iter().zip(&report.outcomes);
    let mut done = ended.filter(|(_, outcome)| outcome.is_done()).map(|(action, _)| action);
    done.any(|action| action.as_creation().is_some() || action.as_copy().is_some())
}

/// Returns when the next cycle begins: `at`, or later if it is known that nothing changes before.
pub(super) fn next_look(report: &Report, at: DateTime<Utc>) -> DateTime<Utc> {
    if report.outcomes.iter().any(|o| o.is_done() || is_waiting(o)) {
        return at;
    }
    let known: Option<Vec<DateTime<Utc>>> =
        report.plan.waiting.iter().map(|waiting| waiting.not_before).collect();
    known.and_then(|known| known.into_iter().min()).map_or(at, |earliest| earliest.max(at))
}

/// Returns the first whole second that is not before `at`, as it is told.
pub fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    let whole = at.trunc_subsecs(0);
    if whole < at { whole + TimeDelta::seconds(1) } else { whole }
}

#[cfg(test)]
pub(super) mod tests;
