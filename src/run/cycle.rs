//! One cycle of observing, planning and executing.

use crate::cloud::Cloud;
use crate::config::Config;
use crate::execute::{Clock, Outcome, Progress, Stop, execute};
use crate::plan::{Plan, Request, plan};
use crate::run::observe::observe;

/// What a cycle planned and did.
#[derive(Debug)]
pub struct Report {
    /// The plan that was carried out; of several cycles the last one's, with the actions of all.
    pub plan: Plan,
    /// What became of each of its actions, in order.
    pub outcomes: Vec<Outcome>,
}

/// Runs one cycle.
///
/// A fatal note refuses its region, or everything if it names none: those actions are reported as
/// not started, the others are carried out.
pub async fn run<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    request: &Request,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    let inventory = observe(cloud, config, request).await;
    let mut plan = plan(config, &inventory, request);
    drop(inventory);
    let actions = std::mem::take(&mut plan.actions);
    let (allowed, refused): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|action| !plan.refuses(action));
    plan.actions = allowed;
    let mut outcomes = execute(cloud, clock, &plan, config.api_share, stop, progress).await;
    let why = "the plan was refused, see its fatal notes";
    outcomes.extend(refused.iter().map(|_| Outcome::NotStarted(why.to_owned())));
    plan.actions.extend(refused);
    Report { plan, outcomes }
}
