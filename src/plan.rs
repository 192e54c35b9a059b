//! Planning: configuration, inventory and an instant go in, a [`Plan`] comes out.
//!
//! Pure: no I/O, no clock, no randomness; the same input gives the same plan, whatever order EC2
//! listed things in. The passes, in order, are [`plan()`] and `plan_region`; each lives in the file
//! of its name:
//!
//! | file | question |
//! |---|---|
//! | `scene` | what is there in each region, judged? |
//! | `standing`, `image_standing` | is this ours, selected, adopted, or nobody's business? |
//! | `lineage`, `point` | which snapshots and images are one lineage, and which one point? |
//! | `period`, `retention` | which points do the tiers hold, and until when? |
//! | `verdict` | and with twins, failures, and sources that are gone? |
//! | `select`, `claims` | which sources does a policy protect, where several select one? |
//! | `create`, `point_tags` | which of them are due, and how is their point made? |
//! | `attempts` | when is something that failed tried again? |
//! | `copies`, `copy_since`, `copy_search`, `copy_queue`, `copy_action` | which copies are missing, which are begun, and how? |
//! | `aftercare` | with whom are copies shared, and when are images deprecated? |
//! | `guard` | what forbids a deletion whatever retention says? |
//! | `expire`, `removal` | so what goes and how, what stays, and why? |
//! | `leftovers` | which snapshots were left over of images that are gone? |
//! | `alarm` | which copies are missing for too long? |
//! | `protection` | has every source what is asked of it by now? |
//! | `limits` | is that more than one run may delete? |
//! | `rights`, `preflight` | which calls does a configuration need, and was each found to be allowed? |
//! | `subset` | which of its actions may be done without the others? |
//! | `check` | does the finished plan keep every promise? Written without the code above |

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};

use crate::config::{Config, Policy, RegionalPolicy, Regions};
use crate::domain::ids::RegionalId;
use crate::domain::inventory::{Inventory, Listing};
use crate::domain::region::Region;

pub mod aftercare;
pub mod alarm;
pub mod attempts;
pub mod bystanders;
pub mod check;
pub mod claims;
pub mod copies;
pub mod copy_action;
pub mod copy_queue;
pub mod copy_search;
pub mod copy_since;
pub mod create;
pub mod expire;
pub mod explain;
pub mod guard;
pub mod image_name;
pub mod image_standing;
pub mod leftovers;
pub mod limits;
pub mod lineage;
pub mod model;
pub mod period;
pub mod point;
pub mod point_tags;
pub mod preflight;
pub mod protection;
pub mod questions;
pub mod reason;
pub mod removal;
pub mod retention;
pub mod rights;
pub mod scene;
pub mod select;
pub mod standing;
pub mod subset;
pub mod verdict;
pub mod votes;

pub use explain::{Explanation, explain};
pub use model::{
    Action, ChosenVolume, Copy, CreateImage, CreateOne, CreateSet, Delete, Deprecation,
    ExpireReason, ImageCopy, Keep, KeepReason, NewPoint, Note, Op, Pairs, Plan, PlanGap,
    Protection, ProtectionState, ResourceState, Severity, Share, TagPurpose, Tagging, Waiting,
    Withheld,
};
pub use questions::{Questions, image_questions, key_questions, questions};

use claims::Claims;
use copies::Demands;
use copy_queue::Queued;
use create::{Occupied, Place};
use expire::{Emitted, Stage};
use lineage::{LineageKey, LineageKind};
use protection::Pass;
use scene::{Scene, World};
use verdict::JudgedLineage;

/// How the note ends that a policy has nothing to make points of in a region.
pub const SELECTS_NOTHING: &str = "selects nothing here";

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The instant of judgement.
    pub now: DateTime<Utc>,
    /// The slot of policies without a schedule: the start of the run.
    pub run_slot: DateTime<Utc>,
    /// Makes one more point of every selected source, at `run_slot`.
    pub extra: bool,
    /// Actions are planned for these policies only; for all, if empty.
    pub policies: Vec<String>,
    /// Actions are planned in these regions only; in all, if empty.
    pub regions: Vec<Region>,
    /// Replaces both limits on deletions.
    pub max_deletes: Option<u32>,
}

impl Request {
    /// Asks for everything, at `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            now,
            // Slots stand in tags by the second.
            run_slot: now.trunc_subsecs(0),
            extra: false,
            policies: Vec::new(),
            regions: Vec::new(),
            max_deletes: None,
        }
    }

    /// Tells whether a note is of what the plan is asked for; a fatal one always is.
    fn is_about(&self, note: &Note) -> bool {
        let in_scope = |region: &Region| self.regions.is_empty() || self.regions.contains(region);
        note.severity == Severity::Fatal || note.region.as_ref().is_none_or(in_scope)
    }

    fn covers(&self, policy: &str, region: &Region) -> bool {
        (self.policies.is_empty() || self.policies.iter().any(|name| name == policy))
            && (self.regions.is_empty() || self.regions.contains(region))
    }
}

/// Plans what a run would do.
pub fn plan(config: &Config, inventory: &Inventory, request: &Request) -> Plan {
    let mut plan = plan_unchecked(config, inventory, request);
    plan.notes.extend(check::check(config, inventory, request, &plan));
    plan.notes.retain(|note| request.is_about(note));
    plan.notes.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.region.cmp(&b.region)));
    plan
}

fn plan_unchecked(config: &Config, inventory: &Inventory, request: &Request) -> Plan {
    let n_snapshots = inventory.regions.values().map(|observed| observed.snapshots.len()).sum();
    let mut plan = Plan {
        now: request.now,
        account: inventory.account.clone(),
        account_name: config.account.clone(),
        config_digest: config.digest.clone(),
        // Most of what is listed is kept, and moving a million lines costs more than making them.
        keeps: Vec::with_capacity(n_snapshots),
        ..Plan::default()
    };
    let under_way = copy_search::being_copied(inventory);
    let mut all = Emitted::default();
    if has_copies(config) {
        let world = World::new(config, inventory, request);
        plan_world(&world, &under_way, &mut all, &mut plan);
    } else {
        // Nothing joins the regions, and one after the other they need a fraction of the memory.
        for region in inventory.regions.keys() {
            let world = World::of_region(config, inventory, request, region);
            plan_world(&world, &under_way, &mut all, &mut plan);
        }
    }
    plan.gaps.extend(inventory.regions_error.iter().map(|error| PlanGap {
        region: None,
        operation: "DescribeRegions",
        error: error.clone(),
    }));
    note_clock(inventory, &mut plan);
    note_same_account(config, inventory, &mut plan);
    plan.actions = all.creations;
    plan.actions.extend(all.changes);
    let deletions = limits::withhold(config, request, all.deletions, &mut plan);
    plan.actions.extend(deletions);
    limits::unprepare(&mut plan);
    plan
}

/// Returns true if any policy makes copies, or encrypted ones.
fn has_copies(config: &Config) -> bool {
    let mut variants = config.policies.iter().flat_map(Policy::variants);
    variants.any(|policy| !policy.copies.is_empty() || policy.encrypt.is_some())
}

/// Plans the regions of `world`; `under_way` is what is being copied anywhere.
fn plan_world(
    world: &World<'_>,
    under_way: &BTreeSet<RegionalId>,
    all: &mut Emitted,
    plan: &mut Plan,
) {
    let copies::Found { missing, debts, demands, behind_others, oldest_owed } = copies::find(world);
    let mut queued = copy_queue::queue(world, missing, plan);
    queued.hopeful.extend(behind_others);
    let stage = Stage {
        debts: &debts,
        being_copied: &being_copied(under_way, &queued),
        remembered: &std::mem::take(&mut queued.remembered),
        hopeful: &std::mem::take(&mut queued.hopeful),
        unfinished: &std::mem::take(&mut queued.unfinished),
        markers: &copy_since::markers(world, &oldest_owed),
    };
    for scene in world.scenes.values() {
        let copies = queued.actions.remove(&scene.region).unwrap_or_default();
        let emitted = plan_region(world, scene, stage, &demands, copies, plan);
        all.creations.extend(emitted.creations);
        all.changes.extend(emitted.changes);
        all.deletions.extend(emitted.deletions);
    }
    alarm::note_debts(world, &debts, plan);
}

/// Plans one region; `copies` are those that are made there.
fn plan_region(
    world: &World<'_>,
    scene: &Scene<'_>,
    stage: Stage<'_>,
    demands: &Demands,
    copies: Vec<Action>,
    plan: &mut Plan,
) -> Emitted {
    let (region, observed) = (&scene.region, scene.observed);
    let mut emitted = Emitted::default();
    plan_creations(world, scene, demands, &mut emitted, plan);
    emitted.creations.extend(copies);
    aftercare::aftercare(world, scene, &mut emitted, plan);
    let vetoes = guard::region_vetoes(world.inventory, observed);
    expire::expire(world, scene, stage, &vetoes, &mut emitted, plan);
    leftovers::leftovers(world, scene, stage, &vetoes, &mut emitted, plan);

    plan.gaps.extend(observed.gaps.iter().map(|gap| PlanGap {
        region: Some(*region),
        operation: gap.listing.operation(),
        error: gap.error.clone(),
    }));
    for line in scene.bystanders.lines() {
        note(plan, Severity::Info, region, line);
    }
    for text in &observed.notes {
        note(plan, Severity::Info, region, text.clone());
    }
    emitted
}

/// Returns what is being copied now, and what will be by this plan.
fn being_copied(under_way: &BTreeSet<RegionalId>, queued: &Queued) -> BTreeSet<RegionalId> {
    let mut parents = under_way.clone();
    let planned = queued.actions.values().flatten().filter_map(Action::as_copy);
    parents.extend(planned.map(|copy| copy.parent));
    parents
}

/// Plans the recovery points that are due in a region, and tells what its sources have.
fn plan_creations(
    world: &World<'_>,
    scene: &Scene<'_>,
    demands: &Demands,
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    let World { config, request, .. } = *world;
    let (region, observed) = (&scene.region, scene.observed);
    let occupied = create::occupied(observed, request.now);
    let mut claims = Claims::default();
    for (index, policy) in config.policies.iter().enumerate() {
        let variant = policy.in_region(region);
        if !policy.applies_in(region) {
            continue;
        }
        let mut protection = Pass::new(world, scene, demands, index);
        if !variant.create {
            protection.copies_only();
            plan.protection.extend(protection.finish());
            continue;
        }
        let Some(slot) = due_slot(variant, request) else { continue };
        let (policy_name, now) = (&policy.name, request.now);
        let place = Place { policy_name, policy: variant, region, inventory: observed, slot, now };
        let candidates = select::candidates(variant, observed);
        let is_covered = request.covers(policy_name, region);
        if is_covered {
            let names_region = policy.regions != Regions::All;
            note_selection(place, candidates.len(), names_region, plan);
        }
        for candidate in &candidates {
            if !claims.claim(candidate, policy_name) {
                continue;
            }
            let (kind, source) = (LineageKind::Own, candidate.source);
            let key = LineageKey { policy: index, kind, from: None, source };
            let lineage = scene.lineage(key);
            protection.source(candidate, lineage);
            if is_covered {
                plan_creation(place, candidate, lineage, &occupied, emitted, plan);
            }
        }
        plan.protection.extend(protection.finish());
    }
    for line in claims.lines() {
        note(plan, Severity::Warning, region, line);
    }
}

/// Plans the point of one source, or says why there is none.
fn plan_creation(
    place: Place<'_>,
    candidate: &select::Candidate<'_>,
    lineage: Option<&JudgedLineage<'_>>,
    occupied: &Occupied,
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    let Place { policy_name, region, inventory, .. } = place;
    // Without these listings nobody knows whether the point is there already.
    if inventory.has_gap(Listing::Snapshots) || inventory.has_gap(Listing::Images) {
        return;
    }
    let wait = |reason: String, since| Waiting {
        policy: Arc::clone(policy_name),
        region: *region,
        resource: candidate.source.to_string(),
        reason,
        since,
        not_before: None,
        ends_by_itself: false,
    };
    if let Some(volume_id) = candidate.unseen.first() {
        plan.waiting.push(wait(format!("nothing is known of its volume {volume_id}"), None));
        return;
    }
    if candidate.volumes.is_empty() {
        let text =
            format!("{}: the policy `{policy_name}` chooses none of its volumes", candidate.source);
        note(plan, Severity::Warning, region, text);
        return;
    }
    let creation = create::create(place, candidate, lineage, occupied);
    emitted.in_the_way.extend(creation.in_the_way);
    emitted.creations.extend(creation.actions);
    plan.waiting.extend(creation.waiting.map(|(reason, since)| Waiting {
        not_before: creation.not_before,
        ends_by_itself: creation.ends_by_itself,
        ..wait(reason, since)
    }));
    if let Some(warning) = creation.warning {
        note(plan, Severity::Warning, region, warning);
    }
}

/// Returns the slot whose point should be there by now.
fn due_slot(policy: &RegionalPolicy, request: &Request) -> Option<DateTime<Utc>> {
    match &policy.schedule {
        Some(schedule) if !request.extra => schedule.slot_at(request.now),
        Some(_) | None => Some(request.run_slot),
    }
}

fn note_selection(place: Place<'_>, n_selected: usize, names_region: bool, plan: &mut Plan) {
    let Place { policy_name, region, inventory, .. } = place;
    let gap = [Listing::Snapshots, Listing::Images].into_iter().find(|l| inventory.has_gap(*l));
    if let Some(gap) = gap {
        let text =
            format!("`{policy_name}` makes no points: {} could not be read", gap.operation());
        note(plan, Severity::Warning, region, text);
    } else if n_selected == 0 && names_region && inventory.gaps.is_empty() {
        note(plan, Severity::Warning, region, format!("`{policy_name}` {SELECTS_NOTHING}"));
    }
}

/// Refuses the own account where it has a name too: the policies there and here would each plan
/// without the other's, and delete what the other keeps. The id only shows once it has been read.
fn note_same_account(config: &Config, inventory: &Inventory, plan: &mut Plan) {
    let Some(id) = inventory.account.as_deref().filter(|_| config.account.is_none()) else {
        return;
    };
    let mut roles = config.roles.iter();
    if let Some((name, _)) = roles.find(|(_, role)| role.account_id() == Some(id)) {
        plan.notes.push(Note {
            severity: Severity::Fatal,
            region: None,
            message: format!(
                "accounts `self` and `{name}` are both {id}, so each would be planned without the \
                 other's policies; name it once"
            ),
        });
    }
}

fn note_clock(inventory: &Inventory, plan: &mut Plan) {
    if let Some(skew) = inventory.clock_skew.filter(|_| guard::is_clock_off(inventory)) {
        let (by, direction) =
            (skew.abs(), if skew.num_seconds() < 0 { "behind" } else { "ahead of" });
        plan.notes.push(Note {
            severity: Severity::Warning,
            region: None,
            message: format!(
                "the local clock is {} seconds {direction} EC2's: nothing is deleted",
                by.num_seconds()
            ),
        });
    }
}

fn note(plan: &mut Plan, severity: Severity, region: &Region, message: String) {
    plan.notes.push(Note { severity, region: Some(*region), message });
}
