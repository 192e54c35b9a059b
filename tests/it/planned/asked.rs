//! What EC2 and KMS are asked before a plan is made, and what plans say of what was asked.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use snapkeep::plan::{key_questions, questions};
use snapkeep::report::json::write_plan;

use super::Account;

/// A snapshot that somebody made.
fn by_hand(id: &str, volume: &str, at: &str) -> Value {
    json!({ "id": id, "volume": volume, "start_time": at, "tags": { "By": "hand" } })
}

const ADOPTING: &str = r#"
version = 1
[[policy]]
name = "old"
regions = ["eu-west-1"]
create = false
select = { resource = "volume" }
retention = { daily = "7 days", monthly = "3 months", orphans = "expire" }
adopt = { tags = { By = "hand" } }

[[policy]]
name = "families"
kind = "images"
regions = ["eu-west-1"]
create = false
select = { resource = "image", tags = { Family = "*" } }
retention = { daily = "7 days", orphans = "expire" }
encrypt = {}

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
create = false
select = { resource = "instance", tags = { Name = "web" } }
retention = { daily = "7 days" }
copy = [
    { to = "us-east-1", encrypted = true, kms_key = "alias/dr" },
    { to = "eu-central-1", encrypted = true, kms_key = "alias/far" },
]
"#;

fn account() -> Account {
    Account::new(
        ADOPTING,
        &json!({
            "now": "2026-11-20T03:10:00Z",
            "regions": {
                "eu-west-1": {
                    "volumes": [{ "id": "vol-00000001" }],
                    "snapshots": [
                        by_hand("snap-00000001", "vol-00000001", "2026-11-15T03:00:00Z"),
                        by_hand("snap-00000002", "vol-00000002", "2026-11-15T03:00:00Z"),
                    ],
                    "images": [{ "id": "ami-00000001", "tags": { "Family": "web" } }],
                },
                "us-east-1": {},
            },
        }),
    )
}

#[test]
fn only_of_volumes_and_instances_that_are_not_listed_ec2_is_asked_whether_they_are_gone() {
    let account = account();
    let asked = questions(&account.config, &account.inventory);
    let gone = BTreeSet::from(["vol-00000002".parse().unwrap()]);
    assert_eq!(asked, [("eu-west-1".parse().unwrap(), gone)].into());
}

#[test]
fn of_keys_only_those_of_regions_that_are_read_are_asked_for() {
    let account = account();
    let asked = key_questions(&account.config, &account.inventory);
    let keys = BTreeSet::from(["alias/dr".into()]);
    assert_eq!(asked, [("us-east-1".parse().unwrap(), keys)].into());
}

#[test]
fn a_plan_as_json_names_the_tiers_that_hold_a_snapshot() {
    let plan = account().plan();
    let mut out = Vec::new();
    write_plan(&mut out, &plan, &[]).unwrap();
    let plan: Value = serde_json::from_slice(&out).unwrap();
    let keeps = plan["keeps"].as_array().unwrap();
    let keep = keeps.iter().find(|keep| keep["resource"] == "snap-00000001").unwrap();
    assert_eq!(keep["tiers"], json!(["daily", "monthly"]));
}
