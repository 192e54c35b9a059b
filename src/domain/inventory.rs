//! What was observed in an account, and what could not be.
//!
//! Plain facts in EC2's words: no verdicts. Lists are in the order in which they were read; a
//! planner must not depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::failure::Failure;
use crate::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::Tags;

/// All that one cycle knows of an account.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The account's 12-digit id, once any resource has named it.
    pub account: Option<Arc<str>>,
    /// What was found in each region that was asked.
    pub regions: BTreeMap<Region, RegionInventory>,
    /// Why DescribeRegions failed, where a policy names all regions.
    pub regions_error: Option<Failure>,
    /// The local clock minus EC2's, by the `Date` header of its replies; none if no reply had one.
    pub clock_skew: Option<TimeDelta>,
}

/// What was observed in one region.
#[derive(Debug, Clone, Default)]
pub struct RegionInventory {
    /// Every instance, terminated ones too while EC2 shows them.
    pub instances: Vec<Instance>,
    /// Every volume.
    pub volumes: Vec<Volume>,
    /// Every snapshot that the account owns.
    pub snapshots: Vec<Snapshot>,
    /// Every image that the account owns, disabled and deprecated ones too.
    pub images: Vec<Image>,
    /// Snapshots under an EBS snapshot lock.
    pub locked: BTreeSet<SnapshotId>,
    /// Sources that EC2 said are gone when asked for their ids.
    pub gone: BTreeSet<Source>,
    /// What refers to images that were asked about.
    pub image_uses: BTreeMap<ImageId, ImageUse>,
    /// The KMS keys that were asked about, by the name that the configuration gives them.
    pub keys: BTreeMap<Arc<str>, KeyAnswer>,
    /// Listings that are missing or incomplete.
    pub gaps: Vec<Gap>,
    /// What is worth telling but stops nothing, such as an optional call that was denied.
    pub notes: Vec<String>,
}

impl RegionInventory {
    /// Returns true if `listing` is missing or incomplete.
    pub fn has_gap(&self, listing: Listing) -> bool {
        self.gaps.iter().any(|gap| gap.listing == listing)
    }
}

/// One of the listings that an inventory is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listing {
    /// DescribeInstances.
    Instances,
    /// DescribeVolumes.
    Volumes,
    /// DescribeSnapshots.
    Snapshots,
    /// DescribeImages.
    Images,
    /// DescribeLockedSnapshots.
    LockedSnapshots,
}

impl Listing {
    /// The listings without which an inventory is none, in the order in which reports name them.
    pub const ALL: [Self; 4] = [Self::Instances, Self::Volumes, Self::Snapshots, Self::Images];

    /// Returns EC2's name of the call.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Instances => "DescribeInstances",
            Self::Volumes => "DescribeVolumes",
            Self::Snapshots => "DescribeSnapshots",
            Self::Images => "DescribeImages",
            Self::LockedSnapshots => "DescribeLockedSnapshots",
        }
    }
}

/// Part of the inventory that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which listing.
    pub listing: Listing,
    /// Why.
    pub error: Failure,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.listing.operation(), self.error)
    }
}

/// An EC2 instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The account that owns it.
    pub owner_id: Option<Arc<str>>,
    /// Where it is in its life.
    pub state: InstanceState,
    /// The device of the root volume, such as `/dev/xvda`.
    pub root_device: Option<Arc<str>>,
    /// Whether the root device is an instance store, of which EC2 makes no snapshot.
    pub is_instance_store: bool,
    /// The image that it was launched from.
    pub image_id: Option<ImageId>,
    /// EC2's LaunchTime, which every start renews.
    pub launched_at: Option<DateTime<Utc>>,
    /// Its EBS volumes.
    pub volumes: Vec<AttachedVolume>,
    /// Its tags.
    pub tags: Tags,
}

/// A volume as an instance sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedVolume {
    /// The device name, such as `/dev/sdf`.
    pub device: Arc<str>,
    /// The volume.
    pub volume_id: VolumeId,
    /// EC2's AttachTime.
    pub attached_at: Option<DateTime<Utc>>,
}

impl Instance {
    /// Returns since when it has been there, as far as EC2 tells: a start renews LaunchTime, but
    /// not when volumes were attached.
    pub fn known_since(&self) -> Option<DateTime<Utc>> {
        let attached = self.volumes.iter().filter_map(|volume| volume.attached_at);
        attached.chain(self.launched_at).min()
    }
}

/// EC2's states of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// Being started.
    Pending,
    /// Running.
    Running,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone; EC2 shows it for about an hour.
    Terminated,
    /// On its way to stopped.
    Stopping,
    /// Stopped.
    Stopped,
}

impl InstanceState {
    /// Every state with EC2's spelling.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Pending, "pending"),
        (Self::Running, "running"),
        (Self::ShuttingDown, "shutting-down"),
        (Self::Terminated, "terminated"),
        (Self::Stopping, "stopping"),
        (Self::Stopped, "stopped"),
    ];

    /// Returns the state that EC2 spells as `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(state, _)| *state)
    }

    /// Returns EC2's spelling.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// EC2's word for its state, such as `in-use`.
    pub state: Arc<str>,
    /// EC2's word for its type, such as `gp3`.
    pub volume_type: Arc<str>,
    /// Its size in GiB.
    pub size_gib: u32,
    /// EC2's CreateTime.
    pub created_at: Option<DateTime<Utc>>,
    /// Its tags.
    pub tags: Tags,
}

impl Volume {
    /// Returns how many pending or failed snapshots EC2 allows on the volume at one time.
    ///
    /// EBS quotas: one for `st1` and `sc1`, five for all other types.
    pub fn concurrent_snapshots_max(&self) -> usize {
        if matches!(self.volume_type.as_ref(), "st1" | "sc1") { 1 } else { 5 }
    }
}

/// An EBS snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The volume it was made of. On copies EC2 shows an arbitrary one.
    pub volume_id: Option<VolumeId>,
    /// The account that owns it.
    pub owner_id: Option<Arc<str>>,
    /// Where it is in its life.
    pub state: SnapshotState,
    /// EC2's words on a failure.
    pub state_message: Option<Arc<str>>,
    /// EC2's StartTime: the instant whose data it holds.
    pub started_at: DateTime<Utc>,
    /// The size of its volume in GiB, not what it occupies.
    pub volume_size_gib: u32,
    /// EC2's FullSnapshotSizeInBytes: all blocks of the volume that were ever written, not only
    /// those that changed since the snapshot before. None if EC2 does not tell.
    pub full_size_bytes: Option<NonZeroU64>,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// The ARN of the key that it is encrypted with.
    pub kms_key_id: Option<Arc<str>>,
    /// Its description; empty if it has none.
    pub description: Arc<str>,
    /// Its tags.
    pub tags: Tags,
}

/// EC2's states of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotState {
    /// Being made.
    Pending,
    /// Complete and restorable.
    Completed,
    /// Failed.
    Error,
    /// In the recycle bin.
    Recoverable,
    /// On its way back from the recycle bin.
    Recovering,
}

impl SnapshotState {
    /// Every state with EC2's spelling.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Pending, "pending"),
        (Self::Completed, "completed"),
        (Self::Error, "error"),
        (Self::Recoverable, "recoverable"),
        (Self::Recovering, "recovering"),
    ];

    /// Returns the state that EC2 spells as `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(state, _)| *state)
    }

    /// Returns EC2's spelling.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// An AMI.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "EC2 says each of them by itself")]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, unique in the account and region.
    pub name: Arc<str>,
    /// Its description; empty if it has none.
    pub description: Arc<str>,
    /// Where it is in its life.
    pub state: ImageState,
    /// EC2's words on a failure.
    pub state_message: Option<Arc<str>>,
    /// EC2's CreationDate; none if it says none that can be read.
    pub created_at: Option<DateTime<Utc>>,
    /// The snapshots that back it; may be empty while it is pending.
    pub snapshot_ids: Vec<SnapshotId>,
    /// The size in GiB of the volumes that are made of it.
    pub size_gib: u32,
    /// Whether all its EBS devices are encrypted.
    pub is_encrypted: bool,
    /// The instance that it was made of; EC2 reports it for what CreateImage made, and for nothing
    /// else (EC2 API reference, `Image`).
    pub source_instance_id: Option<InstanceId>,
    /// The image that it was made from: of a copy the one that was copied, of what CreateImage made
    /// the one that the instance was launched from (EC2 user guide, "AMI ancestry").
    pub source_image_id: Option<ImageId>,
    /// Where that image is.
    pub source_image_region: Option<Region>,
    /// Whether everyone may launch it.
    pub is_public: bool,
    /// Whether its root device is an instance store.
    pub is_instance_store: bool,
    /// Whether it bears product codes, of the Marketplace say.
    pub has_product_codes: bool,
    /// Whether it is protected against deregistration.
    pub is_protected: bool,
    /// When it is or was deprecated.
    pub deprecated_at: Option<DateTime<Utc>>,
    /// Its tags.
    pub tags: Tags,
}

impl Image {
    /// Returns an available image with nothing special about it.
    pub fn plain(id: ImageId, name: &str) -> Self {
        Self {
            id,
            name: name.into(),
            description: "".into(),
            state: ImageState::Available,
            state_message: None,
            created_at: None,
            snapshot_ids: Vec::new(),
            size_gib: 0,
            is_encrypted: false,
            source_instance_id: None,
            source_image_id: None,
            source_image_region: None,
            is_public: false,
            is_instance_store: false,
            has_product_codes: false,
            is_protected: false,
            deprecated_at: None,
            tags: Tags::default(),
        }
    }
}

/// EC2's states of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageState {
    /// Being made; it may not list its snapshots yet.
    Pending,
    /// Registered and usable.
    Available,
    /// Registered, but cannot be launched.
    Invalid,
    /// Gone.
    Deregistered,
    /// On its way to another state.
    Transient,
    /// Failed.
    Failed,
    /// Failed.
    Error,
    /// Registered; cannot be launched or copied until it is enabled again.
    Disabled,
}

impl ImageState {
    /// Every state with EC2's spelling.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Pending, "pending"),
        (Self::Available, "available"),
        (Self::Invalid, "invalid"),
        (Self::Deregistered, "deregistered"),
        (Self::Transient, "transient"),
        (Self::Failed, "failed"),
        (Self::Error, "error"),
        (Self::Disabled, "disabled"),
    ];

    /// Returns the state that EC2 spells as `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(state, _)| *state)
    }

    /// Returns EC2's spelling.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// Returns true if it will never be usable.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Invalid | Self::Failed | Self::Error)
    }
}

/// What refers to an image, so that it must not be deregistered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageUse {
    /// What does, such as `instance i-…` or `launch template lt-…`; empty if nothing.
    pub used_by: Vec<Arc<str>>,
    /// With whom it is shared: accounts, groups, organisations; none if that could not be read.
    pub shared_with: Option<Vec<Arc<str>>>,
    /// Whether DescribeImageReferences answered. If not, only instances and launch templates were
    /// looked at.
    pub is_complete: bool,
}

/// What KMS said of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAnswer {
    /// It is this.
    Known(Key),
    /// There is no such key in the region, in KMS's own words.
    Missing(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its ARN.
    pub arn: Arc<str>,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// Whether it is a symmetric encryption key, which EBS needs.
    pub is_symmetric: bool,
}
