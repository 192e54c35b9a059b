//! Protection: does every source that a policy selects have the points and copies that are asked of
//! it by now, and if not, since when?
//!
//! Only tells; nothing is decided by it. What a gap hides is unknown, never protected and never
//! unprotected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::select::Resource;
use crate::config::{CopyRule, RegionalPolicy};
use crate::domain::inventory::{InstanceState, Listing};
use crate::domain::source::Source;
use crate::plan::copies::{Asked, Demands, copies_key};
use crate::plan::create;
use crate::plan::lineage::{LineageKey, LineageKind};
use crate::plan::model::{Protection, ProtectionState};
use crate::plan::point::{Point, PointState};
use crate::plan::scene::{Scene, World};
use crate::plan::select::{self, Candidate};
use crate::plan::verdict::JudgedLineage;

/// So long after the first slot that it missed, a start makes an instance new, where only what runs
/// is selected: EC2 does not tell how long it was stopped, and a start each morning must not hide
/// for ever that no point is ever made. Weekends and most holidays are shorter.
const STOPPED_MAX: TimeDelta = TimeDelta::days(7);

/// What one policy protects in one region.
#[derive(Debug)]
pub struct Pass<'p, 'a> {
    world: &'p World<'a>,
    scene: &'p Scene<'a>,
    demands: &'p Demands,
    /// The policy, by index.
    index: usize,
    policy: &'p RegionalPolicy,
    due: Option<DateTime<Utc>>,
    /// When grace ended for the first slot after one: most sources share a few.
    missed: BTreeMap<DateTime<Utc>, Option<DateTime<Utc>>>,
    found: Vec<Protection>,
}

impl<'p, 'a> Pass<'p, 'a> {
    /// Looks at the policy at `index` in the region of `scene`.
    pub fn new(
        world: &'p World<'a>,
        scene: &'p Scene<'a>,
        demands: &'p Demands,
        index: usize,
    ) -> Self {
        let policy = world.config.policies[index].in_region(&scene.region);
        let due = due(policy, world.request.now);
        let (missed, found) = (BTreeMap::new(), Vec::new());
        let mut pass = Self { world, scene, demands, index, policy, due, missed, found };
        pass.unlisted();
        pass
    }

    /// Returns what was found.
    pub fn finish(self) -> Vec<Protection> {
        self.found
    }

    /// Tells what `candidate` has, here and where its copies go; of what no point can be made, which
    /// the plan warns of, only the copies of points from before.
    pub fn source(&mut self, candidate: &Candidate<'_>, lineage: Option<&JudgedLineage<'_>>) {
        let can_be_made = create::can_be_made(self.policy, candidate);
        if can_be_made {
            self.points(candidate, lineage);
        }
        if can_be_made || lineage.is_some() {
            self.copies(candidate.source);
        }
    }

    /// Tells what `candidate` has where it is.
    fn points(&mut self, candidate: &Candidate<'_>, lineage: Option<&JudgedLineage<'_>>) {
        let newest = lineage.and_then(|lineage| newest_complete(lineage, self.world.request.now));
        let state = match gap_of(self.scene) {
            Some(gap) => ProtectionState::Unknown(gap),
            None => self.state(candidate, newest),
        };
        let is_known = !matches!(state, ProtectionState::Unknown(_));
        self.push(Protection {
            policy: Arc::clone(&self.world.config.policies[self.index].name),
            region: self.scene.region,
            copy_from: None,
            source: Some(candidate.source),
            newest: newest.filter(|_| is_known).map(|point| point.time),
            due: self.due,
            state,
        });
    }

    /// Tells what a policy that makes no points has of copies: of the families that it selects, else
    /// of those sources that have points from before.
    pub fn copies_only(&mut self) {
        if self.policy.copies.is_empty() {
            return;
        }
        let candidates = select::candidates(self.policy, self.scene.observed);
        let selected: BTreeSet<Source> = candidates.iter().map(|c| c.source).collect();
        let is_family = self.policy.select.resource == Resource::Image;
        let (scene, index) = (self.scene, self.index);
        let own = scene.lineages.iter().map(|lineage| lineage.key);
        let own = own.filter(|key| key.policy == index && key.kind == LineageKind::Own);
        for key in own.filter(|key| is_family || selected.contains(&key.source)) {
            self.copies(key.source);
        }
    }

    /// Tells that nobody knows which sources there are, if that is so.
    fn unlisted(&mut self) {
        if !self.policy.create && self.policy.copies.is_empty() {
            return;
        }
        let listing = match self.policy.select.resource {
            Resource::Instance => Listing::Instances,
            Resource::Volume => Listing::Volumes,
            Resource::Image => Listing::Images,
        };
        let mut gaps = self.scene.observed.gaps.iter();
        if let Some(gap) = gaps.find(|gap| gap.listing == listing) {
            self.push(Protection {
                policy: Arc::clone(&self.world.config.policies[self.index].name),
                region: self.scene.region,
                copy_from: None,
                source: None,
                newest: None,
                due: None,
                state: ProtectionState::Unknown(gap.to_string().into()),
            });
        }
    }

    fn push(&mut self, protection: Protection) {
        if self.world.request.covers(&protection.policy, &protection.region) {
            self.found.push(protection);
        }
    }

    fn state(&mut self, candidate: &Candidate<'_>, newest: Option<&Point<'_>>) -> ProtectionState {
        let now = self.world.request.now;
        let (grace, zone) = (self.policy.point_grace, self.policy.timezone);
        let since = match (newest, self.due) {
            (Some(_), None) => return ProtectionState::Protected,
            (Some(point), Some(due)) if due <= point.slot_or_time() => {
                return ProtectionState::Protected;
            }
            (Some(point), Some(_)) => self.missed_since(point.slot_or_time()),
            (None, due) => {
                let known_since = known_since(candidate);
                if let Some(first_due) = known_since.and_then(|since| self.first_due(since, due)) {
                    return ProtectionState::New { first_due: Some(first_due) };
                }
                known_since
            }
        };
        // Whoever selects what runs asks nothing of what does not: it is asked from its start on.
        let started_at = candidate.instance.and_then(|instance| instance.launched_at);
        let is_left_out_stopped = !self.policy.select.states.contains(&InstanceState::Stopped);
        let may_have_been_stopped = since.is_some_and(|since| now - since < STOPPED_MAX);
        let first_due = started_at.map(|at| grace.end(at, zone)).filter(|end| now < *end);
        match first_due.filter(|_| is_left_out_stopped && may_have_been_stopped) {
            Some(first_due) => ProtectionState::New { first_due: Some(first_due) },
            None => ProtectionState::Unprotected { since },
        }
    }

    /// Returns when the first point of what is there `since` then is asked for, if not yet.
    fn first_due(
        &mut self,
        since: DateTime<Utc>,
        due: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        match due {
            Some(due) if due < since => self.missed_since(since),
            Some(_) => None,
            None => {
                let end = self.policy.point_grace.end(since, self.policy.timezone);
                Some(end).filter(|end| self.world.request.now < *end)
            }
        }
    }

    /// Returns when grace ends for the first slot after `slot`.
    fn missed_since(&mut self, slot: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let policy = self.policy;
        let end = || {
            let missed = policy.schedule.as_ref()?.slot_after(slot)?;
            Some(policy.point_grace.end(missed, policy.timezone))
        };
        *self.missed.entry(slot).or_insert_with(end)
    }

    /// Tells what a source has of copies.
    fn copies(&mut self, source: Source) {
        let (region, policy) = (self.scene.region, self.policy);
        for rule in policy.copies.iter().filter(|rule| rule.to != region) {
            let protection = self.copy(source, rule);
            self.push(protection);
        }
    }

    fn copy(&self, source: Source, rule: &CopyRule) -> Protection {
        let (kind, from) = (LineageKind::Own, None);
        let key = LineageKey { policy: self.index, kind, from, source };
        let there = self.world.scenes.get(&rule.to);
        let gap = gap_of(self.scene).map(|gap| format!("{}: {gap}", self.scene.region).into());
        let gap = gap.or_else(|| match there {
            Some(scene) => gap_of(scene),
            None => Some("it was not observed".into()),
        });
        let (from, now) = (self.scene.region, self.world.request.now);
        let asked = self.demands.get(&(from, key, rule.to)).copied().unwrap_or_default();
        let lineage = there.and_then(|scene| scene.lineage(copies_key(key, from)));
        let newest = lineage.and_then(|lineage| newest_complete(lineage, now));
        let newest = newest.filter(|_| gap.is_none()).map(|point| point.time);
        Protection {
            policy: Arc::clone(&self.world.config.policies[self.index].name),
            region: rule.to,
            copy_from: Some(from),
            source: Some(source),
            newest,
            due: asked.due.filter(|_| gap.is_none()),
            state: gap.map_or_else(|| state_of_copies(asked, newest), ProtectionState::Unknown),
        }
    }
}

fn state_of_copies(asked: Asked, newest: Option<DateTime<Utc>>) -> ProtectionState {
    match (asked.missed_since, asked.due.or(newest)) {
        (Some(since), _) => ProtectionState::Unprotected { since: Some(since) },
        (None, Some(_)) => ProtectionState::Protected,
        (None, None) => ProtectionState::New { first_due: asked.first_due },
    }
}

/// Returns the newest slot whose point must be complete by now; none without a schedule.
fn due(policy: &RegionalPolicy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = policy.schedule.as_ref()?;
    let (grace, zone) = (policy.point_grace, policy.timezone);
    let mut slot = schedule.slot_at(grace.latest_start(now, zone))?;
    while now < grace.end(slot, zone) {
        slot = schedule.slot_at(slot - TimeDelta::seconds(1))?;
    }
    Some(slot)
}

/// Returns the newest complete point of a lineage up to `now`. A slot in the future is a clock's
/// mistake and fills nothing.
fn newest_complete<'l, 'a>(
    lineage: &'l JudgedLineage<'a>,
    now: DateTime<Utc>,
) -> Option<&'l Point<'a>> {
    let is_past = |point: &Point<'_>| point.time <= now && point.slot_or_time() <= now;
    let is_there = |point: &&Point<'_>| point.state == PointState::Complete && is_past(point);
    lineage.standing().map(|(point, _)| point).rev().find(is_there)
}

/// Returns since when a source is there, as far as EC2 tells.
fn known_since(candidate: &Candidate<'_>) -> Option<DateTime<Utc>> {
    match candidate.instance {
        Some(instance) => instance.known_since(),
        None => candidate.volumes.first()?.created_at,
    }
}

/// Returns why nobody knows what points there are in a region, if that is so.
fn gap_of(scene: &Scene<'_>) -> Option<Arc<str>> {
    let hides_points = |listing| matches!(listing, Listing::Snapshots | Listing::Images);
    let gap = scene.observed.gaps.iter().find(|gap| hides_points(gap.listing))?;
    Some(gap.to_string().into())
}

#[cfg(test)]
mod tests;
