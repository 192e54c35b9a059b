//! What cannot be read causes no deletion and no duplicate.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::InstanceState;
use snapkeep::report::ExitCode;

use super::world::{DAILY, TWO_REGIONS, World, deletions, eu, exit_code, notes, us, words};

#[tokio::test]
async fn without_its_snapshots_or_images_a_region_is_left_alone_and_the_other_is_done() {
    for operation in ["DescribeSnapshots", "DescribeImages"] {
        for fault in [Fault::Denied, Fault::ErrorBefore, Fault::Throttled] {
            let world = World::new();
            let points = world.history(&world.server(&["gp3"]), 6);
            let others = world.history(&world.server_in(&us(), &["gp3"]), 6);
            world.wait(TimeDelta::days(1));
            world.sandbox.fail(Rule::next(operation).in_region(&eu()), fault.clone());
            let report = world.cycle(TWO_REGIONS).await;
            assert!(report.plan.actions.iter().all(|action| action.region == us()));
            assert_eq!(words(&report), ["done"; 5], "one made, four deleted");
            assert_eq!(exit_code(&report), ExitCode::Incomplete, "{operation} {fault:?}");
            assert_eq!(world.snapshots(&eu()).len(), 6);
            assert!(points.iter().all(|point| world.has(point)));
            assert!(!others[2..].iter().any(|point| world.has(point)));
            let report = world.cycle(TWO_REGIONS).await;
            assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 5], ExitCode::Done));
            world.assert_nothing_left(TWO_REGIONS, &report).await;
        }
    }
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_a_gap() {
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 6);
    world.sandbox.set(|settings| settings.page_items = 2);
    world.sandbox.fail(Rule::next("DescribeSnapshots").after(2), Fault::ErrorBefore);
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty());
    assert_eq!(exit_code(&report), ExitCode::Incomplete);
    assert!(points.iter().all(|point| world.has(point)));
}

#[tokio::test]
async fn without_instances_or_volumes_retention_goes_on_but_no_source_counts_as_gone() {
    for operation in ["DescribeInstances", "DescribeVolumes"] {
        let config =
            DAILY.replace(r#"daily = "3 days""#, r#"daily = "3 days", orphans = "expire""#);
        let world = World::new();
        let server = world.server(&["gp3"]);
        let points = world.history(&server, 6);
        world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Terminated);
        world.sandbox.fail(Rule::next(operation), Fault::Denied);
        let report = world.cycle(&config).await;
        assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 3], ExitCode::Incomplete));
        world.wait(TimeDelta::days(3));
        world.sandbox.fail(Rule::next(operation), Fault::Denied);
        let report = world.cycle(&config).await;
        assert_eq!(deletions(&report).len(), 2, "{operation}");
        assert!(world.has(&points[0]));
        let report = world.cycle(&config).await;
        assert_eq!(exit_code(&report), ExitCode::Done);
        assert!(!world.has(&points[0]), "once EC2 has said that it is gone");
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_for_is_not_gone() {
    let config = DAILY.replace(r#"daily = "3 days""#, r#"daily = "3 days", orphans = "expire""#);
    let world = World::new();
    let server = world.server(&["gp3"]);
    let points = world.history(&server, 1);
    world.sandbox.remove_instance(&eu(), server.id);
    world.wait(TimeDelta::days(4));
    // The listing succeeds, the question about the one instance does not.
    world.sandbox.fail(Rule::next("DescribeInstances").after(1), Fault::ErrorBefore);
    let report = world.cycle(&config).await;
    assert!(deletions(&report).is_empty());
    assert!(world.has(&points[0]));
    assert!(notes(&report.plan).contains("not known to be gone"), "{}", notes(&report.plan));
}

#[tokio::test]
async fn an_instance_whose_volumes_could_not_be_read_waits() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::next("DescribeVolumes"), Fault::Denied);
    let report = world.cycle(DAILY).await;
    assert_eq!((report.plan.actions.len(), report.plan.waiting.len()), (0, 1));
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn locks_that_may_not_be_listed_are_a_note_and_ec2_refuses_what_is_locked() {
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 6);
    world.sandbox.lock_snapshot(&eu(), points[4][0]);
    world.sandbox.fail(Rule::every("DescribeLockedSnapshots"), Fault::Denied);
    let report = world.cycle(DAILY).await;
    assert_eq!(
        (words(&report), exit_code(&report)),
        (vec!["done", "skipped", "done"], ExitCode::Done)
    );
    assert!(notes(&report.plan).contains("DescribeLockedSnapshots"));
    assert!(world.has(&points[4]));
}

#[tokio::test]
async fn a_region_that_is_not_enabled_is_a_gap_and_stops_no_other() {
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 6);
    let config = TWO_REGIONS.replace("us-east-1", "ap-east-1");
    let report = world.cycle(&config).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 3], ExitCode::Incomplete));
    assert!(!points[3..].iter().any(|point| world.has(point)));
}

#[tokio::test]
async fn regions_that_cannot_be_listed_are_a_gap_and_named_ones_go_on() {
    let world = World::new();
    world.history(&world.server(&["gp3"]), 6);
    let all = format!(
        "{DAILY}{}",
        r#"
[[policy]]
name = "everywhere"
regions = ["all"]
schedule = "0 3 * * *"
select = { resource = "volume", tags = { Backup = "on" } }
retention = { daily = "3 days" }
"#
    );
    world.sandbox.fail(Rule::next("DescribeRegions"), Fault::Denied);
    let report = world.cycle(&all).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"; 3], ExitCode::Incomplete));
    let report = world.cycle(&all).await;
    assert_eq!(exit_code(&report), ExitCode::Done);
    world.assert_nothing_left(&all, &report).await;
}

#[tokio::test]
async fn small_and_empty_pages_change_nothing() {
    let mut plans = Vec::new();
    for (page_items, has_empty_pages) in [(1000, false), (1, false), (3, true), (1000, true)] {
        let world = World::new();
        let server = world.server(&["gp3", "gp3"]);
        world.history(&server, 8);
        world.server(&["gp3"]);
        world.sandbox.set(|settings| {
            settings.page_items = page_items;
            settings.has_empty_pages = has_empty_pages;
        });
        // The lost reply makes the executor look through pages, too.
        world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::LostReply);
        let report = world.cycle(DAILY).await;
        assert_eq!(words(&report)[0], "found");
        assert_eq!(words(&report)[1..], ["done"; 10]);
        plans.push(report.plan.actions.iter().map(snapkeep::plan::Action::id).collect::<Vec<_>>());
        world.assert_nothing_left(DAILY, &report).await;
    }
    assert!(plans.windows(2).all(|pair| pair[0] == pair[1]));
}
