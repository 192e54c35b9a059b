//! CreateSnapshots and CreateSnapshot: what EC2 checks before it makes any.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::chance::SplitMix64;
use crate::cloud::sandbox::ids::next_id;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{End, RegionState, duration};
use crate::cloud::sandbox::tagging::checked_tags;
use crate::cloud::{CreateSnapshot, CreateSnapshots, Created};
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{Instance, InstanceState, Snapshot, SnapshotState, Volume};
use crate::domain::region::Region;
use crate::domain::tags::Tags;

/// EC2 API reference, InstanceSpecification: "up to 40 volume IDs per request".
const EXCLUDED_VOLUMES_MAX: usize = 40;
/// EC2 API reference, CreateSnapshot and CreateImage: descriptions have up to 255 characters.
const DESCRIPTION_CHARS_MAX: usize = 255;
/// EC2 API reference, error codes: "the interval between snapshots of one volume is 15 seconds".
const SPACING: TimeDelta = TimeDelta::seconds(15);

/// What a creating call needs beside its region.
pub(super) struct Maker<'a> {
    pub(super) now: DateTime<Utc>,
    /// Where the call went.
    pub(super) here: Region,
    pub(super) account: Arc<str>,
    pub(super) snapshot_ids: &'a mut SplitMix64,
    pub(super) image_ids: &'a mut SplitMix64,
    /// Texts of tags that are known.
    pub(super) texts: &'a mut Interner,
    pub(super) visible_from: DateTime<Utc>,
    /// Whether what is made will fail.
    pub(super) is_failing: bool,
}

/// Makes a set of snapshots, or none at all.
pub(super) fn create_snapshots(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    request: &CreateSnapshots,
) -> Result<Vec<Created>, Refusal> {
    let id = request.instance_id;
    let instance = region.instances.get(&id).ok_or_else(|| {
        Refusal::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
    })?;
    if matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown) {
        let message = format!("The instance '{id}' is in state '{}'.", instance.state.name());
        return Err(Refusal::new("IncorrectState", message));
    }
    let wanted = wanted_volumes(instance, request)?;
    let mut planned = Vec::with_capacity(wanted.len());
    for volume_id in wanted {
        let volume = ready_volume(region, volume_id, maker.now)?;
        let volume_tags = request.copy_tags_from_volume.then_some(&volume.tags);
        planned.push((volume.clone(), checked_tags(&request.tags, volume_tags, maker.texts)?));
    }
    let made = planned
        .into_iter()
        .map(|(volume, tags)| make(region, maker, &volume, &request.description, tags));
    Ok(made.collect())
}

/// Makes one snapshot.
pub(super) fn create_snapshot(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    request: &CreateSnapshot,
) -> Result<Created, Refusal> {
    let volume = ready_volume(region, request.volume_id, maker.now)?.clone();
    let tags = checked_tags(&request.tags, None, maker.texts)?;
    Ok(make(region, maker, &volume, &request.description, tags))
}

/// Returns the volumes that the request leaves in.
fn wanted_volumes(
    instance: &Instance,
    request: &CreateSnapshots,
) -> Result<Vec<VolumeId>, Refusal> {
    let excluded: BTreeSet<_> = request.exclude_data_volume_ids.iter().copied().collect();
    if EXCLUDED_VOLUMES_MAX < request.exclude_data_volume_ids.len() {
        return Err(Refusal::invalid_parameter("ExcludeDataVolumeIds takes at most 40 volumes"));
    }
    let root = instance.root_device.as_ref();
    let root = root.and_then(|root| instance.volumes.iter().find(|v| v.device == *root));
    let root = root.map(|v| v.volume_id);
    // EC2 API reference, InstanceSpecification: "if you specify the ID of the root volume, the
    // request fails".
    if let Some(root) = root.filter(|root| excluded.contains(root)) {
        let message = format!("ExcludeDataVolumeIds names the root volume '{root}'");
        return Err(Refusal::invalid_parameter(message));
    }
    // Not documented; the stricter guess shows a stale request.
    let is_attached = |id: &&VolumeId| instance.volumes.iter().any(|v| v.volume_id == **id);
    if let Some(id) = excluded.iter().find(|id| !is_attached(id)) {
        let message = format!("The volume '{id}' is not attached to '{}'", instance.id);
        return Err(Refusal::invalid_parameter(message));
    }
    let attached = instance.volumes.iter().map(|v| v.volume_id);
    let wanted: Vec<_> = attached
        .filter(|id| !excluded.contains(id))
        .filter(|id| !(request.exclude_boot_volume && Some(*id) == root))
        .collect();
    if wanted.is_empty() {
        return Err(Refusal::invalid_parameter("All volumes of the instance are excluded"));
    }
    Ok(wanted)
}

/// Returns the volume if EC2 would begin a snapshot of it now.
pub(super) fn ready_volume(
    region: &RegionState,
    id: VolumeId,
    now: DateTime<Utc>,
) -> Result<&Volume, Refusal> {
    let volume = region.volumes.get(&id).ok_or_else(|| {
        Refusal::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
    })?;
    if !matches!(volume.state.as_ref(), "available" | "in-use") {
        let message = format!("The volume '{id}' is in state '{}'.", volume.state);
        return Err(Refusal::new("IncorrectState", message));
    }
    if volume.concurrent_snapshots_max() <= region.unfinished.n_of(id) {
        return Err(Refusal::new(
            "ConcurrentSnapshotLimitExceeded",
            "Maximum allowed in-progress snapshots for a single volume exceeded.",
        ));
    }
    let last = region.last_asked.get(&id);
    if last.is_some_and(|last| now < *last + SPACING) {
        return Err(Refusal::new(
            "SnapshotCreationPerVolumeRateExceeded",
            "The maximum per volume CreateSnapshot request rate has been exceeded. Use an \
             increasing or variable sleep interval between requests.",
        ));
    }
    Ok(volume)
}

/// Checks a description as EC2 does.
pub(super) fn checked_description(description: &str) -> Result<(), Refusal> {
    if DESCRIPTION_CHARS_MAX < description.chars().count() {
        let message = "A description takes at most 255 characters";
        return Err(Refusal::invalid_parameter(message));
    }
    Ok(())
}

pub(super) fn new_snapshot_id(region: &RegionState, maker: &mut Maker<'_>) -> SnapshotId {
    // An account made from an inventory may hold what this stream has handed out before.
    loop {
        let id = next_id(maker.snapshot_ids, "snap-");
        if !region.snapshots.contains_key(&id) {
            return id;
        }
    }
}

/// Begins a snapshot of a volume that is ready for it.
pub(super) fn make(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    volume: &Volume,
    description: &str,
    tags: Tags,
) -> Created {
    let id = new_snapshot_id(region, maker);
    let key = region.encrypted_volumes.get(&volume.id).map(|key| {
        let default = || region.keys.default_arn(maker.here, &maker.account);
        key.clone().unwrap_or_else(default)
    });
    region.add_snapshot(
        Snapshot {
            id,
            volume_id: Some(volume.id),
            owner_id: Some(Arc::clone(&maker.account)),
            state: SnapshotState::Pending,
            state_message: None,
            started_at: maker.now,
            volume_size_gib: volume.size_gib,
            full_size_bytes: None,
            is_encrypted: key.is_some(),
            kms_key_id: key,
            description: description.into(),
            tags,
        },
        maker.visible_from,
    );
    if maker.is_failing {
        let at = maker.now + duration(volume.size_gib);
        region.set_end(id, End { at, failure: Some("Internal error".into()) });
    }
    Created { snapshot_id: id, volume_id: Some(volume.id), started_at: Some(maker.now) }
}
