//! What an account holds, and how its snapshots and images get finished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::Publish;
use crate::cloud::sandbox::copy_image::ClientTokens;
use crate::cloud::sandbox::fault::Faults;
use crate::cloud::sandbox::ids::Ids;
use crate::cloud::sandbox::keys::Keys;
use crate::cloud::sandbox::lineage::Copies;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::throttle::Bucket;
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, ImageState, Instance, Snapshot, SnapshotState, Volume};
use crate::domain::region::Region;

/// Everything behind the sandbox's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) account: Arc<str>,
    pub(super) regions: Regions,
    pub(super) ids: Ids,
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) calls: BTreeMap<(Region, &'static str), usize>,
    /// Messages to topics, with the topics' regions.
    pub(super) published: Vec<(Region, Publish)>,
}

/// The regions that are enabled.
pub(super) type Regions = BTreeMap<Region, RegionState>;

/// What one region holds.
#[derive(Debug, Default)]
pub(super) struct RegionState {
    pub(super) instances: BTreeMap<InstanceId, Instance>,
    pub(super) volumes: BTreeMap<VolumeId, Volume>,
    /// With the ARN of the key; none is the region's default one.
    pub(super) encrypted_volumes: BTreeMap<VolumeId, Option<Arc<str>>>,
    pub(super) snapshots: BTreeMap<SnapshotId, Stored>,
    pub(super) images: BTreeMap<ImageId, StoredImage>,
    /// Images that were there once; not saved, as EC2 forgets them too.
    pub(super) deregistered: BTreeSet<ImageId>,
    pub(super) locked: BTreeSet<SnapshotId>,
    /// With which accounts snapshots and images are shared.
    pub(super) permissions: BTreeMap<ResourceId, BTreeSet<String>>,
    pub(super) keys: Keys,
    pub(super) copies: Copies,
    pub(super) client_tokens: ClientTokens,
    /// The images that launch templates name, by the templates' ids.
    pub(super) launch_templates: BTreeMap<String, ImageId>,
    /// The images that SSM parameters name, by the parameters' names.
    pub(super) ssm_parameters: BTreeMap<String, ImageId>,
    /// How often CreateImage rebooted an instance.
    pub(super) n_reboots: BTreeMap<InstanceId, usize>,
    pub(super) buckets: BTreeMap<&'static str, Bucket>,
    /// Pending and failed snapshots, so that a call need not look at all.
    pub(super) unfinished: BTreeSet<SnapshotId>,
    /// Images that wait for their snapshots.
    pub(super) pending_images: BTreeSet<ImageId>,
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

/// An image, and the snapshots that it does not list yet.
#[derive(Debug, Clone)]
pub(super) struct StoredImage {
    pub(super) image: Image,
    /// What backs it, also while it is pending.
    pub(super) backing: Vec<SnapshotId>,
    /// Listings leave it out before.
    pub(super) visible_from: DateTime<Utc>,
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
    /// Returns the snapshot, or EC2's refusal if there is none.
    pub(super) fn snapshot_mut(&mut self, id: SnapshotId) -> Result<&mut Stored, Refusal> {
        self.snapshots.get_mut(&id).ok_or_else(|| {
            Refusal::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
        })
    }

    /// Returns the image, or EC2's refusal if there is none.
    ///
    /// "InvalidAMIID.Unavailable: The specified AMI has been deregistered and is no longer available"
    /// ("Error codes for the Amazon EC2 API").
    pub(super) fn image_mut(&mut self, id: ImageId) -> Result<&mut StoredImage, Refusal> {
        if self.deregistered.contains(&id) {
            let message = format!("The image ID '{id}' is no longer available");
            return Err(Refusal::new("InvalidAMIID.Unavailable", message));
        }
        self.images.get_mut(&id).ok_or_else(|| {
            Refusal::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
        })
    }

    /// Adds a snapshot; a pending one gets an end by its size.
    pub(super) fn add_snapshot(&mut self, snapshot: Snapshot, visible_from: DateTime<Utc>) {
        let id = snapshot.id;
        let is_pending = snapshot.state == SnapshotState::Pending;
        let at = snapshot.started_at + duration(snapshot.volume_size_gib);
        let end = is_pending.then_some(End { at, failure: None });
        if is_pending || snapshot.state == SnapshotState::Error {
            self.unfinished.insert(id);
        }
        // What all copies name is no volume.
        if let Some(volume_id) = snapshot.volume_id.filter(|id| !id.is_placeholder()) {
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
        self.permissions.remove(&ResourceId::Snapshot(id));
    }

    /// Adds an image; a pending one becomes available once `backing` is complete.
    pub(super) fn add_image(
        &mut self,
        image: Image,
        backing: Vec<SnapshotId>,
        visible_from: DateTime<Utc>,
    ) {
        let id = image.id;
        if image.state == ImageState::Pending {
            self.pending_images.insert(id);
        } else {
            self.pending_images.remove(&id);
        }
        self.deregistered.remove(&id);
        self.images.insert(id, StoredImage { image, backing, visible_from });
    }

    /// Removes an image and what is remembered about it; its snapshots stay.
    pub(super) fn remove_image(&mut self, id: ImageId) {
        if self.images.remove(&id).is_some() {
            self.deregistered.insert(id);
        }
        self.pending_images.remove(&id);
        self.permissions.remove(&ResourceId::Image(id));
    }

    /// Finishes the snapshots whose time has come, and the images that waited for them.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        self.settle_snapshots(now);
        for id in self.pending_images.clone() {
            self.settle_image(id);
        }
    }

    fn settle_snapshots(&mut self, now: DateTime<Utc>) {
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

    /// Lets a pending image become available if all its snapshots are complete, or fail with one.
    fn settle_image(&mut self, id: ImageId) {
        let Some(StoredImage { image, backing, .. }) = self.images.get_mut(&id) else { return };
        // Of one that somebody else has begun nothing is known but that it is pending.
        if backing.is_empty() {
            return;
        }
        let found = |id: &SnapshotId| self.snapshots.get(id).map(|stored| &stored.snapshot);
        let snapshots: Vec<_> = backing.iter().filter_map(found).collect();
        let is_failed = |s: &&Snapshot| s.state == SnapshotState::Error;
        if snapshots.len() < backing.len() || snapshots.iter().any(is_failed) {
            let failed = snapshots.iter().find(|s| is_failed(s));
            let reason = failed.and_then(|s| s.state_message.clone());
            image.state = ImageState::Failed;
            image.state_message = Some(reason.unwrap_or_else(|| "Snapshot was deleted".into()));
        } else if snapshots.iter().all(|s| s.state == SnapshotState::Completed) {
            image.state = ImageState::Available;
        } else {
            return;
        }
        image.snapshot_ids = snapshots.iter().map(|s| s.id).collect();
        image.is_encrypted = !snapshots.is_empty() && snapshots.iter().all(|s| s.is_encrypted);
        backing.clone_from(&image.snapshot_ids);
        self.pending_images.remove(&id);
    }

    /// Returns the image that a snapshot backs. Disabled, deprecated and failed ones count: they
    /// are still registered; a pending one counts although it does not list its snapshots yet.
    pub(super) fn image_of(&self, id: SnapshotId) -> Option<ImageId> {
        let mut images = self.images.values().filter(|i| i.image.state != ImageState::Deregistered);
        let found = images.find(|i| i.backing.contains(&id));
        found.map(|stored| stored.image.id)
    }

    /// Returns how many copies to this region are running.
    pub(super) fn n_copies_running(&self) -> usize {
        let snapshots = self.unfinished.iter().filter_map(|id| self.snapshots.get(id));
        let pending = snapshots.filter(|stored| stored.end.is_some());
        pending.filter(|stored| self.copies.get(stored.snapshot.id).is_some()).count()
    }

    /// Returns how many snapshots of a volume are pending or failed.
    pub(super) fn n_unfinished(&self, volume_id: VolumeId) -> usize {
        let snapshots = self.unfinished.iter().filter_map(|id| self.snapshots.get(id));
        snapshots.filter(|stored| stored.snapshot.volume_id == Some(volume_id)).count()
    }
}
