//! What an account holds, and how its snapshots get finished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::fault::Faults;
use crate::cloud::sandbox::ids::Ids;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::throttle::Bucket;
use crate::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Snapshot, SnapshotState, Volume};
use crate::domain::region::Region;

/// Everything behind the sandbox's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) account: Arc<str>,
    pub(super) regions: BTreeMap<Region, RegionState>,
    pub(super) ids: Ids,
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) calls: BTreeMap<(Region, &'static str), usize>,
}

/// What one region holds.
#[derive(Debug, Default)]
pub(super) struct RegionState {
    pub(super) instances: BTreeMap<InstanceId, Instance>,
    pub(super) volumes: BTreeMap<VolumeId, Volume>,
    pub(super) encrypted_volumes: BTreeSet<VolumeId>,
    pub(super) snapshots: BTreeMap<SnapshotId, Stored>,
    pub(super) images: BTreeMap<ImageId, Image>,
    pub(super) locked: BTreeSet<SnapshotId>,
    pub(super) buckets: BTreeMap<&'static str, Bucket>,
    /// Pending and failed snapshots, so that a call need not look at all.
    pub(super) unfinished: BTreeSet<SnapshotId>,
    /// When the newest snapshot of a volume was asked for.
    pub(super) last_asked: BTreeMap<VolumeId, DateTime<Utc>>,
}

/// A snapshot, and what will become of it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) snapshot: Snapshot,
    /// Set while it is pending.
    pub(super) end: Option<End>,
    /// Listings leave it out before.
    pub(super) visible_from: DateTime<Utc>,
    /// EC2 API reference, DeleteSnapshot: a pending snapshot is deleted once it is complete.
    pub(super) is_deletion_asked: bool,
}

/// How and when a pending snapshot ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) at: DateTime<Utc>,
    /// EC2's words, if it will fail.
    pub(super) failure: Option<Arc<str>>,
}

/// Returns how long a snapshot of a volume of this size takes.
///
/// Nothing is published; real ones take from seconds to hours. This is long enough to be seen
/// as pending, and short enough for a demonstration.
pub(super) fn duration(volume_size_gib: u32) -> TimeDelta {
    TimeDelta::seconds(20 + i64::from(volume_size_gib.min(560) / 2))
}

impl RegionState {
    /// Adds a snapshot; a pending one gets an end by its size.
    pub(super) fn add_snapshot(&mut self, snapshot: Snapshot, visible_from: DateTime<Utc>) {
        let id = snapshot.id;
        let is_pending = snapshot.state == SnapshotState::Pending;
        let at = snapshot.started_at + duration(snapshot.volume_size_gib);
        let end = is_pending.then_some(End { at, failure: None });
        if is_pending || snapshot.state == SnapshotState::Error {
            self.unfinished.insert(id);
        }
        if let Some(volume_id) = snapshot.volume_id {
            let last = self.last_asked.entry(volume_id).or_insert(snapshot.started_at);
            *last = snapshot.started_at.max(*last);
        }
        let stored = Stored { snapshot, end, visible_from, is_deletion_asked: false };
        self.snapshots.insert(id, stored);
    }

    /// Removes a snapshot and what is remembered about it.
    pub(super) fn remove_snapshot(&mut self, id: SnapshotId) {
        self.snapshots.remove(&id);
        self.unfinished.remove(&id);
        self.locked.remove(&id);
    }

    /// Finishes the snapshots whose time has come.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        for id in self.unfinished.clone() {
            let Some(stored) = self.snapshots.get_mut(&id) else { continue };
            let Some(end) = stored.end.take_if(|end| end.at <= now) else { continue };
            let is_deleted = stored.is_deletion_asked;
            if let Some(message) = end.failure {
                stored.snapshot.state = SnapshotState::Error;
                stored.snapshot.state_message = Some(message);
            } else {
                stored.snapshot.state = SnapshotState::Completed;
                self.unfinished.remove(&id);
            }
            if is_deleted {
                self.remove_snapshot(id);
            }
        }
    }

    /// Returns how many snapshots of a volume are pending or failed.
    pub(super) fn n_unfinished(&self, volume_id: VolumeId) -> usize {
        let snapshots = self.unfinished.iter().filter_map(|id| self.snapshots.get(id));
        snapshots.filter(|stored| stored.snapshot.volume_id == Some(volume_id)).count()
    }
}
