//! While an image and its snapshots go: what EC2 does not know yet, and what it says no to.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::Image;

use super::images_leftover::due;
use super::world::{IMAGES, ended, eu, words};

fn refused(code: &'static str) -> Fault {
    Fault::Refused { code, message: "as the test has it" }
}

#[tokio::test]
async fn a_snapshot_whose_image_went_a_moment_ago_is_given_a_few_seconds() {
    for (n_refused, word, seconds) in [(1, "done", 1), (3, "done", 7), (9, "waiting", 7)] {
        let (world, _, snapshots) = due().await;
        let in_use = refused("InvalidSnapshot.InUse");
        let rule = Rule::every("DeleteSnapshot").naming(&snapshots[0]).times(n_refused);
        world.sandbox.fail(rule, in_use);
        let begun_at = world.now();
        let report = world.cycle(IMAGES).await;
        let mut left = words(&report)[2..].to_vec();
        left.sort_unstable();
        assert_eq!(left, ["done", word], "{n_refused}");
        assert_eq!(world.now() - begun_at, TimeDelta::seconds(seconds), "{n_refused}");
        assert_eq!(world.has(&snapshots[..1]), word == "waiting", "{n_refused}");
    }
}

#[tokio::test]
async fn an_image_is_said_to_be_gone_only_where_ec2_says_so() {
    // Its snapshots are in use all the same, until EC2 knows better.
    for (code, expected) in [
        ("InvalidAMIID.NotFound", ["gone", "waiting", "waiting"]),
        ("InvalidAMIID.Unavailable", ["gone", "waiting", "waiting"]),
        ("IncorrectState", ["failed", "not started", "not started"]),
    ] {
        let (world, _, snapshots) = due().await;
        world.sandbox.fail(Rule::every("DeregisterImage"), refused(code));
        let report = world.cycle(IMAGES).await;
        assert_eq!(words(&report)[1..], expected, "{code}: {:?}", ended(&report));
        assert!(world.has(&snapshots), "{code}");
    }
}

#[tokio::test]
async fn what_was_left_over_stays_once_its_image_shows_up_again() {
    let (world, oldest, snapshots) = due().await;
    let image = world.find_image(&eu(), oldest).unwrap();
    world.sandbox.remove_image(&eu(), oldest);
    let plan = world.plan(IMAGES).await;
    // A listing had missed it. It names no snapshots, so EC2 would let them go.
    world.sandbox.add_image(&eu(), Image { snapshot_ids: Vec::new(), ..image });
    let report = world.execute(plan).await;
    assert_eq!(words(&report)[1..], ["skipped", "skipped"], "{:?}", ended(&report));
    let why = report.outcomes[1].reason().unwrap_or_default();
    assert_eq!(why, format!("its image {oldest} is there"));
    assert!(world.has(&snapshots));
}
