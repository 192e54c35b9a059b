//! What is on its way may fail: until it is complete, nothing goes that would be needed then.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::Volume;
use snapkeep::domain::tags;

use crate::cycles::copies::{
    KINDS, Kind, Thing, complete, copies, hourly, lose, planned, slots, things, waits,
};
use crate::cycles::world::{World, eu, notes, us};

/// The call that makes a point.
fn creating(kind: Kind) -> &'static str {
    match kind {
        Kind::Set => "CreateSnapshots",
        Kind::Volume => "CreateSnapshot",
        Kind::Image => "CreateImage",
    }
}

/// Points of two days, which are over but lack their copies, and a third that is begun and will
/// fail; of three, the destination keeps two.
async fn third_begun(kind: Kind, patience: &str) -> (World, String) {
    let world = World::new();
    kind.source(&world);
    let config = kind.policy(
        &format!("{patience}\nretention = {{ every = \"2 hours\" }}"),
        "[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\nretention = { daily = 2 }",
    );
    world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
    world.days(&config, 2).await;
    world.sandbox.fail(Rule::next(creating(kind)), Fault::SnapshotsFail);
    world.cycle(&config).await;
    world.wait(TimeDelta::seconds(10));
    (world, config)
}

#[tokio::test]
async fn a_point_that_is_on_its_way_does_not_settle_what_an_older_one_is_owed() {
    for kind in KINDS {
        let (world, config) = third_begun(kind, "").await;
        let report = world.cycle(&config).await;
        let told = waits(&report.plan);
        assert!(told.contains("but its copy to us-east-1 is not finished"), "{kind:?}: {told}");
        assert_eq!(slots(&things(&world, &eu())), ["11-20T03:00", "11-21T03:00"], "{kind:?}");
        // The third has failed, so the first is one of the two.
        world.sandbox.clear_faults();
        for _ in 0..4 {
            world.wait(TimeDelta::minutes(10));
            world.cycle(&config).await;
        }
        assert_eq!(slots(&copies(&world, &us())), ["11-20T03:00", "11-21T03:00"], "{kind:?}");
        assert_eq!(slots(&things(&world, &eu())), ["11-21T03:00"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_behind_a_point_that_is_on_its_way_is_not_given_up() {
    for kind in KINDS {
        let patience = "copy_grace = \"1 hour\"\ncopy_give_up = \"1 day\"";
        let (world, config) = third_begun(kind, patience).await;
        let report = world.cycle(&config).await;
        assert!(!notes(&report.plan).contains("WITHOUT"), "{kind:?}: {}", notes(&report.plan));
        assert_eq!(slots(&things(&world, &eu())), ["11-20T03:00", "11-21T03:00"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_behind_a_copy_that_is_on_its_way_is_not_given_up() {
    let world = World::at("2026-11-20 00:05:00");
    let server = Kind::Set.source(&world);
    // A full copy of this one takes most of a day.
    let mut volumes = world.sandbox.inventory().regions.remove(&eu()).unwrap().volumes;
    let large = volumes.drain(..).find(|volume| volume.id == server.volumes[1]).unwrap();
    world.sandbox.add_volume(&eu(), Volume { size_gib: 10_000, ..large });
    let config = Kind::Set.policy(
        "schedule = \"0 */6 * * *\"\ncopy_grace = \"1 hour\"\ncopy_give_up = \"7 hours\"\n\
         retention = { every = \"6 hours\" }",
        "[[policy.copy]]\nto = \"us-east-1\"\nretention = { daily = \"5 days\" }",
    );
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(15));
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(15));
    let begun = copies(&world, &us());
    let (done, running): (Vec<Thing>, Vec<Thing>) =
        begun.into_iter().partition(|copy| copy.state.is_complete());
    assert_eq!((done.len(), running.len()), (1, 1));
    // Somebody deletes an original whose copy is complete: its point has no more to be copied.
    lose(&world, &eu(), parent(&done[0]));
    let report = hourly(&world, &config, 13).await;
    assert!(!notes(&report.plan).contains("WITHOUT"), "{}", notes(&report.plan));
    assert!(slots(&things(&world, &eu())).contains(&"11-20T06:00".to_owned()));
    // Should it fail after all, another stands for the day.
    world.sandbox.fail_snapshot(&us(), running[0].id.snapshot().unwrap(), "Internal error");
    let report = world.cycle(&config).await;
    let begun: Vec<_> = planned(&report.plan).iter().map(|copy| copy.point_time).collect();
    assert_eq!(begun.len(), 2);
    assert!(begun.iter().all(|time| time.to_string().starts_with("2026-11-20 06:")), "{begun:?}");
}

fn parent(copy: &Thing) -> ResourceId {
    copy.tag(tags::COPY_OF).split_once('/').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn the_rest_of_a_copy_stays_while_what_it_lacks_is_still_to_be_copied() {
    for case in ["deleted", "failed"] {
        // A Monday, whose first point stands for the week.
        let world = World::at("2026-11-23 00:05:00");
        Kind::Set.source(&world);
        let config = Kind::Set.policy(
            "schedule = \"0 */6 * * *\"\nretention = { every = \"3 days\" }",
            "[[policy.copy]]\nto = \"us-east-1\"\n\
             retention = { hourly = \"8 hours\", weekly = \"4 weeks\" }",
        );
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(20));
        let original = things(&world, &eu()).remove(0).id;
        let rule = Rule::every("CopySnapshot").naming(&original);
        if case == "failed" {
            // The fifth attempt, fifteen hours after the first, will do.
            world.sandbox.fail(rule.clone().times(4), Fault::SnapshotsFail);
        }
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(20));
        let (lost, rest): (Vec<Thing>, Vec<Thing>) =
            copies(&world, &us()).into_iter().partition(|copy| parent(copy) == original);
        if case == "deleted" {
            lose(&world, &us(), lost[0].id);
            world.sandbox.fail(rule, Fault::Denied);
        }
        let report = hourly(&world, &config, 13).await;
        let of_monday = |world: &World| {
            let mut there = copies(world, &us());
            there.retain(|copy| copy.name().starts_with("11-23T00") && copy.state.is_complete());
            there
        };
        // The later points of the day are all there, and the week could be theirs.
        assert!(slots(&copies(&world, &us())).contains(&"11-23T06:00".to_owned()), "{case}");
        let told = waits(&report.plan);
        assert!(told.contains("1 of 2") && told.contains("the rest is to come"), "{case}: {told}");
        let there = of_monday(&world);
        assert_eq!((there.len(), there[0].id), (1, rest[0].id), "{case}");
        world.sandbox.clear_faults();
        hourly(&world, &config, 4).await;
        let there = of_monday(&world);
        assert_eq!(complete(&there), 2, "{case}");
        assert!(there.iter().any(|copy| copy.id == rest[0].id), "{case}: not copied twice");
    }
}
