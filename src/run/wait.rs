//! Cycles, one after the other, until nothing is left to wait for.
//!
//! Each is a cycle like any other and knows nothing of those before it: what is pending stands in
//! the account. Here is only when the next one comes, and what became of all of them.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::cloud::Cloud;
use crate::config::Config;
use crate::domain::ids::ResourceId;
use crate::execute::{Clock, Outcome, Progress, Stop};
use crate::plan::{Action, Request};
use crate::run::cycle::{Report, run};
use crate::run::lock::{Guard, Locks};
use crate::run::look::{Pauses, done, is_going_on, is_waiting, next_look};

/// The longest pause, unless it is known that nothing changes before.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Runs cycles until one has done nothing and waits for nothing that ends by itself, or `stop` is
/// set.
///
/// All of them fill the slot of the first, extra points too, so that each source gets one. What
/// only a person can help, such as a right that is missing, is not waited for. Returns the plan of
/// the last with the actions of all, and what became of each. The lock is held during each cycle,
/// not between them.
pub async fn run_until_settled<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    request: &Request,
    locks: &Locks,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    let mut cycles = Cycles::default();
    let mut request = request.clone();
    let mut pauses = Pauses::up_to(PAUSE_MAX);
    loop {
        let lock = locks.take(stop).await;
        if lock.as_ref().is_some_and(Guard::has_waited) {
            // What the other process made meanwhile is not of the future.
            request.now = clock.now().max(request.now);
        }
        let report = run(cloud, clock, config, &request, stop, progress).await;
        drop(lock);
        let n_left = n_left(&report);
        let is_progress = cycles.adds_to(&report);
        let next_at = next_look(&report, clock.now() + pauses.after(&report, is_progress));
        let is_settled = !is_going_on(&report) && !is_progress;
        if is_settled || stop.is_set() {
            return cycles.end(report);
        }
        progress.waits(n_left, next_at);
        if !stop.pause_until(clock, next_at).await {
            return cycles.end(report);
        }
        cycles.keep(report);
        request = Request { now: clock.now(), ..request };
    }
}

/// Returns how many things a later cycle has to see to.
fn n_left(report: &Report) -> usize {
    let n_waiting = report.outcomes.iter().filter(|outcome| is_waiting(outcome)).count();
    report.plan.waiting.len() + n_waiting
}

/// What the cycles up to now have done.
#[derive(Debug, Default)]
struct Cycles {
    ended: Vec<(Action, Outcome)>,
    /// Ids of the actions that are done, each with what it made.
    done: HashSet<(String, Vec<ResourceId>)>,
}

impl Cycles {
    /// Takes note of what a cycle did; returns true if that is anything that none did before.
    ///
    /// What is done again and again, such as a deletion that EC2 puts off, settles nothing.
    fn adds_to(&mut self, report: &Report) -> bool {
        let n_before = self.done.len();
        self.done.extend(done(report));
        n_before < self.done.len()
    }

    /// Keeps what became of the actions of a cycle that others follow.
    fn keep(&mut self, report: Report) {
        self.add(report.plan.actions, report.outcomes);
    }

    /// Returns the last cycle's report with what became of the actions of all.
    fn end(mut self, last: Report) -> Report {
        let Report { mut plan, outcomes, is_interrupted } = last;
        self.add(std::mem::take(&mut plan.actions), outcomes);
        let (actions, outcomes) = self.ended.into_iter().unzip();
        plan.actions = actions;
        Report { plan, outcomes, is_interrupted }
    }

    /// An action that was left to a later cycle, or ended there as it had before, stands once.
    fn add(&mut self, actions: Vec<Action>, outcomes: Vec<Outcome>) {
        let later: HashMap<String, &Outcome> =
            actions.iter().map(Action::id).zip(&outcomes).collect();
        self.ended.retain(|(action, outcome)| {
            let again = later.get(&action.id());
            again.is_none_or(|later| !is_waiting(outcome) && outcome != *later)
        });
        drop(later);
        self.ended.extend(actions.into_iter().zip(outcomes));
    }
}

#[cfg(test)]
mod tests {
    use super::{Cycles, n_left};
    use crate::domain::ids::SnapshotId;
    use crate::execute::Outcome;
    use crate::plan::{Action, Plan};
    use crate::run::cycle::Report;
    use crate::run::look::tests::{action, done, failed, report, t, waiting, waits_until};

    #[test]
    fn lines_and_actions_that_wait_are_left() {
        let report = report(&[(1, waiting()), (2, failed("no")), (3, done())]);
        assert_eq!(n_left(&waits_until(report, &[None, None])), 3);
    }

    #[test]
    fn only_what_was_not_done_before_is_progress() {
        let mut cycles = Cycles::default();
        assert!(cycles.adds_to(&report(&[(1, done()), (2, failed("no"))])));
        assert!(!cycles.adds_to(&report(&[(1, done()), (2, failed("no"))])));
        assert!(!cycles.adds_to(&report(&[(3, Outcome::AlreadyGone), (4, waiting())])));
        assert!(cycles.adds_to(&report(&[(2, done())])));
        // The next attempt at a point has the same id.
        let snapshot_id: SnapshotId = "snap-00000009".parse().unwrap();
        assert!(cycles.adds_to(&report(&[(1, Outcome::Done(vec![snapshot_id.into()]))])));
    }

    #[test]
    fn nothing_that_any_cycle_did_is_missing_from_the_report() {
        let mut cycles = Cycles::default();
        cycles.keep(report(&[(1, done()), (2, waiting()), (3, failed("a")), (4, failed("b"))]));
        cycles.keep(report(&[(2, waiting()), (3, failed("a")), (4, done())]));
        let last = Report {
            plan: Plan { now: t("04:00:00"), ..report(&[(2, done())]).plan },
            outcomes: vec![done()],
            ..Report::default()
        };
        let Report { plan, outcomes, .. } = cycles.end(last);
        let ended: Vec<(Action, Outcome)> = plan.actions.into_iter().zip(outcomes).collect();
        let expected = [
            (1, done()),
            (4, failed("b")),
            (3, failed("a")),
            (4, done()),
            // It waited twice before.
            (2, done()),
        ];
        assert_eq!(plan.now, t("04:00:00"));
        assert_eq!(ended, expected.map(|(n, outcome)| (action(n), outcome)));
    }
}
