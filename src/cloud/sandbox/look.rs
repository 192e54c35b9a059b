//! What an account holds, for whoever plays with it: no call is made, counted or harmed.

use crate::cloud::sandbox::Sandbox;
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::region::Region;

impl Sandbox {
    /// Shows every snapshot that the account holds now, by region and id.
    pub fn for_each_snapshot(&self, mut show: impl FnMut(Region, &Snapshot)) {
        let now = self.time.now();
        for (region, state) in &mut self.lock().regions {
            state.settle(now);
            state.snapshots.values().for_each(|stored| show(*region, &stored.snapshot));
        }
    }

    /// Shows every image that the account holds now, by region and id.
    pub fn for_each_image(&self, mut show: impl FnMut(Region, &Image)) {
        let now = self.time.now();
        for (region, state) in &mut self.lock().regions {
            state.settle(now);
            state.images.values().for_each(|stored| show(*region, &stored.image));
        }
    }

    /// Returns what tells whose data a snapshot holds: the same text for all versions of one volume,
    /// wherever they are. EC2 keeps it to itself.
    pub fn data_of(&self, region: &Region, id: SnapshotId) -> Option<String> {
        let state = self.lock();
        let here = state.regions.get(region)?;
        let snapshot = &here.snapshots.get(&id)?.snapshot;
        Some(here.lineage(*region, snapshot).to_string())
    }
}
