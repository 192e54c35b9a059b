//! A policy that turns from snapshots to images and back, sources that end, limits and gaps.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::{ImageId, SnapshotId};
use snapkeep::domain::inventory::InstanceState;
use snapkeep::report::ExitCode;

use super::world::{DAILY, IMAGES, World, deletions, ended, eu, exit_code, notes, t, us, words};

/// [`DAILY`], making images.
fn images() -> String {
    DAILY.replace("name = \"servers\"", "name = \"servers\"\nkind = \"images\"")
}

#[tokio::test]
async fn a_slot_that_one_kind_filled_is_not_filled_again_by_the_other() {
    for (first, second) in [(DAILY.to_owned(), images()), (images(), DAILY.to_owned())] {
        let world = World::new();
        world.server(&["gp3", "gp3"]);
        world.cycle(&first).await;
        // Pending and complete.
        for _ in 0..2 {
            let report = world.cycle(&second).await;
            assert!(report.plan.actions.is_empty(), "{:?}", ended(&report));
            world.wait(TimeDelta::minutes(5));
        }
        assert_eq!(world.snapshots(&eu()).len(), 2);
    }
}

#[tokio::test]
async fn after_a_change_of_kind_old_points_expire_by_the_same_rules_and_none_is_lost() {
    for (first, second) in [(DAILY.to_owned(), images()), (images(), DAILY.to_owned())] {
        let world = World::new();
        world.server(&["gp3", "gp3"]);
        world.days(&first, 3).await;
        let of_first: Vec<SnapshotId> = world.snapshots(&eu()).iter().map(|s| s.id).collect();
        for day in 0..4_usize {
            let report = world.cycle(&second).await;
            assert!(words(&report).iter().all(|w| *w == "done"), "{:?}", ended(&report));
            world.assert_nothing_left(&second, &report).await;
            let there = world.snapshots(&eu());
            let n_old = there.iter().filter(|s| of_first.contains(&s.id)).count();
            assert_eq!(n_old, 2 * 2_usize.saturating_sub(day), "day {day}");
            let slots: std::collections::BTreeSet<_> =
                there.iter().filter_map(|s| s.tags.get("snapkeep:slot")).collect();
            assert_eq!((slots.len(), there.len()), (3, 6), "one point a day, day {day}");
            world.wait(TimeDelta::days(1));
        }
        // And back again.
        world.days(&first, 4).await;
        assert_eq!(world.snapshots(&eu()).len(), 6);
    }
}

#[tokio::test]
async fn the_newest_point_outlives_the_change_whatever_its_kind() {
    for (first, second) in [(DAILY.to_owned(), images()), (images(), DAILY.to_owned())] {
        let world = World::new();
        let server = world.server(&["gp3"]);
        world.days(&first, 2).await;
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
        world.wait(TimeDelta::days(30));
        let report = world.cycle(&second).await;
        world.assert_nothing_left(&second, &report).await;
        assert_eq!(world.snapshots(&eu()).len(), 1);
    }
}

#[tokio::test]
async fn a_point_that_lacks_a_volume_keeps_its_slot_and_the_next_is_an_image() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let point = world.point(&server, "servers", "2026-11-20 03:00:00");
    world.sandbox.fail_snapshot(&eu(), point[1], "no room");
    let report = world.cycle(&images()).await;
    assert!(!words(&report).contains(&"failed"), "{:?}", ended(&report));
    world.wait(TimeDelta::days(1));
    let report = world.cycle(&images()).await;
    assert!(ended(&report).contains(&("CreateImage", "done")), "{:?}", ended(&report));
    world.assert_nothing_left(&images(), &report).await;
    assert!(world.find(&eu(), point[0]).is_some());
}

#[tokio::test]
async fn images_of_an_instance_that_is_gone_follow_orphans() {
    // Points of the 18th, 19th and 20th; the 21st is day 0, and a point lasts three days.
    for (orphans, expected) in [
        ("keep-last", [Some(0), Some(1), None]),
        ("expire", [Some(0), Some(1), Some(2)]),
        ("10 days", [Some(0), Some(1), Some(9)]),
    ] {
        let config = IMAGES
            .replace("daily = \"3 days\"", &format!("daily = \"3 days\", orphans = \"{orphans}\""));
        let world = World::at("2026-11-18 03:00:00");
        let server = world.server(&["gp3", "gp3"]);
        world.days(&config, 3).await;
        let made: Vec<(ImageId, Vec<SnapshotId>)> =
            world.images(&eu()).into_iter().map(|image| (image.id, image.snapshot_ids)).collect();
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Terminated);
        let mut gone = [None; 3];
        for day in 0..12 {
            world.sandbox.time().advance_to(t("2026-11-21 03:00:00") + TimeDelta::days(day));
            let report = world.cycle(&config).await;
            world.assert_nothing_left(&config, &report).await;
            for (n, (id, snapshots)) in made.iter().enumerate() {
                let is_there = world.find_image(&eu(), *id).is_some();
                assert_eq!(is_there, world.has(snapshots), "an image goes with its snapshots");
                if gone[n].is_none() && !is_there {
                    gone[n] = Some(day);
                }
            }
        }
        assert_eq!(gone, expected, "{orphans}");
    }
}

#[tokio::test]
async fn without_instances_no_image_is_an_orphan_and_one_that_runs_is_still_used() {
    let config = IMAGES.replace("daily = \"3 days\"", "daily = \"3 days\", orphans = \"expire\"");
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.days(&config, 2).await;
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Terminated);
    world.wait(TimeDelta::days(9));
    world.sandbox.fail(Rule::next("DescribeInstances"), Fault::Denied);
    let report = world.cycle(&config).await;
    assert_eq!(exit_code(&report), ExitCode::Incomplete);
    assert_eq!(world.images(&eu()).len(), 1, "the newest stays");
    let report = world.cycle(&config).await;
    assert!(world.images(&eu()).is_empty() && world.snapshots(&eu()).is_empty());
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn a_gap_in_images_or_snapshots_makes_and_deletes_nothing() {
    for operation in ["DescribeImages", "DescribeSnapshots"] {
        for fault in [Fault::Denied, Fault::ErrorBefore, Fault::Throttled] {
            let world = World::new();
            world.server(&["gp3", "gp3"]);
            world.days(IMAGES, 3).await;
            world.sandbox.fail(Rule::next(operation).in_region(&eu()), fault.clone());
            let report = world.cycle(IMAGES).await;
            assert!(report.plan.actions.is_empty(), "{operation} {fault:?}: {:?}", ended(&report));
            assert_eq!(exit_code(&report), ExitCode::Incomplete);
            let report = world.cycle(IMAGES).await;
            assert_eq!(words(&report), ["done"; 4]);
            world.assert_nothing_left(IMAGES, &report).await;
        }
    }
}

#[tokio::test]
async fn limits_count_snapshots_and_images_and_withhold_whole_points() {
    // Three images of two snapshots each are too old.
    for (max, n_gone, code) in [(8, 0, ExitCode::Withheld), (9, 9, ExitCode::Done)] {
        let config = format!("{IMAGES}limits = {{ max_deletes = {max} }}\n");
        let world = World::new();
        world.server(&["gp3", "gp3"]);
        world.days(&IMAGES.replace("3 days", "1 month"), 5).await;
        let report = world.cycle(&config).await;
        let n = report.plan.actions.iter().filter(|a| a.as_delete().is_some()).count();
        assert_eq!((n, exit_code(&report)), (n_gone, code), "{}", notes(&report.plan));
        assert_eq!(words(&report)[0], "done", "creations go on");
        let report = world.cycle_with(&config, |r| r.max_deletes = Some(100)).await;
        assert_eq!((world.images(&eu()).len(), world.snapshots(&eu()).len()), (3, 6));
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn a_percentage_counts_images_as_points() {
    // Ten of twenty points go, with forty calls; then nineteen of twenty.
    for (n_days, withheld) in [("10 days", false), ("2 days", true)] {
        let config = IMAGES.replace("3 days", n_days);
        let world = World::new();
        let server = world.server(&["gp3", "gp3", "gp3"]);
        world.days(&IMAGES.replace("3 days", "2 months"), 20).await;
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
        let report = world.cycle(&config).await;
        let is_withheld = exit_code(&report) == ExitCode::Withheld;
        assert_eq!(is_withheld, withheld, "{n_days}: {}", notes(&report.plan));
    }
}

#[tokio::test]
async fn other_policies_and_regions_are_left_alone() {
    let world = World::new();
    world.server(&["gp3"]);
    world.days(IMAGES, 4).await;
    for change in [
        |r: &mut snapkeep::plan::Request| r.regions = vec![us()],
        |r: &mut snapkeep::plan::Request| r.policies = vec!["another".to_owned()],
    ] {
        let report = world.cycle_with(IMAGES, change).await;
        assert!(report.plan.actions.is_empty() && deletions(&report).is_empty());
    }
    let report = world.cycle_with(IMAGES, |r| r.policies = vec!["golden".to_owned()]).await;
    assert_eq!(words(&report), ["done"; 3]);
    world.assert_nothing_left(IMAGES, &report).await;
}
