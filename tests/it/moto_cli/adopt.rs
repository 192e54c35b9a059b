//! What is never deleted, and what others made.

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::Machine;
use super::scene::{NOW, SERVERS, few, instance};

#[test]
fn what_an_image_needs_stays_even_if_the_image_is_disabled() {
    let mut scene = few();
    scene["regions"]["us-east-1"]["images"] =
        json!([{ "id": "ami-00000001", "snapshots": ["snap-11261018"] }]);
    scene["regions"]["eu-west-1"]["images"] = json!([
        { "id": "ami-00000002", "snapshots": ["snap-31261019"], "state": "disabled" },
    ]);
    let machine = Machine::new(&scene, SERVERS);
    let plan = machine.snapkeep(&format!("plan --now {NOW}")).quiet(0);
    assert_data_eq!(
        plan,
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       2 to create
       2 to delete, 16 GiB of volumes
       6 kept
       2 kept although retention is over

eu-west-1 · servers
  create 1 recovery point
    i-00000003          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  delete 1 snapshot, 8 GiB of volumes
   i-00000003
    2026-10-18 03:00Z snap-31261018             8 GiB  daily ended 2026-11-18
  keep 1 snapshot although retention is over
    2026-10-19 03:00Z snap-31261019
        backs ami-00000002; would go: daily ended 2026-11-19 03:00Z
  keep 3 snapshots
       1  daily, monthly
       1  daily; keep_last
       1  monthly

us-east-1 · servers
  create 1 recovery point
    i-00000001          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  delete 1 snapshot, 8 GiB of volumes
   i-00000001
    2026-10-19 03:00Z snap-11261019             8 GiB  daily ended 2026-11-19
  keep 1 snapshot although retention is over
    2026-10-18 03:00Z snap-11261018
        backs ami-00000001; would go: daily ended 2026-11-18 03:00Z
  keep 3 snapshots
       1  daily, monthly
       1  daily; keep_last
       1  monthly

"#]]
    );
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_eq!(machine.asked("us-east-1", "DeleteSnapshot", "SnapshotId"), ["snap-11261019"]);
    assert_eq!(machine.asked("eu-west-1", "DeleteSnapshot", "SnapshotId"), ["snap-31261018"]);

    let explained = machine.snapkeep(&format!("explain snap-11261018 --now {NOW}")).quiet(0);
    let needed = explained.lines().skip_while(|line| !line.starts_with("in the way"));
    let needed: Vec<&str> = needed.take_while(|line| !line.is_empty()).collect();
    assert_data_eq!(
        needed.join("\n"),
        str![[r#"
in the way of deleting it
  backs ami-00000001; lifted by deregistering ami-00000001
"#]]
    );
}

#[test]
fn an_old_scripts_snapshots_are_taken_over_and_nothing_else() {
    let config = r#"
version = 1

[[policy]]
name = "servers"
regions = ["us-east-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "1 month" }
adopt = { description = "nightly*", exclude_tags = { Keep = "*" } }
"#;
    let snapshot = |id: u32, day: &str, description: &str, tags: Value| {
        json!({ "id": format!("snap-{id:08}"), "volume": "vol-00000011", "tags": tags,
                "start_time": format!("{day}T01:00:00Z"), "description": description })
    };
    let none = || json!({});
    let scene = json!({ "now": NOW, "regions": { "us-east-1": {
        "instances": [instance(1, 1)],
        "snapshots": [
            snapshot(1, "2026-08-01", "nightly of web", none()),
            snapshot(2, "2026-09-01", "nightly of web", json!({ "CreatedBy": "cron" })),
            snapshot(3, "2026-11-19", "nightly of web", none()),
            snapshot(11, "2026-08-01", "before the upgrade", none()),
            snapshot(12, "2026-08-01", "nightly of web", json!({ "Keep": "contract 7" })),
            snapshot(13, "2026-08-01", "nightly of web", json!({ "snapkeep:hold": "" })),
            snapshot(14, "2026-08-01", "nightly of web",
                json!({ "aws:backup:source-resource": "arn:aws:ec2:us-east-1::volume/vol-1" })),
            json!({ "id": "snap-00000015", "start_time": "2026-08-01T01:00:00Z",
                    "description": "nightly copy" }),
            json!({ "id": "snap-00000016", "start_time": "2026-08-01T01:00:00Z",
                    "volume": "vol-00000011", "description": "nightly", "owner": "999999999999" }),
        ],
    } } });
    let machine = Machine::new(&scene, config);
    let plan = machine.snapkeep(&format!("plan --now {NOW}")).quiet(0);
    assert_data_eq!(
        plan,
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       1 to create
       2 to delete, 16 GiB of volumes
       1 kept
       1 kept although retention is over

us-east-1 · servers
  create 1 recovery point
    i-00000001          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  delete 2 snapshots, 16 GiB of volumes
   vol-00000011
    2026-08-01 01:00Z snap-00000001             8 GiB  daily ended 2026-09-01
    2026-09-01 01:00Z snap-00000002             8 GiB  daily ended 2026-10-01
  keep 1 snapshot although retention is over
    2026-08-01 01:00Z snap-00000013
        held by the tag snapkeep:hold; would go: no tier takes it
  keep 1 snapshot
       1  daily; keep_last

notes
  us-east-1: 1 snapshot left alone: managed by AWS Backup
  us-east-1: 1 snapshot left alone: matches `adopt` but has no volume of its
    own: a copy or an import

"#]]
    );
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    let deleted = machine.asked("us-east-1", "DeleteSnapshot", "SnapshotId");
    assert_eq!(deleted, ["snap-00000001", "snap-00000002"]);
    machine.snapkeep(&format!("plan --now {NOW} --exit-code")).quiet(0);
}
