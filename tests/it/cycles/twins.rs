//! Second points of one slot, clocks that are wrong, and points of the future.

use chrono::TimeDelta;
use snapkeep::domain::inventory::{Snapshot, SnapshotState};
use snapkeep::plan::ExpireReason;
use snapkeep::report::ExitCode;

use super::world::{DAILY, World, deletions, eu, exit_code, notes, t, words};

/// Sets the state of snapshots, as EC2 would in its own time.
fn set_state(world: &World, ids: &[snapkeep::domain::ids::SnapshotId], state: SnapshotState) {
    for id in ids {
        let snapshot = world.find(&eu(), *id).unwrap();
        // Large, so that a pending one stays so for five minutes from now on.
        let (volume_size_gib, started_at) = (560, world.now());
        let started_at =
            if state == SnapshotState::Pending { started_at } else { snapshot.started_at };
        world
            .sandbox
            .add_snapshot(&eu(), Snapshot { state, volume_size_gib, started_at, ..snapshot });
    }
}

#[tokio::test]
async fn of_two_complete_points_of_a_slot_the_later_goes() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let later = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(90));
    let first = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(30));
    let report = world.cycle(DAILY).await;
    let reasons: Vec<_> = report.plan.actions.iter().filter_map(|a| a.as_delete()).collect();
    assert!(reasons.iter().all(|delete| delete.reason == ExpireReason::Surplus));
    assert_eq!(words(&report), ["done", "done"]);
    assert!(world.has(&first) && !world.has(&later));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn of_two_points_that_began_together_the_one_with_the_smallest_id_stays() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let mut twins: Vec<_> =
        (0..3).flat_map(|_| world.point_at(&server, "servers", slot, slot)).collect();
    twins.sort();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done", "done"]);
    assert_eq!(world.snapshots(&eu())[0].id, twins[0]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_twin_is_not_surplus_before_the_other_is_complete() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let first = world.point_at(&server, "servers", slot, slot);
    set_state(&world, &first, SnapshotState::Pending);
    world.wait(TimeDelta::seconds(20));
    let second = world.point_at(&server, "servers", slot, world.now());
    set_state(&world, &second, SnapshotState::Pending);
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty(), "both are pending");

    // The second is done first, and the first may yet fail.
    set_state(&world, &second, SnapshotState::Completed);
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty());

    world.wait(TimeDelta::minutes(5));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done", "done"]);
    assert!(world.has(&first) && !world.has(&second));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn members_of_two_sets_are_never_taken_for_one_point() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let first = world.point_at(&server, "servers", slot, slot);
    let second = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
    for lost in &first {
        let snapshot = world.find(&eu(), *lost).unwrap();
        world.sandbox.remove_snapshot(&eu(), *lost);
        let plan = world.plan(DAILY).await;
        let deleted: Vec<_> = plan.actions.iter().filter_map(|a| a.as_delete()).collect();
        assert_eq!(deleted.len(), 1, "the rest of the first set");
        assert!(first.contains(&deleted[0].resource.snapshot().unwrap()));
        assert_eq!(deleted[0].stays.len(), 2);
        assert!(deleted[0].stays.iter().all(|id| second.contains(&id.snapshot().unwrap())));
        world.sandbox.add_snapshot(&eu(), snapshot);
    }
}

#[tokio::test]
async fn a_twin_stays_if_the_other_fails() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let first = world.point_at(&server, "servers", slot, slot);
    let second = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
    set_state(&world, &first, SnapshotState::Error);
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty());
    world.wait(TimeDelta::hours(23));
    world.wait(TimeDelta::minutes(50));
    let report = world.cycle(DAILY).await;
    assert!(deletions(&report).is_empty());
    world.wait(TimeDelta::hours(1));
    let report = world.cycle(DAILY).await;
    assert!(!world.has(&first) && world.has(&second));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn with_a_clock_that_is_off_nothing_goes_and_points_are_made_all_the_same() {
    for (skew, n_gone) in [
        (TimeDelta::minutes(-6), 0),
        (TimeDelta::minutes(6), 0),
        (TimeDelta::minutes(5), 4),
        (TimeDelta::minutes(-5), 4),
    ] {
        let world = World::new();
        world.history(&world.server(&["gp3"]), 6);
        world.wait(TimeDelta::days(1));
        world.sandbox.set(|settings| settings.clock_skew = Some(skew));
        let report = world.cycle(DAILY).await;
        assert_eq!((deletions(&report).len(), report.outcomes.len()), (n_gone, n_gone + 1));
        assert_eq!(exit_code(&report), ExitCode::Done);
        assert_eq!(notes(&report.plan).contains("nothing is deleted"), n_gone == 0);
        world.sandbox.set(|settings| settings.clock_skew = Some(TimeDelta::zero()));
        let report = world.cycle(DAILY).await;
        assert_eq!(deletions(&report).len(), 4 - n_gone);
        world.assert_nothing_left(DAILY, &report).await;
    }
}

#[tokio::test]
async fn points_of_the_future_stay_and_stand_for_nothing() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let future = world.point(&server, "servers", "2027-03-01 03:00:00");
    let points = world.history(&server, 4);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"], "one too old");
    assert!(notes(&report.plan).contains("of the future"));
    world.assert_nothing_left(DAILY, &report).await;
    // The newest that is not of the future is still kept.
    world.sandbox.set_instance_state(
        &eu(),
        server.id,
        snapkeep::domain::inventory::InstanceState::Stopped,
    );
    world.wait(TimeDelta::days(30));
    let report = world.cycle(DAILY).await;
    assert!(world.has(&points[0]) && world.has(&future) && !world.has(&points[1]));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_slot_of_the_future_does_not_stop_backups() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    // Made by a machine whose clock was a year ahead; EC2's own time is right.
    let slot = t("2027-11-20 03:00:00");
    let odd = world.point_at(&server, "servers", slot, t("2026-11-19 10:00:00"));
    for _ in 0..5 {
        let report = world.cycle(DAILY).await;
        assert!(report.plan.actions.iter().any(|action| action.as_creation().is_some()));
        world.assert_nothing_left(DAILY, &report).await;
        world.wait(TimeDelta::days(1));
    }
    assert!(!world.has(&odd), "it expires by the time of its data");
}
