//! Obstacles: all that stands in the way of a deletion, whether or not anything is to be deleted.
//!
//! The plan names the first veto only; here are all of them, and the copies that a point is owed.

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::region::Region;
use crate::plan::copies;
use crate::plan::explain::Subject;
use crate::plan::explain::judged::Found;
use crate::plan::guard::{Cause, Veto, region_vetoes, snapshot_vetoes};
use crate::plan::lineage::{Role, Thing};
use crate::plan::model::{Action, ExpireReason, Keep, KeepReason, Plan};
use crate::plan::reason::minute;
use crate::plan::removal;
use crate::plan::verdict::Verdict;

/// Something in the way of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What bears it; none if it holds for the whole region or point.
    pub on: Option<ResourceId>,
    /// What it is, in words.
    pub what: String,
    /// What lifts it, in words.
    pub lifted_by: String,
}

impl From<Veto> for Obstacle {
    fn from(veto: Veto) -> Self {
        let (what, lifted_by) = (veto.cause.to_string(), veto.cause.lifted_by());
        Self { on: veto.on, what, lifted_by }
    }
}

/// Returns what forbids every deletion in the region.
pub(super) fn of_region(subject: &Subject<'_, '_>) -> Vec<Obstacle> {
    let vetoes = region_vetoes(subject.world.inventory, subject.scene.observed);
    vetoes.into_iter().map(Obstacle::from).collect()
}

/// Adds what is on the snapshot itself: where no policy judges it, or it goes with an image.
pub(super) fn of_itself(
    subject: &Subject<'_, '_>,
    is_unjudged: bool,
    obstacles: &mut Vec<Obstacle>,
) {
    let Thing::Snapshot(snapshot) = subject.thing else {
        // Images of nobody's business have no policy that could deregister them.
        return;
    };
    let is_left_over = subject.scene.of_images.iter().any(|(.., s)| s.id == snapshot.id);
    if is_unjudged || is_left_over || subject.of_image.is_some() {
        let vetoes = snapshot_vetoes(&subject.scene.judge, subject.scene.observed, snapshot);
        add(obstacles, vetoes.into_iter().map(Obstacle::from));
    }
}

/// Adds what is on the members of the point: each is a veto on all.
pub(super) fn of_point(found: &Found<'_, '_, '_>, plan: &Plan, obstacles: &mut Vec<Obstacle>) {
    let Subject { world, scene, .. } = *found.subject;
    let (key, now) = (found.lineage.key, world.request.now);
    let mut being_copied = crate::plan::copy_search::being_copied(world.inventory);
    being_copied.extend(plan.actions.iter().filter_map(Action::as_copy).map(|copy| copy.parent));
    for member in found.members() {
        if member.role == Role::Selected {
            let what = "made by others, and not adopted".to_owned();
            let lifted_by = "an `adopt` that matches it".to_owned();
            add(obstacles, [Obstacle { on: Some(member.id()), what, lifted_by }]);
            continue;
        }
        let own = removal::vetoes(scene, key, &member, now);
        add(obstacles, own.into_iter().map(|veto| of_member(veto, plan)));
        let (on, cause) = (Some(member.id()), Cause::BeingCopied);
        if being_copied.contains(&RegionalId { region: scene.region, id: member.id() }) {
            add(obstacles, [Obstacle::from(Veto { on, cause })]);
        }
    }
    owed(found, obstacles);
}

/// Words a veto on a member. What uses an image is asked only of those that would go.
fn of_member(veto: Veto, plan: &Plan) -> Obstacle {
    let would_go = |keep: &Keep| match &keep.reason {
        KeepReason::Vetoed(vetoed) => vetoed.1 == veto,
        KeepReason::Held(_) | KeepReason::Failed => false,
    };
    if veto.cause != Cause::UsesUnknown || plan.keeps.iter().any(would_go) {
        return Obstacle::from(veto);
    }
    let what = "what uses the image was not asked".to_owned();
    let lifted_by = "the run that would deregister it, which asks".to_owned();
    Obstacle { on: veto.on, what, lifted_by }
}

/// Adds the copies that the point is owed before it may go.
fn owed(found: &Found<'_, '_, '_>, obstacles: &mut Vec<Obstacle>) {
    let Subject { world, scene, .. } = *found.subject;
    let Some(point) = found.point() else { return };
    if matches!(found.verdict(), Some(Verdict::Expire(ExpireReason::Surplus, _))) {
        return;
    }
    let debts = copies::find(world).debts;
    let Some(owed) = debts.get(&(scene.region, found.lineage.key, point.identity)) else { return };
    let unknown = owed
        .unknown
        .iter()
        .map(|region| Obstacle::from(Veto { on: None, cause: Cause::DestinationUnknown(*region) }));
    add(obstacles, unknown);
    let Some(policy) = scene.judge.policy(found.lineage.key.policy) else { return };
    let over_at = policy.copy_give_up.end(point.time, policy.timezone);
    let unfinished = owed.unfinished.iter().map(|region: &Region| Obstacle {
        on: None,
        what: format!("its copy to {region} is not finished"),
        lifted_by: format!(
            "the end of the copy; copy_give_up = {} ends {}",
            policy.copy_give_up,
            minute(over_at)
        ),
    });
    add(obstacles, unfinished);
}

/// Adds what is not there yet: several policies may judge the same.
fn add(obstacles: &mut Vec<Obstacle>, more: impl IntoIterator<Item = Obstacle>) {
    for obstacle in more {
        if !obstacles.contains(&obstacle) {
            obstacles.push(obstacle);
        }
    }
}
