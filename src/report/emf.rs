//! Metrics of one invocation in CloudWatch's embedded metric format: lines of JSON in a log, of which
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

/// What an invocation came to.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'c> {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The cycle of each account; none if it came to none.
    pub cycles: &'c [Cycle<'c>],
    /// Whether it was for some policies or regions only.
    pub is_partial: bool,
    /// Whether its event or configuration was refused.
    pub is_refused: bool,
}

/// What belongs to one policy and region, to one account, or to everything.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    n_done: u64,
    n_failed: u64,
    n_waiting: u64,
    n_unprotected: u64,
    oldest_newest: Option<DateTime<Utc>>,
}

/// What is said of cycles as a whole only.
#[derive(Debug, Clone, Copy, Default)]
struct Whole {
    n_cycles: u64,
    n_failed: u64,
    n_refused: u64,
    n_gaps: u64,
    part: Part,
}

/// Parts by policy and region.
type Parts<'c> = BTreeMap<(&'c str, Region), Part>;

/// Returns one object a line: one without dimensions for the invocation, then for each account with
/// a name one, and for each account one for each policy and region.
///
/// Alarms look at the first: it sums up all accounts, so that none of them hides another. What is
/// said of everything, or of an account, is not said by an invocation for a part of it; but what was
/// refused is.
pub fn lines(invocation: &Invocation<'_>) -> String {
    let Invocation { ended_at, cycles, is_partial, is_refused } = *invocation;
    let mut all = Whole { n_refused: u64::from(is_refused), ..Whole::default() };
    let mut objects = Vec::new();
    for cycle in cycles {
        let account = cycle.plan.account_name.as_deref().map(|name| ("Account", dimension(name)));
        let parts = parts(cycle);
        let whole = Whole::of(cycle, &parts);
        all = all.and(whole);
        if !is_partial && let Some(account) = &account {
            objects.push(object(ended_at, std::slice::from_ref(account), &whole.metrics(ended_at)));
        }
        for ((policy, region), part) in parts {
            let place = [("Policy", dimension(policy)), ("Region", region.to_string())];
            let dimensions: Vec<_> = account.clone().into_iter().chain(place).collect();
            objects.push(object(ended_at, &dimensions, &part.metrics(ended_at)));
        }
    }
    let metrics = if is_partial || cycles.is_empty() {
        let refused = (0 < all.n_refused).then_some(("Refused", "Count", all.n_refused));
        refused.into_iter().collect()
    } else {
        all.metrics(ended_at)
    };
    if !metrics.is_empty() {
        objects.insert(0, object(ended_at, &[], &metrics));
    }
    objects.concat()
}

fn parts<'c>(cycle: &Cycle<'c>) -> Parts<'c> {
    let plan = cycle.plan;
    let mut parts = Parts::new();
    for protection in &plan.protection {
        let part = parts.entry((&*protection.policy, protection.region)).or_default();
        part.n_unprotected += u64::from(protection.state.is_unprotected());
        part.oldest_newest = oldest(part.oldest_newest, protection.newest);
    }
    for waiting in &plan.waiting {
        parts.entry((&*waiting.policy, waiting.region)).or_default().n_waiting += 1;
    }
    for (action, outcome) in plan.actions.iter().zip(cycle.outcomes) {
        let part = parts.entry((&*action.policy, action.region)).or_default();
        part.n_done += u64::from(outcome.is_done());
        part.n_failed += u64::from(matches!(outcome, Outcome::Failed(_)));
    }
    parts
}

fn oldest(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    [one, other].into_iter().flatten().min()
}

impl Whole {
    fn of(cycle: &Cycle<'_>, parts: &Parts<'_>) -> Self {
        let is_refused = cycle.plan.notes.iter().any(|note| note.severity == Severity::Fatal);
        Self {
            n_cycles: 1,
            n_failed: u64::from(cycle.exit_code == ExitCode::Failed),
            n_refused: u64::from(is_refused),
            n_gaps: cycle.plan.gaps.len() as u64,
            part: parts.values().copied().fold(Part::default(), Part::and),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            n_cycles: self.n_cycles + other.n_cycles,
            n_failed: self.n_failed + other.n_failed,
            n_refused: self.n_refused + other.n_refused,
            n_gaps: self.n_gaps + other.n_gaps,
            part: self.part.and(other.part),
        }
    }

    fn metrics(&self, now: DateTime<Utc>) -> Vec<Metric> {
        let mut metrics = vec![
            ("Cycles", "Count", self.n_cycles),
            ("Failed", "Count", self.n_failed),
            ("Refused", "Count", self.n_refused),
            ("Gaps", "Count", self.n_gaps),
        ];
        metrics.extend(self.part.metrics(now));
        metrics
    }
}

impl Part {
    fn and(self, other: Self) -> Self {
        Self {
            n_done: self.n_done + other.n_done,
            n_failed: self.n_failed + other.n_failed,
            n_waiting: self.n_waiting + other.n_waiting,
            n_unprotected: self.n_unprotected + other.n_unprotected,
            oldest_newest: oldest(self.oldest_newest, other.oldest_newest),
        }
    }

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

/// Returns one object, as one line with its end.
fn object(at: DateTime<Utc>, dimensions: &[(&str, String)], metrics: &[Metric]) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [names],
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
    format!("{}\n", Value::Object(object))
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
