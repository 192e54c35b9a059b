//! The port to EC2: the few calls that snapkeep makes, and how they fail.
//!
//! Adapters implement [`Cloud`]; nothing else talks to AWS. `aws` is the real one, `sandbox` an
//! EC2 in memory, `files` reads a saved inventory. Nothing here knows a policy.

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Snapshot, Volume};
use crate::domain::region::Region;

mod error;
pub mod files;
pub mod observe;
pub mod sandbox;

#[cfg(feature = "aws")]
pub mod aws;

pub use error::{CloudError, ErrorKind};

/// EC2 returns at most this many items a page; asking for more returns as many.
pub const PAGE_ITEMS_MAX: i32 = 1000;
/// EC2 takes at most this many values in one filter.
pub const FILTER_VALUES_MAX: usize = 200;

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items; may be empty although more pages follow.
    pub items: Vec<T>,
    /// Where the next page starts; none on the last.
    pub next_token: Option<String>,
}

/// Which of the account's own snapshots to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotFilter {
    /// All of them.
    All,
    /// Those of these ids that exist: the filter `snapshot-id`, so that a vanished one fails nothing.
    /// At most [`FILTER_VALUES_MAX`].
    Ids(Vec<SnapshotId>),
    /// Those that bear all these tags with exactly these values (wildcards are escaped).
    Tags(Vec<(String, String)>),
}

/// What CreateSnapshots is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// The instance.
    pub instance_id: InstanceId,
    /// ExcludeBootVolume.
    pub exclude_boot_volume: bool,
    /// ExcludeDataVolumeIds; never the root volume.
    pub exclude_data_volume_ids: Vec<VolumeId>,
    /// Description of every snapshot.
    pub description: String,
    /// Tags of every snapshot; the volumes' own come on top with `copy_tags_from_volume`.
    pub tags: Vec<(String, String)>,
    /// CopyTagsFromSource=volume.
    pub copy_tags_from_volume: bool,
}

/// What CreateSnapshot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The volume.
    pub volume_id: VolumeId,
    /// Its description.
    pub description: String,
    /// All its tags.
    pub tags: Vec<(String, String)>,
}

/// A snapshot that a creating call has just returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its volume.
    pub volume_id: Option<VolumeId>,
    /// EC2's StartTime.
    pub started_at: Option<DateTime<Utc>>,
}

/// The EC2 calls that snapkeep makes. One method is one request: pages, pace and retries are the
/// caller's, except that an adapter may retry what only reads.
pub trait Cloud: Send + Sync {
    /// Lists the regions that are enabled for the account (DescribeRegions).
    fn describe_regions(&self) -> impl Future<Output = Result<Vec<Region>, CloudError>> + Send;

    /// Lists instances; those of `ids` (filter `instance-id`), or all if `ids` is empty.
    fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Instance>, CloudError>> + Send;

    /// Lists volumes; those of `ids` (filter `volume-id`), or all if `ids` is empty.
    fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Volume>, CloudError>> + Send;

    /// Lists snapshots that the account owns.
    fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Snapshot>, CloudError>> + Send;

    /// Lists images that the account owns, disabled and deprecated ones included.
    fn describe_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Image>, CloudError>> + Send;

    /// Lists snapshots that are locked.
    fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<SnapshotId>, CloudError>> + Send;

    /// Makes one crash-consistent set of snapshots of an instance's volumes. Has no client token.
    fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> impl Future<Output = Result<Vec<Created>, CloudError>> + Send;

    /// Makes a snapshot of one volume. Has no client token.
    fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> impl Future<Output = Result<Created, CloudError>> + Send;

    /// Deletes one snapshot.
    fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Returns the local clock minus EC2's by the newest reply; none if no reply told.
    fn clock_skew(&self) -> Option<TimeDelta>;
}

/// Reads the wall clock; handed to adapters that must know when a reply came.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
