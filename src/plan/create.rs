//! Creations: which sources are due, and with which call their point is made.
//!
//! Looks at one policy in one region at a time. What stands in the way of a creation becomes a
//! line under waiting or a note, never silence.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Kind, RegionalPolicy};
use crate::domain::ids::{ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Instance, RegionInventory, SnapshotState, Volume};
use crate::domain::region::Region;
use crate::domain::tags;
use crate::plan::attempts::{Attempt, next_attempt};
use crate::plan::image_name;
use crate::plan::lineage::{Entry, Role};
use crate::plan::model::{
    Action, ChosenVolume, CreateImage, CreateOne, CreateSet, NewPoint, Op, Pairs, slot_text,
};
use crate::plan::point::{Point, PointState};
use crate::plan::point_tags::{self, PointTags};
use crate::plan::select::{Candidate, Request, requests};
use crate::plan::verdict::JudgedLineage;

/// Where and for whom creations are planned.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The policy's name.
    pub policy_name: &'a Arc<str>,
    /// What it says here.
    pub policy: &'a RegionalPolicy,
    /// The region.
    pub region: &'a Region,
    /// What was observed there.
    pub inventory: &'a RegionInventory,
    /// The slot that is due.
    pub slot: DateTime<Utc>,
    /// The instant of judgement.
    pub now: DateTime<Utc>,
}

/// What came of planning a source's point.
#[derive(Debug, Default)]
pub struct Creation {
    /// The calls to make; none if nothing is due.
    pub actions: Vec<Action>,
    /// Failed snapshots that must go first, to make room on their volume.
    pub in_the_way: Vec<SnapshotId>,
    /// Why nothing is made although something is due, and since when.
    pub waiting: Option<(String, Option<DateTime<Utc>>)>,
    /// Nothing will be made before, where that is known.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether what is waited for ends without anybody's help.
    pub ends_by_itself: bool,
    /// What a person should know.
    pub warning: Option<String>,
}

impl Creation {
    fn waits(reason: impl Into<String>, since: Option<DateTime<Utc>>) -> Self {
        Self { waiting: Some((reason.into(), since)), ..Self::default() }
    }

    fn warns(warning: String) -> Self {
        Self { warning: Some(warning), ..Self::default() }
    }
}

/// What of a region's volumes EC2 counts before it accepts one more snapshot.
#[derive(Debug, Default)]
pub struct Occupied {
    /// Pending and failed snapshots, whoever made them.
    unfinished: HashMap<VolumeId, usize>,
    /// Of these volumes some are pending.
    pending: HashSet<VolumeId>,
    /// When another snapshot is accepted, where that is after now.
    not_before: HashMap<VolumeId, DateTime<Utc>>,
}

/// EC2 refuses a second snapshot of one volume within 15 seconds (error code
/// SnapshotCreationPerVolumeRateExceeded).
pub const SPACING: TimeDelta = TimeDelta::seconds(15);

/// So much of a policy's name goes into an image's, which takes 128 characters in all.
const POLICY_CHARS_MAX: usize = 70;

/// Counts what occupies the volumes of `region`.
pub fn occupied(region: &RegionInventory, now: DateTime<Utc>) -> Occupied {
    let mut occupied = Occupied::default();
    for snapshot in &region.snapshots {
        let Some(volume_id) = snapshot.volume_id else { continue };
        // EBS quotas: snapshots in `error` count too.
        if matches!(snapshot.state, SnapshotState::Pending | SnapshotState::Error) {
            *occupied.unfinished.entry(volume_id).or_default() += 1;
        }
        if snapshot.state == SnapshotState::Pending {
            occupied.pending.insert(volume_id);
        }
        // Where the clock is behind EC2's, a wait until EC2's instant might take days.
        let free_at = snapshot.started_at.min(now) + SPACING;
        if now < free_at {
            let not_before = occupied.not_before.entry(volume_id).or_insert(free_at);
            *not_before = (*not_before).max(free_at);
        }
    }
    occupied
}

/// Plans the point of `candidate` for the slot of `place`, if it is due.
pub fn create(
    place: Place<'_>,
    candidate: &Candidate<'_>,
    lineage: Option<&JudgedLineage<'_>>,
    occupied: &Occupied,
) -> Creation {
    let newest = lineage.and_then(|lineage| newest_filled(place, lineage));
    let volumes = match newest {
        Some(point) if place.slot <= filled_by(place, point) => match place.policy.kind {
            Kind::Snapshots => missing(candidate, lineage, point),
            // An image is whole or failed, and is no member of a set from before.
            Kind::Images => Vec::new(),
        },
        Some(_) | None => candidate.volumes.clone(),
    };
    if volumes.is_empty() {
        return Creation::default();
    }
    if let Some(why) = why_no_image(place.policy, candidate) {
        return Creation::warns(format!("{}: {why}", candidate.source));
    }
    let attempt = match due_attempt(place, lineage) {
        Ok(attempt) => attempt,
        Err(creation) => return *creation,
    };
    let in_the_way = match make_room(place.inventory, lineage, &volumes, occupied) {
        Ok(in_the_way) => in_the_way,
        Err(creation) => return *creation,
    };
    let repaired = newest.filter(|point| place.slot <= filled_by(place, point));
    let tags = point_tags::for_point(place, candidate, repaired, attempt);
    let known = known(lineage, repaired.map_or(place.slot, Point::slot_or_time));
    let after = in_the_way.clone();
    let build = Build { place, candidate, occupied, tags: &tags, attempt, known, after, repaired };
    let actions = match (place.policy.kind, candidate.instance) {
        (Kind::Images, Some(instance)) => vec![build.image(instance)],
        (Kind::Images, None) => Vec::new(),
        (Kind::Snapshots, _) => requests(candidate, &volumes, repaired.is_some())
            .into_iter()
            .map(|request| build.action(request))
            .collect(),
    };
    Creation { actions, in_the_way, warning: tags.warning.clone(), ..Creation::default() }
}

/// Returns false if `policy` and EC2 make no point of `candidate`, whenever it is due.
pub fn can_be_made(policy: &RegionalPolicy, candidate: &Candidate<'_>) -> bool {
    // What was not seen may be chosen.
    let is_chosen = !candidate.volumes.is_empty() && why_no_image(policy, candidate).is_none();
    is_chosen || !candidate.unseen.is_empty()
}

/// Returns why EC2 makes no image of the candidate as the policy wants it.
fn why_no_image(policy: &RegionalPolicy, candidate: &Candidate<'_>) -> Option<&'static str> {
    let instance = candidate.instance.filter(|_| policy.kind == Kind::Images)?;
    if instance.is_instance_store {
        return Some("its root device is an instance store, of which CreateImage makes no image");
    }
    let root = instance.volumes.iter().find(|a| Some(&a.device) == instance.root_device.as_ref());
    let is_chosen = |id| candidate.volumes.iter().any(|volume| volume.id == id);
    let is_left_out = root.is_some_and(|root| !is_chosen(root.volume_id));
    is_left_out.then_some("`volumes` leaves out its root volume, without which there is no image")
}

/// Returns the newest point that fills a slot up to now.
fn newest_filled<'l, 'a>(
    place: Place<'_>,
    lineage: &'l JudgedLineage<'a>,
) -> Option<&'l Point<'a>> {
    let filled = lineage.points.iter().filter(|point| filled_by(place, point) <= place.now);
    // Of twins the complete one: the other needs no repair.
    filled.max_by_key(|point| (filled_by(place, point), point.state == PointState::Complete))
}

/// Returns up to which slot `point` fills the slots of its source.
fn filled_by(place: Place<'_>, point: &Point<'_>) -> DateTime<Utc> {
    let slot = point.slot_or_time();
    // A slot in the future is a clock's mistake and fills nothing, but the data is there.
    if place.now < slot { point.time } else { slot }
}

/// Returns the volumes of which `point`, which fills the slot, lacks a snapshot that can be made.
///
/// A set is made by one call and has all or nothing, so only members that failed are made again;
/// where the request cannot be a set, members that were never made are, too.
fn missing<'c>(
    candidate: &'c Candidate<'c>,
    lineage: Option<&JudgedLineage<'_>>,
    point: &Point<'_>,
) -> Vec<&'c Volume> {
    // Without its slot, which somebody removed, nothing could join the point.
    if point.slot().is_none() {
        return Vec::new();
    }
    let failed: BTreeSet<Option<VolumeId>> = lineage
        .into_iter()
        .flat_map(|lineage| &lineage.failed)
        .filter(|(entry, _)| entry.slot == point.slot() && entry.role == Role::Original)
        .map(|(entry, _)| entry.volume_id)
        .collect();
    let is_there = |id| point.has_volume(Some(id));
    let room = (point.wanted as usize).saturating_sub(point.n_members());
    candidate
        .volumes
        .iter()
        .copied()
        .filter(|volume| !is_there(volume.id))
        .filter(|volume| candidate.is_one_by_one() || failed.contains(&Some(volume.id)))
        .take(room)
        .collect()
}

/// Returns which attempt is due; or what to say while none is.
fn due_attempt(
    place: Place<'_>,
    lineage: Option<&JudgedLineage<'_>>,
) -> Result<u32, Box<Creation>> {
    let failed = lineage.into_iter().flat_map(|lineage| &lineage.failed).map(|(entry, _)| entry);
    // A slot in the future is a clock's mistake, and its failures are none of this slot's.
    let is_of_slot = |slot| place.slot <= slot && slot <= place.now;
    let is_original = |entry: &&Entry<'_>| entry.role == Role::Original;
    let of_slot = failed.filter(|entry| entry.slot.is_some_and(is_of_slot)).filter(is_original);
    match next_attempt(of_slot, place.now) {
        Attempt::Now(attempt) => Ok(attempt),
        Attempt::Later(reason, since, not_before) => {
            let mut creation = Creation::waits(reason, Some(since));
            creation.not_before = Some(not_before);
            creation.ends_by_itself = true;
            Err(Box::new(creation))
        }
        Attempt::GivenUp(why) => {
            let source = lineage.map(|lineage| lineage.key.source.to_string()).unwrap_or_default();
            let warning = format!("{source}: {why}; the next slot tries again");
            Err(Box::new(Creation::warns(warning)))
        }
    }
}

/// Returns failed snapshots of ours that have to go so that EC2 accepts one more of each volume.
fn make_room(
    inventory: &RegionInventory,
    lineage: Option<&JudgedLineage<'_>>,
    volumes: &[&Volume],
    occupied: &Occupied,
) -> Result<Vec<SnapshotId>, Box<Creation>> {
    let mut in_the_way = Vec::new();
    for volume in volumes {
        let n_unfinished = occupied.unfinished.get(&volume.id).copied().unwrap_or_default();
        let max = volume.concurrent_snapshots_max();
        let n_to_go = (n_unfinished + 1).saturating_sub(max);
        let failed: Vec<SnapshotId> = lineage
            .into_iter()
            .flat_map(|lineage| &lineage.failed)
            .filter(|(entry, _)| entry.role == Role::Original)
            .flat_map(|(entry, _)| failed_snapshots(inventory, entry, volume.id))
            .take(n_to_go)
            .collect();
        if failed.len() < n_to_go {
            let why = format!(
                "{} has {n_unfinished} pending or failed snapshots, and EC2 allows {max}",
                volume.id
            );
            let mut creation = Creation::waits(why, None);
            creation.ends_by_itself = occupied.pending.contains(&volume.id);
            return Err(Box::new(creation));
        }
        in_the_way.extend(failed);
    }
    Ok(in_the_way)
}

/// Returns the failed snapshots of a volume that are, or back, what failed.
fn failed_snapshots(
    inventory: &RegionInventory,
    entry: &Entry<'_>,
    volume_id: VolumeId,
) -> Vec<SnapshotId> {
    let Some(image) = entry.thing.image() else {
        let id = entry.thing.id().snapshot().filter(|_| entry.volume_id == Some(volume_id));
        return id.into_iter().collect();
    };
    let of_volume = inventory.snapshots.iter().filter(|snapshot| {
        snapshot.state == SnapshotState::Error && snapshot.volume_id == Some(volume_id)
    });
    of_volume.map(|snapshot| snapshot.id).filter(|id| image.snapshot_ids.contains(id)).collect()
}

/// Returns what of `slot` is there already.
fn known(lineage: Option<&JudgedLineage<'_>>, slot: DateTime<Utc>) -> Vec<ResourceId> {
    let Some(lineage) = lineage else { return Vec::new() };
    let points = lineage.points.iter().filter(|point| point.slot() == Some(slot));
    let failed = lineage.failed.iter().filter(|(entry, _)| entry.slot == Some(slot));
    let ids = points.flat_map(Point::ids);
    let mut known: Vec<ResourceId> = ids.chain(failed.map(|(entry, _)| entry.id)).collect();
    known.sort();
    known
}

/// Everything that the actions of one point share.
struct Build<'b> {
    place: Place<'b>,
    candidate: &'b Candidate<'b>,
    occupied: &'b Occupied,
    tags: &'b PointTags,
    attempt: u32,
    known: Vec<ResourceId>,
    after: Vec<SnapshotId>,
    repaired: Option<&'b Point<'b>>,
}

impl Build<'_> {
    fn action(&self, request: Request<'_>) -> Action {
        let Place { policy_name, region, .. } = self.place;
        let op = match request {
            Request::Set { instance_id, exclude_boot_volume, exclude_data_volume_ids } => {
                Op::CreateSnapshots(CreateSet {
                    point: self.point(self.tags.of_set.clone()),
                    instance_id,
                    volumes: self
                        .candidate
                        .volumes
                        .iter()
                        .map(|volume| self.chosen(volume))
                        .collect(),
                    exclude_boot_volume,
                    exclude_data_volume_ids,
                    copy_tags_from_volume: self.tags.can_copy_from_volumes,
                })
            }
            Request::One(volume) => {
                let tags = self.tags.of_volume(volume);
                let volume = self.chosen(volume);
                Op::CreateSnapshot(CreateOne { point: self.point(tags), volume })
            }
        };
        Action { policy: Arc::clone(policy_name), region: *region, op }
    }

    fn image(&self, instance: &Instance) -> Action {
        let Place { policy_name, policy, region, inventory, slot, .. } = self.place;
        let chosen = &self.candidate.volumes;
        let is_left_out = |volume_id| chosen.iter().all(|volume| volume.id != volume_id);
        let left_out = instance.volumes.iter().filter(|a| is_left_out(a.volume_id));
        // What tells one image from all others is never cut off.
        let policy_part: String = policy_name.chars().take(POLICY_CHARS_MAX).collect();
        let wanted = format!("snapkeep {policy_part} {} {}", instance.id, slot_text(slot));
        let (tags, snapshot_tags) = self.tags.of_image(instance);
        let op = Op::CreateImage(CreateImage {
            point: self.point(tags),
            instance_id: instance.id,
            name: image_name::take(&wanted, &mut image_name::taken(inventory)),
            volumes: chosen.iter().map(|volume| self.chosen(volume)).collect(),
            no_reboot: !policy.images.reboot,
            left_out_devices: left_out.map(|a| Arc::clone(&a.device)).collect(),
            snapshot_tags,
        });
        Action { policy: Arc::clone(policy_name), region: *region, op }
    }

    fn chosen(&self, volume: &Volume) -> ChosenVolume {
        ChosenVolume {
            volume_id: volume.id,
            device: self.candidate.device(volume.id).cloned(),
            size_gib: volume.size_gib,
            not_before: self.occupied.not_before.get(&volume.id).copied(),
        }
    }

    fn point(&self, tags: Pairs) -> NewPoint {
        let slot = self.repaired.and_then(Point::slot).unwrap_or(self.place.slot);
        NewPoint {
            source: self.candidate.source,
            slot,
            attempt: self.attempt,
            description: self.description(&tags, slot),
            tags,
            known: self.known.clone(),
            after: self.after.clone(),
        }
    }

    /// Returns the description that makes what bears `tags` ours: a repair has the tags of the point
    /// that it joins, and the policy may have been renamed since.
    fn description(&self, tags: &Pairs, slot: DateTime<Utc>) -> String {
        let tag = |key| tags.iter().find(|(k, _)| k.as_ref() == key).map(|(_, v)| v.as_ref());
        let policy_name = tag(tags::POLICY).unwrap_or(self.place.policy_name);
        let slot = slot_text(slot);
        let slot = tag(tags::SLOT).unwrap_or(&slot);
        point_tags::description(policy_name, self.candidate.source, slot)
    }
}
