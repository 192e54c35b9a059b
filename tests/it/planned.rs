//! Plans of small accounts, each about one rule at its edges.

use snapkeep::plan::{Action, Plan};

use crate::support::account::Account;

mod asked;
mod changes;
mod expiry;
mod leftovers;
mod parts;

/// What becomes of `id`, in a word: whether the plan deletes it, keeps it, or says nothing of it.
fn fate(plan: &Plan, id: &str) -> &'static str {
    let goes = |action: &Action| action.as_delete().is_some_and(|d| d.resource.to_string() == id);
    if plan.actions.iter().any(goes) {
        "goes"
    } else if plan.keeps.iter().any(|keep| keep.resource.to_string() == id) {
        "stays"
    } else {
        "untold"
    }
}

/// The ids of a plan's actions.
fn ids(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(Action::id).collect()
}
