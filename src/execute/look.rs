//! Looks: what a call may have made whose answer is not known, found by its tags.
//!
//! Only reads. What to make of it is for whoever made the call.

use chrono::TimeDelta;

use crate::cloud::{Cloud, CloudError, ImageFilter, SnapshotFilter};
use crate::domain::failure::Failure;
use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::tags;
use crate::execute::clock::Clock;
use crate::execute::region::{CallEnd, RegionRun, all_pages};
use crate::plan::{Copy, NewPoint, Pairs};

/// Waits before each look for what an unanswered call may have made: a minute in all, since a new
/// snapshot may be missing from the next listings (EC2 API reference, "Eventual consistency").
const PAUSES: [TimeDelta; 6] = [
    TimeDelta::zero(),
    TimeDelta::seconds(2),
    TimeDelta::seconds(4),
    TimeDelta::seconds(8),
    TimeDelta::seconds(16),
    TimeDelta::seconds(30),
];

/// What a look brought.
pub(super) enum Look {
    /// It is there.
    Found(Vec<ResourceId>),
    /// The last listing that could be read does not show it.
    Nothing,
    /// The last listing could not be read.
    Unknown(String),
}

/// What tells the things that a call makes from all others.
pub(super) struct Wanted<'a> {
    is_image: bool,
    pairs: Vec<(String, String)>,
    /// What was there before the call.
    known: &'a [ResourceId],
    /// The volume that the snapshot is made of, where the tags do not tell.
    volume_id: Option<VolumeId>,
    is_copy: bool,
}

impl<'a> Wanted<'a> {
    /// Returns what a creation makes: of `volume_id` only, if that is given.
    pub(super) fn point(point: &'a NewPoint, is_image: bool, volume_id: Option<VolumeId>) -> Self {
        let of_slot = [tags::OWNER, tags::POLICY, tags::SOURCE, tags::SLOT];
        let pairs = chosen(&point.tags, &of_slot);
        Self { is_image, pairs, known: &point.known, volume_id, is_copy: false }
    }

    /// Returns what a copying call makes.
    pub(super) fn copy(copy: &'a Copy) -> Self {
        // Not the attempt: another runner may count otherwise, and what failed is known.
        let of_copy = [tags::OWNER, tags::POLICY, tags::SOURCE, tags::COPY_OF];
        let pairs = chosen(&copy.tags, &of_copy);
        let is_image = copy.image.is_some();
        Self { is_image, pairs, known: &copy.known, volume_id: None, is_copy: true }
    }

    /// Looks once.
    pub(super) async fn look<C: Cloud, K: Clock>(&self, run: &RegionRun<'_, C, K>) -> Look {
        match self.list(run).await {
            Ok(found) if found.is_empty() => Look::Nothing,
            Ok(found) => Look::Found(found),
            Err(why) => Look::Unknown(why),
        }
    }

    /// Looks, and goes on looking for a minute.
    pub(super) async fn look_long<C: Cloud, K: Clock>(&self, run: &RegionRun<'_, C, K>) -> Look {
        let mut last = Look::Nothing;
        for pause in PAUSES {
            // Looking goes on after an interruption: the call is under way until it is known.
            run.clock.sleep_until(run.clock.now() + pause).await;
            last = self.look(run).await;
            if matches!(last, Look::Found(_)) {
                break;
            }
        }
        last
    }

    async fn list<C: Cloud, K: Clock>(
        &self,
        run: &RegionRun<'_, C, K>,
    ) -> Result<Vec<ResourceId>, String> {
        let mut found: Vec<ResourceId> = if self.is_image {
            let filter = &ImageFilter::Tags(self.pairs.clone());
            let images = all_pages(run.region, "DescribeImages", |token| async move {
                let page = run.cloud.describe_images(run.region, filter, token).await;
                page.map_err(CallEnd::Error)
            });
            let images = images.await.map_err(why)?.into_iter();
            images.filter(|i| self.is_of(&i.tags)).map(|image| image.id.into()).collect()
        } else {
            let filter = &SnapshotFilter::Tags(self.pairs.clone());
            let snapshots = all_pages(run.region, "DescribeSnapshots", |token| async move {
                let page = run.cloud.describe_snapshots(run.region, filter, token).await;
                page.map_err(CallEnd::Error)
            });
            let snapshots = snapshots.await.map_err(why)?.into_iter();
            let is_of = |id| self.volume_id.is_none_or(|wanted| id == Some(wanted));
            let snapshots = snapshots.filter(|s| is_of(s.volume_id) && self.is_of(&s.tags));
            snapshots.map(|snapshot| snapshot.id.into()).collect()
        };
        found.retain(|id| !self.known.contains(id));
        found.sort();
        Ok(found)
    }

    /// Copies within a region bear the tags of the slot too.
    fn is_of(&self, tags: &tags::Tags) -> bool {
        tags.has(tags::COPY_OF) == self.is_copy
    }
}

/// Returns that a call was not answered and that a long look did not help.
pub(super) fn not_found(err: &CloudError, unknown: Option<String>) -> Failure {
    let reason = err.reason();
    err.failure().said(match unknown {
        None => format!(
            "no answer ({reason}), and nothing was found for a minute; the next run looks again"
        ),
        Some(why) => format!(
            "no answer ({reason}), and looking for it failed: {why}; the next run looks again"
        ),
    })
}

fn chosen(pairs: &Pairs, keys: &[&str]) -> Vec<(String, String)> {
    let chosen = pairs.iter().filter(|(key, _)| keys.contains(&key.as_ref()));
    chosen.map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn why(end: CallEnd) -> String {
    match end {
        CallEnd::Interrupted => "interrupted".to_owned(),
        CallEnd::Error(err) => err.reason(),
    }
}
