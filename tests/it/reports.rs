//! What reports look like, whatever they report.

use chrono::{DateTime, Utc};
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::parse;
use snapkeep::execute::Outcome;
use snapkeep::plan::{Plan, Request, explain, plan};
use snapkeep::report::{ExitCode, explain_text, json, plan_text, run_text};

fn demo_plan(more: &str, max_deletes: Option<u32>) -> Plan {
    let now: DateTime<Utc> = "2026-11-20T03:10:00Z".parse().unwrap();
    let text = include_str!("../../config/snapkeep.toml");
    let config = parse(&[("snapkeep.toml".to_owned(), format!("{text}\n{more}"))]).unwrap();
    let request = Request { max_deletes, ..Request::at(now) };
    plan(&config, &Sandbox::demo(now).inventory(), &request)
}

#[test]
fn plans_fit_eighty_columns() {
    let adopting = "[policy.adopt]\nall = true";
    for plan in [demo_plan("", None), demo_plan(adopting, None), demo_plan("", Some(3))] {
        for line in plan_text::render(&plan, true).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn every_snapshot_of_the_demonstration_can_be_explained() {
    let now: DateTime<Utc> = "2026-11-20T03:10:00Z".parse().unwrap();
    let text = include_str!("../../config/snapkeep.toml");
    let config = parse(&[("snapkeep.toml".to_owned(), text.to_owned())]).unwrap();
    let inventory = Sandbox::demo(now).inventory();
    for region in inventory.regions.values() {
        for snapshot in &region.snapshots {
            let explanation = explain(&config, &inventory, &Request::at(now), snapshot.id).unwrap();
            let text = explain_text::render(&explanation);
            assert!(text.contains("whose     "), "{text}");
            assert!(text.contains("in the way of deleting it\n  "), "{text}");
        }
    }
}

#[test]
fn a_withheld_deletion_is_told_and_exits_with_three() {
    let plan = demo_plan("", Some(3));
    assert!(plan.actions.iter().all(|action| action.as_delete().is_none()));
    assert!(!plan.actions.is_empty());
    assert_eq!(ExitCode::of_plan(&plan, true), [ExitCode::Withheld, ExitCode::Actions]);
    let text = plan_text::render(&plan, false);
    assert!(text.contains("over a limit (82 deletions, --max-deletes = 3)"), "{text}");
    let outcomes = vec![Outcome::Done(Vec::new()); plan.actions.len()];
    assert!(run_text::render(&plan, &outcomes).contains("148 deletions withheld by a limit"));
}

#[test]
fn a_failure_comes_before_a_limit_in_the_exit_code() {
    let plan = demo_plan("", Some(3));
    let mut outcomes = vec![Outcome::Done(Vec::new()); plan.actions.len()];
    outcomes[0] = Outcome::Failed("UnauthorizedOperation".to_owned());
    assert_eq!(ExitCode::of_run(&plan, &outcomes), [ExitCode::Failed, ExitCode::Withheld]);
    let mut out = Vec::new();
    json::write_run(&mut out, &plan, &outcomes, &ExitCode::of_run(&plan, &outcomes)).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(report["exit_codes"], serde_json::json!([1, 3]));
    assert_eq!(report["outcomes"][0]["outcome"], "failed");
}

#[test]
fn the_schemas_of_plan_and_run_are_published() {
    let pretty = |schema| serde_json::to_string_pretty(&schema).unwrap() + "\n";
    assert_data_eq!(pretty(json::plan_schema()), file!["../schema/plan.json"].raw());
    assert_data_eq!(pretty(json::run_schema()), file!["../schema/run.json"].raw());
}
