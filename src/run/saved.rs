//! Saved plans: what `plan --out FILE` wrote, read again.
//!
//! A file only selects: nothing is ever done with what it says but to compare it. What cannot be
//! such a plan is refused with what it may be instead.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::span::Span;
use crate::plan::reason::minute;

/// The format of one plan, which is all that is read.
const PLAN: &str = "snapkeep.plan/1";
/// The format of the plans of several accounts.
const PLANS: &str = "snapkeep.plans/1";

/// A saved plan of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPlan {
    /// Its instant of judgement.
    pub now: DateTime<Utc>,
    /// The account that it was made for, where that was known.
    pub account: Option<String>,
    /// What its configuration called the account.
    pub account_name: Option<String>,
    /// The digest of its configuration.
    pub config_digest: String,
    /// Its actions.
    pub actions: Vec<SavedAction>,
    /// The ids of deletions that a limit withheld.
    pub withheld: HashSet<String>,
}

/// An action of a saved plan.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAction {
    /// Its id.
    pub id: String,
    /// All of it, as the file has it.
    pub value: Value,
}

/// A file is no saved plan, or none that is applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is something else.
    #[error("is no saved plan: {0}; `snapkeep plan --out FILE` saves one")]
    Other(String),
    /// It breaks off, or is damaged.
    #[error("is damaged: {0}; plan again with `snapkeep plan --out FILE`")]
    Damaged(String),
    /// It is a plan, but not to be carried out.
    #[error("{0}")]
    Refused(String),
}

/// What stands in the file, as far as it is needed. What is kept, waits or was noted is passed over.
#[derive(Deserialize)]
struct Document {
    format: Option<Value>,
    now: Option<DateTime<Utc>>,
    account: Option<String>,
    account_name: Option<String>,
    config_digest: Option<String>,
    actions: Option<Vec<Value>>,
    #[serde(default)]
    withheld: Vec<WithheldDocument>,
    #[serde(default)]
    notes: Vec<NoteDocument>,
    left_out: Option<LeftOutDocument>,
    plans: Option<Vec<Document>>,
}

#[derive(Deserialize)]
struct WithheldDocument {
    action: Value,
}

#[derive(Deserialize)]
struct NoteDocument {
    severity: String,
    message: String,
}

#[derive(Deserialize)]
struct LeftOutDocument {
    actions: usize,
}

/// Reads a saved plan, or those of several accounts.
pub fn read(source: impl Read) -> Result<Vec<SavedPlan>, SavedError> {
    let mut reader = BufReader::new(source);
    if let Some(what) = not_json(reader.fill_buf()?) {
        return Err(SavedError::Other(what.to_owned()));
    }
    let document: Document = serde_json::from_reader(reader).map_err(|err| {
        if err.is_io() { SavedError::Io(err.into()) } else { SavedError::Damaged(err.to_string()) }
    })?;
    let documents = match (format(&document)?, document.plans) {
        (PLANS, Some(plans)) => plans,
        (PLANS, None) => return Err(SavedError::Damaged("it has no `plans`".to_owned())),
        (_, plans) => vec![Document { plans, ..document }],
    };
    let mut names = HashSet::new();
    let mut plans = Vec::with_capacity(documents.len());
    for document in documents {
        let plan = SavedPlan::of(document)?;
        if !names.insert(plan.account_name.clone()) {
            let name = plan.account_name.as_deref().unwrap_or("self");
            return Err(SavedError::Damaged(format!("account `{name}` stands in it twice")));
        }
        plans.push(plan);
    }
    if plans.is_empty() {
        return Err(SavedError::Damaged("it has no plans".to_owned()));
    }
    Ok(plans)
}

/// Returns what a file seems to be that begins so and is no JSON object.
fn not_json(begin: &[u8]) -> Option<&'static str> {
    if begin.starts_with(&[0xff, 0xfe]) || begin.starts_with(&[0xfe, 0xff]) {
        return Some("it is UTF-16, as some shells write it");
    }
    if begin.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Some("it begins with a byte order mark, which some editor put there");
    }
    let begin = begin.trim_ascii_start();
    if begin.starts_with(b"Plan for ") {
        return Some("it is a plan as text");
    }
    match begin.first() {
        Some(b'{') => None,
        None => Some("it is empty"),
        Some(_) => Some("it is no JSON object"),
    }
}

/// Returns the format of a document that can be read.
fn format(document: &Document) -> Result<&'static str, SavedError> {
    let other = |text: String| Err(SavedError::Other(text));
    match &document.format {
        None => other("it has no `format`".to_owned()),
        Some(Value::String(text)) if text == PLAN => Ok(PLAN),
        Some(Value::String(text)) if text == PLANS => Ok(PLANS),
        Some(Value::String(text)) if text.starts_with("snapkeep.plan") => {
            other(format!("its format is `{text}`, and this version of snapkeep reads `{PLAN}`"))
        }
        Some(Value::String(text)) => other(format!("its format is `{text}`, not `{PLAN}`")),
        Some(_) => other("its `format` is no text".to_owned()),
    }
}

impl SavedPlan {
    fn of(document: Document) -> Result<Self, SavedError> {
        let missing = |key: &str| SavedError::Damaged(format!("it has no `{key}`"));
        if format(&document)? != PLAN {
            return Err(SavedError::Damaged("plans stand within plans".to_owned()));
        }
        if let Some(note) = document.notes.iter().find(|note| note.severity == "fatal") {
            let text = format!("the plan was refused when it was made: {}", note.message);
            return Err(SavedError::Refused(text));
        }
        if let Some(left_out) = document.left_out.filter(|left_out| 0 < left_out.actions) {
            let n = left_out.actions;
            let text = format!("the plan leaves out {n} of its actions, for want of room");
            return Err(SavedError::Refused(text));
        }
        let actions = document.actions.ok_or_else(|| missing("actions"))?;
        let withheld = document.withheld.into_iter().map(|w| SavedAction::of(w.action));
        Ok(Self {
            now: document.now.ok_or_else(|| missing("now"))?,
            account: document.account,
            account_name: document.account_name,
            config_digest: document.config_digest.ok_or_else(|| missing("config_digest"))?,
            withheld: withheld.map(|w| w.map(|w| w.id)).collect::<Result<_, _>>()?,
            actions: actions.into_iter().map(SavedAction::of).collect::<Result<_, _>>()?,
        })
    }

    /// Refuses a plan that is older than `max_age` at `now`, or of the future.
    pub fn check_age(&self, now: DateTime<Utc>, max_age: Span) -> Result<(), SavedError> {
        let saved_at = minute(self.now);
        if now < self.now {
            let text = format!("the plan is of {saved_at}, which is in the future");
            return Err(SavedError::Refused(text));
        }
        if max_age.end(self.now, Tz::UTC) < now {
            let text = format!(
                "the plan is of {saved_at}, more than {max_age} ago; plan again, or allow it with \
                 --max-age"
            );
            return Err(SavedError::Refused(text));
        }
        Ok(())
    }
}

impl SavedAction {
    fn of(value: Value) -> Result<Self, SavedError> {
        let id = value.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| SavedError::Damaged("an action has no `id`".to_owned()))?;
        Ok(Self { id: id.to_owned(), value })
    }

    /// Returns one of its fields, if that is text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }

    /// Returns the names of the fields in which it differs from `fresh`.
    pub(super) fn differences(&self, fresh: &Value) -> Vec<String> {
        let mut fields = Vec::new();
        differences("", &self.value, fresh, &mut fields);
        fields
    }
}

/// Compares objects field by field, parameters too.
fn differences(prefix: &str, saved: &Value, fresh: &Value, fields: &mut Vec<String>) {
    let (Some(saved), Some(fresh)) = (saved.as_object(), fresh.as_object()) else {
        fields.push(prefix.trim_end_matches('.').to_owned());
        return;
    };
    let added = fresh.keys().filter(|key| !saved.contains_key(*key));
    for key in saved.keys().chain(added) {
        match (saved.get(key), fresh.get(key)) {
            (saved, fresh) if saved == fresh => {}
            (Some(saved), Some(fresh)) if prefix.is_empty() && key == "params" => {
                differences("params.", saved, fresh, fields);
            }
            _ => fields.push(format!("{prefix}{key}")),
        }
    }
}

#[cfg(test)]
mod tests;
