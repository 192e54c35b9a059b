//! Things of an account to try permissions on: EC2 answers for what does not exist before it looks
//! at permissions.
//!
//! The first pages of the listings do; a sample is not an inventory.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{join_all, join4};

use crate::cloud::{Cloud, CloudError, ErrorKind, ImageFilter, Page, SnapshotFilter};
use crate::domain::inventory::{Image, Instance, InstanceState, Snapshot, SnapshotState, Volume};
use crate::domain::region::Region;
use crate::domain::tags;

/// EC2 may answer with empty pages before one that is not.
const PAGES_MAX: usize = 20;

/// What is there in one region, or why that could not be seen.
pub(super) struct Samples {
    pub(super) instances: Result<Vec<Instance>, CloudError>,
    pub(super) volumes: Result<Vec<Volume>, CloudError>,
    /// Those of ours first.
    pub(super) snapshots: Result<Vec<Snapshot>, CloudError>,
    /// Those of ours first.
    pub(super) images: Result<Vec<Image>, CloudError>,
}

impl Samples {
    /// Looks at the first of everything, and at what bears the tag of an owner.
    pub(super) async fn take<C: Cloud>(
        cloud: &C,
        region: &Region,
        owners: &BTreeSet<Arc<str>>,
    ) -> Self {
        let (instances, volumes, snapshots, images) = join4(
            first(|token| cloud.describe_instances(region, &[], token)),
            first(|token| cloud.describe_volumes(region, &[], token)),
            snapshots(cloud, region, owners),
            images(cloud, region, owners),
        )
        .await;
        Self { instances, volumes, snapshots, images }
    }

    /// Returns true if EC2 did not even look at the calls: it answers so in a region that is not
    /// enabled, and to bad credentials.
    pub(super) fn is_turned_away(&self) -> bool {
        self.errors().iter().all(|err| {
            err.is_some_and(|err| err.kind == ErrorKind::Credentials || err.code == "OptInRequired")
        })
    }

    /// Returns true if a listing failed.
    pub(super) fn is_partial(&self) -> bool {
        self.errors().iter().any(Option::is_some)
    }

    /// Returns why the first listing failed.
    pub(super) fn first_error(&self) -> Option<&CloudError> {
        self.errors().into_iter().flatten().next()
    }

    fn errors(&self) -> [Option<&CloudError>; 4] {
        [
            self.instances.as_ref().err(),
            self.volumes.as_ref().err(),
            self.snapshots.as_ref().err(),
            self.images.as_ref().err(),
        ]
    }

    /// Returns the instances that are there.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance> {
        let all = self.instances.iter().flatten();
        all.filter(|i| matches!(i.state, InstanceState::Running | InstanceState::Stopped))
    }

    /// Returns the volumes that are there.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.iter().flatten()
    }

    /// Returns the complete snapshots that are there, ours first.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        let all = self.snapshots.iter().flatten();
        all.filter(|snapshot| snapshot.state == SnapshotState::Completed)
    }

    /// Returns the images that are there, ours first.
    pub(super) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().flatten()
    }
}

async fn snapshots<C: Cloud>(
    cloud: &C,
    region: &Region,
    owners: &BTreeSet<Arc<str>>,
) -> Result<Vec<Snapshot>, CloudError> {
    let ours = owners.iter().map(|owner| SnapshotFilter::Tags(vec![owned_by(owner)]));
    let filters: Vec<SnapshotFilter> = ours.chain([SnapshotFilter::All]).collect();
    let pages = filters
        .iter()
        .map(|filter| first(move |token| cloud.describe_snapshots(region, filter, token)));
    let pages: Result<Vec<_>, _> = join_all(pages).await.into_iter().collect();
    Ok(pages?.into_iter().flatten().collect())
}

async fn images<C: Cloud>(
    cloud: &C,
    region: &Region,
    owners: &BTreeSet<Arc<str>>,
) -> Result<Vec<Image>, CloudError> {
    let ours = owners.iter().map(|owner| ImageFilter::Tags(vec![owned_by(owner)]));
    let filters: Vec<ImageFilter> = ours.chain([ImageFilter::All]).collect();
    let pages = filters
        .iter()
        .map(|filter| first(move |token| cloud.describe_images(region, filter, token)));
    let pages: Result<Vec<_>, _> = join_all(pages).await.into_iter().collect();
    Ok(pages?.into_iter().flatten().collect())
}

fn owned_by(owner: &str) -> (String, String) {
    (tags::OWNER.to_owned(), owner.to_owned())
}

/// Returns the first page that is not empty.
async fn first<T, F>(next_page: impl Fn(Option<String>) -> F) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = next_page(token).await?;
        token = page.next_token;
        if !page.items.is_empty() || token.is_none() {
            return Ok(page.items);
        }
    }
    Ok(Vec::new())
}
