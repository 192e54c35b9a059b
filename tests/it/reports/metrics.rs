//! Metrics as Prometheus reads them, and as CloudWatch does.

#![expect(clippy::cast_precision_loss, reason = "counts and seconds of this century are exact")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::layered::Layered;
use snapkeep::cloud::sandbox::{Fault, Rule, Sandbox};
use snapkeep::config::parse;
use snapkeep::domain::api_calls::{ApiCalls, CallEnd};
use snapkeep::domain::failure::Failure;
use snapkeep::execute::{Outcome, Stop};
use snapkeep::plan::{
    Note, Plan, PlanGap, Protection, ProtectionState, Request, Severity, Waiting,
};
use snapkeep::report::ExitCode;
use snapkeep::report::emf::{self, Invocation};
use snapkeep::report::metrics::{Cycle, Gauges, Totals, render};
use snapkeep::run::{self, Report, SandboxClock};

/// Labels, by name.
type Labels = BTreeMap<String, String>;

/// What a text says, family by family.
type Samples = BTreeMap<String, BTreeMap<Labels, f64>>;

/// Reads the text format as its specification says, and nothing else.
fn read(text: &str) -> Result<Samples, String> {
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let mut samples = Samples::new();
    let body = text.strip_suffix('\n').ok_or("the last line does not end")?;
    for line in body.split('\n') {
        let refuse = |why: &str| format!("{why}: {line}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').ok_or_else(|| refuse("no help"))?;
            if !helped.insert(name.to_owned()) {
                return Err(refuse("a second HELP"));
            }
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or_else(|| refuse("no type"))?;
            let is_counter = name.ends_with("_total");
            if kind != if is_counter { "counter" } else { "gauge" } || !is_name(name, true) {
                return Err(refuse("bad type or name"));
            }
            if families.insert(name.to_owned(), kind.to_owned()).is_some() {
                return Err(refuse("a second TYPE"));
            }
            name.clone_into(&mut current);
        } else {
            let (name, labels, value) = sample(line).map_err(|why| refuse(&why))?;
            if name != current {
                return Err(refuse("not of the family that has begun"));
            }
            if samples.entry(name).or_default().insert(labels, value).is_some() {
                return Err(refuse("a second of the same series"));
            }
        }
    }
    match families.keys().find(|name| !helped.contains(*name)) {
        Some(name) => Err(format!("no HELP of {name}")),
        None => Ok(samples),
    }
}

fn is_name(name: &str, may_have_colons: bool) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || (c == ':' && may_have_colons);
    name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// Reads `name{label="value",…} number`.
fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err("bad name".to_owned());
    }
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            let (value, after) = label_value(after)?;
            if !is_name(label, false) || labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("bad or second label {label}"));
            }
            match after.chars().next() {
                Some(',') => rest = &after[1..],
                Some('}') => {
                    rest = &after[1..];
                    break;
                }
                _ => return Err("the labels do not end".to_owned()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let is_plain = value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let value = value.parse().ok().filter(|_| is_plain).ok_or("no number")?;
    Ok((name.to_owned(), labels, value))
}

/// Reads up to the closing quote; returns what is behind it.
fn label_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                other => return Err(format!("bad escape {other:?}")),
            }),
            c => value.push(c),
        }
    }
    Err("the value does not end".to_owned())
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    samples.get(name)?.get(&labels.collect()).copied()
}

fn t(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A run of the demonstration in which a listing is throttled and deletions in one region fail.
async fn demo_run() -> (Report, ApiCalls) {
    let now = t("2026-11-20T03:10:00Z");
    let text = include_str!("../../../config/snapkeep.toml").to_owned();
    let config = parse(&[("snapkeep.toml".to_owned(), text)]).unwrap();
    let sandbox = Sandbox::demo(now);
    let us = "us-east-1".parse().unwrap();
    sandbox.fail(Rule::next("DescribeLockedSnapshots"), Fault::Throttled);
    sandbox.fail(Rule::every("DeleteSnapshot").in_region(&us), Fault::Denied);
    let counted = Layered::counted(&sandbox);
    let clock = SandboxClock(sandbox.time().clone());
    let (_sender, stop) = Stop::new();
    let request = Request::at(now);
    let cycle = run::run(&counted, &clock, &config, &request, &stop, &());
    let report = sandbox.time().drive(cycle).await;
    (report, counted.into_calls())
}

fn cycle(report: &Report) -> Cycle<'_> {
    Cycle {
        plan: &report.plan,
        outcomes: &report.outcomes,
        ended_at: t("2026-11-20T03:11:00Z"),
        took: Duration::from_millis(12_500),
        exit_code: ExitCode::of_run(&report.plan, &report.outcomes)[0],
    }
}

/// Returns the embedded metrics of an invocation that came to these cycles.
fn embedded(cycles: &[Cycle<'_>], is_partial: bool) -> String {
    let ended_at = cycles[0].ended_at;
    emf::lines(&Invocation { ended_at, cycles, is_partial, is_refused: false })
}

#[tokio::test]
async fn a_cycle_of_the_demonstration_is_rendered() {
    let (report, calls) = demo_run().await;
    let cycle = cycle(&report);
    let mut totals = Totals::default();
    totals.add(&cycle, &calls);
    let next = Some(t("2026-11-20T04:00:00Z"));
    let text = render(&totals, &[Gauges::of(&cycle)], next);
    assert_data_eq!(text.clone(), file!["../../metrics/demo.prom"].raw());
    assert_data_eq!(embedded(&[cycle], false), file!["../../metrics/demo.emf"].raw());
    let samples = read(&text).unwrap();

    // What a person would count.
    for (policy, region) in [("servers", "us-east-1"), ("servers", "eu-west-1")] {
        let region_of = region.parse().unwrap();
        let here = || report.plan.protection.iter().filter(|p| p.region == region_of);
        for state in ProtectionState::NAMES {
            let n = here().filter(|p| p.state.name() == state).count();
            let labels = [("policy", policy), ("region", region), ("state", state)];
            assert_eq!(value(&samples, "snapkeep_sources", &labels), Some(n as f64), "{state}");
        }
        let oldest = here().filter_map(|p| p.newest).min().unwrap();
        let name = "snapkeep_newest_point_timestamp_seconds";
        let labels = [("policy", policy), ("region", region)];
        assert_eq!(value(&samples, name, &labels), Some(oldest.timestamp() as f64));
        let keeps = report.plan.keeps.iter().filter(|keep| {
            let is_daily = matches!(keep.reason, snapkeep::plan::KeepReason::Held(holds)
                if holds.tiers().any(|tier| tier.name() == "daily"));
            keep.region == region_of && is_daily
        });
        let points: BTreeSet<_> = keeps.map(|keep| (keep.source, keep.point_time)).collect();
        let labels = [("policy", policy), ("region", region), ("tier", "daily")];
        assert_eq!(value(&samples, "snapkeep_points", &labels), Some(points.len() as f64));
    }

    // Counters go on, gauges do not.
    totals.add(&cycle, &calls);
    let twice = read(&render(&totals, &[Gauges::of(&cycle)], next)).unwrap();
    for (name, series) in &samples {
        let factor = if name.ends_with("_total") { 2.0 } else { 1.0 };
        for (labels, value) in series {
            assert!((twice[name][labels] - factor * value).abs() < 1e-9, "{name} {labels:?}");
        }
    }
}

/// A plan of a policy with this name, with something in every list.
fn plan_of(policy: &str) -> Plan {
    let region = "eu-west-1".parse().unwrap();
    let protection = |copy_from, newest: Option<&str>, state| Protection {
        policy: policy.into(),
        region,
        copy_from,
        source: "i-00000001".parse().ok(),
        newest: newest.map(t),
        due: None,
        state,
    };
    Plan {
        protection: vec![
            protection(None, Some("2026-11-19T03:00:00Z"), ProtectionState::Protected),
            protection(
                None,
                Some("2026-11-17T03:00:00Z"),
                ProtectionState::Unprotected { since: None },
            ),
            protection(None, None, ProtectionState::New { first_due: None }),
            protection("us-east-1".parse().ok(), None, ProtectionState::Unknown("gap".into())),
        ],
        waiting: vec![Waiting {
            policy: policy.into(),
            region,
            resource: "snap-00000001".to_owned(),
            reason: "pending".to_owned(),
            since: None,
            not_before: None,
            ends_by_itself: true,
        }],
        gaps: vec![
            PlanGap {
                region: None,
                operation: "DescribeRegions",
                error: Failure::lasting("denied"),
            },
            PlanGap {
                region: Some(region),
                operation: "DescribeImages",
                error: Failure::lasting("x"),
            },
        ],
        ..Plan::default()
    }
}

const HOSTILE: [&str; 7] = [
    "plain",
    "a\"b",
    "a\\b",
    "a\nb",
    "\\n\\\"\\",
    "x\"} 1\nsnapkeep_sources{policy=\"y\",state=\"protected\"} 9",
    "서울 \u{202e}{},=#",
];

#[test]
fn whatever_a_policy_is_called_stays_one_value_of_one_label() {
    for policy in HOSTILE {
        let plan = plan_of(policy);
        let cycle = Cycle {
            plan: &plan,
            outcomes: &[],
            ended_at: t("2026-11-20T03:00:00Z"),
            took: Duration::from_secs(1),
            exit_code: ExitCode::Failed,
        };
        let mut totals = Totals::default();
        totals.add(&cycle, &ApiCalls::default());
        let samples = read(&render(&totals, &[Gauges::of(&cycle)], None)).unwrap();
        // What steers terminals, or ends lines, is shown.
        let shown = policy.replace('\n', "\\u{a}").replace('\u{202e}', "\\u{202e}");
        let here = [("policy", shown.as_str()), ("region", "eu-west-1")];
        let in_state = |state| {
            let labels = [here[0], here[1], ("state", state)];
            value(&samples, "snapkeep_sources", &labels)
        };
        assert_eq!(
            ProtectionState::NAMES.map(in_state),
            [Some(1.0), Some(1.0), Some(0.0), Some(1.0)],
            "{policy}"
        );
        let of_copies = [here[0], here[1], ("copy_from", "us-east-1"), ("state", "unknown")];
        assert_eq!(value(&samples, "snapkeep_sources", &of_copies), Some(1.0));
        let newest = value(&samples, "snapkeep_newest_point_timestamp_seconds", &here);
        assert_eq!(newest, Some(t("2026-11-17T03:00:00Z").timestamp() as f64));
        assert_eq!(value(&samples, "snapkeep_waiting", &here), Some(1.0));
        assert_eq!(value(&samples, "snapkeep_gaps", &[]), Some(1.0));
        assert_eq!(value(&samples, "snapkeep_gaps", &[("region", "eu-west-1")]), Some(1.0));
        assert_eq!(samples["snapkeep_sources"].len(), 8, "one place and its copies: {samples:?}");

        let lines = embedded(&[cycle], false);
        check_emf(&lines);
        assert_eq!(lines.lines().count(), 2, "{policy}");
        let of_policy: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
        assert_eq!((&of_policy["Unprotected"], &of_policy["Waiting"]), (&1.into(), &1.into()));
        assert_eq!(of_policy["NewestPointAgeSeconds"], 3 * 24 * 3600);
    }
}

/// Checks lines against the specification of the embedded metric format.
fn check_emf(lines: &str) {
    for line in lines.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let members = object.as_object().unwrap();
        let meta = &object["_aws"];
        assert!(meta["Timestamp"].is_i64() || meta["Timestamp"].is_u64(), "{line}");
        let [directive] = &meta["CloudWatchMetrics"].as_array().unwrap()[..] else {
            panic!("{line}")
        };
        assert_eq!(directive["Namespace"], "snapkeep");
        let [dimensions] = &directive["Dimensions"].as_array().unwrap()[..] else {
            panic!("{line}")
        };
        let dimensions = dimensions.as_array().unwrap();
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(dimensions.len() <= 30 && (1..=100).contains(&metrics.len()), "{line}");
        for dimension in dimensions {
            let value = members[dimension.as_str().unwrap()].as_str().unwrap();
            assert!((1..=1024).contains(&value.len()), "{line}");
            assert!(value.chars().all(|c| c.is_ascii() && !c.is_ascii_control()), "{line}");
        }
        for metric in metrics {
            assert!(matches!(metric["Unit"].as_str().unwrap(), "Count" | "Seconds"), "{line}");
            assert!(members[metric["Name"].as_str().unwrap()].is_u64(), "{line}");
        }
        // Nothing that is not declared.
        assert_eq!(members.len(), 1 + dimensions.len() + metrics.len(), "{line}");
    }
}

#[tokio::test]
async fn embedded_metrics_are_as_cloudwatch_wants_them() {
    let (report, _) = demo_run().await;
    let lines = embedded(&[cycle(&report)], false);
    check_emf(&lines);
    let whole: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let n_failed = report.outcomes.iter().filter(|o| matches!(o, Outcome::Failed(_))).count();
    assert!(0 < n_failed);
    assert_eq!((&whole["Cycles"], &whole["Failed"]), (&1.into(), &1.into()));
    assert_eq!(whole["ActionsFailed"], n_failed);
    let parts: Vec<Value> =
        lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    for name in ["ActionsDone", "ActionsFailed", "Waiting", "Unprotected"] {
        let of_parts: u64 = parts.iter().map(|part| part[name].as_u64().unwrap()).sum();
        assert_eq!(whole[name], of_parts, "{name}");
    }
}

#[test]
fn before_the_first_cycle_counters_are_there_and_calls_add_up() {
    let samples = read(&render(&Totals::default(), &[], None)).unwrap();
    assert_eq!(samples.keys().collect::<Vec<_>>(), ["snapkeep_cycles_total"]);
    assert!(samples["snapkeep_cycles_total"].values().all(|n| *n == 0.0));

    let region = "eu-west-1".parse().ok();
    let mut calls = ApiCalls::default();
    for end in [CallEnd::Answered, CallEnd::Throttled, CallEnd::Throttled, CallEnd::Failed] {
        calls.count(region, "DescribeVolumes", end);
    }
    calls.count(None, "DescribeRegions", CallEnd::Answered);
    let mut twice = calls.clone();
    twice.add(&calls);
    let all: Vec<_> =
        twice.iter().map(|(_, name, n)| (name, n.all, n.throttled, n.failed)).collect();
    assert_eq!(all, [("DescribeRegions", 2, 0, 0), ("DescribeVolumes", 8, 4, 2)]);
}

#[test]
fn the_reader_refuses_what_is_no_text_format() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    for (text, why) in [
        ("a_total 1\n", "not of the family"),
        ("# TYPE a_total counter\na_total 1\n", "no HELP"),
        (&format!("{head}a_total 1"), "does not end"),
        (&format!("{head}a_total 1\na_total 2\n"), "a second of the same series"),
        (&format!("{head}a_total{{b=\"\\x\"}} 1\n"), "bad escape"),
        (&format!("{head}a_total{{b=\"c\" 1\n"), "do not end"),
        (&format!("{head}a_total{{b=\"c\",b=\"d\"}} 1\n"), "second label"),
        (&format!("{head}a_total one\n"), "no number"),
        (&format!("{head}{head}"), "a second HELP"),
    ] {
        assert!(read(text).unwrap_err().contains(why), "{text}");
    }
    assert!(read(&format!("{head}a_total{{b=\"\\\\\\\"\\n\"}} 1\n")).is_ok());
}

#[test]
fn what_belongs_to_an_account_bears_its_name() {
    let own = plan_of("servers");
    let other = Plan { account_name: Some("production".into()), ..plan_of("servers") };
    let mut totals = Totals::default();
    let mut gauges = Vec::new();
    for (plan, n_calls) in [(&own, 1), (&other, 2)] {
        let cycle = Cycle {
            plan,
            outcomes: &[],
            ended_at: t("2026-11-20T03:00:00Z"),
            took: Duration::from_secs(1),
            exit_code: ExitCode::Failed,
        };
        let mut calls = ApiCalls::default();
        for _ in 0..n_calls {
            calls.count(None, "DescribeRegions", CallEnd::Answered);
        }
        totals.add(&cycle, &calls);
        gauges.push(Gauges::of(&cycle));
    }
    let samples = read(&render(&totals, &gauges, None)).unwrap();
    let account = ("account", "production");
    let waiting = [("policy", "servers"), ("region", "eu-west-1")];
    assert_eq!(value(&samples, "snapkeep_waiting", &waiting), Some(1.0));
    assert_eq!(
        value(&samples, "snapkeep_waiting", &[&[account], &waiting[..]].concat()),
        Some(1.0)
    );
    let calls = [("operation", "DescribeRegions")];
    assert_eq!(value(&samples, "snapkeep_api_calls_total", &calls), Some(1.0));
    let calls = [account, calls[0]];
    assert_eq!(value(&samples, "snapkeep_api_calls_total", &calls), Some(2.0));
    let failed = [account, ("exit_code", "1")];
    assert_eq!(value(&samples, "snapkeep_cycles_total", &failed), Some(1.0));
}

/// Returns each object with its dimensions' values and what it says.
fn objects(lines: &str) -> Vec<(String, Value)> {
    check_emf(lines);
    let of_line = |line| {
        let object: Value = serde_json::from_str(line).unwrap();
        let set = &object["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0];
        let names = set.as_array().unwrap().iter();
        let values = names.map(|name| object[name.as_str().unwrap()].as_str().unwrap());
        (values.collect::<Vec<_>>().join(" "), object)
    };
    lines.lines().map(of_line).collect()
}

/// The plans of an account in which all is well, and of one with something in every list.
fn two_accounts() -> [Plan; 2] {
    let mut well = plan_of("servers");
    well.protection.truncate(1);
    well.gaps.clear();
    well.waiting.clear();
    let named = |name: &str, plan| Plan { account_name: Some(name.into()), ..plan };
    [named("production", plan_of("servers")), named("self", well)]
}

fn cycles_of([failed, well]: &[Plan; 2]) -> [Cycle<'_>; 2] {
    let cycle = |plan, exit_code| Cycle {
        plan,
        outcomes: &[],
        ended_at: t("2026-11-20T03:00:00Z"),
        took: Duration::from_secs(1),
        exit_code,
    };
    [cycle(failed, ExitCode::Failed), cycle(well, ExitCode::Done)]
}

#[test]
fn an_invocation_says_one_thing_of_everything_however_many_accounts_there_are() {
    let plans = two_accounts();
    let objects = objects(&embedded(&cycles_of(&plans), false));
    let places: Vec<&str> = objects.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        ["", "production", "production servers eu-west-1", "self", "self servers eu-west-1",]
    );
    // None is hidden by another: neither by one in which all is well, nor by the order.
    let names = ["Cycles", "Failed", "Refused", "Gaps", "Waiting", "Unprotected"];
    let said = |at: usize| names.map(|name| objects[at].1[name].as_u64().unwrap());
    assert_eq!(said(0), [2, 1, 0, 2, 1, 1]);
    assert_eq!(said(1), [1, 1, 0, 2, 1, 1]);
    assert_eq!(said(3), [1, 0, 0, 0, 0, 0]);
    let age = |at: usize| objects[at].1["NewestPointAgeSeconds"].as_u64().unwrap() / 3600;
    assert_eq!([age(0), age(1), age(3)], [72, 72, 24]);
}

#[test]
fn an_invocation_for_a_part_says_nothing_of_everything_but_what_was_refused() {
    let mut plans = two_accounts();
    let places = |plans: &[Plan; 2]| {
        let objects = objects(&embedded(&cycles_of(plans), true));
        objects.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
    };
    let parts = ["production servers eu-west-1", "self servers eu-west-1"];
    assert_eq!(places(&plans), parts);

    let message = "deletes the newest point".to_owned();
    plans[0].notes = vec![Note { severity: Severity::Fatal, region: None, message }];
    assert_eq!(places(&plans), ["", parts[0], parts[1]]);
    let lines = embedded(&cycles_of(&plans), true);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["Refused"], &first["Cycles"]), (&json!(1), &Value::Null));
}

#[test]
fn a_refused_configuration_is_counted_beside_the_cycles_that_ran_all_the_same() {
    let plans = two_accounts();
    let cycles = cycles_of(&plans);
    let ended_at = cycles[0].ended_at;
    for (cycles, n_cycles) in [(&cycles[..], json!(2)), (&[], Value::Null)] {
        let is_partial = false;
        let lines = emf::lines(&Invocation { ended_at, cycles, is_partial, is_refused: true });
        let objects = objects(&lines);
        let of_all: Vec<_> = objects.iter().filter(|(place, _)| place.is_empty()).collect();
        let [(_, of_all)] = of_all[..] else { panic!("{lines}") };
        assert_eq!((&of_all["Refused"], &of_all["Cycles"]), (&json!(1), &n_cycles));
    }
}
