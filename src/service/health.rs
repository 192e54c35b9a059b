//! Whether the service itself is well. How the accounts are is another question: what failed there is
//! in the report, on the page and in the metrics, and restarting the service would not mend it.
//!
//! The watchdog and `/healthz` ask the same: is something happening that should be? A tick of the
//! watchdog comes from the task that runs the cycles and proves that
//!
//! * its thread is not stuck: a call that blocks, or a loop without end, stops the ticks at once;
//! * between cycles the wake-up has not been missed for longer than [`LATE_MAX`];
//! * a cycle has shown a sign of life within [`LATE_MAX`]: it began, or one of its actions ended.
//!   A wait that never ends would leave the thread free, and so would go unnoticed otherwise.
//!
//! It proves nothing about the accounts, nor that the last cycle did anything.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// How late a wake-up, or the next sign of life of a cycle, may be. Reading an account with a million
/// snapshots takes minutes, and a call is given up long before.
pub(super) const LATE_MAX: Duration = Duration::from_hours(1);

/// What the service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, until then.
    Idle(DateTime<Utc>),
    /// A cycle, which began or did something then.
    Cycle(Instant),
    /// It lets another process finish its cycle, which may take long; with what was told.
    LockedOut(String),
}

impl Phase {
    /// Returns true if something should have happened by now that has not.
    pub(super) fn is_late(&self, now: DateTime<Utc>, tick: Instant) -> bool {
        match self {
            Self::Idle(until) => *until + TimeDelta::hours(1) < now,
            Self::Cycle(alive) => LATE_MAX < tick.saturating_duration_since(*alive),
            Self::LockedOut(_) => false,
        }
    }

    /// Returns a word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Idle(_) => "idle",
            Self::Cycle(_) => "cycle",
            Self::LockedOut(_) => "waiting for another process",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{LATE_MAX, Phase};

    #[test]
    fn what_is_later_than_an_hour_is_late() {
        let now: DateTime<Utc> = "2026-11-20T03:00:00Z".parse().unwrap();
        let begun_at = Instant::now();
        let tick = begun_at + LATE_MAX;
        let moment = Duration::from_secs(1);
        for (phase, expected) in [
            (Phase::Idle(now + TimeDelta::days(1)), false),
            (Phase::Idle(now - TimeDelta::minutes(60)), false),
            (Phase::Idle(now - TimeDelta::minutes(61)), true),
            (Phase::Cycle(begun_at), false),
            (Phase::Cycle(begun_at + moment), false),
            (Phase::LockedOut("waiting for process 7".to_owned()), false),
        ] {
            assert_eq!(phase.is_late(now, tick), expected, "{phase:?}");
        }
        assert!(Phase::Cycle(begun_at).is_late(now, tick + moment));
    }
}
