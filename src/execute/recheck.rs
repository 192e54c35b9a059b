//! The second look: what is to go and what is to stay is read again just before a deletion.
//!
//! Only reads, in batches, also in other regions; says in what the world differs from the plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use crate::cloud::{Cloud, FILTER_VALUES_MAX, ImageFilter, SnapshotFilter};
use crate::domain::failure::Failure;
use crate::domain::ids::{ImageId, RegionalId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::{self, Tags};
use crate::execute::clock::Clock;
use crate::execute::region::{CallEnd, RegionRun, all_pages};
use crate::plan::{Delete, ExpireReason, ResourceState};

/// Returns what is read again before `delete`, which is planned in `region`.
pub(super) fn read_again(
    delete: &Delete,
    region: Region,
) -> impl Iterator<Item = RegionalId> + use<'_> {
    let here = delete.stays.iter().copied().chain([delete.resource]);
    // A listing may have missed the image of which this was left over.
    let here = here.chain(image_of_leftover(delete).map(Into::into));
    here.map(move |id| RegionalId { region, id }).chain(delete.stays_elsewhere.iter().copied())
}

fn image_of_leftover(delete: &Delete) -> Option<ImageId> {
    match delete.reason {
        ExpireReason::LeftOver(image_id) => Some(image_id),
        _ => None,
    }
}

/// What was seen of the ids that were read again.
#[derive(Default)]
pub(super) struct Seen {
    things: HashMap<RegionalId, Thing>,
    /// Regions that could not be read, and why.
    unread: BTreeMap<Region, Failure>,
}

/// What a deletion is compared with.
struct Thing {
    started_at: Option<DateTime<Utc>>,
    volume_id: Option<VolumeId>,
    state: ResourceState,
    tags: Tags,
}

impl From<Snapshot> for Thing {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            started_at: Some(snapshot.started_at),
            volume_id: snapshot.volume_id,
            state: ResourceState::Snapshot(snapshot.state),
            tags: snapshot.tags,
        }
    }
}

impl From<Image> for Thing {
    fn from(image: Image) -> Self {
        Self {
            started_at: image.created_at,
            volume_id: None,
            state: ResourceState::Image(image.state),
            tags: image.tags,
        }
    }
}

impl Seen {
    /// Reads `ids` with as few calls as possible, one after the other. A region that cannot be read
    /// stops only what relies on it.
    ///
    /// # Errors
    ///
    /// The wish to stop was set before all was read.
    pub(super) async fn read<C: Cloud, K: Clock>(
        run: &RegionRun<'_, C, K>,
        ids: BTreeSet<RegionalId>,
    ) -> Result<Self, Interrupted> {
        let mut seen = Self::default();
        let mut by_region: BTreeMap<Region, (Vec<SnapshotId>, Vec<ImageId>)> = BTreeMap::new();
        for RegionalId { region, id } in ids {
            let (snapshots, images) = by_region.entry(region).or_default();
            snapshots.extend(id.snapshot());
            images.extend(id.image());
        }
        for (region, (snapshot_ids, image_ids)) in by_region {
            let end = match seen.read_snapshots(run, region, &snapshot_ids).await {
                Ok(()) => seen.read_images(run, region, &image_ids).await,
                end => end,
            };
            match end {
                Ok(()) => {}
                Err(CallEnd::Interrupted) => return Err(Interrupted),
                Err(CallEnd::Error(err)) => {
                    seen.unread.insert(region, err.failure());
                }
            }
        }
        Ok(seen)
    }

    async fn read_snapshots<C: Cloud, K: Clock>(
        &mut self,
        run: &RegionRun<'_, C, K>,
        region: Region,
        ids: &[SnapshotId],
    ) -> Result<(), CallEnd> {
        const OPERATION: &str = "DescribeSnapshots";
        for ids in ids.chunks(FILTER_VALUES_MAX) {
            let filter = &SnapshotFilter::Ids(ids.to_vec());
            let snapshots = all_pages(&region, OPERATION, |token| async move {
                let call = || run.cloud.describe_snapshots(&region, filter, token.clone());
                run.call_in(&region, OPERATION, call).await
            });
            for snapshot in snapshots.await? {
                let id = snapshot.id.into();
                self.things.insert(RegionalId { region, id }, snapshot.into());
            }
        }
        Ok(())
    }

    async fn read_images<C: Cloud, K: Clock>(
        &mut self,
        run: &RegionRun<'_, C, K>,
        region: Region,
        ids: &[ImageId],
    ) -> Result<(), CallEnd> {
        const OPERATION: &str = "DescribeImages";
        for ids in ids.chunks(FILTER_VALUES_MAX) {
            let filter = &ImageFilter::Ids(ids.to_vec());
            let images = all_pages(&region, OPERATION, |token| async move {
                let call = || run.cloud.describe_images(&region, filter, token.clone());
                run.call_in(&region, OPERATION, call).await
            });
            for image in images.await? {
                let id = image.id.into();
                self.things.insert(RegionalId { region, id }, image.into());
            }
        }
        Ok(())
    }

    /// Returns why `delete` cannot be judged: something that it relies on could not be read.
    pub(super) fn why_unread(&self, delete: &Delete, region: Region) -> Option<Failure> {
        let mut regions = read_again(delete, region).map(|id| id.region);
        let (unread, why) = regions.find_map(|region| self.unread.get_key_value(&region))?;
        let place = if *unread == region { String::new() } else { format!(" in {unread}") };
        Some(why.said(format!("could not be read again{place}: {why}")))
    }

    /// Returns true if what `delete` is about is gone already.
    pub(super) fn is_gone(&self, delete: &Delete, region: Region) -> bool {
        !self.things.contains_key(&RegionalId { region, id: delete.resource })
    }

    /// Returns in what the world differs from what `delete` was planned against.
    pub(super) fn mismatch(&self, delete: &Delete, region: Region) -> Option<String> {
        let is_complete =
            |id: &RegionalId| self.things.get(id).is_some_and(|thing| thing.state.is_complete());
        let going = RegionalId { region, id: delete.resource };
        let image = image_of_leftover(delete).map(|id| RegionalId { region, id: id.into() });
        if let Some(image) = image.filter(|image| self.things.contains_key(image)) {
            return Some(format!("its image {} is there", image.id));
        }
        let stays = read_again(delete, region).filter(|id| *id != going);
        let mut stays = stays.filter(|id| Some(*id) != image);
        let lost = stays.find_map(|id| {
            let why = if !is_complete(&id) {
                "gone or not complete any more"
            } else if self.is_disowned(delete, id) {
                "not known as a point of the same source any more"
            } else {
                return None;
            };
            Some((id, why))
        });
        if let Some((lost, why)) = lost {
            let name = if lost.region == region { lost.id.to_string() } else { lost.to_string() };
            return Some(format!("{name}, which was to stay, is {why}"));
        }
        let now = self.things.get(&going)?;
        // The planned volume of a copy is its original's; EC2 shows an arbitrary one.
        let has_own_volume = !now.tags.has(tags::VOLUME);
        let what = if now.started_at != delete.started_at {
            "start time"
        } else if has_own_volume && now.volume_id != delete.volume_id {
            "volume"
        } else if now.state != delete.state {
            "state"
        } else if now.tags != delete.tags {
            "tags"
        } else {
            return None;
        };
        Some(format!("its {what} changed since the plan ({})", delete.resource))
    }

    /// Returns true if somebody changed the tags by which `stays` was known to be of the lineage of
    /// `delete`. What others made has none of them, and so have images of families.
    fn is_disowned(&self, delete: &Delete, stays: RegionalId) -> bool {
        if !delete.tags.has(tags::OWNER) || matches!(delete.source, Source::Family(_)) {
            return false;
        }
        let is_as_known = |thing: &Thing| {
            let marks = [tags::OWNER, tags::SOURCE];
            marks.iter().all(|key| thing.tags.get(key) == delete.tags.get(key))
        };
        !self.things.get(&stays).is_some_and(is_as_known)
    }
}

/// The wish to stop came before the end.
pub(super) struct Interrupted;
