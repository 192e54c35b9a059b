//! Failed attempts: what makes room for the next, and what remembers how many there were.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::ImageState;
use snapkeep::domain::tags;
use snapkeep::plan::ExpireReason;

use crate::cycles::copies::{KINDS, Thing, copies, waits};
use crate::cycles::world::{IMAGES, World, ended, eu, us};

#[tokio::test]
async fn a_failed_image_of_a_volume_that_takes_one_snapshot_goes_before_the_next_attempt() {
    let world = World::at("2026-11-20 03:00:00");
    // An st1 volume takes one pending or failed snapshot.
    world.server(&["gp3", "st1"]);
    world.sandbox.fail(Rule::next("CreateImage"), Fault::SnapshotsFail);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::hours(1));
    let failed = world.images(&eu()).remove(0);
    assert_eq!(failed.state, ImageState::Failed);
    let report = world.cycle(IMAGES).await;
    let mut calls = ended(&report);
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            ("CreateImage", "done"),
            ("DeleteSnapshot", "done"),
            ("DeleteSnapshot", "done"),
            ("DeregisterImage", "done")
        ],
        "{}",
        waits(&report.plan)
    );
    let mut deletions = report.plan.actions.iter().filter_map(|action| action.as_delete());
    assert!(deletions.all(|delete| delete.reason == ExpireReason::FailedInTheWay));
    world.assert_nothing_left(IMAGES, &report).await;
    assert!(world.find_image(&eu(), failed.id).is_none() && !world.has(&failed.snapshot_ids));
    world.wait(TimeDelta::minutes(30));
    let image = world.images(&eu()).remove(0);
    assert_eq!((image.state, image.tags.get(tags::ATTEMPT)), (ImageState::Available, Some("2")));
}

#[tokio::test]
async fn a_failed_copy_stays_as_memory_while_the_next_attempt_is_on_its_way() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.policy(
            "schedule = \"0 3 * * 5\"\nretention = { weekly = 3 }",
            "[[policy.copy]]\nto = \"us-east-1\"",
        );
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        world.sandbox.fail(Rule::next(kind.call()), Fault::SnapshotsFail);
        world.cycle(&config).await;
        // Nobody may copy for more than a day.
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        for _ in 0..5 {
            world.wait(TimeDelta::hours(6));
            world.cycle(&config).await;
        }
        world.sandbox.clear_faults();
        world.cycle(&config).await;
        world.wait(TimeDelta::seconds(10));
        let n_of = |is: fn(&Thing) -> bool| copies(&world, &us()).into_iter().filter(is).count();
        let is_second = |t: &Thing| t.tag(tags::ATTEMPT) == "2";
        assert_eq!(n_of(is_second), 1, "{kind:?}");
        assert_eq!(n_of(|t| !t.state.is_complete() && !t.state.is_failed()), 1, "{kind:?}");
        world.cycle(&config).await;
        assert_eq!(n_of(|t| t.state.is_failed()), 1, "{kind:?}: the second may fail, too");
        world.wait(TimeDelta::minutes(30));
        let report = world.cycle(&config).await;
        assert_eq!(n_of(|t| t.state.is_failed()), 0, "{kind:?}: the second is complete");
        world.assert_nothing_left(&config, &report).await;
    }
}
