//! Are copies made once, of what is there, and is nothing lost that they are made of?

use std::collections::{BTreeSet, HashMap};

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::inventory::{ImageState, Inventory, Listing, SnapshotState};
use crate::domain::region::Region;
use crate::domain::tags::{self, Tags};
use crate::plan::check::ours::{image_lineage, snapshot_lineage};
use crate::plan::check::{Broken, Deleted, Scene};
use crate::plan::model::{Action, ExpireReason, Plan};

/// What tells a copy: its lineage, its slot or first original, and its volume.
type CopyKey = (String, String, String, String);

/// Checks the copies into a region, and what is removed in favour of its encrypted form.
pub(super) fn copies(
    scene: Scene<'_>,
    actions: &[&Action],
    deleted: &Deleted<'_>,
    broken: &mut Broken,
) {
    retired(scene, deleted, broken);
    let copies: Vec<_> = actions.iter().filter_map(|a| Some((a, a.as_copy()?))).collect();
    if copies.is_empty() {
        return;
    }
    for listing in [Listing::Snapshots, Listing::Images] {
        if scene.observed.has_gap(listing) {
            let text = format!("copies although {} has a gap", listing.operation());
            broken.add(Some(scene.region), text);
        }
    }
    let there = there(scene);
    let mut begun = BTreeSet::new();
    for (action, copy) in copies {
        let tags: Tags = copy.tags.iter().cloned().collect();
        let Some(key) = copy_key(scene, &tags) else {
            broken.add(Some(scene.region), format!("{} has not all its tags", action.id()));
            continue;
        };
        if there.contains_key(&key) || !begun.insert(key) {
            broken.add(Some(scene.region), format!("{} is there already", action.id()));
        }
        if !is_complete(scene.inventory, copy.parent) {
            broken.add(Some(scene.region), format!("{} is not of something complete", action.id()));
        }
    }
}

/// Returns the copies that are in the region and did not fail.
fn there(scene: Scene<'_>) -> HashMap<CopyKey, ResourceId> {
    let snapshots = scene.observed.snapshots.iter();
    let snapshots = snapshots
        .filter(|s| s.state != SnapshotState::Error && snapshot_lineage(scene, s).is_some())
        .map(|s| (ResourceId::from(s.id), &s.tags));
    let images = scene.observed.images.iter();
    let images = images
        .filter(|i| i.state != ImageState::Deregistered && !i.state.is_failed())
        .filter(|i| image_lineage(scene, i).is_some())
        .map(|i| (ResourceId::from(i.id), &i.tags));
    let copies = snapshots.chain(images).filter(|(_, tags)| tags.has(tags::COPY_OF));
    copies.filter_map(|(id, tags)| Some((copy_key(scene, tags)?, id))).collect()
}

fn copy_key(scene: Scene<'_>, tags: &Tags) -> Option<CopyKey> {
    let policy = scene.policy_anywhere(tags.get(tags::POLICY)?)?.name.to_string();
    let source = tags.get(tags::SOURCE)?;
    let is_form = source.split_once('/').is_some_and(|(home, _)| home == scene.region.as_str());
    // Each of two originals of one slot may have its own encrypted form.
    let (slot, origin) = (tags.get(tags::SLOT), tags.get(tags::ORIGIN));
    let point = if is_form { origin.or(slot) } else { slot.or(origin) }?;
    let volume = tags.get(tags::VOLUME).unwrap_or_default();
    tags.get(tags::COPY_OF)?;
    Some((policy, source.into(), point.into(), volume.into()))
}

/// Returns true if `id` is there, and completed or available.
fn is_complete(inventory: &Inventory, id: RegionalId) -> bool {
    let Some(observed) = inventory.regions.get(&id.region) else { return false };
    match id.id {
        ResourceId::Snapshot(id) => {
            let found = observed.snapshots.iter().find(|snapshot| snapshot.id == id);
            found.is_some_and(|snapshot| snapshot.state == SnapshotState::Completed)
        }
        ResourceId::Image(id) => {
            let found = observed.images.iter().find(|image| image.id == id);
            found.is_some_and(|image| image.state == ImageState::Available)
        }
    }
}

/// What goes because it is unencrypted leaves an encrypted form that is complete, and so are the
/// copies that were asked for.
fn retired(scene: Scene<'_>, deleted: &Deleted<'_>, broken: &mut Broken) {
    let deletes = deleted.values().filter_map(|action| action.as_delete());
    for delete in deletes.filter(|delete| delete.reason == ExpireReason::Retired) {
        let stays = |id: &ResourceId| {
            let region = *scene.region;
            !deleted.contains_key(id)
                && is_complete(scene.inventory, RegionalId { region, id: *id })
                && is_encrypted(scene, *id)
        };
        let are_elsewhere =
            delete.stays_elsewhere.iter().all(|id| is_complete(scene.inventory, *id));
        if delete.stays.is_empty() || !delete.stays.iter().all(stays) || !are_elsewhere {
            let text = format!("{} has no complete encrypted form and would go", delete.resource);
            broken.add(Some(scene.region), text);
        }
    }
}

fn is_encrypted(scene: Scene<'_>, id: ResourceId) -> bool {
    match id {
        ResourceId::Snapshot(id) => {
            scene.observed.snapshots.iter().any(|s| s.id == id && s.is_encrypted)
        }
        ResourceId::Image(id) => scene.observed.images.iter().any(|i| i.id == id && i.is_encrypted),
    }
}

/// Nothing is deleted that a copy is being made of, or is to be made of by this very plan.
pub(super) fn sources(inventory: &Inventory, plan: &Plan, broken: &mut Broken) {
    let deleted: BTreeSet<RegionalId> = plan
        .actions
        .iter()
        .filter_map(|a| Some(RegionalId { region: a.region, id: a.as_delete()?.resource }))
        .collect();
    if deleted.is_empty() {
        return;
    }
    let planned = plan.actions.iter().filter_map(|action| Some(action.as_copy()?.parent));
    let pending = inventory.regions.values().flat_map(|observed| {
        let snapshots = observed.snapshots.iter();
        let snapshots = snapshots.filter(|s| s.state == SnapshotState::Pending).map(|s| &s.tags);
        let images = observed.images.iter();
        let images = images.filter(|i| i.state == ImageState::Pending).map(|i| &i.tags);
        snapshots.chain(images).filter_map(|tags| RegionalId::parse(tags.get(tags::COPY_OF)?))
    });
    for parent in planned.chain(pending).filter(|parent| deleted.contains(parent)) {
        let region: Region = parent.region;
        broken.add(Some(&region), format!("{} is being copied and would go", parent.id));
    }
}
