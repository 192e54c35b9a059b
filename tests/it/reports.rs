//! What reports look like, whatever they report.

use chrono::{DateTime, Utc};
use serde_json::Value;
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::parse;
use snapkeep::domain::failure::Failure;
use snapkeep::domain::inventory::{ImageState, SnapshotState};
use snapkeep::execute::Outcome;
use snapkeep::plan::{Plan, Request, explain, plan};
use snapkeep::report::{ExitCode, explain_text, json, plan_text, run_text};

mod explained;
mod images;
mod metrics;
mod page;

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
fn every_snapshot_and_image_of_the_demonstration_can_be_explained() {
    let now: DateTime<Utc> = "2026-11-20T03:10:00Z".parse().unwrap();
    let text = include_str!("../../config/snapkeep.toml");
    let config = parse(&[("snapkeep.toml".to_owned(), text.to_owned())]).unwrap();
    let inventory = Sandbox::demo(now).inventory();
    let request = Request::at(now);
    let explained = |region, id| {
        let explanation = explain(&config, &inventory, &request, Some(region), id).unwrap();
        let text = explain_text::render(&explanation);
        assert!(text.contains("whose     "), "{text}");
        text
    };
    for (region, observed) in &inventory.regions {
        for snapshot in &observed.snapshots {
            let text = explained(*region, snapshot.id.into());
            let is_complete = snapshot.state == SnapshotState::Completed;
            assert_eq!(text.contains("to restore it: "), is_complete, "{text}");
        }
        for image in &observed.images {
            let text = explained(*region, image.id.into());
            let is_usable = matches!(image.state, ImageState::Available | ImageState::Disabled);
            assert_eq!(text.contains("aws ec2 run-instances"), is_usable, "{text}");
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
    outcomes[0] = Outcome::Failed(Failure::lasting("UnauthorizedOperation"));
    assert_eq!(ExitCode::of_run(&plan, &outcomes), [ExitCode::Failed, ExitCode::Withheld]);
    let mut out = Vec::new();
    json::write_runs(&mut out, &[(&plan, &outcomes)], &ExitCode::of_run(&plan, &outcomes)).unwrap();
    let report: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(report["exit_codes"], serde_json::json!([1, 3]));
    assert_eq!(report["outcomes"][0]["outcome"], "failed");
}

/// Returns what of `value` the schema forbids: missing required keys, unknown keys, wrong types.
fn violations(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return violations(root, target, value, at);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = |choice: &&Value| violations(root, choice, value, at).is_empty();
        return if choices.iter().any(|c| fits(&c)) {
            vec![]
        } else {
            vec![format!("{at}: no choice fits")]
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = match &schema["type"] {
        Value::String(name) => name == kind,
        Value::Array(names) => names.iter().any(|name| name == kind),
        _ => true,
    };
    let mut found = if is_kind { vec![] } else { vec![format!("{at}: {kind}")] };
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations(root, &schema["items"], item, &format!("{at}/{n}")));
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let of_key = schema["properties"].get(key).or(schema.get("additionalProperties"));
        match of_key {
            Some(of_key) => found.extend(violations(root, of_key, item, &format!("{at}/{key}"))),
            None => found.push(format!("{at}: {key} is not in the schema")),
        }
    }
    found
}

#[test]
fn plans_and_runs_conform_to_their_schemas() {
    for plan in [demo_plan("", None), demo_plan("", Some(3))] {
        let outcomes = vec![Outcome::Skipped("held".to_owned()); plan.actions.len()];
        let (mut of_plan, mut of_run) = (Vec::new(), Vec::new());
        json::write_plan(&mut of_plan, &plan, &[ExitCode::Done]).unwrap();
        json::write_runs(&mut of_run, &[(&plan, &outcomes)], &[ExitCode::Done]).unwrap();
        for (text, schema) in [(of_plan, json::plan_schema()), (of_run, json::run_schema())] {
            let value: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(violations(&schema, &schema, &value, ""), [] as [&str; 0]);
        }
    }
}

#[test]
fn the_schemas_of_what_commands_print_are_published() {
    let pretty = |schema| serde_json::to_string_pretty(&schema).unwrap() + "\n";
    assert_data_eq!(pretty(json::plan_schema()), file!["../schema/plan.json"].raw());
    assert_data_eq!(pretty(json::run_schema()), file!["../schema/run.json"].raw());
    assert_data_eq!(pretty(json::status_schema()), file!["../schema/status.json"].raw());
}

/// Returns how many of each list a document has, and how many it says are left out.
fn lengths(document: &Value, left_out: &Value, list: &str) -> (usize, usize) {
    let n = document[list].as_array().unwrap().len();
    (n, left_out[list].as_u64().unwrap_or_default().try_into().unwrap())
}

#[test]
fn what_does_not_fit_into_an_answer_is_left_out_from_the_end_and_counted() {
    let plan = demo_plan("", None);
    let outcomes = vec![Outcome::Done(Vec::new()); plan.actions.len()];
    let codes = ExitCode::of_run(&plan, &outcomes);
    let mut n_keeps_before = 0;
    for n_bytes in [0, 10_000, 100_000, 1_000_000] {
        let document = json::runs_within(&[(&plan, &outcomes)], &codes, n_bytes);
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.len() < n_bytes + 1000, "{} bytes of {n_bytes}", text.len());
        let run: Value = serde_json::from_str(&text).unwrap();
        let (plan_json, left_out) = (&run["plan"], &run["plan"]["left_out"]);
        let all = [
            ("actions", plan.actions.len()),
            ("withheld", plan.withheld.len()),
            ("keeps", plan.keeps.len()),
            ("waiting", plan.waiting.len()),
            ("notes", plan.notes.len()),
            ("gaps", plan.gaps.len()),
            ("protection", plan.protection.len()),
        ];
        for (list, n_all) in all {
            let (n, n_left_out) = lengths(plan_json, left_out, list);
            assert_eq!(n + n_left_out, n_all, "{list} in {n_bytes} bytes");
        }
        // No action is without its outcome.
        let (n_actions, _) = lengths(plan_json, left_out, "actions");
        assert_eq!(run["outcomes"].as_array().unwrap().len(), n_actions);
        let (n_keeps, n_keeps_left_out) = lengths(plan_json, left_out, "keeps");
        assert!(n_keeps == 0 || n_actions == plan.actions.len(), "keeps before actions");
        assert!(n_keeps_before <= n_keeps);
        n_keeps_before = n_keeps;
        // What is left out is counted in the summary all the same.
        assert_eq!(plan_json["summary"]["keep"], plan.keeps.len());
        assert_eq!(left_out.is_null(), n_keeps_left_out == 0);
        assert!(run["exit_codes"].is_array());
    }
    assert_eq!(n_keeps_before, plan.keeps.len());
}

#[test]
fn several_accounts_share_the_room_of_an_answer() {
    let plan = demo_plan("", None);
    let plans = [plan.clone(), plan];
    let document = json::plans_within(&plans, &[ExitCode::Done], 100_000);
    let text = serde_json::to_string(&document).unwrap();
    assert!(text.len() < 102_000);
    let plans: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plans["plans"][0], plans["plans"][1]);
    assert_ne!(plans["plans"][0]["left_out"], Value::Null);
}
