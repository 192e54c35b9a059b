//! From EC2's shapes to nouns of the domain.
//!
//! An item that cannot be read is an error that names it, never left out: a listing without it
//! would look complete.

use std::fmt::Display;
use std::num::NonZeroU64;
use std::str::FromStr;

use aws_sdk_ec2::primitives::DateTime as SdkDateTime;
use aws_sdk_ec2::types;
use chrono::{DateTime, Utc};

use crate::cloud::Created;
use crate::domain::intern::Interner;
use crate::domain::inventory::{
    AttachedVolume, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use crate::domain::tags::Tags;

/// Why an item cannot be read, naming it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadItem(pub(super) String);

/// Reads one instance of a reservation of `owner_id`.
pub(super) fn instance(
    item: &types::Instance,
    owner_id: Option<&str>,
    interner: &mut Interner,
) -> Result<Instance, BadItem> {
    let id = required("instance", "InstanceId", item.instance_id())?;
    let is_bad = |what: &str| BadItem(format!("instance `{id}` has no readable {what}"));
    let state = item.state().and_then(|state| state.name());
    let mut volumes = Vec::new();
    for mapping in item.block_device_mappings() {
        // Instance store volumes have no EBS part, and EC2 cannot snapshot them.
        let Some(ebs) = mapping.ebs() else { continue };
        volumes.push(AttachedVolume {
            device: interner
                .share(mapping.device_name().ok_or_else(|| is_bad("device name of a volume"))?),
            volume_id: parsed(ebs.volume_id()).ok_or_else(|| is_bad("id of a volume"))?,
            attached_at: ebs.attach_time().and_then(instant),
        });
    }
    Ok(Instance {
        id: parse_id("instance", id)?,
        owner_id: owner_id.map(|owner| interner.share(owner)),
        state: state
            .and_then(|state| InstanceState::from_name(state.as_str()))
            .ok_or_else(|| is_bad("state"))?,
        root_device: item.root_device_name().map(|name| interner.share(name)),
        is_instance_store: item.root_device_type() == Some(&types::DeviceType::InstanceStore),
        image_id: parsed(item.image_id()),
        launched_at: item.launch_time().and_then(instant),
        volumes,
        tags: tags(item.tags(), interner),
    })
}

/// Reads one volume.
pub(super) fn volume(item: &types::Volume, interner: &mut Interner) -> Result<Volume, BadItem> {
    let id = required("volume", "VolumeId", item.volume_id())?;
    Ok(Volume {
        id: parse_id("volume", id)?,
        state: interner.share(item.state().map_or("", types::VolumeState::as_str)),
        volume_type: interner.share(item.volume_type().map_or("", types::VolumeType::as_str)),
        size_gib: gib(item.size()),
        created_at: item.create_time().and_then(instant),
        tags: tags(item.tags(), interner),
    })
}

/// Reads one snapshot.
pub(super) fn snapshot(
    item: &types::Snapshot,
    interner: &mut Interner,
) -> Result<Snapshot, BadItem> {
    let id = required("snapshot", "SnapshotId", item.snapshot_id())?;
    let is_bad = |what: &str| BadItem(format!("snapshot `{id}` has no readable {what}"));
    let state = item.state().map(types::SnapshotState::as_str);
    Ok(Snapshot {
        id: parse_id("snapshot", id)?,
        // "Snapshots created by the CopySnapshot action have an arbitrary volume ID that should
        // not be used for any purpose" (EC2 API reference): one that is no id is none.
        volume_id: parsed(item.volume_id()),
        owner_id: item.owner_id().map(|owner| interner.share(owner)),
        state: state
            .and_then(SnapshotState::from_name)
            .ok_or_else(|| is_bad(&format!("state (`{}`)", state.unwrap_or_default())))?,
        state_message: item.state_message().map(|text| interner.share(text)),
        started_at: item.start_time().and_then(instant).ok_or_else(|| is_bad("start time"))?,
        volume_size_gib: gib(item.volume_size()),
        full_size_bytes: item
            .full_snapshot_size_in_bytes()
            .and_then(|bytes| NonZeroU64::new(bytes.try_into().ok()?)),
        is_encrypted: item.encrypted().unwrap_or_default(),
        kms_key_id: item.kms_key_id().map(|key| interner.share(key)),
        description: interner.share(item.description().unwrap_or_default()),
        tags: tags(item.tags(), interner),
    })
}

/// Reads a snapshot that a creating call has returned.
pub(super) fn created(
    snapshot_id: Option<&str>,
    volume_id: Option<&str>,
    started_at: Option<&SdkDateTime>,
) -> Result<Created, BadItem> {
    let id = required("snapshot", "SnapshotId", snapshot_id)?;
    Ok(Created {
        snapshot_id: parse_id("snapshot", id)?,
        volume_id: parsed(volume_id),
        started_at: started_at.and_then(instant),
    })
}

/// Reads an id, or says which `noun` had none.
pub(super) fn required_id<T>(noun: &str, field: &str, id: Option<&str>) -> Result<T, BadItem>
where
    T: FromStr<Err: Display>,
{
    parse_id(noun, required(noun, field, id)?)
}

pub(super) fn required<'a>(
    noun: &str,
    field: &str,
    value: Option<&'a str>,
) -> Result<&'a str, BadItem> {
    value.ok_or_else(|| BadItem(format!("an item of the reply is a {noun} without {field}")))
}

pub(super) fn parse_id<T: FromStr<Err: Display>>(noun: &str, id: &str) -> Result<T, BadItem> {
    id.parse().map_err(|err| BadItem(format!("a {noun} cannot be read: {err}")))
}

pub(super) fn parsed<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

fn instant(at: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

/// Reads an instant that EC2 writes as text, as it does for images.
pub(super) fn written_instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|at| at.with_timezone(&Utc))
}

pub(super) fn gib(size: Option<i32>) -> u32 {
    size.and_then(|size| u32::try_from(size).ok()).unwrap_or_default()
}

pub(super) fn tags(items: &[types::Tag], interner: &mut Interner) -> Tags {
    items
        .iter()
        .map(|tag| {
            let key = interner.share(tag.key().unwrap_or_default());
            (key, interner.share(tag.value().unwrap_or_default()))
        })
        .collect()
}
