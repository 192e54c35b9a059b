//! The scenes of a plan: each region with what it holds, judged.
//!
//! Copies join regions, so all of them are judged before anything is decided. Decides nothing
//! itself.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::domain::inventory::{Inventory, RegionInventory};
use crate::domain::region::Region;
use crate::plan::Request;
use crate::plan::bystanders::Bystanders;
use crate::plan::copy_since::{FirstCopies, first_copies};
use crate::plan::lineage::{self, Entry, LineageKey, LineageKind, OfImage};
use crate::plan::standing::Judge;
use crate::plan::verdict::{self, Coverage, JudgedLineage, Terms};

/// Everything that a plan is made from, judged.
#[derive(Debug)]
pub struct World<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What was observed.
    pub inventory: &'a Inventory,
    /// What the plan is asked for.
    pub request: &'a Request,
    /// Each region that was observed.
    pub scenes: BTreeMap<Region, Scene<'a>>,
    /// When the oldest copies there are were made of.
    pub first_copies: FirstCopies,
}

/// One region.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Which one.
    pub region: Region,
    /// What was observed there.
    pub observed: &'a RegionInventory,
    /// Whose things are.
    pub judge: Judge<'a>,
    /// Its lineages, by key.
    pub lineages: Vec<JudgedLineage<'a>>,
    /// What no policy judges.
    pub bystanders: Bystanders,
    /// Snapshots that were made with images.
    pub of_images: Vec<OfImage<'a>>,
}

impl<'a> World<'a> {
    /// Judges everything.
    pub fn new(config: &'a Config, inventory: &'a Inventory, request: &'a Request) -> Self {
        Self::of(config, inventory, request, |_| true)
    }

    /// Judges what is in one region; what its copies elsewhere mean is not known to it then.
    pub fn of_region(
        config: &'a Config,
        inventory: &'a Inventory,
        request: &'a Request,
        region: &Region,
    ) -> Self {
        Self::of(config, inventory, request, |other| other == region)
    }

    fn of(
        config: &'a Config,
        inventory: &'a Inventory,
        request: &'a Request,
        is_part: impl Fn(&Region) -> bool,
    ) -> Self {
        let regions = inventory.regions.iter().filter(|(region, _)| is_part(region));
        let scenes = regions.map(|(region, observed)| {
            (*region, Scene::new(config, inventory, *region, observed, request))
        });
        let scenes = scenes.collect();
        let first_copies = first_copies(&scenes);
        Self { config, inventory, request, scenes, first_copies }
    }
}

impl<'a> Scene<'a> {
    fn new(
        config: &'a Config,
        inventory: &'a Inventory,
        region: Region,
        observed: &'a RegionInventory,
        request: &Request,
    ) -> Self {
        let mut bystanders = Bystanders::default();
        let judge = Judge::new(config, &region, observed);
        let mut of_images = Vec::new();
        let entries = lineage::lineages(&judge, observed, &mut bystanders, &mut of_images);
        of_images.sort_by_key(|(policy, image_id, snapshot)| (*policy, *image_id, snapshot.id));
        let lineages = Vec::new();
        let mut scene = Self { region, observed, judge, lineages, bystanders, of_images };
        scene.lineages = scene.judge_all(inventory, &entries, request);
        scene
    }

    /// Returns the lineage of `key`.
    pub fn lineage(&self, key: LineageKey) -> Option<&JudgedLineage<'a>> {
        let found = self.lineages.binary_search_by_key(&key, |lineage| lineage.key).ok();
        found.map(|n| &self.lineages[n])
    }

    /// Judges every lineage: ours first, so that adopted ones know what covers them.
    fn judge_all(
        &self,
        inventory: &Inventory,
        lineages: &BTreeMap<LineageKey, Vec<Entry<'a>>>,
        request: &Request,
    ) -> Vec<JudgedLineage<'a>> {
        let now = request.now;
        let has_adopted = lineages.keys().any(LineageKey::is_adopted);
        let mut coverage = Coverage::new();
        let mut judged = Vec::with_capacity(lineages.len());
        for is_adopted in [false, true] {
            let of_turn = lineages.iter().filter(|(key, _)| key.is_adopted() == is_adopted);
            for (key, entries) in of_turn {
                let Some(terms) = self.terms(inventory, *key) else { continue };
                let lineage = verdict::judge_lineage(terms, &coverage, *key, entries, now);
                if has_adopted && key.kind == LineageKind::Own {
                    verdict::cover(&mut coverage, &lineage, now);
                }
                judged.push(lineage);
            }
        }
        judged.sort_by_key(|lineage| lineage.key);
        judged
    }

    /// Returns under what terms a lineage is judged; none if no policy is about it.
    pub fn terms(&self, inventory: &Inventory, key: LineageKey) -> Option<Terms<'a>> {
        let config = self.judge.config;
        let Some(from) = key.from else {
            let policy = self.judge.policy(key.policy)?;
            return Some(Terms {
                region: self.region,
                retention: &policy.retention,
                zone: policy.timezone,
                schedule: policy.schedule.as_ref().filter(|_| policy.create),
                is_gone: verdict::is_gone(self.observed, key.source),
            });
        };
        let policy = config.policies[key.policy].in_region(&from);
        let there = inventory.regions.get(&from);
        Some(Terms {
            region: self.region,
            retention: &policy.copy_rule(&from, &self.region)?.retention,
            zone: policy.timezone,
            schedule: None,
            is_gone: there.is_some_and(|there| verdict::is_gone(there, key.source)),
        })
    }
}
