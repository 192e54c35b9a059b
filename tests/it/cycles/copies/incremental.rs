//! Copies build on one another: only the first of a volume is a full one.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::region::Region;

use super::{KINDS, Kind, TO_US, copies, hourly, planned, settle, things, waits};
use crate::cycles::world::{World, eu, notes, us};

/// How many of the copies ever made into a region were full; of images, of their snapshots.
fn full(world: &World, region: &Region) -> usize {
    let snapshots = world.snapshots(region);
    snapshots.iter().filter(|s| world.sandbox.is_full_copy(region, s.id) == Some(true)).count()
}

#[tokio::test]
async fn over_weeks_only_the_first_copy_of_each_volume_is_full() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        // Kept for longer than the test lasts, so that all can be counted.
        let config = kind.policy("", &TO_US.replace("7 days", "60 days"));
        for day in 0..15 {
            hourly(&world, &config, 2).await;
            assert_eq!(full(&world, &us()), server.volumes.len(), "{kind:?} on day {day}");
            world.wait(TimeDelta::hours(22));
        }
    }
}

#[tokio::test]
async fn existing_points_wait_for_the_first_copy() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.policy("", "");
        for _ in 0..3 {
            settle(&world, &config).await;
            world.wait(TimeDelta::hours(20));
        }
        let config = kind.policy("", &format!("{TO_US}\nexisting = true"));
        world.cycle(&config).await;
        let begun = copies(&world, &us());
        assert_eq!(begun.len(), kind.n(), "{kind:?}: the newest, alone");
        assert!(begun.iter().all(|copy| copy.name().starts_with("11-22")), "{begun:#?}");
        let plan = world.plan(&config).await;
        assert!(planned(&plan).is_empty());
        assert!(waits(&plan).contains("the next needs only what changed"), "{}", waits(&plan));
        hourly(&world, &config, 12).await;
        assert_eq!(super::slots(&copies(&world, &us())).len(), 4, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_caught_up_is_incremental_too() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        let config = kind.to_us();
        settle(&world, &config).await;
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        for _ in 0..2 {
            world.wait(TimeDelta::days(1));
            hourly(&world, &config, 1).await;
        }
        world.sandbox.clear_faults();
        hourly(&world, &config, 8).await;
        assert_eq!(super::slots(&copies(&world, &us())).len(), 3, "{kind:?}");
        assert_eq!(full(&world, &us()), server.volumes.len(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_change_of_key_is_a_warning_that_the_next_copy_will_be_full() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        // Of somebody else, without a key.
        world.snapshot(&us(), world.volume(&us(), "gp3"), world.now(), &[]);
        world.sandbox.add_key(&us(), "alias/old", true, true);
        let new = world.sandbox.add_key(&us(), "alias/new", true, true);
        let with = |key: &str| {
            kind.policy("", &format!("{TO_US}\nencrypted = true\nkms_key = \"alias/{key}\""))
        };
        settle(&world, &with("old")).await;
        world.wait(TimeDelta::hours(20));
        world.cycle(&with("new")).await;
        world.wait(TimeDelta::minutes(30));
        let plan = world.plan(&with("old")).await;
        assert!(!notes(&plan).contains("will be full"), "{}", notes(&plan));
        let report = world.cycle(&with("new")).await;
        let told = notes(&report.plan);
        assert!(told.contains("will be full") && told.contains(&*new), "{kind:?}: {told}");
        settle(&world, &with("new")).await;
        assert_eq!(super::slots(&copies(&world, &us())).len(), 2);
    }
}

#[tokio::test]
async fn a_key_that_may_not_be_asked_for_is_a_note_and_copies_go_on() {
    let world = World::new();
    Kind::Volume.source(&world);
    world.sandbox.add_key(&us(), "alias/backup", true, true);
    let config =
        Kind::Volume.policy("", &format!("{TO_US}\nencrypted = true\nkms_key = \"alias/backup\""));
    settle(&world, &config).await;
    world.wait(TimeDelta::hours(20));
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    world.sandbox.fail(Rule::next("DescribeKey"), Fault::Denied);
    let plan = world.plan(&config).await;
    assert!(notes(&plan).contains("could not be resolved"), "{}", notes(&plan));
    assert_eq!(planned(&plan).len(), 1, "it goes on all the same");
}

#[tokio::test]
async fn a_disabled_key_is_waited_for_and_the_originals_with_it() {
    for kind in KINDS {
        for (is_enabled, is_symmetric, why) in
            [(false, true, "is disabled"), (true, false, "is not symmetric")]
        {
            let world = World::new();
            kind.source(&world);
            world.sandbox.add_key(&us(), "alias/backup", true, true);
            let key = "encrypted = true\nkms_key = \"alias/backup\"";
            let config = kind.policy("", &format!("{TO_US}\n{key}"));
            settle(&world, &config).await;
            world.sandbox.add_key(&us(), "alias/backup", is_enabled, is_symmetric);
            for _ in 0..6 {
                world.wait(TimeDelta::days(1));
                let report = hourly(&world, &config, 2).await;
                assert!(waits(&report.plan).contains(why), "{}", waits(&report.plan));
            }
            // The first may have gone, as it has its copy.
            assert_eq!(super::slots(&things(&world, &eu())).len(), 6, "{kind:?} {why}");
            assert_eq!(copies(&world, &us()).len(), kind.n(), "nothing was tried");
            world.sandbox.add_key(&us(), "alias/backup", true, true);
            hourly(&world, &config, 12).await;
            assert_eq!(super::slots(&copies(&world, &us())).len(), 7, "{kind:?} {why}");
            assert_eq!(super::slots(&things(&world, &eu())).len(), 4, "and the debts are paid");
        }
    }
}

#[tokio::test]
async fn the_key_of_a_destination_is_that_of_encrypted_copies_only() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    world.sandbox.encrypt_volume(&eu(), server.volumes[1]);
    let key = world.sandbox.add_key(&us(), "alias/backup", true, true);
    let config =
        Kind::Set.policy("", &format!("{TO_US}\n[regions.us-east-1]\nkms_key = \"alias/backup\""));
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    let plan = world.plan(&config).await;
    let asked = planned(&plan).into_iter().map(|copy| {
        (copy.is_parent_encrypted, copy.encrypted, copy.kms_key.as_deref().map(str::to_owned))
    });
    let asked: std::collections::BTreeSet<_> = asked.collect();
    let expected = [(false, false, None), (true, true, Some("alias/backup".to_owned()))];
    assert_eq!(asked, expected.into());
    settle(&world, &config).await;
    let mut keys: Vec<_> = world.snapshots(&us()).into_iter().map(|s| s.kms_key_id).collect();
    keys.sort();
    assert_eq!(keys, [None, Some(key)]);
}
