//! What the AWS CLI prints of the five listings, as far as snapkeep uses it.
//!
//! Names are EC2's. Reading ignores other keys; writing prints only these. Ids and times stay
//! text here, so that one that cannot be read costs its item and not the whole file.

use std::borrow::Cow;
use std::num::NonZeroU64;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{InvalidId, SnapshotId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{
    AttachedVolume, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use crate::domain::tags::Tags;

mod answers;
mod image;

pub(crate) use answers::{ImageUseShape, KeyShape, KnownKeyShape};
pub(crate) use image::ImageShape;

type Text<'a> = Cow<'a, str>;

/// EC2's word for a root device of which there are no snapshots.
const INSTANCE_STORE: &str = "instance-store";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagShape<'a> {
    key: Text<'a>,
    value: Text<'a>,
}

/// DescribeInstances answers in reservations; the owner stands there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReservationShape<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner_id: Option<Text<'a>>,
    #[serde(default)]
    instances: Vec<InstanceShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceShape<'a> {
    instance_id: Text<'a>,
    state: StateShape<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_device_name: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_device_type: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    launch_time: Option<Text<'a>>,
    #[serde(default)]
    block_device_mappings: Vec<InstanceDeviceShape<'a>>,
    #[serde(default)]
    tags: Vec<TagShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StateShape<'a> {
    name: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceDeviceShape<'a> {
    device_name: Text<'a>,
    #[serde(default)]
    ebs: Option<AttachedShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedShape<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attach_time: Option<Text<'a>>,
    volume_id: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VolumeShape<'a> {
    volume_id: Text<'a>,
    #[serde(default)]
    state: Text<'a>,
    #[serde(default)]
    volume_type: Text<'a>,
    #[serde(default)]
    size: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create_time: Option<Text<'a>>,
    #[serde(default)]
    tags: Vec<TagShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapshotShape<'a> {
    snapshot_id: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner_id: Option<Text<'a>>,
    state: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_message: Option<Text<'a>>,
    start_time: Text<'a>,
    #[serde(default)]
    volume_size: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full_snapshot_size_in_bytes: Option<u64>,
    #[serde(default)]
    encrypted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<Text<'a>>,
    #[serde(default)]
    description: Text<'a>,
    #[serde(default)]
    tags: Vec<TagShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LockShape<'a> {
    snapshot_id: Text<'a>,
    #[serde(default)]
    lock_state: Text<'a>,
}

impl ReservationShape<'_> {
    /// Adds the reservation's instances to `items`; one that cannot be read costs none beside it.
    pub(crate) fn into_domain(
        self,
        interner: &mut Interner,
        items: &mut Vec<Instance>,
    ) -> Result<(), String> {
        let owner_id = self.owner_id.map(|owner| interner.share(&owner));
        let mut res = Ok(());
        for shape in self.instances {
            match shape.into_domain(interner) {
                Ok(instance) => items.push(Instance { owner_id: owner_id.clone(), ..instance }),
                Err(error) => res = Err(error),
            }
        }
        res
    }
}

impl<'a> From<&'a Instance> for ReservationShape<'a> {
    fn from(instance: &'a Instance) -> Self {
        let devices = instance.volumes.iter().map(|volume| InstanceDeviceShape {
            device_name: volume.device.as_ref().into(),
            ebs: Some(AttachedShape {
                attach_time: volume.attached_at.map(written),
                volume_id: volume.volume_id.to_string().into(),
            }),
        });
        let shape = InstanceShape {
            instance_id: instance.id.to_string().into(),
            state: StateShape { name: instance.state.name().into() },
            root_device_name: instance.root_device.as_deref().map(Cow::Borrowed),
            root_device_type: Some(root_device_type(instance.is_instance_store)),
            image_id: instance.image_id.map(|id| id.to_string().into()),
            launch_time: instance.launched_at.map(written),
            block_device_mappings: devices.collect(),
            tags: tag_shapes(&instance.tags),
        };
        let owner_id = instance.owner_id.as_deref().map(Cow::Borrowed);
        Self { owner_id, instances: vec![shape] }
    }
}

impl InstanceShape<'_> {
    fn into_domain(self, interner: &mut Interner) -> Result<Instance, String> {
        let id = self.instance_id.parse().map_err(|err: InvalidId| err.to_string())?;
        let state = InstanceState::from_name(&self.state.name)
            .ok_or_else(|| unknown(&self.instance_id, "state", &self.state.name))?;
        let mut volumes = Vec::with_capacity(self.block_device_mappings.len());
        for device in self.block_device_mappings {
            let Some(ebs) = device.ebs else { continue };
            let volume_id = of(&self.instance_id, ebs.volume_id.parse())?;
            volumes.push(AttachedVolume {
                device: interner.share(&device.device_name),
                volume_id,
                attached_at: known(ebs.attach_time.as_deref()),
            });
        }
        Ok(Instance {
            id,
            owner_id: None,
            state,
            root_device: self.root_device_name.map(|name| interner.share(&name)),
            is_instance_store: self.root_device_type.as_deref() == Some(INSTANCE_STORE),
            image_id: self.image_id.map(|id| of(&self.instance_id, id.parse())).transpose()?,
            launched_at: known(self.launch_time.as_deref()),
            volumes,
            tags: tags(&self.tags, interner),
        })
    }
}

impl VolumeShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(self, interner: &mut Interner) -> Result<Volume, String> {
        Ok(Volume {
            id: self.volume_id.parse().map_err(|err: InvalidId| err.to_string())?,
            state: interner.share(&self.state),
            volume_type: interner.share(&self.volume_type),
            size_gib: self.size,
            created_at: known(self.create_time.as_deref()),
            tags: tags(&self.tags, interner),
        })
    }
}

impl<'a> From<&'a Volume> for VolumeShape<'a> {
    fn from(volume: &'a Volume) -> Self {
        Self {
            volume_id: volume.id.to_string().into(),
            state: volume.state.as_ref().into(),
            volume_type: volume.volume_type.as_ref().into(),
            size: volume.size_gib,
            create_time: volume.created_at.map(written),
            tags: tag_shapes(&volume.tags),
        }
    }
}

impl SnapshotShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(self, interner: &mut Interner) -> Result<Snapshot, String> {
        let name = &self.snapshot_id;
        let started_at = DateTime::parse_from_rfc3339(&self.start_time)
            .map_err(|_| unknown(name, "StartTime", &self.start_time))?;
        Ok(Snapshot {
            id: name.parse().map_err(|err: InvalidId| err.to_string())?,
            // On copies EC2 shows an arbitrary one (API reference, `Snapshot`): no reason for a gap.
            volume_id: self.volume_id.and_then(|id| id.parse().ok()),
            owner_id: self.owner_id.map(|owner| interner.share(&owner)),
            state: SnapshotState::from_name(&self.state)
                .ok_or_else(|| unknown(name, "state", &self.state))?,
            state_message: self.state_message.map(|text| interner.share(&text)),
            started_at: started_at.with_timezone(&Utc),
            volume_size_gib: self.volume_size,
            full_size_bytes: self.full_snapshot_size_in_bytes.and_then(NonZeroU64::new),
            is_encrypted: self.encrypted,
            kms_key_id: self.kms_key_id.map(|key| interner.share(&key)),
            description: interner.share(&self.description),
            tags: tags(&self.tags, interner),
        })
    }
}

impl<'a> From<&'a Snapshot> for SnapshotShape<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot_id: snapshot.id.to_string().into(),
            volume_id: snapshot.volume_id.map(|id| id.to_string().into()),
            owner_id: snapshot.owner_id.as_deref().map(Cow::Borrowed),
            state: snapshot.state.name().into(),
            state_message: snapshot.state_message.as_deref().map(Cow::Borrowed),
            start_time: written(snapshot.started_at),
            volume_size: snapshot.volume_size_gib,
            full_snapshot_size_in_bytes: snapshot.full_size_bytes.map(NonZeroU64::get),
            encrypted: snapshot.is_encrypted,
            kms_key_id: snapshot.kms_key_id.as_deref().map(Cow::Borrowed),
            description: snapshot.description.as_ref().into(),
            tags: tag_shapes(&snapshot.tags),
        }
    }
}

impl LockShape<'_> {
    /// Converts to the locked snapshot; none if its lock has expired.
    ///
    /// DescribeLockedSnapshots lists expired locks too (EC2 API reference, LockState).
    pub(crate) fn into_domain(self, _: &mut Interner) -> Result<Option<SnapshotId>, String> {
        let id = self.snapshot_id.parse().map_err(|err: InvalidId| err.to_string())?;
        Ok(Some(id).filter(|_| self.lock_state != "expired"))
    }
}

impl From<SnapshotId> for LockShape<'_> {
    fn from(id: SnapshotId) -> Self {
        // Which kind of lock is not known here, and no deletion depends on it.
        Self { snapshot_id: id.to_string().into(), lock_state: "governance".into() }
    }
}

fn root_device_type(is_instance_store: bool) -> Text<'static> {
    if is_instance_store { INSTANCE_STORE.into() } else { "ebs".into() }
}

fn tags(shapes: &[TagShape<'_>], interner: &mut Interner) -> Tags {
    shapes.iter().map(|tag| (interner.share(&tag.key), interner.share(&tag.value))).collect()
}

fn tag_shapes(tags: &Tags) -> Vec<TagShape<'_>> {
    tags.iter().map(|(key, value)| TagShape { key: key.into(), value: value.into() }).collect()
}

/// Returns an instant as the AWS CLI prints it.
fn written(at: DateTime<Utc>) -> Text<'static> {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false).into()
}

/// Reads an instant that nothing but reports depends on: one that cannot be read is none.
fn known(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|at| at.with_timezone(&Utc))
}

fn of<T, E: std::fmt::Display>(item: &str, parsed: Result<T, E>) -> Result<T, String> {
    parsed.map_err(|err| format!("{item}: {err}"))
}

fn unknown(item: &str, what: &str, value: &str) -> String {
    format!("{item}: `{value}` is no {what} that snapkeep knows")
}
