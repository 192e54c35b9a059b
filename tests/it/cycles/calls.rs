//! How many calls a cycle makes, and how long it takes.

use chrono::TimeDelta;
use snapkeep::domain::region::Region;

use super::world::{DAILY, World, eu, words};

const OBSERVING: [&str; 5] = [
    "DescribeInstances",
    "DescribeVolumes",
    "DescribeSnapshots",
    "DescribeImages",
    "DescribeLockedSnapshots",
];

#[tokio::test]
async fn seventeen_regions_are_observed_in_the_time_of_the_slowest() {
    let world = World::new();
    let letters = 'a'..='q';
    let regions: Vec<Region> =
        letters.map(|letter| format!("xx-{letter}-1").parse().unwrap()).collect();
    for (n, region) in regions.iter().enumerate() {
        let volume = world.volume(region, "gp3");
        // One region has 3 pages, the others one.
        for n in 0..if n == 7 { 2001 } else { 10 } {
            world.snapshot(region, volume, world.now() - TimeDelta::hours(n), &[]);
        }
    }
    let names: Vec<String> = regions.iter().map(|region| format!("\"{region}\"")).collect();
    let config_text = DAILY.replace("\"eu-west-1\"", &names.join(", "));
    world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(1));
    let begun_at = world.now();
    let plan = world.plan(&config_text).await;
    assert!(plan.actions.is_empty() && plan.gaps.is_empty());
    assert_eq!(world.now() - begun_at, TimeDelta::seconds(3));
    for operation in OBSERVING {
        let expected = if operation == "DescribeSnapshots" { 16 + 3 } else { 17 };
        assert_eq!(world.sandbox.n_calls(operation), expected, "{operation}");
    }
}

#[tokio::test]
async fn a_listing_takes_a_call_for_each_thousand() {
    for (n_snapshots, n_calls) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 3)] {
        let world = World::new();
        let volume = world.volume(&eu(), "gp3");
        for n in 0..n_snapshots {
            world.snapshot(&eu(), volume, world.now() - TimeDelta::minutes(n), &[]);
        }
        assert!(world.plan(DAILY).await.actions.is_empty());
        assert_eq!(world.sandbox.n_calls("DescribeSnapshots"), n_calls, "{n_snapshots}");
    }
}

#[tokio::test]
async fn a_cycle_makes_one_call_for_each_set_and_deletion_and_none_for_tags() {
    let world = World::new();
    for _ in 0..10 {
        world.history(&world.server(&["gp3", "gp3", "gp3"]), 5);
    }
    world.wait(TimeDelta::days(1));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"; 10 + 10 * 3 * 3]);
    let calls: Vec<(&str, usize)> =
        world.sandbox.calls().into_iter().map(|((_, operation), n)| (operation, n)).collect();
    assert_eq!(
        calls,
        [
            ("CreateSnapshots", 10),
            ("DeleteSnapshot", 90),
            ("DescribeImages", 1),
            ("DescribeInstances", 1),
            ("DescribeLockedSnapshots", 1),
            // To observe, and to look again at 90 that go and 30 that stay.
            ("DescribeSnapshots", 2),
            ("DescribeVolumes", 1),
        ]
    );
    world.assert_nothing_left(DAILY, &report).await;
}
