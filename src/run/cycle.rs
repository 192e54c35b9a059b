//! One cycle of observing, planning and executing.

use std::collections::BTreeSet;

use crate::cloud::Cloud;
use crate::cloud::observe::{ask_for_sources, observe as observe_regions};
use crate::config::{Config, Regions};
use crate::domain::inventory::Inventory;
use crate::domain::region::Region;
use crate::execute::{Clock, Outcome, Progress, Stop, execute};
use crate::plan::{Plan, Request, Severity, plan, questions};

/// What a cycle planned and did.
#[derive(Debug)]
pub struct Report {
    /// The plan that was carried out.
    pub plan: Plan,
    /// What became of each of its actions, in order.
    pub outcomes: Vec<Outcome>,
}

/// Observes everything that `config` is about.
pub async fn observe<C: Cloud>(cloud: &C, config: &Config) -> Inventory {
    let mut regions: BTreeSet<Region> = BTreeSet::new();
    let mut names_all = false;
    for policy in &config.policies {
        match &policy.regions {
            Regions::All => names_all = true,
            Regions::Named(named) => regions.extend(named.iter().cloned()),
        }
    }
    let mut regions_error = None;
    if names_all {
        match cloud.describe_regions().await {
            Ok(all) => regions.extend(all),
            Err(err) => regions_error = Some(err.reason()),
        }
    }
    let regions: Vec<Region> = regions.into_iter().collect();
    let mut inventory = observe_regions(cloud, &regions).await;
    inventory.regions_error = regions_error;
    let questions = questions(config, &inventory);
    ask_for_sources(cloud, &mut inventory, &questions).await;
    inventory
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
