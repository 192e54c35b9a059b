//! Verdicts: what becomes of each point of one lineage.
//!
//! Joins retention with what retention does not know: twins, failures, sources that are gone, and
//! coverage of what was adopted. Vetoes and limits come later.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Orphans, RegionalPolicy};
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::inventory::{Listing, RegionInventory};
use crate::domain::source::Source;
use crate::plan::lineage::{Entry, LineageKey, Point, PointState, points, split_surplus};
use crate::plan::model::ExpireReason;
use crate::plan::retention::{Candidate, Holds, Judgement, Rules, judge};

/// A failed snapshot goes this long after its start.
pub const FAILED_FOR: TimeDelta = TimeDelta::hours(24);

/// What becomes of a point or a failed snapshot.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It stays, for these reasons and until then.
    Keep(Holds, Option<DateTime<Utc>>),
    /// It goes, if nothing forbids it; with what must still be there then.
    Expire(ExpireReason, Arc<[SnapshotId]>),
    /// Something of it is on its way.
    Waiting,
}

/// One lineage, judged.
#[derive(Debug)]
pub struct JudgedLineage<'a> {
    /// Which lineage.
    pub key: LineageKey,
    /// Its points with their verdicts, by time; surplus twins last.
    pub points: Vec<(Point<'a>, Verdict)>,
    /// Failed snapshots, and whether each goes.
    pub failed: Vec<(Entry<'a>, bool)>,
}

/// Newest complete point of ours by volume: its time and the volume's snapshot.
pub type Coverage = HashMap<VolumeId, (DateTime<Utc>, SnapshotId)>;

/// Why `keep_last` does not hold a lineage's newest points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lapsed {
    SourceGone,
    Covered(SnapshotId),
}

/// Judges one lineage; `lineage` are its entries, in order and at least one.
pub fn judge_lineage<'a>(
    policy: &RegionalPolicy,
    region: &RegionInventory,
    coverage: &Coverage,
    lineage: &[Entry<'a>],
    now: DateTime<Utc>,
) -> JudgedLineage<'a> {
    let key = lineage[0].key;
    let (mut points, failed) = points(lineage);
    let surplus = split_surplus(&mut points);
    let is_gone = is_gone(region, key.source);
    let failed = judge_failed(policy, is_gone, &points, failed, now);

    let lapsed = lapsed(policy, key, is_gone, coverage, &points, now);
    let settled: Vec<usize> =
        (0..points.len()).filter(|n| points[*n].state != PointState::Pending).collect();
    let candidates: Vec<Candidate> = settled
        .iter()
        .map(|n| Candidate {
            time: points[*n].time,
            is_complete: points[*n].state == PointState::Complete,
        })
        .collect();
    let rules = Rules {
        retention: &policy.retention,
        zone: policy.timezone,
        now,
        keep_last_holds: lapsed.is_none(),
    };
    let judgements = judge(rules, &candidates);
    let newest = newest_complete(policy, &candidates, now);
    let stays = what_stays(&points, &settled, &newest, lapsed);

    let mut verdicts = vec![Verdict::Waiting; points.len()];
    for (n, judgement) in judgements.iter().enumerate() {
        let reason = |lapse| match lapsed {
            Some(Lapsed::SourceGone) if newest.contains(&n) => ExpireReason::Orphan(lapse),
            Some(Lapsed::Covered(_)) if newest.contains(&n) => ExpireReason::Replaced(lapse),
            Some(_) | None => ExpireReason::Retention(lapse),
        };
        verdicts[settled[n]] = if judgement.holds.is_empty() {
            let stays = with_instead(&stays, judgement, &points, &settled);
            Verdict::Expire(reason(judgement.lapse), stays)
        } else {
            Verdict::Keep(judgement.holds, judgement.until)
        };
    }
    let mut points: Vec<(Point<'a>, Verdict)> = points.into_iter().zip(verdicts).collect();
    for (point, twin) in surplus {
        // Where the twin that stays goes itself, what it relies on is what must be there.
        let of_twin = points.iter().find(|(point, _)| point.ids().eq(twin.iter().copied()));
        let stays = match of_twin {
            Some((_, Verdict::Expire(_, stays))) => Arc::clone(stays),
            Some(_) | None => twin.into(),
        };
        points.push((point, Verdict::Expire(ExpireReason::Surplus, stays)));
    }
    JudgedLineage { key, points, failed }
}

/// Returns true if EC2 said that `source` is gone, and nothing casts doubt on it.
pub fn is_gone(region: &RegionInventory, source: Source) -> bool {
    let is_doubtful = region.has_gap(Listing::Instances) || region.has_gap(Listing::Volumes);
    region.gone.contains(&source) && !is_doubtful
}

/// Tells whether, and why, `keep_last` has lapsed.
fn lapsed(
    policy: &RegionalPolicy,
    key: LineageKey,
    is_gone: bool,
    coverage: &Coverage,
    points: &[Point<'_>],
    now: DateTime<Utc>,
) -> Option<Lapsed> {
    let newest = points.last().map(|point| point.time)?;
    let has_lapsed = match policy.retention.orphans {
        Orphans::KeepLast => false,
        Orphans::Expire => is_gone,
        Orphans::After(span) => is_gone && span.end(newest, policy.timezone) <= now,
    };
    if has_lapsed {
        return Some(Lapsed::SourceGone);
    }
    let Source::Volume(volume_id) = key.source else { return None };
    let covering = coverage.get(&volume_id).filter(|(time, _)| key.is_adopted && newest < *time);
    covering.map(|(_, snapshot_id)| Lapsed::Covered(*snapshot_id))
}

/// Returns the newest `keep_last` complete candidates.
fn newest_complete(
    policy: &RegionalPolicy,
    candidates: &[Candidate],
    now: DateTime<Utc>,
) -> BTreeSet<usize> {
    let complete = (0..candidates.len()).rev().filter(|n| {
        let candidate = candidates[*n];
        candidate.is_complete && candidate.time <= now
    });
    complete.take(policy.retention.keep_last as usize).collect()
}

/// Returns the snapshots on which every deletion of the lineage relies.
fn what_stays(
    points: &[Point<'_>],
    settled: &[usize],
    newest: &BTreeSet<usize>,
    lapsed: Option<Lapsed>,
) -> Arc<[SnapshotId]> {
    match lapsed {
        None => newest.iter().flat_map(|n| points[settled[*n]].ids()).collect(),
        Some(Lapsed::SourceGone) => Arc::from([]),
        Some(Lapsed::Covered(snapshot_id)) => Arc::from([snapshot_id]),
    }
}

/// Adds to `stays` the points that stand for the expiring one's periods.
fn with_instead(
    stays: &Arc<[SnapshotId]>,
    judgement: &Judgement,
    points: &[Point<'_>],
    settled: &[usize],
) -> Arc<[SnapshotId]> {
    if judgement.instead.is_empty() {
        return Arc::clone(stays);
    }
    let instead = judgement.instead.iter().flat_map(|n| points[settled[*n]].ids());
    let all: BTreeSet<SnapshotId> = stays.iter().copied().chain(instead).collect();
    all.into_iter().collect()
}

/// Tells which failed snapshots go.
///
/// The newest failed attempt stays as the memory of how often was tried, while its slot is the one
/// that is due and no later attempt is complete. The memory of older slots says nothing.
fn judge_failed<'a>(
    policy: &RegionalPolicy,
    is_gone: bool,
    points: &[Point<'_>],
    failed: Vec<Entry<'a>>,
    now: DateTime<Utc>,
) -> Vec<(Entry<'a>, bool)> {
    let rank = |entry: &Entry<'_>| (entry.slot, entry.attempt);
    let is_past = |entry: &&Entry<'_>| entry.slot.is_none_or(|slot| slot <= now);
    let newest = failed.iter().filter(is_past).map(rank).max();
    let is_done = |entry: &Entry<'_>| {
        points.iter().any(|point| {
            let is_later = match entry.slot {
                Some(slot) => slot <= point.slot_or_time(),
                None => entry.snapshot.started_at <= point.time,
            };
            is_later && point.state == PointState::Complete
        })
    };
    let due = policy.schedule.as_ref().filter(|_| !failed.is_empty());
    let due = due.and_then(|schedule| schedule.slot_at(now));
    let is_memory = |entry: &Entry<'_>| {
        policy.create
            && !is_gone
            && due.is_some_and(|due| Some(due) <= entry.slot)
            && !entry.key.is_adopted
            && Some(rank(entry)) == newest
            && !is_done(entry)
    };
    let goes =
        |entry: &Entry<'_>| entry.snapshot.started_at + FAILED_FOR <= now && !is_memory(entry);
    failed.into_iter().map(|entry| (entry, goes(&entry))).collect()
}

/// Adds to `coverage` the volumes of complete points of ours.
pub fn cover(coverage: &mut Coverage, lineage: &JudgedLineage<'_>, now: DateTime<Utc>) {
    let complete = lineage.points.iter().filter(|(point, verdict)| {
        let stays = !matches!(verdict, Verdict::Expire(..));
        stays && point.state == PointState::Complete && point.time <= now
    });
    for (point, _) in complete {
        for snapshot in &point.snapshots {
            let Some(volume_id) = snapshot.volume_id else { continue };
            let newest = coverage.entry(volume_id).or_insert((point.time, snapshot.id));
            *newest = (*newest).max((point.time, snapshot.id));
        }
    }
}
