//! The shipped CloudFormation template.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use snapkeep::config::load;
use snapkeep::plan::rights::rights;
use snapkeep::report::iam;

use crate::support::python;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn template() -> PathBuf {
    root().join("config/lambda/template.yaml")
}

/// Returns a program of cfn-lint's virtual environment.
fn program(name: &str) -> Command {
    let venv = python::installed("cfn-lint", &root().join("tests/lambda/requirements.txt"));
    Command::new(venv.join("bin").join(name))
}

/// Returns the template as JSON; short forms such as `!Ref` are written out.
fn read() -> Value {
    let script = "import json, sys, cfnlint.decode\n\
                  template, matches = cfnlint.decode.decode(sys.argv[1])\n\
                  assert not matches, matches\n\
                  json.dump(template, sys.stdout)";
    let output = program("python").args(["-c", script]).arg(template()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn cfn_lint_finds_nothing() {
    let output = program("cfn-lint")
        .args(["--include-checks", "I", "--ignore-checks", "I3042", "--"])
        .arg(template())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_functions_rights_are_what_iam_prints_for_the_shipped_configuration() {
    let template = read();
    let policies = template["Resources"]["Role"]["Properties"]["Policies"].as_array().unwrap();
    let policy = policies.iter().find(|policy| policy["PolicyName"] == "snapkeep").unwrap();
    let config = load(&root().join("config/snapkeep.toml")).unwrap();
    assert_eq!(policy["PolicyDocument"], iam::policy(&rights(&config)));
}

#[test]
fn the_schedules_event_is_one_that_is_understood() {
    let template = read();
    let input = &template["Resources"]["Hourly"]["Properties"]["Target"]["Input"];
    let input = input.as_str().unwrap();
    let at = "2026-11-20T03:02:00Z";
    let event: Value =
        serde_json::from_str(&input.replace("<aws.scheduler.scheduled-time>", at)).unwrap();
    let config = load(&root().join("config/snapkeep.toml")).unwrap();
    let asked = snapkeep::lambda::event::request_of(
        &event,
        &config,
        "2026-11-20T03:09:00Z".parse().unwrap(),
    );
    let run_slot = asked.unwrap().request.run_slot;
    assert_eq!(run_slot, at.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
}

#[test]
fn the_function_gets_only_variables_that_it_reads() {
    let template = read();
    let variables = &template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    let settings = std::fs::read_to_string(root().join("src/lambda/settings.rs")).unwrap();
    for name in variables.as_object().unwrap().keys() {
        assert!(settings.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn silence_is_longer_than_any_schedule_that_is_allowed() {
    let template = read();
    let alarm = &template["Resources"]["SilenceAlarm"]["Properties"];
    let periods = json!({ "Fn::FindInMap": ["Silence", { "Ref": "MaxHoursBetween" }, "Periods"] });
    assert_eq!((&alarm["EvaluationPeriods"], &alarm["Period"]), (&periods, &json!(3600)));
    // Fewer points than all of them would be an alarm between two cycles.
    assert_eq!(alarm.get("DatapointsToAlarm"), None);
    let parameter = &template["Parameters"]["MaxHoursBetween"];
    let allowed: Vec<u64> = parameter["AllowedValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    let mapped = template["Mappings"]["Silence"].as_object().unwrap();
    assert_eq!(mapped.len(), allowed.len());
    for hours in allowed {
        assert_eq!(mapped[&hours.to_string()]["Periods"], hours + 2);
        // CloudWatch looks back a week at most.
        assert!(hours + 2 <= 7 * 24);
    }
}
