//! The clocks: the wall's, one that is fed, and the sandbox's.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::cloud::Now;
use crate::cloud::sandbox::VirtualTime;
use crate::execute::Clock;
use crate::run::fed::FedClock;
use crate::run::timer;

/// What is taken for the present instant.
#[derive(Debug, Clone)]
pub enum Present {
    /// What the machine's clock shows.
    Machine,
    /// As if it had begun at this instant.
    From(DateTime<Utc>),
    /// What is fed.
    Fed(FedClock),
}

impl From<Option<DateTime<Utc>>> for Present {
    fn from(now: Option<DateTime<Utc>>) -> Self {
        now.map_or(Self::Machine, Self::From)
    }
}

/// The clock of whatever is no sandbox.
#[derive(Debug, Clone)]
pub enum WorldClock {
    /// The wall's.
    Wall(SystemClock),
    /// One that is fed, with the instant at which this was made.
    Fed(FedClock, DateTime<Utc>),
}

impl WorldClock {
    /// Returns a clock that shows the present instant.
    pub fn new(present: &Present) -> Self {
        match present {
            Present::Machine => Self::Wall(SystemClock::new(None)),
            Present::From(now) => Self::Wall(SystemClock::new(Some(*now))),
            Present::Fed(clock) => Self::Fed(clock.clone(), clock.now()),
        }
    }

    /// Returns the instant at which the clock was made, to the second unless it was given.
    pub fn begun_at(&self) -> DateTime<Utc> {
        match self {
            Self::Wall(clock) => clock.begun_at(),
            Self::Fed(_, begun_at) => *begun_at,
        }
    }

    /// Waits between cycles until the clock shows `at`, also if the machine sleeps meanwhile, or
    /// until its clock is set. Nothing wakes the process before.
    pub async fn idle_until(&self, at: DateTime<Utc>) {
        match self {
            Self::Wall(clock) => timer::wall_clock_shows(at - clock.shift).await,
            Self::Fed(clock, _) => clock.fed(at).await,
        }
    }
}

impl Clock for WorldClock {
    fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::Fed(clock, _) => clock.now(),
        }
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        match self {
            Self::Wall(clock) => clock.sleep_until(at).await,
            Self::Fed(clock, _) => clock.sleep_until(at).await,
        }
    }
}

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
pub(super) fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}
