//! Is every single deletion of something that may be deleted?

use chrono::TimeDelta;

use crate::domain::inventory::{
    Image, ImageState, InstanceState, Listing, Snapshot, SnapshotState,
};
use crate::domain::tags;
use crate::plan::check::ours::{has_no_marks, image_lineage, is_managed, snapshot_lineage};
use crate::plan::check::{Broken, Deleted, Scene};
use crate::plan::model::{Action, ExpireReason};

/// Checks each deletion and deregistration by itself.
pub(super) fn deletions(scene: Scene<'_>, deleted: &Deleted<'_>, broken: &mut Broken) {
    if deleted.is_empty() {
        return;
    }
    let mut refuse = |text: String| broken.add(Some(scene.region), text);
    for listing in [Listing::Snapshots, Listing::Images, Listing::LockedSnapshots] {
        if scene.observed.has_gap(listing) {
            refuse(format!("deletions although {} has a gap", listing.operation()));
        }
    }
    if scene.inventory.clock_skew.is_some_and(|skew| TimeDelta::minutes(5) < skew.abs()) {
        refuse("deletions although the clock is off".to_owned());
    }
    let mut n_found = 0;
    for image in scene.observed.images.iter().filter(|i| i.state != ImageState::Deregistered) {
        let Some(action) = deleted.get(&image.id.into()) else {
            for id in image.snapshot_ids.iter().filter(|id| deleted.contains_key(&(**id).into())) {
                refuse(format!("{id} backs {} and is to be deleted", image.id));
            }
            continue;
        };
        n_found += 1;
        if let Some(why) = why_not_image(scene, image, action) {
            refuse(format!("{} {why} and is to be deregistered", image.id));
        }
    }
    for snapshot in &scene.observed.snapshots {
        let Some(action) = deleted.get(&snapshot.id.into()) else { continue };
        n_found += 1;
        if let Some(why) = why_not(scene, snapshot, action, deleted) {
            refuse(format!("{} {why} and is to be deleted", snapshot.id));
        }
    }
    if n_found != deleted.len() {
        refuse("something that was not observed is to be deleted".to_owned());
    }
}

/// Returns why `snapshot` must not be deleted.
fn why_not(
    scene: Scene<'_>,
    snapshot: &Snapshot,
    action: &Action,
    deleted: &Deleted<'_>,
) -> Option<&'static str> {
    let tags = &snapshot.tags;
    if tags.has(tags::HOLD) {
        return Some("is held");
    }
    if scene.observed.locked.contains(&snapshot.id) {
        return Some("is locked");
    }
    if is_managed(tags) {
        return Some("is managed by another service");
    }
    if !matches!(snapshot.state, SnapshotState::Completed | SnapshotState::Error) {
        return Some("is neither completed nor failed");
    }
    let delete = action.as_delete()?;
    if let Some(image_id) = delete.backs {
        let images = scene.observed.images.iter();
        let mut images = images.filter(|image| image.snapshot_ids.contains(&snapshot.id));
        let is_with_image = deleted.contains_key(&image_id.into())
            && images.all(|i| deleted.contains_key(&i.id.into()));
        // Whose the image is decides for both, but for what is a point of its own.
        let is_point = snapshot_lineage(scene, snapshot).is_some();
        return (!is_with_image || is_point).then_some("does not go with its image");
    }
    if let ExpireReason::LeftOver(image_id) = delete.reason {
        let is_there = scene
            .observed
            .images
            .iter()
            .any(|image| image.id == image_id && image.state != ImageState::Deregistered);
        let is_ours = tags.has(tags::OWNER) && tags.has(tags::POLICY);
        let tells = snapshot.description.contains(&image_id.to_string())
            || tags.get(tags::BACKED) == Some(&format!("{image_id}/{}", snapshot.id));
        return (is_there || !is_ours || !tells).then_some("is no leftover");
    }
    if snapshot_lineage(scene, snapshot).is_some_and(|key| key.0 == action.policy.as_ref()) {
        return None;
    }
    let adopt = scene.policy(&action.policy)?.in_region(scene.region).adopt.as_ref();
    let is_adopted = has_no_marks(tags) && adopt.is_some_and(|adopt| adopt.matches(snapshot));
    (!is_adopted).then_some("is neither ours nor adopted")
}

/// Returns why `image` must not be deregistered.
fn why_not_image(scene: Scene<'_>, image: &Image, action: &Action) -> Option<&'static str> {
    let backing = || {
        let snapshots = scene.observed.snapshots.iter();
        snapshots.filter(|snapshot| image.snapshot_ids.contains(&snapshot.id))
    };
    if image.tags.has(tags::HOLD) || backing().any(|s| s.tags.has(tags::HOLD)) {
        return Some("is held");
    }
    if image.is_protected {
        return Some("is protected");
    }
    if image.snapshot_ids.iter().any(|id| scene.observed.locked.contains(id)) {
        return Some("has a locked snapshot");
    }
    if is_managed(&image.tags) || backing().any(|s| is_managed(&s.tags)) {
        return Some("is managed by another service");
    }
    if matches!(image.state, ImageState::Pending | ImageState::Transient) {
        return Some("is on its way to another state");
    }
    let is_launched = scene.observed.instances.iter().any(|instance| {
        instance.image_id == Some(image.id) && instance.state != InstanceState::Terminated
    });
    let answer = scene.observed.image_uses.get(&image.id);
    let is_used = answer.is_none_or(|answer| !answer.used_by.is_empty());
    if !image.state.is_failed() && (is_launched || is_used) {
        return Some("is used, or nobody knows whether it is");
    }
    if image_lineage(scene, image).is_some_and(|key| key.0 == action.policy.as_ref()) {
        return None;
    }
    let Some(policy) = scene.policy(&action.policy) else { return Some("belongs to no policy") };
    let adopt = policy.in_region(scene.region).adopt.as_ref();
    let is_adopted =
        has_no_marks(&image.tags) && adopt.is_some_and(|adopt| adopt.matches_image(image));
    if !is_adopted {
        return Some("is neither ours nor adopted");
    }
    let is_known = answer.is_some_and(|answer| answer.is_complete);
    let is_shared = answer.is_none_or(|a| a.shared_with.as_ref().is_none_or(|s| !s.is_empty()));
    let is_doubtful = !image.state.is_failed() && (!is_known || is_shared);
    (is_doubtful || image.is_public).then_some("may be used by others")
}
