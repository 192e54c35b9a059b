//! Limits on deletions: they withhold, and backups are made all the same.

use chrono::TimeDelta;
use snapkeep::report::ExitCode;

use super::world::{DAILY, World, deletions, exit_code, us, words};

fn with_limits(limits: &str) -> String {
    format!("{DAILY}limits = {{ {limits} }}\n")
}

#[tokio::test]
async fn over_a_limit_nothing_goes_and_points_are_made_all_the_same() {
    let (one, two) = (&["gp3"][..], &["gp3", "gp3"][..]);
    for (limits, volumes, n_days, is_withheld) in [
        // A point is made of the day that the world waits, so all but two go.
        ("max_deletes = 7", one, 10, true),
        ("max_deletes = 8", one, 10, false),
        // The percentage counts from 20 deletions on.
        ("max_delete_percent = 50", one, 21, false),
        ("max_delete_percent = 50", one, 22, true),
        ("max_delete_percent = 90", one, 22, true),
        ("max_delete_percent = 91", one, 22, false),
        // Exactly so many are not too many.
        ("max_deletes = 38, max_delete_percent = 95", one, 40, false),
        ("max_deletes = 38, max_delete_percent = 94", one, 40, true),
        // It is of points, however many snapshots they have.
        ("max_deletes = 40, max_delete_percent = 91", two, 22, false),
        ("max_deletes = 40, max_delete_percent = 90", two, 22, true),
    ] {
        let config = with_limits(limits);
        let world = World::new();
        world.history(&world.server(volumes), n_days);
        world.wait(TimeDelta::days(1));
        let report = world.cycle(&config).await;
        let n_to_go = (usize::try_from(n_days).unwrap() - 2) * volumes.len();
        if is_withheld {
            assert_eq!(words(&report), ["done"], "{limits}");
            assert_eq!(
                (report.plan.withheld.len(), exit_code(&report)),
                (n_to_go, ExitCode::Withheld)
            );
        } else {
            assert_eq!(words(&report), vec!["done"; 1 + n_to_go], "{limits}");
            assert_eq!(exit_code(&report), ExitCode::Done);
        }
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn max_deletes_on_the_command_line_replaces_both_limits_once() {
    let config = with_limits("max_deletes = 5, max_delete_percent = 10");
    let world = World::new();
    world.history(&world.server(&["gp3"]), 40);
    for (max_deletes, n_gone) in [(None, 0), (Some(36), 0), (Some(37), 37)] {
        let report = world.cycle_with(&config, |request| request.max_deletes = max_deletes).await;
        assert_eq!(deletions(&report).len(), n_gone, "{max_deletes:?}");
    }
}

#[tokio::test]
async fn zero_withholds_every_deletion() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let report = world.cycle_with(DAILY, |request| request.max_deletes = Some(0)).await;
    assert!(deletions(&report).is_empty());
    assert_eq!(exit_code(&report), ExitCode::Withheld);
}

#[tokio::test]
async fn regions_are_not_counted_together() {
    let config = with_limits("max_deletes = 6")
        .replace(r#"regions = ["eu-west-1"]"#, r#"regions = ["eu-west-1", "us-east-1"]"#);
    let world = World::new();
    for server in [world.server(&["gp3"]), world.server_in(&us(), &["gp3"])] {
        world.history(&server, 8);
    }
    let report = world.cycle(&config).await;
    assert!(report.plan.withheld.is_empty());
    assert_eq!(deletions(&report).len(), 10);
}

#[tokio::test]
async fn a_limit_holds_for_one_region_and_leaves_the_other() {
    let config = with_limits("max_deletes = 5")
        .replace(r#"regions = ["eu-west-1"]"#, r#"regions = ["eu-west-1", "us-east-1"]"#);
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 10);
    let others = world.history(&world.server_in(&us(), &["gp3"]), 6);
    let report = world.cycle(&config).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 3], ExitCode::Withheld));
    assert!(points.iter().all(|point| world.has(point)));
    assert!(!others[3..].iter().any(|point| world.has(point)));
}
