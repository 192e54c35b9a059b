//! Deletions: looked at once more before they are made.
//!
//! Between plan and deletion somebody may have put a hold on a snapshot or image, or deleted the one
//! that was to stay in its place. Both are read again, a batch at a time, and a mismatch skips the
//! whole recovery point. An image goes before its snapshots, and they only if it went.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{Cloud, CloudError, ErrorKind, FILTER_VALUES_MAX};
use crate::domain::ids::ResourceId;
use crate::execute::clock::Clock;
use crate::execute::outcome::Outcome;
use crate::execute::recheck::{Seen, read_again};
use crate::execute::region::{AMBIGUOUS_PAUSES, CallEnd, RegionRun};
use crate::plan::{Action, Delete};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 16;
/// What was seen longer ago is looked at again: throttling can stretch a batch to many minutes.
const LOOK_FRESH_FOR: TimeDelta = TimeDelta::minutes(2);

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
    let mut is_put_off = false;
    for (planned, refusal) in point {
        let (_, action, delete) = planned;
        // What is put off is not known to fail, so neither is what comes after it.
        let refusal = refusal
            .or_else(|| protected.clone().map(Outcome::Skipped))
            .or_else(|| run.why_not().map(Outcome::NotStarted))
            .or_else(|| {
                let why = run.why_not_after(action).filter(|_| !is_put_off);
                why.map(Outcome::NotStarted)
            });
        let outcome = match refusal {
            Some(outcome) => outcome,
            None if is_put_off || looked_at + LOOK_FRESH_FOR < run.clock.now() => {
                is_put_off = true;
                ended.push((planned, None));
                continue;
            }
            None => delete_one(run, delete).await,
        };
        if let (Outcome::Skipped(why), None) = (&outcome, &protected) {
            protected = Some(format!("of one point with {}: {why}", delete.resource));
        }
        run.ended(action, &outcome);
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
        ids.extend(point.iter().flat_map(|(_, a, delete)| read_again(delete, a.region)));
        // Much that stays must not make for small batches: it would be read again with each. So the
        // first point always fits.
        let fits = ids.len() <= FILTER_VALUES_MAX || len < FILTER_VALUES_MAX / 2;
        if !fits {
            break;
        }
        len += point.len();
    }
    len
}

fn is_one_point((_, a, _): &Planned<'_>, (_, b, _): &Planned<'_>) -> bool {
    a.goes_with(b)
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
    let ids: BTreeSet<_> = batch.iter().flat_map(|(_, a, d)| read_again(d, a.region)).collect();
    let Ok(seen) = Seen::read(run, ids).await else {
        return same(Outcome::NotStarted("interrupted".to_owned()));
    };
    let mut checked = Vec::with_capacity(batch.len());
    for point in batch.chunk_by(is_one_point) {
        let refused = why_not_point(run, point, &seen);
        for planned in point {
            let outcome = refused
                .clone()
                .or_else(|| seen.is_gone(planned.2, *run.region).then_some(Outcome::AlreadyGone));
            checked.push((*planned, outcome));
        }
    }
    checked
}

/// Returns why nothing of a recovery point must be deleted.
fn why_not_point<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    point: &[Planned<'_>],
    seen: &Seen,
) -> Option<Outcome> {
    let mut deletes = point.iter().map(|(_, _, delete)| *delete);
    // Without the changes that come first, its tags are not as planned either.
    let mut images = point.iter().filter(|(_, _, delete)| delete.resource.image().is_some());
    if let Some(why) = images.find_map(|(_, action, _)| run.why_not_after(action)) {
        return Some(Outcome::NotStarted(why));
    }
    if let Some(why) = deletes.clone().find_map(|d| seen.why_unread(d, *run.region)) {
        return Some(Outcome::Failed(why));
    }
    deletes.find_map(|delete| seen.mismatch(delete, *run.region)).map(Outcome::Skipped)
}

async fn delete_one<C: Cloud, K: Clock>(run: &RegionRun<'_, C, K>, delete: &Delete) -> Outcome {
    let mut pauses = AMBIGUOUS_PAUSES.into_iter();
    loop {
        let err = match call(run, delete.resource).await {
            Ok(()) => return Outcome::Done(Vec::new()),
            Err(CallEnd::Interrupted) => return Outcome::NotStarted("interrupted".to_owned()),
            Err(CallEnd::Error(err)) => err,
        };
        // EC2 may not know yet that its image was deregistered a moment ago.
        let is_for_now = err.kind == ErrorKind::InUse && delete.backs.is_some();
        if !is_for_now {
            return after_error(&err);
        }
        let Some(pause) = pauses.next() else { return Outcome::Waits(err.reason()) };
        if !run.stop.pause(run.clock, pause).await {
            return Outcome::Waits(err.reason());
        }
    }
}

async fn call<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    resource: ResourceId,
) -> Result<(), CallEnd> {
    match resource {
        ResourceId::Snapshot(id) => {
            run.call_again("DeleteSnapshot", || run.cloud.delete_snapshot(run.region, id)).await
        }
        ResourceId::Image(id) => {
            run.call_again("DeregisterImage", || run.cloud.deregister_image(run.region, id)).await
        }
    }
}

/// Decides what an error means for the deletion, by its kind; by its code, where EC2 says with a
/// word that it uses for more than that an image is gone.
fn after_error(err: &CloudError) -> Outcome {
    match err.kind {
        // Gone is what the plan asked for.
        ErrorKind::NotFound => Outcome::AlreadyGone,
        ErrorKind::Busy if err.code == "InvalidAMIID.Unavailable" => Outcome::AlreadyGone,
        ErrorKind::InUse | ErrorKind::Protected => Outcome::Skipped(err.reason()),
        ErrorKind::Throttled
        | ErrorKind::VolumeRate
        | ErrorKind::Busy
        | ErrorKind::AccountLimit
        | ErrorKind::Denied
        | ErrorKind::Credentials
        | ErrorKind::Unsupported
        | ErrorKind::Ambiguous
        | ErrorKind::Refused => Outcome::Failed(err.failure()),
    }
}
