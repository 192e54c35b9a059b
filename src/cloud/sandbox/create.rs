//! CreateSnapshots and CreateSnapshot: what EC2 checks before it makes any.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::ids::{SplitMix64, next_id};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{End, RegionState, duration};
use crate::cloud::{CreateSnapshot, CreateSnapshots, Created};
use crate::domain::ids::VolumeId;
use crate::domain::inventory::{Instance, InstanceState, Snapshot, SnapshotState, Volume};
use crate::domain::tags::{TAGS_MAX, Tags, VALUE_CHARS_MAX};

/// EC2 API reference, InstanceSpecification: "up to 40 volume IDs per request".
const EXCLUDED_VOLUMES_MAX: usize = 40;
/// EC2 API model: keys have at most 127 characters.
const KEY_CHARS_MAX: usize = 127;
/// EC2 API reference, error codes: "the interval between snapshots of one volume is 15 seconds".
const SPACING: TimeDelta = TimeDelta::seconds(15);

/// What a creating call needs beside its region.
pub(super) struct Maker<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) account: Arc<str>,
    pub(super) ids: &'a mut SplitMix64,
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
        planned.push((volume.clone(), checked_tags(&request.tags, volume_tags)?));
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
    let tags = checked_tags(&request.tags, None)?;
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
fn ready_volume(
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
    if volume.concurrent_snapshots_max() <= region.n_unfinished(id) {
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

/// Checks the tags of a request as EC2 does, and adds those of the volume.
fn checked_tags(asked: &[(String, String)], of_volume: Option<&Tags>) -> Result<Tags, Refusal> {
    let mut keys = BTreeSet::new();
    for (key, value) in asked {
        if key.is_empty() || KEY_CHARS_MAX < key.chars().count() {
            let message = format!("Tag key must have 1 to 127 characters: '{key}'");
            return Err(Refusal::invalid_parameter(message));
        }
        if VALUE_CHARS_MAX < value.chars().count() {
            let message = "Tag value exceeds the maximum length of 256 characters";
            return Err(Refusal::invalid_parameter(message));
        }
        if key.starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(Refusal::invalid_parameter(message));
        }
        if !keys.insert(key.as_str()) {
            let message = format!("Duplicate tag key '{key}' specified.");
            return Err(Refusal::invalid_parameter(message));
        }
    }
    // What AWS itself wrote on the volume stays there, and what the call says wins.
    let of_volume = of_volume.into_iter().flat_map(Tags::iter);
    let of_volume = of_volume.filter(|(key, _)| !key.starts_with("aws:") && !keys.contains(key));
    let asked = asked.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let tags: Tags = asked.chain(of_volume).collect();
    if TAGS_MAX < tags.len() {
        let message = "The maximum number of Tags for a resource has been reached.";
        return Err(Refusal::new("TagLimitExceeded", message));
    }
    Ok(tags)
}

fn make(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    volume: &Volume,
    description: &str,
    tags: Tags,
) -> Created {
    let mut id = next_id(maker.ids, "snap-");
    // An account made from an inventory may hold what this stream has handed out before.
    while region.snapshots.contains_key(&id) {
        id = next_id(maker.ids, "snap-");
    }
    region.add_snapshot(
        Snapshot {
            id,
            volume_id: Some(volume.id),
            owner_id: Some(Arc::clone(&maker.account)),
            state: SnapshotState::Pending,
            state_message: None,
            started_at: maker.now,
            volume_size_gib: volume.size_gib,
            kms_key_id: None,
            is_encrypted: region.encrypted_volumes.contains(&volume.id),
            description: description.into(),
            tags,
        },
        maker.visible_from,
    );
    if let Some(stored) = region.snapshots.get_mut(&id).filter(|_| maker.is_failing) {
        let at = maker.now + duration(volume.size_gib);
        stored.end = Some(End { at, failure: Some("Internal error".into()) });
    }
    Created { snapshot_id: id, volume_id: Some(volume.id), started_at: Some(maker.now) }
}
