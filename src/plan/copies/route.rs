//! One rule for the copies of one lineage: which points its destination wants, and what it has.
//!
//! Judges with the destination's retention and decides nothing: what is wanted may have to wait.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::config::{CopyRule, Retention, Take, Tier, TierRule, Window};
use crate::domain::region::Region;
use crate::domain::span::Span;
use crate::plan::attempts::ATTEMPTS_MAX;
use crate::plan::copies::{Found, Missing, Pass, copies_key, has_gap};
use crate::plan::lineage::{Identity, Role};
use crate::plan::period::Local;
use crate::plan::point::{Point, PointState};
use crate::plan::retention::{Candidate, Hold, Holds, Rules, judge};
use crate::plan::scene::Scene;
use crate::plan::verdict::JudgedLineage;

/// What points that are not complete yet stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// They will most likely be complete, so nothing is copied only to be expired then.
    Counts,
    /// They may fail.
    Ignored,
}

/// One rule for the copies of one lineage, with what is at its end.
pub(super) struct Route<'p, 'a> {
    pass: Pass<'p, 'a>,
    pub(super) rule: &'p CopyRule,
    /// Where copies go; none if it could not be read.
    pub(super) destination: Option<&'p Scene<'a>>,
    there: Option<&'p JudgedLineage<'a>>,
    /// The copies of each original: a second runner may have begun another of the same, for some of
    /// its volumes or for all.
    copies: BTreeMap<Identity, Vec<&'p Point<'a>>>,
    /// Of what a copy was tried in vain for the last time.
    given_up: BTreeSet<Identity>,
}

impl<'p, 'a> Route<'p, 'a> {
    pub(super) fn new(pass: Pass<'p, 'a>, rule: &'p CopyRule) -> Self {
        let from = pass.scene.region;
        let destination = pass.world.scenes.get(&rule.to).filter(|scene| !has_gap(scene));
        let key = copies_key(pass.lineage.key, from);
        let there = destination.and_then(|scene| scene.lineage(key));
        let mut copies: BTreeMap<Identity, Vec<&'p Point<'a>>> = BTreeMap::new();
        for (point, _) in there.into_iter().flat_map(JudgedLineage::standing) {
            copies.entry(point.identity).or_default().push(point);
        }
        let mut given_up = given_up(from, Role::Copy, there);
        if pass.policy.encrypt.is_some() {
            // Copies are made of the encrypted form.
            given_up.extend(self::given_up(from, Role::Encrypted, Some(pass.lineage)));
        }
        Self { pass, rule, destination, there, copies, given_up }
    }

    fn twins(&self, point: &Point<'a>) -> &[&'p Point<'a>] {
        self.copies.get(&point.identity).map_or(&[], Vec::as_slice)
    }

    /// Returns the complete copy of all of a point.
    pub(super) fn whole_copy(&self, point: &Point<'a>) -> Option<&'p Point<'a>> {
        let is_whole = |copy: &&&'p Point<'a>| {
            copy.state == PointState::Complete
                && point.representatives().all(|member| copy.has_volume(member.volume_id))
        };
        self.twins(point).iter().find(is_whole).copied()
    }

    /// Returns what a point's copy lacks.
    ///
    /// The rest of a point that will never be complete would be copied only to be expired.
    pub(super) fn missing(&self, point: &'p Point<'a>) -> Vec<Missing<'p, 'a>> {
        let is_open = !self.given_up.contains(&point.identity);
        let has = |volume_id| self.twins(point).iter().any(|copy| copy.has_volume(volume_id));
        let lacking = point.representatives().filter(|member| !has(member.volume_id));
        let missing = lacking.map(|m| self.pass.missing(self.rule.to, Some(self.rule), point, m));
        missing.filter(|m| is_open || m.failed(self.there).next().is_some()).collect()
    }

    /// Notes that a point is still owed its copy, unless that was tried in vain.
    pub(super) fn note_oldest(&self, point: &Point<'a>, found: &mut Found<'p, 'a>) {
        if !self.given_up.contains(&point.identity) {
            let way = (self.pass.lineage.key.policy, self.pass.scene.region, self.rule.to);
            let oldest = found.oldest_owed.entry(way).or_insert(point.time);
            *oldest = point.time.min(*oldest);
        }
    }

    /// Returns the complete points of which the rule wants a copy.
    pub(super) fn wanted(&self, pending: Pending) -> Vec<&'p Point<'a>> {
        let originals = self.of_tier();
        let Some(destination) = self.destination else { return self.held_alone(originals) };
        let mut wanted = self.held(&originals, pending);
        // Where a copy was tried in vain for the last time, another point of its period gets one.
        if !self.given_up.is_empty() {
            let is_open = |point: &&&Point<'a>| !self.given_up.contains(&point.identity);
            let others: Vec<&Point<'a>> = originals.iter().filter(is_open).copied().collect();
            wanted.extend(self.held(&others, pending));
            wanted.sort_by_key(|point| (point.time, point.identity));
            wanted.dedup_by_key(|point| point.identity);
        }
        wanted.retain(|point| point.state == PointState::Complete);
        if !self.rule.existing {
            let way = (self.pass.lineage.key.policy, self.pass.scene.region, destination.region);
            let first = self.pass.world.first_copies.get(&way).copied();
            let newest = wanted.last().filter(|_| self.there.is_none()).map(|p| p.identity);
            wanted.retain(|point| {
                first.is_some_and(|first| first <= point.time) || Some(point.identity) == newest
            });
        }
        wanted
    }

    /// Returns those of `originals` that the destination's tiers could hold, whatever is there: of a
    /// destination that could not be read nobody knows which other copies stand for a period, which
    /// were tried in vain, and which was the first.
    fn held_alone(&self, mut originals: Vec<&'p Point<'a>>) -> Vec<&'p Point<'a>> {
        let rules = self.rules(&self.rule.retention, false);
        originals.retain(|point| {
            let alone = judge(rules, &[Candidate { time: point.time, is_complete: true }]);
            let is_held = alone.iter().any(|judgement| !judgement.holds.is_empty());
            point.state == PointState::Complete && is_held
        });
        originals
    }

    /// Returns those of `originals` that the destination's tiers would hold among all that is there.
    fn held(&self, originals: &[&'p Point<'a>], pending: Pending) -> Vec<&'p Point<'a>> {
        let counts = |state: PointState| match pending {
            Pending::Counts => state != PointState::Incomplete,
            Pending::Ignored => state == PointState::Complete,
        };
        let known: BTreeSet<Identity> = originals.iter().map(|point| point.identity).collect();
        let others = self.copies.iter().filter(|(identity, _)| !known.contains(*identity));
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
        let rules = self.rules(&self.rule.retention, true);
        let judged: Vec<Candidate> = candidates.iter().map(|(candidate, _)| *candidate).collect();
        let is_held = |holds: Holds, time| {
            let tiers = self.rule.retention.tiers.iter();
            let mut tiers = tiers.filter(|tier| holds.contains(Hold::Tier(tier.tier)));
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
    fn is_second(&self, rule: &TierRule, time: DateTime<Utc>) -> bool {
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
        let begun_at = Local::new(time, self.pass.policy.timezone).begin_of(rule.tier);
        let end = begun_at.end_of(span);
        begun_at.end_of(two_periods) <= end && end <= self.pass.world.request.now
    }

    fn rules<'r>(&self, retention: &'r Retention, is_settled_only: bool) -> Rules<'r> {
        Rules {
            retention,
            zone: self.pass.policy.timezone,
            now: self.pass.world.request.now,
            keep_last_holds: false,
            is_settled_only,
        }
    }

    /// Returns the points that the rule is about: all, or those that its tier holds.
    fn of_tier(&self) -> Vec<&'p Point<'a>> {
        let points = self.pass.points().map(|(point, _)| point);
        let mut points: Vec<&Point<'a>> =
            points.filter(|point| point.state != PointState::Incomplete).collect();
        let Some(only) = self.rule.only else { return points };
        let mut retention = self.pass.policy.retention.clone();
        retention.tiers.retain(|tier| tier.tier == only);
        // What the tier has once taken is still owed its copy after the tier has let it go.
        for tier in &mut retention.tiers {
            tier.window = Window::For(Span::days(36_500));
        }
        let rules = self.rules(&retention, true);
        let candidates: Vec<Candidate> =
            points.iter().map(|p| Candidate { time: p.time, is_complete: true }).collect();
        let held = judge(rules, &candidates);
        let mut held = held.iter().map(|judgement| judgement.holds.contains(Hold::Tier(only)));
        points.retain(|_| held.next().unwrap_or(false));
        points
    }
}

/// Returns the points of which every attempt at a copy has failed.
fn given_up(from: Region, role: Role, there: Option<&JudgedLineage<'_>>) -> BTreeSet<Identity> {
    let failed = there.into_iter().flat_map(|lineage| &lineage.failed).map(|(entry, _)| entry);
    let last = failed.filter(|entry| ATTEMPTS_MAX <= entry.attempt && entry.role == role);
    last.map(|entry| entry.identity(from)).collect()
}
