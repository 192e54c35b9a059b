//! Copies: which points are to have copies elsewhere, or encrypted ones here, and lack them.
//!
//! Only finds out what is missing and what that means for the originals; `copy_queue` decides which
//! calls are made now. A copy is missing only if a tier of its destination's retention would hold
//! it, so that nothing is copied only to be expired.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::config::{CopyRule, RegionalPolicy};
use crate::domain::ids::RegionalId;
use crate::domain::inventory::Listing;
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::copies::route::{Pending, Route};
use crate::plan::copy_since::OldestOwed;
use crate::plan::lineage::{Entry, Identity, LineageKey, LineageKind, Role};
use crate::plan::point::{Member, Point, PointState};
use crate::plan::scene::{Scene, World};
use crate::plan::verdict::{JudgedLineage, Verdict};

mod route;

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

/// What the copies of a plan are about.
#[derive(Debug, Default)]
pub struct Found<'p, 'a> {
    /// What is missing.
    pub missing: Vec<Missing<'p, 'a>>,
    /// What the originals are owed.
    pub debts: Debts,
    /// What is asked by now.
    pub demands: Demands,
    /// Points that nothing is copied of now because of what is on its way, which may fail, or because
    /// they only stand in for the first of their period.
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
            for parent in point.members().filter(|m| !m.thing.is_encrypted()) {
                if point.form_of(parent).is_none() {
                    found.missing.push(self.missing(region, None, point, parent));
                }
            }
        }
    }

    fn copies(self, rule: &'p CopyRule, found: &mut Found<'p, 'a>) {
        let route = Route::new(self, rule);
        let to_copy = route.wanted(Pending::Counts);
        let mut demand = self.asked(&to_copy);
        let mut oldest_unfinished = None;
        let mut asked = BTreeSet::new();
        for point in &to_copy {
            if !self.owe(&route, point, found) {
                continue;
            }
            route.note_oldest(point, found);
            oldest_unfinished = oldest_unfinished.or(Some(point.time));
            // Nothing is judged by a listing that is cut off.
            if has_gap(self.scene) {
                continue;
            }
            // Twins may share a volume; one copy of it stands for both.
            let is_first = |m: &Missing<'p, 'a>| asked.insert((point.identity, m.parent.volume_id));
            found.missing.extend(route.missing(point).into_iter().filter(is_first));
        }
        // What is on its way may fail: until then nothing goes that would have been copied without.
        // And what only stands in for a first of its period was not tried in vain.
        let to_copy: BTreeSet<Identity> = to_copy.iter().map(|point| point.identity).collect();
        for point in route.wanted(Pending::Ignored) {
            if to_copy.contains(&point.identity) {
                continue;
            }
            if self.owe(&route, point, found) {
                route.note_oldest(point, found);
                found.behind_others.insert((self.scene.region, self.lineage.key, point.identity));
            }
        }
        if let Some(destination) = route.destination {
            demand.missed_since =
                oldest_unfinished.and_then(|time| self.copy_grace_over(time).ok());
            let way = (self.scene.region, self.lineage.key, destination.region);
            found.demands.insert(way, demand);
        }
    }

    /// Adds what a point is owed at the end of a route; returns true if its copy is not finished.
    fn owe(self, route: &Route<'p, 'a>, point: &Point<'a>, found: &mut Found<'p, 'a>) -> bool {
        let place = (self.scene.region, self.lineage.key, point.identity);
        let owed = found.debts.entry(place).or_default();
        let Some(destination) = route.destination else {
            owed.unknown.insert(route.rule.to);
            return false;
        };
        if let Some(copy) = route.whole_copy(point) {
            let region = destination.region;
            owed.complete.extend(copy.standing_ids().map(|id| RegionalId { region, id }));
            return false;
        }
        owed.unfinished.insert(route.rule.to);
        true
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
            .filter(move |(point, _)| point.time <= now && point.members().all(is_source))
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

/// Returns the lineage of the copies of a lineage in `from`.
pub fn copies_key(key: LineageKey, from: Region) -> LineageKey {
    LineageKey { kind: LineageKind::Copies, from: Some(from), ..key }
}
