//! What became of an action.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::api_calls::ApiCalls;
use crate::domain::failure::Failure;
use crate::domain::ids::ResourceId;
use crate::plan::Action;

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// EC2 did it; with the snapshots or the image that it made.
    Done(Vec<ResourceId>),
    /// The reply was lost, but what was asked for is there; with what was found.
    Found(Vec<ResourceId>),
    /// It was gone already.
    AlreadyGone,
    /// Not done, rightly: the world has changed since the plan, or EC2 protects the thing.
    Skipped(String),
    /// Not done now; the next cycle sees to it.
    Waits(String),
    /// It failed.
    Failed(Failure),
    /// Not begun, because something else stopped the run.
    NotStarted(String),
}

/// How many actions ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done, or found done.
    pub n_done: usize,
    /// Rightly not done.
    pub n_skipped: usize,
    /// Left to the next cycle.
    pub n_waiting: usize,
    /// Failed.
    pub n_failed: usize,
    /// Not begun.
    pub n_not_started: usize,
}

impl Tally {
    /// Counts `outcomes`.
    pub fn of<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            *match outcome {
                Outcome::Done(_) | Outcome::Found(_) | Outcome::AlreadyGone => &mut tally.n_done,
                Outcome::Skipped(_) => &mut tally.n_skipped,
                Outcome::Waits(_) => &mut tally.n_waiting,
                Outcome::Failed(_) => &mut tally.n_failed,
                Outcome::NotStarted(_) => &mut tally.n_not_started,
            } += 1;
        }
        tally
    }
}

impl Outcome {
    /// Returns one word for it, the same in every report.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Found(_) => "found",
            Self::AlreadyGone => "gone",
            Self::Skipped(_) => "skipped",
            Self::Waits(_) => "waiting",
            Self::Failed(_) => "failed",
            Self::NotStarted(_) => "not started",
        }
    }

    /// Returns the reason, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Skipped(why) | Self::Waits(why) | Self::NotStarted(why) => Some(why),
            Self::Failed(failure) => Some(&failure.why),
            Self::Done(_) | Self::Found(_) | Self::AlreadyGone => None,
        }
    }

    /// Returns true if what was asked for is so now.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Found(_) | Self::AlreadyGone)
    }

    /// Returns the snapshots, or the image, that the action made.
    pub fn made(&self) -> &[ResourceId] {
        match self {
            Self::Done(ids) | Self::Found(ids) => ids,
            Self::AlreadyGone
            | Self::Skipped(_)
            | Self::Waits(_)
            | Self::Failed(_)
            | Self::NotStarted(_) => &[],
        }
    }
}

/// Is told how far execution is.
pub trait Progress: Sync {
    /// A cycle begins: the account is observed.
    fn observes(&self) {}

    /// Execution begins, with so many actions.
    fn begins(&self, _n_actions: usize) {}

    /// An action has ended.
    fn ended(&self, _action: &Action, _outcome: &Outcome) {}

    /// Execution has ended.
    fn ends(&self) {}

    /// A cycle has made these calls.
    fn called(&self, _account: Option<&Arc<str>>, _calls: &ApiCalls) {}

    /// Nothing is done before `until`, when the next cycle sees to so many things that are left.
    fn waits(&self, _n_left: usize, _until: DateTime<Utc>) {}
}

/// Tells nobody.
impl Progress for () {}
