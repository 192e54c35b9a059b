//! The plan as data: what would be done, what is kept, what is waited for, and why.
//!
//! Every action names its ids and what it was planned against, so that carrying it out needs no
//! choice. Nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::SnapshotState;
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
    /// What would be done: creations first, then deletions; each by region, policy, source and time.
    pub actions: Vec<Action>,
    /// Deletions that a limit forbids in this run.
    pub withheld: Vec<Withheld>,
    /// Every snapshot that stays although a policy judges it.
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
    /// One snapshot deleted.
    DeleteSnapshot(Delete),
}

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
    /// Tags to be written in the creating call.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// Snapshots of this slot that were there before, so that a look after a lost reply does not
    /// mistake them for the new ones.
    pub known: Vec<SnapshotId>,
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
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its volume.
    pub volume_id: Option<VolumeId>,
    /// The size of its volume in GiB.
    pub size_gib: u32,
    /// EC2's StartTime; must still be so.
    pub started_at: DateTime<Utc>,
    /// Its state; must still be so.
    pub state: SnapshotState,
    /// Its tags; must still be these.
    pub tags: Tags,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// Why.
    pub reason: ExpireReason,
    /// What must still be there, and complete, for the deletion to be right.
    pub stays: Arc<[SnapshotId]>,
}

/// Why a snapshot goes.
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
}

/// A deletion that a limit forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The deletion.
    pub action: Action,
    /// Which limit, in words.
    pub limit: Arc<str>,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// By which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// The snapshot.
    pub snapshot_id: SnapshotId,
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

/// Why a snapshot stays.
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
            Op::DeleteSnapshot(delete) => format!("DeleteSnapshot/{region}/{}", delete.snapshot_id),
        }
    }

    /// Returns the deletion, if it is one.
    pub fn as_delete(&self) -> Option<&Delete> {
        match &self.op {
            Op::DeleteSnapshot(delete) => Some(delete),
            Op::CreateSnapshots(_) | Op::CreateSnapshot(_) => None,
        }
    }

    /// Returns the point to be made, if it is a creation.
    pub fn as_creation(&self) -> Option<&NewPoint> {
        match &self.op {
            Op::CreateSnapshots(set) => Some(&set.point),
            Op::CreateSnapshot(one) => Some(&one.point),
            Op::DeleteSnapshot(_) => None,
        }
    }
}

/// Returns how a slot stands in its tag: RFC 3339 in UTC, whole seconds.
pub fn slot_text(slot: DateTime<Utc>) -> String {
    slot.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
