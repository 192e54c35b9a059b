//! Accounts with a few days of history, which cycles have made as they make everything else.

use std::sync::Arc;

use serde_json::{Value, json};
use snapkeep::cloud::sandbox::Sandbox;

use super::{config, cycle};
use crate::support::scene;

/// What is wanted, and when it was looked after so far.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) config: &'static str,
    history: &'static [&'static str],
    account: fn() -> Value,
}

/// When the run is that is disturbed.
pub(super) const NOW: &str = "2026-11-20T03:05:00Z";
/// When the next one is: what is pending is complete.
pub(super) const LATER: &str = "2026-11-20T03:15:00Z";
/// When everything must have come to rest.
pub(super) const AT_LAST: [&str; 2] = ["2026-11-20T03:25:00Z", "2026-11-20T03:35:00Z"];

/// Sets of snapshots of two volumes, with copies in a second region; old ones go on both sides.
pub(super) const SNAPSHOTS: Scene = Scene {
    name: "snapshots",
    config: r#"
version = 1

[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "1 day" }

[[policy.copy]]
to = "us-east-1"
retention = { daily = "2 days" }
"#,
    history: &["2026-11-17T03:04:00Z", "2026-11-18T03:04:00Z", "2026-11-19T03:04:00Z"],
    account: || server(&["vol-00000001", "vol-00000002"]),
};

/// Images with copies in a second region, which are shared; old ones go on both sides.
pub(super) const IMAGES: Scene = Scene {
    name: "images",
    config: r#"
version = 1

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "1 day" }
deprecate_after = "1 month"

[[policy.copy]]
to = "us-east-1"
share_with = ["210987654321"]
retention = { daily = "2 days" }
"#,
    history: &["2026-11-17T03:04:00Z", "2026-11-18T03:04:00Z", "2026-11-19T03:04:00Z"],
    account: || server(&["vol-00000001"]),
};

fn server(volumes: &[&str]) -> Value {
    let volumes: Vec<Value> = volumes.iter().map(|id| json!({ "id": id })).collect();
    json!({ "now": "2026-11-17T03:00:00Z", "regions": {
        "eu-west-1": {
            "instances": [{ "id": "i-00000001", "tags": { "Backup": "on" }, "volumes": volumes }],
        },
        "us-east-1": {},
    } })
}

impl Scene {
    /// Returns the account as it was just before [`NOW`], the same each time.
    pub(super) fn account(&self) -> Arc<Sandbox> {
        let sandbox = scene::sandbox(&(self.account)());
        let config = config(self.config);
        for now in self.history {
            cycle(&sandbox, &config, now);
        }
        sandbox.time().advance_to(NOW.parse().unwrap());
        Arc::new(sandbox)
    }
}
