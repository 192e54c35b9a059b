//! Of what others made, does something at least as new survive the newest that goes?

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::config::{Orphans, Policy};
use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::check::ours::{snapshot_lineage, volume_of};
use crate::plan::check::{Broken, Deleted, Scene};

/// A snapshot that goes, by its start.
type Gone = (Option<DateTime<Utc>>, ResourceId);

/// Of a volume, the newest of the adopted snapshots that go has one at least as new that survives.
pub(super) fn newest_snapshots(scene: Scene<'_>, deleted: &Deleted<'_>, broken: &mut Broken) {
    let mut newest_gone: BTreeMap<VolumeId, (Gone, &Policy)> = BTreeMap::new();
    for action in deleted.values() {
        let Some(delete) =
            action.as_delete().filter(|d| !d.tags.has(tags::OWNER) && d.backs.is_none())
        else {
            continue;
        };
        let policy = scene.policy(&action.policy);
        let (Some(volume_id), Some(policy)) = (delete.volume_id, policy) else { continue };
        if delete.state.is_complete() {
            let this = (delete.started_at, delete.resource);
            let newest = newest_gone.entry(volume_id).or_insert((this, policy));
            if newest.0 < this {
                *newest = (this, policy);
            }
        }
    }
    if newest_gone.is_empty() {
        return;
    }
    let survivors = scene.observed.snapshots.iter().filter(|snapshot| {
        snapshot.state == SnapshotState::Completed && !deleted.contains_key(&snapshot.id.into())
    });
    for survivor in survivors {
        let Some((volume_id, time)) = covered_by(scene, survivor) else { continue };
        if newest_gone.get(&volume_id).is_some_and(|(gone, _)| gone.0 <= Some(time)) {
            newest_gone.remove(&volume_id);
        }
    }
    for (volume_id, (_, policy)) in newest_gone {
        let orphans = policy.in_region(scene.region).retention.orphans;
        let is_gone = scene.observed.gone.contains(&Source::Volume(volume_id));
        if orphans == Orphans::KeepLast || !is_gone {
            let text = format!("the newest adopted snapshot of {volume_id} would be deleted");
            broken.add(Some(scene.region), text);
        }
    }
}

/// Returns the volume whose data a snapshot holds, and of when: also where it is the encrypted form
/// of one that is gone.
fn covered_by(scene: Scene<'_>, snapshot: &Snapshot) -> Option<(VolumeId, DateTime<Utc>)> {
    let tags = &snapshot.tags;
    if !tags.has(tags::COPY_OF) {
        return Some((snapshot.volume_id?, snapshot.started_at));
    }
    let (_, source) = snapshot_lineage(scene, snapshot)?;
    let (home, _) = source.split_once('/')?;
    let time = tags.get(tags::TIME).and_then(|text| text.parse().ok());
    let is_form = home == scene.region.as_str();
    Some((volume_of(snapshot).filter(|_| is_form)?, time.unwrap_or(snapshot.started_at)))
}

/// Of a family, the newest `keep_last` survive the adopted images that go; an encrypted form stands
/// for its original.
pub(super) fn newest_images(scene: Scene<'_>, deleted: &Deleted<'_>, broken: &mut Broken) {
    for image in &scene.observed.images {
        let Some(action) = deleted.get(&image.id.into()) else { continue };
        let is_adopted = !image.tags.has(tags::OWNER) && image.state == ImageState::Available;
        let Some(policy) = scene.policy(&action.policy).filter(|_| is_adopted) else { continue };
        let family_of = |image: &Image| family_of(scene, policy, image);
        let family = family_of(image);
        let survives = |other: &&Image| {
            other.state == ImageState::Available
                && !deleted.contains_key(&other.id.into())
                && image.created_at <= time_of(other)
                && family_of(other) == family
        };
        let survivors = scene.observed.images.iter().filter(survives);
        let survivors: BTreeSet<String> =
            survivors.map(|other| point_of(scene.region, other)).collect();
        let keep_last = policy.in_region(scene.region).retention.keep_last;
        let is_enough = keep_last as usize <= survivors.len();
        if !is_enough && !survivors.contains(&point_of(scene.region, image)) {
            let id = image.id;
            let text = format!("{id} is among the newest {keep_last} of its family and would go");
            broken.add(Some(scene.region), text);
        }
    }
}

/// Returns the name of the family that a policy sees in `image`, if it sees any.
pub(super) fn family_of(scene: Scene<'_>, policy: &Policy, image: &Image) -> Option<String> {
    let variant = policy.in_region(scene.region);
    if let Some(source) = image.tags.get(tags::SOURCE) {
        let prefix = format!("{}/family:", scene.region);
        return source.strip_prefix(&prefix).map(str::to_owned);
    }
    let adopts = variant.adopt.as_ref().is_some_and(|adopt| adopt.matches_image(image));
    let is_of = adopts || variant.select.matches_image(image);
    let key = variant.images.family_tag.as_ref();
    let name = key.and_then(|key| image.tags.get(key)).unwrap_or("*");
    is_of.then(|| name.to_owned())
}

/// Returns what tells the point of an image from others of its family.
pub(super) fn point_of(region: &Region, image: &Image) -> String {
    let tag = image.tags.get(tags::SLOT).or(image.tags.get(tags::ORIGIN));
    tag.map_or_else(|| format!("{region}/{}", image.id), str::to_owned)
}

/// Returns the instant of an image's data.
fn time_of(image: &Image) -> Option<DateTime<Utc>> {
    let time = image.tags.get(tags::TIME).and_then(|text| text.parse().ok());
    time.or(image.created_at)
}
