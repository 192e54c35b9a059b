//! The clocks: the wall's, and the sandbox's.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::cloud::Now;
use crate::cloud::sandbox::VirtualTime;
use crate::execute::Clock;

/// The wall clock, or the wall clock shifted so that it began at a given instant.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    shift: TimeDelta,
    begun_at: DateTime<Utc>,
}

impl SystemClock {
    /// Returns the wall clock; if `now` is given, as if that were the present instant.
    pub fn new(now: Option<DateTime<Utc>>) -> Self {
        let wall = wall_clock();
        // Slots stand in tags by the second.
        let whole = wall.trunc_subsecs(0);
        Self {
            shift: now.map_or_else(TimeDelta::zero, |now| now - wall),
            begun_at: now.unwrap_or(whole),
        }
    }

    /// Returns the instant at which the clock was made, to the second unless it was given.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.begun_at
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        wall_clock() + self.shift
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep_until(&self, at: DateTime<Utc>) {
        tokio::time::sleep((at - self.now()).to_std().unwrap_or(Duration::ZERO)).await;
    }
}

/// The clock of a sandbox: time passes only when nothing else can happen.
#[derive(Debug, Clone)]
pub struct SandboxClock(pub VirtualTime);

impl Clock for SandboxClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        self.0.sleep_until(at).await;
    }
}

/// Returns a reader of the machine's own clock, whatever `--now` says: for comparing it with
/// EC2's.
pub fn machine_clock() -> Now {
    Arc::new(wall_clock)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}
