//! Metrics of one cycle in CloudWatch's embedded metric format: lines of JSON in a log, of which
//! CloudWatch makes metrics by itself.
//!
//! The specification allows 100 metrics and 30 dimensions an object; here there are fewer than ten.
//! Values are plain numbers, and dimensions are printable ASCII.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::region::Region;
use crate::execute::Outcome;
use crate::plan::Severity;
use crate::report::ExitCode;
use crate::report::metrics::Cycle;

const NAMESPACE: &str = "snapkeep";
/// CloudWatch takes so many characters as the value of a dimension.
const DIMENSION_CHARS_MAX: usize = 1024;

/// A metric: its name, its unit in CloudWatch's words, its value.
type Metric = (&'static str, &'static str, u64);

/// What belongs to one policy and region, or to everything.
#[derive(Debug, Default)]
struct Part {
    n_done: u64,
    n_failed: u64,
    n_waiting: u64,
    n_unprotected: u64,
    oldest_newest: Option<DateTime<Utc>>,
}

/// Parts by policy and region; none is everything.
type Parts<'c> = BTreeMap<Option<(&'c str, Region)>, Part>;

/// Returns one object a line: one for the cycle, then one for each policy and region.
pub fn lines(cycle: &Cycle<'_>) -> String {
    let mut out = String::new();
    let account = cycle.plan.account_name.as_deref().map(|name| ("Account", dimension(name)));
    for (place, part) in parts(cycle) {
        let (own, mut metrics) = match place {
            Some((policy, region)) => {
                (vec![("Policy", dimension(policy)), ("Region", region.to_string())], Vec::new())
            }
            None => (Vec::new(), of_cycle(cycle)),
        };
        let dimensions: Vec<_> = account.clone().into_iter().chain(own).collect();
        metrics.extend(part.metrics(cycle.ended_at));
        out.push_str(&object(cycle.ended_at, &dimensions, &metrics));
        out.push('\n');
    }
    out
}

/// Returns one line for an invocation that was refused before any cycle: its event or its
/// configuration is wrong.
pub fn refused(at: DateTime<Utc>) -> String {
    format!("{}\n", object(at, &[], &[("Refused", "Count", 1)]))
}

/// Returns what is said of a cycle as a whole only.
fn of_cycle(cycle: &Cycle<'_>) -> Vec<Metric> {
    let is_refused = cycle.plan.notes.iter().any(|note| note.severity == Severity::Fatal);
    vec![
        ("Cycles", "Count", 1),
        ("Failed", "Count", u64::from(cycle.exit_code == ExitCode::Failed)),
        ("Refused", "Count", u64::from(is_refused)),
        ("Gaps", "Count", cycle.plan.gaps.len() as u64),
    ]
}

fn parts<'c>(cycle: &Cycle<'c>) -> Parts<'c> {
    let plan = cycle.plan;
    // What is always there makes a metric without holes.
    let mut parts = Parts::from([(None, Part::default())]);
    let mut both = |policy: &'c str, region: Region, change: &dyn Fn(&mut Part)| {
        change(parts.entry(None).or_default());
        change(parts.entry(Some((policy, region))).or_default());
    };
    for protection in &plan.protection {
        both(&protection.policy, protection.region, &|part| {
            part.n_unprotected += u64::from(protection.state.is_unprotected());
            let newest = [part.oldest_newest, protection.newest];
            part.oldest_newest = newest.into_iter().flatten().min();
        });
    }
    for waiting in &plan.waiting {
        both(&waiting.policy, waiting.region, &|part| part.n_waiting += 1);
    }
    for (action, outcome) in plan.actions.iter().zip(cycle.outcomes) {
        both(&action.policy, action.region, &|part| {
            part.n_done += u64::from(outcome.is_done());
            part.n_failed += u64::from(matches!(outcome, Outcome::Failed(_)));
        });
    }
    parts
}

impl Part {
    fn metrics(&self, now: DateTime<Utc>) -> Vec<Metric> {
        let mut metrics = vec![
            ("ActionsDone", "Count", self.n_done),
            ("ActionsFailed", "Count", self.n_failed),
            ("Waiting", "Count", self.n_waiting),
            ("Unprotected", "Count", self.n_unprotected),
        ];
        let age = self.oldest_newest.map(|newest| (now - newest).num_seconds());
        // A point of the future is as new as can be.
        let age = age.map(|seconds| u64::try_from(seconds).unwrap_or_default());
        metrics.extend(age.map(|age| ("NewestPointAgeSeconds", "Seconds", age)));
        metrics
    }
}

/// Returns one object, as one line.
fn object(at: DateTime<Utc>, dimensions: &[(&str, String)], metrics: &[Metric]) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    // What is said of accounts adds up to what is said of everything: alarms look at that.
    let mut sets = vec![names.clone()];
    if names == ["Account"] {
        sets.push(Vec::new());
    }
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": sets,
                "Metrics": definitions,
            }],
        }),
    );
    for (name, value) in dimensions {
        object.insert((*name).to_owned(), value.as_str().into());
    }
    for (name, _, value) in metrics {
        object.insert((*name).to_owned(), (*value).into());
    }
    Value::Object(object).to_string()
}

/// Returns `text`, which is not blank, as the value of a dimension: ASCII without control characters.
fn dimension(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let escape = |c: char| {
        if is_plain(c) { c.to_string() } else { c.escape_unicode().to_string() }
    };
    let mut escaped: String = text.chars().map(escape).collect();
    // All of it is ASCII.
    escaped.truncate(DIMENSION_CHARS_MAX);
    escaped
}
