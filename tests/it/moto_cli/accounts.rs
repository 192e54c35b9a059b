//! Three accounts, two of them by roles: each has its points, its plan and its failures.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::{Machine, stable};

const NOW: &str = "2026-11-20T03:05:00Z";

const CONFIG: &str = r#"
version = 1

[accounts.production]
role_arn = "arn:aws:iam::111111111111:role/backup/snapkeep"
external_id = "snapkeep-4711"

[accounts.staging]
role_arn = "arn:aws:iam::222222222222:role/snapkeep"

[[policy]]
name = "servers"
accounts = ["self", "production"]
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "1 week" }

[[policy]]
name = "tests"
accounts = ["staging"]
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = 1 }
"#;

/// What the account with this number has: a server, and a point of yesterday.
fn account(n: u32, policy: &str) -> Value {
    let (instance, volume) = (format!("i-0000000{n}"), format!("vol-0000000{n}"));
    json!({ "eu-west-1": {
        "instances": [{ "id": instance, "volumes": [{ "id": volume, "size": 8 }] }],
        "snapshots": (12..20).map(|day| json!({
            "id": format!("snap-{n}00000{day}"),
            "volume": volume,
            "start_time": format!("2026-11-{day}T03:00:02Z"),
            "description": format!("snapkeep {policy} {instance} 2026-11-{day}T03:00:00Z"),
            "tags": {
                "snapkeep:owner": "main",
                "snapkeep:policy": policy,
                "snapkeep:slot": format!("2026-11-{day}T03:00:00Z"),
                "snapkeep:source": format!("eu-west-1/{instance}"),
                "snapkeep:members": "1",
                "snapkeep:devices": "",
            },
        })).collect::<Vec<_>>(),
    } })
}

fn scene() -> Value {
    json!({
        "now": "2026-11-20T03:05:02Z",
        "regions": account(1, "servers"),
        "accounts": { "111111111111": account(2, "servers"), "222222222222": account(3, "tests") },
    })
}

/// Returns, by account, what was done to what.
fn done(runs: &str) -> BTreeMap<String, Vec<String>> {
    let runs: Value = serde_json::from_str(runs).unwrap();
    assert_eq!(runs["format"], "snapkeep.runs/1");
    let of_account = |run: &Value| {
        let name = run["plan"]["account_name"].as_str().unwrap_or("self");
        let actions = run["plan"]["actions"].as_array().unwrap().iter();
        let outcomes = run["outcomes"].as_array().unwrap();
        let line = |(action, outcome): (&Value, &Value)| {
            let [op, source, outcome] = [&action["op"], &action["source"], &outcome["outcome"]]
                .map(|v| v.as_str().unwrap());
            format!("{op} {source} {outcome}")
        };
        (format!("{name} {}", run["plan"]["account"]), actions.zip(outcomes).map(line).collect())
    };
    runs["runs"].as_array().unwrap().iter().map(of_account).collect()
}

#[test]
fn each_account_has_its_own_points_and_retention() {
    let machine = Machine::new(&scene(), CONFIG);
    let run = machine.snapkeep(&format!("run --format json --now {NOW}"));
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    let made = |n: u32| format!("CreateSnapshots i-0000000{n} done");
    let gone = |n: u32| format!("DeleteSnapshot vol-0000000{n} done");
    let expected = BTreeMap::from([
        ("self \"123456789012\"".to_owned(), vec![made(1), gone(1), gone(1)]),
        ("production \"111111111111\"".to_owned(), vec![made(2), gone(2), gone(2)]),
        // A count: what is being made does not count yet.
        ("staging \"222222222222\"".to_owned(), [vec![made(3)], vec![gone(3); 7]].concat()),
    ]);
    assert_eq!(done(&run.stdout), expected);
    // One session for each role, whatever it is used for.
    let assumed = machine.asked("us-east-1", "AssumeRole", "RoleArn");
    let roles = [
        "arn:aws:iam::111111111111:role/backup/snapkeep",
        "arn:aws:iam::222222222222:role/snapkeep",
    ];
    assert_eq!(assumed, roles);
    assert_eq!(machine.asked("us-east-1", "AssumeRole", "ExternalId"), ["snapkeep-4711"]);

    let plan = machine.snapkeep("plan --exit-code --now 2026-11-20T03:06:00Z --account production");
    assert_data_eq!(
        stable(&plan.stdout),
        str![[r#"
Plan for 2026-11-20 03:06Z, account production (111111111111)

       0 to create
       0 to delete, 0 GiB of volumes
       7 kept

eu-west-1 · servers
  keep 7 snapshots
       6  daily
       1  daily; keep_last

"#]]
    );
    assert_eq!(plan.code, Some(0));
}

#[test]
fn an_account_whose_role_cannot_be_assumed_stops_no_other() {
    let mut scene = scene();
    scene["refuse"] = json!([{
        "region": "us-east-1",
        "action": "AssumeRole",
        "where": { "RoleArn": "arn:aws:iam::222222222222:role/snapkeep" },
        "code": "AccessDenied",
        "message": "User: arn:aws:iam::123456789012:user/backup is not authorized to perform: \
                    sts:AssumeRole on resource: arn:aws:iam::222222222222:role/snapkeep",
    }]);
    let machine = Machine::new(&scene, CONFIG);
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(4));
    assert_data_eq!(
        stable(&run.stdout),
        str![[r#"
Run of 2026-11-20 03:05Z

       1 CreateSnapshots done
       2 DeleteSnapshot done

made
  eu-west-1      i-00000001  snap-[CREATED-HERE.]

Run of 2026-11-20 03:05Z, account production (111111111111)

       1 CreateSnapshots done
       2 DeleteSnapshot done

made
  eu-west-1      i-00000002  snap-[CREATED-HERE.]

Run of 2026-11-20 03:05Z, account staging

  nothing done

could not be read, so nothing is deleted that depends on it
  eu-west-1: DescribeInstances, DescribeVolumes, DescribeSnapshots,
    DescribeImages
      NoCredentials: cannot assume the role
      `arn:aws:iam::222222222222:role/snapkeep`: an error occurred while loading
      credentials: unhandled error (AccessDenied): Error { code: "AccessDenied",
      message: "User: arn:aws:iam::123456789012:user/backup is not authorized to
      perform: sts:AssumeRole on resource:
      arn:aws:iam::222222222222:role/snapkeep" }

notes
  warning: eu-west-1: `tests` makes no points: DescribeSnapshots could not be
    read

"#]]
    );
    let check = machine.snapkeep("check --online");
    assert_eq!(check.code, Some(1));
    let staging = check.stdout.split("account staging").nth(1).unwrap();
    assert!(staging.contains("cannot assume the role"), "{staging}");
}

#[test]
fn inventories_of_several_accounts_are_saved_side_by_side() {
    let machine = Machine::new(&scene(), CONFIG);
    let saved = machine.snapkeep(&format!("inventory saved --now {NOW}"));
    assert_eq!(saved.code, Some(0));
    let mut names: Vec<_> = fs::read_dir(machine.path("saved"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["production", "self", "staging"]);
    let plan = |from: &str| machine.snapkeep(&format!("plan --format json --now {NOW}{from}"));
    let actions = |plan: &str| -> Vec<Value> {
        let plans: Value = serde_json::from_str(plan).unwrap();
        let plans = plans["plans"].as_array().unwrap();
        plans.iter().map(|plan| plan["actions"].clone()).collect()
    };
    assert_eq!(actions(&plan(" --inventory saved").stdout), actions(&plan("").stdout));
}

#[test]
fn an_account_that_is_named_twice_is_refused() {
    let config = CONFIG.replace("111111111111", "123456789012");
    let machine = Machine::new(&scene(), &config);
    let run = machine.snapkeep(&format!("run --format json --account self --now {NOW}"));
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("accounts `self` and `production` are both 123456789012"));
    let changes = ["CreateSnapshots", "DeleteSnapshot"].map(|call| format!("eu-west-1 {call}"));
    assert!(changes.iter().all(|call| !machine.n_calls().contains_key(call)), "{}", run.stdout);
}
