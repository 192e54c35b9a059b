//! The check of the finished plan: does it keep what the invariants promise?
//!
//! Written from the inventory and the tags alone, without the code that plans, so that one mistake
//! there does not excuse itself here. A fatal note means that nothing may be executed.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::config::{Config, Policy};
use crate::domain::id_map::{IdMap, IdSet};
use crate::domain::ids::ResourceId;
use crate::domain::inventory::{Inventory, RegionInventory};
use crate::domain::region::Region;
use crate::plan::Request;
use crate::plan::model::{Action, ExpireReason, Note, Plan, Severity};

mod adopted;
mod copies;
mod creations;
mod deletions;
mod newest;
mod ours;

/// Returns a fatal note for every promise that `plan` breaks.
pub fn check(config: &Config, inventory: &Inventory, request: &Request, plan: &Plan) -> Vec<Note> {
    let mut broken = Broken::default();
    twice(plan, &mut broken);
    for (region, observed) in &inventory.regions {
        let policies = config.policies.iter().filter(|policy| policy.applies_in(region));
        let scene =
            Scene { config, policies: &policies.collect::<Vec<_>>(), inventory, region, observed };
        let actions: Vec<&Action> = plan.actions.iter().filter(|a| a.region == *region).collect();
        if actions.is_empty() {
            continue;
        }
        let deleted: Deleted<'_> = actions
            .iter()
            .filter_map(|action| Some((action.as_delete()?.resource, *action)))
            .collect();
        deletions::deletions(scene, &deleted, &mut broken);
        newest::newest_points(scene, &deleted, &mut broken);
        adopted::newest_snapshots(scene, &deleted, &mut broken);
        adopted::newest_images(scene, &deleted, &mut broken);
        creations::creations(scene, &actions, &deleted, &mut broken);
        copies::copies(scene, &actions, &deleted, &mut broken);
    }
    copies::sources(inventory, plan, &mut broken);
    over_limit(config, request, plan, &mut broken);
    broken.notes
}

/// What a plan deletes in one region.
type Deleted<'a> = IdMap<ResourceId, &'a Action>;

#[derive(Debug, Default)]
struct Broken {
    notes: Vec<Note>,
}

impl Broken {
    fn add(&mut self, region: Option<&Region>, message: String) {
        let (severity, region) = (Severity::Fatal, region.copied());
        self.notes.push(Note { severity, region, message });
    }
}

#[derive(Clone, Copy)]
struct Scene<'s> {
    config: &'s Config,
    /// Those that apply in the region.
    policies: &'s [&'s Policy],
    inventory: &'s Inventory,
    region: &'s Region,
    observed: &'s RegionInventory,
}

impl<'s> Scene<'s> {
    fn policy(self, name: &str) -> Option<&'s Policy> {
        self.policies.iter().copied().find(|policy| policy.answers_to(name))
    }

    /// Returns the policy whatever regions it applies in.
    fn policy_anywhere(self, name: &str) -> Option<&'s Policy> {
        self.config.policies.iter().find(|policy| policy.answers_to(name))
    }
}

/// No action stands twice in a plan, and nothing is both deleted and kept.
fn twice(plan: &Plan, broken: &mut Broken) {
    let mut deleted: HashMap<&Region, IdSet<ResourceId>> = HashMap::new();
    let mut created = HashSet::new();
    for action in &plan.actions {
        let is_new = match action.as_delete() {
            Some(delete) => deleted.entry(&action.region).or_default().insert(delete.resource),
            None => created.insert(action.id()),
        };
        if !is_new {
            broken.add(Some(&action.region), format!("{} is planned twice", action.id()));
        }
    }
    for keeps in plan.keeps.chunk_by(|a, b| a.region == b.region) {
        let region = &keeps[0].region;
        let Some(deleted) = deleted.get(region) else { continue };
        for keep in keeps.iter().filter(|keep| deleted.contains(&keep.resource)) {
            broken.add(Some(region), format!("{} is both kept and deleted", keep.resource));
        }
    }
}

/// No policy deletes more in a region than its limit allows.
fn over_limit(config: &Config, request: &Request, plan: &Plan, broken: &mut Broken) {
    let mut counts: BTreeMap<(&str, &Region), u32> = BTreeMap::new();
    let is_counted = |action: &&Action| {
        // What makes room for a creation is never withheld.
        action.as_delete().is_some_and(|delete| delete.reason != ExpireReason::FailedInTheWay)
    };
    for action in plan.actions.iter().filter(is_counted) {
        *counts.entry((&action.policy, &action.region)).or_default() += 1;
    }
    for ((name, region), n_deletes) in counts {
        let policy = config.policies.iter().find(|policy| policy.name.as_ref() == name);
        let limit = policy.map(|policy| policy.in_region(region).limits.max_deletes);
        if request.max_deletes.or(limit).is_none_or(|max| max < n_deletes) {
            let text =
                format!("`{name}` would delete {n_deletes} snapshots and images, over its limit");
            broken.add(Some(region), text);
        }
    }
}
