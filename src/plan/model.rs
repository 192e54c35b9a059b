//! The plan as data: what would be done, what is kept, what is waited for, and why.
//!
//! Every action names its ids and what it was planned against, so that carrying it out needs no
//! choice. Nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{ImageId, InstanceId, RegionalId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{ImageState, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::Tags;
use crate::plan::guard::Veto;
use crate::plan::retention::{Holds, Lapse};

/// What a run would do now.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Plan {
    /// The instant of judgement.
    pub now: DateTime<Utc>,
    /// The account, as far as the inventory knew it.
    pub account: Option<Arc<str>>,
    /// The digest of the configuration.
    pub config_digest: String,
    /// What would be done: creations and copies first, then changes to what is there, then
    /// deletions; each by region, policy, source and time.
    pub actions: Vec<Action>,
    /// Deletions that a limit forbids in this run.
    pub withheld: Vec<Withheld>,
    /// Every snapshot and image that stays although a policy judges it.
    pub keeps: Vec<Keep>,
    /// What is not decided yet.
    pub waiting: Vec<Waiting>,
    /// What else a person should know.
    pub notes: Vec<Note>,
    /// What could not be observed.
    pub gaps: Vec<PlanGap>,
    /// Recovery points of each policy and region before now, whatever becomes of them.
    pub n_points: BTreeMap<(Arc<str>, Region), u32>,
}

/// One call to EC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// For which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// What.
    pub op: Op,
}

/// The operations, under EC2's own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// One crash-consistent set of an instance's volumes.
    CreateSnapshots(CreateSet),
    /// One volume, by itself or as a member of its instance's point.
    CreateSnapshot(CreateOne),
    /// An image of an instance.
    CreateImage(CreateImage),
    /// A snapshot copied to another region, or to the same one and encrypted.
    CopySnapshot(Copy),
    /// An image copied to another region, or to the same one and encrypted.
    CopyImage(Copy),
    /// Accounts may use a copy of a snapshot, or may not any more.
    ModifySnapshotAttribute(Share),
    /// Accounts may use a copy of an image, or may not any more.
    ModifyImageAttribute(Share),
    /// An image gets the instant from which on it is deprecated.
    EnableImageDeprecation(Deprecation),
    /// Tags are written on what is there already.
    CreateTags(Tagging),
    /// One image deregistered; its snapshots are deletions of their own.
    DeregisterImage(Delete),
    /// One snapshot deleted.
    DeleteSnapshot(Delete),
}

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
    /// To remember with whom the copy is shared, once it is: after [`Op::ModifySnapshotAttribute`]
    /// or [`Op::ModifyImageAttribute`] on the same resource.
    Shared,
    /// To know a snapshot again once this image is deregistered: before [`Op::DeregisterImage`].
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

/// A deletion with everything it was planned against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The snapshot or image.
    pub resource: ResourceId,
    /// The snapshot's volume.
    pub volume_id: Option<VolumeId>,
    /// What the recovery point protects.
    pub source: Source,
    /// The size of the snapshot's volume in GiB; 0 for an image, whose snapshots count themselves.
    pub size_gib: u32,
    /// EC2's StartTime of a snapshot or CreationDate of an image; must still be so.
    pub started_at: Option<DateTime<Utc>>,
    /// Its state; must still be so.
    pub state: ResourceState,
    /// Its tags; must still be these.
    pub tags: Tags,
    /// Snapshots that are tagged before, by [`Op::CreateTags`]; without that it is not begun.
    pub after: Vec<SnapshotId>,
    /// The image that the snapshot backs, which is deregistered before; the snapshot is left alone
    /// unless that was done.
    pub backs: Option<ImageId>,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// Why.
    pub reason: ExpireReason,
    /// What must still be there, and complete, for the deletion to be right.
    pub stays: Arc<[ResourceId]>,
    /// The same in other regions.
    pub stays_elsewhere: Arc<[RegionalId]>,
}

/// The state of a snapshot or image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceState {
    /// Of a snapshot.
    Snapshot(SnapshotState),
    /// Of an image.
    Image(ImageState),
}

impl ResourceState {
    /// Returns true if it is completed, or available.
    pub fn is_complete(self) -> bool {
        matches!(
            self,
            Self::Snapshot(SnapshotState::Completed) | Self::Image(ImageState::Available)
        )
    }

    /// Returns true if it is on its way to another state.
    pub fn is_under_way(self) -> bool {
        match self {
            Self::Snapshot(state) => {
                !matches!(state, SnapshotState::Completed | SnapshotState::Error)
            }
            Self::Image(state) => matches!(state, ImageState::Pending | ImageState::Transient),
        }
    }

    /// Returns true if it failed.
    pub fn is_failed(self) -> bool {
        match self {
            Self::Snapshot(state) => state == SnapshotState::Error,
            Self::Image(state) => state.is_failed(),
        }
    }

    /// Returns EC2's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot(state) => state.name(),
            Self::Image(state) => state.name(),
        }
    }
}

/// Why a snapshot or image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpireReason {
    /// No tier holds its point any more.
    Retention(Lapse),
    /// As before, and its source is gone, so that `keep_last` does not hold it either.
    Orphan(Lapse),
    /// As before, and a newer point of a policy covers the volume of what was adopted.
    Replaced(Lapse),
    /// A second point of one slot.
    Surplus,
    /// It failed more than 24 hours ago.
    Failed,
    /// It failed, and takes the place that the next attempt needs on its volume.
    FailedInTheWay,
    /// It is unencrypted, and its encrypted copy and all copies asked for are complete.
    Retired,
    /// Its image is gone, of which it was left over.
    LeftOver(ImageId),
    /// Retention let it go long ago, and its copy could not be made in all that time.
    GivenUp(Lapse),
}

/// A deletion that a limit forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The deletion.
    pub action: Action,
    /// Which limit, in words.
    pub limit: Arc<str>,
}

/// A snapshot or image that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// By which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// The snapshot or image.
    pub resource: ResourceId,
    /// What its recovery point protects.
    pub source: Source,
    /// Its volume.
    pub volume_id: Option<VolumeId>,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// Why.
    pub reason: KeepReason,
    /// When the last tier that holds it ends; none where newer points decide.
    pub until: Option<DateTime<Utc>>,
}

/// Why a snapshot or image stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepReason {
    /// Retention holds its point.
    Held(Holds),
    /// It would go, but something forbids it.
    Vetoed(Box<(ExpireReason, Veto)>),
    /// It failed; it goes 24 hours after its start, or once a later attempt is complete.
    Failed,
}

/// Something that is not decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// The id of what is waited for.
    pub resource: String,
    /// What for.
    pub reason: String,
    /// Since when, where known.
    pub since: Option<DateTime<Utc>>,
    /// Nothing will change before, where that is known.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it ends without anybody's help: it is on its way, or is due at a known instant.
    pub ends_by_itself: bool,
}

/// Something that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanGap {
    /// Where; none if the regions themselves are not known.
    pub region: Option<Region>,
    /// EC2's name of the call.
    pub operation: &'static str,
    /// Why it failed.
    pub error: String,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// The plan contradicts an invariant and must not be executed, in the note's region or at all.
    Fatal,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub severity: Severity,
    /// Where, if in one region.
    pub region: Option<Region>,
    /// What.
    pub message: String,
}

impl Plan {
    /// Returns true if a fatal note stands in the way of `action`.
    pub fn refuses(&self, action: &Action) -> bool {
        self.notes.iter().any(|note| {
            let is_here = note.region.as_ref().is_none_or(|region| *region == action.region);
            note.severity == Severity::Fatal && is_here
        })
    }
}

impl Action {
    /// Returns an id that the same action has in every plan.
    pub fn id(&self) -> String {
        let Self { policy, region, op } = self;
        match op {
            Op::CreateSnapshots(set) => {
                let slot = slot_text(set.point.slot);
                format!("CreateSnapshots/{region}/{policy}/{}/{slot}", set.instance_id)
            }
            Op::CreateSnapshot(one) => {
                let slot = slot_text(one.point.slot);
                format!("CreateSnapshot/{region}/{policy}/{}/{slot}", one.volume.volume_id)
            }
            Op::CreateImage(image) => {
                let slot = slot_text(image.point.slot);
                format!("CreateImage/{region}/{policy}/{}/{slot}", image.instance_id)
            }
            Op::CopySnapshot(copy) | Op::CopyImage(copy) => {
                format!("{}/{region}/{policy}/{}", self.operation(), copy.parent)
            }
            Op::ModifySnapshotAttribute(Share { resource, .. })
            | Op::ModifyImageAttribute(Share { resource, .. })
            | Op::CreateTags(Tagging { resource, .. })
            | Op::DeregisterImage(Delete { resource, .. })
            | Op::DeleteSnapshot(Delete { resource, .. }) => {
                format!("{}/{region}/{resource}", self.operation())
            }
            Op::EnableImageDeprecation(deprecation) => {
                format!("EnableImageDeprecation/{region}/{}", deprecation.image_id)
            }
        }
    }

    /// Returns EC2's name of the call.
    pub fn operation(&self) -> &'static str {
        match &self.op {
            Op::CreateSnapshots(_) => "CreateSnapshots",
            Op::CreateSnapshot(_) => "CreateSnapshot",
            Op::CreateImage(_) => "CreateImage",
            Op::CopySnapshot(_) => "CopySnapshot",
            Op::CopyImage(_) => "CopyImage",
            Op::ModifySnapshotAttribute(_) => "ModifySnapshotAttribute",
            Op::ModifyImageAttribute(_) => "ModifyImageAttribute",
            Op::EnableImageDeprecation(_) => "EnableImageDeprecation",
            Op::CreateTags(_) => "CreateTags",
            Op::DeregisterImage(_) => "DeregisterImage",
            Op::DeleteSnapshot(_) => "DeleteSnapshot",
        }
    }

    /// Returns the ids of actions in the same region without which this one is not begun.
    pub fn after(&self) -> Vec<String> {
        let region = &self.region;
        match &self.op {
            Op::CreateSnapshots(_) | Op::CreateSnapshot(_) | Op::CreateImage(_) => {
                let after = self.as_creation().map_or(&[][..], |point| &point.after);
                after.iter().map(|id| format!("DeleteSnapshot/{region}/{id}")).collect()
            }
            Op::CreateTags(Tagging { resource, purpose: TagPurpose::Shared, .. }) => {
                let op = match resource {
                    ResourceId::Snapshot(_) => "ModifySnapshotAttribute",
                    ResourceId::Image(_) => "ModifyImageAttribute",
                };
                vec![format!("{op}/{region}/{resource}")]
            }
            Op::DeregisterImage(delete) => {
                let after = delete.after.iter();
                after.map(|id| format!("CreateTags/{region}/{id}")).collect()
            }
            Op::DeleteSnapshot(Delete { backs: Some(image_id), .. }) => {
                vec![format!("DeregisterImage/{region}/{image_id}")]
            }
            Op::CopySnapshot(_)
            | Op::CopyImage(_)
            | Op::ModifySnapshotAttribute(_)
            | Op::ModifyImageAttribute(_)
            | Op::EnableImageDeprecation(_)
            | Op::CreateTags(_)
            | Op::DeleteSnapshot(_) => Vec::new(),
        }
    }

    /// Returns the deletion or deregistration, if it is one.
    pub fn as_delete(&self) -> Option<&Delete> {
        match &self.op {
            Op::DeleteSnapshot(delete) | Op::DeregisterImage(delete) => Some(delete),
            _ => None,
        }
    }

    /// Returns the copy, if it is one.
    pub fn as_copy(&self) -> Option<&Copy> {
        match &self.op {
            Op::CopySnapshot(copy) | Op::CopyImage(copy) => Some(copy),
            _ => None,
        }
    }

    /// Returns the point to be made, if it is a creation.
    pub fn as_creation(&self) -> Option<&NewPoint> {
        match &self.op {
            Op::CreateSnapshots(set) => Some(&set.point),
            Op::CreateSnapshot(one) => Some(&one.point),
            Op::CreateImage(image) => Some(&image.point),
            _ => None,
        }
    }
}

/// Returns how a slot stands in its tag: RFC 3339 in UTC, whole seconds.
pub fn slot_text(slot: DateTime<Utc>) -> String {
    slot.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
