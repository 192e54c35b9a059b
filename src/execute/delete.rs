//! Deletions: looked at once more before they are made.
//!
//! Between plan and deletion somebody may have put a hold on a snapshot, or deleted the one that
//! was to stay in its place. Both are read again, a batch at a time, and a mismatch skips the
//! whole recovery point.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{Cloud, ErrorKind, FILTER_VALUES_MAX, SnapshotFilter};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Snapshot, SnapshotState};
use crate::domain::tags;
use crate::execute::clock::Clock;
use crate::execute::outcome::Outcome;
use crate::execute::region::{CallEnd, RegionRun, all_pages};
use crate::plan::{Action, Delete};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 16;
/// What was seen longer ago is looked at again: throttling can stretch a batch to many minutes.
const LOOK_FRESH_FOR: TimeDelta = TimeDelta::minutes(2);
/// Waits before a deletion is tried again whose answer was lost. Deleting twice is harmless.
const AMBIGUOUS_PAUSES: [TimeDelta; 3] =
    [TimeDelta::seconds(1), TimeDelta::seconds(2), TimeDelta::seconds(4)];

type Planned<'a> = (usize, &'a Action, &'a Delete);

/// Carries out deletions, batch by batch.
pub(super) async fn delete_all<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    deletions: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    let mut left: Vec<Planned<'_>> =
        deletions.into_iter().filter_map(|(n, a)| Some((n, a, a.as_delete()?))).collect();
    let mut outcomes = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let rest = left.split_off(batch_len(&left));
        let mut too_late = Vec::new();
        for (planned, outcome) in delete_batch(run, &left).await {
            match outcome {
                Some(outcome) => outcomes.push((planned.0, outcome)),
                None => too_late.push(planned),
            }
        }
        too_late.sort_by_key(|planned| planned.0);
        too_late.extend(rest);
        left = too_late;
    }
    outcomes
}

/// Looks at a batch and carries it out; none for what was not begun while the look was fresh.
async fn delete_batch<'a, C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    batch: &[Planned<'a>],
) -> Vec<(Planned<'a>, Option<Outcome>)> {
    let checked = check_batch(run, batch).await;
    let looked_at = run.clock.now();
    let points = checked.chunk_by(|(a, _), (b, _)| is_one_point(a, b));
    let points: Vec<_> = points.map(<[_]>::to_vec).collect();
    let ended: Vec<Vec<_>> = stream::iter(points)
        .map(|point| delete_point(run, point, looked_at))
        .buffer_unordered(CONCURRENT_CALLS)
        .collect()
        .await;
    ended.into_iter().flatten().collect()
}

/// Deletes the members of one recovery point in turn. Once EC2 protects one, the others stay with
/// it: a lock that may not be listed is known only now.
async fn delete_point<'a, C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    point: Vec<(Planned<'a>, Option<Outcome>)>,
    looked_at: DateTime<Utc>,
) -> Vec<(Planned<'a>, Option<Outcome>)> {
    let mut ended = Vec::with_capacity(point.len());
    let mut protected: Option<String> = None;
    for (planned, refusal) in point {
        let refusal = refusal.or_else(|| protected.clone().map(Outcome::Skipped));
        let outcome = match refusal.or_else(|| run.why_not().map(Outcome::NotStarted)) {
            Some(outcome) => outcome,
            None if looked_at + LOOK_FRESH_FOR < run.clock.now() => {
                ended.push((planned, None));
                continue;
            }
            None => delete_one(run, planned.2.snapshot_id).await,
        };
        if let (Outcome::Skipped(why), None) = (&outcome, &protected) {
            protected = Some(format!("of one point with {}: {why}", planned.2.snapshot_id));
        }
        run.ended(planned.1, &outcome);
        ended.push((planned, Some(outcome)));
    }
    ended
}

/// Returns how many of `planned` make the next batch: what it reads again fits into one request
/// where it can, and no recovery point is cut apart.
fn batch_len(planned: &[Planned<'_>]) -> usize {
    let mut len = 0;
    let mut ids = BTreeSet::new();
    for point in planned.chunk_by(is_one_point) {
        ids.extend(point.iter().flat_map(|(_, _, delete)| read_again(delete)));
        // Much that stays must not make for small batches: it would be read again with each.
        let fits = ids.len() <= FILTER_VALUES_MAX || len < FILTER_VALUES_MAX / 2;
        if !fits && 0 < len {
            break;
        }
        len += point.len();
    }
    len
}

fn is_one_point((_, a, x): &Planned<'_>, (_, b, y): &Planned<'_>) -> bool {
    a.policy == b.policy
        && x.point_time == y.point_time
        && x.tags.get(tags::SLOT).is_some()
        && x.tags.get(tags::SLOT) == y.tags.get(tags::SLOT)
        && x.tags.get(tags::SOURCE) == y.tags.get(tags::SOURCE)
}

fn read_again(delete: &Delete) -> impl Iterator<Item = SnapshotId> {
    delete.stays.iter().copied().chain([delete.snapshot_id])
}

/// Reads again what a batch deletes and relies on; returns why each deletion must not be made.
async fn check_batch<'a, C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    batch: &[Planned<'a>],
) -> Vec<(Planned<'a>, Option<Outcome>)> {
    let same = |outcome: Outcome| batch.iter().map(|p| (*p, Some(outcome.clone()))).collect();
    if let Some(why) = run.why_not() {
        return same(Outcome::NotStarted(why));
    }
    let ids: BTreeSet<SnapshotId> = batch.iter().flat_map(|(_, _, d)| read_again(d)).collect();
    let seen = match read(run, ids.into_iter().collect()).await {
        Ok(seen) => seen,
        Err(CallEnd::Interrupted) => return same(Outcome::NotStarted("interrupted".to_owned())),
        Err(CallEnd::Error(err)) => {
            return same(Outcome::Failed(format!("could not be read again: {}", err.reason())));
        }
    };
    let mut checked = Vec::with_capacity(batch.len());
    for point in batch.chunk_by(is_one_point) {
        let refused = point.iter().find_map(|(_, _, delete)| mismatch(delete, &seen));
        for planned in point {
            let outcome = match &refused {
                Some(why) => Some(Outcome::Skipped(why.clone())),
                None if !seen.contains_key(&planned.2.snapshot_id) => Some(Outcome::AlreadyGone),
                None => None,
            };
            checked.push((*planned, outcome));
        }
    }
    checked
}

/// Returns in what the world differs from what the deletion was planned against.
fn mismatch(delete: &Delete, seen: &HashMap<SnapshotId, Snapshot>) -> Option<String> {
    let stays_as_planned = |id: &&SnapshotId| {
        seen.get(id).is_some_and(|snapshot| snapshot.state == SnapshotState::Completed)
    };
    if let Some(lost) = delete.stays.iter().find(|id| !stays_as_planned(id)) {
        return Some(format!("{lost}, which was to stay, is gone or not complete any more"));
    }
    let now = seen.get(&delete.snapshot_id)?;
    let what = if now.started_at != delete.started_at {
        "start time"
    } else if now.volume_id != delete.volume_id {
        "volume"
    } else if now.state != delete.state {
        "state"
    } else if now.tags != delete.tags {
        "tags"
    } else {
        return None;
    };
    Some(format!("its {what} changed since the plan ({})", delete.snapshot_id))
}

async fn read<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    ids: Vec<SnapshotId>,
) -> Result<HashMap<SnapshotId, Snapshot>, CallEnd> {
    let mut seen = HashMap::new();
    for ids in ids.chunks(FILTER_VALUES_MAX) {
        let filter = SnapshotFilter::Ids(ids.to_vec());
        let filter = &filter;
        let snapshots = all_pages(run.region, |token| async move {
            let call = || run.cloud.describe_snapshots(run.region, filter, token.clone());
            run.call("DescribeSnapshots", call).await
        });
        seen.extend(snapshots.await?.into_iter().map(|snapshot| (snapshot.id, snapshot)));
    }
    Ok(seen)
}

async fn delete_one<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    snapshot_id: SnapshotId,
) -> Outcome {
    let mut pauses = AMBIGUOUS_PAUSES.into_iter();
    let mut unanswered = None;
    loop {
        let call = || run.cloud.delete_snapshot(run.region, snapshot_id);
        let err = match run.call("DeleteSnapshot", call).await {
            Ok(()) => return Outcome::Done(Vec::new()),
            Err(CallEnd::Interrupted) => {
                let not_started = || Outcome::NotStarted("interrupted".to_owned());
                return unanswered.map_or_else(not_started, Outcome::Failed);
            }
            Err(CallEnd::Error(err)) => err,
        };
        match err.kind {
            // Gone is what the plan asked for.
            ErrorKind::NotFound => return Outcome::AlreadyGone,
            ErrorKind::InUse | ErrorKind::Protected => return Outcome::Skipped(err.reason()),
            ErrorKind::Ambiguous => {}
            ErrorKind::Throttled
            | ErrorKind::VolumeRate
            | ErrorKind::Busy
            | ErrorKind::AccountLimit
            | ErrorKind::Denied
            | ErrorKind::Credentials
            | ErrorKind::Unsupported
            | ErrorKind::Refused => return Outcome::Failed(err.reason()),
        }
        let Some(pause) = pauses.next() else { return Outcome::Failed(err.reason()) };
        if !run.stop.pause(run.clock, pause).await {
            return Outcome::Failed(err.reason());
        }
        unanswered = Some(err.reason());
    }
}
