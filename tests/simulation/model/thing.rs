//! Snapshots and images as one kind of thing. Knows EC2's words, but no policy.

use chrono::{DateTime, Utc};
use snapkeep::domain::ids::{RegionalId, ResourceId, SnapshotId, VolumeId};
use snapkeep::domain::inventory::{Image, ImageState, InstanceState, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::domain::tags::{HOLD, Tags};

use super::Truth;

/// A snapshot or an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'t> {
    pub(super) at: RegionalId,
    pub(super) body: Body<'t>,
}

/// What EC2 says of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body<'t> {
    Snapshot(&'t Snapshot),
    Image(&'t Image),
}

/// Where a thing is in its life, as far as restoring it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Pending,
    Complete,
    Failed,
    /// A disabled image, or what is in the recycle bin: the data is there, but cannot be used.
    Unusable,
}

impl<'t> Thing<'t> {
    fn snapshot(region: Region, snapshot: &'t Snapshot) -> Self {
        let id = ResourceId::Snapshot(snapshot.id);
        Self { at: RegionalId { region, id }, body: Body::Snapshot(snapshot) }
    }

    fn image(region: Region, image: &'t Image) -> Self {
        let id = ResourceId::Image(image.id);
        Self { at: RegionalId { region, id }, body: Body::Image(image) }
    }

    pub(super) fn tags(&self) -> &'t Tags {
        match self.body {
            Body::Snapshot(snapshot) => &snapshot.tags,
            Body::Image(image) => &image.tags,
        }
    }

    pub(super) fn life(&self) -> Life {
        match self.body {
            Body::Snapshot(snapshot) => match snapshot.state {
                SnapshotState::Pending => Life::Pending,
                SnapshotState::Completed => Life::Complete,
                SnapshotState::Error => Life::Failed,
                SnapshotState::Recoverable | SnapshotState::Recovering => Life::Unusable,
            },
            Body::Image(image) => match image.state {
                ImageState::Pending => Life::Pending,
                ImageState::Available => Life::Complete,
                ImageState::Disabled | ImageState::Transient => Life::Unusable,
                ImageState::Invalid
                | ImageState::Failed
                | ImageState::Error
                | ImageState::Deregistered => Life::Failed,
            },
        }
    }

    /// Returns when it was begun, by EC2; none if EC2 does not say.
    pub(super) fn started_at(&self) -> Option<DateTime<Utc>> {
        match self.body {
            Body::Snapshot(snapshot) => Some(snapshot.started_at),
            Body::Image(image) => image.created_at,
        }
    }

    /// Returns the volume that it is a snapshot of, if it names a real one.
    pub(super) fn real_volume(&self) -> Option<VolumeId> {
        match self.body {
            Body::Snapshot(snapshot) => snapshot.volume_id.filter(|id| !id.is_placeholder()),
            Body::Image(_) => None,
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        match self.body {
            Body::Snapshot(snapshot) => snapshot.is_encrypted,
            Body::Image(image) => image.is_encrypted,
        }
    }

    pub(super) fn is_image(&self) -> bool {
        matches!(self.body, Body::Image(_))
    }

    /// Returns true if another service manages it: only AWS itself writes tags that begin so.
    pub(super) fn is_managed(&self) -> bool {
        self.tags().iter().any(|(key, _)| key.starts_with("aws:"))
    }

    pub(super) fn is_held(&self) -> bool {
        self.tags().has(HOLD)
    }
}

/// Returns all snapshots and images of the account, and what is not an image any more left out.
pub(super) fn things<'t>(truth: &Truth<'t>) -> impl Iterator<Item = Thing<'t>> {
    truth.inventory.regions.iter().flat_map(|(region, found)| {
        let snapshots = found.snapshots.iter().map(|s| Thing::snapshot(*region, s));
        snapshots.chain(registered(&found.images).map(|i| Thing::image(*region, i)))
    })
}

fn registered(images: &[Image]) -> impl Iterator<Item = &Image> {
    images.iter().filter(|image| image.state != ImageState::Deregistered)
}

pub(super) fn find<'t>(truth: &Truth<'t>, id: RegionalId) -> Option<Thing<'t>> {
    let found = truth.inventory.regions.get(&id.region)?;
    match id.id {
        ResourceId::Snapshot(snapshot_id) => {
            let snapshot = found.snapshots.iter().find(|s| s.id == snapshot_id)?;
            Some(Thing::snapshot(id.region, snapshot))
        }
        ResourceId::Image(image_id) => {
            let image = registered(&found.images).find(|i| i.id == image_id)?;
            Some(Thing::image(id.region, image))
        }
    }
}

/// Returns the registered images that a snapshot backs; disabled and failed ones are registered.
pub(super) fn images_on<'t>(
    truth: &Truth<'t>,
    region: Region,
    id: SnapshotId,
) -> impl Iterator<Item = Thing<'t>> {
    let images = truth.inventory.regions.get(&region).map(|found| registered(&found.images));
    let images = images.into_iter().flatten().filter(move |i| i.snapshot_ids.contains(&id));
    images.map(move |image| Thing::image(region, image))
}

/// Returns true if the source is gone for good: stopped, or not selected any more, is not gone.
pub(super) fn is_gone(truth: &Truth<'_>, region: Region, source: Source) -> bool {
    let Some(found) = truth.inventory.regions.get(&region) else { return false };
    match source {
        Source::Instance(id) => {
            let is_there = |state| state != InstanceState::Terminated;
            !found.instances.iter().any(|i| i.id == id && is_there(i.state))
        }
        Source::Volume(id) => !found.volumes.iter().any(|v| v.id == id),
        Source::Family(_) => false,
    }
}
