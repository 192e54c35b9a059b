//! Which snapshots are pending or failed, so that a call need not look at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::ids::{SnapshotId, VolumeId};

/// The pending and failed snapshots of one region.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// With the volume of each, and the end that is known.
    all: BTreeMap<SnapshotId, (Option<VolumeId>, Option<DateTime<Utc>>)>,
    of_volume: BTreeMap<VolumeId, usize>,
    by_end: BTreeSet<(DateTime<Utc>, SnapshotId)>,
}

impl Unfinished {
    /// Adds a snapshot, or replaces what is known of it; a failed one has no end.
    pub(super) fn add(
        &mut self,
        id: SnapshotId,
        volume_id: Option<VolumeId>,
        end: Option<DateTime<Utc>>,
    ) {
        self.remove(id);
        self.all.insert(id, (volume_id, end));
        if let Some(volume_id) = volume_id {
            *self.of_volume.entry(volume_id).or_default() += 1;
        }
        self.by_end.extend(end.map(|at| (at, id)));
    }

    /// Removes a snapshot that is complete or gone.
    pub(super) fn remove(&mut self, id: SnapshotId) {
        let Some((volume_id, end)) = self.all.remove(&id) else { return };
        if let Some(n) = volume_id.and_then(|volume_id| self.of_volume.get_mut(&volume_id)) {
            *n -= 1;
        }
        if let Some(at) = end {
            self.by_end.remove(&(at, id));
        }
    }

    /// Changes when a snapshot ends; none has ended, and failed.
    pub(super) fn set_end(&mut self, id: SnapshotId, end: Option<DateTime<Utc>>) {
        if let Some((volume_id, _)) = self.all.get(&id).copied() {
            self.add(id, volume_id, end);
        }
    }

    /// Returns the first snapshot that ends until `now`.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<SnapshotId> {
        self.by_end.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// Returns how many are of a volume.
    pub(super) fn n_of(&self, volume_id: VolumeId) -> usize {
        self.of_volume.get(&volume_id).copied().unwrap_or_default()
    }
}
