//! Snapshots that fail after EC2 has begun them.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::SnapshotState;
use snapkeep::plan::{ExpireReason, Op};
use snapkeep::report::ExitCode;

use super::world::{DAILY, World, eu, exit_code, notes, t, tag, words};

#[tokio::test]
async fn failed_attempts_are_repeated_after_growing_pauses_five_times_in_all() {
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots"), Fault::SnapshotsFail);
    let mut attempts = Vec::new();
    for _ in 0..47 {
        let report = world.cycle(DAILY).await;
        assert_eq!(exit_code(&report), ExitCode::Done);
        let made = report.plan.actions.iter().filter_map(|action| action.as_creation());
        attempts.extend(made.map(|point| (world.now().format("%H:%M").to_string(), point.attempt)));
        world.wait(TimeDelta::minutes(30));
    }
    let expected = [("03:00", 1), ("04:00", 2), ("06:00", 3), ("10:00", 4), ("18:00", 5)];
    assert_eq!(attempts, expected.map(|(at, n)| (at.to_owned(), n)));
    let plan = world.plan(DAILY).await;
    assert!(notes(&plan).contains("5 attempts failed"), "{}", notes(&plan));
}

#[tokio::test]
async fn the_next_slot_starts_afresh_and_what_failed_goes_a_day_after_its_start() {
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots").times(5), Fault::SnapshotsFail);
    for _ in 0..24 {
        world.cycle(DAILY).await;
        world.wait(TimeDelta::hours(1));
    }
    assert_eq!(world.snapshots(&eu()).len(), 5);
    let report = world.cycle(DAILY).await;
    let point = report.plan.actions.iter().find_map(|action| action.as_creation()).unwrap();
    assert_eq!((point.attempt, words(&report)), (1, vec!["done", "done"]));
    world.wait(TimeDelta::hours(20));
    let report = world.cycle(DAILY).await;
    let left = world.snapshots(&eu());
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0].state, SnapshotState::Completed);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn the_newest_failed_attempt_stays_as_memory_until_a_later_one_is_complete() {
    let world = World::at("2026-11-20 03:00:00");
    let weekly = DAILY.replace("0 3 * * *", "0 3 * * 5");
    world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots").times(5), Fault::SnapshotsFail);
    for _ in 0..24 * 4 {
        world.cycle(&weekly).await;
        world.wait(TimeDelta::hours(1));
    }
    let left = world.snapshots(&eu());
    assert_eq!(world.sandbox.n_calls("CreateSnapshots"), 5);
    assert_eq!(left.len(), 2, "the two members of the fifth attempt: {left:#?}");
    assert!(left.iter().all(|snapshot| tag(snapshot, "attempt") == Some("5")));
    world.wait_until("2026-11-27 03:00:00");
    world.cycle(&weekly).await;
    world.wait(TimeDelta::hours(1));
    let report = world.cycle(&weekly).await;
    let left = world.snapshots(&eu());
    assert_eq!(left.len(), 2, "{left:#?}");
    assert!(left.iter().all(|snapshot| snapshot.state == SnapshotState::Completed));
    world.assert_nothing_left(&weekly, &report).await;
}

#[tokio::test]
async fn a_failed_snapshot_on_a_volume_that_takes_one_goes_before_the_next_attempt() {
    // No limit withholds it: then nothing could be made.
    let config = &format!("{DAILY}limits = {{ max_deletes = 0 }}\n");
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["st1"]);
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::SnapshotsFail);
    world.cycle(config).await;
    world.wait(TimeDelta::minutes(30));
    let report = world.cycle(config).await;
    assert_eq!((report.plan.actions.len(), report.plan.waiting.len()), (0, 1));

    world.wait(TimeDelta::minutes(30));
    let failed = world.snapshots(&eu())[0].id;
    let report = world.cycle(config).await;
    let reasons: Vec<_> = report.plan.actions.iter().filter_map(|a| a.as_delete()).collect();
    assert_eq!(reasons.len(), 1);
    assert_eq!(
        (reasons[0].resource, reasons[0].reason),
        (failed.into(), ExpireReason::FailedInTheWay)
    );
    assert_eq!(words(&report), ["done", "done"]);
    world.assert_nothing_left(config, &report).await;
    let left = world.snapshots(&eu());
    assert_eq!((left.len(), tag(&left[0], "attempt")), (1, Some("2")));
}

#[tokio::test]
async fn a_failed_snapshot_that_cannot_be_removed_leaves_its_volume_waiting() {
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["st1"]);
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::SnapshotsFail);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::hours(1));
    world.sandbox.fail(Rule::next("DeleteSnapshot"), Fault::Denied);
    let report = world.cycle(DAILY).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["waiting", "failed"], ExitCode::Failed));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done", "done"]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_failure_whose_slot_is_of_the_future_does_not_stop_backups() {
    let world = World::at("2027-11-20 03:00:00");
    let server = world.server(&["gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots").times(5), Fault::SnapshotsFail);
    for _ in 0..16 {
        world.cycle(DAILY).await;
        world.wait(TimeDelta::hours(1));
    }
    let failed = world.snapshots(&eu()).pop().unwrap();
    assert_eq!(tag(&failed, "attempt"), Some("5"));
    let failed_id = failed.id;

    // The clock was a year ahead, EC2's never was.
    let world = World::at("2026-11-20 12:00:00");
    let again = world.server(&["gp3"]);
    assert_eq!(again.id, server.id);
    let started_at = t("2026-11-19 12:00:00");
    world
        .sandbox
        .add_snapshot(&eu(), snapkeep::domain::inventory::Snapshot { started_at, ..failed });
    let report = world.cycle(DAILY).await;
    let made = report.plan.actions.iter().filter(|a| matches!(a.op, Op::CreateSnapshots(_)));
    assert_eq!(made.count(), 1, "{}", notes(&report.plan));
    // Nor is it remembered longer than others.
    world.wait(TimeDelta::hours(1));
    let report = world.cycle(DAILY).await;
    assert!(!world.has(&[failed_id]));
    world.assert_nothing_left(DAILY, &report).await;
}
