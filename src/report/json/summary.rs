//! How many of what a plan has.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{Action, Keep, KeepReason, Plan};

/// How many of what.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SummaryJson {
    /// Creations.
    create: usize,
    /// Copies to other regions.
    copy: usize,
    /// Encrypted copies in the same region.
    encrypt: usize,
    /// Changes to what is there: permissions, deprecation, tags.
    change: usize,
    /// Deletions.
    expire: usize,
    /// Snapshots and images that stay, those with a veto included.
    keep: usize,
    /// Lines under waiting.
    waiting: usize,
    /// Deletions that a limit forbids.
    withheld: usize,
    /// Snapshots and images that stay only because something forbids their deletion.
    vetoed: usize,
}

impl SummaryJson {
    pub(super) fn new(plan: &Plan) -> Self {
        let Plan { actions, withheld, keeps, waiting, .. } = plan;
        let create = actions.iter().filter(|action| action.as_creation().is_some()).count();
        let expire = actions.iter().filter(|action| action.as_delete().is_some()).count();
        let n_copies = actions.iter().filter(|action| action.as_copy().is_some()).count();
        let is_encryption =
            |action: &&Action| action.as_copy().is_some_and(|c| c.is_encryption(&action.region));
        let encrypt = actions.iter().filter(is_encryption).count();
        let is_vetoed = |keep: &&Keep| matches!(keep.reason, KeepReason::Vetoed(_));
        Self {
            create,
            copy: n_copies - encrypt,
            encrypt,
            change: actions.len() - create - n_copies - expire,
            expire,
            keep: keeps.len(),
            waiting: waiting.len(),
            withheld: withheld.len(),
            vetoed: keeps.iter().filter(is_vetoed).count(),
        }
    }
}
