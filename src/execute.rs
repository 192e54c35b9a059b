//! Execution: a [`Plan`] goes in, one [`Outcome`] for each of its actions comes out.
//!
//! Makes no choices. It keeps EC2's pace, tells a lost reply from a refusal, looks again before it
//! deletes, and lets no failure stop the rest. What is left over, the next cycle plans anew.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::cloud::Cloud;
use crate::domain::region::Region;
use crate::plan::{Action, ExpireReason, Plan};

pub mod clock;
pub mod outcome;
pub mod pace;

mod create;
mod delete;
mod region;

pub use clock::{Clock, Stop};
pub use outcome::{Outcome, Progress};

use region::RegionRun;

/// Carries out the actions of `plan`; returns their outcomes in the same order.
///
/// Regions run side by side. In each, failed snapshots that are in the way of a creation go
/// first, then come the creations, then the other deletions. After `stop` is set nothing new is
/// begun.
pub async fn execute<C: Cloud, K: Clock>(
    cloud: &C,
    clock: &K,
    plan: &Plan,
    api_share: f64,
    stop: &Stop,
    progress: &dyn Progress,
) -> Vec<Outcome> {
    progress.begins(plan.actions.len());
    let mut by_region: BTreeMap<&Region, Vec<(usize, &Action)>> = BTreeMap::new();
    for (n, action) in plan.actions.iter().enumerate() {
        by_region.entry(&action.region).or_default().push((n, action));
    }
    let runs = by_region.into_iter().map(|(region, actions)| async move {
        let run = RegionRun::new(cloud, clock, region, api_share, stop, progress);
        run_region(&run, actions).await
    });
    let mut outcomes = vec![Outcome::NotStarted("not reached".to_owned()); plan.actions.len()];
    for (n, outcome) in join_all(runs).await.into_iter().flatten() {
        outcomes[n] = outcome;
    }
    progress.ends();
    outcomes
}

async fn run_region<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    actions: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    let is_in_the_way = |action: &Action| {
        let delete = action.as_delete();
        delete.is_some_and(|delete| delete.reason == ExpireReason::FailedInTheWay)
    };
    let (first, rest): (Vec<_>, Vec<_>) = actions.into_iter().partition(|(_, a)| is_in_the_way(a));
    let (creations, deletions): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|(_, action)| action.as_creation().is_some());
    let mut outcomes = delete::delete_all(run, first).await;
    outcomes.extend(create::create_all(run, creations).await);
    outcomes.extend(delete::delete_all(run, deletions).await);
    outcomes
}
