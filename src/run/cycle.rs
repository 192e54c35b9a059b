//! One cycle of observing, planning and executing.

use crate::cloud::Cloud;
use crate::config::Config;
use crate::execute::{Clock, Outcome, Progress, Stop, execute};
use crate::plan::{Note, Plan, Request, Severity, plan};
use crate::run::observe::observe;

/// What a cycle planned and did.
#[derive(Debug, Default)]
pub struct Report {
    /// The plan that was carried out; of several cycles the last one's, with the actions of all.
    pub plan: Plan,
    /// What became of each of its actions, in order.
    pub outcomes: Vec<Outcome>,
    /// Whether it was stopped before it planned anything.
    pub is_interrupted: bool,
}

impl Report {
    /// The report of a cycle that was stopped before it planned anything.
    pub(super) fn interrupted(config: &Config, request: &Request) -> Self {
        let note = Note {
            severity: Severity::Fatal,
            region: None,
            message: "stopped before anything was planned; the next run plans anew".to_owned(),
        };
        let plan = Plan {
            now: request.now,
            account_name: config.account.clone(),
            config_digest: config.digest.clone(),
            notes: vec![note],
            ..Plan::default()
        };
        Self { plan, outcomes: Vec::new(), is_interrupted: true }
    }
}

/// Runs one cycle.
///
/// A fatal note refuses its region, or everything if it names none: those actions are reported as
/// not started, the others are carried out. If `stop` is set while the account is still observed,
/// nothing is planned.
pub async fn run<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    request: &Request,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    progress.observes();
    let observing = observe(cloud, config, request);
    let Some(inventory) = stop.unless_set(observing).await else {
        return Report::interrupted(config, request);
    };
    let plan = plan(config, &inventory, request);
    drop(inventory);
    carry_out(cloud, clock, config, plan, stop, progress).await
}

/// Carries out a plan but for what its fatal notes refuse.
pub async fn carry_out<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    config: &Config,
    mut plan: Plan,
    stop: &Stop,
    progress: &dyn Progress,
) -> Report {
    let actions = std::mem::take(&mut plan.actions);
    let (allowed, refused): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|action| !plan.refuses(action));
    plan.actions = allowed;
    let mut outcomes = execute(cloud, clock, &plan, config.api_share, stop, progress).await;
    let why = "the plan was refused, see its fatal notes";
    outcomes.extend(refused.iter().map(|_| Outcome::NotStarted(why.to_owned())));
    plan.actions.extend(refused);
    Report { plan, outcomes, is_interrupted: false }
}
