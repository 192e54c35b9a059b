//! Creations: never blindly repeated.
//!
//! CreateSnapshot and CreateSnapshots have no client token. After a time-out, a broken connection
//! or a 5xx nobody knows whether they took effect, so the slot's tags are looked up instead.

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{self, Cloud, CloudError, Created, ErrorKind, SnapshotFilter};
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::tags;
use crate::execute::clock::Clock;
use crate::execute::outcome::Outcome;
use crate::execute::region::{CallEnd, RegionRun, all_pages};
use crate::plan::{Action, CreateOne, CreateSet, NewPoint, Op};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 8;
/// Waits before another try when EC2 says that a volume's last snapshot was too recent.
const VOLUME_RATE_PAUSES: [TimeDelta; 4] = [
    TimeDelta::seconds(15),
    TimeDelta::seconds(30),
    TimeDelta::seconds(60),
    TimeDelta::seconds(120),
];
/// Waits before each look for what an unanswered call may have made: a minute in all, since a new
/// snapshot may be missing from the next listings (EC2 API reference, "Eventual consistency").
const LOOK_PAUSES: [TimeDelta; 6] = [
    TimeDelta::zero(),
    TimeDelta::seconds(2),
    TimeDelta::seconds(4),
    TimeDelta::seconds(8),
    TimeDelta::seconds(16),
    TimeDelta::seconds(30),
];

/// Carries out creations; several at a time.
pub(super) async fn create_all<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    creations: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    stream::iter(creations)
        .map(|(n, action)| async move {
            let outcome = match run.why_not_create() {
                Some(why) => Outcome::NotStarted(why),
                None => create(run, action).await,
            };
            run.ended(action, &outcome);
            (n, outcome)
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .collect()
        .await
}

async fn create<C: Cloud, K: Clock>(run: &RegionRun<'_, C, K>, action: &Action) -> Outcome {
    let call = match &action.op {
        Op::CreateSnapshots(set) => Call::Set(set, set_request(set)),
        Op::CreateSnapshot(one) => Call::One(one, one_request(one)),
        Op::DeleteSnapshot(_) => return Outcome::Failed("a deletion is no creation".to_owned()),
    };
    let mut pauses = VOLUME_RATE_PAUSES.into_iter();
    loop {
        if !run.space(&call.volumes()).await {
            return Outcome::NotStarted("interrupted".to_owned());
        }
        let err = match call.make(run).await {
            Ok(created) => return Outcome::Done(created.iter().map(|c| c.snapshot_id).collect()),
            Err(CallEnd::Interrupted) => return Outcome::NotStarted("interrupted".to_owned()),
            Err(CallEnd::Error(err)) => err,
        };
        if err.kind != ErrorKind::VolumeRate {
            return after_error(run, &call, &err).await;
        }
        let Some(pause) = pauses.next() else { return Outcome::Waits(err.reason()) };
        if !run.stop.pause(run.clock, pause).await {
            return Outcome::NotStarted("interrupted".to_owned());
        }
        // Another runner may have made the very point.
        if let Look::Found(ids) = look(run, &call, &LOOK_PAUSES[..1]).await {
            return Outcome::Found(ids);
        }
    }
}

/// Decides what an error means for the action, by its kind alone.
async fn after_error<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    call: &Call<'_>,
    err: &CloudError,
) -> Outcome {
    match err.kind {
        ErrorKind::Ambiguous => match look(run, call, &LOOK_PAUSES).await {
            Look::Found(ids) => Outcome::Found(ids),
            Look::Nothing => Outcome::Failed(format!(
                "no answer ({}), and nothing was found for a minute; the next run looks again",
                err.reason()
            )),
            Look::Unknown(why) => Outcome::Failed(format!(
                "no answer ({}), and looking for it failed: {why}; the next run looks again",
                err.reason()
            )),
        },
        // Another runner may be making the very point.
        ErrorKind::Busy => match look(run, call, &LOOK_PAUSES[..1]).await {
            Look::Found(ids) => Outcome::Found(ids),
            Look::Nothing | Look::Unknown(_) => Outcome::Waits(err.reason()),
        },
        ErrorKind::AccountLimit => {
            run.is_full(err.reason());
            Outcome::Failed(err.reason())
        }
        ErrorKind::NotFound => Outcome::Skipped(format!("its source is gone: {}", err.reason())),
        ErrorKind::Throttled
        | ErrorKind::VolumeRate
        | ErrorKind::InUse
        | ErrorKind::Protected
        | ErrorKind::Denied
        | ErrorKind::Credentials
        | ErrorKind::Unsupported
        | ErrorKind::Refused => Outcome::Failed(err.reason()),
    }
}

/// Looks for what the call may have made, by its tags; goes on looking with these pauses.
async fn look<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    call: &Call<'_>,
    pauses: &[TimeDelta],
) -> Look {
    let point = call.point();
    let mut last_error = None;
    let of_slot = [tags::OWNER, tags::POLICY, tags::SOURCE, tags::SLOT];
    let pairs = point.tags.iter().filter(|(key, _)| of_slot.contains(&key.as_ref()));
    let pairs = pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let filter = SnapshotFilter::Tags(pairs);
    for pause in pauses {
        // Looking goes on after an interruption: the call is under way until it is known.
        run.clock.sleep_until(run.clock.now() + *pause).await;
        let filter = &filter;
        let snapshots = all_pages(run.region, |token| async move {
            let page = run.cloud.describe_snapshots(run.region, filter, token).await;
            page.map_err(CallEnd::Error)
        });
        let snapshots = match snapshots.await {
            Ok(snapshots) => snapshots,
            Err(CallEnd::Interrupted) => continue,
            Err(CallEnd::Error(err)) => {
                last_error = Some(err.reason());
                continue;
            }
        };
        last_error = None;
        let is_new = |id: &SnapshotId| !point.known.contains(id);
        let made = snapshots.iter().filter(|s| call.is_of(s.volume_id)).map(|s| s.id);
        let mut found: Vec<SnapshotId> = made.filter(is_new).collect();
        if !found.is_empty() {
            found.sort();
            return Look::Found(found);
        }
    }
    last_error.map_or(Look::Nothing, Look::Unknown)
}

/// What a look for an unanswered call's snapshots brought.
enum Look {
    /// They are there.
    Found(Vec<SnapshotId>),
    /// The last listing that could be read does not show them.
    Nothing,
    /// The last listing could not be read.
    Unknown(String),
}

/// A creating call with what it was planned as.
enum Call<'a> {
    Set(&'a CreateSet, cloud::CreateSnapshots),
    One(&'a CreateOne, cloud::CreateSnapshot),
}

impl Call<'_> {
    async fn make<C: Cloud, K: Clock>(
        &self,
        run: &RegionRun<'_, C, K>,
    ) -> Result<Vec<Created>, CallEnd> {
        let (cloud, region) = (run.cloud, run.region);
        match self {
            Self::Set(_, request) => {
                run.call("CreateSnapshots", || cloud.create_snapshots(region, request)).await
            }
            Self::One(_, request) => {
                let created =
                    run.call("CreateSnapshot", || cloud.create_snapshot(region, request)).await?;
                Ok(vec![created])
            }
        }
    }

    fn point(&self) -> &NewPoint {
        match self {
            Self::Set(set, _) => &set.point,
            Self::One(one, _) => &one.point,
        }
    }

    fn volumes(&self) -> Vec<(VolumeId, Option<chrono::DateTime<chrono::Utc>>)> {
        let volumes = match self {
            Self::Set(set, _) => &set.volumes[..],
            Self::One(one, _) => std::slice::from_ref(&one.volume),
        };
        volumes.iter().map(|volume| (volume.volume_id, volume.not_before)).collect()
    }

    fn is_of(&self, volume_id: Option<VolumeId>) -> bool {
        match self {
            Self::Set(..) => true,
            Self::One(one, _) => volume_id == Some(one.volume.volume_id),
        }
    }
}

fn set_request(set: &CreateSet) -> cloud::CreateSnapshots {
    cloud::CreateSnapshots {
        instance_id: set.instance_id,
        exclude_boot_volume: set.exclude_boot_volume,
        exclude_data_volume_ids: set.exclude_data_volume_ids.clone(),
        description: set.point.description.clone(),
        tags: tag_pairs(&set.point),
        copy_tags_from_volume: set.copy_tags_from_volume,
    }
}

fn one_request(one: &CreateOne) -> cloud::CreateSnapshot {
    cloud::CreateSnapshot {
        volume_id: one.volume.volume_id,
        description: one.point.description.clone(),
        tags: tag_pairs(&one.point),
    }
}

fn tag_pairs(point: &NewPoint) -> Vec<(String, String)> {
    point.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
