//! From an event to what is asked of a cycle. Pure: reads no clock, and no event makes it panic.
//!
//! An event is what EventBridge Scheduler hands over as typed, an EventBridge envelope with that in
//! `detail`, or empty. What it says is never guessed at: `dry-run` for `dry_run` would delete.

use chrono::{DateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::domain::region::Region;
use crate::report::text::printable;
use crate::run::scope::request;
use crate::run::{Request, ScopeError};

/// How far the scheduler's clock may be ahead of ours.
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(1);
/// What an event may say.
const KEYS: [&str; 4] = ["dry_run", "policies", "regions", "time"];
/// What an envelope is told by; a custom event may have any `detail-type`.
const DETAIL_TYPE: &str = "detail-type";
/// What would be meant for us, but is not read beside [`DETAIL_TYPE`]; `time` is the envelope's own.
const KEYS_OF_DETAIL: [&str; 3] = ["dry_run", "policies", "regions"];
/// How much of an event is quoted in an error.
const QUOTED_CHARS_MAX: usize = 80;

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Only a plan is wanted.
    pub dry_run: bool,
    /// Which cycle.
    pub request: Request,
    /// Whether the event says which slot it is for. If not, its repetition is another slot.
    pub names_slot: bool,
}

/// An event asks for something that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no object.
    #[error("the event must be an object such as {{\"dry_run\": true}}, or empty; it is `{0}`")]
    Shape(String),
    /// It says something unknown.
    #[error("the event says `{key}`, which means nothing here; it may say {}", KEYS.join(", "))]
    Key {
        /// What it says.
        key: String,
    },
    /// It says something beside the envelope that belongs into it.
    #[error("the event has a `{DETAIL_TYPE}`, so `{key}` must be in its `detail`, not beside it")]
    Outside {
        /// What it says.
        key: &'static str,
    },
    /// It says something of another type.
    #[error("`{key}` in the event must be {expected}; it is `{found}`")]
    Type {
        /// Which key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// It names what the configuration does not have.
    #[error("the event names what is not there: {0}")]
    Scope(#[from] ScopeError),
    /// It names a slot that has not come yet.
    #[error(
        "`time` in the event is {}, which has not come yet: it is {}",
        text(*time),
        text(*now)
    )]
    Future {
        /// What it says.
        time: DateTime<Utc>,
        /// The present instant.
        now: DateTime<Utc>,
    },
}

/// Returns what `event` asks for at `now`.
///
/// Its `time`, or else its envelope's, only names the slot of policies without a schedule.
/// EventBridge repeats an event with the same one, which then is the same slot. Everything is judged
/// at `now`.
///
/// # Errors
///
/// The first thing in the event that is wrong.
pub fn request_of(event: &Value, config: &Config, now: DateTime<Utc>) -> Result<Asked, EventError> {
    let (said, happened_at) = opened(event)?;
    let said = Said::of(said.unwrap_or(&Map::new()))?;
    let base = request(config, &said.policies, &said.regions, now)?;
    let slot = said.time.or(happened_at);
    let request = match slot {
        Some(time) if now + CLOCK_SKEW_MAX < time => {
            return Err(EventError::Future { time, now });
        }
        // Slots stand in tags by the second.
        Some(time) => Request { run_slot: time.trunc_subsecs(0), ..base },
        None => base,
    };
    Ok(Asked { dry_run: said.dry_run, request, names_slot: slot.is_some() })
}

type Opened<'e> = (Option<&'e Map<String, Value>>, Option<DateTime<Utc>>);

/// Returns what is in the envelope, if there is one, and when EventBridge says it happened or was
/// due: every repetition says the same.
fn opened(event: &Value) -> Result<Opened<'_>, EventError> {
    let object = match event {
        Value::Null => return Ok((None, None)),
        Value::Object(object) => object,
        other => return Err(EventError::Shape(quoted(other))),
    };
    if !object.contains_key(DETAIL_TYPE) {
        return Ok((Some(object), None));
    }
    if let Some(key) = KEYS_OF_DETAIL.into_iter().find(|key| object.contains_key(*key)) {
        return Err(EventError::Outside { key });
    }
    let happened_at = object.get("time").map(|time| instant("time", time)).transpose()?;
    match object.get("detail") {
        None | Some(Value::Null) => Ok((None, happened_at)),
        Some(Value::Object(detail)) => Ok((Some(detail), happened_at)),
        // EventBridge Scheduler without an input sends the object as text.
        Some(Value::String(text)) if text.trim() == "{}" => Ok((None, happened_at)),
        Some(other) => Err(EventError::Shape(quoted(other))),
    }
}

/// An event as typed.
#[derive(Default)]
struct Said {
    dry_run: bool,
    policies: Vec<String>,
    regions: Vec<Region>,
    time: Option<DateTime<Utc>>,
}

impl Said {
    fn of(object: &Map<String, Value>) -> Result<Self, EventError> {
        let mut said = Self::default();
        for (key, value) in object {
            match key.as_str() {
                "dry_run" => {
                    let wrong = || wrong("dry_run", "true or false", value);
                    said.dry_run = value.as_bool().ok_or_else(wrong)?;
                }
                "policies" => {
                    let expected = "a list of names of policies, such as [\"servers\"]";
                    said.policies = names("policies", expected, value)?;
                }
                "regions" => {
                    let expected = "a list of regions, such as [\"eu-west-1\"]";
                    let names = names("regions", expected, value)?;
                    let regions = names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
                    said.regions = regions.map_err(|_| wrong("regions", expected, value))?;
                }
                "time" => said.time = Some(instant("time", value)?),
                unknown => return Err(EventError::Key { key: printed(unknown) }),
            }
        }
        Ok(said)
    }
}

fn names(
    key: &'static str,
    expected: &'static str,
    value: &Value,
) -> Result<Vec<String>, EventError> {
    let items = value.as_array().ok_or_else(|| wrong(key, expected, value))?;
    let names = items.iter().map(|item| item.as_str().map(str::to_owned));
    names.collect::<Option<_>>().ok_or_else(|| wrong(key, expected, value))
}

fn instant(key: &'static str, value: &Value) -> Result<DateTime<Utc>, EventError> {
    let at = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let at = at.ok_or_else(|| {
        let expected = "an instant such as \"2026-11-20T03:00:00Z\" \
                        (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only)";
        wrong(key, expected, value)
    })?;
    Ok(at.with_timezone(&Utc))
}

fn wrong(key: &'static str, expected: &'static str, found: &Value) -> EventError {
    EventError::Type { key, expected, found: quoted(found) }
}

fn quoted(value: &Value) -> String {
    printed(&value.to_string())
}

/// Shortens what somebody else wrote, and keeps it on one line.
fn printed(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short).into_owned()
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
