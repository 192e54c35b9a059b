//! `run --wait`: cycles until nothing is waited for, and then no more.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::{Image, ImageState, InstanceState, SnapshotState};
use snapkeep::execute::{Progress, Stop};
use snapkeep::plan::Request;
use snapkeep::report::ExitCode;
use snapkeep::run::{self, Report, SandboxClock};

use super::world::{DAILY, IMAGES, World, config, ended, eu, exit_code, us, words};

/// Images with an encrypted form, and a copy of that in another region.
const GOLDEN: &str = r#"
version = 1
[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
encrypt = { retire_unencrypted = true }

[[policy.copy]]
to = "us-east-1"
retention = { daily = "7 days" }
"#;

/// Remembers for what a run waited, and until when.
#[derive(Default)]
struct Waits(Mutex<Vec<(usize, DateTime<Utc>)>>);

impl Progress for Waits {
    fn waits(&self, n_left: usize, until: DateTime<Utc>) {
        self.0.lock().unwrap().push((n_left, until));
    }
}

/// Runs until nothing is waited for; none if that takes longer than `limit`.
async fn settled(
    world: &World,
    text: &str,
    limit: TimeDelta,
    change: impl FnOnce(&mut Request),
) -> Option<(Report, Vec<(usize, DateTime<Utc>)>)> {
    let mut request = Request::at(world.now());
    change(&mut request);
    let (clock, config) = (SandboxClock(world.sandbox.time().clone()), config(text));
    let (_sender, stop) = Stop::new();
    let (waits, locks) = (Waits::default(), run::Locks::none());
    let ended = {
        let run = run::run_until_settled(
            &world.sandbox,
            &clock,
            &config,
            &request,
            &locks,
            &stop,
            &waits,
        );
        let late = world.sandbox.time().sleep_until(world.now() + limit);
        let (run, late) = (std::pin::pin!(run), std::pin::pin!(late));
        let race = select(run, late);
        match world.sandbox.time().drive(race).await {
            Either::Left((report, _)) => Some(report),
            Either::Right(_) => None,
        }
    };
    ended.map(|report| (report, waits.0.into_inner().unwrap()))
}

#[tokio::test]
async fn one_run_makes_encrypts_copies_and_retires_and_reports_all_of_it() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let began_at = world.now();
    let (report, waits) = settled(&world, GOLDEN, TimeDelta::hours(2), |_| ()).await.unwrap();
    assert_eq!(
        ended(&report),
        [
            ("CreateImage", "done"),
            ("CopyImage", "done"),
            ("CopyImage", "done"),
            ("DeregisterImage", "done"),
            ("DeleteSnapshot", "done"),
            ("DeleteSnapshot", "done")
        ]
    );
    assert_eq!(exit_code(&report), ExitCode::Done);
    assert!(report.plan.waiting.is_empty());
    assert!(waits.iter().all(|(_, until)| began_at < *until && *until <= world.now()));
    for region in [eu(), us()] {
        let images = world.images(&region);
        let is_ready = |i: &Image| i.is_encrypted && i.state == ImageState::Available;
        assert!(images.len() == 1 && is_ready(&images[0]), "{region}");
    }
    world.assert_nothing_left(GOLDEN, &report).await;
}

#[tokio::test]
async fn where_nothing_is_pending_there_is_no_second_look_but_one() {
    let world = World::new();
    world.days(IMAGES, 1).await;
    let (report, waits) = settled(&world, IMAGES, TimeDelta::hours(1), |_| ()).await.unwrap();
    assert!(report.plan.actions.is_empty() && waits.is_empty(), "{waits:?}");
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_at_once_and_reports_what_was_done() {
    let world = World::new();
    world.server(&["gp3"]);
    let (sender, stop) = Stop::new();
    let (clock, config) = (SandboxClock(world.sandbox.time().clone()), config(GOLDEN));
    let locks = run::Locks::none();
    let request = Request::at(world.now());
    let run = run::run_until_settled(&world.sandbox, &clock, &config, &request, &locks, &stop, &());
    let interrupt = async {
        world.sandbox.time().sleep_until(world.now() + TimeDelta::seconds(5)).await;
        sender.send_replace(true);
        world.now()
    };
    let both = futures_util::future::join(run, interrupt);
    let (report, at) = world.sandbox.time().drive(both).await;
    assert_eq!(ended(&report), [("CreateImage", "done")]);
    assert_eq!(world.now(), at, "it does not wait for the pause to end");
    // The next run goes on where it was.
    let (report, _) = settled(&world, GOLDEN, TimeDelta::hours(2), |_| ()).await.unwrap();
    assert_eq!(exit_code(&report), ExitCode::Done);
    world.assert_nothing_left(GOLDEN, &report).await;
}

#[tokio::test]
async fn all_cycles_together_make_one_extra_point() {
    let world = World::new();
    world.server(&["gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::hours(1));
    let extra = |request: &mut Request| request.extra = true;
    let (report, _) = settled(&world, IMAGES, TimeDelta::hours(2), extra).await.unwrap();
    assert_eq!(ended(&report), [("CreateImage", "done")]);
    assert_eq!(world.images(&eu()).len(), 2);
}

#[tokio::test]
async fn a_policy_without_schedule_makes_one_point_in_all_cycles() {
    let world = World::new();
    world.server(&["gp3"]);
    let manual = GOLDEN.replace("schedule = \"0 3 * * *\"\n", "");
    let (report, _) = settled(&world, &manual, TimeDelta::hours(2), |_| ()).await.unwrap();
    let n_made = ended(&report).iter().filter(|(op, _)| *op == "CreateImage").count();
    assert_eq!(n_made, 1, "{:?}", ended(&report));
}

#[tokio::test]
async fn an_extra_point_that_has_to_wait_is_made_all_the_same() {
    let world = World::new();
    let server = world.server(&["st1"]);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::hours(1));
    // Somebody's snapshot occupies the volume for five minutes.
    world.pending(&eu(), server.volumes[0], world.now());
    let extra = |request: &mut Request| request.extra = true;
    let (report, _) = settled(&world, DAILY, TimeDelta::hours(2), extra).await.unwrap();
    let ours = world.snapshots(&eu()).into_iter().filter(|s| s.tags.has("snapkeep:slot"));
    assert_eq!(ours.count(), 2, "{:?} {:?}", ended(&report), report.plan.waiting);
}

#[tokio::test]
async fn what_is_refused_for_good_ends_the_run_and_does_not_loop() {
    for operation in ["CreateImage", "CopyImage", "DeregisterImage", "DeleteSnapshot"] {
        let world = World::new();
        world.server(&["gp3"]);
        world.sandbox.fail(Rule::every(operation), Fault::Denied);
        let ended = settled(&world, GOLDEN, TimeDelta::hours(3), |_| ()).await;
        let Some((report, _)) = ended else { panic!("{operation} denied: it loops") };
        assert_eq!(exit_code(&report), ExitCode::Failed, "{operation}");
        let n_failed = words(&report).iter().filter(|word| **word == "failed").count();
        assert!((1..=2).contains(&n_failed), "{operation}: each once, {:?}", words(&report));
    }
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_run_and_does_not_loop() {
    for operation in ["DescribeInstances", "DescribeVolumes", "DescribeSnapshots", "DescribeImages"]
    {
        let world = World::new();
        world.server(&["gp3"]);
        world.sandbox.fail(Rule::every(operation), Fault::Denied);
        let ended = settled(&world, GOLDEN, TimeDelta::hours(12), |_| ()).await;
        let Some((report, _)) = ended else { panic!("{operation} denied: it loops") };
        assert_eq!(exit_code(&report), ExitCode::Incomplete, "{operation}");
    }
}

#[tokio::test]
async fn an_image_that_keeps_failing_ends_the_run_once_it_is_given_up() {
    let world = World::new();
    world.server(&["gp3"]);
    world.sandbox.fail(Rule::every("CreateImage"), Fault::SnapshotsFail);
    let ended = settled(&world, IMAGES, TimeDelta::hours(23), |_| ()).await;
    let (report, waits) = ended.expect("five attempts take 15 hours");
    assert_eq!(world.sandbox.n_calls("CreateImage"), 5, "{:?}", words(&report));
    assert!(waits.len() < 60, "it knows when the next attempt is due: {}", waits.len());
}

#[tokio::test]
async fn a_copy_that_keeps_failing_ends_the_run_once_it_is_given_up() {
    let world = World::new();
    world.server(&["gp3"]);
    let copying = GOLDEN.replace("encrypt = { retire_unencrypted = true }\n", "");
    world.sandbox.fail(Rule::every("CopyImage"), Fault::SnapshotsFail);
    let ended = settled(&world, &copying, TimeDelta::hours(23), |_| ()).await;
    let (report, _) = ended.expect("five attempts take 15 hours");
    assert_eq!(world.sandbox.n_calls("CopyImage"), 5, "{:?}", words(&report));
    // Nor does a later run wait for what was given up.
    world.wait(TimeDelta::hours(1));
    assert!(settled(&world, &copying, TimeDelta::hours(3), |_| ()).await.is_some());
}

#[tokio::test]
async fn what_is_over_but_owes_a_copy_that_was_given_up_is_not_waited_for() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let copying = GOLDEN
        .replace("encrypt = { retire_unencrypted = true }\n", "")
        .replace("daily = \"7 days\"", "daily = \"60 days\"");
    world.sandbox.fail(Rule::every("CopyImage"), Fault::SnapshotsFail);
    for _ in 0..40 {
        world.cycle(&copying).await;
        world.wait(TimeDelta::hours(1));
    }
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    world.wait(TimeDelta::days(5));
    let ended = settled(&world, &copying, TimeDelta::hours(12), |_| ()).await;
    assert!(ended.is_some(), "copy_give_up is thirty days");
}

#[tokio::test]
async fn a_pending_snapshot_is_looked_at_until_it_is_complete_and_not_longer() {
    let world = World::new();
    world.server(&["gp3"]);
    let began_at = world.now();
    let (report, waits) = settled(&world, DAILY, TimeDelta::hours(1), |_| ()).await.unwrap();
    assert_eq!(ended(&report), [("CreateSnapshots", "done")]);
    assert!(world.snapshots(&eu()).iter().all(|s| s.state == SnapshotState::Completed));
    assert!(world.now() - began_at < TimeDelta::minutes(3), "{waits:?}");
}

#[tokio::test]
async fn what_listings_do_not_show_yet_is_not_made_twice() {
    for config in [DAILY, IMAGES] {
        for invisible in [20, 50] {
            let world = World::new();
            world.server(&["gp3"]);
            world.sandbox.set(|settings| settings.invisible_for = TimeDelta::seconds(invisible));
            let (report, _) = settled(&world, config, TimeDelta::hours(1), |_| ()).await.unwrap();
            assert_eq!(words(&report), ["done"], "{invisible}: {:?}", ended(&report));
            assert_eq!(world.snapshots(&eu()).len(), 1, "{invisible}");
        }
    }
}

#[tokio::test]
async fn an_interrupt_while_the_account_is_observed_plans_nothing() {
    let world = World::new();
    world.server(&["gp3"]);
    world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(60));
    let begun_at = world.now();
    let (sender, stop) = Stop::new();
    let (clock, config) = (SandboxClock(world.sandbox.time().clone()), config(DAILY));
    let request = Request::at(world.now());
    let run = run::run(&world.sandbox, &clock, &config, &request, &stop, &());
    let interrupt = async {
        world.sandbox.time().sleep_until(begun_at + TimeDelta::seconds(5)).await;
        sender.send_replace(true);
    };
    let both = futures_util::future::join(run, interrupt);
    let (report, ()) = world.sandbox.time().drive(both).await;
    assert_eq!(world.now(), begun_at + TimeDelta::seconds(5), "the answer was not waited for");
    assert_eq!(exit_code(&report), ExitCode::Failed);
    snapbox::assert_data_eq!(
        snapkeep::report::run_text::render(&report.plan, &report.outcomes),
        snapbox::str![[r#"
Run of 2026-11-20 03:05Z

  nothing done

notes
  FATAL, nothing is executed there: stopped before anything was planned; the
    next run plans anew

"#]]
    );
}
