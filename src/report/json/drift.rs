//! Drift as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::Drift;
use crate::report::drift::DriftLine;
use crate::report::json::time;

/// How a saved plan and the fresh one differ.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DriftJson {
    /// The instant of judgement of the saved plan, RFC 3339 in UTC.
    saved_at: String,
    /// Whether the configuration has changed since.
    config_changed: bool,
    /// How many actions only the fresh plan has; they are not carried out.
    new: usize,
    /// Actions of the saved plan that were not carried out, in its order.
    actions: Vec<DriftLineJson>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DriftLineJson {
    /// The action's id, as the file has it.
    id: String,
    /// `done`, `gone`, `kept`, `waiting`, `withheld`, `unread`, `changed`, `left out` or `twice`.
    drift: &'static str,
    /// Why.
    reason: String,
    /// Of what has changed, the fields that differ.
    fields: Vec<String>,
}

impl DriftJson {
    pub(super) fn new(drift: &Drift) -> Self {
        let Drift { saved_at, is_config_changed, lines, n_new } = drift;
        Self {
            saved_at: time(*saved_at),
            config_changed: *is_config_changed,
            new: *n_new,
            actions: lines.iter().map(DriftLineJson::new).collect(),
        }
    }
}

impl DriftLineJson {
    fn new(line: &DriftLine) -> Self {
        let DriftLine { id, kind, reason, fields } = line;
        Self { id: id.clone(), drift: kind.word(), reason: reason.clone(), fields: fields.clone() }
    }
}
