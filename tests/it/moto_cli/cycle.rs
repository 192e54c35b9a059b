//! Plans and runs when all is well.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use snapbox::{assert_data_eq, str};

use super::scene::{NOW, SERVERS, few, year};
use super::{Ended, Machine, deleted, stable};

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

#[test]
fn the_plan_of_a_year_in_two_regions_can_be_reviewed() {
    let machine = Machine::new(&year(), SERVERS);
    let plan = machine.snapkeep(&format!("plan --now {NOW}")).quiet(0);
    assert_data_eq!(
        stable(&plan),
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       3 to create
      40 to delete, 320 GiB of volumes
     180 kept

eu-west-1 · servers
  create 1 recovery point
    i-00000003          2026-11-20 03:00Z  2 volumes, 16 GiB  CreateSnapshots
  delete 16 snapshots, 128 GiB of volumes
   i-00000003
    2025-12-01 03:00Z snap-31251201             8 GiB  monthly ended 2026-07-01
    2025-12-01 03:00Z snap-32251201             8 GiB  monthly ended 2026-07-01
    2026-01-01 03:00Z snap-31260101             8 GiB  monthly ended 2026-08-01
    2026-01-01 03:00Z snap-32260101             8 GiB  monthly ended 2026-08-01
    2026-02-01 03:00Z snap-31260201             8 GiB  monthly ended 2026-09-01
    2026-02-01 03:00Z snap-32260201             8 GiB  monthly ended 2026-09-01
    2026-03-01 03:00Z snap-31260301             8 GiB  monthly ended 2026-10-01
    2026-03-01 03:00Z snap-32260301             8 GiB  monthly ended 2026-10-01
    2026-04-01 03:00Z snap-31260401             8 GiB  monthly ended 2026-11-01
    2026-04-01 03:00Z snap-32260401             8 GiB  monthly ended 2026-11-01
    2026-10-18 03:00Z snap-31261018             8 GiB  daily ended 2026-11-18
    2026-10-18 03:00Z snap-32261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-31261019             8 GiB  daily ended 2026-11-19
    2026-10-19 03:00Z snap-32261019             8 GiB  daily ended 2026-11-19
    2026-10-20 03:00Z snap-31261020             8 GiB  daily ended 2026-11-20
    2026-10-20 03:00Z snap-32261020             8 GiB  daily ended 2026-11-20
  keep 72 snapshots
      56  daily
       2  daily, monthly
       2  daily; keep_last
      12  monthly

us-east-1 · servers
  create 2 recovery points
    i-00000001          2026-11-20 03:00Z  2 volumes, 16 GiB  CreateSnapshots
    i-00000002          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  delete 24 snapshots, 192 GiB of volumes
   i-00000001
    2025-12-01 03:00Z snap-11251201             8 GiB  monthly ended 2026-07-01
    2025-12-01 03:00Z snap-12251201             8 GiB  monthly ended 2026-07-01
    2026-01-01 03:00Z snap-11260101             8 GiB  monthly ended 2026-08-01
    2026-01-01 03:00Z snap-12260101             8 GiB  monthly ended 2026-08-01
    2026-02-01 03:00Z snap-11260201             8 GiB  monthly ended 2026-09-01
    2026-02-01 03:00Z snap-12260201             8 GiB  monthly ended 2026-09-01
    2026-03-01 03:00Z snap-11260301             8 GiB  monthly ended 2026-10-01
    2026-03-01 03:00Z snap-12260301             8 GiB  monthly ended 2026-10-01
    2026-04-01 03:00Z snap-11260401             8 GiB  monthly ended 2026-11-01
    2026-04-01 03:00Z snap-12260401             8 GiB  monthly ended 2026-11-01
    2026-10-18 03:00Z snap-11261018             8 GiB  daily ended 2026-11-18
    2026-10-18 03:00Z snap-12261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-11261019             8 GiB  daily ended 2026-11-19
    2026-10-19 03:00Z snap-12261019             8 GiB  daily ended 2026-11-19
    2026-10-20 03:00Z snap-11261020             8 GiB  daily ended 2026-11-20
    2026-10-20 03:00Z snap-12261020             8 GiB  daily ended 2026-11-20
   i-00000002
    2025-12-01 03:00Z snap-21251201             8 GiB  monthly ended 2026-07-01
    2026-01-01 03:00Z snap-21260101             8 GiB  monthly ended 2026-08-01
    2026-02-01 03:00Z snap-21260201             8 GiB  monthly ended 2026-09-01
    2026-03-01 03:00Z snap-21260301             8 GiB  monthly ended 2026-10-01
    2026-04-01 03:00Z snap-21260401             8 GiB  monthly ended 2026-11-01
    2026-10-18 03:00Z snap-21261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-21261019             8 GiB  daily ended 2026-11-19
    2026-10-20 03:00Z snap-21261020             8 GiB  daily ended 2026-11-20
  keep 108 snapshots
      84  daily
       3  daily, monthly
       3  daily; keep_last
      18  monthly

"#]]
    );
    let changing = |name: &String| !name.contains(" Describe");
    assert!(!machine.n_calls().keys().any(changing), "{:?}", machine.n_calls());
}

#[test]
fn a_run_does_what_was_planned_with_no_call_too_many() {
    let machine = Machine::new(&year(), SERVERS);
    let plan = machine.snapkeep(&format!("plan --now {NOW} --exit-code --format json")).json(10);
    let regions = ["eu-west-1", "us-east-1"];
    let before = regions.map(|region| machine.snapshots(region));
    let calls_before = machine.n_calls();

    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       3 CreateSnapshots done
      40 DeleteSnapshot done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.] snap-[CREATED-HERE.]
  us-east-1      i-00000001  snap-[CREATED-HERE.] snap-[CREATED-HERE.]
  us-east-1      i-00000002  snap-[CREATED-HERE.]

"#]]
    );

    let mut calls = machine.n_calls();
    for (call, n) in calls_before {
        *calls.get_mut(&call).unwrap() -= n;
    }
    let mut expected = BTreeMap::new();
    for (region, n_pages, n_sets) in [("eu-west-1", 2, 1), ("us-east-1", 2, 2)] {
        // One more: what goes and what stays in its place are read again.
        for (action, n) in [
            ("DescribeInstances", 1),
            ("DescribeVolumes", 1),
            ("DescribeSnapshots", n_pages + 1),
            ("DescribeImages", 1),
            ("DescribeLockedSnapshots", 1),
            ("CreateSnapshots", n_sets),
            ("DeleteSnapshot", deleted(&plan, region).len()),
        ] {
            expected.insert(format!("{region} {action}"), n);
        }
    }
    assert_eq!(calls, expected);

    for (region, before) in regions.into_iter().zip(before) {
        let after = machine.snapshots(region);
        assert_eq!(machine.asked(region, "DeleteSnapshot", "SnapshotId"), deleted(&plan, region));
        let gone: Vec<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
        assert_eq!(gone, deleted(&plan, region).iter().collect::<Vec<_>>());
        let made: Vec<_> = after.iter().filter(|(id, _)| !before.contains_key(*id)).collect();
        assert_eq!(made.len(), if region == "us-east-1" { 3 } else { 2 });
        for (_, snapshot) in made {
            assert_eq!(snapshot.tags.get("snapkeep:slot"), Some("2026-11-20T03:00:00Z"));
            // Of the volume.
            assert_eq!(snapshot.tags.get("Team"), Some("web"));
        }
    }
    let again = machine.snapkeep(&format!("plan --now {NOW} --exit-code --format json")).json(0);
    assert_eq!(again["actions"], json!([]));
    let later = machine.snapkeep("plan --now 2026-11-20T04:00:00Z --exit-code --format json");
    let later = later.json(0);
    assert_eq!((&later["actions"], &later["notes"]), (&json!([]), &json!([])));
}

#[test]
fn the_creating_call_carries_all_tags() {
    let machine = Machine::new(&few(), SERVERS);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    let calls = machine.moto.calls();
    let set =
        calls.iter().find(|call| call.action == "CreateSnapshots" && call.region == "us-east-1");
    let params: Vec<String> =
        set.unwrap().params.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    assert_data_eq!(
        params.concat(),
        str![[r#"
CopyTagsFromSource = volume
Description = snapkeep servers i-00000001 2026-11-20T03:00:00Z
InstanceSpecification.ExcludeBootVolume = false
InstanceSpecification.InstanceId = i-00000001
TagSpecification.1.ResourceType = snapshot
TagSpecification.1.Tag.1.Key = snapkeep:owner
TagSpecification.1.Tag.1.Value = main
TagSpecification.1.Tag.2.Key = snapkeep:policy
TagSpecification.1.Tag.2.Value = servers
TagSpecification.1.Tag.3.Key = snapkeep:slot
TagSpecification.1.Tag.3.Value = 2026-11-20T03:00:00Z
TagSpecification.1.Tag.4.Key = snapkeep:source
TagSpecification.1.Tag.4.Value = us-east-1/i-00000001
TagSpecification.1.Tag.5.Key = snapkeep:members
TagSpecification.1.Tag.5.Value = 1
TagSpecification.1.Tag.6.Key = snapkeep:devices
TagSpecification.1.Tag.6.Value = /dev/xvda=vol-00000011

"#]]
    );
}

#[test]
fn tags_of_the_volume_are_carried_along_as_far_as_they_fit_and_a_hold_never() {
    let mut scene = few();
    let odd =
        json!({ "Name": "서울 – \"a=b\" <&>\n", "snapkeep:hold": "the volume's", "empty": "" });
    scene["regions"]["eu-west-1"]["instances"][0]["volumes"][0]["tags"] = odd;
    let many: Map<String, Value> = (0..50).map(|n| (format!("tag-{n:02}"), json!("x"))).collect();
    scene["regions"]["us-east-1"]["instances"][0]["volumes"][0]["tags"] = many.into();
    let machine = Machine::new(&scene, SERVERS);
    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       2 CreateSnapshots done
       4 DeleteSnapshot done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]
  us-east-1      i-00000001  snap-[CREATED-HERE.]

notes
  warning: us-east-1: i-00000001: a volume's tags and snapkeep's are more than
    50; not all are carried along

"#]]
    );

    let made = |region| {
        let snapshots = machine.snapshots(region).into_values();
        snapshots.max_by_key(|snapshot| snapshot.started_at).unwrap().tags
    };
    assert_eq!(made("us-east-1").len(), 50);
    assert_eq!(made("us-east-1").get("snapkeep:members"), Some("1"));
    let tags = made("eu-west-1");
    assert_eq!((tags.get("Name"), tags.get("empty")), (Some("서울 – \"a=b\" <&>\n"), Some("")));
    assert_eq!(tags.get("snapkeep:hold"), None);
    machine.snapkeep(&format!("plan --now {NOW} --exit-code")).quiet(0);
}

#[test]
fn what_goes_and_what_stays_are_read_again_200_at_a_time() {
    // 75 volumes, each with one point that goes and two that stay in its place.
    let snapshots: Vec<Value> = (0..75)
        .flat_map(|volume| {
            let times = [(1, "2026-10-10"), (2, "2026-10-11"), (3, "2026-11-19")];
            times.map(|(n, day)| {
                let id = format!("snap-{n}{volume:07}");
                let volume = format!("vol-{volume:08}");
                json!({ "id": id, "volume": volume, "start_time": format!("{day}T03:00:00Z") })
            })
        })
        .collect();
    let scene = json!({ "regions": { "us-east-1": { "snapshots": snapshots } } });
    let config = r#"
version = 1

[[policy]]
name = "old"
regions = ["us-east-1"]
create = false
select = { resource = "volume" }
adopt = { all = true }
retention = { keep_last = 2, daily = "1 week" }
"#;
    let machine = Machine::new(&scene, config);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_eq!(machine.n_calls()["us-east-1 DeleteSnapshot"], 75);
    // The listing, and 225 ids: a batch of 198, and the rest.
    assert_eq!(machine.n_calls()["us-east-1 DescribeSnapshots"], 3);
    assert_eq!(
        machine.asked("us-east-1", "DescribeSnapshots", "Filter.1.Name"),
        ["snapshot-id"; 2]
    );
    assert_eq!(machine.snapshots("us-east-1").len(), 150);
}

#[test]
fn two_runs_on_one_machine_take_turns() {
    let machine = Machine::new(&year(), SERVERS);
    let args = format!("run --now {NOW} --format json");
    let both = [machine.start(&args), machine.start(&args)];
    let both = both.map(|child| Ended::of(child.wait_with_output().unwrap()));
    assert!(both.iter().all(|ended| ended.code == Some(0)), "{both:?}");
    // Who comes second is told so, unless the first was done already, and finds nothing to do.
    let waited = both.iter().filter(|ended| !ended.stderr.is_empty());
    assert!(waited.clone().count() <= 1, "{both:?}");
    assert!(waited.into_iter().all(|ended| ended.stderr.contains("waiting")), "{both:?}");
    assert_eq!(machine.n_calls()["us-east-1 CreateSnapshots"], 2);
    assert_eq!(machine.n_calls()["eu-west-1 CreateSnapshots"], 1);
    let plan = machine.snapkeep(&format!("plan --now {NOW} --exit-code --format json")).json(0);
    assert_eq!(plan["actions"], json!([]));
    for (region, n_volumes) in [("us-east-1", 3), ("eu-west-1", 2)] {
        let snapshots = machine.snapshots(region);
        let of_slot = snapshots
            .values()
            .filter(|snapshot| snapshot.tags.get("snapkeep:slot") == Some("2026-11-20T03:00:00Z"));
        let mut volumes: Vec<_> = of_slot.map(|snapshot| snapshot.volume_id).collect();
        volumes.sort();
        volumes.dedup();
        let n_of_slot = snapshots.values().filter(|s| s.started_at == now()).count();
        assert_eq!((volumes.len(), n_of_slot), (n_volumes, n_volumes), "{region}");
    }
}
