//! The journal: what came into being and what went, by which call. Kept only where somebody reads it.

use chrono::{DateTime, Utc};

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::state::RegionState;
use crate::domain::ids::ResourceId;
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::region::Region;

/// What one call, or somebody without a call, did in a region.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// Where.
    pub region: Region,
    /// EC2's name of the call; none for what was done around the API.
    pub operation: Option<&'static str>,
    /// What it made or took away, in order.
    pub changes: Vec<Change>,
}

/// Something came or went.
#[derive(Debug, Clone)]
pub enum Change {
    /// A snapshot or image is there that was not.
    Made(ResourceId),
    /// A snapshot is gone; so it was before.
    SnapshotGone(Box<Snapshot>),
    /// An image is gone; so it was before.
    ImageGone(Box<Image>),
}

impl RegionState {
    /// Takes note of a change, if a journal is kept.
    pub(super) fn note(&mut self, change: impl FnOnce(&Self) -> Option<Change>) {
        if self.changes.is_none() {
            return;
        }
        let noted = change(self);
        if let Some(changes) = &mut self.changes {
            changes.extend(noted);
        }
    }

    /// Makes an entry of what was noted since the last.
    pub(super) fn entry(
        &mut self,
        at: DateTime<Utc>,
        region: Region,
        operation: Option<&'static str>,
    ) -> Option<Entry> {
        let changes = self.changes.as_mut().map(std::mem::take)?;
        (!changes.is_empty()).then_some(Entry { at, region, operation, changes })
    }
}

impl Sandbox {
    /// Keeps a journal of all regions that are enabled, from now on.
    pub fn keep_journal(&self) {
        for region in self.lock().regions.values_mut() {
            region.changes = Some(Vec::new());
        }
    }

    /// Returns the journal since it was last taken.
    pub fn take_journal(&self) -> Vec<Entry> {
        let now = self.time.now();
        let mut state = self.lock();
        let mut entries = std::mem::take(&mut state.journal);
        for (region, of_region) in &mut state.regions {
            of_region.settle(now);
            entries.extend(of_region.entry(now, *region, None));
        }
        entries
    }
}
