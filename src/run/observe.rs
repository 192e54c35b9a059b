//! Observing everything that a configuration is about, and what a plan has to ask for beside.
//!
//! Nothing here changes anything, in an account or in a file.

use crate::cloud::Cloud;
use crate::cloud::files::{self, Files};
use crate::cloud::observe::{
    ask_about_images, ask_about_keys, ask_for_sources, observe as observe_regions,
};
use crate::config::{Config, Regions};
use crate::domain::failure::Failure;
use crate::domain::inventory::{Gap, Inventory, Listing, RegionInventory};
use crate::domain::region::Region;
use crate::plan::{Request, image_questions, key_questions, questions};

/// Observes an account through EC2's API, for a plan that is asked for by `request`.
pub async fn observe<C: Cloud>(cloud: &C, config: &Config, request: &Request) -> Inventory {
    let mut regions = config.named_regions();
    let mut regions_error = None;
    if config.policies.iter().any(|policy| policy.regions == Regions::All) {
        match cloud.describe_regions().await {
            Ok(all) => regions.extend(all),
            Err(err) => regions_error = Some(err.failure()),
        }
    }
    let regions: Vec<Region> = regions.into_iter().collect();
    let mut inventory = observe_regions(cloud, &regions).await;
    inventory.regions_error = regions_error;
    let sources = questions(config, &inventory);
    ask_for_sources(cloud, &mut inventory, &sources).await;
    let keys = key_questions(config, &inventory);
    ask_about_keys(cloud, &mut inventory, &keys).await;
    // Last, since it depends on all that was asked before which images would go.
    let images = image_questions(config, &inventory, request);
    ask_about_images(cloud, &mut inventory, &images).await;
    inventory
}

/// Reads a saved inventory as far as `config` is about it; a region that it lacks is a gap.
///
/// What was asked about images and keys stands in its files; what they lack is not known.
pub fn observe_saved(files: &Files, config: &Config) -> Inventory {
    let mut inventory = files.load();
    let named = config.named_regions();
    let is_all = config.policies.iter().any(|policy| policy.regions == Regions::All);
    inventory.regions.retain(|region, _| is_all || named.contains(region));
    for region in named {
        inventory.regions.entry(region).or_insert_with(|| RegionInventory {
            gaps: Listing::ALL
                .map(|listing| Gap {
                    listing,
                    error: Failure::lasting("not in the saved inventory"),
                })
                .into(),
            ..RegionInventory::default()
        });
    }
    let sources = questions(config, &inventory);
    files::ask_for_sources(&mut inventory, &sources);
    inventory
}
