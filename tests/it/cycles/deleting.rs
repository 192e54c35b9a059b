//! What goes wrong between a plan and its deletions.

use std::sync::Mutex;

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::SnapshotId;
use snapkeep::domain::inventory::{Snapshot, SnapshotState};
use snapkeep::domain::tags::{self, Tags};
use snapkeep::execute::{Outcome, Progress, Stop};
use snapkeep::plan::Action;
use snapkeep::report::ExitCode;
use tokio::sync::watch;

use super::world::{DAILY, TWO_REGIONS, World, deletions, eu, exit_code, outcome_of, us, words};

/// An instance of two volumes with points of six days, of which three are to go.
fn world() -> (World, Vec<Vec<SnapshotId>>) {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let points = world.history(&server, 6);
    (world, points)
}

fn refused(code: &'static str, message: &'static str) -> Fault {
    Fault::Refused { code, message }
}

#[tokio::test]
async fn what_no_tier_holds_goes_and_nothing_is_left_to_do() {
    let (world, points) = world();
    let report = world.cycle(DAILY).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 6], ExitCode::Done));
    assert!(points[..3].iter().all(|point| world.has(point)));
    assert!(!points[3..].iter().any(|point| world.has(point)));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_hold_set_after_the_plan_saves_the_whole_point() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    world.sandbox.tag_snapshot(&eu(), points[4][1], tags::HOLD, "");
    let report = world.execute(plan).await;
    for id in &points[4] {
        assert!(matches!(outcome_of(&report, *id), Outcome::Skipped(_)));
    }
    assert_eq!(exit_code(&report), ExitCode::Done);
    assert!(world.has(&points[4]));
    assert!(!world.has(&points[3]) && !world.has(&points[5]));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn nothing_goes_once_what_was_to_stay_has_been_deleted() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    world.sandbox.remove_snapshot(&eu(), points[0][1]);
    let report = world.execute(plan).await;
    assert_eq!(words(&report), ["skipped"; 6]);
    let why = report.outcomes[0].reason().unwrap_or_default();
    let lost = points[0][1];
    assert_eq!(why, format!("{lost}, which was to stay, is gone or not complete any more"));
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 0);
    // The next plan knows which is the newest complete point now.
    let report = world.cycle(DAILY).await;
    assert!(points[1..3].iter().all(|point| world.has(point)));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn nothing_goes_once_what_was_to_stay_is_not_known_any_more() {
    for key in ["snapkeep:owner", "snapkeep:source"] {
        let (world, points) = world();
        let plan = world.plan(DAILY).await;
        let newest = points[0][0];
        world.sandbox.change_snapshot(&eu(), newest, |snapshot| {
            snapshot.tags = snapshot.tags.iter().filter(|(k, _)| *k != key).collect();
        });
        let report = world.execute(plan).await;
        assert_eq!(words(&report), ["skipped"; 6], "{key}");
        let why = report.outcomes[0].reason().unwrap_or_default();
        let text = "which was to stay, is not known as a point of the same source any more";
        assert_eq!(why, format!("{newest}, {text}"));
        assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 0);
    }
}

#[tokio::test]
async fn what_is_gone_already_is_no_failure_and_its_siblings_go_too() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    world.sandbox.remove_snapshot(&eu(), points[3][0]);
    // This one vanishes even after it was read again.
    let not_found = refused("InvalidSnapshot.NotFound", "The snapshot does not exist.");
    world.sandbox.fail(Rule::next("DeleteSnapshot").naming(&points[4][0]), not_found);
    let report = world.execute(plan).await;
    assert_eq!(outcome_of(&report, points[3][0]), Outcome::AlreadyGone);
    assert_eq!(outcome_of(&report, points[3][1]), Outcome::Done(vec![]));
    assert_eq!(outcome_of(&report, points[4][0]), Outcome::AlreadyGone);
    assert_eq!(exit_code(&report), ExitCode::Done);
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 5, "none for what is seen to be gone");
}

#[tokio::test]
async fn an_image_registered_after_the_plan_is_named_and_stops_no_other() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    let image = world.image(&eu(), &points[4]);
    let report = world.execute(plan).await;
    for id in &points[4] {
        let outcome = outcome_of(&report, *id);
        assert!(matches!(&outcome, Outcome::Skipped(why) if why.contains(&image.to_string())));
    }
    assert!(!world.has(&points[3]) && !world.has(&points[5]));
    assert_eq!(exit_code(&report), ExitCode::Done);
    let report = world.cycle(DAILY).await;
    assert!(world.has(&points[4]), "the next plan knows the image");
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn what_became_protected_after_the_plan_is_skipped() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    world.sandbox.lock_snapshot(&eu(), points[3][0]);
    world.sandbox.lock_snapshot(&eu(), points[3][1]);
    world.sandbox.tag_snapshot(&eu(), points[4][0], "aws:backup:source-resource", "arn");
    let managed = refused(
        "InvalidParameterValue",
        "This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 APIs.",
    );
    points[5].iter().for_each(|id| {
        world.sandbox.fail(Rule::next("DeleteSnapshot").naming(id), managed.clone());
    });
    let report = world.execute(plan).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["skipped"; 6], ExitCode::Done));
    assert!(points.iter().all(|point| world.has(point)));
}

#[tokio::test]
async fn throttled_and_unanswered_deletions_are_tried_again() {
    let (world, points) = world();
    world.sandbox.fail(Rule::every("DeleteSnapshot").after(1).times(8), Fault::Throttled);
    world.sandbox.fail(Rule::next("DeleteSnapshot").naming(&points[3][0]), Fault::LostReply);
    world.sandbox.fail(Rule::next("DeleteSnapshot").naming(&points[4][0]), Fault::ErrorBefore);
    let begun_at = world.now();
    let report = world.cycle(DAILY).await;
    assert_eq!(exit_code(&report), ExitCode::Done);
    assert!(begun_at < world.now());
    assert!(!points[3..].iter().any(|point| world.has(point)));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_call_that_is_throttled_ten_times_has_failed() {
    for (n_throttled, word) in [(9, "done"), (10, "failed")] {
        let world = World::new();
        world.history(&world.server(&["gp3"]), 4);
        world.sandbox.fail(Rule::every("DeleteSnapshot").times(n_throttled), Fault::Throttled);
        let report = world.cycle(DAILY).await;
        assert_eq!(words(&report), [word], "{n_throttled}");
        assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 10, "{n_throttled}");
    }
}

#[tokio::test]
async fn an_endless_error_fails_one_deletion_and_the_next_cycle_does_it() {
    let (world, points) = world();
    world.sandbox.fail(Rule::every("DeleteSnapshot").naming(&points[4][0]), Fault::ErrorBefore);
    world.sandbox.fail(Rule::every("DeleteSnapshot").naming(&points[5][0]), Fault::Denied);
    let report = world.cycle(DAILY).await;
    for (id, may_pass) in [(points[4][0], true), (points[5][0], false)] {
        let Outcome::Failed(failure) = outcome_of(&report, id) else { panic!("{report:?}") };
        assert_eq!(failure.may_pass, may_pass, "{failure}");
        assert!(world.has(&[id]));
    }
    let mut outcomes = words(&report);
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["done", "done", "done", "done", "failed", "failed"]);
    assert_eq!(exit_code(&report), ExitCode::Failed);
    world.sandbox.clear_faults();
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done", "done"]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_region_where_nothing_can_be_deleted_stops_no_other() {
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 6);
    let others = world.history(&world.server_in(&us(), &["gp3"]), 6);
    world.sandbox.fail(Rule::every("DeleteSnapshot").in_region(&eu()), Fault::Denied);
    let report = world.cycle(TWO_REGIONS).await;
    assert_eq!(words(&report), ["failed", "failed", "failed", "done", "done", "done"]);
    assert!(points.iter().all(|point| world.has(point)));
    assert!(!others[3..].iter().any(|point| world.has(point)));
}

#[tokio::test]
async fn nothing_goes_that_could_not_be_read_again() {
    let (world, points) = world();
    let plan = world.plan(DAILY).await;
    world.sandbox.fail(Rule::every("DescribeSnapshots"), Fault::ErrorBefore);
    let report = world.execute(plan).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["failed"; 6], ExitCode::Failed));
    let why = report.outcomes[0].reason().unwrap_or_default();
    assert!(why.starts_with("could not be read again: InternalError: "), "{why}");
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 0);
    assert!(points.iter().all(|point| world.has(point)));
}

/// Keeps what [`DAILY`] keeps, and deletes all the rest at once.
fn unlimited() -> String {
    format!("{DAILY}limits = {{ max_delete_percent = 100 }}\n")
}

#[tokio::test]
async fn two_hundred_deletions_need_one_call_to_look_again_and_one_each() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 453);
    let report = world.cycle(&unlimited()).await;
    assert_eq!(words(&report), ["done"; 450]);
    // One to observe; what stays, one snapshot, is read again with each batch.
    assert_eq!(world.sandbox.n_calls("DescribeSnapshots"), 1 + 3);
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 450);
    world.assert_nothing_left(&unlimited(), &report).await;
}

#[tokio::test]
async fn points_larger_than_a_request_are_read_again_as_a_whole() {
    let world = World::new();
    let server = world.server(&["gp3"; 120]);
    let points = world.history(&server, 5);
    let plan = world.plan(&unlimited()).await;
    world.sandbox.tag_snapshot(&eu(), points[3][119], tags::HOLD, "");
    let report = world.execute(plan).await;
    assert!(world.has(&points[3]) && !world.has(&points[4]));
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), 120);
    world.assert_nothing_left(&unlimited(), &report).await;
}

#[tokio::test]
async fn what_was_seen_more_than_two_minutes_ago_is_looked_at_again() {
    // Sixteen at a time, of twenty seconds each: 112 are begun within two minutes.
    for (n_deletions, n_looks) in [(112, 1), (113, 2)] {
        let world = World::new();
        world.history(&world.server(&["gp3"]), 3 + n_deletions);
        let plan = world.plan(&unlimited()).await;
        world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(20));
        let report = world.execute(plan).await;
        assert!(words(&report).iter().all(|word| *word == "done"));
        // One to plan.
        assert_eq!(world.sandbox.n_calls("DescribeSnapshots"), 1 + n_looks, "{n_deletions}");
    }
}

/// Puts a hold on a snapshot whenever an action ends.
struct Holder<'w>(&'w World, SnapshotId);

impl Progress for Holder<'_> {
    fn ended(&self, _: &Action, _: &Outcome) {
        if self.0.has(&[self.1]) {
            self.0.sandbox.tag_snapshot(&eu(), self.1, tags::HOLD, "");
        }
    }
}

#[tokio::test]
async fn a_hold_set_minutes_before_its_turn_saves_a_snapshot() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 153);
    let plan = world.plan(&unlimited()).await;
    world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(20));
    let last = plan.actions.last().and_then(|a| a.as_delete()?.resource.snapshot()).unwrap();
    let (_sender, stop) = Stop::new();
    let report = world.execute_until(plan, &stop, &Holder(&world, last)).await;
    assert!(matches!(outcome_of(&report, last), Outcome::Skipped(_)));
    assert!(world.has(&[last]));
    assert_eq!(words(&report).iter().filter(|word| **word == "done").count(), 149);
}

/// Sets the wish to stop once so many actions have ended.
struct StopAfter {
    n_left: Mutex<usize>,
    sender: watch::Sender<bool>,
}

impl Progress for StopAfter {
    fn ended(&self, _: &Action, _: &Outcome) {
        let mut n_left = self.n_left.lock().unwrap();
        *n_left = n_left.saturating_sub(1);
        if *n_left == 0 {
            self.sender.send_replace(true);
        }
    }
}

#[tokio::test]
async fn the_wish_to_stop_finishes_what_is_under_way_and_the_next_cycle_goes_on() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 453);
    world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(1));
    let plan = world.plan(&unlimited()).await;
    let (sender, stop) = Stop::new();
    let progress = StopAfter { n_left: Mutex::new(100), sender };
    let report = world.execute_until(plan, &stop, &progress).await;
    let n_done = words(&report).iter().filter(|word| **word == "done").count();
    let n_not_started = words(&report).iter().filter(|word| **word == "not started").count();
    assert_eq!(n_done + n_not_started, 450);
    assert!((100..120).contains(&n_done), "{n_done}");
    assert_eq!(world.sandbox.n_calls("DeleteSnapshot"), n_done);
    assert_eq!(world.snapshots(&eu()).len(), 453 - n_done, "what is reported is what happened");
    assert_eq!(exit_code(&report), ExitCode::Failed);
    let report = world.cycle(&unlimited()).await;
    assert_eq!(deletions(&report).len(), n_not_started);
    world.assert_nothing_left(&unlimited(), &report).await;
}

#[tokio::test]
async fn a_deletion_that_may_have_happened_is_never_reported_as_not_started() {
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 5);
    let plan = world.plan(DAILY).await;
    let first = points[4][0];
    world.sandbox.fail(Rule::next("DeleteSnapshot").naming(&first), Fault::LostReply);
    world.sandbox.fail(Rule::every("DeleteSnapshot").naming(&first), Fault::Throttled);
    let slow = Fault::Slow(TimeDelta::seconds(2));
    world.sandbox.fail(Rule::next("DeleteSnapshot").naming(&points[3][0]), slow);
    let (sender, stop) = Stop::new();
    // The other one ends while the first waits for its turn to be tried again.
    let progress = StopAfter { n_left: Mutex::new(1), sender };
    let report = world.execute_until(plan, &stop, &progress).await;
    assert!(!world.has(&points[4]));
    let outcome = outcome_of(&report, first);
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}

#[tokio::test]
async fn whatever_changed_since_the_plan_saves_the_point() {
    type Change = fn(Snapshot) -> Snapshot;
    let changes: [(&str, Change); 4] = [
        ("start time", |s| Snapshot { started_at: s.started_at + TimeDelta::seconds(1), ..s }),
        ("volume", |s| Snapshot { volume_id: None, ..s }),
        ("state", |s| Snapshot { state: SnapshotState::Error, ..s }),
        ("tags", |s| Snapshot { tags: Tags::default(), ..s }),
    ];
    for (what, change) in changes {
        let (world, points) = world();
        let plan = world.plan(DAILY).await;
        let snapshot = world.find(&eu(), points[4][0]).unwrap();
        world.sandbox.add_snapshot(&eu(), change(snapshot));
        let report = world.execute(plan).await;
        let outcome = outcome_of(&report, points[4][0]);
        let why = outcome.reason().unwrap_or_default();
        assert!(why.starts_with(&format!("its {what} changed since the plan")), "{what}: {why}");
        assert!(world.has(&points[4]), "{what}");
    }
}
