//! Fates: what the plan makes of each snapshot and image that it decides about, in words.

use std::collections::HashMap;

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::region::Region;
use crate::plan::model::{Action, Delete, Plan};

/// What becomes of one thing.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    /// Whether this plan deletes it.
    pub(super) goes: bool,
    /// In words.
    pub(super) text: String,
}

/// What the plan makes of each.
pub(super) struct Fates(HashMap<RegionalId, Fate>);

impl Fates {
    /// Reads a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut fates = HashMap::new();
        let mut tell = |region: Region, id: ResourceId, goes: bool, text: String| {
            fates.insert(RegionalId { region, id }, Fate { goes, text });
        };
        for waiting in &plan.waiting {
            if let Ok(id) = waiting.resource.parse() {
                tell(waiting.region, id, false, format!("waiting: {}", waiting.reason));
            }
        }
        for keep in &plan.keeps {
            tell(keep.region, keep.resource, false, format!("stays: {keep}"));
        }
        let delete = |action: &Action| action.as_delete().map(|d: &Delete| (d.resource, d.reason));
        for action in &plan.actions {
            if let Some((id, reason)) = delete(action) {
                tell(action.region, id, true, format!("goes: {reason}"));
            }
        }
        for withheld in &plan.withheld {
            if let Some((id, reason)) = delete(&withheld.action) {
                let limit = &withheld.limit;
                let text = format!("stays: over a limit ({limit}); would go: {reason}");
                tell(withheld.action.region, id, false, text);
            }
        }
        Self(fates)
    }

    /// Returns what becomes of the first of `ids` of which the plan says anything.
    pub(super) fn first(
        &self,
        region: Region,
        ids: impl IntoIterator<Item = ResourceId>,
    ) -> Option<&Fate> {
        ids.into_iter().find_map(|id| self.0.get(&RegionalId { region, id }))
    }
}
