//! What is waited for, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Waiting;
use crate::report::json::time;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WaitingJson {
    policy: String,
    region: String,
    resource: String,
    reason: String,
    since: Option<String>,
    /// Nothing changes before; null where that is not known.
    not_before: Option<String>,
}

impl WaitingJson {
    pub(super) fn new(waiting: &Waiting) -> Self {
        Self {
            policy: waiting.policy.to_string(),
            region: waiting.region.to_string(),
            resource: waiting.resource.clone(),
            reason: waiting.reason.clone(),
            since: waiting.since.map(time),
            not_before: waiting.not_before.map(time),
        }
    }
}
