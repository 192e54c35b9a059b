//! The accounts of a configuration: each with its own part of it, and its own EC2.
//!
//! Accounts know nothing of each other: each has its plan, gaps, limits and report, and one that
//! fails stops none of the others.

use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::future::join_all;

use crate::config::Config;
use crate::execute::{Clock as _, Progress, Stop};
use crate::plan::{Plan, Request, plan};
use crate::run::clock::{Present, WorldClock};
use crate::run::cycle::Report;
use crate::run::lock::{Guard, Locks};
use crate::run::world::{Choice, OpenError, World, WorldError};

/// One account.
pub struct Account {
    /// What the configuration says about it.
    pub config: Config,
    /// Its EC2.
    pub world: World,
}

/// All accounts that a configuration is about; at least one.
pub struct Accounts {
    first: Account,
    others: Vec<Account>,
    clock: WorldClock,
    /// What keeps cycles of several processes apart.
    locks: Locks,
}

impl Accounts {
    /// Opens the EC2 of each account, for a present instant such as `--now`.
    pub async fn open(
        config: &Config,
        choice: &Choice,
        present: impl Into<Present>,
    ) -> Result<Self, OpenError> {
        let present = present.into();
        let first = Account { config: config.clone(), world: World::open(choice, &present).await? };
        let clock = WorldClock::new(&present);
        Ok(Self { first, others: Vec::new(), clock, locks: Locks::none() })
    }

    /// Takes `locks` for each cycle from now on.
    pub fn set_locks(&mut self, locks: Locks) {
        self.locks = locks;
    }

    /// Goes on with another configuration: what is open stays open, sandboxes in memory too.
    pub fn configure(&mut self, config: &Config) {
        self.first.config = config.clone();
    }

    /// Returns each account, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the instant to plan for when a command starts.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.first.world.begun_at()
    }

    /// Returns the present instant, to the second. The clocks of sandboxes are moved on to it.
    pub fn now(&self) -> DateTime<Utc> {
        let present = self.clock.now();
        let shown = self.iter().map(|account| account.world.now(present));
        shown.max().unwrap_or(present).trunc_subsecs(0)
    }

    /// Waits between cycles until the present instant is `at`, without waking up before.
    pub async fn idle_until(&self, at: DateTime<Utc>) {
        self.clock.idle_until(at).await;
    }

    /// Returns a clock that shows the present instant of what is no sandbox.
    pub fn clock(&self) -> &WorldClock {
        &self.clock
    }

    /// Returns true if nothing real is changed by acting at another instant than the present.
    pub fn may_pretend_now(&self) -> bool {
        self.iter().all(|account| account.world.may_pretend_now())
    }

    /// Observes and plans for each account.
    pub async fn plan(&self, request: &Request) -> Vec<Plan> {
        self.plan_telling(request, &()).await
    }

    /// Does the same, and tells `progress` what it asked.
    pub async fn plan_telling(&self, request: &Request, progress: &dyn Progress) -> Vec<Plan> {
        let plans = self.iter().map(async |account| {
            let Account { config, world } = account;
            let inventory = world.observe_telling(config, request, progress).await;
            plan(config, &inventory, request)
        });
        join_all(plans).await
    }

    /// Runs one cycle in each account once no other process does; returns their reports in order.
    pub async fn run(
        &self,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Vec<Report>, WorldError> {
        let lock = self.locks.take(stop).await;
        let mut request = request.clone();
        if lock.as_ref().is_some_and(Guard::has_waited) {
            // What the other process made meanwhile is not of the future.
            request.now = self.now().max(request.now);
        }
        let cycles = self.iter().map(|a| a.world.run(&a.config, &request, stop, progress));
        join_all(cycles).await.into_iter().collect()
    }

    /// Runs cycles in each account until nothing is waited for there.
    pub async fn run_until_settled(
        &self,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Vec<Report>, WorldError> {
        let cycles = self
            .iter()
            .map(|a| a.world.run_until_settled(&a.config, request, &self.locks, stop, progress));
        join_all(cycles).await.into_iter().collect()
    }
}
