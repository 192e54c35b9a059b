//! Cycles, one after the other, as whoever starts them would start them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::config::Config;
use crate::run::cycle::Report;
use crate::run::look::{LOOK_MAX, Looks, UNSEEN_FOR, makes_anything, whole_second};
use crate::run::simulate::scenario::Cadence;
use crate::run::wake::next_wake_up;

/// Knows when the next cycle begins.
#[derive(Debug)]
pub(super) enum Waker<'s> {
    /// As `serve`.
    Serve(Looks),
    /// As a timer or cron.
    Other(&'s Cadence),
}

impl<'s> Waker<'s> {
    pub(super) fn new(cadence: &'s Cadence) -> Self {
        match cadence {
            Cadence::Serve => Self::Serve(Looks::up_to(LOOK_MAX)),
            Cadence::Every(_) | Cadence::At(_) => Self::Other(cadence),
        }
    }

    /// Returns when the cycle after this one begins, which began at `begun_at` and ended at
    /// `ended_at`; none if there is no other.
    pub(super) fn next(
        &mut self,
        config: &Config,
        report: &Report,
        begun_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match self {
            Self::Serve(looks) => {
                let slot = next_wake_up(config, begun_at);
                let look_at = looks.next(report, ended_at);
                let wake_at = slot.into_iter().chain(look_at).min()?;
                let not_before =
                    if makes_anything(report) { ended_at + UNSEEN_FOR } else { ended_at };
                Some(whole_second(wake_at.max(not_before)))
            }
            Self::Other(Cadence::Every(span)) => {
                let mut at = span.end(begun_at, Tz::UTC);
                // A start while a cycle is under way is left out.
                while at < ended_at {
                    at = span.end(at, Tz::UTC);
                }
                Some(at)
            }
            Self::Other(Cadence::At(schedule)) => schedule.slot_after(ended_at),
            Self::Other(Cadence::Serve) => None,
        }
    }
}
