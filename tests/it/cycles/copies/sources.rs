//! Originals and their copies: what waits for what, and what outlives what.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::{InstanceState, Volume};
use snapkeep::domain::tags;
use snapkeep::report::ExitCode;

use super::{KINDS, Kind, TO_US, complete, copies, deleted, hourly, settle, slots, things, waits};
use crate::cycles::world::{World, deletions, eu, exit_code, notes, us};

/// Another policy, so that `us-east-1` is looked at.
const OTHER: &str = "[[policy]]\nname = \"other\"\nregions = [\"us-east-1\"]\n\
                     schedule = \"@daily\"\nselect = { resource = \"volume\" }\n\
                     retention = { daily = 3 }";

/// A day after a day, so many times, each until nothing changes any more.
async fn days(world: &World, config: &str, n: usize) {
    for _ in 0..n {
        hourly(world, config, 2).await;
        world.wait(TimeDelta::hours(22));
    }
}

/// Makes all volumes so large that a full copy takes most of a day.
fn grow(world: &World) {
    for volume in world.sandbox.inventory().regions.remove(&eu()).unwrap().volumes {
        world.sandbox.add_volume(&eu(), Volume { size_gib: 10_000, ..volume });
    }
}

#[tokio::test]
async fn originals_wait_for_copies_that_cannot_be_made_and_an_alarm_tells_of_it() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        days(&world, &config, 1).await;
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        days(&world, &config, 2).await;
        let report = world.cycle(&config).await;
        assert!(!notes(&report.plan).contains("copy_grace"), "{}", notes(&report.plan));
        days(&world, &config, 4).await;
        let report = world.cycle(&config).await;
        assert_eq!(exit_code(&report), ExitCode::Failed);
        let told = notes(&report.plan);
        assert!(told.contains("copies to us-east-1 unfinished or missing for longer"), "{told}");
        assert!(waits(&report.plan).contains("but its copy to us-east-1 is not finished"));
        // The first has its copy and has expired; of all others none has gone.
        let there = slots(&things(&world, &eu()));
        assert_eq!(there[0], "11-21T03:00", "{kind:?}: {there:?}");
        world.sandbox.clear_faults();
        hourly(&world, &config, 6).await;
        let there = slots(&things(&world, &eu()));
        assert_eq!(there[0], "11-25T03:00", "{kind:?}: {there:?}");
        let made = slots(&copies(&world, &us()));
        assert!(made.contains(&"11-21T03:00".to_owned()), "{made:?}");
    }
}

#[tokio::test]
async fn after_copy_give_up_originals_go_without_copies_loudly_but_never_the_newest() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        let policy = "copy_grace = \"1 day\"\ncopy_give_up = \"6 days\"\n\
                      retention = { daily = \"3 days\", orphans = \"expire\" }";
        let rule = TO_US.replace("7 days", "60 days");
        let config =
            kind.policy(policy, &format!("{rule}\nencrypted = true\nkms_key = \"alias/dr\""));
        world.sandbox.add_key(&us(), "alias/dr", true, true);
        days(&world, &config, 1).await;
        world.sandbox.add_key(&us(), "alias/dr", false, true);
        days(&world, &config, 6).await;
        assert_eq!(slots(&things(&world, &eu()))[0], "11-21T03:00", "{kind:?}");
        let report = world.cycle(&config).await;
        let told = notes(&report.plan);
        assert!(told.contains("expires WITHOUT its copy to us-east-1"), "{told}");
        let mut reasons = report.plan.actions.iter().filter_map(|action| action.as_delete());
        let reason = reasons.next().unwrap().reason.to_string();
        assert_eq!(reason, "daily ended 2026-11-24 03:05Z, gave up on its copy", "{kind:?}");
        assert_eq!(slots(&things(&world, &eu()))[0], "11-22T03:00", "{kind:?}");

        // Even where the source is gone and nothing else would hold it.
        world.sandbox.remove_instance(&eu(), server.id);
        server.volumes.iter().for_each(|id| world.sandbox.remove_volume(&eu(), *id));
        days(&world, &config, 12).await;
        assert_eq!(complete(&things(&world, &eu())), kind.n(), "{kind:?}: the newest");
        world.sandbox.add_key(&us(), "alias/dr", true, true);
        hourly(&world, &config, 4).await;
        assert!(things(&world, &eu()).is_empty(), "its copy is there: {kind:?}");
        assert!(complete(&copies(&world, &us())) >= kind.n());
    }
}

#[tokio::test]
async fn what_is_copied_after_all_is_not_said_to_go_without_its_copy() {
    let world = World::new();
    Kind::Set.source(&world);
    let config = Kind::Set.policy(
        "copy_grace = \"1 day\"\ncopy_give_up = \"6 days\"",
        &TO_US.replace("7 days", "60 days"),
    );
    days(&world, &config, 1).await;
    world.sandbox.fail(Rule::every("CopySnapshot"), Fault::Denied);
    days(&world, &config, 8).await;
    let report = world.cycle(&config).await;
    assert!(!notes(&report.plan).contains("WITHOUT"), "{}", notes(&report.plan));
    assert_eq!(slots(&things(&world, &eu()))[0], "11-21T03:00");
    world.sandbox.clear_faults();
    hourly(&world, &config, 3).await;
    assert_eq!(slots(&copies(&world, &us())).len(), 10);
}

#[tokio::test]
async fn nothing_goes_while_a_copy_of_it_is_under_way() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.policy("retention = { every = \"1 hour\", keep_last = 1 }", TO_US);
        grow(&world);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(1));
        // One more point, so that `keep_last` does not hold the first.
        world.cycle_with(&config, |request| request.extra = true).await;
        for _ in 0..6 {
            world.wait(TimeDelta::minutes(30));
            // With the rule and without it.
            for config in [&config, &kind.policy("retention = { every = \"1 hour\" }", OTHER)] {
                let plan = world.plan(config).await;
                let gone = deleted(&plan, &eu());
                assert!(gone.is_empty(), "{kind:?}: {gone:?}");
            }
        }
    }
}

#[tokio::test]
async fn copies_live_on_by_their_own_retention_when_the_source_is_gone() {
    for kind in KINDS {
        for (orphans, n_left) in [
            ("", 1),
            (", orphans = \"keep-last\", keep_last = 2", 2),
            (", orphans = \"expire\"", 0),
            (", orphans = \"20 days\"", 0),
            (", orphans = \"50 days\"", 1),
        ] {
            let world = World::new();
            let server = kind.source(&world);
            let rest = TO_US.replace("\"7 days\"", &format!("\"7 days\"{orphans}"));
            let config =
                kind.policy("retention = { daily = \"3 days\", orphans = \"expire\" }", &rest);
            days(&world, &config, 5).await;
            world.sandbox.remove_instance(&eu(), server.id);
            server.volumes.iter().for_each(|id| world.sandbox.remove_volume(&eu(), *id));
            days(&world, &config, 3).await;
            assert!(things(&world, &eu()).is_empty(), "{kind:?} {orphans}");
            let there = slots(&copies(&world, &us()));
            assert_eq!(there.last().unwrap(), "11-24T03:00", "{kind:?} {orphans}: {there:?}");
            world.wait(TimeDelta::days(30));
            days(&world, &config, 1).await;
            let there = copies(&world, &us());
            assert_eq!(there.len(), n_left * kind.n(), "{kind:?} {orphans}: {:?}", slots(&there));
        }
    }
}

#[tokio::test]
async fn the_newest_copies_stay_when_nothing_new_comes_for_months() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        let config = kind.policy("", &TO_US.replace("\"7 days\"", "\"7 days\", keep_last = 2"));
        days(&world, &config, 4).await;
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Terminated);
        server.volumes.iter().for_each(|id| world.sandbox.remove_volume(&eu(), *id));
        world.wait(TimeDelta::days(100));
        settle(&world, &config).await;
        assert_eq!(slots(&copies(&world, &us())), ["11-22T03:00", "11-23T03:00"], "{kind:?}");
        assert_eq!(slots(&things(&world, &eu())), ["11-23T03:00"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_held_copy_stays_and_its_hold_goes_no_further() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        for snapshot in world.snapshots(&eu()) {
            world.sandbox.tag_snapshot(&eu(), snapshot.id, tags::HOLD, "");
            world.sandbox.tag_snapshot(&eu(), snapshot.id, "Team", "db");
        }
        settle(&world, &config).await;
        let made = copies(&world, &us());
        assert!(made.iter().all(|copy| !copy.tags.has(tags::HOLD)));
        assert!(kind == Kind::Image || made.iter().all(|copy| copy.tag("Team") == "db"));
        let held = world.snapshots(&us()).remove(0);
        world.sandbox.tag_snapshot(&us(), held.id, tags::HOLD, "");
        days(&world, &config, 12).await;
        let there = slots(&copies(&world, &us()));
        assert_eq!(there[0], "11-20T03:00", "{kind:?}");
        let of_first =
            copies(&world, &us()).into_iter().filter(|c| c.name().starts_with("11-20")).count();
        assert_eq!(of_first, kind.n(), "the hold on one holds the point");
        assert_eq!(slots(&things(&world, &eu()))[0], "11-20T03:00", "{kind:?}");
    }
}

#[tokio::test]
async fn an_original_that_vanishes_between_plan_and_copy_is_skipped() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let plan = world.plan(&config).await;
        for thing in things(&world, &eu()) {
            super::lose(&world, &eu(), thing.id);
        }
        let report = world.execute(plan).await;
        assert!(crate::cycles::world::words(&report).iter().all(|word| *word == "skipped"));
        assert!(deletions(&report).is_empty() && copies(&world, &us()).is_empty());
    }
}

#[tokio::test]
async fn an_original_stays_if_its_copy_vanishes_between_plan_and_deletion() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        days(&world, &config, 4).await;
        // The first day's original is due, and its copy is to be kept for three days more.
        let oldest = slots(&things(&world, &eu()))[0].clone();
        world.wait(TimeDelta::hours(2));
        let plan = world.plan(&config).await;
        let due = deleted(&plan, &eu());
        assert!(!due.is_empty(), "{kind:?}");
        for copy in copies(&world, &us()).into_iter().filter(|c| c.name().starts_with(&oldest[..5]))
        {
            super::lose(&world, &us(), copy.id);
        }
        let report = world.execute(plan).await;
        let told = report.outcomes.iter().filter_map(|outcome| outcome.reason());
        let is_named =
            |why: &str| why.starts_with("us-east-1/") && why.contains("which was to stay");
        assert!(told.into_iter().any(is_named), "{kind:?}: {:#?}", report.outcomes);
        let is_there = |id| world.find(&eu(), id).is_some();
        assert!(due.iter().filter_map(|id| id.snapshot()).all(is_there), "{kind:?}");
        assert_eq!(slots(&things(&world, &eu()))[0], oldest, "{kind:?}");
    }
}

#[tokio::test]
async fn a_copy_that_can_never_be_made_is_given_up_in_the_end() {
    for is_refused in [false, true] {
        let world = World::new();
        Kind::Image.source(&world);
        let policy = "copy_grace = \"1 day\"\ncopy_give_up = \"4 days\"";
        let rule = TO_US.replace("7 days", "60 days");
        let config = Kind::Image.policy(policy, &format!("{rule}\nexisting = true"));
        if !is_refused {
            world.sandbox.fail(Rule::every("CopyImage"), Fault::SnapshotsFail);
        }
        let mut told = String::new();
        for _ in 0..6 * 24 {
            told += &notes(&world.cycle(&config).await.plan);
            for image in world.images(&eu()).iter().filter(|_| is_refused) {
                // As those of the Marketplace, which EC2 copies nowhere.
                world.sandbox.change_image(&eu(), image.id, |i| i.has_product_codes = true);
            }
            world.wait(TimeDelta::hours(1));
        }
        assert!(told.contains("expires WITHOUT its copy to us-east-1"), "{is_refused}: {told}");
        assert_eq!(slots(&things(&world, &eu()))[0], "11-22T03:00", "{is_refused}");
    }
}
