//! Cycles, one after the other, until nothing is left to wait for.
//!
//! Each is a cycle like any other and knows nothing of those before it: what is pending stands in
//! the account. Here is only when the next one comes, and what became of all of them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::Cloud;
use crate::config::Config;
use crate::execute::{Clock, Outcome, Progress, Stop};
use crate::plan::{Action, Request};
use crate::run::cycle::{Report, run};

/// The pause after a cycle that did something; each that did nothing doubles it.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(15);
/// The longest pause, unless it is known that nothing changes before.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Runs cycles until one has nothing to wait for and has done nothing, or `stop` is set.
///
/// All of them fill the slot of the first; only that makes extra points. Returns the plan of the
/// last with the actions of all, and what became of each.
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
        let next_at = next_look(&report, clock.now() + pause);
        let is_settled = n_left == 0 && !is_progress;
        if is_settled || stop.is_set() {
            return cycles.end(report);
        }
        progress.waits(n_left, next_at);
        if !stop.pause_until(clock, next_at).await {
            return cycles.end(report);
        }
        cycles.keep(report);
        pause = (pause * 2).min(PAUSE_MAX);
        request = Request { now: clock.now(), extra: false, ..request };
    }
}

/// Returns how many things a later cycle has to see to.
fn n_left(report: &Report) -> usize {
    let n_waiting = report.outcomes.iter().filter(|outcome| is_waiting(outcome)).count();
    report.plan.waiting.len() + n_waiting
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
    /// Ids of the actions that are done.
    done: HashSet<String>,
}

impl Cycles {
    /// Takes note of what a cycle did; returns true if that is anything that none did before.
    ///
    /// What is done again and again, such as a deletion that EC2 puts off, settles nothing.
    fn adds_to(&mut self, report: &Report) -> bool {
        let ended = report.plan.actions.iter().zip(&report.outcomes);
        let done = ended.filter(|(_, o)| matches!(o, Outcome::Done(_) | Outcome::Found(_)));
        let n_before = self.done.len();
        self.done.extend(done.map(|(action, _)| action.id()));
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
