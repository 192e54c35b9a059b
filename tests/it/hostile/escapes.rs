//! No report sends what a terminal obeys, whatever it reports.

use std::time::Duration;

use chrono::{DateTime, Utc};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::{Config, load, parse, render_resolved};
use snapkeep::domain::failure::Failure;
use snapkeep::domain::inventory::Inventory;
use snapkeep::execute::Outcome;
use snapkeep::plan::preflight::{Check, Finding, Preflight};
use snapkeep::plan::{Plan, Request, Waiting, explain, plan, rights::rights};
use snapkeep::report::drift::{Drift, DriftKind, DriftLine};
use snapkeep::report::message::Before;
use snapkeep::report::page::{AccountView, Doing, LastCycle, Scene, render as render_page};
use snapkeep::report::status::{Status, nagios, text as status_text};
use snapkeep::report::trouble::{Trouble, troubles};
use snapkeep::report::{
    Cycle, ExitCode, Message, emf, explain_text, iam, json, metrics, plan_text, preflight_text,
    run_text,
};

use super::world::{HOSTILE, SHOWN, harmful, spoiled};

fn now() -> DateTime<Utc> {
    "2026-11-20T03:10:00Z".parse().unwrap()
}

/// Every configuration that is shipped, and one that is as hostile as a valid one can be.
fn configs() -> Vec<(String, Config)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let samples = std::fs::read_dir(root.join("samples")).unwrap().map(|e| e.unwrap().path());
    let mut paths: Vec<_> = samples.chain([root.join("snapkeep.toml")]).collect();
    paths.sort();
    let shipped = paths.iter().map(|path| (path.display().to_string(), load(path).unwrap()));
    let value = json_text(HOSTILE);
    let text = format!(
        r#"
version = 1
[accounts.production]
role_arn = "arn:aws:iam::111111111111:role/snapkeep"
[[policy]]
name = "servers<b>&|`$(x)"
owner = "main"
accounts = ["self", "production"]
regions = ["us-east-1", "eu-west-1"]
schedule = "0 3 * * *"
retention = {{ daily = "1 month" }}
select = {{ resource = "instance", exclude_tags = {{ {value} = {value} }} }}
volumes = {{ exclude_tags = {{ {value} = {value} }} }}
adopt = {{ description = {value}, exclude_tags = {{ {value} = "*" }} }}
"#
    );
    let hostile = parse(&[("hostile.toml".to_owned(), text)]).unwrap_or_else(|err| panic!("{err}"));
    shipped.chain([("hostile".to_owned(), hostile)]).collect()
}

/// A basic string of TOML, which takes what JSON escapes.
fn json_text(text: &str) -> String {
    let escape = |c: char| {
        if c.is_ascii_graphic() && !matches!(c, '"' | '\\') {
            c.to_string()
        } else {
            format!("\\U{:08x}", u32::from(c))
        }
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Fails where `text` has anything harmful, and where it should have shown something and did not.
#[track_caller]
fn check(what: &str, text: &str) {
    let found = harmful(text);
    let line = text.lines().find(|line| !harmful(line).is_empty()).unwrap_or_default();
    assert!(found.is_empty(), "{what} sends {found:?}: {line:?}");
}

fn hostile_plan(config: &Config, inventory: &Inventory) -> Plan {
    let mut plan = plan(config, inventory, &Request::at(now()));
    plan.waiting.push(Waiting {
        policy: "servers".into(),
        region: "us-east-1".parse().unwrap(),
        resource: format!("family:{HOSTILE}"),
        reason: format!("because{HOSTILE}"),
        since: None,
        not_before: None,
        ends_by_itself: true,
    });
    plan
}

/// One outcome of each kind, in turn.
fn outcomes(plan: &Plan) -> Vec<Outcome> {
    let why = format!("InvalidParameterValue: {HOSTILE}");
    let kinds = [
        Outcome::Done(Vec::new()),
        Outcome::Skipped(why.clone()),
        Outcome::Waits(why.clone()),
        Outcome::Failed(Failure::lasting(why.clone())),
        Outcome::NotStarted(why),
    ];
    plan.actions.iter().enumerate().map(|(n, _)| kinds[n % kinds.len()].clone()).collect()
}

#[test]
fn reports_of_a_hostile_account_steer_no_terminal() {
    let inventory = spoiled(&Sandbox::demo(now()));
    for (name, config) in configs() {
        let request = Request::at(now());
        let plan = hostile_plan(&config, &inventory);
        let outcomes = outcomes(&plan);
        let text = plan_text::render(&plan, true);
        assert!(text.contains(SHOWN), "{name}: {text}");
        check(&format!("{name}: plan"), &text);
        let ended = run_text::render(&plan, &outcomes);
        assert!(ended.contains(SHOWN), "{name}: {ended}");
        check(&format!("{name}: run"), &ended);

        let plans = [plan];
        let plan = &plans[0];
        let status = Status::new(&plans, &request);
        check(&format!("{name}: status"), &status_text::render(&status));
        let nagios = nagios::render(&status);
        check(&format!("{name}: nagios"), &nagios);
        assert_eq!(nagios.matches('|').count(), 1, "{nagios}");

        let codes = ExitCode::of_run(plan, &outcomes);
        let mut written = Vec::new();
        json::write_plans(&mut written, &plans, &codes).unwrap();
        json::write_runs(&mut written, &[(plan, &outcomes)], &codes).unwrap();
        json::write_status(&mut written, &status, &codes).unwrap();
        check(&format!("{name}: JSON"), &String::from_utf8(written).unwrap());

        check(&format!("{name}: metrics"), &exposition(plan, &outcomes));
        check(&format!("{name}: page"), &page(plan, &outcomes));
        check(&format!("{name}: IAM"), &iam_text(&config));
        let resolved = render_resolved(&config);
        check(&format!("{name}: resolved"), &resolved);
        let again = parse(&[("resolved.toml".to_owned(), resolved.clone())]).unwrap();
        assert_eq!(render_resolved(&again), resolved);
    }
}

#[test]
fn explanations_of_a_hostile_account_steer_no_terminal_and_no_shell() {
    let inventory = spoiled(&Sandbox::demo(now()));
    for (name, config) in configs().into_iter().rev().take(2) {
        for (region, observed) in &inventory.regions {
            let snapshots = observed.snapshots.iter().map(|snapshot| snapshot.id.into());
            let images = observed.images.iter().map(|image| image.id.into());
            // Each plans afresh.
            for id in snapshots.chain(images).step_by(11) {
                let request = Request::at(now());
                let explanation =
                    explain(&config, &inventory, &request, Some(*region), id).unwrap();
                let text = explain_text::render(&explanation);
                assert!(text.contains(SHOWN), "{name}: {text}");
                check(&format!("{name}: {id}"), &text);
                // What is to be typed is typed words.
                let commands = text
                    .lines()
                    .filter(|line| line.starts_with("  aws ") || line.starts_with("    --"));
                for command in commands {
                    let is_odd = |c: char| matches!(c, '$' | '`' | '|' | ';' | '&' | '\'' | '"');
                    assert!(!command.contains(is_odd), "{command}");
                }
            }
        }
    }
}

fn exposition(plan: &Plan, outcomes: &[Outcome]) -> String {
    let cycle = metrics::Cycle {
        plan,
        outcomes,
        ended_at: now(),
        took: Duration::from_secs(1),
        exit_code: ExitCode::Failed,
    };
    let mut totals = metrics::Totals::default();
    totals.add(&cycle, &snapkeep::domain::api_calls::ApiCalls::default());
    let text = metrics::render(&totals, &[metrics::Gauges::of(&cycle)], None);
    let (is_partial, is_refused) = (false, false);
    let invocation = emf::Invocation { ended_at: now(), cycles: &[cycle], is_partial, is_refused };
    text + &emf::lines(&invocation)
}

fn page(plan: &Plan, outcomes: &[Outcome]) -> String {
    let last = LastCycle {
        number: 7,
        begun_at: now(),
        ended_at: now(),
        took: Duration::from_secs(1),
        exit_codes: vec![1],
        error: Some(format!("error: {HOSTILE}")),
    };
    let doing = format!("waiting for process 1, which has locked {HOSTILE}");
    let page = render_page(&Scene {
        now: now(),
        doing: Doing::LockedOut(&doing),
        is_dry_run: false,
        last: Some(&last),
        accounts: &[AccountView::new(plan, outcomes, &[])],
        reload_error: Some((now(), HOSTILE)),
    });
    assert!(page.contains(SHOWN) && !page.contains("<b>"));
    page
}

fn iam_text(config: &Config) -> String {
    let rights = rights(config);
    json::to_pretty(&iam::policy(&rights)).unwrap() + &iam::hints(&rights).join("\n")
}

#[test]
fn messages_about_a_hostile_account_are_plain() {
    let inventory = spoiled(&Sandbox::demo(now()));
    for (name, config) in configs() {
        let plan = hostile_plan(&config, &inventory);
        let outcomes = outcomes(&plan);
        let cycles = [Cycle { account: None, plan: &plan, outcomes: &outcomes }];
        let mut told = troubles(&cycles);
        told.push(Trouble::of_configuration(HOSTILE));
        let keys = told.iter().map(Trouble::key).collect();
        for message in [
            Message::of_troubles(&told, &cycles, Before::SoSince(now())),
            Message::of_recovery(now(), &keys, &cycles),
            Message::of_summary(&told, &cycles),
        ] {
            check(&format!("{name}: message"), &message.text);
            let is_plain = |c: char| matches!(c, ' '..='~');
            assert!(message.subject.chars().all(is_plain), "{:?}", message.subject);
            // Nobody is called by what has no width behind an `@`.
            check(&name, &message.slack()["text"].as_str().unwrap().replace("@\u{200b}", "@"));
        }
        assert!(Message::of_summary(&told, &cycles).text.contains(SHOWN));
    }
}

#[test]
fn what_is_tried_and_what_drifted_is_shown_not_sent() {
    let check_of = |finding| Check { what: format!("key `{HOSTILE}`"), finding };
    let missing = Finding::Missing {
        why: HOSTILE.to_owned(),
        needed_for: [HOSTILE.to_owned()].into(),
        granted_by: Vec::new(),
    };
    let lacking = Finding::Lacking { why: HOSTILE.to_owned(), effect: HOSTILE.to_owned() };
    let findings = [
        Finding::Fine(HOSTILE.to_owned()),
        missing,
        lacking,
        Finding::NotTried(HOSTILE.to_owned()),
        Finding::Doubtful(HOSTILE.to_owned()),
    ];
    let (_, config) = configs().pop().unwrap();
    let account: Vec<Check> = findings.into_iter().map(check_of).collect();
    let regions = vec![("us-east-1".parse().unwrap(), account.clone())];
    let tried = Preflight { rights: rights(&config), account, regions };
    let text = preflight_text::render(&tried);
    assert!(text.contains(SHOWN), "{text}");
    check("check --online", &text);

    let line = DriftLine {
        id: HOSTILE.to_owned(),
        kind: DriftKind::Changed,
        reason: HOSTILE.to_owned(),
        fields: vec![HOSTILE.to_owned()],
    };
    let drift = Drift { lines: vec![line], ..Drift::default() };
    assert!(drift.render().contains(SHOWN));
    check("drift", &drift.render());
}
