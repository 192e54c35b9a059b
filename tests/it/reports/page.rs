//! The service's page.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::files::Files;
use snapkeep::config::load;
use snapkeep::domain::failure::Failure;
use snapkeep::execute::Outcome;
use snapkeep::plan::{Plan, Request, plan};
use snapkeep::report::page::{AccountView, Doing, Expected, LastCycle, Scene, render};
use snapkeep::run::observe_saved;

fn now() -> DateTime<Utc> {
    "2026-11-20T03:10:00Z".parse().unwrap()
}

/// The plan of the account that is saved among the scenes.
fn saved_plan() -> Plan {
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes");
    let config = load(&scenes.join("two-regions.toml")).unwrap();
    let inventory = observe_saved(&Files::open(&scenes.join("two-regions")).unwrap(), &config);
    plan(&config, &inventory, &Request::at(now()))
}

fn last_cycle() -> LastCycle {
    LastCycle {
        number: 7,
        begun_at: now(),
        ended_at: "2026-11-20T03:10:42Z".parse().unwrap(),
        took: Duration::from_millis(42_300),
        exit_codes: vec![0],
        error: None,
    }
}

fn shown(scene: &Scene<'_>) -> String {
    // One tag a line, so that a difference can be read.
    render(scene).replace("><", ">\n<")
}

#[test]
fn the_page_of_a_cycle_that_went_wrong_in_part() {
    let plan = saved_plan();
    let mut outcomes = vec![Outcome::Done(Vec::new()); plan.actions.len()];
    outcomes[0] = Outcome::Done(vec!["ami-0123456789abcdef0".parse().unwrap()]);
    outcomes[1] = Outcome::Failed(Failure::lasting("UnauthorizedOperation: not allowed"));
    let expected = [Expected {
        policy: "shop".into(),
        region: "eu-west-2".parse().unwrap(),
        next_slot: Some("2026-11-21T03:00:00Z".parse().unwrap()),
    }];
    let last = LastCycle { exit_codes: vec![1, 4], ..last_cycle() };
    let scene = Scene {
        now: "2026-11-20T04:00:00Z".parse().unwrap(),
        doing: Doing::Idle("2026-11-20T04:15:00Z".parse().unwrap()),
        is_dry_run: false,
        last: Some(&last),
        accounts: &[AccountView::new(&plan, &outcomes, &expected)],
        reload_error: Some((now(), "error: no policy is defined\n --> <snapkeep.toml>:1:1")),
    };
    assert_data_eq!(shown(&scene), file!["../../page/in-part.html"]);
}

#[test]
fn a_page_without_a_cycle_says_so() {
    let scene = Scene {
        now: now(),
        doing: Doing::LockedOut("waiting for process 4711, which has locked /run/lock/x"),
        is_dry_run: true,
        last: None,
        accounts: &[],
        reload_error: None,
    };
    let page = shown(&scene);
    assert!(page.contains("<p>waiting for process 4711, which has locked /run/lock/x.</p>"));
    assert!(page.contains("No cycle has ended yet.") && page.contains("dry run"), "{page}");
}

#[test]
fn long_lists_are_cut_and_the_worst_is_shown() {
    let one = saved_plan();
    let mut plan = Plan { actions: Vec::new(), ..one.clone() };
    while plan.actions.len() < 2000 {
        plan.actions.extend(one.actions.iter().cloned());
    }
    let mut outcomes = vec![Outcome::Done(Vec::new()); plan.actions.len()];
    *outcomes.last_mut().unwrap() = Outcome::Failed(Failure::lasting("the last one failed"));
    let last = last_cycle();
    let n_more = plan.actions.len() - 500;
    let scene = Scene {
        now: now(),
        doing: Doing::Cycle,
        is_dry_run: false,
        last: Some(&last),
        accounts: &[AccountView::new(&plan, &outcomes, &[])],
        reload_error: None,
    };
    let page = shown(&scene);
    assert!(page.contains("the last one failed"));
    assert!(page.contains(&format!("<li>and {n_more} more</li>")));
    assert!(page.len() < 300_000, "{}", page.len());
}
