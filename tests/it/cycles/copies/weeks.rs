//! Weeks of cycles: nothing is copied twice, nor only to be expired, and nothing is lost.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};

use super::{KINDS, Kind, Ledger, copies, slots, things};
use crate::cycles::world::{World, eu, us};

/// Four looks a day, for so many days; what goes wrong is up to `trouble`.
async fn weeks(world: &World, config: &str, n_days: i64, trouble: impl Fn(&World, i64)) -> Ledger {
    let mut ledger = Ledger::default();
    for look in 0..n_days * 4 {
        world.sandbox.clear_faults();
        trouble(world, look);
        let report = world.cycle(config).await;
        world.sandbox.clear_faults();
        if !report.outcomes.iter().any(|outcome| outcome.word() == "failed")
            && report.plan.gaps.is_empty()
        {
            world.assert_nothing_left(config, &report).await;
        }
        ledger.look(world);
        world.wait(TimeDelta::hours(6));
    }
    ledger
}

#[tokio::test]
async fn every_copy_lives_as_long_as_its_tier_says_and_is_made_once() {
    // What the destination keeps, and how long at least what it takes is kept.
    for (retention, least) in [
        ("{ daily = \"6 days\" }", 6),
        ("{ weekly = \"2 weeks\", daily = \"2 days\" }", 2),
        ("{ daily = { for = \"5 days\", take = \"last\" } }", 5),
        ("{ daily = { for = 4, take = \"last\" } }", 4),
        ("{ hourly = 30 }", 4),
        ("{ every = \"5 days\", keep_last = 3 }", 5),
        ("{ weekly = { for = 2, take = \"first-day\" }, daily = 3 }", 2),
    ] {
        let kinds: &[Kind] = if least == 6 { &KINDS } else { &[Kind::Volume] };
        for kind in kinds {
            let world = World::new();
            kind.source(&world);
            let policy = "schedule = \"0 */8 * * *\"\nretention = { hourly = \"30 hours\" }\n\
                          timezone = \"Asia/Seoul\"";
            let rule = format!("[[policy.copy]]\nto = \"us-east-1\"\nretention = {retention}");
            let config = kind.policy(policy, &rule);
            let ledger = weeks(&world, &config, 11, |_, _| ()).await;
            ledger.assert_no_twice();
            let gone: Vec<_> =
                ledger.lines().filter_map(|(_, line)| Some((line, line.gone_at?))).collect();
            assert!(!gone.is_empty(), "{retention}");
            for (line, gone_at) in gone {
                let lived = gone_at - line.time();
                assert!(
                    TimeDelta::days(least) <= lived,
                    "{retention}: {lived} {:?}",
                    line.thing.name()
                );
            }
        }
    }
}

#[tokio::test]
async fn with_everything_that_goes_wrong_every_slot_that_is_wanted_gets_its_one_copy() {
    for kind in KINDS {
        for seed in 1..3_u64 {
            let world = World::new();
            kind.source(&world);
            let config = kind.policy(
                "retention = { daily = \"2 days\" }",
                "[[policy.copy]]\nto = \"us-east-1\"\nretention = { daily = \"40 days\" }",
            );
            let trouble = |world: &World, look: i64| {
                let dice =
                    (look.unsigned_abs() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ seed) >> 40;
                let rule = |operation| Rule::every(operation).in_region(&us());
                match dice % 9 {
                    0 => world.sandbox.fail(Rule::next(kind.call()), Fault::LostReply),
                    1 => world.sandbox.fail(Rule::next(kind.call()), Fault::ErrorBefore),
                    2 => world.sandbox.fail(Rule::next(kind.call()), Fault::SnapshotsFail),
                    3 => world.sandbox.fail(rule("DescribeSnapshots"), Fault::ErrorBefore),
                    4 => world.sandbox.fail(rule("DescribeImages"), Fault::Denied),
                    5 => world.sandbox.fail(rule(kind.call()), Fault::Denied),
                    6 => world
                        .sandbox
                        .fail(Rule::every("DeleteSnapshot").in_region(&eu()), Fault::LostReply),
                    _ => {}
                }
            };
            let mut ledger = weeks(&world, &config, 9, trouble).await;
            for _ in 0..12 {
                world.cycle(&config).await;
                ledger.look(&world);
                world.wait(TimeDelta::hours(2));
            }
            ledger.assert_no_twice();
            let made: BTreeSet<String> = slots(&copies(&world, &us())).into_iter().collect();
            let wanted: BTreeSet<String> = (20..=29).map(|day| format!("11-{day}T03:00")).collect();
            assert_eq!(made, wanted, "{kind:?} {seed}");
            assert_eq!(slots(&things(&world, &eu())).len(), 2, "{kind:?} {seed}");
        }
    }
}
