//! Leftovers: snapshots that were made with an image which is gone.
//!
//! A run may be cut off between an image's deregistration and the deletion of its snapshots, and
//! people deregister images by hand. A pending image may not list its snapshots yet, so nothing is
//! a leftover as long as any image of its slot is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::ids::{ImageId, RegionalId};
use crate::domain::inventory::{ImageState, Snapshot, SnapshotState};
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{self, OurTags, Tags};
use crate::plan::copies::has_gap;
use crate::plan::expire::{Emitted, Stage};
use crate::plan::guard::{Cause, Veto, snapshot_vetoes};
use crate::plan::lineage::{Role, Thing};
use crate::plan::model::{ExpireReason, Keep, KeepReason, Plan};
use crate::plan::point::Member;
use crate::plan::removal::Removal;
use crate::plan::scene::{Scene, World};

/// A snapshot is left over only so long after its start: listings are not always up to date.
const LEFT_OVER_FROM: TimeDelta = TimeDelta::hours(24);

/// Plans the deletion of a region's leftovers.
pub fn leftovers(
    world: &World<'_>,
    scene: &Scene<'_>,
    stage: Stage<'_>,
    region_vetoes: &[Veto],
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    if scene.of_images.is_empty() {
        return;
    }
    let images = || scene.observed.images.iter().filter(|i| i.state != ImageState::Deregistered);
    let ids: BTreeSet<ImageId> = images().map(|image| image.id).collect();
    let slots: BTreeSet<SlotTags<'_>> = images().filter_map(|i| slot_tags(&i.tags)).collect();
    for (policy, image_id, snapshot) in &scene.of_images {
        let name = &world.config.policies[*policy].name;
        let is_whole = matches!(snapshot.state, SnapshotState::Completed | SnapshotState::Error);
        let is_over = snapshot.started_at + LEFT_OVER_FROM <= world.request.now;
        let has_image = ids.contains(image_id)
            || scene.judge.image_of(snapshot.id).is_some()
            || slot_tags(&snapshot.tags).is_some_and(|tags| slots.contains(&tags));
        if !is_whole || !is_over || has_image || !world.request.covers(name, &scene.region) {
            continue;
        }
        let Some(source) = source_of(snapshot) else { continue };
        let reason = ExpireReason::LeftOver(*image_id);
        let own = snapshot_vetoes(&scene.judge, scene.observed, snapshot).into_iter();
        let copied = of_copies(world, scene, stage, *policy, *image_id);
        if let Some(veto) = own.chain(copied).chain(region_vetoes.iter().cloned()).next() {
            plan.keeps.push(Keep {
                policy: Arc::clone(name),
                region: scene.region,
                resource: snapshot.id.into(),
                source,
                volume_id: snapshot.volume_id,
                point_time: snapshot.started_at,
                reason: KeepReason::Vetoed(Box::new((reason, veto))),
                until: None,
            });
            continue;
        }
        let removal = Removal {
            scene,
            policy: *policy,
            source,
            point_time: snapshot.started_at,
            reason,
            stays: Arc::from([]),
            stays_elsewhere: Arc::from([]),
        };
        let (thing, volume_id) = (Thing::Snapshot(snapshot), snapshot.volume_id);
        removal.emit(&Member { thing, volume_id, role: Role::Original }, emitted, plan);
    }
}

/// Returns what forbids the deletion because of a copy of the image that is gone: EC2 may still read
/// its snapshots.
fn of_copies(
    world: &World<'_>,
    scene: &Scene<'_>,
    stage: Stage<'_>,
    policy: usize,
    image_id: ImageId,
) -> Option<Veto> {
    let image = RegionalId { region: scene.region, id: image_id.into() };
    if stage.being_copied.contains(&image) {
        return Some(Veto { on: Some(image.id), cause: Cause::BeingCopied });
    }
    let rules = &world.config.policies[policy].in_region(&scene.region).copies;
    let mut destinations = rules.iter().map(|rule| rule.to).filter(|to| *to != scene.region);
    let unknown = destinations.find(|to| world.scenes.get(to).is_none_or(has_gap));
    unknown.map(|region| Veto { on: None, cause: Cause::DestinationUnknown(region) })
}

/// What tells the slot that an image or its snapshots were made for: policy, source, slot, and of a
/// copy where it came from.
type SlotTags<'t> = (&'t str, &'t str, &'t str, Option<&'t str>);

fn slot_tags(tags: &Tags) -> Option<SlotTags<'_>> {
    let ours = OurTags::of(tags)?;
    let from = ours.copy_of.and_then(|text| text.split_once('/')).map(|(region, _)| region);
    Some((ours.policy?, ours.source?, ours.slot?, from))
}

fn source_of(snapshot: &Snapshot) -> Option<Source> {
    let text = snapshot.tags.get(tags::SOURCE)?;
    text.parse::<RegionalSource>().ok().map(|source| source.source)
}
