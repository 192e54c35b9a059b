//! Leftovers of images: snapshots that stay although somebody deregistered the image.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::{ImageState, InstanceState, SnapshotState};
use snapkeep::domain::tags;

use crate::cycles::images_leftover::due;
use crate::cycles::world::{IMAGES, World, eu};

#[tokio::test]
async fn a_veto_on_one_snapshot_of_an_image_that_is_gone_is_one_on_all() {
    for veto in ["none", "hold", "lock"] {
        let (world, oldest, snapshots) = due().await;
        world.sandbox.remove_image(&eu(), oldest);
        match veto {
            "hold" => world.sandbox.tag_snapshot(&eu(), snapshots[1], tags::HOLD, ""),
            "lock" => world.sandbox.lock_snapshot(&eu(), snapshots[1]),
            _ => {}
        }
        let report = world.cycle(IMAGES).await;
        assert_eq!(world.has(&snapshots), veto != "none", "{veto}");
        world.assert_nothing_left(IMAGES, &report).await;
    }
}

#[tokio::test]
async fn the_newest_data_of_a_source_stays_although_its_image_is_gone() {
    for orphans in ["keep-last", "expire", "14 days"] {
        let tier = "daily = \"3 days\"";
        let config = IMAGES.replace(tier, &format!("{tier}, orphans = \"{orphans}\""));
        let world = World::new();
        let server = world.server(&["gp3", "gp3"]);
        world.days(&config, 2).await;
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
        let newest = world.images(&eu()).pop().unwrap();
        world.sandbox.remove_image(&eu(), newest.id);
        // No tier holds anything any more.
        world.wait(TimeDelta::days(30));
        let report = world.cycle(&config).await;
        assert!(world.has(&newest.snapshot_ids), "{orphans}: nothing newer can be restored");
        assert_eq!(world.images(&eu()).len(), 1, "{orphans}: the newest image");
        world.assert_nothing_left(&config, &report).await;
        // They are no more than a point, which goes with its source.
        world.sandbox.remove_instance(&eu(), server.id);
        world.cycle(&config).await;
        assert_eq!(world.has(&newest.snapshot_ids), orphans == "keep-last", "{orphans}");
    }
}

#[tokio::test]
async fn what_is_left_of_the_only_image_goes_with_its_source() {
    for orphans in ["keep-last", "expire", "14 days"] {
        let tier = "daily = \"3 days\"";
        let config = IMAGES.replace(tier, &format!("{tier}, orphans = \"{orphans}\""));
        let world = World::new();
        let server = world.server(&["gp3", "gp3"]);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let only = world.images(&eu()).pop().unwrap();
        world.sandbox.remove_image(&eu(), only.id);
        world.sandbox.remove_instance(&eu(), server.id);
        world.wait(TimeDelta::days(30));
        let report = world.cycle(&config).await;
        assert_eq!(world.has(&only.snapshot_ids), orphans == "keep-last", "{orphans}");
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn an_image_that_is_on_its_way_stands_for_nothing_that_was_left_behind() {
    let config = IMAGES.replace("\"3 days\"", "2");
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.days(&config, 2).await;
    let oldest = world.images(&eu()).remove(0);
    world.sandbox.remove_image(&eu(), oldest.id);
    world.cycle(&config).await;
    world.wait(TimeDelta::seconds(10));
    assert_eq!(world.images(&eu()).pop().unwrap().state, ImageState::Pending);
    world.cycle(&config).await;
    assert!(world.has(&oldest.snapshot_ids), "one of two days");
    world.wait(TimeDelta::minutes(30));
    let report = world.cycle(&config).await;
    assert!(!world.has(&oldest.snapshot_ids), "one of three");
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn what_is_left_of_a_failed_image_goes_though_nothing_newer_is_there() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::next("CreateImage"), Fault::SnapshotsFail);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::minutes(10));
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    let failed = world.images(&eu()).remove(0);
    assert_eq!(failed.state, ImageState::Failed);
    world.sandbox.remove_image(&eu(), failed.id);
    let is_failed = |id| world.find(&eu(), id).unwrap().state == SnapshotState::Error;
    assert!(failed.snapshot_ids.iter().all(|id| is_failed(*id)));
    world.wait(TimeDelta::hours(23));
    world.cycle(IMAGES).await;
    assert!(world.has(&failed.snapshot_ids), "they have a day, as all that failed");
    world.wait(TimeDelta::hours(1));
    let report = world.cycle(IMAGES).await;
    assert!(!world.has(&failed.snapshot_ids), "nothing can be restored from them");
    world.assert_nothing_left(IMAGES, &report).await;
}
