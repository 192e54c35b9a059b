//! Is nothing made where it may be there already, and nothing made twice?

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;

use crate::domain::ids::VolumeId;
use crate::domain::inventory::{ImageState, Listing, Snapshot, SnapshotState};
use crate::domain::tags::{self, Tags};
use crate::plan::check::ours::{image_lineage, lineage_key, snapshot_lineage, volume_of};
use crate::plan::check::{Broken, Deleted, Scene};
use crate::plan::model::{Action, NewPoint, Op};

/// Nothing is made where it may be there already, and nothing is made twice.
pub(super) fn creations(
    scene: Scene<'_>,
    actions: &[&Action],
    deleted: &Deleted<'_>,
    broken: &mut Broken,
) {
    let creations = || actions.iter().filter_map(|action| Some((action, action.as_creation()?)));
    if creations().next().is_none() {
        return;
    }
    for listing in [Listing::Snapshots, Listing::Images] {
        if scene.observed.has_gap(listing) {
            let text = format!("creations although {} has a gap", listing.operation());
            broken.add(Some(scene.region), text);
        }
    }
    let slots: BTreeSet<&str> =
        creations().filter_map(|(_, point)| new_tag(point, tags::SLOT)).collect();
    let mut filled: HashMap<_, BTreeSet<Option<VolumeId>>> = HashMap::new();
    // EC2 starts a snapshot after its slot; a day is more than any clock is off.
    let earliest = creations().map(|(_, point)| point.slot).min().unwrap_or_default();
    let may_fill = |s: &&Snapshot| earliest - TimeDelta::days(1) <= s.started_at;
    for snapshot in scene.observed.snapshots.iter().filter(may_fill) {
        let slot = snapshot.tags.get(tags::SLOT).filter(|slot| slots.contains(slot));
        let is_live =
            snapshot.state != SnapshotState::Error && !deleted.contains_key(&snapshot.id.into());
        let Some(slot) = slot.filter(|_| is_live) else { continue };
        if let Some(lineage) = snapshot_lineage(scene, snapshot) {
            filled.entry((lineage, slot)).or_default().insert(volume_of(snapshot));
        }
    }
    for image in &scene.observed.images {
        let slot = image.tags.get(tags::SLOT).filter(|slot| slots.contains(slot));
        let is_gone = image.state == ImageState::Deregistered || image.state.is_failed();
        let is_live = !is_gone && !deleted.contains_key(&image.id.into());
        if let Some((lineage, slot)) = image_lineage(scene, image).zip(slot.filter(|_| is_live)) {
            filled.entry((lineage, slot)).or_default().insert(None);
        }
    }
    for (action, point) in creations() {
        let tags: Tags = point.tags.iter().cloned().collect();
        let Some(key) = lineage_key(scene, &tags).zip(tags.get(tags::SLOT)) else {
            broken.add(Some(scene.region), format!("{} has not all its tags", action.id()));
            continue;
        };
        if !is_described(point, &tags) {
            let text = format!("{} would not be known again by its description", action.id());
            broken.add(Some(scene.region), text);
        }
        let volumes = match &action.op {
            Op::CreateSnapshots(set) => &set.volumes[..],
            Op::CreateSnapshot(one) => std::slice::from_ref(&one.volume),
            Op::CreateImage(image) => &image.volumes,
            _ => &[],
        };
        // A copy that somebody made with our tags has another volume.
        let there = filled.get(&key);
        let has_image = there.is_some_and(|ids| ids.contains(&None));
        let has = |id: VolumeId| there.is_some_and(|ids| ids.contains(&Some(id)));
        if has_image || volumes.iter().any(|volume| has(volume.volume_id)) {
            broken.add(Some(scene.region), format!("{} is there already", action.id()));
        }
    }
}

/// Returns true if the description says what the tags do; else what is made would be nobody's.
fn is_described(point: &NewPoint, tags: &Tags) -> bool {
    let tag = |key| tags.get(key).unwrap_or_default();
    let (_, id) = tag(tags::SOURCE).split_once('/').unwrap_or_default();
    point.description == format!("snapkeep {} {id} {}", tag(tags::POLICY), tag(tags::SLOT))
}

fn new_tag<'t>(point: &'t NewPoint, key: &str) -> Option<&'t str> {
    point.tags.iter().find(|(k, _)| k.as_ref() == key).map(|(_, value)| value.as_ref())
}
