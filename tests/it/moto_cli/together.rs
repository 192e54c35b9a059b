//! Two runners on one account, such as a timer on each of two machines: in the end there is one
//! recovery point and one copy for each slot, and what was made twice has been told.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Ended, Machine, copies};

/// How many snapshots there are of each volume and slot in a region.
fn points(machine: &Machine, region: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for snapshot in machine.snapshots(region).into_values() {
        let tag = |key| snapshot.tags.get(key).unwrap_or_default();
        let volume = snapshot.tags.get("snapkeep:volume").map(str::to_owned);
        let volume = volume.or_else(|| snapshot.volume_id.map(|id| id.to_string()));
        let key = format!("{} {}", volume.unwrap_or_default(), tag("snapkeep:slot"));
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// What stands there if each of `slots` has `n` points.
fn each(n: usize, slots: &[&str]) -> BTreeMap<String, usize> {
    let volumes = ["vol-00000011", "vol-00000012"];
    let keys =
        slots.iter().flat_map(|slot| volumes.map(|v| format!("{v} 2026-11-{slot}T03:00:00Z")));
    keys.map(|key| (key, n)).collect()
}

/// Runs snapkeep twice at the same time, as on two machines.
fn both(machine: &Machine, args: &str) -> [Ended; 2] {
    let start = |name: &str| {
        let locks = machine.path(name);
        std::fs::create_dir_all(&locks).unwrap();
        let mut command = machine.command(args);
        command.env("SNAPKEEP_LOCK_DIR", locks);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let (one, other) = (start("one"), start("other"));
    [one, other].map(|child| Ended::of(child.wait_with_output().unwrap()))
}

#[test]
fn two_runners_end_with_one_point_and_one_copy_of_each_slot() {
    let mut scene = copies::scene();
    // Each of the two has seen that there is no point, or no copy, before either makes one.
    scene["meet"] = json!([
        { "region": "eu-west-1", "action": "CreateSnapshots", "n": 2 },
        { "region": "us-east-1", "action": "CopySnapshot", "n": 2, "by": "SourceSnapshotId" },
        { "region": "ap-northeast-2", "action": "CopySnapshot", "n": 2, "by": "SourceSnapshotId" },
    ]);
    let machine = Machine::new(&scene, copies::SERVERS);
    let now = |minute: u32| {
        let now = format!("2026-11-20T03:{minute:02}:10Z");
        machine.moto.set_now(&now);
        now
    };

    for run in both(&machine, &format!("run --now {}", now(5))) {
        run.quiet(0);
    }
    assert_eq!(points(&machine, "eu-west-1"), each(2, &["20"]));

    // The twin that stays is copied, by both; the other one goes.
    let plan = machine.snapkeep(&format!("plan --now {}", now(6))).quiet(0);
    assert_eq!(plan.matches("second point of its slot").count(), 2, "{plan}");
    for run in both(&machine, &format!("run --now {}", now(6))) {
        assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{}", run.stdout);
    }
    assert_eq!(points(&machine, "eu-west-1"), each(1, &["20"]));
    assert_eq!(points(&machine, "us-east-1"), each(2, &["20"]));
    assert_eq!(points(&machine, "ap-northeast-2"), each(2, &["20"]));

    for run in both(&machine, &format!("run --now {}", now(7))) {
        assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{}", run.stdout);
    }
    for region in ["eu-west-1", "us-east-1", "ap-northeast-2"] {
        assert_eq!(points(&machine, region), each(1, &["20"]), "{region}");
    }
    machine.snapkeep(&format!("run --now {}", now(8))).quiet(0);
    let left = machine.snapkeep(&format!("plan --exit-code --format json --now {}", now(9)));
    let left = left.json(0);
    assert_eq!((&left["actions"], &left["waiting"]), (&json!([]), &json!([])));
}
