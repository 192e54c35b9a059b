//! Execution: a [`Plan`] goes in, one [`Outcome`] for each of its actions comes out.
//!
//! Makes no choices. It keeps EC2's pace, tells a lost reply from a refusal, looks again before it
//! deletes, and lets no failure stop the rest. What is left over, the next cycle plans anew.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};

use crate::cloud::Cloud;
use crate::domain::region::Region;
use crate::plan::{Action, ExpireReason, Op, Plan};

pub mod clock;
pub mod outcome;
pub mod pace;

mod change;
mod copy;
mod create;
mod delete;
mod look;
mod recheck;
mod region;

pub use clock::{Clock, Stop};
pub use outcome::{Outcome, Progress};

use pace::Paces;
use region::RegionRun;

/// Carries out the actions of `plan`; returns their outcomes in the same order.
///
/// Regions run side by side. In each, failed snapshots that are in the way of a creation go
/// first, then come the creations and copies, then changes to what is there, then the other
/// deletions. What names actions that it comes after is not begun unless they are done. After `stop`
/// is set nothing new is begun.
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
    let paces = &Paces::new(api_share);
    let runs = by_region.into_iter().map(|(region, actions)| async move {
        let run = RegionRun::new(cloud, clock, region, paces, stop, progress);
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
    let mut by_phase: BTreeMap<Phase, Vec<(usize, &Action)>> = BTreeMap::new();
    for (n, action) in actions {
        by_phase.entry(Phase::of(action)).or_default().push((n, action));
    }
    let mut of = |phase| by_phase.remove(&phase).unwrap_or_default();
    let mut outcomes = delete::delete_all(run, of(Phase::MakingRoom)).await;
    // A creation may have to wait for its volume; copies have nothing to wait for.
    let (creations, copies) = (of(Phase::Creating), of(Phase::Copying));
    let (created, copied) =
        join(create::create_all(run, creations), copy::copy_all(run, copies)).await;
    outcomes.extend(created);
    outcomes.extend(copied);
    outcomes.extend(change::change_all(run, of(Phase::Changing)).await);
    outcomes.extend(delete::delete_all(run, of(Phase::Deleting)).await);
    outcomes
}

/// When in its region an action has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    MakingRoom,
    Creating,
    Copying,
    Changing,
    Deleting,
}

impl Phase {
    fn of(action: &Action) -> Self {
        match &action.op {
            Op::CreateSnapshots(_) | Op::CreateSnapshot(_) | Op::CreateImage(_) => Self::Creating,
            Op::CopySnapshot(_) | Op::CopyImage(_) => Self::Copying,
            Op::ModifySnapshotAttribute(_)
            | Op::ModifyImageAttribute(_)
            | Op::EnableImageDeprecation(_)
            | Op::CreateTags(_) => Self::Changing,
            Op::DeregisterImage(delete) | Op::DeleteSnapshot(delete) => {
                let is_in_the_way = delete.reason == ExpireReason::FailedInTheWay;
                if is_in_the_way { Self::MakingRoom } else { Self::Deleting }
            }
        }
    }
}
