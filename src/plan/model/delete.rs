//! Deletions and deregistrations, with everything that they were planned against.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{ImageId, RegionalId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{ImageState, SnapshotState};
use crate::domain::source::Source;
use crate::domain::tags::Tags;
use crate::plan::retention::Lapse;

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
    /// Snapshots that are tagged before, by `CreateTags`; without that it is not begun.
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
