//! Replies that never come, and runs that are killed: nothing is copied twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::{Machine, copies, images};

const NOW: &str = "2026-11-20T03:06:10Z";

/// Loses the replies of `action` in the first destination of copies.
fn losing(mut scene: Value, action: &str, how: &str, times: u32) -> Value {
    scene["lose"] =
        json!([{ "region": "us-east-1", "action": action, "how": how, "times": times }]);
    scene
}

/// Makes the point that is copied.
fn with_point(machine: &Machine) {
    let now = "2026-11-20T03:05:10Z";
    machine.moto.set_now(now);
    machine.snapkeep(&format!("run --now {now}")).quiet(0);
    machine.moto.set_now(NOW);
}

/// Returns what was copied into a region: how many copies there are of each original.
fn copied(machine: &Machine, region: &str) -> Vec<usize> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let snapshots = machine.snapshots(region).into_values().map(|s| s.tags);
    let images = machine.images(region).into_values().map(|i| i.tags);
    for tags in images.chain(snapshots) {
        let tag = |key| tags.get(key).unwrap_or_default().to_owned();
        *counts.entry((tag("snapkeep:copy-of"), tag("snapkeep:volume"))).or_default() += 1;
    }
    counts.into_values().collect()
}

fn assert_nothing_left(machine: &Machine) {
    let later = "2026-11-20T03:20:10Z";
    machine.moto.set_now(later);
    // What is shared or deprecated comes once the copies are complete.
    machine.snapkeep(&format!("run --now {later}")).quiet(0);
    let plan = machine.snapkeep(&format!("plan --now {later} --exit-code --format json")).json(0);
    assert_eq!((&plan["actions"], &plan["notes"]), (&json!([]), &json!([])));
}

/// Runs until `is_reached` and kills.
fn kill_when(machine: &Machine, is_reached: impl Fn() -> bool) {
    let mut child = machine.start(&format!("run --now {NOW}"));
    for _ in 0..600 {
        if is_reached() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_reached());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
}

#[test]
fn a_copied_snapshot_whose_reply_is_lost_is_found_by_its_tags() {
    for how in ["drop", "error"] {
        let scene = losing(copies::scene(), "CopySnapshot", how, 2);
        let machine = Machine::new(&scene, copies::SERVERS);
        with_point(&machine);
        let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
        assert_data_eq!(
            run,
            str![[r#"
Run of 2026-11-20 03:06Z

       2 CopySnapshot done
       2 CopySnapshot found

made
  ap-northeast-2 eu-west-1/snap-4059fad44a62e59ce  snap-8f55b49eb7bf92599
  ap-northeast-2 eu-west-1/snap-703be5a9e16d19e36  snap-a97f70c4c772e0257
  us-east-1      eu-west-1/snap-4059fad44a62e59ce  snap-2dfd2d4f6f293a9f0
  us-east-1      eu-west-1/snap-703be5a9e16d19e36  snap-8c13a0e286ca0c8f6

"#]]
        );
        assert_eq!(copied(&machine, "us-east-1"), [1, 1]);
        assert_eq!(machine.n_calls()["us-east-1 CopySnapshot"], 2);
        assert_nothing_left(&machine);
    }
}

#[test]
fn a_copied_image_whose_reply_is_lost_is_asked_for_again_with_the_same_token() {
    for how in ["drop", "error"] {
        let scene = losing(images::scene(), "CopyImage", how, 2);
        let machine = Machine::new(&scene, images::PLAIN);
        with_point(&machine);
        let run = machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
        assert_data_eq!(
            run,
            str![[r#"
Run of 2026-11-20 03:06Z

       1 CopyImage done

made
  us-east-1      eu-west-1/ami-b056be88cb21b4afc  ami-6ae03e9048e6719d8

"#]]
        );
        // An image and its two snapshots.
        assert_eq!(copied(&machine, "us-east-1"), [3]);
        let tokens = machine.asked("us-east-1", "CopyImage", "ClientToken");
        assert_eq!(tokens.len(), 3);
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
        assert_nothing_left(&machine);
    }
}

#[test]
fn a_run_that_is_killed_while_snapshots_are_copied_leaves_one_copy_of_each() {
    let scene = losing(copies::scene(), "CopySnapshot", "hang", 2);
    let machine = Machine::new(&scene, copies::SERVERS);
    with_point(&machine);
    kill_when(&machine, || machine.snapshots("us-east-1").len() == 2);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_eq!(copied(&machine, "us-east-1"), [1, 1]);
    assert_eq!(copied(&machine, "ap-northeast-2"), [1, 1]);
    assert_eq!(machine.n_calls()["us-east-1 CopySnapshot"], 2);
    assert_nothing_left(&machine);
}

#[test]
fn a_run_that_is_killed_while_an_image_is_copied_leaves_one_copy() {
    let scene = losing(images::scene(), "CopyImage", "hang", 1);
    let machine = Machine::new(&scene, images::PLAIN);
    with_point(&machine);
    kill_when(&machine, || machine.images("us-east-1").len() == 1);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    assert_eq!(copied(&machine, "us-east-1"), [3]);
    assert_eq!(machine.n_calls()["us-east-1 CopyImage"], 1);
    assert_nothing_left(&machine);
}

#[test]
fn a_run_that_is_killed_between_an_image_and_its_snapshots_is_finished_by_the_next() {
    let mut scene = images::month();
    scene["lose"] = json!([
        { "region": "eu-west-1", "action": "DeregisterImage", "how": "hang", "times": 2 },
    ]);
    let machine = Machine::new(&scene, &images::golden_without_limits());
    kill_when(&machine, || machine.images("eu-west-1").len() == 2);
    assert_eq!(machine.snapshots("eu-west-1").len(), 8);

    let transcript = machine.cycle(NOW);
    let here = transcript.split("\n\n").find(|part| part.starts_with("eu-west-1 ")).unwrap();
    assert_data_eq!(
        here,
        str![[r#"
eu-west-1 · golden
  delete 4 snapshots, 32 GiB of volumes
   i-00000001
    2026-11-17 03:07Z snap-1a261117             8 GiB
        left over of ami-10261117, which is gone
    2026-11-17 03:07Z snap-1b261117             8 GiB
        left over of ami-10261117, which is gone
    2026-11-18 03:07Z snap-1a261118             8 GiB
        left over of ami-10261118, which is gone
    2026-11-18 03:07Z snap-1b261118             8 GiB
        left over of ami-10261118, which is gone
  keep 2 images
       1  daily
       1  daily; keep_last
"#]]
    );
    assert_eq!(machine.snapshots("eu-west-1").len(), 4);
    assert_nothing_left(&machine);
}
