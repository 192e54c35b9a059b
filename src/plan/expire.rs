//! Expiry: verdicts, debts and vetoes become deletions, kept things and lines under waiting.
//!
//! Decides nothing about retention; every deletion here has a verdict behind it and no veto
//! before it. How one thing is deleted is in `removal`.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{RegionalId, ResourceId, SnapshotId};
use crate::domain::region::Region;
use crate::plan::copies::{Debts, Owed, has_gap};
use crate::plan::copy_since::{Markers, NeededFor};
use crate::plan::guard::{Cause, Veto};
use crate::plan::lineage::{Entry, Identity, LineageKey, Role, Thing};
use crate::plan::model::{Action, ExpireReason, Keep, KeepReason, Note, Plan, Severity, Waiting};
use crate::plan::point::{Member, Point, PointState};
use crate::plan::removal::{Removal, vetoes};
use crate::plan::retention::{Hold, Lapse};
use crate::plan::scene::{Scene, World};
use crate::plan::verdict::{FAILED_FOR, JudgedLineage, Verdict};
use crate::plan::votes::{Votes, adoption_votes};

/// What one region's passes have decided to do.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Calls that make something.
    pub creations: Vec<Action>,
    /// Calls that change what is there.
    pub changes: Vec<Action>,
    /// Calls that delete something.
    pub deletions: Vec<Action>,
    /// Failed snapshots that must go before a creation.
    pub in_the_way: BTreeSet<SnapshotId>,
}

/// What all regions' expiry looks at.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'s> {
    /// What the points are owed.
    pub debts: &'s Debts,
    /// What is being copied, or will be by this plan.
    pub being_copied: &'s BTreeSet<RegionalId>,
    /// Failed copies that are the memory of attempts.
    pub remembered: &'s BTreeSet<(Region, ResourceId)>,
    /// Points of which nothing says that a copy cannot be made.
    pub hopeful: &'s HashSet<(Region, LineageKey, Identity)>,
    /// Copies that lack something which is still to be copied.
    pub unfinished: &'s HashSet<(Region, LineageKey, Identity)>,
    /// Copies that tell since when there are any, while that matters.
    pub markers: &'s Markers,
}

/// Carries the verdicts on a region's lineages over into `emitted` and `plan`.
pub fn expire(
    world: &World<'_>,
    scene: &Scene<'_>,
    stage: Stage<'_>,
    region_vetoes: &[Veto],
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    let votes = adoption_votes(scene, stage.debts);
    let mut n_future = 0;
    for lineage in &scene.lineages {
        let name = &world.config.policies[lineage.key.policy].name;
        // Not those that this very run makes: they must not lift a limit that it met.
        let n_points = lineage.points.iter().filter(|p| p.time < world.request.now).count();
        *plan.n_points.entry((Arc::clone(name), scene.region)).or_default() +=
            u32::try_from(n_points).unwrap_or(u32::MAX);
        if !world.request.covers(name, &scene.region) {
            continue;
        }
        let newest = newest_complete(lineage, world.request.now);
        let mut pass =
            Pass { world, scene, stage, name, lineage, newest, region_vetoes, emitted, plan };
        for (point, verdict) in lineage.judged() {
            n_future +=
                usize::from(matches!(verdict, Verdict::Keep(h, _) if h.contains(Hold::Future)));
            pass.point(point, verdict, &votes);
        }
        // Whether a failed copy is still the memory of attempts depends on its original, and whether
        // a failed encrypted form is, on what is copied elsewhere.
        let is_unknown = |region: &Region| world.scenes.get(region).is_none_or(has_gap);
        let is_home_unknown = lineage.key.from.as_ref().is_some_and(is_unknown);
        let copies = scene.judge.policy(lineage.key.policy).map_or(&[][..], |p| &p.copies);
        let is_other_unknown = copies.iter().any(|rule| is_unknown(&rule.to));
        for (entry, goes) in &lineage.failed {
            let is_memory = stage.remembered.contains(&(scene.region, entry.id));
            let is_form = entry.role == Role::Encrypted;
            let may_be_memory = is_memory || is_home_unknown || (is_form && is_other_unknown);
            let goes = *goes && !may_be_memory;
            if !goes || !votes.is_left_to_another(entry.id, lineage.key.policy) {
                pass.failed(entry, goes);
            }
        }
    }
    if 0 < n_future {
        plan.notes.push(Note {
            severity: Severity::Warning,
            region: Some(scene.region),
            message: format!(
                "{n_future} points are of the future; they stay and stand for nothing"
            ),
        });
    }
}

fn newest_complete(lineage: &JudgedLineage<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let complete = lineage
        .standing()
        .map(|(point, _)| point)
        .filter(|point| point.state == PointState::Complete && point.time <= now);
    complete.map(|point| point.time).max()
}

/// One lineage on its way into the plan.
struct Pass<'p, 'a> {
    world: &'p World<'a>,
    scene: &'p Scene<'a>,
    stage: Stage<'p>,
    name: &'p Arc<str>,
    lineage: &'p JudgedLineage<'a>,
    newest: Option<DateTime<Utc>>,
    region_vetoes: &'p [Veto],
    emitted: &'p mut Emitted,
    plan: &'p mut Plan,
}

impl<'p, 'a> Pass<'p, 'a> {
    fn point(&mut self, point: &Point<'a>, verdict: &Verdict, votes: &Votes) {
        match verdict {
            Verdict::Waiting => self.waiting(point),
            Verdict::Keep(holds, until) => {
                let retired = self.retire(point, votes);
                for member in point.all().filter(|m| m.role != Role::Selected) {
                    if member.is_under_way() {
                        self.wait_for(member);
                    } else if !retired.contains(&member.id()) {
                        let mut keep = self.keep(member, point, KeepReason::Held(*holds));
                        keep.until = *until;
                        self.plan.keeps.push(keep);
                    }
                }
            }
            Verdict::Expire(reason, stays) => {
                let policy = self.lineage.key.policy;
                if !point.ids().any(|id| votes.is_left_to_another(id, policy)) {
                    self.expire(point, *reason, stays);
                }
            }
        }
    }

    fn owed(&self, point: &Point<'_>) -> Option<&'p Owed> {
        self.stage.debts.get(&(self.scene.region, self.lineage.key, point.identity))
    }

    fn expire(&mut self, point: &Point<'a>, reason: ExpireReason, stays: &Arc<[ResourceId]>) {
        let own: Vec<&Member<'a>> = point.all().filter(|m| m.role != Role::Selected).collect();
        if own.is_empty() {
            return;
        }
        let mut reason = reason;
        let is_surplus = reason == ExpireReason::Surplus;
        let place = (self.scene.region, self.lineage.key, point.identity);
        let is_copy = self.lineage.key.from.is_some();
        if is_copy && !is_surplus && self.stage.unfinished.contains(&place) {
            return self.wait_for_rest(point, own[0]);
        }
        if let Some(needed_for) = self.stage.markers.get(&place).filter(|_| !is_surplus) {
            return self.wait_as_marker(*needed_for, reason, own[0]);
        }
        if let Some(owed) = self.owed(point).filter(|_| !is_surplus) {
            if let Some(region) = owed.unknown.first() {
                let cause = Cause::DestinationUnknown(*region);
                return self.vetoed(point, reason, &Veto { on: None, cause });
            }
            if !owed.unfinished.is_empty() {
                match self.give_up(point, &own, owed, reason) {
                    Some(given_up) => reason = given_up,
                    None => return,
                }
            }
        }
        // An encrypted form may be on its way though its original is no complete point.
        if let Some(member) = own.iter().find(|m| m.is_under_way()) {
            return self.wait_for(member);
        }
        // A surplus twin leaves the other one to be copied; all else relies on its copies.
        let owed = self.owed(point).filter(|_| !is_surplus);
        let elsewhere = owed.map_or(&[][..], |owed| &owed.complete[..]);
        match self.veto(&own) {
            Some(veto) => self.vetoed(point, reason, &veto),
            None => {
                for member in own {
                    self.remove(member, point, reason, stays, elsewhere);
                }
            }
        }
    }

    /// Returns the reason for which a point goes without its copies; none if it waits for them.
    fn give_up(
        &mut self,
        point: &Point<'a>,
        own: &[&Member<'a>],
        owed: &Owed,
        reason: ExpireReason,
    ) -> Option<ExpireReason> {
        let policy = self.scene.judge.policy(self.lineage.key.policy)?;
        let now = self.world.request.now;
        let to: Vec<&str> = owed.unfinished.iter().map(Region::as_str).collect();
        let (to, id) = (to.join(", "), point.first().id());
        let is_over = policy.copy_give_up.end(point.time, policy.timezone) <= now;
        let is_last = self.newest.is_none_or(|newest| newest <= point.time);
        let place = (self.scene.region, self.lineage.key, point.identity);
        // A destination that was down for long is no reason, nor is a queue.
        if is_over && !is_last && !self.stage.hopeful.contains(&place) {
            let lapse = match reason {
                ExpireReason::Retention(l)
                | ExpireReason::Orphan(l)
                | ExpireReason::Replaced(l) => l,
                _ => Lapse::NotTaken,
            };
            let reason = ExpireReason::GivenUp(lapse);
            // What is held, say, is not said to go.
            if let Some(veto) = self.veto(own) {
                self.vetoed(point, reason, &veto);
                return None;
            }
            let text = format!(
                "`{}`: {id} expires WITHOUT its copy to {to}, which could not be made within \
                 copy_give_up = {}",
                self.name, policy.copy_give_up
            );
            self.note(Severity::Warning, text);
            return Some(reason);
        }
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: id.to_string(),
            reason: format!("retention is over ({reason}), but its copy to {to} is not finished"),
            since: Some(point.time),
            not_before: None,
            ends_by_itself: false,
        });
        None
    }

    /// Removes the unencrypted originals of a point whose encrypted form, and every copy asked for,
    /// is complete; returns what goes.
    fn retire(&mut self, point: &Point<'a>, votes: &Votes) -> BTreeSet<ResourceId> {
        let none = BTreeSet::new();
        let policy = self.scene.judge.policy(self.lineage.key.policy);
        let Some(encrypt) = policy.and_then(|policy| policy.encrypt.as_ref()) else { return none };
        let owed = self.owed(point);
        let is_owed = owed.is_some_and(|o| !o.unfinished.is_empty() || !o.unknown.is_empty());
        if !encrypt.retire_unencrypted || is_owed || point.state != PointState::Complete {
            return none;
        }
        let mut pairs = Vec::new();
        for member in point.members().filter(|m| !m.thing.is_encrypted()) {
            let form = point.form_of(member).filter(|f| f.is_complete() && f.thing.is_encrypted());
            let Some(form) = form else { return none };
            pairs.push((member, form));
        }
        let elsewhere = owed.map_or(&[][..], |owed| &owed.complete[..]);
        let reason = ExpireReason::Retired;
        let why_it_stays = |member: &Member<'_>| {
            if member.role == Role::Selected {
                return Some("was made by others and is not adopted");
            }
            let is_kept = votes.is_kept_by_another(member.id(), self.lineage.key.policy);
            is_kept.then_some("another policy keeps it")
        };
        let (stay, go): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(member, _)| why_it_stays(member).is_some());
        for (member, form) in stay {
            let (name, id, form) = (self.name, member.id(), form.id());
            let why = why_it_stays(member).unwrap_or_default();
            let text = format!("`{name}`: {id} has its encrypted copy {form}, but {why}: it stays");
            self.note(Severity::Info, text);
        }
        // A veto on one member is a veto on the point.
        let veto = self.veto(&go.iter().map(|(member, _)| *member).collect::<Vec<_>>());
        let mut retired = BTreeSet::new();
        for (member, form) in go {
            retired.insert(member.id());
            match &veto {
                Some(veto) => {
                    let vetoed = KeepReason::Vetoed(Box::new((reason, veto.clone())));
                    let keep = self.keep(member, point, vetoed);
                    self.plan.keeps.push(keep);
                }
                None => self.remove(member, point, reason, &Arc::from([form.id()]), elsewhere),
            }
        }
        retired
    }

    fn vetoed(&mut self, point: &Point<'a>, reason: ExpireReason, veto: &Veto) {
        for member in point.all().filter(|m| m.role != Role::Selected) {
            let vetoed = KeepReason::Vetoed(Box::new((reason, veto.clone())));
            let keep = self.keep(member, point, vetoed);
            self.plan.keeps.push(keep);
        }
    }

    fn failed(&mut self, entry: &Entry<'a>, goes: bool) {
        if entry.role == Role::Selected {
            return;
        }
        let member = Member::from(entry);
        let (id, began_at) = (entry.id, entry.started_at);
        let is_in_the_way = match entry.thing {
            Thing::Snapshot(snapshot) => self.emitted.in_the_way.contains(&snapshot.id),
            // It goes with the snapshots that are.
            Thing::Image(image) => {
                image.snapshot_ids.iter().any(|id| self.emitted.in_the_way.contains(id))
            }
        };
        let reason =
            if is_in_the_way { ExpireReason::FailedInTheWay } else { ExpireReason::Failed };
        let mut keep = Keep {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: id,
            source: self.lineage.key.source,
            volume_id: entry.volume_id,
            point_time: began_at,
            reason: KeepReason::Failed,
            until: None,
        };
        if !goes && !is_in_the_way {
            let ends_at = began_at + FAILED_FOR;
            keep.until = Some(ends_at).filter(|ends_at| self.world.request.now < *ends_at);
            self.plan.keeps.push(keep);
        } else if let Some(veto) = self.veto(&[&member]) {
            keep.reason = KeepReason::Vetoed(Box::new((reason, veto)));
            self.plan.keeps.push(keep);
        } else {
            let removal = self.removal(began_at, reason, Arc::from([]), &[]);
            removal.emit(&member, self.emitted, self.plan);
        }
    }

    /// Returns the first veto on any of `members`: it holds for all.
    fn veto(&self, members: &[&Member<'a>]) -> Option<Veto> {
        let Scene { region, .. } = *self.scene;
        let is_being_copied =
            |m: &&&Member<'_>| self.stage.being_copied.contains(&RegionalId { region, id: m.id() });
        let copied = members.iter().filter(is_being_copied);
        let copied = copied.map(|m| Veto { on: Some(m.id()), cause: Cause::BeingCopied });
        let now = self.world.request.now;
        let own = members.iter().flat_map(|m| vetoes(self.scene, self.lineage.key, m, now));
        own.chain(copied).chain(self.region_vetoes.iter().cloned()).next()
    }

    fn remove(
        &mut self,
        member: &Member<'a>,
        point: &Point<'a>,
        reason: ExpireReason,
        stays: &Arc<[ResourceId]>,
        elsewhere: &[RegionalId],
    ) {
        let removal = self.removal(point.time, reason, Arc::clone(stays), elsewhere);
        removal.emit(member, self.emitted, self.plan);
    }

    fn removal(
        &self,
        point_time: DateTime<Utc>,
        reason: ExpireReason,
        stays: Arc<[ResourceId]>,
        elsewhere: &[RegionalId],
    ) -> Removal<'p, 'a> {
        Removal {
            scene: self.scene,
            policy: self.lineage.key.policy,
            source: self.lineage.key.source,
            point_time,
            reason,
            stays,
            stays_elsewhere: elsewhere.into(),
        }
    }

    fn keep(&self, member: &Member<'_>, point: &Point<'_>, reason: KeepReason) -> Keep {
        Keep {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: member.id(),
            source: self.lineage.key.source,
            volume_id: member.volume_id,
            point_time: point.time,
            reason,
            until: None,
        }
    }

    fn note(&mut self, severity: Severity, message: String) {
        self.plan.notes.push(Note { severity, region: Some(self.scene.region), message });
    }

    fn waiting(&mut self, point: &Point<'_>) {
        let pending = point.members().find(|m| m.is_under_way());
        let Some(member) = pending else { return };
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: member.id().to_string(),
            reason: format!(
                "{}, {} of {} of {} complete",
                member.state().name(),
                point.n_completed(),
                point.wanted,
                self.lineage.key.source
            ),
            since: Some(member.thing.started_at()),
            not_before: None,
            ends_by_itself: true,
        });
    }

    /// Waits for what a copy lacks; without the rest it would be copied for nothing.
    fn wait_for_rest(&mut self, point: &Point<'_>, member: &Member<'_>) {
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: member.id().to_string(),
            reason: format!(
                "{} of {} of {} are copied, the rest is to come",
                point.n_completed(),
                point.wanted,
                self.lineage.key.source
            ),
            since: Some(member.thing.started_at()),
            not_before: None,
            ends_by_itself: false,
        });
    }

    /// Waits until no original is owed a copy only because this one tells since when there are any.
    fn wait_as_marker(&mut self, needed_for: NeededFor, reason: ExpireReason, member: &Member<'_>) {
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: member.id().to_string(),
            reason: format!("{reason}, but {needed_for}"),
            since: Some(member.thing.started_at()),
            not_before: None,
            ends_by_itself: false,
        });
    }

    /// Waits for an encrypted form.
    fn wait_for(&mut self, member: &Member<'_>) {
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: self.scene.region,
            resource: member.id().to_string(),
            reason: format!(
                "{}, the encrypted form of a point of {}",
                member.state().name(),
                self.lineage.key.source
            ),
            since: Some(member.thing.started_at()),
            not_before: None,
            ends_by_itself: true,
        });
    }
}
