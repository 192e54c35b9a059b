//! The program as a Lambda function: its process, Lambda's Runtime API, and an EC2.
//!
//! The function has the real time, so scenes are made around it.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::scene::{instance, point};
use super::{Machine, json_codes};
use crate::support::runtime_api::{Answer, RuntimeApi};

/// Servers by schedule, and others whenever an event says so. When they are due is half a day from
/// now, so that no test runs over it.
const CONFIG: &str = r#"
version = 1

[[policy]]
name = "servers"
regions = ["us-east-1", "eu-west-1"]
schedule = "0 HOUR * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "3 days" }

[[policy]]
name = "on-event"
regions = ["us-east-1"]
select = { resource = "instance", tags = { Backup = "each" } }
retention = { every = "3 days" }
"#;

/// Only servers by schedule.
const DAILY: &str = r#"
version = 1

[[policy]]
name = "servers"
regions = ["us-east-1", "eu-west-1"]
schedule = "0 HOUR * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "3 days" }
"#;

/// Makes nothing, and deletes slowly: five at once, and then one in four seconds.
const SLOW: &str = r#"
version = 1

[[policy]]
name = "servers"
regions = ["us-east-1"]
create = false
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "3 days" }

[limits]
api_share = 0.05
"#;

/// A server in each region, and one that is for events.
fn scene() -> Value {
    let mut on_event = instance(2, 1);
    on_event["tags"] = json!({ "Backup": "each" });
    json!({ "regions": {
        "us-east-1": { "instances": [instance(1, 1), on_event] },
        "eu-west-1": { "instances": [instance(3, 1)] },
    } })
}

/// A function in its process, invoked one event after the other.
struct Function {
    machine: Machine,
    api: RuntimeApi,
    process: Child,
}

impl Function {
    fn new(scene: &Value, config: &str) -> Self {
        Self::with_env(scene, config, &[])
    }

    fn with_env(scene: &Value, config: &str, more: &[(&'static str, &str)]) -> Self {
        let mut machine = Machine::new(scene, &due(config));
        // Where Lambda puts the package.
        let root = machine.home.path().display().to_string();
        machine.env.remove("SNAPKEEP_CONFIG");
        machine.env.insert("LAMBDA_TASK_ROOT", root);
        machine.env.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let api = RuntimeApi::start();
        let process = start(&machine, &api);
        Self { machine, api, process }
    }

    /// Hands out an event and waits for what is posted for it.
    fn invoke_until(&mut self, event: &str, deadline_ms: u64) -> Posted {
        let request_id = self.api.send(event, deadline_ms);
        let Some(Answer { path, body }) = self.api.answer() else {
            panic!("no answer to {event}; the process: {:?}", self.process.try_wait());
        };
        let (id, what) = path.split_once('/').unwrap();
        assert_eq!(id, request_id);
        match what {
            "response" => Posted::Response(body),
            "error" => Posted::Error(body),
            other => panic!("{other}: {body}"),
        }
    }

    /// The same with ten minutes left.
    fn invoke(&mut self, event: &Value) -> Posted {
        self.invoke_until(&event.to_string(), epoch_ms(now() + TimeDelta::minutes(10)))
    }

    /// Kills the process; returns what it wrote to stdout and stderr.
    fn end(mut self) -> (String, String) {
        self.process.kill().unwrap();
        let mut texts = (String::new(), String::new());
        self.process.stdout.take().unwrap().read_to_string(&mut texts.0).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut texts.1).unwrap();
        texts
    }

    fn n_snapshots(&self) -> (usize, usize) {
        let n = |region| self.machine.snapshots(region).len();
        (n("us-east-1"), n("eu-west-1"))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(machine: &Machine, api: &RuntimeApi) -> Child {
    let bootstrap = machine.path("bootstrap");
    if !bootstrap.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_snapkeep"), &bootstrap).unwrap();
    }
    let mut command = Command::new(bootstrap);
    command.env_clear().envs(&machine.env).envs(api.env()).current_dir(machine.home.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What was posted for an event.
#[derive(Debug)]
enum Posted {
    Response(Value),
    Error(Value),
}

impl Posted {
    #[track_caller]
    fn response(self) -> Value {
        match self {
            Self::Response(body) => body,
            Self::Error(body) => panic!("{body}"),
        }
    }

    #[track_caller]
    fn error(self) -> (String, String) {
        let Self::Error(body) = self else { panic!("{self:?}") };
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        (text("errorType"), text("errorMessage"))
    }

    /// Returns in one line what an answer says.
    #[track_caller]
    fn told(self) -> String {
        let answer = self.response();
        let codes = json_codes(&answer);
        let format = answer["format"].as_str().unwrap();
        let said = match format {
            "snapkeep.refusal/1" => answer["error"].as_str().unwrap().to_owned(),
            "snapkeep.plan/1" => {
                let actions = answer["actions"].as_array().unwrap().iter();
                actions
                    .map(|a| format!("{} {}", a["op"], a["region"]))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            _ => {
                let actions = answer["plan"]["actions"].as_array().unwrap().iter();
                let ended = actions.zip(answer["outcomes"].as_array().unwrap());
                let ended = ended.map(|(a, o)| {
                    format!("{} {} {} {}", a["op"], a["policy"], a["region"], o["outcome"])
                });
                ended.collect::<Vec<_>>().join(", ")
            }
        };
        let said = if said.is_empty() { "-".to_owned() } else { said.replace('"', "") };
        format!("{format} {codes:?} {said}\n")
    }
}

#[expect(clippy::disallowed_methods, reason = "the function has the real time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Returns a configuration whose schedules are due half a day from now.
fn due(config: &str) -> String {
    let hour = (now().hour() + 12) % 24;
    config.replace("HOUR", &hour.to_string())
}

fn epoch_ms(at: DateTime<Utc>) -> u64 {
    at.timestamp_millis().try_into().unwrap()
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[test]
fn each_shape_of_an_event_is_understood() {
    let mut function = Function::new(&scene(), CONFIG);
    let at = text(now() - TimeDelta::minutes(2));
    let scheduled = json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": at,
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/hourly"],
        "detail": {},
    });
    let mut envelope = scheduled.clone();
    envelope["detail-type"] = json!("backup now");
    envelope["detail"] = json!({ "dry_run": true, "policies": ["on-event"], "time": at });
    let events = [
        json!({ "dry_run": true, "time": at }),
        json!({ "policies": ["servers"], "regions": ["us-east-1"] }),
        json!({ "policies": ["servers"] }),
        envelope,
        json!({ "time": at }),
        json!({ "time": at }),
        scheduled,
        json!({ "time": text(now() + TimeDelta::hours(1)) }),
        json!({ "policies": ["serfers"] }),
        json!({ "dry_run": "yes" }),
        json!("run"),
    ];
    let mut told: String = events.iter().map(|event| function.invoke(event).told()).collect();
    // Lambda itself only takes JSON; emulators take anything.
    told.push_str(&function.invoke_until("run!", epoch_ms(now())).told());
    assert_data_eq!(
        told,
        str![[r#"
snapkeep.plan/1 [0] CreateSnapshots eu-west-1, CreateSnapshots us-east-1, CreateSnapshots us-east-1
snapkeep.run/1 [0] CreateSnapshots servers us-east-1 done
snapkeep.run/1 [0] CreateSnapshots servers eu-west-1 done
snapkeep.plan/1 [0] CreateSnapshots us-east-1
snapkeep.run/1 [0] CreateSnapshots on-event us-east-1 done
snapkeep.run/1 [0] -
snapkeep.run/1 [0] -
snapkeep.refusal/1 [2] `time` in the event is [..]Z, which has not come yet: it is [..]Z
snapkeep.refusal/1 [2] the event names what is not there: no policy is called `serfers`; the configuration has servers, on-event
snapkeep.refusal/1 [2] `dry_run` in the event must be true or false; it is `yes`
snapkeep.refusal/1 [2] the event must be an object such as {dry_run: true}, or empty; it is `run`
snapkeep.refusal/1 [2] the event is no JSON: expected value at line 1 column 1

"#]]
    );
    assert_eq!(function.n_snapshots(), (2, 1));
}

#[test]
fn an_empty_event_with_a_deadline_that_is_none_runs_what_is_due() {
    let mut function = Function::new(&scene(), DAILY);
    // cargo-lambda's emulator sends such a deadline.
    let told: String =
        ["{}", "null", ""].map(|event| function.invoke_until(event, 600_000).told()).concat();
    assert_data_eq!(
        told,
        str![[r#"
snapkeep.run/1 [0] CreateSnapshots servers eu-west-1 done, CreateSnapshots servers us-east-1 done
snapkeep.run/1 [0] -
snapkeep.run/1 [0] -

"#]]
    );
    assert_eq!(function.n_snapshots(), (1, 1));
}

#[test]
fn near_the_deadline_it_reports_what_is_left_and_the_next_invocation_does_it() {
    let today = now().date_naive();
    let days = |range: std::ops::RangeInclusive<i64>| range.map(|n| today - TimeDelta::days(n));
    let snapshots: Vec<Value> =
        days(1..=17).flat_map(|day| point("us-east-1", 1, 1, day)).collect();
    let scene = json!({ "regions": {
        "us-east-1": { "instances": [instance(1, 1)], "snapshots": snapshots },
    } });
    let mut function = Function::new(&scene, SLOW);
    let left = |answer: &Value| {
        let outcomes = answer["outcomes"].as_array().unwrap();
        outcomes.iter().filter(|outcome| outcome["outcome"] == "not started").count()
    };
    let deadline = epoch_ms(now() + TimeDelta::seconds(20));
    let answer = function.invoke_until("{}", deadline).response();
    let n_left = left(&answer);
    assert!(5 < n_left, "{answer}");
    assert_eq!(json_codes(&answer), [1]);
    let n_after = function.n_snapshots().0;

    assert!(n_after <= 17);

    let answer = function.invoke(&json!({})).response();
    assert_eq!((left(&answer), json_codes(&answer)), (0, vec![0]));
    assert_eq!(answer["outcomes"].as_array().unwrap().len(), n_left);
    assert_eq!(function.n_snapshots().0, n_after - n_left);
}

#[test]
fn a_region_that_is_down_is_an_error_that_lambda_repeats() {
    let mut scene = scene();
    // The SDK tries three times.
    scene["refuse"] = json!([{
        "region": "us-east-1", "action": "DescribeSnapshots", "code": "InternalError", "times": 3,
    }]);
    let mut function = Function::new(&scene, DAILY);
    let (kind, why) = function.invoke(&json!({})).error();
    assert_eq!(kind, "Incomplete");
    assert!(why.starts_with("DescribeSnapshots in us-east-1: InternalError"), "{why}");
    // The other region was done all the same.
    assert_eq!(function.n_snapshots(), (0, 1));
    assert_eq!(json_codes(&function.invoke(&json!({})).response()), [0]);
    assert_eq!(function.n_snapshots(), (1, 1));
}

#[test]
fn people_are_told_of_a_failure_once_and_of_the_recovery() {
    let mut scene = scene();
    scene["refuse"] = json!([{
        "region": "eu-west-1", "action": "DescribeVolumes", "code": "UnauthorizedOperation",
        "times": 2,
    }]);
    scene["regions"]["us-west-2"] = json!({ "topics": ["snapkeep"] });
    let topic = "\n[notify.sns]\ntopic = \"arn:aws:sns:us-west-2:123456789012:snapkeep\"\n";
    let mut function = Function::new(&scene, &format!("{DAILY}{topic}"));
    for codes in [[4], [4], [0], [0]] {
        assert_eq!(json_codes(&function.invoke(&json!({})).response()), codes);
    }
    assert_eq!(
        function.machine.asked("us-west-2", "Publish", "Subject"),
        [
            "snapkeep failure: DescribeVolumes in eu-west-1 not read (123456789012)",
            "snapkeep recovery: all is well again (123456789012)",
        ]
    );
}

#[test]
fn with_a_clock_that_is_off_the_function_deletes_nothing() {
    let mut scene = scene();
    let now = now();
    let old = point("us-east-1", 1, 1, (now - TimeDelta::days(30)).date_naive());
    let recent = point("us-east-1", 1, 1, (now - TimeDelta::days(1)).date_naive());
    scene["regions"]["us-east-1"]["snapshots"] = json!([old, recent].concat());
    scene["clock_ahead_seconds"] = json!(600);
    let mut function = Function::new(&scene, DAILY);
    let answer = function.invoke(&json!({})).response();
    assert!(answer.to_string().contains("EC2's: nothing is deleted"), "{answer:#}");
    assert!(!function.machine.n_calls().keys().any(|call| call.ends_with("DeleteSnapshot")));
}

#[test]
fn a_missing_right_is_an_answer() {
    let mut scene = scene();
    scene["refuse"] = json!([{
        "region": "us-east-1", "action": "DescribeSnapshots", "code": "UnauthorizedOperation",
    }]);
    let mut function = Function::new(&scene, DAILY);
    let answer = function.invoke(&json!({})).response();
    assert_eq!((json_codes(&answer), function.machine.snapshots("eu-west-1").len()), (vec![4], 1));
}

#[test]
fn missing_credentials_are_an_error_that_lambda_repeats() {
    let empty = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let mut function = Function::with_env(&scene(), DAILY, &empty);
    let (kind, why) = function.invoke(&json!({})).error();
    assert_eq!(kind, "Incomplete");
    assert!(why.contains("NoCredentials") && why.contains("more"), "{why}");
}

#[test]
fn a_function_that_is_killed_goes_on_where_it_was() {
    let mut scene = scene();
    scene["lose"] = json!([
        { "region": "us-east-1", "action": "CreateSnapshots", "how": "hang", "times": 1 },
    ]);
    let mut function = Function::new(&scene, CONFIG);
    let event = json!({ "policies": ["on-event"], "time": text(now() - TimeDelta::minutes(1)) });
    function.api.send(&event.to_string(), epoch_ms(now() + TimeDelta::minutes(10)));
    for _ in 0..600 {
        if function.n_snapshots().0 == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(function.n_snapshots().0, 1);
    function.process.kill().unwrap();
    function.process.wait().unwrap();

    // Lambda starts another environment and repeats the event.
    function.api = RuntimeApi::start();
    function.process = start(&function.machine, &function.api);
    let answer = function.invoke(&event).response();
    assert_eq!((json_codes(&answer), &answer["outcomes"]), (vec![0], &json!([])));
    assert_eq!(function.n_snapshots().0, 1);
}

#[test]
fn a_configuration_that_is_wrong_is_an_answer_to_each_event() {
    let mut function = Function::new(&scene(), "version = 1\npolice = []\n");
    for _ in 0..2 {
        let answer = function.invoke(&json!({})).response();
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("snapkeep.toml:2") && error.contains("police"), "{error}");
        assert_eq!(json_codes(&answer), [2]);
    }
    // And so is none.
    let mut function = Function::new(&scene(), DAILY);
    fs::remove_file(function.machine.path("snapkeep.toml")).unwrap();
    drop(function.process.kill());
    function.api = RuntimeApi::start();
    function.process = start(&function.machine, &function.api);
    let error = function.invoke(&json!({})).response()["error"].to_string();
    assert!(error.contains("cannot read") && error.contains("snapkeep.toml"), "{error}");
    let more = [("SNAPKEEP_CONFIG_TOML", "version = 1"), ("SNAPKEEP_CONFIG_PARAMETER", "/x")];
    let mut function = Function::with_env(&scene(), DAILY, &more);
    let error = function.invoke(&json!({})).response()["error"].to_string();
    assert!(error.contains("only one of"), "{error}");
}

#[test]
fn the_configuration_may_be_a_variable_or_a_parameter() {
    let daily = due(DAILY);
    let more = [("SNAPKEEP_CONFIG_TOML", daily.as_str())];
    let mut function = Function::with_env(&scene(), "not read", &more);
    assert_eq!(json_codes(&function.invoke(&json!({})).response()), [0]);
    assert_eq!(function.n_snapshots(), (1, 1));

    let name = "arn:aws:ssm:eu-west-1:123456789012:parameter/snapkeep/main";
    let more = [("SNAPKEEP_CONFIG_PARAMETER", name)];
    let mut function = Function::with_env(&scene(), "not read", &more);
    // It is not there yet, which only a person can change.
    let answer = function.invoke(&json!({})).response();
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("GetParameter in eu-west-1: ParameterNotFound"), "{error}");
    assert_eq!(json_codes(&answer), [2]);
    function.machine.moto.put_parameter("eu-west-1", "/snapkeep/main", &daily);
    assert_eq!(json_codes(&function.invoke(&json!({})).response()), [0]);
    assert_eq!(function.n_snapshots(), (1, 1));
    let asked = function.machine.asked("eu-west-1", "GetParameter", "WithDecryption");
    assert!(asked.iter().all(|decrypted| decrypted == "True"), "{asked:?}");
}

#[test]
fn a_parameter_that_cannot_be_read_for_now_is_an_error_that_lambda_repeats() {
    let mut scene = scene();
    scene["refuse"] = json!([{
        "region": "us-east-1", "action": "GetParameter", "code": "ThrottlingException",
    }]);
    let more = [("SNAPKEEP_CONFIG_PARAMETER", "/snapkeep/main")];
    let mut function = Function::with_env(&scene, "not read", &more);
    let (kind, why) = function.invoke(&json!({})).error();
    assert_eq!(kind, "Configuration");
    assert!(why.contains("`/snapkeep/main`") && why.contains("ThrottlingException"), "{why}");
}

#[test]
fn logs_are_json_with_the_id_of_the_invocation() {
    let mut function = Function::with_env(&scene(), DAILY, &[("SNAPKEEP_LOG_LEVEL", "info")]);
    function.invoke(&json!({})).response();
    function.invoke(&json!({ "dry-run": true })).response();
    let (stdout, stderr) = function.end();
    assert_metrics(&stdout);
    let lines: Vec<Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| {
        let of = lines.iter().filter(|line| line["span"]["request_id"] == id);
        of.map(|line| format!("{} {}", line["level"], line["message"])).collect::<Vec<_>>()
    };
    let first = of("request-1");
    assert_eq!(first.iter().filter(|line| line.contains("action ended")).count(), 2, "{stderr}");
    assert!(first.contains(&"\"INFO\" \"cycle ended\"".to_owned()), "{stderr}");
    let second = of("request-2");
    assert!(second[0].starts_with("\"ERROR\" \"the event says `dry-run`"), "{stderr}");
    assert_eq!(second.len(), 1);
}

/// Of a cycle, of what the cycle did in each of two regions, and of a refusal.
#[track_caller]
fn assert_metrics(stdout: &str) {
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["_aws"]["CloudWatchMetrics"].is_array()), "{stdout}");
    let of_cycle = &lines[0];
    let counted = ["Cycles", "ActionsDone", "Failed", "Refused"].map(|name| &of_cycle[name]);
    assert_eq!(counted, [&json!(1), &json!(2), &json!(0), &json!(0)], "{stdout}");
    assert!(lines[1..].iter().any(|line| line["Region"] == "eu-west-1"), "{stdout}");
    let refusal = lines.last().unwrap();
    assert_eq!((&refusal["Refused"], &refusal["Cycles"]), (&json!(1), &Value::Null));
}

#[test]
fn a_command_is_a_command_there_too_and_half_an_environment_is_said() {
    let machine = Machine::new(&json!({}), &due(DAILY));
    let api = RuntimeApi::start();
    let mut command = machine.command("check");
    let output = command.envs(api.env()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut command = machine.command("");
    let output = command.env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("AWS_LAMBDA_FUNCTION_NAME is not"), "{stderr}");
}
