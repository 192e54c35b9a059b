//! What is told of one snapshot or image: all of it, and nothing of its neighbours.

use serde_json::Value;
use snapkeep::config::{Config, parse};
use snapkeep::domain::inventory::{Inventory, RegionInventory};
use snapkeep::plan::{Request, explain};
use snapkeep::report::explain_text;

use crate::support::scene;

mod images;
mod snapshots;

/// An account, and what a policy makes of it.
struct Account {
    config: Config,
    inventory: Inventory,
    request: Request,
}

impl Account {
    fn new(policies: &str, scene: &Value) -> Self {
        let config = parse(&[("test.toml".to_owned(), policies.to_owned())]).unwrap();
        let sandbox = scene::sandbox(scene);
        let request = Request::at(sandbox.time().now());
        Self { config, inventory: sandbox.inventory(), request }
    }

    fn region(&mut self, name: &str) -> &mut RegionInventory {
        self.inventory.regions.get_mut(&name.parse().unwrap()).unwrap()
    }

    /// Explains `REGION/ID`, in one line: where lines break is no matter here.
    fn told(&self, place: &str) -> String {
        let (region, id) = place.split_once('/').unwrap();
        let (region, id) = (region.parse().unwrap(), id.parse().unwrap());
        let explanation =
            explain(&self.config, &self.inventory, &self.request, Some(region), id).unwrap();
        let text = explain_text::render(&explanation);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Checks what is told of each: what must be said, and, after a `!`, what must not.
    fn check(&self, expected: &[(&str, &[&str])]) {
        for (place, parts) in expected {
            let told = self.told(place);
            for part in *parts {
                match part.strip_prefix('!') {
                    Some(part) => assert!(!told.contains(part), "{place}: {part}\n{told}"),
                    None => assert!(told.contains(part), "{place}: {part}\n{told}"),
                }
            }
        }
    }
}
