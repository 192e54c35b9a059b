//! Cycles, one after the other, until nothing is left to wait for.
//!
//! Each is a cycle like any other and knows nothing of those before it: what is pending stands in
//! the account. Here is only when the next one comes, and what became of all of them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::Cloud;
use crate::config::Config;
use crate::domain::ids::ResourceId;
use crate::execute::{Clock, Outcome, Progress, Stop};
use crate::plan::{Action, Request};
use crate::run::cycle::{Report, run};

/// The pause after a cycle that did something; each that did nothing doubles it.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(15);
/// The pause after a cycle that made something is no shorter: listings may not show it before
/// (EC2 API reference, "Eventual consistency"), and the next cycle would make it again.
const UNSEEN_FOR: TimeDelta = TimeDelta::minutes(1);
/// The longest pause, unless it is known that nothing changes before.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Runs cycles until one has done nothing and waits for nothing that ends by itself, or `stop` is
/// set.
///
/// All of them fill the slot of the first, extra points too, so that each source gets one. What
/// only a person can help, such as a right that is missing, is not waited for. Returns the plan of
/// the last with the actions of all, and what became of each.
pub async fn run_until_settled<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    request: &Request,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    let mut cycles = Cycles::default();
    let mut request = request.clone();
    let mut pause = PAUSE_MIN;
    loop {
        let report = run(cloud, clock, config, &request, stop, progress).await;
        let n_left = n_left(&report);
        let is_progress = cycles.adds_to(&report);
        pause = if is_progress { PAUSE_MIN } else { pause };
        pause = if makes_anything(&report) { pause.max(UNSEEN_FOR) } else { pause };
        let next_at = next_look(&report, clock.now() + pause);
        let is_settled = !is_going_on(&report) && !is_progress;
        if is_settled || stop.is_set() {
            return cycles.end(report);
        }
        progress.waits(n_left, next_at);
        if !stop.pause_until(clock, next_at).await {
            return cycles.end(report);
        }
        cycles.keep(report);
        pause = longer(pause);
        request = Request { now: clock.now(), ..request };
    }
}

fn longer(pause: TimeDelta) -> TimeDelta {
    (pause * 2).min(PAUSE_MAX)
}

/// Returns how many things a later cycle has to see to.
fn n_left(report: &Report) -> usize {
    let n_waiting = report.outcomes.iter().filter(|outcome| is_waiting(outcome)).count();
    report.plan.waiting.len() + n_waiting
}

/// Returns true if another cycle may find more to do, although nobody does anything.
fn is_going_on(report: &Report) -> bool {
    report.plan.waiting.iter().any(|waiting| waiting.ends_by_itself)
        || report.outcomes.iter().any(is_waiting)
}

fn makes_anything(report: &Report) -> bool {
    let ended = report.plan.actions.iter().zip(&report.outcomes);
    let mut done = ended.filter(|(_, outcome)| outcome.is_done()).map(|(action, _)| action);
    done.any(|action| action.as_creation().is_some() || action.as_copy().is_some())
}

fn is_waiting(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Waits(_))
}

/// Returns when the next cycle begins: `at`, or later if it is known that nothing changes before.
fn next_look(report: &Report, at: DateTime<Utc>) -> DateTime<Utc> {
    if report.outcomes.iter().any(|o| o.is_done() || is_waiting(o)) {
        return at;
    }
    let known: Option<Vec<DateTime<Utc>>> =
        report.plan.waiting.iter().map(|waiting| waiting.not_before).collect();
    known.and_then(|known| known.into_iter().min()).map_or(at, |earliest| earliest.max(at))
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
        let ended = report.plan.actions.iter().zip(&report.outcomes);
        let done = ended.filter(|(_, o)| matches!(o, Outcome::Done(_) | Outcome::Found(_)));
        let n_before = self.done.len();
        self.done.extend(done.map(|(action, outcome)| (action.id(), outcome.made().to_vec())));
        n_before < self.done.len()
    }

    /// Keeps what became of the actions of a cycle that others follow.
    fn keep(&mut self, report: Report) {
        self.add(report.plan.actions, report.outcomes);
    }

    /// Returns the last cycle's report with what became of the actions of all.
    fn end(mut self, last: Report) -> Report {
        let Report { mut plan, outcomes } = last;
        self.add(std::mem::take(&mut plan.actions), outcomes);
        let (actions, outcomes) = self.ended.into_iter().unzip();
        plan.actions = actions;
        Report { plan, outcomes }
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
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Cycles, n_left, next_look};
    use crate::domain::failure::Failure;
    use crate::domain::ids::SnapshotId;
    use crate::execute::Outcome;
    use crate::plan::{Action, Op, Plan, TagPurpose, Tagging, Waiting};
    use crate::run::cycle::Report;

    fn t(text: &str) -> DateTime<Utc> {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    /// An action on the snapshot of this number.
    fn action(n: u32) -> Action {
        let id: SnapshotId = format!("snap-{n:08x}").parse().unwrap();
        Action {
            policy: "servers".into(),
            region: "eu-west-1".parse().unwrap(),
            op: Op::CreateTags(Tagging {
                resource: id.into(),
                source: "vol-00000001".parse().unwrap(),
                point_time: t("03:00:00"),
                tags: Vec::new(),
                purpose: TagPurpose::Shared,
            }),
        }
    }

    fn report(ended: &[(u32, Outcome)]) -> Report {
        let plan =
            Plan { actions: ended.iter().map(|(n, _)| action(*n)).collect(), ..Plan::default() };
        Report { plan, outcomes: ended.iter().map(|(_, outcome)| outcome.clone()).collect() }
    }

    fn waits_until(mut report: Report, instants: &[Option<&str>]) -> Report {
        let waiting = instants.iter().map(|not_before| Waiting {
            policy: "servers".into(),
            region: "eu-west-1".parse().unwrap(),
            resource: "vol-00000001".to_owned(),
            reason: "its last attempt failed".to_owned(),
            since: None,
            not_before: not_before.map(t),
            ends_by_itself: true,
        });
        report.plan.waiting = waiting.collect();
        report
    }

    fn done() -> Outcome {
        Outcome::Done(Vec::new())
    }

    fn failed(why: &str) -> Outcome {
        Outcome::Failed(Failure::lasting(why))
    }

    fn waiting() -> Outcome {
        Outcome::Waits("too many copies".to_owned())
    }

    #[test]
    fn the_next_look_is_no_earlier_than_anything_can_change() {
        let at = t("03:00:15");
        for (report, expected) in [
            (report(&[]), at),
            (waits_until(report(&[]), &[Some("04:00:00"), Some("03:30:00")]), t("03:30:00")),
            (waits_until(report(&[]), &[Some("03:00:05")]), at),
            (waits_until(report(&[]), &[Some("04:00:00"), None]), at),
            (waits_until(report(&[(1, failed("no"))]), &[Some("04:00:00")]), t("04:00:00")),
            // What was begun now, or waits for a place, has no such instant.
            (waits_until(report(&[(1, done())]), &[Some("04:00:00")]), at),
            (waits_until(report(&[(1, waiting())]), &[Some("04:00:00")]), at),
        ] {
            assert_eq!(next_look(&report, at), expected, "{report:?}");
        }
    }

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
        };
        let Report { plan, outcomes } = cycles.end(last);
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

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses = std::iter::successors(Some(super::PAUSE_MIN), |p| Some(super::longer(*p)));
        let seconds: Vec<i64> = pauses.take(7).map(|p: TimeDelta| p.num_seconds()).collect();
        assert_eq!(seconds, [15, 30, 60, 120, 240, 300, 300]);
    }
}
