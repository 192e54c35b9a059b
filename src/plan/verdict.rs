//! Verdicts: what becomes of each point of one lineage.
//!
//! Joins retention with what retention does not know: twins, failures, sources that are gone, and
//! coverage of what was adopted. Vetoes and limits come later.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use chrono_tz::Tz;

use crate::config::schedule::Schedule;
use crate::config::{Orphans, Retention};
use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::inventory::{Listing, RegionInventory};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::lineage::{Entry, LineageKey, Role};
use crate::plan::model::ExpireReason;
use crate::plan::point::{Point, PointState, Points, points, split_surplus};
use crate::plan::retention::{Candidate, Holds, Judgement, Rules, judge};

/// A failed snapshot goes this long after its start.
pub const FAILED_FOR: TimeDelta = TimeDelta::hours(24);

/// What becomes of a point or a failed snapshot.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It stays, for these reasons and until then.
    Keep(Holds, Option<DateTime<Utc>>),
    /// It goes, if nothing forbids it; with what must still be there then.
    Expire(ExpireReason, Arc<[ResourceId]>),
    /// Something of it is on its way.
    Waiting,
}

/// One lineage, judged.
#[derive(Debug)]
pub struct JudgedLineage<'a> {
    /// Which lineage.
    pub key: LineageKey,
    /// Its points, by time; surplus twins last.
    pub points: Vec<Point<'a>>,
    /// The verdict on each of them.
    verdicts: Vec<Verdict>,
    /// What failed, and whether each goes. Failed copies are also kept as memory, which is for
    /// `copy`.
    pub failed: Vec<(Entry<'a>, bool)>,
}

impl<'a> JudgedLineage<'a> {
    /// Returns its points with their verdicts, by time; surplus twins last.
    pub fn judged(&self) -> impl DoubleEndedIterator<Item = (&Point<'a>, &Verdict)> {
        self.points.iter().zip(&self.verdicts)
    }

    /// Returns its points that are no surplus, by time.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = (&Point<'a>, &Verdict)> {
        let is_surplus =
            |verdict: &Verdict| matches!(verdict, Verdict::Expire(ExpireReason::Surplus, _));
        self.judged().filter(move |(_, verdict)| !is_surplus(verdict))
    }
}

/// Newest complete point of ours by volume: its time and the volume's snapshot.
pub type Coverage = HashMap<VolumeId, (DateTime<Utc>, ResourceId)>;

/// Under what terms a lineage is judged.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// Where the lineage is.
    pub region: Region,
    /// How long its points are kept.
    pub retention: &'t Retention,
    /// Whose calendar tiers follow.
    pub zone: Tz,
    /// When its points are due, where any are made.
    pub schedule: Option<&'t Schedule>,
    /// Whether its source is gone.
    pub is_gone: bool,
}

/// Why `keep_last` does not hold a lineage's newest points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lapsed {
    SourceGone,
    Covered(ResourceId),
}

/// Judges the lineage of `key`; `lineage` are its entries, in order.
pub fn judge_lineage<'a>(
    terms: Terms<'_>,
    coverage: &Coverage,
    key: LineageKey,
    lineage: &[Entry<'a>],
    now: DateTime<Utc>,
) -> JudgedLineage<'a> {
    let Points { mut points, failed, spare_forms } = points(terms.region, lineage);
    let mut surplus = split_surplus(&mut points);
    surplus.extend(spare_forms);
    let failed = judge_failed(terms, key, &points, failed, now);

    let lapsed = lapsed(terms, key, coverage, &points, now);
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
        retention: terms.retention,
        zone: terms.zone,
        now,
        keep_last_holds: lapsed.is_none(),
        is_settled_only: false,
    };
    let judgements = judge(rules, &candidates);
    let newest = newest_complete(terms, &candidates, now);
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
    for (point, twin) in surplus {
        // Where the twin that stays goes itself, what it relies on is what must be there.
        let of_twin = points.iter().position(|p| p.standing_ids().eq(twin.iter().copied()));
        let stays = match of_twin.map(|n| &verdicts[n]) {
            Some(Verdict::Expire(_, stays)) => Arc::clone(stays),
            Some(_) | None => twin.into(),
        };
        points.push(point);
        verdicts.push(Verdict::Expire(ExpireReason::Surplus, stays));
    }
    JudgedLineage { key, points, verdicts, failed }
}

/// Returns true if EC2 said that `source` is gone, and nothing casts doubt on it.
///
/// A family is never gone.
pub fn is_gone(region: &RegionInventory, source: Source) -> bool {
    let is_doubtful = region.has_gap(Listing::Instances) || region.has_gap(Listing::Volumes);
    region.gone.contains(&source) && !is_doubtful
}

/// Tells whether, and why, `keep_last` has lapsed.
fn lapsed(
    terms: Terms<'_>,
    key: LineageKey,
    coverage: &Coverage,
    points: &[Point<'_>],
    now: DateTime<Utc>,
) -> Option<Lapsed> {
    let newest = points.last().map(|point| point.time)?;
    let has_lapsed = match terms.retention.orphans {
        Orphans::KeepLast => false,
        Orphans::Expire => terms.is_gone,
        Orphans::After(span) => terms.is_gone && span.end(newest, terms.zone) <= now,
    };
    if has_lapsed {
        return Some(Lapsed::SourceGone);
    }
    let Source::Volume(volume_id) = key.source else { return None };
    let covering = coverage.get(&volume_id).filter(|(time, _)| key.is_adopted() && newest < *time);
    covering.map(|(_, id)| Lapsed::Covered(*id))
}

/// Returns the newest `keep_last` complete candidates.
fn newest_complete(
    terms: Terms<'_>,
    candidates: &[Candidate],
    now: DateTime<Utc>,
) -> BTreeSet<usize> {
    let complete = (0..candidates.len()).rev().filter(|n| {
        let candidate = candidates[*n];
        candidate.is_complete && candidate.time <= now
    });
    complete.take(terms.retention.keep_last as usize).collect()
}

/// Returns the snapshots and images on which every deletion of the lineage relies.
fn what_stays(
    points: &[Point<'_>],
    settled: &[usize],
    newest: &BTreeSet<usize>,
    lapsed: Option<Lapsed>,
) -> Arc<[ResourceId]> {
    match lapsed {
        None => newest.iter().flat_map(|n| points[settled[*n]].standing_ids()).collect(),
        Some(Lapsed::SourceGone) => Arc::from([]),
        Some(Lapsed::Covered(id)) => Arc::from([id]),
    }
}

/// Adds to `stays` the points that stand for the expiring one's periods.
fn with_instead(
    stays: &Arc<[ResourceId]>,
    judgement: &Judgement,
    points: &[Point<'_>],
    settled: &[usize],
) -> Arc<[ResourceId]> {
    if judgement.instead.is_empty() {
        return Arc::clone(stays);
    }
    let instead = judgement.instead.iter().flat_map(|n| points[settled[*n]].standing_ids());
    let all: BTreeSet<ResourceId> = stays.iter().copied().chain(instead).collect();
    all.into_iter().collect()
}

/// Tells which failed snapshots go.
///
/// The newest failed attempt stays as the memory of how often was tried, while its slot is the one
/// that is due and no later attempt is complete. The memory of older slots says nothing.
fn judge_failed<'a>(
    terms: Terms<'_>,
    key: LineageKey,
    points: &[Point<'_>],
    failed: Vec<Entry<'a>>,
    now: DateTime<Utc>,
) -> Vec<(Entry<'a>, bool)> {
    let rank = |entry: &Entry<'_>| (entry.slot, entry.attempt);
    let is_past = |entry: &&Entry<'_>| entry.slot.is_none_or(|slot| slot <= now);
    let newest = failed.iter().filter(is_past).map(rank).max();
    let is_done = |entry: &Entry<'_>| {
        points.iter().any(|point| {
            let is_later = entry.slot <= Some(point.slot_or_time());
            is_later && point.state == PointState::Complete
        })
    };
    let due = terms.schedule.filter(|_| !failed.is_empty());
    let due = due.and_then(|schedule| schedule.slot_at(now));
    let is_memory = |entry: &Entry<'_>| {
        !terms.is_gone
            && due.is_some_and(|due| Some(due) <= entry.slot)
            && entry.role == Role::Original
            && !key.is_adopted()
            && Some(rank(entry)) == newest
            && !is_done(entry)
    };
    // Of a copy, as long as a later attempt is under way: it may fail, too.
    let is_tried_again = |entry: &Entry<'_>| {
        let identity = entry.identity(terms.region);
        let mut attempts = points.iter().filter(|point| point.identity == identity);
        attempts.any(|point| {
            point.all().any(|member| {
                member.role == entry.role
                    && member.volume_id == entry.volume_id
                    && member.thing.state().is_under_way()
            })
        })
    };
    let goes = |entry: &Entry<'_>| {
        entry.started_at + FAILED_FOR <= now
            && !is_memory(entry)
            && (entry.role == Role::Original || !is_tried_again(entry))
    };
    failed.into_iter().map(|entry| (entry, goes(&entry))).collect()
}

/// Adds to `coverage` the volumes of complete points of ours.
pub fn cover(coverage: &mut Coverage, lineage: &JudgedLineage<'_>, now: DateTime<Utc>) {
    let complete = lineage.judged().filter(|(point, verdict)| {
        let stays = !matches!(verdict, Verdict::Expire(..));
        stays && point.state == PointState::Complete && point.time <= now
    });
    for (point, _) in complete {
        for member in point.representatives() {
            let Some(volume_id) = member.volume_id else { continue };
            let newest = coverage.entry(volume_id).or_insert((point.time, member.id()));
            *newest = (*newest).max((point.time, member.id()));
        }
    }
}
