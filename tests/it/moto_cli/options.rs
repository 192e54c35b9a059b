//! Limits, all regions or one, where EC2 is, and where output goes.

use std::fs;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::scene::{NOW, SERVERS, few};
use super::{Machine, json_codes, stable};

#[test]
fn all_regions_are_those_that_the_account_has_enabled() {
    let mut scene = few();
    scene["enabled_regions"] = json!(["us-east-1", "eu-west-1", "ap-northeast-2"]);
    let config = SERVERS.replace(r#"["us-east-1", "eu-west-1"]"#, r#"["all"]"#);
    let machine = Machine::new(&scene, &config);
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

"#]]
    );
    let calls = machine.n_calls();
    assert_eq!(calls["us-east-1 DescribeRegions"], 1);
    assert_eq!(calls.keys().filter(|call| call.ends_with(" DescribeRegions")).count(), 1);
    let listed = ["ap-northeast-2", "eu-west-1", "us-east-1"];
    let calls_for = |action: &str| -> Vec<String> {
        listed.iter().map(|region| format!("{region} {action}")).collect()
    };
    assert!(calls_for("DescribeSnapshots").iter().all(|call| calls.contains_key(call)));
}

#[test]
fn a_limit_withholds_deletions_and_lets_points_be_made() {
    let config = format!("{SERVERS}limits = {{ max_deletes = 1 }}\n");
    let machine = Machine::new(&few(), &config);
    let plan = machine.snapkeep(&format!("plan --now {NOW}")).quiet(3);
    assert_data_eq!(
        plan,
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       2 to create
       0 to delete, 0 GiB of volumes
       4 to delete, but withheld by a limit
       6 kept

eu-west-1 · servers
  create 1 recovery point
    i-00000003          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  withhold 2 deletions: over a limit (2 deletions, max_deletes = 1)
   i-00000003
    2026-10-18 03:00Z snap-31261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-31261019             8 GiB  daily ended 2026-11-19
  keep 3 snapshots
       1  daily, monthly
       1  daily; keep_last
       1  monthly

us-east-1 · servers
  create 1 recovery point
    i-00000001          2026-11-20 03:00Z  1 volume, 8 GiB  CreateSnapshots
  withhold 2 deletions: over a limit (2 deletions, max_deletes = 1)
   i-00000001
    2026-10-18 03:00Z snap-11261018             8 GiB  daily ended 2026-11-18
    2026-10-19 03:00Z snap-11261019             8 GiB  daily ended 2026-11-19
  keep 3 snapshots
       1  daily, monthly
       1  daily; keep_last
       1  monthly

"#]]
    );
    let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(3);
    assert_data_eq!(
        stable(&run),
        str![[r#"
Run of 2026-11-20 03:00Z

       2 CreateSnapshots done

made
  eu-west-1      i-00000003  snap-[CREATED-HERE.]
  us-east-1      i-00000001  snap-[CREATED-HERE.]

4 deletions withheld by a limit; once, --max-deletes N lets N through:
       2  eu-west-1 · servers: 2 deletions, max_deletes = 1
       2  us-east-1 · servers: 2 deletions, max_deletes = 1

"#]]
    );
    assert_eq!(machine.n_calls()["us-east-1 CreateSnapshots"], 1);
    assert!(!machine.n_calls().contains_key("us-east-1 DeleteSnapshot"));
    assert_eq!(machine.snapshots("us-east-1").len(), 6);

    let run = machine.snapkeep(&format!("run --now {NOW} --max-deletes 2 --format json")).json(0);
    assert_eq!(json_codes(&run), [0]);
    assert_eq!(machine.n_calls()["us-east-1 DeleteSnapshot"], 2);
    assert_eq!(machine.n_calls()["us-east-1 CreateSnapshots"], 1);
    assert_eq!(machine.snapshots("us-east-1").len(), 4);
    machine.snapkeep(&format!("plan --now {NOW} --exit-code")).quiet(0);
}

#[test]
fn a_region_or_a_policy_can_be_run_alone() {
    let machine = Machine::new(&few(), SERVERS);
    machine.snapkeep(&format!("run --now {NOW} --region eu-west-1")).quiet(0);
    let calls = machine.n_calls();
    assert_eq!((calls["eu-west-1 CreateSnapshots"], calls["eu-west-1 DeleteSnapshot"]), (1, 2));
    assert!(!calls.contains_key("us-east-1 CreateSnapshots"), "{calls:?}");
    assert!(!calls.contains_key("us-east-1 DeleteSnapshot"), "{calls:?}");
    let other = machine.snapkeep(&format!("run --now {NOW} --policy serves"));
    assert_eq!(other.code, Some(2));
    assert_data_eq!(
        other.stderr,
        str![[r#"
error: no policy is called `serves`; the configuration has servers

"#]]
    );
}

#[test]
fn the_endpoint_of_ec2_alone_may_be_named() {
    let mut machine = Machine::new(&few(), SERVERS);
    let url = machine.env.remove("AWS_ENDPOINT_URL").unwrap();
    machine.env.insert("AWS_ENDPOINT_URL_EC2", url);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_eq!(machine.n_calls()["eu-west-1 CreateSnapshots"], 1);
}

#[test]
fn stdout_is_data_and_logs_are_apart() {
    let machine = Machine::new(&few(), SERVERS);
    let plan = machine.snapkeep(&format!("plan --now {NOW} --format json --out plan.json"));
    let saved = fs::read_to_string(machine.path("plan.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&saved).unwrap(), plan.json(0));

    let run = machine.snapkeep(&format!("run --now {NOW} --format json -vv --log json"));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, json_codes(&report)), (Some(0), vec![0]));
    let lines = run.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ended: Vec<Value> = lines.filter(|line| line["message"] == "action ended").collect();
    assert_eq!(ended.len(), 6);
    assert!(ended.iter().all(|line| line["outcome"] == "done"), "{ended:?}");
}
