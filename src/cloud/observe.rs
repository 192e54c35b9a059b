//! Reads what is in an account: every listing of every region, at once.
//!
//! What cannot be read becomes a gap; nothing here fails, retries or decides.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;

use futures_util::future::{join_all, join5};

use crate::cloud::{Cloud, CloudError, FILTER_VALUES_MAX, ImageFilter, Page, SnapshotFilter};
use crate::domain::failure::Failure;
use crate::domain::id_map::IdSet;
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{
    Gap, Image, Instance, InstanceState, Inventory, Listing, RegionInventory, Snapshot, Volume,
};
use crate::domain::region::Region;
use crate::domain::source::Source;

mod account;
mod images;
mod keys;

pub(super) use account::settle_account;
pub use images::ask_about_images;
pub use keys::ask_about_keys;

/// A listing with more pages than this is taken for an endless one: ten million items.
const PAGES_MAX: usize = 10_000;

/// Reads every listing of `regions`, all at the same time.
pub async fn observe<C: Cloud>(cloud: &C, regions: &[Region]) -> Inventory {
    let observed = join_all(regions.iter().map(|region| observe_region(cloud, region))).await;
    let mut inventory = Inventory {
        regions: regions.iter().copied().zip(observed).collect(),
        clock_skew: cloud.clock_skew(),
        ..Inventory::default()
    };
    settle_account(&mut inventory);
    inventory
}

async fn observe_region<C: Cloud>(cloud: &C, region: &Region) -> RegionInventory {
    let all = &SnapshotFilter::All;
    let images_all = &ImageFilter::All;
    let (instances, volumes, snapshots, images, locked) = join5(
        list(|item: &Instance| item.id, |token| cloud.describe_instances(region, &[], token)),
        list(|item: &Volume| item.id, |token| cloud.describe_volumes(region, &[], token)),
        list(|item: &Snapshot| item.id, |token| cloud.describe_snapshots(region, all, token)),
        list(|item: &Image| item.id, |token| cloud.describe_images(region, images_all, token)),
        list(|id: &SnapshotId| *id, |token| cloud.describe_locked_snapshots(region, token)),
    )
    .await;
    let gap = |listing, error: Option<Failure>| error.map(|error| Gap { listing, error });
    let gaps = [
        gap(Listing::Instances, instances.error),
        gap(Listing::Volumes, volumes.error),
        gap(Listing::Snapshots, snapshots.error),
        gap(Listing::Images, images.error),
    ];
    let mut gaps: Vec<Gap> = gaps.into_iter().flatten().collect();
    // Lasting, it is no gap: few may make this call, and EC2 itself refuses to delete what is
    // locked. But then the rest of its recovery point may be gone, so a bad moment is waited out.
    let (passing, lasting): (Vec<_>, Vec<_>) =
        locked.error.into_iter().partition(|error| error.may_pass);
    // What fails everything, such as missing credentials, is told by the gaps already.
    let stops = |gap: &Gap| matches!(gap.listing, Listing::Snapshots | Listing::Images);
    if !gaps.iter().any(stops) {
        gaps.extend(passing.into_iter().filter_map(|e| gap(Listing::LockedSnapshots, Some(e))));
    }
    let is_news = |error: &&Failure| gaps.iter().all(|gap| gap.error != **error);
    let note = lasting.iter().find(is_news).map(|e| format!("DescribeLockedSnapshots: {e}"));
    RegionInventory {
        instances: instances.items,
        volumes: volumes.items,
        snapshots: snapshots.items,
        images: images.items,
        locked: locked.items.into_iter().collect(),
        gaps,
        notes: note.into_iter().collect(),
        ..RegionInventory::default()
    }
}

/// Asks EC2 for each source by its id and records in the inventory those that are gone.
///
/// What cannot be asked is not gone; a note says why. Regions that were not observed are not
/// asked.
pub async fn ask_for_sources<C: Cloud>(
    cloud: &C,
    inventory: &mut Inventory,
    questions: &BTreeMap<Region, BTreeSet<Source>>,
) {
    let observed = inventory.regions.iter_mut();
    let asked =
        observed.filter_map(|(region, found)| Some((region, found, questions.get(region)?)));
    let answers = asked.map(|(region, found, sources)| async move {
        let answer = ask_in_region(cloud, region, sources).await;
        found.gone.extend(answer.gone);
        found.notes.extend(answer.notes);
    });
    join_all(answers).await;
}

#[derive(Default)]
struct Answer {
    gone: Vec<Source>,
    notes: Vec<String>,
}

impl Answer {
    /// Takes over what became of one question about `ids`, of which `alive` were found.
    fn add<I: Copy + Eq + Hash>(
        &mut self,
        operation: &str,
        ids: &[I],
        alive: &HashSet<I>,
        error: Option<Failure>,
        source: fn(I) -> Source,
    ) {
        if let Some(error) = error {
            let n = ids.len();
            self.notes.push(format!("{operation}: {error} (sources not known to be gone: {n})"));
            return;
        }
        self.gone.extend(ids.iter().filter(|id| !alive.contains(*id)).map(|id| source(*id)));
    }
}

async fn ask_in_region<C: Cloud>(cloud: &C, region: &Region, sources: &BTreeSet<Source>) -> Answer {
    let mut instance_ids: Vec<InstanceId> = Vec::new();
    let mut volume_ids: Vec<VolumeId> = Vec::new();
    for source in sources {
        match source {
            Source::Instance(id) => instance_ids.push(*id),
            Source::Volume(id) => volume_ids.push(*id),
            // A family is as long as an image bears its name.
            Source::Family(_) => {}
        }
    }
    // One request after the other: there may be thousands of ids, and this can take its time.
    let mut answer = Answer::default();
    for ids in instance_ids.chunks(FILTER_VALUES_MAX) {
        let next_page = |token| cloud.describe_instances(region, ids, token);
        let listed = list(|item: &Instance| item.id, next_page).await;
        // EC2 shows an instance for about an hour after its end.
        let alive = listed.items.iter().filter(|item| item.state != InstanceState::Terminated);
        let alive = alive.map(|item| item.id).collect();
        answer.add("DescribeInstances", ids, &alive, listed.error, Source::Instance);
    }
    for ids in volume_ids.chunks(FILTER_VALUES_MAX) {
        let next_page = |token| cloud.describe_volumes(region, ids, token);
        let listed = list(|item: &Volume| item.id, next_page).await;
        let alive = listed.items.iter().map(|item| item.id).collect();
        answer.add("DescribeVolumes", ids, &alive, listed.error, Source::Volume);
    }
    answer
}

/// A listing as far as it could be read, and why no further.
struct Listed<T> {
    items: Vec<T>,
    error: Option<Failure>,
}

/// Reads pages until one has no token. An item that two pages show is taken once.
async fn list<T, K: Eq + Hash, F>(
    id: impl Fn(&T) -> K,
    mut next_page: impl FnMut(Option<String>) -> F,
) -> Listed<T>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let mut listed = Listed { items: Vec::new(), error: None };
    let mut seen_ids = IdSet::default();
    let mut seen_tokens = HashSet::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = match next_page(token).await {
            Ok(page) => page,
            Err(err) => {
                listed.error = Some(err.failure());
                return listed;
            }
        };
        // While a listing is read, things come and go, and pages may overlap.
        listed.items.extend(page.items.into_iter().filter(|item| seen_ids.insert(id(item))));
        // A page may be empty although more follow (boto/boto3#1776): only the token tells.
        let Some(next) = page.next_token else { return listed };
        if !seen_tokens.insert(next.clone()) {
            listed.error = Some(Failure::lasting("EC2 gave the same page token twice"));
            return listed;
        }
        token = Some(next);
    }
    listed.error = Some(Failure::lasting(format!("no end after {PAGES_MAX} pages")));
    listed
}

#[cfg(test)]
mod tests;
