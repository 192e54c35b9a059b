//! Destinations and sources that cannot be read or reached, and copies that fail.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::{Snapshot, SnapshotState};
use snapkeep::domain::tags;
use snapkeep::report::ExitCode;

use super::{
    KINDS, Kind, TO_US, ap, complete, copies, deleted, hourly, planned, settle, slots, things,
    waits,
};
use crate::cycles::world::{World, eu, exit_code, notes, us};

const TO_AP: &str = "[[policy.copy]]\nto = \"ap-northeast-2\"\nretention = { daily = \"7 days\" }";

#[tokio::test]
async fn while_a_destination_cannot_be_read_others_go_on_and_originals_stay() {
    for kind in KINDS {
        for existing in ["", "existing = true"] {
            for operation in ["DescribeSnapshots", "DescribeImages"] {
                let world = World::new();
                world.sandbox.add_region(&ap());
                kind.source(&world);
                let config = kind.policy("", &format!("{TO_US}\n{existing}\n{TO_AP}"));
                settle(&world, &config).await;
                world.sandbox.fail(Rule::every(operation).in_region(&us()), Fault::ErrorBefore);
                for _ in 0..5 {
                    world.wait(TimeDelta::hours(20));
                    let report = hourly(&world, &config, 4).await;
                    assert_eq!(exit_code(&report), ExitCode::Incomplete);
                    let to_us = planned(&report.plan).len();
                    assert_eq!((to_us, deleted(&report.plan, &us()).len()), (0, 0));
                }
                let context = format!("{kind:?} {existing} {operation}");
                assert_eq!(slots(&copies(&world, &ap())).len(), 6, "{context}");
                let there = slots(&things(&world, &eu()));
                assert_eq!(
                    there.len(),
                    5 + usize::from(there[0].starts_with("11-20")),
                    "{context}"
                );
                world.sandbox.clear_faults();
                hourly(&world, &config, 6).await;
                assert_eq!(slots(&copies(&world, &us())).len(), 6, "{context}");
                assert_eq!(slots(&things(&world, &eu())).len(), 3, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_gap_at_the_source_stops_deletions_there_and_no_copies_are_judged_by_it() {
    for kind in KINDS {
        for operation in ["DescribeSnapshots", "DescribeImages"] {
            let world = World::new();
            kind.source(&world);
            let config = kind.to_us();
            settle(&world, &config).await;
            world.wait(TimeDelta::hours(20));
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(30));
            let rule = Rule::every(operation).in_region(&eu());
            world.sandbox.fail(rule, Fault::ErrorBefore);
            let report = world.cycle(&config).await;
            assert!(
                report.plan.actions.is_empty(),
                "{kind:?} {operation}: {:?}",
                report.plan.actions
            );
            world.wait(TimeDelta::days(30));
            let report = world.cycle(&config).await;
            assert!(deleted(&report.plan, &eu()).is_empty());
            // The newest copy stays, though nothing of the source can be seen.
            assert_eq!(slots(&copies(&world, &us())), ["11-20T03:00"], "{kind:?} {operation}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_shows_up_later_with_ec2s_words_and_five_attempts_are_made() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        // Nobody may ask for keys, so that only the copy shows it.
        world.sandbox.fail(Rule::every("DescribeKey"), Fault::Denied);
        let key = "encrypted = true\nkms_key = \"alias/elsewhere\"";
        let config = kind.policy("retention = { daily = \"9 days\" }", &format!("{TO_US}\n{key}"));
        world.cycle(&config).await;
        let mut begun_at = Vec::new();
        for _ in 0..4 * 26 {
            world.wait(TimeDelta::minutes(15));
            let report = world.cycle(&config).await;
            let first = planned(&report.plan).first().map(|copy| (copy.attempt, copy.point_time));
            if let Some((attempt, time)) =
                first.filter(|(_, time)| time.to_string().contains("11-20"))
            {
                begun_at.push((attempt, (world.now() - time).num_minutes()));
                world.assert_nothing_left(&config, &report).await;
            }
            if report.plan.waiting.iter().any(|w| w.reason.contains("attempt")) {
                assert!(waits(&report.plan).contains("Given key ID is not accessible"));
            }
        }
        let attempts: Vec<u32> = begun_at.iter().map(|(attempt, _)| *attempt).collect();
        assert_eq!(attempts, [1, 2, 3, 4, 5], "{kind:?}: {begun_at:?}");
        let pauses: Vec<i64> = begun_at.windows(2).map(|w| (w[1].1 - w[0].1) / 60).collect();
        assert_eq!(pauses, [1, 2, 4, 8], "{kind:?}");
        let plan = world.plan(&config).await;
        let told = notes(&plan);
        assert!(told.contains("5 attempts failed"), "{told}");
        assert!(told.contains("Given key ID is not accessible"), "{told}");
    }
}

#[tokio::test]
async fn of_what_failed_only_the_memory_stays_for_longer_than_a_day() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        // Nobody may ask for keys, so that only the copy shows it.
        world.sandbox.fail(Rule::every("DescribeKey"), Fault::Denied);
        let key = "encrypted = true\nkms_key = \"alias/elsewhere\"";
        let config = kind.policy("retention = { daily = \"9 days\" }", &format!("{TO_US}\n{key}"));
        hourly(&world, &config, 20).await;
        // No more points, so that only the first is asked about.
        let stopped = snapkeep::domain::inventory::InstanceState::Terminated;
        world.sandbox.set_instance_state(&eu(), server.id, stopped);
        server.volumes.iter().for_each(|id| world.sandbox.remove_volume(&eu(), *id));
        assert_eq!(copies(&world, &us()).len(), 5 * kind.n(), "{kind:?}");
        hourly(&world, &config, 30).await;
        let left = copies(&world, &us());
        assert!(left.iter().all(|copy| copy.tag(tags::ATTEMPT) == "5"), "{kind:?} {left:#?}");
        assert_eq!(left.len(), kind.n());
        // Once no tier wants the copy any more, the memory goes too.
        world.wait(TimeDelta::days(8));
        hourly(&world, &config, 2).await;
        assert!(copies(&world, &us()).is_empty(), "{kind:?}");
        assert!(world.snapshots(&us()).is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn the_attempt_after_a_failed_one_succeeds_and_the_failed_one_goes() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        world.sandbox.fail(Rule::next(kind.call()), Fault::SnapshotsFail);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let made = copies(&world, &us());
        let failed: Vec<_> = made.iter().filter(|copy| copy.state.is_failed()).collect();
        assert_eq!((failed.len(), complete(&made)), (1, kind.n() - 1), "{kind:?}");
        assert!(failed[0].message.is_some());
        hourly(&world, &config, 3).await;
        assert_eq!(complete(&copies(&world, &us())), kind.n(), "{kind:?}");
        hourly(&world, &config, 26).await;
        assert!(copies(&world, &us()).iter().all(|copy| !copy.state.is_failed()), "{kind:?}");
    }
}

/// The first of two sets a day, which are all to be copied; and one member of it.
async fn twice_a_day() -> (World, String, ResourceId) {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let config = Kind::Set.policy(
        "schedule = \"0 */12 * * *\"\nretention = { every = \"9 days\" }",
        &format!("{TO_US}\nexisting = true"),
    );
    world.wait_until("2026-11-21 00:00:00");
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    let original = things(&world, &eu()).remove(0).id;
    (world, config, original)
}

#[tokio::test]
async fn a_copy_of_a_set_whose_other_member_was_given_up_is_not_made_again_and_again() {
    let (world, config, original) = twice_a_day().await;
    let rule = Rule::every("CopySnapshot").naming(&original);
    world.sandbox.fail(rule, Fault::SnapshotsFail);
    let mut n_of_other = 0;
    for _ in 0..60 {
        let report = world.cycle(&config).await;
        let of_first = planned(&report.plan);
        n_of_other += of_first
            .iter()
            .filter(|copy| copy.point_time.to_string().contains("11-21 00"))
            .filter(|copy| copy.parent.id != original)
            .count();
        world.wait(TimeDelta::hours(1));
    }
    assert_eq!(n_of_other, 1);
    let made = slots(&copies(&world, &us()));
    assert!(made.contains(&"11-21T12:00".to_owned()), "another point of its day: {made:?}");
}

#[tokio::test]
async fn a_copy_that_lacks_a_member_waits_for_it_though_another_point_stands_for_its_day() {
    let (world, config, original) = twice_a_day().await;
    let set = |state| {
        let snapshot = world.find(&eu(), original.snapshot().unwrap()).unwrap();
        world.sandbox.add_snapshot(&eu(), Snapshot { state, ..snapshot });
    };
    // While the first point of the day is not complete, the second is copied.
    set(SnapshotState::Error);
    world.wait_until("2026-11-21 12:00:00");
    hourly(&world, &config, 3).await;
    assert_eq!(slots(&copies(&world, &us())), ["11-21T12:00"]);
    set(SnapshotState::Completed);
    let rule = Rule::every("CopySnapshot").naming(&original);
    world.sandbox.fail(rule, Fault::SnapshotsFail);
    let mut told = String::new();
    for _ in 0..6 {
        let report = world.cycle(&config).await;
        told += &waits(&report.plan);
        assert!(deleted(&report.plan, &us()).is_empty());
        world.wait(TimeDelta::minutes(10));
    }
    assert!(told.contains("are copied, the rest is to come"), "{told}");
    world.sandbox.clear_faults();
    hourly(&world, &config, 8).await;
    let made = copies(&world, &us());
    assert!(slots(&made).contains(&"11-21T00:00".to_owned()), "{:?}", slots(&made));
}

#[tokio::test]
async fn after_a_long_gap_everything_is_copied_and_nothing_was_given_up() {
    for kind in [Kind::Volume, Kind::Image] {
        let world = World::new();
        for _ in 0..24 {
            kind.source(&world);
        }
        let config = kind.policy(
            "copy_grace = \"1 day\"\ncopy_give_up = \"2 days\"\n\
             retention = { daily = \"1 day\" }",
            &format!("{}\nexisting = true", TO_US.replace("7 days", "30 days")),
        );
        let gap = Rule::every("DescribeSnapshots").in_region(&us());
        world.sandbox.fail(gap, Fault::Denied);
        for _ in 0..4 {
            world.cycle(&config).await;
            world.wait(TimeDelta::hours(24));
        }
        assert_eq!(complete(&things(&world, &eu())), 4 * 24, "{kind:?}");
        world.sandbox.clear_faults();
        // The first copies fail, too: that is no reason either.
        world.sandbox.fail(Rule::every(kind.call()).times(5), Fault::SnapshotsFail);
        for _ in 0..40 {
            let report = world.cycle(&config).await;
            assert!(!notes(&report.plan).contains("WITHOUT"), "{}", notes(&report.plan));
            world.wait(TimeDelta::minutes(20));
        }
        assert_eq!(slots(&copies(&world, &us())).len(), 5, "{kind:?}");
        assert_eq!(complete(&copies(&world, &us())), 5 * 24, "{kind:?}");
    }
}

#[tokio::test]
async fn while_a_destination_cannot_be_read_nothing_goes_that_its_tiers_could_hold() {
    // Of each day the first point is copied, and the others go six hours after their slot.
    let policy = "schedule = \"0 * * * *\"\nretention = { every = \"6 hours\" }\n\
                  limits = { max_delete_percent = 100 }";
    let config = Kind::Set.policy(policy, TO_US);
    let world = World::new();
    Kind::Set.source(&world);
    hourly(&world, &config, 12).await;
    let n_before = slots(&things(&world, &eu())).len();
    // Which points stand for a day there, and which copies were tried in vain, nobody knows now.
    world.sandbox.fail(Rule::every("DescribeSnapshots").in_region(&us()), Fault::ErrorBefore);
    for n in 1..=12 {
        world.wait(TimeDelta::hours(1));
        world.cycle(&config).await;
        assert_eq!(slots(&things(&world, &eu())).len(), n_before + n);
    }
    world.sandbox.clear_faults();
    hourly(&world, &config, 1).await;
    assert_eq!(slots(&things(&world, &eu())).len(), n_before);
}

#[tokio::test]
async fn while_a_destination_cannot_be_read_what_its_tiers_would_not_hold_goes() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let policy = "retention = { daily = \"4 days\" }";
        let config = kind.policy(policy, &TO_US.replace("7 days", "2 days"));
        settle(&world, &config).await;
        world.sandbox.fail(Rule::every("DescribeSnapshots").in_region(&us()), Fault::ErrorBefore);
        for _ in 0..6 {
            world.wait(TimeDelta::hours(20));
            hourly(&world, &config, 4).await;
        }
        let there = slots(&things(&world, &eu()));
        assert_eq!(there.len(), 4, "{kind:?}: {there:?}");
    }
}
