//! An EC2 in memory, with its own clock, quotas, pending states and faults.
//!
//! It behaves as AWS's documents say, also where that is unpleasant. Commands with `--sandbox`,
//! `simulate` and the fault tests run on it. It knows no policy: what snapkeep should do, it does
//! not know.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{
    Image, Instance, InstanceState, Inventory, KeyAnswer, RegionInventory, Snapshot, Volume,
};
use crate::domain::region::Region;
use crate::domain::tags::Tags;

mod calls;
mod chance;
mod copy;
mod copy_image;
mod create;
mod delete;
mod demo;
mod fault;
mod file;
mod ids;
mod image;
mod journal;
mod keys;
mod lineage;
mod listing;
mod look;
mod luck;
mod permissions;
mod port;
mod publish;
pub mod query;
mod references;
mod refusal;
mod settings;
mod state;
mod tagging;
mod throttle;
mod time;
mod unfinished;

pub use chance::SplitMix64;
pub use fault::{Fault, Rule};
pub use file::SandboxError;
pub use journal::{Change, Entry};
pub use luck::Luck;
pub use settings::Settings;
pub use time::{Sleep, VirtualTime};

use fault::Faults;
use ids::{Ids, next_id};
use luck::Outage;
use state::{RegionState, State};

/// The account of every sandbox, unless an inventory names another.
pub const ACCOUNT: &str = "123456789012";

/// An account of its own. Nothing takes any time but what its settings and snapshots do, and
/// that passes only under [`VirtualTime::drive`].
#[derive(Debug)]
pub struct Sandbox {
    time: VirtualTime,
    // Never held across an await.
    state: Mutex<State>,
    path: Option<PathBuf>,
}

impl Sandbox {
    /// Makes an empty account whose clock shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        let state = State {
            account: ACCOUNT.into(),
            regions: BTreeMap::new(),
            ids: Ids::new(0),
            texts: Interner::default(),
            settings: Settings::default(),
            faults: Faults::default(),
            luck: Luck::new(0),
            outages: Vec::new(),
            faults_met: BTreeMap::new(),
            calls: BTreeMap::new(),
            journal: Vec::new(),
            published: Vec::new(),
        };
        Self { time: VirtualTime::new(now), state: Mutex::new(state), path: None }
    }

    /// Makes an account that holds what was observed in another. What a gap hides is not there.
    pub fn from_inventory(inventory: &Inventory, now: DateTime<Utc>) -> Self {
        let sandbox = Self::new(now);
        // The other account may be a sandbox too.
        sandbox.lock().ids = Ids::new(1);
        if let Some(account) = &inventory.account {
            sandbox.lock().account = Arc::clone(account);
        }
        for (region, found) in &inventory.regions {
            sandbox.add_region(region);
            found.instances.iter().for_each(|i| sandbox.add_instance(region, i.clone()));
            found.volumes.iter().for_each(|v| sandbox.add_volume(region, v.clone()));
            for snapshot in &found.snapshots {
                // The inventory does not say which volumes are encrypted, but their snapshots do.
                if let Some(volume_id) = snapshot.volume_id.filter(|_| snapshot.is_encrypted) {
                    let key = snapshot.kms_key_id.clone();
                    sandbox.change(region, |state| state.encrypted_volumes.insert(volume_id, key));
                }
                sandbox.add_snapshot(region, snapshot.clone());
            }
            found.locked.iter().for_each(|id| sandbox.lock_snapshot(region, *id));
            for image in &found.images {
                let backing = image::backing_of(image, &found.snapshots);
                let visible_from = DateTime::<Utc>::MIN_UTC;
                sandbox.change(region, |s| s.add_image(image.clone(), backing, visible_from));
            }
            sandbox.add_answers(region, found);
        }
        sandbox
    }

    /// Adds what an inventory knows of single images and keys.
    fn add_answers(&self, region: &Region, found: &RegionInventory) {
        for (id, image_use) in &found.image_uses {
            for account in image_use.shared_with.iter().flatten() {
                self.share(region, (*id).into(), account);
            }
            for by in &image_use.used_by {
                self.add_reference(region, *id, by);
            }
        }
        for (name, answer) in &found.keys {
            if let KeyAnswer::Known(key) = answer {
                self.change(region, |state| state.keys.add(Arc::clone(name), key.clone()));
            }
        }
    }

    /// Makes this the account of this id.
    pub fn set_account(&self, id: &str) {
        let id: Arc<str> = id.into();
        let mut state = self.lock();
        let former = std::mem::replace(&mut state.account, Arc::clone(&id));
        let is_own = |owner: &Option<Arc<str>>| owner.as_ref() == Some(&former);
        for region in state.regions.values_mut() {
            let of_instances = region.instances.values_mut().map(|i| &mut i.owner_id);
            let of_snapshots = region.snapshots.values_mut().map(|s| &mut s.snapshot.owner_id);
            for owner in of_instances.chain(of_snapshots).filter(|owner| is_own(owner)) {
                *owner = Some(Arc::clone(&id));
            }
        }
    }

    /// Returns the account's id.
    pub fn account(&self) -> Arc<str> {
        Arc::clone(&self.lock().account)
    }

    /// Returns the sandbox's clock.
    pub fn time(&self) -> &VirtualTime {
        &self.time
    }

    /// Changes how the sandbox behaves.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.lock().settings);
    }

    /// Returns how the sandbox behaves.
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Lets the calls that `rule` names meet `fault`.
    pub fn fail(&self, rule: Rule, fault: Fault) {
        self.lock().faults.add(rule, fault);
    }

    /// Lets calls meet faults by chance, from now on and instead of those before.
    pub fn set_luck(&self, luck: Luck) {
        self.lock().luck = luck;
    }

    /// Lets a region answer no call from `from` on and before `to`.
    pub fn outage(&self, region: &Region, from: DateTime<Utc>, to: DateTime<Utc>) {
        self.lock().outages.push(Outage { region: *region, from, to });
    }

    /// Lifts all faults, those by chance too; outages go on.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.luck = Luck::new(0);
    }

    /// Ends all outages, and forgets those to come.
    pub fn end_outages(&self) {
        self.lock().outages.clear();
    }

    /// Returns how many calls met a fault up to now, by the fault's word.
    pub fn faults_met(&self) -> BTreeMap<&'static str, usize> {
        self.lock().faults_met.clone()
    }

    /// Returns how many calls arrived, by region and EC2's name of the call.
    pub fn calls(&self) -> BTreeMap<(Region, &'static str), usize> {
        self.lock().calls.clone()
    }

    /// Returns how many calls of one name arrived in all regions.
    pub fn n_calls(&self, operation: &str) -> usize {
        let state = self.lock();
        state.calls.iter().filter(|((_, name), _)| *name == operation).map(|(_, n)| n).sum()
    }

    /// Enables a region. Adding anything to a region does, too.
    pub fn add_region(&self, region: &Region) {
        self.change(region, |_| ());
    }

    /// Adds an instance, or replaces the one with its id.
    pub fn add_instance(&self, region: &Region, instance: Instance) {
        self.change(region, |state| state.instances.insert(instance.id, instance));
    }

    /// Moves an instance to another state.
    pub fn set_instance_state(&self, region: &Region, id: InstanceId, to: InstanceState) {
        self.change(region, |state| {
            if let Some(instance) = state.instances.get_mut(&id) {
                instance.state = to;
            }
        });
    }

    /// Removes an instance as if EC2 showed it no more.
    pub fn remove_instance(&self, region: &Region, id: InstanceId) {
        self.change(region, |state| state.instances.remove(&id));
    }

    /// Adds a volume, or replaces the one with its id.
    pub fn add_volume(&self, region: &Region, volume: Volume) {
        self.change(region, |state| state.volumes.insert(volume.id, volume));
    }

    /// Makes a volume one that is encrypted with the default key; so will its snapshots be.
    pub fn encrypt_volume(&self, region: &Region, id: VolumeId) {
        self.change(region, |state| state.encrypted_volumes.insert(id, None));
    }

    /// Makes a volume one that is encrypted with the key of this ARN; so will its snapshots be.
    pub fn encrypt_volume_with(&self, region: &Region, id: VolumeId, arn: &str) {
        self.change(region, |state| state.encrypted_volumes.insert(id, Some(arn.into())));
    }

    /// Removes a volume; instances keep naming it.
    pub fn remove_volume(&self, region: &Region, id: VolumeId) {
        self.change(region, |state| state.volumes.remove(&id));
    }

    /// Adds a snapshot, or replaces the one with its id. A pending one completes in its time.
    pub fn add_snapshot(&self, region: &Region, snapshot: Snapshot) {
        self.change(region, |state| state.add_snapshot(snapshot, DateTime::<Utc>::MIN_UTC));
    }

    /// Lets a snapshot fail at once, with EC2's words.
    pub fn fail_snapshot(&self, region: &Region, id: SnapshotId, message: &str) {
        self.change(region, |state| state.fail_snapshot(id, message));
    }

    /// Removes a snapshot as if somebody else had deleted it.
    pub fn remove_snapshot(&self, region: &Region, id: SnapshotId) {
        let now = self.time.now();
        let mut state = self.lock();
        state.regions.entry(*region).or_default().remove_snapshot(id);
        copy::fail_copies_of(&mut state.regions, *region, id, now);
    }

    /// Tags a snapshot as if somebody else had; replaces a tag of that key.
    pub fn tag_snapshot(&self, region: &Region, id: SnapshotId, key: &str, value: &str) {
        self.change(region, |state| {
            let Some(stored) = state.snapshots.get_mut(&id) else { return };
            let others = stored.snapshot.tags.iter().filter(|(k, _)| *k != key);
            let tags: Tags = others.chain([(key, value)]).collect();
            stored.snapshot.tags = tags;
        });
    }

    /// Changes a snapshot in whatever way somebody else could have.
    pub fn change_snapshot(
        &self,
        region: &Region,
        id: SnapshotId,
        change: impl FnOnce(&mut Snapshot),
    ) {
        self.change(region, |state| {
            if let Some(stored) = state.snapshots.get_mut(&id) {
                change(&mut stored.snapshot);
            }
        });
    }

    /// Locks a snapshot.
    pub fn lock_snapshot(&self, region: &Region, id: SnapshotId) {
        self.change(region, |state| state.locked.insert(id));
    }

    /// Registers an image, or replaces the one with its id. A pending one that lists snapshots
    /// becomes available once they are complete.
    pub fn add_image(&self, region: &Region, image: Image) {
        let backing = image.snapshot_ids.clone();
        self.change(region, |state| state.add_image(image, backing, DateTime::<Utc>::MIN_UTC));
    }

    /// Deregisters an image as if somebody else had.
    pub fn remove_image(&self, region: &Region, id: ImageId) {
        self.change(region, |state| state.remove_image(id));
    }

    /// Returns an instance id that was not handed out before.
    pub fn new_instance_id(&self) -> InstanceId {
        next_id(&mut self.lock().ids.instances, "i-")
    }

    /// Returns a volume id that was not handed out before.
    pub fn new_volume_id(&self) -> VolumeId {
        next_id(&mut self.lock().ids.volumes, "vol-")
    }

    /// Returns a snapshot id that was not handed out before.
    pub fn new_snapshot_id(&self) -> SnapshotId {
        next_id(&mut self.lock().ids.snapshots, "snap-")
    }

    /// Returns an image id that was not handed out before.
    pub fn new_image_id(&self) -> ImageId {
        next_id(&mut self.lock().ids.images, "ami-")
    }

    /// Returns all that the account holds now, without any call, fault or delay.
    pub fn inventory(&self) -> Inventory {
        let now = self.time.now();
        let mut state = self.lock();
        let account = Some(Arc::clone(&state.account));
        let regions = state.regions.iter_mut().map(|(region, state)| {
            state.settle(now);
            (*region, observed(state))
        });
        Inventory { account, regions: regions.collect(), ..Inventory::default() }
    }

    fn change<T>(&self, region: &Region, change: impl FnOnce(&mut RegionState) -> T) {
        change(self.lock().regions.entry(*region).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A caller that panicked while it changed something fails its own test; others may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn observed(state: &RegionState) -> RegionInventory {
    RegionInventory {
        instances: state.instances.values().cloned().collect(),
        volumes: state.volumes.values().cloned().collect(),
        snapshots: state.snapshots.values().map(|stored| stored.snapshot.clone()).collect(),
        images: state.images.values().map(|stored| stored.image.clone()).collect(),
        locked: state.locked.clone(),
        ..RegionInventory::default()
    }
}

#[cfg(test)]
pub(in crate::cloud) mod tests;
