//! Observing everything that a configuration is about.

use std::collections::BTreeSet;

use crate::cloud::Cloud;
use crate::cloud::files::{self, Files};
use crate::cloud::observe::{ask_for_sources, observe as observe_regions};
use crate::config::{Config, Regions};
use crate::domain::inventory::{Gap, Inventory, Listing, RegionInventory};
use crate::domain::region::Region;
use crate::plan::questions;

/// Observes an account through EC2's API.
pub async fn observe<C: Cloud>(cloud: &C, config: &Config) -> Inventory {
    let mut regions = named_regions(config);
    let mut regions_error = None;
    if config.policies.iter().any(|policy| policy.regions == Regions::All) {
        match cloud.describe_regions().await {
            Ok(all) => regions.extend(all),
            Err(err) => regions_error = Some(err.reason()),
        }
    }
    let regions: Vec<Region> = regions.into_iter().collect();
    let mut inventory = observe_regions(cloud, &regions).await;
    inventory.regions_error = regions_error;
    let questions = questions(config, &inventory);
    ask_for_sources(cloud, &mut inventory, &questions).await;
    inventory
}

/// Reads a saved inventory as far as `config` is about it; a region that it lacks is a gap.
pub fn observe_saved(files: &Files, config: &Config) -> Inventory {
    let mut inventory = files.load();
    inventory.regions.retain(|region, _| config.policies.iter().any(|p| p.applies_in(region)));
    for region in named_regions(config) {
        inventory.regions.entry(region).or_insert_with(|| RegionInventory {
            gaps: Listing::ALL
                .map(|listing| Gap { listing, error: "not in the saved inventory".to_owned() })
                .into(),
            ..RegionInventory::default()
        });
    }
    let questions = questions(config, &inventory);
    files::ask_for_sources(&mut inventory, &questions);
    inventory
}

fn named_regions(config: &Config) -> BTreeSet<Region> {
    let named = config.policies.iter().filter_map(|policy| match &policy.regions {
        Regions::All => None,
        Regions::Named(named) => Some(named),
    });
    named.flatten().copied().collect()
}
