//! Limits: a run that would delete unusually much deletes nothing of that policy and region.
//!
//! Creations are never withheld.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Config, Limits};
use crate::domain::ids::ImageId;
use crate::domain::region::Region;
use crate::plan::Request;
use crate::plan::model::{Action, Delete, ExpireReason, Op, Plan, TagPurpose, Tagging, Withheld};

/// Below so many deletions the percentage says nothing.
const PERCENT_FROM: u32 = 20;

/// Moves deletions over a limit to `plan.withheld` and returns the others, in order.
pub fn withhold(
    config: &Config,
    request: &Request,
    deletions: Vec<Action>,
    plan: &mut Plan,
) -> Vec<Action> {
    let mut counts: BTreeMap<(Arc<str>, Region), Count> = BTreeMap::new();
    for run in deletions.chunk_by(|a, b| a.policy == b.policy && a.region == b.region) {
        let place = (Arc::clone(&run[0].policy), run[0].region);
        counts.entry(place).or_default().add(run);
    }
    let exceeded: BTreeMap<(Arc<str>, Region), Arc<str>> = counts
        .into_iter()
        .filter_map(|(place, count)| {
            let limits = limits(config, &place);
            let n_points = plan.n_points.get(&place).copied().unwrap_or_default();
            let text = count.exceeds(limits, request.max_deletes, n_points)?;
            Some((place, text.into()))
        })
        .collect();
    if exceeded.is_empty() {
        return deletions;
    }
    let mut allowed = Vec::new();
    for action in deletions {
        let place = (Arc::clone(&action.policy), action.region);
        match exceeded.get(&place).filter(|_| is_counted(&action)) {
            Some(limit) => plan.withheld.push(Withheld { action, limit: Arc::clone(limit) }),
            None => allowed.push(action),
        }
    }
    allowed
}

/// Takes back what prepares deregistrations that are withheld: until these are made, the tags would
/// only say what is not so.
pub fn unprepare(plan: &mut Plan) {
    let withheld = plan.withheld.iter().map(|withheld| &withheld.action);
    let images: BTreeSet<(Region, ImageId)> = withheld
        .filter_map(|action| Some((action.region, action.as_delete()?.resource.image()?)))
        .collect();
    plan.actions.retain(|action| match &action.op {
        Op::CreateTags(Tagging { purpose: TagPurpose::Backs(image_id), .. }) => {
            !images.contains(&(action.region, *image_id))
        }
        _ => true,
    });
}

/// Returns false for what must go so that a creation can be made: those are never withheld.
fn is_counted(action: &Action) -> bool {
    action.as_delete().is_none_or(|delete| delete.reason != ExpireReason::FailedInTheWay)
}

fn limits(config: &Config, (name, region): &(Arc<str>, Region)) -> Limits {
    let policy = config.policies.iter().find(|policy| policy.name == *name);
    policy.map_or_else(Limits::default, |policy| policy.in_region(region).limits)
}

/// Deletions of one policy in one region.
#[derive(Debug, Default)]
struct Count {
    n_snapshots: u32,
    n_points: u32,
}

impl Count {
    fn add(&mut self, run: &[Action]) {
        let deletes = || run.iter().filter(|a| is_counted(a)).filter_map(Action::as_delete);
        self.n_snapshots += u32::try_from(deletes().count()).unwrap_or(u32::MAX);
        // Everything of one point follows each other and shares its instant and source. What
        // failed, or is replaced by its encrypted form, or was left over, is no point.
        let is_point = |delete: &&Delete| {
            !matches!(
                delete.reason,
                ExpireReason::Failed | ExpireReason::Retired | ExpireReason::LeftOver(_)
            )
        };
        let points: Vec<_> =
            deletes().filter(is_point).map(|delete| (delete.point_time, delete.source)).collect();
        self.n_points += u32::try_from(points.chunk_by(|a, b| a == b).count()).unwrap_or(u32::MAX);
    }

    fn exceeds(&self, limits: Limits, max_deletes: Option<u32>, n_points: u32) -> Option<String> {
        let Self { n_snapshots, n_points: n_deleted } = self;
        let once = max_deletes.is_some();
        let max = max_deletes.unwrap_or(limits.max_deletes);
        if max < *n_snapshots {
            let key = if once { "--max-deletes" } else { "max_deletes" };
            return Some(format!("{n_snapshots} deletions, {key} = {max}"));
        }
        let percent = limits.max_delete_percent;
        let is_over = u64::from(n_points) * u64::from(percent) < u64::from(*n_deleted) * 100;
        (!once && PERCENT_FROM <= *n_snapshots && is_over)
            .then(|| format!("{n_deleted} of {n_points} points, max_delete_percent = {percent}"))
    }
}
