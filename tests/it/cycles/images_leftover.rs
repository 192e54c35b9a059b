//! Between the deregistration of an image and the deletion of its snapshots anything may happen.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::{ImageId, SnapshotId};
use snapkeep::domain::inventory::{Image, ImageState, InstanceState};
use snapkeep::domain::tags;
use snapkeep::execute::{Outcome, Progress, Stop};
use snapkeep::plan::{Action, Op};
use snapkeep::report::ExitCode;

use super::world::{IMAGES, World, ended, eu, exit_code, notes, us, words};

const ADOPTING: &str = "adopt = { all = true }\n";

/// An account with three images of ours, of which the oldest, with its two snapshots, is due.
pub(super) async fn due() -> (World, ImageId, Vec<SnapshotId>) {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.days(IMAGES, 3).await;
    let oldest = world.images(&eu()).remove(0);
    (world, oldest.id, oldest.snapshot_ids)
}

/// Stops the run once the first image is deregistered.
struct StopAfterImage {
    sender: tokio::sync::watch::Sender<bool>,
    is_stopped: AtomicBool,
}

impl Progress for StopAfterImage {
    fn ended(&self, action: &Action, outcome: &Outcome) {
        if matches!(action.op, Op::DeregisterImage(_)) && outcome.is_done() {
            self.sender.send_replace(true);
            self.is_stopped.store(true, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn an_expired_image_is_deregistered_and_then_its_snapshots_go_each_reported() {
    let (world, oldest, snapshots) = due().await;
    let report = world.cycle(IMAGES).await;
    assert_eq!(
        ended(&report),
        [
            ("CreateImage", "done"),
            ("DeregisterImage", "done"),
            ("DeleteSnapshot", "done"),
            ("DeleteSnapshot", "done")
        ]
    );
    assert!(world.find_image(&eu(), oldest).is_none() && !world.has(&snapshots));
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn what_a_run_that_was_cut_off_left_goes_with_the_next() {
    // By a crash after the deregistration, by a refused deletion, and by one that nobody answers.
    for case in ["stop", "denied", "unanswered"] {
        let (world, oldest, snapshots) = due().await;
        match case {
            "stop" => {
                let plan = world.plan(IMAGES).await;
                let (sender, stop) = Stop::new();
                let progress = StopAfterImage { sender, is_stopped: AtomicBool::new(false) };
                let report = world.execute_until(plan, &stop, &progress).await;
                assert!(progress.is_stopped.load(Ordering::Relaxed));
                assert!(words(&report).contains(&"not started"), "{:?}", ended(&report));
            }
            "denied" => {
                world.sandbox.fail(Rule::every("DeleteSnapshot"), Fault::Denied);
                let report = world.cycle(IMAGES).await;
                assert_eq!(words(&report), ["done", "done", "failed", "failed"]);
                assert_eq!(exit_code(&report), ExitCode::Failed);
            }
            _ => {
                world.sandbox.fail(Rule::every("DeleteSnapshot"), Fault::ErrorBefore);
                assert_eq!(words(&world.cycle(IMAGES).await)[2..], ["failed", "failed"]);
            }
        }
        assert!(world.find_image(&eu(), oldest).is_none() && world.has(&snapshots), "{case}");
        world.sandbox.clear_faults();
        let report = world.cycle(IMAGES).await;
        assert!(!world.has(&snapshots), "{case}: {}", notes(&report.plan));
        world.assert_nothing_left(IMAGES, &report).await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_deregistration_leaves_nothing() {
    for fault in [Fault::LostReply, Fault::ErrorBefore, Fault::Throttled] {
        let (world, oldest, snapshots) = due().await;
        world.sandbox.fail(Rule::next("DeregisterImage"), fault);
        let report = world.cycle(IMAGES).await;
        assert_eq!(exit_code(&report), ExitCode::Done, "{:?}", ended(&report));
        assert!(world.find_image(&eu(), oldest).is_none() && !world.has(&snapshots));
        world.assert_nothing_left(IMAGES, &report).await;
    }
}

#[tokio::test]
async fn snapshots_of_an_image_that_somebody_deregistered_stay_as_long_as_a_tier_would_hold_it() {
    let world = World::at("2026-11-20 03:00:00");
    let server = world.server(&["gp3", "gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::minutes(5));
    let image = world.images(&eu()).remove(0);
    // So that no image takes the slot again.
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    world.sandbox.remove_image(&eu(), image.id);
    for (at, is_there) in [
        ("2026-11-20 03:06:00", true),
        ("2026-11-21 03:00:00", true),
        ("2026-11-23 02:59:59", true),
        // No tier would, but nothing newer is there to be restored.
        ("2026-11-23 03:00:00", true),
        ("2026-11-24 03:00:00", false),
    ] {
        if !is_there {
            world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Running);
            world.cycle(IMAGES).await;
            world.wait(TimeDelta::minutes(5));
        }
        world.wait_until(at);
        let report = world.cycle(IMAGES).await;
        let is_told = notes(&report.plan).contains("register an image from them");
        assert_eq!(is_told, is_there && at != "2026-11-20 03:06:00", "{at}");
        assert_eq!(world.has(&image.snapshot_ids), is_there, "{at}");
        world.assert_nothing_left(IMAGES, &report).await;
    }
}

#[tokio::test]
async fn leftovers_stay_while_their_image_may_yet_show_up() {
    let (world, oldest, snapshots) = due().await;
    let image = world.find_image(&eu(), oldest).unwrap();
    let server = world.sandbox.inventory().regions[&eu()].instances[0].id;
    world.sandbox.set_instance_state(&eu(), server, InstanceState::Stopped);
    world.sandbox.remove_image(&eu(), oldest);
    // A pending image of the slot that does not list its snapshots yet; whose it is nobody knows.
    for state in [ImageState::Pending, ImageState::Failed, ImageState::Disabled] {
        let other = world.sandbox.new_image_id();
        world.sandbox.add_image(
            &eu(),
            Image { id: other, state, snapshot_ids: Vec::new(), ..image.clone() },
        );
        world.cycle(IMAGES).await;
        assert!(world.has(&snapshots), "{state:?}");
        world.sandbox.remove_image(&eu(), other);
    }
    for operation in ["DescribeImages", "DescribeSnapshots"] {
        world.sandbox.fail(Rule::next(operation), Fault::Denied);
        let report = world.cycle(IMAGES).await;
        assert!(report.plan.actions.is_empty() && world.has(&snapshots), "{operation}");
    }
    world.sandbox.set(|settings| settings.clock_skew = Some(TimeDelta::minutes(7)));
    world.cycle(IMAGES).await;
    assert!(world.has(&snapshots), "the clock is off");
    world.sandbox.set(|settings| settings.clock_skew = Some(TimeDelta::zero()));
    for (key, lift) in [(tags::HOLD, "none")] {
        world.sandbox.tag_snapshot(&eu(), snapshots[0], key, lift);
        world.cycle(IMAGES).await;
        // Together they are still the image.
        assert!(world.has(&snapshots));
    }
}

#[tokio::test]
async fn leftovers_stay_while_a_pending_image_of_their_slot_may_list_more() {
    let (world, oldest, snapshots) = due().await;
    let image = world.find_image(&eu(), oldest).unwrap();
    world.sandbox.remove_image(&eu(), oldest);
    let (id, listed) = (world.sandbox.new_image_id(), vec![world.sandbox.new_snapshot_id()]);
    for (state, is_there) in [(ImageState::Pending, true), (ImageState::Available, false)] {
        let snapshot_ids = listed.clone();
        world.sandbox.add_image(&eu(), Image { id, state, snapshot_ids, ..image.clone() });
        world.cycle(IMAGES).await;
        assert_eq!(world.has(&snapshots), is_there, "{state:?}");
    }
}

#[tokio::test]
async fn a_snapshot_that_its_image_does_not_list_stays_as_long_as_the_image() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::hours(1));
    let image = world.images(&eu()).remove(0);
    let listed = vec![image.snapshot_ids[0]];
    world.sandbox.add_image(&eu(), Image { snapshot_ids: listed, ..image.clone() });
    // So that the image is the newest for ever.
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    for _ in 0..5 {
        world.wait(TimeDelta::days(1));
        world.cycle(IMAGES).await;
        assert!(world.find_image(&eu(), image.id).is_some());
        assert!(world.has(&image.snapshot_ids));
    }
}

#[tokio::test]
async fn leftovers_of_a_slot_that_another_image_stands_for_go_though_a_tier_would_hold_it() {
    let world = World::new();
    world.server(&["gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::hours(25));
    let image = world.images(&eu()).remove(0);
    let snapshots = world.snapshots(&eu());
    let own = snapshots.iter().find(|snapshot| image.snapshot_ids.contains(&snapshot.id)).unwrap();
    let tags: Vec<(&str, &str)> = own.tags.iter().collect();
    let other = world.snapshot(&eu(), own.volume_id.unwrap(), own.started_at, &tags);
    let (id, snapshot_ids) = (world.sandbox.new_image_id(), vec![other]);
    world.sandbox.add_image(&eu(), Image { id, snapshot_ids, ..image.clone() });
    world.sandbox.remove_image(&eu(), image.id);
    world.cycle(IMAGES).await;
    assert!(!world.has(&image.snapshot_ids) && world.has(&[other]));
    assert!(world.find_image(&eu(), id).is_some());
}

#[tokio::test]
async fn leftovers_of_a_later_slot_of_the_day_are_not_what_the_day_keeps() {
    let config = IMAGES.replace("0 3 * * *", "0 */12 * * *");
    let world = World::at("2026-11-20 00:00:00");
    world.server(&["gp3"]);
    world.cycle(&config).await;
    world.wait(TimeDelta::hours(12));
    world.cycle(&config).await;
    world.wait(TimeDelta::hours(12));
    world.cycle(&config).await;
    world.wait(TimeDelta::hours(12));
    let [first, second, ..] = &world.images(&eu())[..] else { panic!("two images a day") };
    world.sandbox.remove_image(&eu(), second.id);
    world.cycle(&config).await;
    assert!(!world.has(&second.snapshot_ids));
    assert!(world.has(&first.snapshot_ids), "the first of the day stays");
}

#[tokio::test]
async fn leftovers_of_a_source_that_is_gone_stay_as_long_as_orphans_says() {
    for (orphans, is_source_there, at, is_there) in [
        ("expire", true, "2026-12-20 03:00:00", true),
        ("expire", false, "2026-11-23 02:59:59", true),
        ("expire", false, "2026-11-23 03:00:00", false),
        ("10 days", true, "2026-12-20 03:00:00", true),
        ("10 days", false, "2026-11-30 02:59:59", true),
        ("10 days", false, "2026-11-30 03:00:00", false),
    ] {
        let config = IMAGES.replace("3 days\"", &format!("3 days\", orphans = \"{orphans}\""));
        let world = World::at("2026-11-20 03:00:00");
        let server = world.server(&["gp3"]);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(5));
        let image = world.images(&eu()).remove(0);
        world.sandbox.remove_image(&eu(), image.id);
        if is_source_there {
            world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
        } else {
            world.sandbox.remove_instance(&eu(), server.id);
        }
        world.wait_until(at);
        world.cycle(&config).await;
        assert_eq!(world.has(&image.snapshot_ids), is_there, "{orphans} {is_source_there} {at}");
    }
}

#[tokio::test]
async fn what_is_being_copied_or_may_be_stays_though_no_tier_would_hold_it() {
    let copied = "\n[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\n\
                  retention = { daily = \"9 days\" }\n";
    for is_unknown in [false, true] {
        let world = World::new();
        world.server(&["gp3"]);
        world.days(IMAGES, 2).await;
        let config = IMAGES.replace("3 days", "1 day") + copied;
        let oldest = world.images(&eu()).remove(0);
        if is_unknown {
            world.cycle(IMAGES).await;
            world.wait(TimeDelta::hours(1));
        }
        let is_copied = |i: &Image| i.source_image_id == Some(oldest.id);
        // The first copy is a full one, and the others wait for it.
        for n in 0..30 {
            if is_unknown || world.images(&us()).iter().any(is_copied) {
                break;
            }
            assert!(n < 29, "it is copied");
            world.wait(TimeDelta::minutes(10));
            world.cycle(&config).await;
        }
        world.sandbox.remove_image(&eu(), oldest.id);
        if is_unknown {
            world.sandbox.fail(Rule::every("DescribeImages").in_region(&us()), Fault::Denied);
        }
        world.cycle(&config).await;
        assert!(world.has(&oldest.snapshot_ids), "{is_unknown}");
        world.sandbox.clear_faults();
        world.wait(TimeDelta::days(1));
        world.cycle(&config).await;
        assert!(!world.has(&oldest.snapshot_ids), "{is_unknown}");
    }
}

#[tokio::test]
async fn what_another_policy_or_region_is_asked_for_leaves_leftovers_alone() {
    let (world, oldest, snapshots) = due().await;
    world.sandbox.remove_image(&eu(), oldest);
    let report = world.cycle_with(IMAGES, |r| r.regions = vec![us()]).await;
    assert!(report.plan.actions.is_empty() && world.has(&snapshots));
    let report = world.cycle_with(IMAGES, |r| r.policies = vec!["other".to_owned()]).await;
    assert!(report.plan.actions.is_empty() && world.has(&snapshots));
    let report = world.cycle(IMAGES).await;
    assert!(!world.has(&snapshots));
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn what_is_being_copied_stays_though_somebody_deregistered_the_image() {
    let config = format!(
        "{IMAGES}\n[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\nretention = {{ daily = \"9 days\" }}\n"
    );
    let world = World::new();
    world.server(&["gp3"]);
    world.days(IMAGES, 2).await;
    world.cycle(&config).await;
    let pending = world.images(&us()).pop().unwrap();
    assert_eq!(pending.state, ImageState::Pending);
    let parents = world.images(&eu());
    let oldest = parents.iter().find(|image| Some(image.id) == pending.source_image_id).unwrap();
    assert!(oldest.created_at.unwrap() <= world.now() - TimeDelta::hours(24));
    world.sandbox.remove_image(&eu(), oldest.id);
    world.cycle(&config).await;
    assert!(world.has(&oldest.snapshot_ids), "EC2 still reads them");
    // Until its time has come.
    world.wait(TimeDelta::days(3));
    world.cycle(&config).await;
    assert!(!world.has(&oldest.snapshot_ids));
    let copy = world.find_image(&us(), pending.id).unwrap();
    assert_eq!(copy.state, ImageState::Available);
}

#[tokio::test]
async fn snapshots_that_another_image_shares_stay_until_that_is_gone_too() {
    let (world, oldest, snapshots) = due().await;
    let id = world.sandbox.new_image_id();
    let shared = vec![snapshots[0]];
    world.sandbox.add_image(&eu(), Image { snapshot_ids: shared, ..Image::plain(id, "restore") });
    let report = world.cycle(IMAGES).await;
    assert!(words(&report).iter().all(|word| *word == "done"));
    assert!(world.find_image(&eu(), oldest).is_none());
    assert!(world.find(&eu(), snapshots[0]).is_some() && world.find(&eu(), snapshots[1]).is_none());
    world.assert_nothing_left(IMAGES, &report).await;
    world.sandbox.remove_image(&eu(), id);
    let report = world.cycle(IMAGES).await;
    assert!(world.find(&eu(), snapshots[0]).is_none(), "a leftover now");
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn two_adopted_images_that_share_a_snapshot_leave_nothing() {
    let config = format!("{IMAGES}{ADOPTING}");
    let world = World::new();
    world.server(&["gp3"]);
    let old = world.now() - TimeDelta::days(90);
    let (_, shared) = world.made_elsewhere("one", old, &[]);
    let id = world.sandbox.new_image_id();
    let two = Image {
        created_at: Some(old + TimeDelta::days(1)),
        snapshot_ids: vec![shared],
        ..Image::plain(id, "two")
    };
    world.sandbox.add_image(&eu(), two);
    world.made_elsewhere("newest", world.now() - TimeDelta::hours(1), &[]);
    for _ in 0..3 {
        world.cycle(&config).await;
        world.wait(TimeDelta::days(1));
    }
    assert!(world.find_image(&eu(), id).is_none());
    assert!(!world.has(&[shared]), "it is nobody's, and costs money for ever");
}

#[tokio::test]
async fn an_adopted_images_snapshots_are_tagged_before_it_goes() {
    let config = format!("{IMAGES}{ADOPTING}");
    let adopted = || {
        let world = World::new();
        world.server(&["gp3"]);
        let old = world.made_elsewhere("old", world.now() - TimeDelta::days(90), &[]);
        world.made_elsewhere("new", world.now() - TimeDelta::hours(2), &[]);
        (world, old)
    };
    let (world, (image, snapshot)) = adopted();
    let report = world.cycle(&config).await;
    assert_eq!(
        ended(&report)[1..],
        [("CreateTags", "done"), ("DeregisterImage", "done"), ("DeleteSnapshot", "done")]
    );
    assert!(world.find_image(&eu(), image).is_none() && !world.has(&[snapshot]));
    world.assert_nothing_left(&config, &report).await;

    // A crash in between leaves what the next run knows again.
    let (world, (image, snapshot)) = adopted();
    world.sandbox.fail(Rule::every("DeleteSnapshot"), Fault::Denied);
    world.cycle(&config).await;
    assert!(world.find_image(&eu(), image).is_none() && world.has(&[snapshot]));
    world.sandbox.clear_faults();
    let report = world.cycle(&config).await;
    assert!(!world.has(&[snapshot]));
    world.assert_nothing_left(&config, &report).await;

    // Who may not tag does not deregister.
    let (world, (image, snapshot)) = adopted();
    world.sandbox.fail(Rule::every("CreateTags"), Fault::Denied);
    let report = world.cycle(&config).await;
    assert_eq!(words(&report)[1..], ["failed", "not started", "not started"]);
    assert!(world.find_image(&eu(), image).is_some() && world.has(&[snapshot]));
}

#[tokio::test]
async fn deletions_that_a_limit_withholds_are_not_prepared() {
    let config = format!("{IMAGES}{ADOPTING}limits = {{ max_deletes = 1 }}\n");
    let world = World::new();
    world.server(&["gp3"]);
    let (image, snapshot) = world.made_elsewhere("old", world.now() - TimeDelta::days(90), &[]);
    world.made_elsewhere("new", world.now() - TimeDelta::hours(2), &[]);
    let report = world.cycle(&config).await;
    assert_eq!(exit_code(&report), ExitCode::Withheld);
    assert_eq!(ended(&report), [("CreateImage", "done")]);
    assert!(world.find_image(&eu(), image).is_some() && world.has(&[snapshot]));
    let report = world.cycle_with(&config, |request| request.max_deletes = Some(2)).await;
    assert!(world.find_image(&eu(), image).is_none() && !world.has(&[snapshot]));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn what_changes_between_plan_and_deregistration_keeps_the_whole_point() {
    type Change = (&'static str, fn(&World, ImageId, &[SnapshotId]));
    let changes: [Change; 6] = [
        ("protected", |w, id, _| w.sandbox.change_image(&eu(), id, |i| i.is_protected = true)),
        ("hold on the image", |w, id, _| {
            w.sandbox.change_image(&eu(), id, |image| {
                image.tags = image.tags.iter().chain([(tags::HOLD, "")]).collect();
            });
        }),
        ("hold on a snapshot", |w, _, s| w.sandbox.tag_snapshot(&eu(), s[1], tags::HOLD, "")),
        ("a tag", |w, _, s| w.sandbox.tag_snapshot(&eu(), s[0], "Legal", "keep")),
        ("disabled", |w, id, _| {
            w.sandbox.change_image(&eu(), id, |image| image.state = ImageState::Disabled);
        }),
        ("the newest is gone", |w, _, _| {
            let newest = w.images(&eu()).pop().unwrap().id;
            w.sandbox.remove_image(&eu(), newest);
        }),
    ];
    for (what, change) in changes {
        let (world, oldest, snapshots) = due().await;
        let plan = world.plan(IMAGES).await;
        change(&world, oldest, &snapshots);
        let report = world.execute(plan).await;
        assert!(world.find_image(&eu(), oldest).is_some() && world.has(&snapshots), "{what}");
        assert!(
            words(&report)[1..].iter().all(|w| ["skipped", "not started"].contains(w)),
            "{what}"
        );
    }

    // A lock that may not be listed is known only to EC2, after the image went.
    let (world, oldest, snapshots) = due().await;
    let plan = world.plan(IMAGES).await;
    world.sandbox.remove_image(&eu(), oldest);
    let report = world.execute(plan).await;
    assert_eq!(words(&report), ["done", "gone", "done", "done"]);
    assert!(!world.has(&snapshots));
}
