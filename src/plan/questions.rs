//! Questions: what has to be asked beside the listings, because the plan depends on it.
//!
//! Asking is for whoever observes; without an answer the plan keeps what it does not know.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::config::{Config, Kind, Orphans};
use crate::domain::ids::ImageId;
use crate::domain::inventory::{Image, InstanceState, Inventory, RegionInventory};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::Request;
use crate::plan::bystanders::Bystanders;
use crate::plan::guard::Cause;
use crate::plan::leftovers::source_of;
use crate::plan::lineage;
use crate::plan::model::KeepReason;
use crate::plan::standing::Judge;

/// What is asked in each region.
pub type Questions<T> = BTreeMap<Region, BTreeSet<T>>;

/// Returns the sources that EC2 must be asked for, because the verdict on their points depends on
/// whether they are gone.
pub fn questions(config: &Config, inventory: &Inventory) -> Questions<Source> {
    let mut questions: Questions<Source> = BTreeMap::new();
    for (region, observed) in &inventory.regions {
        let judge = Judge::new(config, region, observed);
        let matters = |policy: usize, from: Option<Region>| {
            let variant = config.policies[policy].in_region(&from.unwrap_or(*region));
            let retention = match from {
                None => Some(&variant.retention),
                Some(from) => variant.copy_rule(&from, region).map(|rule| &rule.retention),
            };
            retention.is_some_and(|retention| retention.orphans != Orphans::KeepLast)
        };
        let is_any = config.policies.iter().any(|policy| {
            policy.variants().any(|variant| {
                let copies = variant.copies.iter().map(|rule| &rule.retention);
                let mut all = copies.chain([&variant.retention]);
                all.any(|retention| retention.orphans != Orphans::KeepLast)
            })
        });
        if !is_any {
            continue;
        }
        let (mut bystanders, mut of_images) = (Bystanders::default(), Vec::new());
        let lineages = lineage::lineages(&judge, observed, &mut bystanders, &mut of_images);
        for key in lineages.into_keys().filter(|key| matters(key.policy, key.from)) {
            let home = key.from.unwrap_or(*region);
            questions.entry(home).or_default().insert(key.source);
        }
        // Nothing else may be left of a source than snapshots whose image is gone.
        for (policy, _, snapshot) in of_images {
            let Some(home) = source_of(snapshot) else { continue };
            let from = (home.region != *region).then_some(home.region);
            if matters(policy, from) {
                questions.entry(home.region).or_default().insert(home.source);
            }
        }
    }
    for (region, asked) in &mut questions {
        let listed = inventory.regions.get(region).map(listed).unwrap_or_default();
        asked.retain(|source| !listed.contains(source) && !matches!(source, Source::Family(_)));
    }
    questions.retain(|_, asked| !asked.is_empty());
    questions
}

/// Returns the sources that the listings show alive.
pub(super) fn listed(observed: &RegionInventory) -> HashSet<Source> {
    let alive = observed.instances.iter().filter(|i| i.state != InstanceState::Terminated);
    let instances = alive.map(|instance| Source::Instance(instance.id));
    instances.chain(observed.volumes.iter().map(|volume| Source::Volume(volume.id))).collect()
}

/// Returns the images that would be deregistered if only it were known what uses them.
pub fn image_questions(
    config: &Config,
    inventory: &Inventory,
    request: &Request,
) -> Questions<ImageId> {
    let mut questions: Questions<ImageId> = BTreeMap::new();
    let makes_images = config
        .policies
        .iter()
        .any(|policy| policy.variants().any(|variant| variant.kind == Kind::Images));
    // A policy that makes snapshots now may have images from before.
    let matters = |image: &Image| makes_images || image.tags.has(tags::OWNER);
    let mut images = inventory.regions.values().flat_map(|observed| &observed.images);
    if !images.any(matters) {
        return questions;
    }
    for keep in super::plan_unchecked(config, inventory, request).keeps {
        let KeepReason::Vetoed(vetoed) = &keep.reason else { continue };
        if let (Cause::UsesUnknown, Some(image_id)) = (&vetoed.1.cause, keep.resource.image()) {
            questions.entry(keep.region).or_default().insert(image_id);
        }
    }
    questions
}

/// Returns the keys with which copies and encrypted forms are to be made.
pub fn key_questions(config: &Config, inventory: &Inventory) -> Questions<Arc<str>> {
    let mut questions: Questions<Arc<str>> = BTreeMap::new();
    for region in inventory.regions.keys() {
        for policy in config.policies.iter().filter(|policy| policy.applies_in(region)) {
            let variant = policy.in_region(region);
            if variant.encrypt.is_some() {
                let key = config.encrypt_key(variant, region).cloned();
                questions.entry(*region).or_default().extend(key);
            }
            for rule in variant.copies.iter().filter(|rule| rule.to != *region) {
                questions.entry(rule.to).or_default().extend(rule.kms_key.clone());
            }
        }
    }
    questions.retain(|region, keys| !keys.is_empty() && inventory.regions.contains_key(region));
    questions
}
