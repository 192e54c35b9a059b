//! Planning: configuration, inventory and an instant go in, a [`Plan`] comes out.
//!
//! Pure: no I/O, no clock, no randomness; the same input gives the same plan, whatever order EC2
//! listed things in. The passes, in order, are [`plan`] and [`plan_region`]; each lives in the file
//! of its name:
//!
//! | file | question |
//! |---|---|
//! | `standing` | is this snapshot ours, adopted, or nobody's business? |
//! | `lineage` | which snapshots are one recovery point, and which points one lineage? |
//! | `period`, `retention` | which points do the tiers hold, and until when? |
//! | `verdict` | and with twins, failures, and sources that are gone? |
//! | `select`, `claims` | which sources does a policy protect, where several select one? |
//! | `create`, `point_tags` | which of them are due, and how is their point made? |
//! | `guard` | what forbids a deletion whatever retention says? |
//! | `expire` | so which snapshots go, which stay, and why? |
//! | `limits` | is that more than one run may delete? |
//! | `check` | does the finished plan keep every promise? Written without the code above |

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};

use crate::config::{Config, Orphans, RegionalPolicy, Regions};
use crate::domain::inventory::{InstanceState, Inventory, Listing, RegionInventory};
use crate::domain::region::Region;
use crate::domain::source::Source;

pub mod attempts;
pub mod check;
pub mod claims;
pub mod copies;
pub mod copy_action;
pub mod copy_queue;
pub mod create;
pub mod expire;
pub mod explain;
pub mod guard;
pub mod limits;
pub mod image_name;
pub mod image_standing;
pub mod lineage;
pub mod model;
pub mod period;
pub mod point;
pub mod point_tags;
pub mod reason;
pub mod retention;
pub mod scene;
pub mod select;
pub mod standing;
pub mod verdict;

pub use explain::{Explanation, explain};
pub use model::{
    Action, ChosenVolume, CreateOne, CreateSet, Delete, ExpireReason, Keep, KeepReason, NewPoint,
    Note, Op, Plan, PlanGap, Severity, Waiting, Withheld,
};

use claims::Claims;
use create::{Occupied, Place};
use expire::Emitted;
use lineage::{Entry, LineageKey};
use standing::{Bystanders, Judge};
use verdict::{Coverage, JudgedLineage};

/// What a plan is asked for.
#[derive(Debug, Clone)]
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
    let n_snapshots = inventory.regions.values().map(|observed| observed.snapshots.len()).sum();
    let mut plan = Plan {
        now: request.now,
        account: inventory.account.clone(),
        config_digest: config.digest.clone(),
        // Most of what is listed is kept, and moving a million lines costs more than making them.
        keeps: Vec::with_capacity(n_snapshots),
        ..Plan::default()
    };
    let mut creations = Vec::new();
    let mut deletions = Vec::new();
    for (region, observed) in &inventory.regions {
        let emitted = plan_region(config, inventory, region, observed, request, &mut plan);
        creations.extend(emitted.creations);
        deletions.extend(emitted.deletions);
    }
    plan.gaps.extend(inventory.regions_error.iter().map(|error| PlanGap {
        region: None,
        operation: "DescribeRegions",
        error: error.clone(),
    }));
    note_clock(inventory, &mut plan);
    let deletions = limits::withhold(config, request, deletions, &mut plan);
    plan.actions = creations;
    plan.actions.extend(deletions);
    plan.notes.extend(check::check(config, inventory, request, &plan));
    plan.notes.retain(|note| request.is_about(note));
    plan.notes.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.region.cmp(&b.region)));
    plan
}

/// Plans one region.
fn plan_region(
    config: &Config,
    inventory: &Inventory,
    region: &Region,
    observed: &RegionInventory,
    request: &Request,
    plan: &mut Plan,
) -> Emitted {
    let mut bystanders = Bystanders::default();
    let judge = Judge::new(config, region, observed);
    let lineages = lineage::lineages(&judge, observed, &mut bystanders);
    let lineages = judge_all(&judge, observed, &lineages, request.now);

    let mut emitted = Emitted::default();
    plan_creations(config, region, observed, &lineages, request, &mut emitted, plan);
    let scene = expire::Scene { config, region, observed, judge: &judge, request };
    expire::expire(
        scene,
        &guard::region_vetoes(inventory, observed),
        &lineages,
        &mut emitted,
        plan,
    );

    plan.gaps.extend(observed.gaps.iter().map(|gap| PlanGap {
        region: Some(*region),
        operation: gap.listing.operation(),
        error: gap.error.clone(),
    }));
    for line in bystanders.lines() {
        note(plan, Severity::Info, region, line);
    }
    for text in &observed.notes {
        note(plan, Severity::Info, region, text.clone());
    }
    emitted
}

/// Judges every lineage of a region: ours first, so that adopted ones know what covers them.
fn judge_all<'a>(
    judge: &Judge<'_>,
    observed: &RegionInventory,
    lineages: &BTreeMap<LineageKey, Vec<Entry<'a>>>,
    now: DateTime<Utc>,
) -> Vec<JudgedLineage<'a>> {
    let has_adopted = lineages.keys().any(|key| key.is_adopted);
    let mut coverage = Coverage::new();
    let mut judged = Vec::new();
    for is_adopted in [false, true] {
        for (key, entries) in lineages.iter().filter(|(key, _)| key.is_adopted == is_adopted) {
            let Some(policy) = judge.policy(key.policy) else { continue };
            let lineage = verdict::judge_lineage(policy, observed, &coverage, entries, now);
            if has_adopted && !is_adopted {
                verdict::cover(&mut coverage, &lineage, now);
            }
            judged.push(lineage);
        }
    }
    judged.sort_by_key(|lineage| lineage.key);
    judged
}

/// Plans the recovery points that are due in a region.
fn plan_creations(
    config: &Config,
    region: &Region,
    observed: &RegionInventory,
    lineages: &[JudgedLineage<'_>],
    request: &Request,
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    let occupied = create::occupied(observed, request.now);
    let mut claims = Claims::default();
    for (index, policy) in config.policies.iter().enumerate() {
        let variant = policy.in_region(region);
        if !policy.applies_in(region) || !variant.create {
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
            let is_first = claims.claim(candidate, policy_name);
            if is_first && is_covered {
                let key = LineageKey { policy: index, is_adopted: false, source: candidate.source };
                let found = lineages.binary_search_by_key(&key, |lineage| lineage.key).ok();
                let lineage = found.map(|n| &lineages[n]);
                plan_creation(place, candidate, lineage, &occupied, emitted, plan);
            }
        }
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
    plan.waiting.extend(creation.waiting.map(|(reason, since)| wait(reason, since)));
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

/// Returns the sources that EC2 must be asked for, because the verdict on their points depends on
/// whether they are gone.
pub fn questions(config: &Config, inventory: &Inventory) -> BTreeMap<Region, BTreeSet<Source>> {
    let mut questions = BTreeMap::new();
    for (region, observed) in &inventory.regions {
        let judge = Judge::new(config, region, observed);
        let matters = |policy: usize| {
            let orphans = judge.policy(policy).map(|policy| policy.retention.orphans);
            orphans.is_some_and(|orphans| orphans != Orphans::KeepLast)
        };
        if !(0..config.policies.len()).any(matters) {
            continue;
        }
        let listed = listed(observed);
        let lineages = lineage::lineages(&judge, observed, &mut Bystanders::default());
        let keys = lineages.into_keys().filter(|key| matters(key.policy));
        let asked: BTreeSet<Source> =
            keys.map(|key| key.source).filter(|source| !listed.contains(source)).collect();
        if !asked.is_empty() {
            questions.insert(*region, asked);
        }
    }
    questions
}

/// Returns the sources that the listings show alive.
fn listed(observed: &RegionInventory) -> HashSet<Source> {
    let alive = observed.instances.iter().filter(|i| i.state != InstanceState::Terminated);
    let instances = alive.map(|instance| Source::Instance(instance.id));
    instances.chain(observed.volumes.iter().map(|volume| Source::Volume(volume.id))).collect()
}

fn note_selection(place: Place<'_>, n_selected: usize, names_region: bool, plan: &mut Plan) {
    let Place { policy_name, region, inventory, .. } = place;
    let gap = [Listing::Snapshots, Listing::Images].into_iter().find(|l| inventory.has_gap(*l));
    if let Some(gap) = gap {
        let text =
            format!("`{policy_name}` makes no points: {} could not be read", gap.operation());
        note(plan, Severity::Warning, region, text);
    } else if n_selected == 0 && names_region && inventory.gaps.is_empty() {
        note(plan, Severity::Warning, region, format!("`{policy_name}` selects nothing here"));
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
