//! What sources have, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{Protection, ProtectionState};
use crate::report::json::time;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProtectionJson {
    policy: String,
    /// Where the points are: the source's region, or where its copies go.
    region: String,
    /// Of copies, the source's region; null of points.
    copy_from: Option<String>,
    /// Null for whatever the policy selects, where nobody knows what that is.
    source: Option<String>,
    /// `protected`, `new` (nothing is asked of it yet), `unprotected`, or `unknown` behind a gap.
    state: &'static str,
    /// The time of the newest complete point there.
    newest: Option<String>,
    /// What must be complete by now: the slot, of copies the time of the point.
    due: Option<String>,
    /// Of what is unprotected, since when; null where that is not known.
    since: Option<String>,
    /// Of what is new, when something is asked of it; null where that is not known.
    first_due: Option<String>,
    /// Of what is unknown, why.
    reason: Option<String>,
}

impl ProtectionJson {
    pub(super) fn new(protection: &Protection) -> Self {
        let Protection { policy, region, copy_from, source, newest, due, state } = protection;
        let (since, first_due, reason) = match state {
            ProtectionState::Protected => (None, None, None),
            ProtectionState::New { first_due } => (None, *first_due, None),
            ProtectionState::Unprotected { since } => (*since, None, None),
            ProtectionState::Unknown(reason) => (None, None, Some(reason.to_string())),
        };
        Self {
            policy: policy.to_string(),
            region: region.to_string(),
            copy_from: copy_from.as_ref().map(ToString::to_string),
            source: source.as_ref().map(ToString::to_string),
            state: state.name(),
            newest: newest.map(time),
            due: due.map(time),
            since: since.map(time),
            first_due: first_due.map(time),
            reason,
        }
    }
}
