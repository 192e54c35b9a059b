//! Recovery points and lineages, put together from single snapshots by their tags.
//!
//! No verdicts here: only what belongs together, and how complete it is.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::id_map::IdMap;
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::inventory::{RegionInventory, Snapshot, SnapshotState};
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::create::SPACING;
use crate::plan::standing::{Bystanders, Judge, Mark, Standing};

/// Which lineage a point belongs to, within one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageKey {
    /// The policy, by index.
    pub policy: usize,
    /// Whether the points were made by others. Those are a lineage apart.
    pub is_adopted: bool,
    /// What they protect. For adopted ones the volume.
    pub source: Source,
}

/// One snapshot with what its tags say.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its lineage.
    pub key: LineageKey,
    /// The slot it fills.
    pub slot: Option<DateTime<Utc>>,
    /// How many snapshots its point was asked for.
    pub members: u32,
    /// Which attempt made it.
    pub attempt: u32,
    /// Which volumes the request that made it was for.
    pub devices: Option<&'a str>,
    /// The snapshot.
    pub snapshot: &'a Snapshot,
}

impl<'a> Entry<'a> {
    fn ours(mark: Mark, snapshot: &'a Snapshot) -> Self {
        let Mark { policy, source, slot, members, attempt } = mark;
        let key = LineageKey { policy, is_adopted: false, source };
        let devices = snapshot.tags.get(tags::DEVICES);
        Self { key, slot, members, attempt, devices, snapshot }
    }

    fn adopted(policy: usize, volume_id: VolumeId, snapshot: &'a Snapshot) -> Self {
        let key = LineageKey { policy, is_adopted: true, source: Source::Volume(volume_id) };
        Self { key, slot: None, members: 1, attempt: 1, devices: None, snapshot }
    }

    /// Orders one lineage so that slots and requests are runs, each in time order.
    fn order(&self, other: &Self) -> Ordering {
        self.slot
            .cmp(&other.slot)
            .then_with(|| self.members.cmp(&other.members))
            .then_with(|| self.devices.cmp(&other.devices))
            .then_with(|| self.snapshot.started_at.cmp(&other.snapshot.started_at))
            .then_with(|| self.snapshot.id.cmp(&other.snapshot.id))
    }

    fn is_failed(&self) -> bool {
        self.snapshot.state == SnapshotState::Error
    }

    /// Returns true if both were asked for by requests for the same volumes and slot.
    fn shares_request(&self, other: &Self) -> bool {
        self.slot.is_some()
            && self.slot == other.slot
            && self.members == other.members
            && self.devices == other.devices
    }
}

/// Collects what policies judge in one region: lineages, each with its entries in order.
pub fn lineages<'a>(
    judge: &Judge<'_>,
    region: &'a RegionInventory,
    bystanders: &mut Bystanders,
) -> BTreeMap<LineageKey, Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(region.snapshots.len());
    for snapshot in &region.snapshots {
        match judge.standing(snapshot) {
            Standing::Ours(mark) => entries.push(Entry::ours(mark, snapshot)),
            Standing::Adopted(policies) => {
                let Some(volume_id) = snapshot.volume_id else { continue };
                let adopted = policies.iter().map(|n| Entry::adopted(*n, volume_id, snapshot));
                entries.extend(adopted);
            }
            standing => bystanders.count(&standing),
        }
    }
    group(entries)
}

/// Groups `entries` by lineage, each in order.
fn group(entries: Vec<Entry<'_>>) -> BTreeMap<LineageKey, Vec<Entry<'_>>> {
    // Many small sorts are cheaper than a large one.
    let mut sizes: IdMap<LineageKey, usize> = IdMap::default();
    for entry in &entries {
        *sizes.entry(entry.key).or_default() += 1;
    }
    let empty = sizes.into_iter().map(|(key, size)| (key, Vec::with_capacity(size)));
    let mut lineages: IdMap<LineageKey, Vec<Entry<'_>>> = empty.collect();
    for entry in entries {
        lineages.entry(entry.key).or_default().push(entry);
    }
    for entries in lineages.values_mut() {
        entries.sort_unstable_by(Entry::order);
    }
    lineages.into_iter().collect()
}

/// How far a recovery point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointState {
    /// Everything it was asked for is completed.
    Complete,
    /// Something is missing, and nothing is on its way.
    Incomplete,
    /// Something is on its way.
    Pending,
}

/// What one slot made of one source.
#[derive(Debug, Clone)]
pub struct Point<'a> {
    /// The slot it fills; none for what was adopted.
    pub slot: Option<DateTime<Utc>>,
    /// When its data was frozen: the earliest StartTime of its members.
    pub time: DateTime<Utc>,
    /// How many snapshots it was asked for.
    pub wanted: u32,
    /// Its snapshots that did not fail, by start and id; at least one.
    pub snapshots: Vec<&'a Snapshot>,
    /// How far it is.
    pub state: PointState,
}

impl<'a> Point<'a> {
    fn new(entry: &Entry<'a>) -> Self {
        let Entry { slot, members, snapshot, .. } = *entry;
        let (time, state) = (snapshot.started_at, PointState::Pending);
        Self { slot, time, wanted: members, snapshots: vec![snapshot], state }
    }

    fn has_volume(&self, volume_id: Option<VolumeId>) -> bool {
        self.snapshots.iter().any(|snapshot| snapshot.volume_id == volume_id)
    }

    /// Returns how many of its snapshots are completed.
    pub fn n_completed(&self) -> usize {
        self.snapshots.iter().filter(|s| s.state == SnapshotState::Completed).count()
    }

    fn with_state(mut self) -> Self {
        let n_completed = self.n_completed();
        self.state = if n_completed < self.snapshots.len() {
            PointState::Pending
        } else if n_completed < self.wanted as usize {
            PointState::Incomplete
        } else {
            PointState::Complete
        };
        self
    }

    /// Returns the ids of its snapshots.
    pub fn ids(&self) -> impl Iterator<Item = SnapshotId> {
        self.snapshots.iter().map(|snapshot| snapshot.id)
    }

    /// Returns the instant by which it fills a slot.
    pub fn slot_or_time(&self) -> DateTime<Utc> {
        self.slot.unwrap_or(self.time)
    }

    fn age_order(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.ids().min().cmp(&other.ids().min()))
    }
}

/// Cuts `request`, in order of starts, where another call may have begun: EC2 begins no two
/// snapshots of one volume within [`SPACING`], and one call's all at once.
fn calls<'e, 'a>(mut request: &'e [Entry<'a>]) -> impl Iterator<Item = &'e [Entry<'a>]> {
    std::iter::from_fn(move || {
        let first = request.first()?.snapshot;
        let is_other = |n: &usize| {
            let snapshot = request[*n].snapshot;
            first.started_at + SPACING <= snapshot.started_at
                || request[..*n].iter().any(|e| e.snapshot.volume_id == snapshot.volume_id)
        };
        let n = (1..request.len()).find(is_other).unwrap_or(request.len());
        let (call, rest) = request.split_at(n);
        request = rest;
        Some(call)
    })
}

/// Returns true if one call made all that its point was asked for, and none of it failed.
fn is_whole(call: &[Entry<'_>]) -> bool {
    call.iter().all(|entry| !entry.is_failed() && entry.members as usize <= call.len())
}

/// Puts the snapshots of one lineage together to points, by time; failed ones stay single.
pub fn points<'a>(lineage: &[Entry<'a>]) -> (Vec<Point<'a>>, Vec<Entry<'a>>) {
    let mut points = Vec::with_capacity(lineage.len());
    let mut failed = Vec::new();
    for request in lineage.chunk_by(Entry::shares_request) {
        // A call that made a whole point is one, whatever is left of its twin.
        for call in calls(request).filter(|call| is_whole(call)) {
            let Some((first, others)) = call.split_first() else { continue };
            let mut point = Point::new(first);
            point.snapshots.extend(others.iter().map(|entry| entry.snapshot));
            points.push(point);
        }
        let first = points.len();
        for entry in calls(request).filter(|call| !is_whole(call)).flatten() {
            if entry.is_failed() {
                failed.push(*entry);
                continue;
            }
            // A second snapshot of a volume belongs to a twin of the point.
            let volume_id = entry.snapshot.volume_id;
            let with_room = |point: &&mut Point<'_>| !point.has_volume(volume_id);
            match points[first..].iter_mut().find(with_room) {
                Some(point) => point.snapshots.push(entry.snapshot),
                None => points.push(Point::new(entry)),
            }
        }
    }
    let mut points: Vec<Point<'a>> = points.into_iter().map(Point::with_state).collect();
    points.sort_by(Point::age_order);
    (points, failed)
}

/// Takes second points of one slot out of `points`; with each, the one that stays.
///
/// The earliest complete one of a slot stays, then the smallest id. Another is surplus only once
/// that one is complete and has all its volumes, and while it is pending itself it is left to
/// become what it becomes.
pub fn split_surplus<'a>(points: &mut Vec<Point<'a>>) -> Vec<(Point<'a>, Vec<SnapshotId>)> {
    let mut by_slot: Vec<usize> = (0..points.len()).filter(|n| points[*n].slot.is_some()).collect();
    by_slot.sort_by_key(|n| points[*n].slot);
    let mut stays_of = BTreeMap::new();
    for twins in by_slot.chunk_by(|a, b| points[*a].slot == points[*b].slot) {
        // The sort is stable: the earliest comes first.
        let is_complete = |n: &&usize| points[**n].state == PointState::Complete;
        let Some(stays) = twins.iter().find(is_complete) else { continue };
        for other in twins.iter().filter(|n| *n != stays) {
            // A volume that the one that stays lacks is no surplus.
            let is_covered =
                points[*other].snapshots.iter().all(|s| points[*stays].has_volume(s.volume_id));
            if points[*other].state != PointState::Pending && is_covered {
                stays_of.insert(*other, points[*stays].ids().collect::<Vec<_>>());
            }
        }
    }
    let mut surplus = Vec::new();
    for (n, stays) in stays_of.into_iter().rev() {
        surplus.push((points.remove(n), stays));
    }
    surplus.reverse();
    surplus
}
