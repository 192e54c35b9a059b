//! What each call but a deletion is made with.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{ImageId, InstanceId, RegionalId, ResourceId, SnapshotId, VolumeId};
use crate::domain::region::Region;
use crate::domain::source::Source;

/// Tags as a call takes them.
pub type Pairs = Vec<(Arc<str>, Arc<str>)>;

/// What a new recovery point is, and the tags that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPoint {
    /// What it protects.
    pub source: Source,
    /// The slot it fills.
    pub slot: DateTime<Utc>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// Description of the snapshots.
    pub description: String,
    /// Tags to be written in the creating call; of an image, its own.
    pub tags: Pairs,
    /// What of this slot was there before, so that a look after a lost reply does not mistake it
    /// for the new one.
    pub known: Vec<ResourceId>,
    /// Deletions that make room for it and must be done first.
    pub after: Vec<SnapshotId>,
}

/// Parameters of CreateSnapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSet {
    /// The point.
    pub point: NewPoint,
    /// The instance.
    pub instance_id: InstanceId,
    /// The volumes that are chosen, by id.
    pub volumes: Vec<ChosenVolume>,
    /// ExcludeBootVolume.
    pub exclude_boot_volume: bool,
    /// ExcludeDataVolumeIds.
    pub exclude_data_volume_ids: Vec<VolumeId>,
    /// CopyTagsFromSource=volume.
    pub copy_tags_from_volume: bool,
}

/// Parameters of CreateSnapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOne {
    /// The point.
    pub point: NewPoint,
    /// The volume.
    pub volume: ChosenVolume,
}

/// Parameters of CreateImage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateImage {
    /// The point.
    pub point: NewPoint,
    /// The instance.
    pub instance_id: InstanceId,
    /// The image's name, which no image of the region has.
    pub name: String,
    /// The volumes that are chosen, by id.
    pub volumes: Vec<ChosenVolume>,
    /// NoReboot.
    pub no_reboot: bool,
    /// Devices whose volumes are left out.
    pub left_out_devices: Vec<Arc<str>>,
    /// Tags of the image's snapshots.
    pub snapshot_tags: Pairs,
}

/// Parameters of CopySnapshot and CopyImage; the action's region is the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// What the recovery point protects.
    pub source: Source,
    /// The slot that the first original fills, if it has one.
    pub slot: Option<DateTime<Utc>>,
    /// The instant of the recovery point.
    pub point_time: DateTime<Utc>,
    /// What is copied.
    pub parent: RegionalId,
    /// Whether that is encrypted.
    pub is_parent_encrypted: bool,
    /// The size of its volumes in GiB.
    pub size_gib: u32,
    /// Whether the copy is to be encrypted whatever its parent is.
    pub encrypted: bool,
    /// The key; none is the destination's default.
    pub kms_key: Option<Arc<str>>,
    /// CompletionDurationMinutes.
    pub completion_minutes: Option<u32>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// The copy's description.
    pub description: String,
    /// Tags of the copy; of an image, its own.
    pub tags: Pairs,
    /// Failed copies of the same that are there already.
    pub known: Vec<ResourceId>,
    /// What only an image needs.
    pub image: Option<ImageCopy>,
}

/// What CopyImage needs beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// The copy's name, which no image of the destination has.
    pub name: String,
    /// ClientToken: the same for the same copy and attempt, whoever plans it.
    pub client_token: String,
    /// Tags of the copy's snapshots.
    pub snapshot_tags: Pairs,
}

impl Copy {
    /// Returns true if it stays in the region of what is copied, to be encrypted.
    pub fn is_encryption(&self, region: &Region) -> bool {
        self.parent.region == *region
    }
}

/// Parameters of ModifySnapshotAttribute and ModifyImageAttribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The copy.
    pub resource: ResourceId,
    /// What its recovery point protects.
    pub source: Source,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// Accounts that are to be added.
    pub add: Vec<Arc<str>>,
    /// Accounts that are to be removed.
    pub remove: Vec<Arc<str>>,
}

/// Parameters of EnableImageDeprecation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// The image.
    pub image_id: ImageId,
    /// What its recovery point protects.
    pub source: Source,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// DeprecateAt.
    pub at: DateTime<Utc>,
}

/// Parameters of CreateTags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagging {
    /// What is tagged.
    pub resource: ResourceId,
    /// What its recovery point protects.
    pub source: Source,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// The tags.
    pub tags: Pairs,
    /// What the tags are for.
    pub purpose: TagPurpose,
}

/// What tags are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagPurpose {
    /// To remember with whom the copy is shared, once it is: after `ModifySnapshotAttribute`
    /// or `ModifyImageAttribute` on the same resource.
    Shared,
    /// To know a snapshot again once this image is deregistered: before `DeregisterImage`.
    Backs(ImageId),
}

/// A volume that is to be snapshotted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenVolume {
    /// Its id.
    pub volume_id: VolumeId,
    /// Its device, where it belongs to an instance's point.
    pub device: Option<Arc<str>>,
    /// Its size in GiB.
    pub size_gib: u32,
    /// The earliest instant at which EC2 accepts one more snapshot of it, if that is after now.
    pub not_before: Option<DateTime<Utc>>,
}
