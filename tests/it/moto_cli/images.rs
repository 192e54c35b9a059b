//! Images of an instance: made, encrypted, copied to two regions, and expired on all sides.

use std::fmt::Write as _;

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, file, str};

use super::Machine;

/// Images of one server, encrypted, with copies in two regions; each region's are kept otherwise.
pub(super) const GOLDEN: &str = r#"
version = 1

[regions."eu-west-1"]
kms_key = "alias/backup"
[regions."us-east-1"]
kms_key = "alias/backup"

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "2 days" }
deprecate_after = "1 month"
encrypt = { retire_unencrypted = true }

[[policy.copy]]
to = "us-east-1"
encrypted = true
share_with = ["210987654321"]
retention = { daily = "3 days" }

[[policy.copy]]
to = "ap-northeast-2"
encrypted = true
kms_key = "alias/dr"
retention = { weekly = "4 weeks" }
"#;

/// Images of one server with a copy in one region, and that is all.
pub(super) const PLAIN: &str = r#"
version = 1

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "2 days" }

[[policy.copy]]
to = "us-east-1"
encrypted = true
kms_key = "alias/backup"
"#;

/// A server with two volumes that are not encrypted, and keys in three regions.
pub(super) fn scene() -> Value {
    let key = |n: u32, alias: &str| json!([{ "id": format!("00000000-0000-0000-0000-{n:012}"), "alias": alias }]);
    json!({ "now": "2026-11-20T03:05:10Z", "regions": {
        "eu-west-1": {
            "keys": key(1, "alias/backup"),
            "instances": [{
                "id": "i-00000001", "image": "ami-0000beef",
                "tags": { "Backup": "on", "Name": "web" },
                "volumes": [
                    { "id": "vol-00000011", "device": "/dev/xvda" },
                    { "id": "vol-00000012", "device": "/dev/sdf", "size": 100 },
                ],
            }],
        },
        "us-east-1": { "keys": key(2, "alias/backup") },
        "ap-northeast-2": { "keys": key(3, "alias/dr") },
    } })
}

/// Adds the encrypted images of some days to a region, as the whole way leaves them. An id tells
/// the region and the day: `ami-1261119` is the first region's of 19 November 2026.
fn add_history(scene: &mut Value, region: &str, days: &[NaiveDate]) {
    let n = ["eu-west-1", "us-east-1", "ap-northeast-2"].iter().position(|r| *r == region);
    let n = n.unwrap() + 1;
    let (mut images, mut snapshots) = (Vec::new(), Vec::new());
    for day in days {
        let short = day.format("%y%m%d");
        let (here, plain) = (format!("ami-{n}0{short}"), format!("ami-00{short}"));
        // The copies in other regions are made of the encrypted form.
        let parent = if n == 1 { plain.clone() } else { format!("ami-10{short}") };
        let mut tags = json!({
            "snapkeep:owner": "main",
            "snapkeep:policy": "golden",
            "snapkeep:source": "eu-west-1/i-00000001",
            "snapkeep:copy-of": format!("eu-west-1/{parent}"),
            "snapkeep:origin": format!("eu-west-1/{plain}"),
            "snapkeep:time": format!("{day}T03:05:10Z"),
            "snapkeep:slot": format!("{day}T03:00:00Z"),
            "snapkeep:members": "2",
        });
        let backing = ["a", "b"].map(|letter| format!("snap-{n}{letter}{short}"));
        for (n_parent, id) in backing.iter().enumerate() {
            snapshots.push(json!({
                "id": id, "encrypted": true, "start_time": format!("{day}T03:07:10Z"),
                "description": format!("Copied for DestinationAmi {here} from SourceAmi {parent} \
                                        for SourceSnapshot snap-{n_parent}."),
                "tags": tags,
            }));
        }
        tags["Name"] = json!("web");
        if region == "us-east-1" {
            tags["snapkeep:shared-with"] = json!("210987654321");
        }
        images.push(json!({
            "id": here, "snapshots": backing, "creation_date": format!("{day}T03:07:10Z"),
            "name": format!("snapkeep golden i-00000001 {day}T03.00.00Z encrypted"),
            "source_image": parent, "source_region": "eu-west-1", "tags": tags,
            "description": format!("snapkeep golden copy of eu-west-1/{parent}"),
            "deprecation_time": "2027-01-01T03:05:10.000Z",
            "shared_with": if region == "us-east-1" { vec!["210987654321"] } else { Vec::new() },
        }));
    }
    scene["regions"][region]["images"] = images.into();
    scene["regions"][region]["snapshots"] = snapshots.into();
}

fn last_days(n: u64) -> Vec<NaiveDate> {
    let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    (0..n).rev().map(|n| today - Days::new(n)).collect()
}

pub(super) fn golden_without_limits() -> String {
    GOLDEN.replace("deprecate_after", "limits.max_delete_percent = 100\ndeprecate_after")
}

/// A month after it began, with all that one region kept too long.
pub(super) fn month() -> Value {
    let mut scene = scene();
    add_history(&mut scene, "eu-west-1", &last_days(4));
    add_history(&mut scene, "us-east-1", &last_days(16));
    let weeks = last_days(40).into_iter().step_by(7).chain(last_days(1));
    add_history(&mut scene, "ap-northeast-2", &weeks.collect::<Vec<_>>());
    scene
}

#[test]
fn an_image_is_made_encrypted_copied_to_two_regions_and_its_original_removed() {
    let machine = Machine::new(&scene(), GOLDEN);
    let mut transcript = String::new();
    for minute in 5..10 {
        transcript += &machine.cycle(&format!("2026-11-20T03:{minute:02}:10Z"));
    }
    assert_data_eq!(transcript, file!["images/made.txt"]);
    for region in ["eu-west-1", "us-east-1", "ap-northeast-2"] {
        assert_eq!(machine.images(region).len(), 1, "{region}");
        let snapshots = machine.snapshots(region);
        assert_eq!(snapshots.len(), 2, "{region}");
        assert!(snapshots.values().all(|s| s.is_encrypted), "{region}");
    }
    let now = "2026-11-20T03:10:10Z";
    let plan = machine.snapkeep(&format!("plan --now {now} --exit-code --format json")).json(0);
    assert_eq!((&plan["actions"], &plan["notes"]), (&json!([]), &json!([])));
}

#[test]
fn images_expire_in_each_region_by_its_own_calendar() {
    let machine = Machine::new(&month(), &golden_without_limits());
    let now = "2026-11-20T03:10:10Z";
    let mut transcript = machine.cycle(now);
    let left = |region| {
        let images = machine.images(region).into_values();
        let days = images.map(|image| image.tags.get("snapkeep:slot").unwrap()[5..10].to_owned());
        let mut days: Vec<String> = days.collect();
        days.sort();
        days.join(" ")
    };
    for region in ["eu-west-1", "us-east-1", "ap-northeast-2"] {
        writeln!(transcript, "left in {region}: {}", left(region)).unwrap();
        let n_images = machine.images(region).len();
        assert_eq!(machine.snapshots(region).len(), 2 * n_images, "{region}");
    }
    assert_data_eq!(transcript, file!["images/expired.txt"]);
    let plan = machine.snapkeep(&format!("plan --now {now} --exit-code --format json")).json(0);
    assert_eq!((&plan["actions"], &plan["notes"]), (&json!([]), &json!([])));
}

#[test]
fn a_run_that_waits_ends_at_once_when_there_is_nothing_to_wait_for() {
    let machine = Machine::new(&month(), &golden_without_limits());
    let now = "2026-11-20T03:10:10Z";
    machine.snapkeep(&format!("run --now {now}")).quiet(0);
    let run = |machine: &Machine| machine.snapkeep(&format!("run --wait --now {now}")).quiet(0);
    let (told, log) = machine.log_of(run);
    assert_data_eq!(
        told,
        str![[r#"
Run of 2026-11-20 03:10Z

  nothing to do

"#]]
    );
    assert_eq!(log.matches("1 DescribeSnapshots").count(), 3, "{log}");
}
