//! Applying a saved plan: exactly those of its actions that a fresh plan still contains.
//!
//! The file only selects. What is carried out are the fresh plan's own actions, each compared with
//! the saved one field by field, so a plan that somebody edited can do nothing that a fresh one
//! would not. The part that is left keeps every promise by itself: see [`crate::plan::subset`].

use std::collections::{HashMap, HashSet};

use chrono::SubsecRound as _;

use crate::config::Config;
use crate::domain::inventory::Inventory;
use crate::domain::span::Span;
use crate::execute::{Progress, Stop};
use crate::plan::check::check;
use crate::plan::subset::left_out;
use crate::plan::{Action, Plan, Request, plan};
use crate::report::Drift;
use crate::report::drift::{DriftKind, DriftLine};
use crate::report::json;
use crate::run::accounts::{Account, OWN};
use crate::run::cycle::Report;
use crate::run::saved::{SavedAction, SavedError, SavedPlan};
use crate::run::world::WorldError;

mod why;

/// A saved plan beside a fresh one.
#[derive(Debug, Default)]
pub struct Selection {
    /// What is left of the fresh plan: of its actions those that the saved plan has too.
    pub plan: Plan,
    /// The rest of both.
    pub drift: Drift,
    /// Whether it was stopped before it planned anything.
    pub is_interrupted: bool,
}

/// What became of a saved plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// The part of a fresh plan that was carried out, and what became of it; of a dry run nothing.
    pub report: Report,
    /// The rest.
    pub drift: Drift,
}

/// How a saved plan is applied.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Older plans are refused.
    pub max_age: Span,
    /// Replaces both limits on deletions.
    pub max_deletes: Option<u32>,
    /// Whether only to tell what would be done.
    pub is_dry_run: bool,
}

/// A saved plan was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is not to be.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// Its world cannot do that.
    #[error(transparent)]
    World(#[from] WorldError),
}

impl Account {
    /// Observes and plans afresh, and selects what `saved` has too. If `stop` is set meanwhile,
    /// nothing is selected.
    ///
    /// # Errors
    ///
    /// The saved plan is too old, or another account's.
    pub(super) async fn select(
        &self,
        saved: &SavedPlan,
        request: &Request,
        terms: Terms,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Selection, SavedError> {
        saved.check_age(request.now, terms.max_age)?;
        // A policy without a schedule is to fill the slot that it had when the plan was saved.
        let run_slot = saved.now.trunc_subsecs(0);
        let request = &Request { run_slot, max_deletes: terms.max_deletes, ..request.clone() };
        let observing = self.world.observe_telling(&self.config, request, progress);
        let Some(inventory) = Box::pin(stop.unless_set(observing)).await else {
            let plan = Report::interrupted(&self.config, request).plan;
            let drift = Drift { saved_at: saved.now, ..Drift::default() };
            return Ok(Selection { plan, drift, is_interrupted: true });
        };
        check_account(saved, &inventory)?;
        Ok(select(&self.config, &inventory, request, saved))
    }
}

/// Refuses a plan of another account.
fn check_account(saved: &SavedPlan, inventory: &Inventory) -> Result<(), SavedError> {
    let (theirs, ours) = (saved.account.as_deref(), inventory.account.as_deref());
    let is_other = match (theirs, ours) {
        (Some(theirs), Some(ours)) => theirs != ours,
        // Nobody can tell; and without actions nobody need.
        (None, _) | (_, None) => theirs != ours && !saved.actions.is_empty(),
    };
    if !is_other {
        return Ok(());
    }
    let named = |id: Option<&str>| id.map_or_else(|| "unknown".to_owned(), |id| format!("`{id}`"));
    Err(SavedError::Refused(format!(
        "the plan is of the account {}, and {} is {}",
        named(theirs),
        saved.account_name.as_deref().unwrap_or("this"),
        named(ours)
    )))
}

/// Plans afresh and selects what `saved` has too.
pub fn select(
    config: &Config,
    inventory: &Inventory,
    request: &Request,
    saved: &SavedPlan,
) -> Selection {
    let mut fresh = plan(config, inventory, request);
    let mut matching = Matching::of(&fresh, saved);
    let out = left_out(&fresh, inventory, &matching.is_wanted);
    matching.leave_out(saved, &out, &fresh);
    let lines = matching.finish(saved, &fresh, inventory);
    let known: HashSet<&str> = saved.actions.iter().map(|action| action.id.as_str()).collect();
    let drift = Drift {
        saved_at: saved.now,
        is_config_changed: saved.config_digest != config.digest,
        lines,
        n_new: fresh.actions.iter().filter(|action| !known.contains(&action.id()[..])).count(),
    };
    let is_known = |id: &str| known.contains(id) || saved.withheld.contains(id);
    fresh.withheld.retain(|withheld| is_known(&withheld.action.id()));
    let wanted = std::mem::take(&mut fresh.actions).into_iter().zip(matching.is_wanted);
    fresh.actions = wanted.filter(|(_, is_wanted)| *is_wanted).map(|(action, _)| action).collect();
    let mut broken = check(config, inventory, request, &fresh);
    broken.retain(|note| !fresh.notes.contains(note));
    fresh.notes.splice(0..0, broken);
    Selection { plan: fresh, drift, is_interrupted: false }
}

/// Which actions of two plans are the same.
struct Matching {
    /// Of each action of the fresh plan.
    is_wanted: Vec<bool>,
    /// Of each action of the saved plan: the fresh one that it selects, or why it selects none.
    ends: Vec<End>,
}

enum End {
    Selects(usize),
    Drifted(DriftKind, String, Vec<String>),
    /// The fresh plan has no action of this id.
    Missing,
}

impl Matching {
    fn of(fresh: &Plan, saved: &SavedPlan) -> Self {
        let ids: HashMap<String, usize> =
            fresh.actions.iter().enumerate().map(|(n, action)| (action.id(), n)).collect();
        let mut is_wanted = vec![false; fresh.actions.len()];
        let mut ends = Vec::with_capacity(saved.actions.len());
        for action in &saved.actions {
            ends.push(match ids.get(&action.id) {
                None => End::Missing,
                Some(n) => match compare(action, &fresh.actions[*n]) {
                    Some(end) => end,
                    None if is_wanted[*n] => {
                        let why = "the file has it more than once".to_owned();
                        End::Drifted(DriftKind::Twice, why, Vec::new())
                    }
                    None => {
                        is_wanted[*n] = true;
                        End::Selects(*n)
                    }
                },
            });
        }
        Self { is_wanted, ends }
    }

    /// Takes back what relies on what is left out.
    fn leave_out(&mut self, saved: &SavedPlan, why: &[Option<String>], fresh: &Plan) {
        debug_assert_eq!((saved.actions.len(), fresh.actions.len()), (self.ends.len(), why.len()));
        for end in &mut self.ends {
            let End::Selects(n) = *end else { continue };
            if let Some(why) = &why[n] {
                self.is_wanted[n] = false;
                *end = End::Drifted(DriftKind::LeftOut, why.clone(), Vec::new());
            }
        }
    }

    /// Returns what is not carried out, in the order of the saved plan.
    fn finish(&mut self, saved: &SavedPlan, fresh: &Plan, inventory: &Inventory) -> Vec<DriftLine> {
        let world = why::World::new(fresh, inventory);
        let mut lines = Vec::new();
        for (action, end) in saved.actions.iter().zip(std::mem::take(&mut self.ends)) {
            let (kind, reason, fields) = match end {
                End::Selects(_) => continue,
                End::Drifted(kind, reason, fields) => (kind, reason, fields),
                End::Missing => {
                    let (kind, reason) = world.why_missing(action);
                    (kind, reason, Vec::new())
                }
            };
            lines.push(DriftLine { id: action.id.clone(), kind, reason, fields });
        }
        lines
    }
}

/// Returns in what a saved action is another than the fresh one of its id; none if it is the same.
fn compare(saved: &SavedAction, fresh: &Action) -> Option<End> {
    let fields = match json::action(fresh) {
        Ok(fresh) => saved.differences(&fresh),
        Err(_) => vec!["all".to_owned()],
    };
    let why = || "planned otherwise now".to_owned();
    (!fields.is_empty()).then(|| End::Drifted(DriftKind::Changed, why(), fields))
}

/// Returns the saved plan of `account`, if there is one.
pub(super) fn plan_of<'s>(saved: &'s [SavedPlan], account: &Account) -> Option<&'s SavedPlan> {
    let name = account.config.account.as_deref();
    saved.iter().find(|plan| plan.account_name.as_deref() == name)
}

/// Returns the names of the accounts that plans were saved for, as the command line has them.
pub fn account_names(saved: &[SavedPlan]) -> Vec<String> {
    saved.iter().map(|plan| plan.account_name.clone().unwrap_or_else(|| OWN.to_owned())).collect()
}
