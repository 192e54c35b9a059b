//! Inventories that are saved, and plans from them.

use std::fs;

use serde_json::Value;
use snapbox::{assert_data_eq, str};

use super::scene::{NOW, SERVERS, few, year};
use super::{Ended, Machine, families, images, stable};

/// Plans from the saved inventory where there are no credentials and no network.
fn plan_offline(machine: &Machine, format: &str) -> Ended {
    let args = format!("plan --now {NOW} --inventory saved --format {format}");
    let mut command = machine.command(&args);
    command.env_clear().env("SNAPKEEP_CONFIG", "snapkeep.toml");
    Ended::of(command.output().unwrap())
}

#[test]
fn a_saved_inventory_gives_the_same_plan() {
    let machine = Machine::new(&year(), SERVERS);
    let saved = machine.snapkeep("inventory saved").quiet(0);
    assert_data_eq!(
        saved,
        str![[r#"
eu-west-1: 1 instance, 2 volumes, 88 snapshots, 0 images
us-east-1: 2 instances, 3 volumes, 132 snapshots, 0 images

"#]]
    );
    let there = machine.snapkeep(&format!("plan --now {NOW} --format json")).json(0);
    assert_eq!(plan_offline(&machine, "json").json(0), there);
    let again = machine.snapkeep("inventory saved");
    assert_eq!((again.code, &*again.stdout), (Some(1), ""));
    assert_data_eq!(
        again.stderr,
        str![[r#"
error: could not save the inventory to saved: `saved/eu-west-1`: entity already exists

"#]]
    );
}

#[test]
fn a_saved_inventory_of_images_gives_the_same_plan() {
    for (scene, config) in [
        (families::scene(), families::BUILDS.to_owned()),
        (images::month(), images::golden_without_limits()),
    ] {
        let machine = Machine::new(&scene, &config);
        machine.snapkeep("inventory saved").quiet(0);
        let there = machine.snapkeep(&format!("plan --now {NOW} --format json")).json(0);
        assert_ne!(there["actions"], serde_json::json!([]));
        assert_eq!(plan_offline(&machine, "json").json(0), there);
    }
}

#[test]
fn a_file_that_is_cut_off_stops_deletions_in_its_region_only() {
    let machine = Machine::new(&few(), SERVERS);
    machine.snapkeep("inventory saved").quiet(0);
    let path = machine.path("saved/us-east-1/snapshots.json");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();

    let text = plan_offline(&machine, "text").quiet(4);
    assert_data_eq!(
        stable(&text),
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       1 to create
       2 to delete, 16 GiB of volumes
       5 kept

eu-west-1 · servers
  create 1 recovery point
    i-00000003          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  delete 2 snapshots, 16 GiB of volumes
   i-00000003
    2026-10-18 03:00Z snap-31261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-31261019             8 GiB  daily ended 2026-11-19
  keep 3 snapshots
       1  daily, monthly
       1  daily; keep_last
       1  monthly

us-east-1 · servers
  keep 2 snapshots
       1  keep_last
       1  monthly

could not be read, so nothing is deleted that depends on it
  us-east-1: DescribeSnapshots
      `saved/us-east-1/snapshots.json`: EOF while parsing a value at line 101
      column 4

notes
  warning: us-east-1: `servers` makes no points: DescribeSnapshots could not
    be read

"#]]
    );
    let plan = plan_offline(&machine, "json").json(4);
    let actions = plan["actions"].as_array().unwrap();
    assert!(actions.iter().all(|action: &Value| action["region"] == "eu-west-1"), "{actions:?}");
    assert_eq!(actions.len(), 3);
}

#[test]
fn what_could_not_be_read_is_not_saved() {
    let mut scene = few();
    scene["refuse"] = serde_json::json!([
        { "region": "us-east-1", "action": "DescribeImages", "code": "UnauthorizedOperation" },
    ]);
    let machine = Machine::new(&scene, SERVERS);
    let saved = machine.snapkeep("inventory saved").quiet(4);
    assert_data_eq!(
        saved,
        str![[r#"
eu-west-1: 1 instance, 1 volume, 5 snapshots, 0 images
us-east-1: 1 instance, 1 volume, 5 snapshots, 0 images
  not saved, DescribeImages: UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/backup is not authorized to perform: ec2:DescribeImages because no identity-based policy allows the ec2:DescribeImages action

"#]]
    );
    assert!(!machine.path("saved/us-east-1/images.json").exists());
    let plan = plan_offline(&machine, "json").json(4);
    assert_eq!(super::deleted(&plan, "us-east-1"), Vec::<String>::new());
    assert_eq!(super::deleted(&plan, "eu-west-1").len(), 2);
}
