//! Copies: which points are to have copies elsewhere, or encrypted ones here, and lack them.
//!
//! Only finds out what is missing and what that means for the originals; `copy_queue` decides which
//! calls are made now. A copy is missing only if a tier of its destination's retention would hold
//! it, so that nothing is copied only to be expired.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::config::{CopyRule, RegionalPolicy, Take, Tier, TierRule, Window};
use crate::domain::ids::RegionalId;
use crate::domain::inventory::Listing;
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::span::Span;
use crate::plan::attempts::ATTEMPTS_MAX;
use crate::plan::copy_since::OldestOwed;
use crate::plan::lineage::{Entry, Identity, LineageKey, LineageKind, Role};
use crate::plan::period::Local;
use crate::plan::point::{Member, Point, PointState};
use crate::plan::retention::{Candidate, Hold, Holds, Rules, judge};
use crate::plan::scene::{Scene, World};
use crate::plan::verdict::{JudgedLineage, Verdict};

/// What a point is owed before it may go.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    /// Destinations where a copy is missing or not finished.
    pub unfinished: BTreeSet<Region>,
    /// Destinations of which nobody knows, since they could not be read.
    pub unknown: BTreeSet<Region>,
    /// Everything that the finished copies in other regions consist of.
    pub complete: Vec<RegionalId>,
}

/// What the points of a region's lineages are owed.
pub type Debts = HashMap<(Region, LineageKey, Identity), Owed>;

/// What a rule asks of a lineage by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The newest point of which a copy must be complete: `copy_grace` is over.
    pub due: Option<DateTime<Utc>>,
    /// When `copy_grace` was over for the oldest point that lacks its complete copy, if it is.
    pub missed_since: Option<DateTime<Utc>>,
    /// When it is over for the oldest point of which nothing is asked yet.
    pub first_due: Option<DateTime<Utc>>,
}

/// What is asked of the lineages of each region, by destination.
pub type Demands = HashMap<(Region, LineageKey, Region), Asked>;

/// A copy that is missing.
#[derive(Debug, Clone, Copy)]
pub struct Missing<'p, 'a> {
    /// Where it belongs.
    pub to: Region,
    /// Where the original is.
    pub from: Region,
    /// The original's lineage.
    pub key: LineageKey,
    /// The rule for it; none if it is the encrypted form in the same region.
    pub rule: Option<&'p CopyRule>,
    /// What the policy says in the region of the original.
    pub policy: &'p RegionalPolicy,
    /// The original.
    pub point: &'p Point<'a>,
    /// Of the original, what is copied.
    pub parent: &'p Member<'a>,
}

/// The copies of a lineage at one destination: the point of each original, with its twins.
type Copies<'p, 'a> = BTreeMap<Identity, Vec<&'p Point<'a>>>;

/// What the copies of a plan are about.
#[derive(Debug, Default)]
pub struct Found<'p, 'a> {
    /// What is missing.
    pub missing: Vec<Missing<'p, 'a>>,
    /// What the originals are owed.
    pub debts: Debts,
    /// What is asked by now.
    pub demands: Demands,
    /// Points that nothing is copied of now because of what is on its way: it may fail.
    pub behind_others: HashSet<(Region, LineageKey, Identity)>,
    /// The oldest that lack their copies.
    pub oldest_owed: OldestOwed,
}

/// Finds the copies that are missing everywhere.
pub fn find<'p, 'a>(world: &'p World<'a>) -> Found<'p, 'a> {
    let mut found = Found::default();
    for scene in world.scenes.values() {
        for lineage in scene.lineages.iter().filter(|l| l.key.kind == LineageKind::Own) {
            let Some(policy) = scene.judge.policy(lineage.key.policy) else { continue };
            if policy.copies.is_empty() && policy.encrypt.is_none() {
                continue;
            }
            let pass = Pass { world, scene, policy, lineage };
            for rule in policy.copies.iter().filter(|rule| rule.to != scene.region) {
                pass.copies(rule, &mut found);
            }
            if policy.encrypt.is_some() && !has_gap(scene) {
                pass.encryption(&mut found);
            }
        }
    }
    found
}

/// Returns true if nobody knows what is in a region.
pub fn has_gap(scene: &Scene<'_>) -> bool {
    scene.observed.has_gap(Listing::Snapshots) || scene.observed.has_gap(Listing::Images)
}

/// What points that are not complete yet stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// They will most likely be complete, so nothing is copied only to be expired then.
    Counts,
    /// They may fail.
    Ignored,
}

/// One lineage whose copies are looked for.
#[derive(Clone, Copy)]
struct Pass<'p, 'a> {
    world: &'p World<'a>,
    scene: &'p Scene<'a>,
    policy: &'p RegionalPolicy,
    lineage: &'p JudgedLineage<'a>,
}

impl<'p, 'a> Pass<'p, 'a> {
    /// Every unencrypted member of a complete point that stays is to have an encrypted form, and so
    /// is one that is still to be copied elsewhere.
    fn encryption(self, found: &mut Found<'p, 'a>) {
        let region = self.scene.region;
        for (point, verdict) in self.points() {
            let owed = found.debts.get(&(region, self.lineage.key, point.identity));
            let is_owed = owed.is_some_and(|owed| !owed.unfinished.is_empty());
            let stays = matches!(verdict, Verdict::Keep(..)) || is_owed;
            if point.state != PointState::Complete || !stays {
                continue;
            }
            for parent in point.members.iter().filter(|m| !m.thing.is_encrypted()) {
                if point.form_of(parent).is_none() {
                    found.missing.push(self.missing(region, None, point, parent));
                }
            }
        }
    }

    fn copies(self, rule: &'p CopyRule, found: &mut Found<'p, 'a>) {
        let destination = self.world.scenes.get(&rule.to).filter(|scene| !has_gap(scene));
        let key = copies_key(self.lineage.key, self.scene.region);
        let there = destination.and_then(|scene| scene.lineage(key));
        // A second runner may have begun another of the same, for some of its volumes or for all.
        let mut copies: Copies<'p, 'a> = BTreeMap::new();
        for (point, _) in there.into_iter().flat_map(JudgedLineage::standing) {
            copies.entry(point.identity).or_default().push(point);
        }
        let mut given_up = given_up(self.scene.region, Role::Copy, there);
        if self.policy.encrypt.is_some() {
            // Copies are made of the encrypted form.
            let forms = Some(self.lineage);
            given_up.extend(self::given_up(self.scene.region, Role::Encrypted, forms));
        }
        let mut wanted = self.wanted(rule, destination, there, &copies, &given_up, Pending::Counts);
        let mut demand = self.asked(&wanted);
        let mut oldest_unfinished = None;
        let mut asked = BTreeSet::new();
        let to_copy: BTreeSet<Identity> = wanted.iter().map(|point| point.identity).collect();
        // What is on its way may fail: until then nothing goes that would have been copied without.
        let owed = self.wanted(rule, destination, there, &copies, &given_up, Pending::Ignored);
        wanted.extend(owed.into_iter().filter(|point| !to_copy.contains(&point.identity)));
        wanted.sort_by_key(|point| (point.time, point.identity));
        let mut all =
            self.points().map(|(point, _)| point).chain(copies.values().flatten().copied());
        let is_any_pending = all.any(|point| point.state == PointState::Pending);
        for point in wanted {
            let place = (self.scene.region, self.lineage.key, point.identity);
            let owed = found.debts.entry(place).or_default();
            let Some(destination) = destination else {
                owed.unknown.insert(rule.to);
                continue;
            };
            let twins = copies.get(&point.identity).map_or(&[][..], Vec::as_slice);
            let lacks = |m: &&Member<'a>| !twins.iter().any(|copy| copy.has_volume(m.volume_id));
            let is_whole = |copy: &&&Point<'a>| {
                copy.state == PointState::Complete
                    && point.representatives().all(|member| copy.has_volume(member.volume_id))
            };
            if let Some(copy) = twins.iter().find(is_whole) {
                let region = destination.region;
                owed.complete.extend(copy.standing_ids().map(|id| RegionalId { region, id }));
                continue;
            }
            owed.unfinished.insert(rule.to);
            let is_open = !given_up.contains(&point.identity);
            let is_to_copy = to_copy.contains(&point.identity);
            if is_open && (is_to_copy || is_any_pending) {
                let way = (self.lineage.key.policy, self.scene.region, rule.to);
                let oldest = found.oldest_owed.entry(way).or_insert(point.time);
                *oldest = point.time.min(*oldest);
            }
            if !is_to_copy {
                if is_any_pending {
                    found.behind_others.insert(place);
                }
                continue;
            }
            oldest_unfinished = oldest_unfinished.or(Some(point.time));
            // Nothing is judged by a listing that is cut off.
            if has_gap(self.scene) {
                continue;
            }
            // The rest of a point that will never be complete would be copied only to be expired.
            let lacking = point.representatives().filter(lacks);
            let lacking = lacking.map(|m| self.missing(rule.to, Some(rule), point, m));
            let of_use = lacking.filter(|m| is_open || m.failed(there).next().is_some());
            // Twins may share a volume; one copy of it stands for both.
            let is_first = |m: &Missing<'p, 'a>| asked.insert((point.identity, m.parent.volume_id));
            found.missing.extend(of_use.filter(is_first));
        }
        if let Some(destination) = destination {
            demand.missed_since =
                oldest_unfinished.and_then(|time| self.copy_grace_over(time).ok());
            let way = (self.scene.region, self.lineage.key, destination.region);
            found.demands.insert(way, demand);
        }
    }

    /// Returns what is asked by now, where the rule wants copies of `wanted`, in order of time; not
    /// what of it is missed.
    fn asked(self, wanted: &[&'p Point<'a>]) -> Asked {
        let mut asked = Asked::default();
        // A slot in the future is a clock's mistake, and its point protects nothing.
        let is_past = |point: &&&Point<'_>| point.slot_or_time() <= self.world.request.now;
        for point in wanted.iter().rev().filter(is_past) {
            match self.copy_grace_over(point.time) {
                Ok(_) => {
                    asked.due = Some(point.time);
                    break;
                }
                Err(end) => asked.first_due = Some(end),
            }
        }
        asked
    }

    /// Returns when `copy_grace` was over for a point of `time`; as an error when it will be.
    fn copy_grace_over(self, time: DateTime<Utc>) -> Result<DateTime<Utc>, DateTime<Utc>> {
        let end = self.policy.copy_grace.end(time, self.policy.timezone);
        if end <= self.world.request.now { Ok(end) } else { Err(end) }
    }

    /// Returns the complete points of which the rule wants a copy.
    fn wanted(
        self,
        rule: &CopyRule,
        destination: Option<&Scene<'a>>,
        there: Option<&JudgedLineage<'a>>,
        copies: &Copies<'p, 'a>,
        given_up: &BTreeSet<Identity>,
        pending: Pending,
    ) -> Vec<&'p Point<'a>> {
        let originals = self.of_tier(rule);
        if destination.is_none() {
            return self.held_alone(rule, originals);
        }
        let mut wanted = self.held(rule, &originals, copies, pending);
        // Where a copy was tried in vain for the last time, another point of its period gets one.
        if !given_up.is_empty() {
            let is_open = |point: &&&Point<'a>| !given_up.contains(&point.identity);
            let others: Vec<&Point<'a>> = originals.iter().filter(is_open).copied().collect();
            wanted.extend(self.held(rule, &others, copies, pending));
            wanted.sort_by_key(|point| (point.time, point.identity));
            wanted.dedup_by_key(|point| point.identity);
        }
        wanted.retain(|point| point.state == PointState::Complete);
        if let Some(destination) = destination.filter(|_| !rule.existing) {
            let way = (self.lineage.key.policy, self.scene.region, destination.region);
            let first = self.world.first_copies.get(&way).copied();
            let newest = wanted.last().filter(|_| there.is_none()).map(|point| point.identity);
            wanted.retain(|point| {
                first.is_some_and(|first| first <= point.time) || Some(point.identity) == newest
            });
        }
        wanted
    }

    /// Returns those of `originals` that the destination's tiers could hold, whatever is there: of a
    /// destination that could not be read nobody knows which other copies stand for a period, which
    /// were tried in vain, and which was the first.
    fn held_alone(self, rule: &CopyRule, mut originals: Vec<&'p Point<'a>>) -> Vec<&'p Point<'a>> {
        let rules = Rules {
            retention: &rule.retention,
            zone: self.policy.timezone,
            now: self.world.request.now,
            keep_last_holds: false,
            is_settled_only: false,
        };
        originals.retain(|point| {
            let alone = judge(rules, &[Candidate { time: point.time, is_complete: true }]);
            let is_held = alone.iter().any(|judgement| !judgement.holds.is_empty());
            point.state == PointState::Complete && is_held
        });
        originals
    }

    /// Returns those of `originals` that the destination's tiers would hold among all that is there.
    fn held(
        self,
        rule: &CopyRule,
        originals: &[&'p Point<'a>],
        copies: &Copies<'p, 'a>,
        pending: Pending,
    ) -> Vec<&'p Point<'a>> {
        let counts = |state: PointState| match pending {
            Pending::Counts => state != PointState::Incomplete,
            Pending::Ignored => state == PointState::Complete,
        };
        let known: BTreeSet<Identity> = originals.iter().map(|point| point.identity).collect();
        let others = copies.iter().filter(|(identity, _)| !known.contains(*identity));
        // What is on its way will most likely be complete, and then stand for its period; a copy
        // that lacks something whose original is gone never will.
        let mut candidates: Vec<(Candidate, Option<&'p Point<'a>>)> = originals
            .iter()
            .filter(|point| counts(point.state))
            .map(|point| (Candidate { time: point.time, is_complete: true }, Some(*point)))
            .collect();
        candidates.extend(others.map(|(_, twins)| {
            let is_complete = twins.iter().any(|copy| counts(copy.state));
            (Candidate { time: twins[0].time, is_complete }, None)
        }));
        candidates.sort_by_key(|(c, point)| (c.time, point.map(|point| point.identity)));
        let rules = Rules {
            retention: &rule.retention,
            zone: self.policy.timezone,
            now: self.world.request.now,
            keep_last_holds: false,
            is_settled_only: true,
        };
        let judged: Vec<Candidate> = candidates.iter().map(|(candidate, _)| *candidate).collect();
        let is_held = |holds: Holds, time| {
            let mut tiers =
                rule.retention.tiers.iter().filter(|t| holds.contains(Hold::Tier(t.tier)));
            holds.contains(Hold::Forever)
                || tiers.any(|tier| pending == Pending::Ignored || !self.is_second(tier, time))
        };
        let held = candidates.into_iter().zip(judge(rules, &judged));
        let held = held.filter(|((candidate, _), j)| is_held(j.holds, candidate.time));
        held.filter_map(|((_, point), _)| point).collect()
    }

    /// Returns true if a tier may hold a point only because the first one of its period has expired
    /// there: then it was there all the time, and is nothing to be copied for what is left of a
    /// period. It stays owed, so nothing goes that the tier would hold.
    ///
    /// Never where the tier reaches less than two periods back: there a point that is the first may
    /// have no more than that left when it is complete.
    fn is_second(self, rule: &TierRule, time: DateTime<Utc>) -> bool {
        let Window::For(span) = rule.window else { return false };
        if rule.take == Take::Last {
            return false;
        }
        let two_periods = match rule.tier {
            Tier::Every => return false,
            Tier::Hourly => Span::hours(2),
            Tier::Daily => Span::days(2),
            Tier::Weekly => Span::days(14),
            Tier::Monthly => Span::days(62),
            Tier::Yearly => Span::days(732),
        };
        let begun_at = Local::new(time, self.policy.timezone).begin_of(rule.tier);
        let end = begun_at.end_of(span);
        begun_at.end_of(two_periods) <= end && end <= self.world.request.now
    }

    /// Returns the points that the rule is about: all, or those that its tier holds.
    fn of_tier(self, rule: &CopyRule) -> Vec<&'p Point<'a>> {
        let points = self.points().map(|(point, _)| point);
        let mut points: Vec<&Point<'a>> =
            points.filter(|point| point.state != PointState::Incomplete).collect();
        let Some(only) = rule.only else { return points };
        let mut retention = self.policy.retention.clone();
        retention.tiers.retain(|tier| tier.tier == only);
        // What the tier has once taken is still owed its copy after the tier has let it go.
        for tier in &mut retention.tiers {
            tier.window = Window::For(Span::days(36_500));
        }
        let rules = Rules {
            retention: &retention,
            zone: self.policy.timezone,
            now: self.world.request.now,
            keep_last_holds: false,
            is_settled_only: true,
        };
        let candidates: Vec<Candidate> =
            points.iter().map(|p| Candidate { time: p.time, is_complete: true }).collect();
        let held = judge(rules, &candidates);
        let mut held = held.iter().map(|judgement| judgement.holds.contains(Hold::Tier(only)));
        points.retain(|_| held.next().unwrap_or(false));
        points
    }

    /// Returns the lineage's points that can have copies: no surplus, and of images made elsewhere
    /// only those that are selected.
    fn points(self) -> impl Iterator<Item = (&'p Point<'a>, &'p Verdict)> {
        let select = &self.policy.select;
        let is_family = matches!(self.lineage.key.source, Source::Family(_));
        let is_source = move |member: &Member<'_>| match member.thing.image() {
            Some(image) if is_family && member.role != Role::Encrypted => {
                select.matches_image(image)
            }
            Some(_) | None => true,
        };
        let now = self.world.request.now;
        self.lineage
            .standing()
            .filter(move |(point, _)| point.time <= now && point.members.iter().all(is_source))
    }

    fn missing(
        self,
        to: Region,
        rule: Option<&'p CopyRule>,
        point: &'p Point<'a>,
        parent: &'p Member<'a>,
    ) -> Missing<'p, 'a> {
        let (from, key, policy) = (self.scene.region, self.lineage.key, self.policy);
        Missing { to, from, key, rule, policy, point, parent }
    }
}

impl<'a> Missing<'_, 'a> {
    /// Returns the lineage that the copy belongs to.
    pub fn lineage_key(&self) -> LineageKey {
        match self.rule {
            Some(_) => copies_key(self.key, self.from),
            None => self.key,
        }
    }

    /// Returns the attempts at this very copy that failed.
    pub fn failed<'l>(
        &self,
        lineage: Option<&'l JudgedLineage<'a>>,
    ) -> impl Iterator<Item = &'l Entry<'a>> + use<'l, 'a> {
        let (identity, volume_id) = (self.point.identity, self.parent.volume_id);
        let role = if self.rule.is_some() { Role::Copy } else { Role::Encrypted };
        let to = self.to;
        let failed = lineage.into_iter().flat_map(|lineage| &lineage.failed).map(|(e, _)| e);
        failed.filter(move |entry| {
            entry.role == role && entry.volume_id == volume_id && entry.identity(to) == identity
        })
    }
}

/// Returns the points of which every attempt at a copy has failed.
fn given_up(from: Region, role: Role, there: Option<&JudgedLineage<'_>>) -> BTreeSet<Identity> {
    let failed = there.into_iter().flat_map(|lineage| &lineage.failed).map(|(entry, _)| entry);
    let last = failed.filter(|entry| ATTEMPTS_MAX <= entry.attempt && entry.role == role);
    last.map(|entry| entry.identity(from)).collect()
}

/// Returns the lineage of the copies of a lineage in `from`.
pub fn copies_key(key: LineageKey, from: Region) -> LineageKey {
    LineageKey { kind: LineageKind::Copies, from: Some(from), ..key }
}
