//! An account, as a scene says, under a configuration.

use serde_json::Value;
use snapkeep::config::{Config, parse};
use snapkeep::domain::inventory::{Inventory, RegionInventory};
use snapkeep::plan::{Plan, Request, plan};

use super::scene;

/// What plans are made of.
pub(crate) struct Account {
    pub(crate) config: Config,
    pub(crate) inventory: Inventory,
    pub(crate) request: Request,
}

impl Account {
    pub(crate) fn new(policies: &str, scene: &Value) -> Self {
        let config = match parse(&[("test.toml".to_owned(), policies.to_owned())]) {
            Ok(config) => config,
            Err(problems) => panic!("{problems}"),
        };
        let sandbox = scene::sandbox(scene);
        let request = Request::at(sandbox.time().now());
        Self { config, inventory: sandbox.inventory(), request }
    }

    pub(crate) fn region(&mut self, name: &str) -> &mut RegionInventory {
        self.inventory.regions.get_mut(&name.parse().unwrap()).unwrap()
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.config, &self.inventory, &self.request)
    }
}
