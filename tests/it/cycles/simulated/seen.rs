//! What was seen is not what is there: locks that were not listed, and slots of clocks ahead.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::plan::Request;
use snapkeep::report::ExitCode;

use crate::cycles::copies::{KINDS, things};
use crate::cycles::world::{TWO_REGIONS, World, eu, exit_code, us};

#[tokio::test]
async fn locks_that_cannot_be_listed_for_a_moment_stop_deletions_in_their_region() {
    for (fault, exit) in [
        (Fault::Throttled, ExitCode::Incomplete),
        (Fault::Unavailable, ExitCode::Incomplete),
        (Fault::ErrorBefore, ExitCode::Incomplete),
        // Few may make this call, and a denial does not pass.
        (Fault::Denied, ExitCode::Done),
    ] {
        let world = World::new();
        let is_denied = fault == Fault::Denied;
        let here = world.history(&world.server(&["gp3", "gp3"]), 4);
        let locked = world.history(&world.server(&["gp3", "gp3"]), 4);
        let there = world.history(&world.server_in(&us(), &["gp3"]), 4);
        if !is_denied {
            // EC2 refuses to delete this one, and without the other it is half a point.
            world.sandbox.lock_snapshot(&eu(), locked[3][0]);
        }
        let rule = Rule::next("DescribeLockedSnapshots").in_region(&eu());
        world.sandbox.fail(rule, fault.clone());
        let report = world.cycle(TWO_REGIONS).await;
        assert_eq!(exit_code(&report), exit, "{fault:?}");
        assert_eq!(world.has(&here[3]), !is_denied, "{fault:?}");
        assert_eq!(world.has(&locked[3]), !is_denied, "{fault:?}");
        assert!(!world.has(&there[3]), "{fault:?}: the other region can be read");
        let report = world.cycle(TWO_REGIONS).await;
        assert_eq!(exit_code(&report), ExitCode::Done, "{fault:?}");
        assert!(!world.has(&here[3]), "{fault:?}");
        assert_eq!(world.has(&locked[3]), !is_denied, "{fault:?}: now the lock is known");
        world.assert_nothing_left(TWO_REGIONS, &report).await;
    }
}

#[tokio::test]
async fn a_point_made_by_a_clock_hours_ahead_gets_no_duplicate() {
    for kind in KINDS {
        let world = World::at("2026-11-20 00:05:00");
        kind.source(&world);
        let config = kind.policy("schedule = \"0 */6 * * *\"", "");
        let ahead = world.now() + TimeDelta::hours(7);
        world.cycle_with(&config, |request| *request = Request::at(ahead)).await;
        let made = things(&world, &eu());
        assert!(made.iter().all(|thing| thing.name().starts_with("11-20T06:00")), "{made:?}");
        world.wait(TimeDelta::minutes(5));
        // The slot of midnight has no point by name, but its data is there.
        for _ in 0..6 {
            let report = world.cycle(&config).await;
            assert!(report.plan.actions.is_empty(), "{kind:?}: {:#?}", report.plan.actions);
            world.wait(TimeDelta::hours(1));
        }
        assert_eq!(things(&world, &eu()).len(), kind.n(), "{kind:?}");
        // And the next slot has its own.
        world.wait_until("2026-11-20 12:05:00");
        world.cycle(&config).await;
        assert_eq!(things(&world, &eu()).len(), 2 * kind.n(), "{kind:?}");
    }
}
