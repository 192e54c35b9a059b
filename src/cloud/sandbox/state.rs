//! What an account holds, and how its snapshots and images get finished.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::Publish;
use crate::cloud::sandbox::copy_image::ClientTokens;
use crate::cloud::sandbox::fault::Faults;
use crate::cloud::sandbox::ids::Ids;
use crate::cloud::sandbox::journal::{Change, Entry};
use crate::cloud::sandbox::keys::Keys;
use crate::cloud::sandbox::lineage::Copies;
use crate::cloud::sandbox::luck::{Luck, Outage};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::throttle::Bucket;
use crate::cloud::sandbox::unfinished::Unfinished;
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{Image, ImageState, Instance, Snapshot, SnapshotState, Volume};
use crate::domain::region::Region;

/// Everything behind the sandbox's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) account: Arc<str>,
    pub(super) regions: Regions,
    pub(super) ids: Ids,
    /// Texts of tags.
    pub(super) texts: Interner,
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) luck: Luck,
    pub(super) outages: Vec<Outage>,
    /// How many calls met a fault, by the fault's word.
    pub(super) faults_met: BTreeMap<&'static str, usize>,
    pub(super) calls: BTreeMap<(Region, &'static str), usize>,
    pub(super) journal: Vec<Entry>,
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
    pub(super) unfinished: Unfinished,
    /// Images that wait for their snapshots.
    pub(super) pending_images: BTreeSet<ImageId>,
    /// Those of them of which something has changed since they were looked at.
    unsettled_images: BTreeSet<ImageId>,
    /// Which images each snapshot backs.
    images_of: BTreeMap<SnapshotId, BTreeSet<ImageId>>,
    /// For the journal; none where none is kept.
    pub(super) changes: Option<Vec<Change>>,
    /// What listings still show although it is gone.
    pub(super) lingering: Lingering,
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

/// What listings show until an instant although it is gone.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    snapshots: BTreeMap<SnapshotId, (Stored, DateTime<Utc>)>,
    images: BTreeMap<ImageId, (StoredImage, DateTime<Utc>)>,
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
        self.note(|region| (!region.snapshots.contains_key(&id)).then(|| Change::Made(id.into())));
        let is_pending = snapshot.state == SnapshotState::Pending;
        let at = snapshot.started_at + duration(snapshot.volume_size_gib);
        let end = is_pending.then_some(End { at, failure: None });
        if is_pending || snapshot.state == SnapshotState::Error {
            let end = end.as_ref().map(|end| end.at);
            self.unfinished.add(id, snapshot.volume_id, end);
        } else {
            self.unfinished.remove(id);
        }
        self.unsettle_images_of(id);
        // What all copies name is no volume.
        if let Some(volume_id) = snapshot.volume_id.filter(|id| !id.is_placeholder()) {
            let last = self.last_asked.entry(volume_id).or_insert(snapshot.started_at);
            *last = snapshot.started_at.max(*last);
        }
        let stored = Stored { snapshot, end, visible_from, is_deletion_asked: false };
        self.snapshots.insert(id, stored);
    }

    /// Changes how and when a pending snapshot ends.
    pub(super) fn set_end(&mut self, id: SnapshotId, end: End) {
        if let Some(stored) = self.snapshots.get_mut(&id) {
            self.unfinished.set_end(id, Some(end.at));
            stored.end = Some(end);
        }
    }

    /// Lets a snapshot fail at once, with EC2's words.
    pub(super) fn fail_snapshot(&mut self, id: SnapshotId, message: &str) {
        let Some(stored) = self.snapshots.get_mut(&id) else { return };
        stored.end = None;
        stored.snapshot.state = SnapshotState::Error;
        stored.snapshot.state_message = Some(message.into());
        self.unfinished.add(id, stored.snapshot.volume_id, None);
        self.unsettle_images_of(id);
    }

    fn unsettle_images_of(&mut self, id: SnapshotId) {
        self.unsettled_images.extend(self.images_of.get(&id).into_iter().flatten());
    }

    /// Lets listings show a snapshot until `until`, whatever becomes of it.
    pub(super) fn linger_snapshot(&mut self, id: SnapshotId, until: DateTime<Utc>) {
        let stored = self.snapshots.get(&id).cloned();
        self.lingering.snapshots.extend(stored.map(|stored| (id, (stored, until))));
    }

    /// Lets listings show an image until `until`, whatever becomes of it.
    pub(super) fn linger_image(&mut self, id: ImageId, until: DateTime<Utc>) {
        let stored = self.images.get(&id).cloned();
        self.lingering.images.extend(stored.map(|stored| (id, (stored, until))));
    }

    /// Returns the snapshots that listings are made from.
    pub(super) fn listed_snapshots(
        &self,
        now: DateTime<Utc>,
    ) -> Cow<'_, BTreeMap<SnapshotId, Stored>> {
        listed(&self.snapshots, &self.lingering.snapshots, now)
    }

    /// Returns the images that listings are made from.
    pub(super) fn listed_images(
        &self,
        now: DateTime<Utc>,
    ) -> Cow<'_, BTreeMap<ImageId, StoredImage>> {
        listed(&self.images, &self.lingering.images, now)
    }

    /// Removes a snapshot and what is remembered about it.
    pub(super) fn remove_snapshot(&mut self, id: SnapshotId) {
        self.note(|region| {
            let stored = region.snapshots.get(&id)?;
            Some(Change::SnapshotGone(Box::new(stored.snapshot.clone())))
        });
        self.snapshots.remove(&id);
        self.unfinished.remove(id);
        self.copies.end(id);
        self.unsettle_images_of(id);
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
        self.note(|region| (!region.images.contains_key(&id)).then(|| Change::Made(id.into())));
        if image.state == ImageState::Pending {
            self.pending_images.insert(id);
        } else {
            self.pending_images.remove(&id);
        }
        self.deregistered.remove(&id);
        self.forget_backing(id);
        self.images.insert(id, StoredImage { image, backing: Vec::new(), visible_from });
        self.set_backing(id, backing);
    }

    /// Says which snapshots back an image.
    pub(super) fn set_backing(&mut self, id: ImageId, backing: Vec<SnapshotId>) {
        self.forget_backing(id);
        let Some(stored) = self.images.get_mut(&id) else { return };
        for snapshot_id in &backing {
            self.images_of.entry(*snapshot_id).or_default().insert(id);
        }
        stored.backing = backing;
        self.unsettled_images.insert(id);
    }

    fn forget_backing(&mut self, id: ImageId) {
        let backing = self.images.get_mut(&id).map(|stored| std::mem::take(&mut stored.backing));
        for snapshot_id in backing.into_iter().flatten() {
            if let Some(images) = self.images_of.get_mut(&snapshot_id) {
                images.remove(&id);
                if images.is_empty() {
                    self.images_of.remove(&snapshot_id);
                }
            }
        }
    }

    /// Removes an image and what is remembered about it; its snapshots stay.
    pub(super) fn remove_image(&mut self, id: ImageId) {
        self.note(|region| {
            let stored = region.images.get(&id)?;
            Some(Change::ImageGone(Box::new(stored.image.clone())))
        });
        self.forget_backing(id);
        if self.images.remove(&id).is_some() {
            self.deregistered.insert(id);
        }
        self.pending_images.remove(&id);
        self.permissions.remove(&ResourceId::Image(id));
    }

    /// Finishes the snapshots whose time has come, and the images that waited for them.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        self.settle_snapshots(now);
        self.lingering.snapshots.retain(|_, (_, until)| now < *until);
        self.lingering.images.retain(|_, (_, until)| now < *until);
        for id in std::mem::take(&mut self.unsettled_images) {
            if self.pending_images.contains(&id) {
                self.settle_image(id);
            }
        }
    }

    fn settle_snapshots(&mut self, now: DateTime<Utc>) {
        while let Some(id) = self.unfinished.due(now) {
            // It has failed, until it turns out to be complete.
            self.unfinished.set_end(id, None);
            self.copies.end(id);
            self.unsettle_images_of(id);
            let Some(stored) = self.snapshots.get_mut(&id) else { continue };
            let Some(end) = stored.end.take() else { continue };
            let is_deleted = stored.is_deletion_asked;
            if let Some(message) = end.failure {
                stored.snapshot.state = SnapshotState::Error;
                stored.snapshot.state_message = Some(message);
            } else {
                stored.snapshot.state = SnapshotState::Completed;
                self.unfinished.remove(id);
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
        let backing = image.snapshot_ids.clone();
        self.pending_images.remove(&id);
        self.set_backing(id, backing);
    }

    /// Returns the image that a snapshot backs. Disabled, deprecated and failed ones count: they
    /// are still registered; a pending one counts although it does not list its snapshots yet.
    pub(super) fn image_of(&self, id: SnapshotId) -> Option<ImageId> {
        let images = self.images_of.get(&id)?.iter().filter_map(|id| self.images.get(id));
        let mut images = images.filter(|i| i.image.state != ImageState::Deregistered);
        images.next().map(|stored| stored.image.id)
    }

    /// Returns how many copies to this region are running.
    pub(super) fn n_copies_running(&self) -> usize {
        let snapshots = self.copies.unfinished().filter_map(|id| self.snapshots.get(&id));
        snapshots.filter(|stored| stored.end.is_some()).count()
    }
}

fn listed<'s, K: Copy + Ord, V: Clone>(
    there: &'s BTreeMap<K, V>,
    lingering: &BTreeMap<K, (V, DateTime<Utc>)>,
    now: DateTime<Utc>,
) -> Cow<'s, BTreeMap<K, V>> {
    let mut shown = lingering.iter().filter(|(_, (_, until))| now < *until).peekable();
    if shown.peek().is_none() {
        return Cow::Borrowed(there);
    }
    let mut all = there.clone();
    for (id, (stored, _)) in shown {
        all.entry(*id).or_insert_with(|| stored.clone());
    }
    Cow::Owned(all)
}
