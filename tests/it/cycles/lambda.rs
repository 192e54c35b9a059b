//! Invocations of the function: whole cycles, started by an event and ended by a deadline.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};
use snapkeep::cloud::sandbox::{Fault, Rule, Sandbox};
use snapkeep::lambda::answer::Retry;
use snapkeep::lambda::deadline::Deadline;
use snapkeep::lambda::{Ended, handle, metrics};
use snapkeep::run::{Account, Accounts, Outcome, World as AnyWorld};

use super::world::{DAILY, TWO_REGIONS, World, config, eu, t, us};

/// Like [`DAILY`], but each run makes a point.
const EACH_RUN: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
select = { resource = "instance", states = ["running"] }
retention = { every = "3 days" }
"#;

/// Like [`TWO_REGIONS`], but each run makes a point.
const EACH_RUN_IN_TWO_REGIONS: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
select = { resource = "instance", states = ["running"] }
retention = { every = "3 days" }
"#;

/// A function that is set up in an account.
struct Function {
    accounts: Accounts,
    config_text: &'static str,
}

impl Function {
    fn new(world: World, config_text: &'static str) -> Self {
        let account = Account {
            config: config(config_text),
            world: AnyWorld::Sandbox(Box::new(world.sandbox)),
        };
        Self { accounts: Accounts::of(account), config_text }
    }

    fn sandbox(&self) -> &Sandbox {
        let AnyWorld::Sandbox(sandbox) = &self.accounts.iter().next().unwrap().world else {
            panic!("not the sandbox")
        };
        sandbox
    }

    fn now(&self) -> DateTime<Utc> {
        self.accounts.now()
    }

    /// How many snapshots there are in Ireland.
    fn n_snapshots(&self) -> usize {
        self.sandbox().inventory().regions[&eu()].snapshots.len()
    }

    /// Invokes it with so many seconds left.
    async fn invoke(&self, event: &Value, seconds: Option<i64>) -> Ended {
        let deadline = seconds.and_then(|seconds| {
            let end = self.now() + TimeDelta::seconds(seconds);
            Deadline::of(end.timestamp_millis().try_into().unwrap(), self.now())
        });
        handle(&self.accounts, &config(self.config_text), event, deadline).await
    }

    /// Returns the answer to an event without a deadline.
    async fn answer(&self, event: &Value) -> Value {
        self.invoke(event, None).await.answer.unwrap()
    }

    /// Returns the error that makes Lambda repeat an event.
    async fn retry(&self, event: &Value) -> Retry {
        self.invoke(event, None).await.answer.unwrap_err()
    }
}

/// Returns how many outcomes of each word a report has.
fn outcomes(answer: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for outcome in answer["outcomes"].as_array().unwrap() {
        *counts.entry(outcome["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect()
}

/// A server with points of six days, of which three are to go.
fn with_history() -> World {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    world.history(&server, 6);
    world
}

#[tokio::test]
async fn an_event_is_answered_with_the_report_of_its_run() {
    let function = Function::new(with_history(), DAILY);
    let answer = function.answer(&json!({})).await;
    assert_eq!((&answer["format"], &answer["exit_codes"]), (&json!("snapkeep.run/1"), &json!([0])));
    assert_eq!(outcomes(&answer), counts(&[("done", 6)]));
    assert_eq!(answer["plan"].get("left_out"), None);
    assert_eq!(function.n_snapshots(), 6);
    let answer = function.answer(&Value::Null).await;
    assert_eq!((&answer["outcomes"], &answer["exit_codes"]), (&json!([]), &json!([0])));
}

#[tokio::test]
async fn a_dry_run_is_answered_with_its_plan_and_changes_nothing() {
    let function = Function::new(with_history(), DAILY);
    let answer = function.answer(&json!({ "dry_run": true })).await;
    assert_eq!(answer["format"], "snapkeep.plan/1");
    assert_eq!(answer["summary"]["expire"], 6);
    assert_eq!(function.n_snapshots(), 12);
}

#[tokio::test]
async fn an_event_that_is_repeated_makes_one_point() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let function = Function::new(world, EACH_RUN);
    let event = json!({ "time": "2026-11-20T03:00:00Z" });
    let answer = function.answer(&event).await;
    assert_eq!(outcomes(&answer), counts(&[("done", 1)]));
    for _ in 0..2 {
        function.sandbox().time().advance_to(function.now() + TimeDelta::minutes(2));
        let answer = function.answer(&event).await;
        assert_eq!((&answer["outcomes"], &answer["exit_codes"]), (&json!([]), &json!([0])));
    }
    assert_eq!(function.n_snapshots(), 2);
    // The next hour's is another slot, and an old event that comes late is none.
    function.sandbox().time().advance_to(t("2026-11-20 04:00:10"));
    let answer = function.answer(&json!({ "time": "2026-11-20T04:00:00Z" })).await;
    assert_eq!(outcomes(&answer), counts(&[("done", 1)]));
    assert_eq!(function.answer(&event).await["outcomes"], json!([]));
    assert_eq!(function.n_snapshots(), 4);
}

/// Ireland goes wrong, for now.
fn failing_in_ireland(config_text: &'static str, call: &'static str, fault: Fault) -> Function {
    let world = World::new();
    for region in [eu(), us()] {
        world.server_in(&region, &["gp3", "gp3"]);
    }
    world.sandbox.fail(Rule::every(call).in_region(&eu()), fault);
    Function::new(world, config_text)
}

#[tokio::test]
async fn an_event_without_a_time_is_not_repeated_once_it_has_made_a_point() {
    let slow = || Fault::Slow(TimeDelta::hours(1));
    for (call, fault, kind) in [
        ("DescribeSnapshots", Fault::ErrorBefore, "Incomplete"),
        ("CreateSnapshots", Fault::ErrorBefore, "Failed"),
        ("CreateSnapshots", slow(), "Unfinished"),
    ] {
        let at = "2026-11-20T03:00:00Z";
        for (config_text, event, is_repeated) in [
            (EACH_RUN_IN_TWO_REGIONS, json!({}), false),
            (EACH_RUN_IN_TWO_REGIONS, json!({ "time": at }), true),
            (EACH_RUN_IN_TWO_REGIONS, json!({ "detail-type": "ours", "time": at }), true),
            (TWO_REGIONS, json!({}), true),
            // Nothing is made.
            (EACH_RUN_IN_TWO_REGIONS, json!({ "regions": ["eu-west-1"] }), true),
        ] {
            let function = failing_in_ireland(config_text, call, fault.clone());
            let ended = function.invoke(&event, Some(200)).await;
            assert_eq!(ended.is_refused, !is_repeated, "{event}");
            match ended.answer {
                Err(retry) => assert_eq!((retry.kind, is_repeated), (kind, true), "{event}"),
                Ok(answer) => {
                    assert!(!is_repeated, "{event}: {answer}");
                    let code = if kind == "Incomplete" { 4 } else { 1 };
                    assert_eq!(answer["exit_codes"], json!([code]), "{answer}");
                    assert_eq!(ended.reports.is_empty(), kind == "Unfinished");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refused_event_is_answered_and_does_nothing() {
    let function = Function::new(with_history(), DAILY);
    let ended = function.invoke(&json!({ "dry-run": true }), None).await;
    assert!(ended.is_refused && ended.reports.is_empty());
    assert_data_eq!(
        serde_json::to_string_pretty(&ended.answer.unwrap()).unwrap(),
        str![[r#"
{
  "format": "snapkeep.refusal/1",
  "error": "the event says `dry-run`, which means nothing here; it may say dry_run, policies, regions, time",
  "exit_codes": [
    2
  ]
}
"#]]
    );
    assert_eq!(function.n_snapshots(), 12);
}

#[tokio::test]
async fn a_region_that_cannot_be_read_for_now_is_asked_again() {
    let function = Function::new(with_history(), DAILY);
    for fault in [Fault::Throttled, Fault::ErrorBefore] {
        function.sandbox().fail(Rule::next("DescribeSnapshots"), fault);
        let retry = function.retry(&json!({})).await;
        assert_eq!(retry.kind, "Incomplete");
        assert!(retry.why.starts_with("DescribeSnapshots in eu-west-1: "), "{retry}");
        assert_eq!(function.n_snapshots(), 12);
    }
    assert_eq!(outcomes(&function.answer(&json!({})).await), counts(&[("done", 6)]));
}

#[tokio::test]
async fn a_region_that_must_not_be_read_is_not_asked_again() {
    let function = Function::new(with_history(), DAILY);
    function.sandbox().fail(Rule::every("DescribeSnapshots"), Fault::Denied);
    let answer = function.answer(&json!({})).await;
    assert_eq!(answer["exit_codes"], json!([4]));
    assert_eq!(answer["plan"]["gaps"][0]["call"], "DescribeSnapshots");
}

#[tokio::test]
async fn what_failed_for_now_is_repeated_and_what_was_done_stays_done() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let points = world.history(&server, 6);
    let function = Function::new(world, DAILY);
    // As often as it is tried in one run.
    let tries = Rule::next("DeleteSnapshot").naming(&points[4][0]).times(4);
    function.sandbox().fail(tries, Fault::ErrorBefore);
    let ended = function.invoke(&json!({}), None).await;
    let retry = ended.answer.unwrap_err();
    assert_eq!(retry.kind, "Failed");
    assert!(retry.why.contains("InternalError"), "{retry}");
    assert!(ended.reports[0].outcomes.iter().any(Outcome::is_done));
    let answer = function.answer(&json!({})).await;
    assert_eq!(answer["exit_codes"], json!([0]));
    assert_eq!(function.n_snapshots(), 6);
}

#[tokio::test]
async fn what_is_not_allowed_is_answered_and_not_repeated() {
    let function = Function::new(with_history(), DAILY);
    function.sandbox().fail(Rule::every("DeleteSnapshot"), Fault::Denied);
    let answer = function.answer(&json!({})).await;
    assert_eq!(answer["exit_codes"], json!([1]));
    assert_eq!(function.n_snapshots(), 12);
}

#[tokio::test]
async fn near_its_deadline_it_begins_nothing_new_and_the_next_invocation_goes_on() {
    let world = World::new();
    // EC2 takes a hundred deletions at once, and then five a second.
    for _ in 0..6 {
        let server = world.server(&["gp3", "gp3", "gp3"]);
        world.history(&server, 60);
    }
    let function = Function::new(
        world,
        r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
limits = { max_deletes = 10000, max_delete_percent = 100 }
"#,
    );
    let begun_at = function.now();
    let ended = function.invoke(&json!({}), Some(200)).await;
    let answer = ended.answer.unwrap();
    let took = function.now() - begun_at;
    assert!(took <= TimeDelta::seconds(115), "{took}");
    let first = outcomes(&answer);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["done", "not started"]);
    assert_eq!(first["done"] + first["not started"], 57 * 18);
    assert_eq!(answer["exit_codes"], json!([1]));

    let answer = function.invoke(&json!({}), Some(900)).await.answer.unwrap();
    assert_eq!(outcomes(&answer), counts(&[("done", first["not started"])]));
    assert_eq!(answer["exit_codes"], json!([0]));
}

#[tokio::test]
async fn what_outlasts_the_deadline_is_given_up_with_an_error() {
    let function = Function::new(with_history(), DAILY);
    let slow = Fault::Slow(TimeDelta::hours(1));
    function.sandbox().fail(Rule::next("DescribeVolumes").times(2), slow);
    // A cycle that has no plan yet when nothing may be begun any more comes to nothing.
    for (event, seconds) in [(json!({}), 30), (json!({ "dry_run": true }), 57)] {
        let begun_at = function.now();
        let retry = function.invoke(&event, Some(60)).await.answer.unwrap_err();
        assert_eq!(retry.kind, "Unfinished");
        assert_eq!(function.now() - begun_at, TimeDelta::seconds(seconds));
    }
    // What was under way has no more effect, and nothing is lost.
    assert_eq!(outcomes(&function.answer(&json!({})).await), counts(&[("done", 6)]));
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_looked_for_within_the_deadline() {
    let world = World::new();
    world.server(&["gp3"]);
    let function = Function::new(world, EACH_RUN);
    function.sandbox().fail(Rule::next("CreateSnapshot"), Fault::LostReply);
    function.sandbox().fail(Rule::next("CreateSnapshots"), Fault::LostReply);
    let event = json!({ "time": "2026-11-20T03:00:00Z" });
    let answer = function.invoke(&event, Some(180)).await.answer.unwrap();
    assert_eq!(outcomes(&answer), counts(&[("found", 1)]));
    assert_eq!(function.n_snapshots(), 1);
}

#[tokio::test]
async fn deletions_over_a_limit_are_withheld_and_not_repeated() {
    let world = with_history();
    let function = Function::new(
        world,
        r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
limits = { max_deletes = 2 }
"#,
    );
    let answer = function.answer(&json!({})).await;
    assert_eq!(answer["exit_codes"], json!([3]));
    assert_eq!(answer["plan"]["summary"]["withheld"], 6);
}

#[tokio::test]
async fn each_cycle_and_each_refusal_is_counted() {
    let function = Function::new(with_history(), DAILY);
    let at = function.now();
    let counted = |ended: &Ended| {
        let lines = metrics::lines(ended, at, at + TimeDelta::seconds(3));
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let first = lines.take(1);
        first.map(|line| (line["Cycles"].clone(), line["Refused"].clone())).collect::<Vec<_>>()
    };
    let refused = function.invoke(&json!({ "dry-run": true }), None).await;
    assert_eq!(counted(&refused), [(Value::Null, json!(1))]);
    let dry_run = function.invoke(&json!({ "dry_run": true }), None).await;
    assert_eq!(counted(&dry_run), []);
    let done = function.invoke(&json!({}), None).await;
    assert_eq!(counted(&done), [(json!(1), json!(0))]);
    // A cycle that Lambda repeats was one all the same; one that came to no end was none.
    function.sandbox().fail(Rule::next("DescribeSnapshots"), Fault::ErrorBefore);
    let incomplete = function.invoke(&json!({}), None).await;
    assert!(incomplete.answer.is_err());
    assert_eq!(counted(&incomplete), [(json!(1), json!(0))]);
    let slow = Fault::Slow(TimeDelta::hours(1));
    function.sandbox().fail(Rule::next("DescribeSnapshots"), slow);
    let unfinished = function.invoke(&json!({}), Some(60)).await;
    assert_eq!(counted(&unfinished), []);
}
