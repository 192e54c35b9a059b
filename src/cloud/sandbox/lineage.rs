//! Which copies were made in a region, and of which data: what decides whether the next one is
//! incremental.
//!
//! EC2 keeps this to itself: no call shows it, and no tag changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::state::RegionState;
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::inventory::{Snapshot, SnapshotState};
use crate::domain::region::Region;

/// Whose data snapshots are versions of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lineage {
    /// The volume that the first original was made of.
    Volume(Region, VolumeId),
    /// A copy whose making the sandbox has not seen: a lineage of its own.
    Snapshot(Region, SnapshotId),
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(region, id) => write!(f, "{region}/{id}"),
            Self::Snapshot(region, id) => write!(f, "{region}/{id}"),
        }
    }
}

impl FromStr for Lineage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(region, id)| {
            let region = region.parse().ok()?;
            let volume = id.parse().ok().map(|id| Self::Volume(region, id));
            volume.or_else(|| Some(Self::Snapshot(region, id.parse().ok()?)))
        });
        parts.ok_or_else(|| format!("`{text}` is no lineage"))
    }
}

/// One copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopyRecord {
    pub(super) lineage: Lineage,
    pub(super) source_region: Region,
    pub(super) source_id: SnapshotId,
    /// The key it is encrypted with; none if it is not encrypted.
    pub(super) key: Option<Arc<str>>,
    pub(super) is_incremental: bool,
}

/// All copies that were ever made in one region, deleted ones too.
#[derive(Debug, Default)]
pub(super) struct Copies {
    records: BTreeMap<SnapshotId, CopyRecord>,
    /// Oldest first.
    in_order: Vec<SnapshotId>,
    of_lineage: BTreeMap<Lineage, Vec<SnapshotId>>,
    /// Those that were not seen to be complete, failed or gone.
    unfinished: BTreeSet<SnapshotId>,
}

impl Copies {
    pub(super) fn add(&mut self, id: SnapshotId, record: CopyRecord) {
        self.of_lineage.entry(record.lineage).or_default().push(id);
        self.in_order.push(id);
        self.unfinished.insert(id);
        self.records.insert(id, record);
    }

    /// Takes note that a copy has come to its end.
    pub(super) fn end(&mut self, id: SnapshotId) {
        self.unfinished.remove(&id);
    }

    /// Returns the copies that may be running.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = SnapshotId> {
        self.unfinished.iter().copied()
    }

    pub(super) fn get(&self, id: SnapshotId) -> Option<&CopyRecord> {
        self.records.get(&id)
    }

    /// Returns the copies, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SnapshotId, &CopyRecord)> {
        self.in_order.iter().filter_map(|id| Some((*id, self.records.get(id)?)))
    }
}

impl RegionState {
    /// Returns whose data a snapshot of this region is a version of.
    pub(super) fn lineage(&self, here: Region, snapshot: &Snapshot) -> Lineage {
        if let Some(record) = self.copies.get(snapshot.id) {
            return record.lineage;
        }
        let volume_id = snapshot.volume_id.filter(|id| !id.is_placeholder());
        let of_volume = volume_id.map(|id| Lineage::Volume(here, id));
        of_volume.unwrap_or(Lineage::Snapshot(here, snapshot.id))
    }

    /// Returns true if a copy to this region from another, encrypted with `key`, is incremental.
    ///
    /// EBS user guide, "Copy an Amazon EBS snapshot": it is if a copy was made before, the most
    /// recently completed one still exists, and all copies there are unencrypted or encrypted with
    /// that key. "If a copy is still pending when you start another copy, the second copy starts
    /// only after the first copy finishes."
    pub(super) fn would_be_incremental(&self, lineage: Lineage, key: Option<&Arc<str>>) -> bool {
        let Some(made) = self.copies.of_lineage.get(&lineage) else { return false };
        let state = |id: &SnapshotId| self.snapshots.get(id).map(|stored| stored.snapshot.state);
        let is_unfinished = |id: &&SnapshotId| {
            matches!(state(id), Some(SnapshotState::Pending | SnapshotState::Error))
        };
        // What was never completed is no base for the next; what is gone was one.
        let last = made.iter().rev().find(|id| !is_unfinished(id));
        last.and_then(state) == Some(SnapshotState::Completed)
            && made
                .iter()
                .filter(|id| state(id) == Some(SnapshotState::Completed))
                .all(|id| self.copies.get(*id).is_some_and(|record| record.key.as_ref() == key))
    }
}

impl Sandbox {
    /// Returns whether a copy was a full one, however EC2 hides it; none of what is no copy.
    pub fn is_full_copy(&self, region: &Region, id: SnapshotId) -> Option<bool> {
        let state = self.lock();
        let record = state.regions.get(region).and_then(|region| region.copies.get(id));
        record.map(|record| !record.is_incremental)
    }
}
