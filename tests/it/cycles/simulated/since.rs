//! Since when copies are made: their oldest tells it, and stays while that matters.
//!
//! Without `existing`, what is older than the oldest copy is owed none.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::tags;
use snapkeep::run::Report;

use crate::cycles::copies::{KINDS, Kind, Thing, copies, slots, things, waits};
use crate::cycles::world::{World, eu, us};

/// A daily point, and a look twenty minutes later.
async fn day(world: &World, config: &str) -> Report {
    world.cycle(config).await;
    world.wait(TimeDelta::minutes(20));
    let report = world.cycle(config).await;
    world.wait(TimeDelta::minutes(24 * 60 - 20));
    report
}

/// In the night to the 3rd: there are copies of the 30th and the 2nd, and nobody may copy the 1st,
/// which is to be kept for months.
async fn first_of_month_denied(kind: Kind) -> (World, String) {
    first_of_month_denied_beside(kind, "").await
}

/// The same beside other policies.
async fn first_of_month_denied_beside(kind: Kind, others: &str) -> (World, String) {
    let world = World::at("2026-11-29 03:05:00");
    kind.source(&world);
    if !others.is_empty() {
        let other = world.volume(&eu(), "gp3");
        world.tag_volume(&eu(), other, &[("Other", "on")]);
    }
    let config = kind.policy(
        "retention = { daily = \"20 days\" }",
        &format!(
            "[[policy.copy]]\nto = \"us-east-1\"\nretention = {{ daily = \"3 days\", \
             monthly = {{ for = \"3 months\", take = \"first-day\" }} }}\n{others}"
        ),
    );
    day(&world, &config).await;
    day(&world, &config).await;
    world.cycle(&config).await;
    for original in things(&world, &eu()) {
        if original.tag(tags::SLOT).starts_with("2026-12-01") {
            let rule = Rule::every(kind.call()).naming(&original.id);
            world.sandbox.fail(rule, Fault::Denied);
        }
    }
    day(&world, &config).await;
    day(&world, &config).await;
    assert_eq!(slots(&of_servers(&world)), ["11-30T03:00", "12-02T03:00"], "{kind:?}");
    (world, config)
}

fn of_servers(world: &World) -> Vec<Thing> {
    let mut copies = copies(world, &us());
    copies.retain(|copy| copy.tag(tags::POLICY) == "servers");
    copies
}

/// Once it may be made, the copy of the 1st is, and then nothing is left of the days before.
async fn assert_made_up_for(kind: Kind, world: &World, config: &str) {
    world.sandbox.clear_faults();
    world.days(config, 2).await;
    let report = world.cycle(config).await;
    let there = slots(&copies(world, &us()));
    assert_eq!(there[0], "12-01T03:00", "{kind:?}: {there:?}");
    let told = waits(&report.plan);
    assert!(!told.contains("since when"), "{kind:?}: {told}");
}

#[tokio::test]
async fn the_oldest_copy_stays_while_what_is_not_older_lacks_its_own() {
    for kind in KINDS {
        let (world, config) = first_of_month_denied(kind).await;
        for _ in 0..4 {
            let report = day(&world, &config).await;
            let there = slots(&copies(&world, &us()));
            assert_eq!(there[0], "11-30T03:00", "{kind:?}: {there:?}");
            let told = waits(&report.plan);
            let why = "it tells since when copies are made, and the copy of 2026-12-01 03:05";
            assert!(told.contains(why), "{kind:?}: {told}");
        }
        let there = slots(&copies(&world, &us()));
        assert_eq!(there.len(), 4, "only the oldest, and three days: {there:?}");
        assert_made_up_for(kind, &world, &config).await;
    }
}

#[tokio::test]
async fn the_oldest_copy_stays_while_what_is_at_home_is_not_known() {
    for kind in KINDS {
        let (world, config) = first_of_month_denied(kind).await;
        let gap = Rule::every("DescribeSnapshots").in_region(&eu());
        world.sandbox.fail(gap, Fault::Unavailable);
        for _ in 0..4 {
            let report = day(&world, &config).await;
            let there = slots(&copies(&world, &us()));
            assert_eq!(there, ["11-30T03:00", "12-02T03:00"], "{kind:?}");
            let told = waits(&report.plan);
            let why = "it tells since when copies are made, and what is in eu-west-1 is not known";
            assert!(told.contains(why), "{kind:?}: {told}");
        }
        assert_made_up_for(kind, &world, &config).await;
    }
}

#[tokio::test]
async fn the_oldest_copy_stays_until_the_late_one_is_complete() {
    for kind in KINDS {
        let (world, config) = first_of_month_denied(kind).await;
        for _ in 0..4 {
            day(&world, &config).await;
        }
        world.sandbox.clear_faults();
        let report = world.cycle(&config).await;
        world.assert_nothing_left(&config, &report).await;
        world.wait(TimeDelta::seconds(5));
        world.cycle(&config).await;
        for copy in copies(&world, &us()) {
            if copy.tag(tags::SLOT).starts_with("2026-12-01") {
                assert!(copy.state.is_under_way(), "{kind:?}");
                remove(&world, copy.id);
            }
        }
        assert_made_up_for(kind, &world, &config).await;
    }
}

fn remove(world: &World, id: ResourceId) {
    match id {
        ResourceId::Snapshot(id) => world.sandbox.remove_snapshot(&us(), id),
        ResourceId::Image(id) => world.sandbox.remove_image(&us(), id),
    }
}

#[tokio::test]
async fn the_oldest_copy_of_a_policy_stays_whatever_copies_another_has_there() {
    let other = "[[policy]]\nname = \"other\"\nregions = [\"eu-west-1\"]\n\
                 schedule = \"0 3 * * *\"\nretention = { daily = \"20 days\" }\n\
                 select = { resource = \"volume\", tags = { Other = \"on\" } }\n\
                 [[policy.copy]]\nto = \"us-east-1\"";
    let (world, config) = first_of_month_denied_beside(Kind::Image, other).await;
    for _ in 0..4 {
        day(&world, &config).await;
        let there = slots(&of_servers(&world));
        assert_eq!(there[0], "11-30T03:00", "{there:?}");
    }
}
