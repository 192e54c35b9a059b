//! Copies of an instance's encrypted snapshots in two regions.

use std::fmt::Write as _;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, file};

use super::Machine;

/// Daily points, with all of them in one region and those of Mondays in another.
pub(super) const SERVERS: &str = r#"
version = 1

[regions."us-east-1"]
kms_key = "alias/backup"

[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "1 day" }

[[policy.copy]]
to = "us-east-1"
retention = { daily = "2 days" }

[[policy.copy]]
to = "ap-northeast-2"
kms_key = "alias/dr"
share_with = ["210987654321"]
retention = { weekly = "2 weeks" }
"#;

/// A server with two encrypted volumes, and keys in three regions.
pub(super) fn scene() -> Value {
    let key = |n: u32, alias: &str| json!([{ "id": format!("00000000-0000-0000-0000-{n:012}"), "alias": alias }]);
    let volume = |id, device| {
        json!({ "id": id, "device": device, "encrypted": true, "key": "alias/backup",
                "tags": { "Team": "web" } })
    };
    json!({ "now": "2026-11-20T03:05:10Z", "regions": {
        "eu-west-1": {
            "keys": key(1, "alias/backup"),
            "instances": [{
                "id": "i-00000001", "tags": { "Backup": "on" },
                "volumes": [volume("vol-00000011", "/dev/xvda"), volume("vol-00000012", "/dev/sdf")],
            }],
        },
        "us-east-1": { "keys": key(2, "alias/backup") },
        "ap-northeast-2": { "keys": key(3, "alias/dr") },
    } })
}

#[test]
fn encrypted_snapshots_are_copied_to_two_regions_with_presigned_urls() {
    let machine = Machine::new(&scene(), SERVERS);
    let mut transcript = String::new();
    for minute in 5..9 {
        transcript += &machine.cycle(&format!("2026-11-20T03:{minute:02}:10Z"));
    }
    assert_data_eq!(transcript, file!["copies/made.txt"]);
    // A copy without a valid URL, or with a key that is none, would be in error.
    for (region, n) in [("us-east-1", 2), ("ap-northeast-2", 3)] {
        let copies = machine.snapshots(region);
        assert_eq!(copies.len(), 2, "{region}");
        let key = format!("arn:aws:kms:{region}:123456789012:key/00000000-0000-0000-0000-{n:012}");
        for copy in copies.values() {
            assert_eq!((copy.state.name(), copy.state_message.as_deref()), ("completed", None));
            assert_eq!(copy.kms_key_id.as_deref(), Some(&*key));
        }
    }
}

#[test]
fn points_and_copies_expire_each_by_their_own_calendar() {
    let machine = Machine::new(&scene(), SERVERS);
    let mut transcript = String::new();
    // From Friday to Monday; of each day the last cycle is the one that removes.
    for day in 20..=23 {
        for minute in 5..8 {
            let now = format!("2026-11-{day}T03:{minute:02}:10Z");
            machine.moto.set_now(&now);
            machine.snapkeep(&format!("run --now {now}")).quiet(0);
        }
        writeln!(transcript, "2026-11-{day}").unwrap();
        for region in ["eu-west-1", "us-east-1", "ap-northeast-2"] {
            let snapshots = machine.snapshots(region).into_values();
            let days = snapshots.map(|s| s.tags.get("snapkeep:slot").unwrap()[8..10].to_owned());
            let mut days: Vec<String> = days.collect();
            days.sort();
            writeln!(transcript, "  {region}: {}", days.join(" ")).unwrap();
        }
    }
    assert_data_eq!(
        transcript,
        snapbox::str![[r#"
2026-11-20
  eu-west-1: 20 20
  us-east-1: 20 20
  ap-northeast-2: 20 20
2026-11-21
  eu-west-1: 21 21
  us-east-1: 20 20 21 21
  ap-northeast-2: 20 20
2026-11-22
  eu-west-1: 22 22
  us-east-1: 21 21 22 22
  ap-northeast-2: 20 20
2026-11-23
  eu-west-1: 23 23
  us-east-1: 22 22 23 23
  ap-northeast-2: 20 20 23 23

"#]]
    );
}
