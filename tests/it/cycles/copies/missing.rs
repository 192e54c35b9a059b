//! Which copies are missing: those that a tier of the destination would keep now.

use chrono::TimeDelta;
use snapkeep::domain::tags;

use super::{KINDS, Kind, complete, copies, hourly, planned, settle, slots, things};
use crate::cycles::world::{World, eu, us};

fn rule(keys: &str) -> String {
    format!("[[policy.copy]]\nto = \"us-east-1\"\n{keys}")
}

#[tokio::test]
async fn only_what_a_tier_of_the_destination_takes_is_copied() {
    // From Friday the 20th to Friday the 4th.
    for (retention, copied) in [
        ("{ weekly = \"4 weeks\" }", &["11-20", "11-23", "11-30"][..]),
        ("{ monthly = \"4 months\" }", &["11-20", "12-01"]),
        ("{ monthly = { for = \"4 months\", take = \"first-day\" } }", &["12-01"]),
        ("{ weekly = { for = \"4 weeks\", take = \"first-day\" } }", &["11-23", "11-30"]),
        ("{ weekly = { for = \"4 weeks\", take = \"last\" } }", &["11-22", "11-29"]),
        ("{ monthly = { for = \"4 months\", take = \"last\" } }", &["11-30"]),
        ("{ yearly = { for = 2, take = \"last\" } }", &[]),
        ("{ weekly = 1 }", &["11-20", "11-23", "11-30"]),
        ("{ monthly = { for = 2, take = \"first-day\" }, keep_last = 3 }", &["12-01"]),
    ] {
        let world = World::new();
        Kind::Volume.source(&world);
        let config = Kind::Volume.policy(
            "retention = { daily = \"20 days\" }",
            &rule(&format!("retention = {retention}")),
        );
        let mut made = std::collections::BTreeSet::new();
        for _ in 0..15 {
            hourly(&world, &config, 2).await;
            made.extend(copies(&world, &us()).iter().map(|copy| copy.name()[..5].to_owned()));
            world.wait(TimeDelta::hours(22));
        }
        assert_eq!(made.into_iter().collect::<Vec<_>>(), copied, "{retention}");
    }
}

#[tokio::test]
async fn only_the_points_of_the_tier_that_is_named_are_copied() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.policy(
            "retention = { daily = \"3 days\", weekly = \"3 weeks\" }",
            &rule("only = \"weekly\"\nretention = { daily = \"60 days\" }"),
        );
        for _ in 0..12 {
            settle(&world, &config).await;
            world.wait(TimeDelta::hours(20));
        }
        let made = slots(&copies(&world, &us()));
        assert_eq!(made, ["11-20T03:00", "11-23T03:00", "11-30T03:00"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_was_there_before_the_rule_is_copied_only_on_demand() {
    for kind in KINDS {
        for (existing, n_copied) in [("", 1), ("existing = true", 3)] {
            let world = World::new();
            kind.source(&world);
            for _ in 0..3 {
                settle(&world, &kind.policy("", "")).await;
                world.wait(TimeDelta::hours(20));
            }
            let config = kind
                .policy("", &rule(&format!("{existing}\nretention = {{ daily = \"9 days\" }}")));
            hourly(&world, &config, 0).await;
            hourly(&world, &config, 1).await;
            let made = slots(&copies(&world, &us()));
            assert!(made.contains(&"11-22T03:00".to_owned()), "{kind:?}: the newest");
            settle(&world, &config).await;
            // One more slot has come by now.
            let made = slots(&copies(&world, &us()));
            assert_eq!(made.len(), n_copied + 1, "{kind:?} {existing}: {made:?}");
        }
    }
}

#[tokio::test]
async fn an_instance_that_comes_later_gets_its_copies_from_its_first_point_on() {
    let world = World::new();
    let config = Kind::Set.to_us();
    Kind::Set.source(&world);
    settle(&world, &config).await;
    world.wait(TimeDelta::hours(20));
    let late = Kind::Set.source(&world);
    settle(&world, &config).await;
    world.wait(TimeDelta::hours(20));
    settle(&world, &config).await;
    let of_late = copies(&world, &us())
        .into_iter()
        .filter(|copy| copy.tag(tags::SOURCE).ends_with(&late.id.to_string()));
    assert_eq!(of_late.count(), 4);
}

#[tokio::test]
async fn of_an_hourly_policy_a_daily_destination_gets_one_a_day() {
    for (take, hour) in [("first", "T00:00"), ("last", "T23:00")] {
        let world = World::at("2026-11-20 23:05:00");
        Kind::Volume.source(&world);
        let config = Kind::Volume.policy(
            "schedule = \"0 * * * *\"\nretention = { hourly = \"12 hours\" }",
            &rule(&format!("retention = {{ daily = {{ for = \"3 days\", take = \"{take}\" }} }}")),
        );
        let mut n_made = 0;
        for _ in 0..5 * 24 {
            let report = world.cycle(&config).await;
            n_made += planned(&report.plan).len();
            world.assert_nothing_left(&config, &report).await;
            world.wait(TimeDelta::minutes(20));
            let report = world.cycle(&config).await;
            n_made += planned(&report.plan).len();
            world.wait(TimeDelta::minutes(40));
        }
        let there = slots(&copies(&world, &us()));
        assert!(there.iter().all(|slot| slot.ends_with(hour)), "{take}: {there:?}");
        assert_eq!(there.len(), 3, "{take}");
        assert!((5..=6).contains(&n_made), "{take}: {n_made}");
    }
}

#[tokio::test]
async fn a_point_of_the_same_day_is_copied_where_a_copy_stays_incomplete() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let config = Kind::Set.policy(
        "schedule = \"0 */6 * * *\"\nretention = { every = \"9 days\" }",
        &rule("retention = { daily = \"5 days\" }"),
    );
    settle(&world, &config).await;
    // Of the next day's first point one copy is lost, and then the original.
    world.wait_until("2026-11-21 00:05:00");
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(20));
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(20));
    let first = copies(&world, &us());
    let of_day: Vec<_> = first.iter().filter(|copy| copy.name().starts_with("11-21")).collect();
    assert_eq!(of_day.len(), 2);
    super::lose(&world, &us(), of_day[0].id);
    for thing in things(&world, &eu()) {
        if thing.tag(tags::SLOT).contains("11-21") {
            super::lose(&world, &eu(), thing.id);
        }
    }
    world.wait_until("2026-11-21 06:05:00");
    settle(&world, &config).await;
    let made = slots(&copies(&world, &us()));
    assert!(made.contains(&"11-21T06:00".to_owned()), "{made:?}");
    let of_six = copies(&world, &us());
    let of_six: Vec<_> =
        of_six.into_iter().filter(|copy| copy.name().starts_with("11-21T06")).collect();
    assert_eq!(complete(&of_six), server.volumes.len());
}
