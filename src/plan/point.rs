//! Recovery points, put together from the entries of one lineage.
//!
//! No verdicts here: only what one slot made, how complete it is, and which points are twins.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::id_map::IdMap;
use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::region::Region;
use crate::plan::create::SPACING;
use crate::plan::lineage::{Entry, Identity, Role, Thing, origin_of};
use crate::plan::model::ResourceState;

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

/// One snapshot or image of a point.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    id: ResourceId,
    state: ResourceState,
    /// The snapshot or image.
    pub thing: Thing<'a>,
    /// The volume whose data it is; none for an image.
    pub volume_id: Option<VolumeId>,
    /// What it is within its lineage.
    pub role: Role,
}

/// What one slot made of one source.
#[derive(Debug, Clone)]
pub struct Point<'a> {
    /// What tells it from the others of its lineage.
    pub identity: Identity,
    /// When its data was frozen: for a set the earliest of its members, for a copy the time of the
    /// original.
    pub time: DateTime<Utc>,
    /// How many snapshots it was asked for; an image is one.
    pub wanted: u32,
    /// What it is made of and did not fail, by start and id. Most points are of one thing, which
    /// then needs no memory of its own.
    first: Member<'a>,
    others: Vec<Member<'a>>,
    /// Encrypted copies of members, in the same region.
    pub forms: Vec<Member<'a>>,
    /// How far its members are.
    pub state: PointState,
}

impl<'a> Member<'a> {
    /// Makes a member of `thing`.
    pub fn new(thing: Thing<'a>, volume_id: Option<VolumeId>, role: Role) -> Self {
        Self { id: thing.id(), state: thing.state(), thing, volume_id, role }
    }

    /// Returns its id.
    pub fn id(&self) -> ResourceId {
        self.id
    }

    /// Returns its state.
    pub fn state(&self) -> ResourceState {
        self.state
    }

    /// Returns true if it is completed, or available.
    pub fn is_complete(&self) -> bool {
        self.state.is_complete()
    }

    /// Returns true if it is on its way.
    pub fn is_under_way(&self) -> bool {
        self.state.is_under_way()
    }
}

impl<'a> From<&Entry<'a>> for Member<'a> {
    fn from(entry: &Entry<'a>) -> Self {
        let Entry { id, state, thing, volume_id, role, .. } = *entry;
        Self { id, state, thing, volume_id, role }
    }
}

impl<'a> Point<'a> {
    fn new(region: Region, entry: &Entry<'a>) -> Self {
        Self::of(region, entry, &[])
    }

    /// Makes a point of what one call made: `first` and `others`.
    fn of(region: Region, first: &Entry<'a>, others: &[Entry<'a>]) -> Self {
        let all = || std::iter::once(first).chain(others);
        Self {
            identity: first.identity(region),
            time: all().map(|entry| entry.time).fold(first.time, DateTime::min),
            wanted: first.members,
            first: first.into(),
            others: others.iter().map(Member::from).collect(),
            forms: Vec::new(),
            state: PointState::Pending,
        }
    }

    fn add(&mut self, entry: &Entry<'a>) {
        self.time = self.time.min(entry.time);
        self.others.push(entry.into());
    }

    /// Returns what it is made of and did not fail, by start and id; at least one.
    pub fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the first of its members.
    pub fn first(&self) -> &Member<'a> {
        &self.first
    }

    /// Returns how many members it has.
    pub fn n_members(&self) -> usize {
        1 + self.others.len()
    }

    /// Returns the slot that it fills.
    pub fn slot(&self) -> Option<DateTime<Utc>> {
        match self.identity {
            Identity::Slot(slot) => Some(slot),
            Identity::Origin(_) => None,
        }
    }

    /// Returns true if it has a member of `volume_id`.
    pub fn has_volume(&self, volume_id: Option<VolumeId>) -> bool {
        self.members().any(|member| member.volume_id == volume_id)
    }

    /// Returns how many of its members are completed.
    pub fn n_completed(&self) -> usize {
        self.members().filter(|member| member.is_complete()).count()
    }

    /// Tells how far its members are, once all are there.
    fn set_state(&mut self) {
        self.state = if self.members().any(Member::is_under_way) {
            PointState::Pending
        } else if self.n_completed() < self.wanted as usize {
            PointState::Incomplete
        } else {
            PointState::Complete
        };
    }

    /// Returns everything of it: members, then their encrypted forms.
    pub fn all(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members().chain(&self.forms)
    }

    /// Returns the ids of everything of it.
    pub fn ids(&self) -> impl Iterator<Item = ResourceId> {
        self.all().map(Member::id)
    }

    /// Returns the encrypted form of a member, completed if there is one that is.
    pub fn form_of(&self, member: &Member<'_>) -> Option<&Member<'a>> {
        let forms = || self.forms.iter().filter(|form| form.volume_id == member.volume_id);
        forms().find(|form| form.is_complete()).or_else(|| forms().next())
    }

    /// Returns what stands for each member: its encrypted form once that is complete.
    pub fn representatives(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members()
            .map(|member| self.form_of(member).filter(|form| form.is_complete()).unwrap_or(member))
    }

    /// Returns the ids of what stands for its members.
    pub fn standing_ids(&self) -> impl Iterator<Item = ResourceId> {
        self.representatives().map(Member::id)
    }

    /// Returns the instant by which it fills a slot.
    pub fn slot_or_time(&self) -> DateTime<Utc> {
        self.slot().unwrap_or(self.time)
    }

    fn age_order(&self, other: &Self) -> Ordering {
        let first = |point: &Self| point.members().map(Member::id).min();
        self.time.cmp(&other.time).then_with(|| first(self).cmp(&first(other)))
    }
}

/// Cuts `request`, in order of starts, where another call may have begun: EC2 begins no two
/// snapshots of one volume within [`SPACING`], and one call's all at once.
fn calls<'e, 'a>(mut request: &'e [Entry<'a>]) -> impl Iterator<Item = &'e [Entry<'a>]> {
    std::iter::from_fn(move || {
        let first = request.first()?;
        let is_other = |n: &usize| {
            let entry = &request[*n];
            first.started_at + SPACING <= entry.started_at
                || request[..*n].iter().any(|e| e.volume_id == entry.volume_id)
        };
        let n = (1..request.len()).find(is_other).unwrap_or(request.len());
        let (call, rest) = request.split_at(n);
        request = rest;
        Some(call)
    })
}

/// Returns true if one call made all that its point was asked for, and none of it failed. Copies
/// are made one by one.
fn is_whole(call: &[Entry<'_>]) -> bool {
    call.iter().all(|entry| {
        !entry.is_failed() && entry.members as usize <= call.len() && entry.role != Role::Copy
    })
}

/// What the entries of one lineage are put together to.
#[derive(Debug, Default)]
pub struct Points<'a> {
    /// The points, by time.
    pub points: Vec<Point<'a>>,
    /// What failed, each by itself.
    pub failed: Vec<Entry<'a>>,
    /// Second encrypted forms of one thing, each with the first, which is complete.
    pub spare_forms: Vec<(Point<'a>, Vec<ResourceId>)>,
}

/// Puts the entries of one lineage in `region` together.
pub fn points<'a>(region: Region, lineage: &[Entry<'a>]) -> Points<'a> {
    let mut all = Points::default();
    all.points.reserve(lineage.len());
    let mut forms = Vec::new();
    let mut originals = Vec::new();
    for request in lineage.chunk_by(Entry::shares_request) {
        if request.iter().all(|entry| entry.role != Role::Encrypted) {
            gather(region, request, &mut all);
            continue;
        }
        originals.clear();
        let is_form = |entry: &&Entry<'_>| entry.role == Role::Encrypted;
        originals.extend(request.iter().filter(|entry| !is_form(entry)));
        forms.extend(request.iter().filter(is_form));
        gather(region, &originals, &mut all);
    }
    if !forms.is_empty() {
        attach_forms(region, &forms, &mut all);
    }
    all.points.iter_mut().for_each(Point::set_state);
    all.points.sort_unstable_by(Point::age_order);
    all
}

/// Puts what one request made together; it may have been made twice, or by several calls.
fn gather<'a>(region: Region, request: &[Entry<'a>], all: &mut Points<'a>) {
    let mut rest: Vec<&Entry<'a>> = Vec::new();
    for call in calls(request) {
        match call {
            // A call that made a whole point is one, whatever is left of its twin.
            [first, others @ ..] if is_whole(call) => {
                all.points.push(Point::of(region, first, others));
            }
            _ => rest.extend(call),
        }
    }
    let first = all.points.len();
    for entry in rest {
        if entry.is_failed() {
            all.failed.push(*entry);
            continue;
        }
        // A second snapshot of a volume belongs to a twin of the point.
        let with_room = |point: &&mut Point<'_>| !point.has_volume(entry.volume_id);
        match all.points[first..].iter_mut().find(with_room) {
            Some(point) => point.add(entry),
            None => all.points.push(Point::new(region, entry)),
        }
    }
}

/// Adds encrypted forms to the points of their originals; where the original is gone, the form is
/// a member itself.
fn attach_forms<'a>(region: Region, forms: &[Entry<'a>], all: &mut Points<'a>) {
    let members = all.points.iter().enumerate();
    let members = members.flat_map(|(n, point)| point.members().map(move |m| (m.id(), n)));
    let point_of: IdMap<ResourceId, usize> = members.collect();
    for form in forms {
        if form.is_failed() {
            all.failed.push(*form);
            continue;
        }
        let origin = origin_of(form.thing).filter(|origin| origin.region == region);
        if let Some(n) = origin.and_then(|origin| point_of.get(&origin.id)) {
            attach(region, form, *n, all);
            continue;
        }
        let identity = form.identity(region);
        let with_room = |point: &&mut Point<'_>| {
            point.identity == identity && !point.has_volume(form.volume_id)
        };
        match all.points.iter_mut().find(with_room) {
            Some(point) => point.add(form),
            None => all.points.push(Point::new(region, form)),
        }
    }
}

fn attach<'a>(region: Region, form: &Entry<'a>, n: usize, all: &mut Points<'a>) {
    let member = Member::from(form);
    let first = all.points[n].form_of(&member).filter(|form| form.is_complete()).map(Member::id);
    match first {
        // A pending one is left to become what it becomes.
        Some(first) if member.is_complete() => {
            let mut spare = Point::new(region, form);
            spare.set_state();
            all.spare_forms.push((spare, vec![first]));
        }
        Some(_) | None => all.points[n].forms.push(member),
    }
}

/// Takes second points of one identity out of `points`; with each, what stands for the one that
/// stays.
///
/// Of the complete ones of a slot stays one that is encrypted already, then the earliest, then the
/// smallest id. Another is surplus only once that one is complete and has all its volumes, and while
/// it is pending itself it is left to become what it becomes.
pub fn split_surplus<'a>(points: &mut Vec<Point<'a>>) -> Vec<(Point<'a>, Vec<ResourceId>)> {
    // In nearly every lineage one slot comes after the other, each once.
    if points.is_sorted_by(|a, b| a.identity < b.identity) {
        return Vec::new();
    }
    let mut by_slot: Vec<usize> = (0..points.len()).collect();
    by_slot.sort_by_key(|n| points[*n].identity);
    let mut stays_of = BTreeMap::new();
    for twins in by_slot.chunk_by(|a, b| points[*a].identity == points[*b].identity) {
        if twins.len() < 2 {
            continue;
        }
        let is_complete = |n: &&usize| points[**n].state == PointState::Complete;
        // Of copies, those begun first; all have the time of their original.
        let begun_at = |n: &usize| points[*n].members().map(|m| m.thing.started_at()).min();
        // What has its encrypted forms would have to be encrypted again.
        let is_plain =
            |n: &usize| !points[*n].representatives().all(|member| member.thing.is_encrypted());
        let complete = twins.iter().filter(is_complete);
        let order = |n: &&usize| (is_plain(n), points[**n].time, begun_at(n), **n);
        let Some(stays) = complete.min_by_key(order) else {
            continue;
        };
        for other in twins.iter().filter(|n| *n != stays) {
            // A volume that the one that stays lacks is no surplus.
            let is_covered =
                points[*other].members().all(|m| points[*stays].has_volume(m.volume_id));
            if points[*other].state != PointState::Pending && is_covered {
                stays_of.insert(*other, points[*stays].standing_ids().collect::<Vec<_>>());
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
