//! Leftovers: snapshots that were made with an image which is gone.
//!
//! A run may be cut off between an image's deregistration and the deletion of its snapshots, and
//! people deregister images by hand. A pending image may not list its snapshots yet, so nothing is
//! a leftover as long as an image of its slot is there that lists none. What a tier would still hold
//! is none either, nor is what nothing newer can be restored instead of: then the image went by
//! mistake, and a new one can be registered from its snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Orphans;
use crate::domain::ids::{ImageId, RegionalId};
use crate::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use crate::domain::source::RegionalSource;
use crate::domain::tags::{self, OurTags, Tags};
use crate::plan::copies::has_gap;
use crate::plan::expire::{Emitted, Stage};
use crate::plan::guard::{Cause, Veto, snapshot_vetoes};
use crate::plan::lineage::{LineageKey, LineageKind, Role, Thing};
use crate::plan::model::{ExpireReason, Keep, KeepReason, Note, Plan, Severity};
use crate::plan::point::{Member, Point, PointState};
use crate::plan::removal::Removal;
use crate::plan::retention::{Candidate, Hold, Rules, judge};
use crate::plan::scene::{Scene, World};
use crate::plan::verdict::JudgedLineage;

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
    // What lists any of its snapshots lists all of them, unless it is still being made.
    let may_list_more = |i: &&Image| i.state == ImageState::Pending || i.snapshot_ids.is_empty();
    let silent = images().filter(may_list_more);
    let slots: BTreeSet<SlotTags<'_>> = silent.filter_map(|i| slot_tags(&i.tags)).collect();
    // Together they are still the image, so a veto on one is one on all.
    let without_image = scene.of_images.iter().filter(|(_, image_id, _)| !ids.contains(image_id));
    let vetoed: BTreeMap<ImageId, Veto> = without_image
        .filter_map(|(_, image_id, snapshot)| {
            let vetoes = snapshot_vetoes(&scene.judge, scene.observed, snapshot);
            Some((*image_id, vetoes.into_iter().next()?))
        })
        .collect();
    let mut n_wanted = 0;
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
        let Some(home) = source_of(snapshot) else { continue };
        let source = home.source;
        if let Some(keep) = still_wanted(world, scene, *policy, home, snapshot) {
            n_wanted += 1;
            plan.keeps.push(keep);
            continue;
        }
        let reason = ExpireReason::LeftOver(*image_id);
        let own = vetoed.get(image_id).cloned().into_iter();
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
        removal.emit(&Member::new(thing, volume_id, Role::Original), emitted, plan);
    }
    if 0 < n_wanted {
        let message = format!(
            "snapshots of images that are gone, which retention would still keep: {n_wanted}; \
             register an image from them, or delete them by hand"
        );
        let region = Some(scene.region);
        plan.notes.push(Note { severity: Severity::Warning, region, message });
    }
}

/// Returns how long the snapshot stays, if a tier would hold a point of its time: then its image
/// was not deregistered because its time had come.
fn still_wanted(
    world: &World<'_>,
    scene: &Scene<'_>,
    policy: usize,
    home: RegionalSource,
    snapshot: &Snapshot,
) -> Option<Keep> {
    if snapshot.tags.has(tags::BACKED) || snapshot.state == SnapshotState::Error {
        // Its image went because its time had come, or nothing can be restored from it.
        return None;
    }
    let is_here = home.region == scene.region;
    let key = LineageKey {
        policy,
        kind: if is_here { LineageKind::Own } else { LineageKind::Copies },
        from: (!is_here).then_some(home.region),
        source: home.source,
    };
    let terms = scene.terms(world.inventory, key)?;
    let told = |key| snapshot.tags.get(key)?.parse::<DateTime<Utc>>().ok();
    let time = told(tags::TIME).unwrap_or(snapshot.started_at);
    let slot = told(tags::SLOT);
    let points = || scene.lineage(key).into_iter().flat_map(JudgedLineage::standing);
    let stands_for_slot = |point: &Point<'_>| {
        slot.is_some() && point.slot() == slot && point.state == PointState::Complete
    };
    if points().any(|(point, _)| stands_for_slot(point)) {
        // Its encrypted form, or a twin.
        return None;
    }
    // As in the lineage itself, what is pending stands for nothing yet.
    let mut candidates: Vec<Candidate> = points()
        .filter(|(point, _)| point.state != PointState::Pending)
        .map(|(point, _)| Candidate {
            time: point.time,
            is_complete: point.state == PointState::Complete,
        })
        .collect();
    let at = candidates.partition_point(|candidate| candidate.time < time);
    candidates.insert(at, Candidate { time, is_complete: true });
    let rules = Rules {
        retention: terms.retention,
        zone: terms.zone,
        now: world.request.now,
        keep_last_holds: false,
        is_settled_only: false,
    };
    let mut judgement = judge(rules, &candidates).swap_remove(at);
    // As of any incomplete point: nothing newer is there to be restored.
    let is_newer = |other: &Candidate| other.is_complete && time < other.time;
    let keeps_newest = match terms.retention.orphans {
        Orphans::KeepLast => true,
        Orphans::Expire => !terms.is_gone,
        Orphans::After(span) => !terms.is_gone || world.request.now < span.end(time, terms.zone),
    };
    if keeps_newest && !candidates.iter().any(is_newer) {
        judgement.holds.insert(Hold::NewestIncomplete);
    }
    (!judgement.holds.is_empty()).then(|| Keep {
        policy: Arc::clone(&world.config.policies[policy].name),
        region: scene.region,
        resource: snapshot.id.into(),
        source: home.source,
        volume_id: snapshot.volume_id,
        point_time: time,
        reason: KeepReason::Held(judgement.holds),
        until: judgement.until,
    })
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

/// Returns what a snapshot that was made with an image is of, as our tag says.
pub(super) fn source_of(snapshot: &Snapshot) -> Option<RegionalSource> {
    snapshot.tags.get(tags::SOURCE)?.parse().ok()
}
