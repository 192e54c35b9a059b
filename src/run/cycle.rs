//! One cycle of observing, planning and executing.

use crate::cloud::Cloud;
use crate::config::Config;
use crate::execute::{Clock, Outcome, Progress, Stop, execute};
use crate::plan::{Plan, Request, Severity, plan};
use crate::run::observe::observe;

/// What a cycle planned and did.
#[derive(Debug)]
pub struct Report {
    /// The plan that was carried out.
    pub plan: Plan,
    /// What became of each of its actions, in order.
    pub outcomes: Vec<Outcome>,
}

/// Runs one cycle.
///
/// A plan with a fatal note is not executed; each of its actions is reported as not started.
pub async fn run<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    request: &Request,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    let inventory = observe(cloud, config).await;
    let plan = plan(config, &inventory, request);
    drop(inventory);
    let is_refused = plan.notes.iter().any(|note| note.severity == Severity::Fatal);
    let outcomes = if is_refused {
        let refused = Outcome::NotStarted("the plan was refused, see its notes".to_owned());
        vec![refused; plan.actions.len()]
    } else {
        execute(cloud, clock, &plan, config.api_share, stop, progress).await
    };
    Report { plan, outcomes }
}
