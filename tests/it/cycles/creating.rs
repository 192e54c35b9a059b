//! What goes wrong while points are made.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::execute::Outcome;
use snapkeep::plan::Op;
use snapkeep::report::ExitCode;

use super::world::{DAILY, TWO_REGIONS, World, eu, exit_code, us, words};

const LOST: fn() -> (Rule, Fault) = || (Rule::next("CreateSnapshots"), Fault::LostReply);

fn refused(code: &'static str) -> Fault {
    Fault::Refused { code, message: "as the test has it" }
}

#[tokio::test]
async fn a_lost_reply_never_makes_a_second_set() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let (rule, fault) = LOST();
    world.sandbox.fail(rule, fault);
    let report = world.cycle(DAILY).await;
    let made: Vec<_> = world.snapshots(&eu()).iter().map(|s| s.id).collect();
    assert_eq!(report.outcomes, [Outcome::Found(made.iter().map(|id| (*id).into()).collect())]);
    assert_eq!((made.len(), world.sandbox.n_calls("CreateSnapshots")), (2, 1));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn what_shows_up_ten_seconds_after_a_lost_reply_is_found() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.sandbox.set(|settings| settings.invisible_for = TimeDelta::seconds(10));
    let (rule, fault) = LOST();
    world.sandbox.fail(rule, fault);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["found"]);
    assert_eq!(world.snapshots(&eu()).len(), 2);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn what_shows_up_five_minutes_after_a_lost_reply_ends_as_one_point() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.sandbox.set(|settings| settings.invisible_for = TimeDelta::minutes(5));
    let (rule, fault) = LOST();
    world.sandbox.fail(rule, fault);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["failed"]);
    assert_eq!(exit_code(&report), ExitCode::Failed);
    let first: Vec<_> = world.snapshots(&eu()).iter().map(|s| s.id).collect();

    // Still nothing to see: another set.
    world.wait(TimeDelta::minutes(2));
    assert_eq!(words(&world.cycle(DAILY).await), ["done"]);
    assert_eq!(world.snapshots(&eu()).len(), 4);

    // Now both are there, and complete.
    world.wait(TimeDelta::minutes(6));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done", "done"]);
    let left: Vec<_> = world.snapshots(&eu()).iter().map(|s| s.id).collect();
    assert_eq!(left, first, "the earliest stays");
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_lost_reply_that_cannot_be_looked_up_is_left_to_the_next_cycle() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let (rule, fault) = LOST();
    world.sandbox.fail(rule, fault);
    world.sandbox.fail(Rule::every("DescribeSnapshots").after(1), Fault::Denied);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["failed"]);
    let why = report.outcomes[0].reason().unwrap_or_default();
    assert!(why.contains("looking for it failed: UnauthorizedOperation: "), "{why}");
    world.sandbox.clear_faults();
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty());
    assert_eq!(world.snapshots(&eu()).len(), 2);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn an_error_without_effect_is_a_failure_that_the_next_cycle_makes_good() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::ErrorBefore);
    let report = world.cycle(DAILY).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["failed"], ExitCode::Failed));
    assert_eq!(world.snapshots(&eu()).len(), 0);
    let report = world.cycle(DAILY).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"], ExitCode::Done));
    assert_eq!(world.snapshots(&eu()).len(), 2);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn throttling_makes_a_cycle_slower_and_nothing_else() {
    let world = World::new();
    (0..150).for_each(|_| drop(world.server(&["gp3"])));
    world.sandbox.set(|settings| settings.is_throttling = true);
    world.sandbox.fail(Rule::every("CreateSnapshots").after(20).times(6), Fault::Throttled);
    let begun_at = world.now();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"; 150]);
    assert!(
        TimeDelta::seconds(10) < world.now() - begun_at,
        "50 calls over the bucket, 5 a second"
    );
    assert_eq!(world.snapshots(&eu()).len(), 150);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_volume_whose_last_snapshot_was_too_recent_is_tried_again_after_fifteen_seconds() {
    let world = World::new();
    world.server(&["gp3"]);
    let rate = refused("SnapshotCreationPerVolumeRateExceeded");
    world.sandbox.fail(Rule::every("CreateSnapshots").times(2), rate);
    let begun_at = world.now();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    assert_eq!(world.now() - begun_at, TimeDelta::seconds(15 + 30));
    assert_eq!(world.sandbox.n_calls("CreateSnapshots"), 3);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn another_tools_snapshot_of_a_moment_ago_is_given_its_fifteen_seconds() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    world.snapshot(&eu(), server.volumes[1], world.now() - TimeDelta::seconds(5), &[]);
    let begun_at = world.now();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    assert_eq!(world.now() - begun_at, TimeDelta::seconds(10));
    assert_eq!(world.sandbox.n_calls("CreateSnapshots"), 1);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_clock_that_is_days_behind_ec2s_waits_for_fifteen_seconds_and_not_for_days() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.snapshot(&eu(), server.volumes[0], world.now(), &[]);
    let here = world.now() - TimeDelta::days(2);
    let plan = world.plan_at(DAILY, here).await;
    let [Op::CreateSnapshots(set)] = plan.actions.iter().map(|a| &a.op).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", plan.actions);
    };
    assert_eq!(set.volumes[0].not_before, Some(here + TimeDelta::seconds(15)));
}

#[tokio::test]
async fn a_volume_that_is_full_of_pending_snapshots_is_waited_for() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    for n in 0..5 {
        world.pending(&eu(), server.volumes[0], world.now() - TimeDelta::seconds(90 - n * 15));
    }
    let report = world.cycle(DAILY).await;
    assert_eq!((report.plan.actions.len(), report.plan.waiting.len()), (0, 1));
    assert_eq!(exit_code(&report), ExitCode::Done);
    world.wait(TimeDelta::minutes(5));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_volume_that_fills_up_after_the_plan_is_waited_for_and_fails_nothing() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let other = world.server(&["gp3"]);
    let plan = world.plan(DAILY).await;
    for n in 0..5 {
        world.pending(&eu(), server.volumes[0], world.now() - TimeDelta::seconds(90 - n * 15));
    }
    let report = world.execute(plan).await;
    let mut outcomes = words(&report);
    outcomes.sort_unstable();
    assert_eq!((outcomes, exit_code(&report)), (vec!["done", "waiting"], ExitCode::Done));
    assert_eq!(world.snapshots(&eu()).last().unwrap().volume_id, Some(other.volumes[0]));
    world.wait(TimeDelta::minutes(5));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn an_instance_that_vanishes_after_the_plan_stops_no_other() {
    let world = World::new();
    let gone = world.server(&["gp3"]);
    let ended = world.server(&["gp3"]);
    world.server(&["gp3"]);
    let plan = world.plan(DAILY).await;
    world.sandbox.remove_instance(&eu(), gone.id);
    world.sandbox.fail(Rule::next("CreateSnapshots").naming(&ended.id), Fault::InstanceVanishes);
    let report = world.execute(plan).await;
    let mut outcomes = words(&report);
    outcomes.sort_unstable();
    // EC2 says of the one that it does not exist, of the other only that its state is wrong.
    assert_eq!(outcomes, ["done", "skipped", "waiting"]);
    let report = world.cycle(DAILY).await;
    assert_eq!(exit_code(&report), ExitCode::Done);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_region_where_creating_is_denied_stops_no_other() {
    let world = World::new();
    world.server(&["gp3"]);
    let server = world.server_in(&us(), &["gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots").in_region(&eu()), Fault::Denied);
    let report = world.cycle(TWO_REGIONS).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["failed", "done"], ExitCode::Failed));
    let reason = report.outcomes[0].reason().unwrap_or_default();
    assert!(reason.contains("UnauthorizedOperation"), "{reason}");
    assert_eq!(world.snapshots(&us())[0].volume_id, Some(server.volumes[0]));
}

#[tokio::test]
async fn credentials_that_expire_on_the_way_end_the_run_and_the_next_goes_on() {
    let world = World::new();
    let servers = [world.server(&["gp3"]), world.server(&["gp3"]), world.server(&["gp3"])];
    world.history(&servers[0], 6);
    world.wait(TimeDelta::days(1));
    let expired = refused("ExpiredToken");
    world.sandbox.fail(Rule::every("CreateSnapshots").after(1), expired.clone());
    world.sandbox.fail(Rule::every("DeleteSnapshot"), expired);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report)[..3], ["done", "failed", "not started"]);
    assert_eq!(words(&report)[3..], ["not started"; 4]);
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 0);
    world.sandbox.clear_faults();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"; 6]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn an_account_that_is_full_gets_no_more_creations_but_its_deletions() {
    let world = World::new();
    let servers = [world.server(&["gp3"]), world.server(&["gp3"]), world.server(&["gp3"])];
    world.history(&servers[0], 6);
    world.wait(TimeDelta::days(1));
    world.sandbox.fail(Rule::every("CreateSnapshots"), refused("SnapshotLimitExceeded"));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report)[..3], ["failed", "not started", "not started"]);
    assert_eq!(words(&report)[3..], ["done"; 4]);
    assert_eq!(world.sandbox.n_calls("CreateSnapshots"), 1);
}
