//! What must not be repeated: points for an event that does not say which slot it is for.
//!
//! A repetition of such an event has a slot of its own, so it would make another point of each source
//! of a policy without a schedule.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::run::{Action, Outcome, Progress};

/// Looks out for points that a repetition would make once more.
pub(super) struct Once<'c> {
    config: &'c Config,
    names_slot: bool,
    has_made: AtomicBool,
}

impl<'c> Once<'c> {
    /// Looks on for an event that `names_slot`, or does not.
    pub(super) fn new(config: &'c Config, names_slot: bool) -> Self {
        Self { config, names_slot, has_made: AtomicBool::new(false) }
    }

    /// Returns true if a repetition would make points that are there already.
    pub(super) fn forbids_repetition(&self) -> bool {
        !self.names_slot && self.has_made.load(Ordering::Relaxed)
    }

    /// Returns true if the slot of what `action` makes is the event's.
    fn is_of_event(&self, action: &Action) -> bool {
        let mut policies = self.config.policies.iter();
        let policy = policies.find(|policy| policy.name == action.policy);
        let is_unscheduled =
            policy.is_some_and(|policy| policy.in_region(&action.region).schedule.is_none());
        is_unscheduled && action.as_creation().is_some()
    }
}

impl Progress for Once<'_> {
    fn ended(&self, action: &Action, outcome: &Outcome) {
        if !outcome.made().is_empty() && self.is_of_event(action) {
            self.has_made.store(true, Ordering::Relaxed);
        }
    }
}
