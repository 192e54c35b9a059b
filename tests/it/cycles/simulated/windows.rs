//! Windows of a destination: what is copied of a period, however short, and what only once.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::cycles::copies::{KINDS, copies, planned, slots};
use crate::cycles::world::{World, us};

#[tokio::test]
async fn the_first_point_of_a_period_is_copied_however_short_the_window_is() {
    for (start, schedule, retention) in [
        ("2026-11-20 23:35:00", "30 23 * * *", "daily = \"1 day\""),
        ("2026-08-10 03:05:00", "0 3 * * *", "yearly = \"6 months\""),
        // A Friday.
        ("2026-11-20 03:05:00", "0 3 * * *", "weekly = \"4 days\""),
    ] {
        for kind in KINDS {
            let world = World::at(start);
            kind.source(&world);
            let config = kind.policy(
                &format!("schedule = \"{schedule}\""),
                &format!("[[policy.copy]]\nto = \"us-east-1\"\nretention = {{ {retention} }}"),
            );
            world.cycle(&config).await;
            // The day of the first is over by then.
            world.wait(TimeDelta::hours(1));
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(10));
            assert_eq!(slots(&copies(&world, &us())).len(), 1, "{kind:?} {retention}");
        }
    }
}

#[tokio::test]
async fn the_second_point_of_a_period_is_not_copied_for_the_day_that_it_outlives_the_first() {
    for kind in KINDS {
        // A Monday. Two weeks later the week's first point is over in both regions, the second
        // not yet.
        let world = World::at("2026-11-23 03:05:00");
        kind.source(&world);
        let config = kind.policy(
            "retention = { daily = \"14 days\" }",
            "[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\n\
             retention = { weekly = \"2 weeks\" }",
        );
        let mut copied = BTreeSet::new();
        for _ in 0..16 {
            for minutes in [20, 24 * 60 - 20] {
                let report = world.cycle(&config).await;
                let begun = planned(&report.plan).into_iter();
                copied.extend(begun.map(|copy| copy.point_time.format("%m-%d").to_string()));
                world.wait(TimeDelta::minutes(minutes));
            }
        }
        let copied: Vec<String> = copied.into_iter().collect();
        assert_eq!(copied, ["11-23", "11-30", "12-07"], "{kind:?}");
        assert_eq!(slots(&copies(&world, &us())), ["11-30T03:00", "12-07T03:00"], "{kind:?}");
    }
}
