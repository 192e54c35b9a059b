//! Notes and gaps, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{Note, PlanGap, Severity};

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NoteJson {
    /// `info`, `warning` or `fatal`; nothing is executed where a note is fatal.
    severity: &'static str,
    region: Option<String>,
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct GapJson {
    /// What the configuration calls the account; null is the own one.
    account_name: Option<String>,
    region: Option<String>,
    /// EC2's name of the call.
    call: &'static str,
    error: String,
}

impl NoteJson {
    pub(super) fn new(note: &Note) -> Self {
        Self {
            severity: match note.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Fatal => "fatal",
            },
            region: note.region.as_ref().map(ToString::to_string),
            message: note.message.clone(),
        }
    }
}

impl GapJson {
    pub(super) fn new(account: Option<&str>, gap: &PlanGap) -> Self {
        Self {
            account_name: account.map(str::to_owned),
            region: gap.region.as_ref().map(ToString::to_string),
            call: gap.operation,
            error: gap.error.why.clone(),
        }
    }
}
