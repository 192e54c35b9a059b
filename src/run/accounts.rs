//! The accounts of a configuration: each with its own part of it, and its own EC2.
//!
//! Accounts know nothing of each other: each has its plan, gaps, limits and report, and one that
//! fails stops none of the others.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use crate::config::Config;
use crate::execute::{Progress, Stop};
use crate::plan::{Plan, Request, plan};
use crate::run::cycle::Report;
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
}

impl Accounts {
    /// Opens the EC2 of each account; with `now`, as if that were the present instant.
    pub async fn open(
        config: &Config,
        choice: &Choice,
        now: Option<DateTime<Utc>>,
    ) -> Result<Self, OpenError> {
        let first = Account { config: config.clone(), world: World::open(choice, now).await? };
        Ok(Self { first, others: Vec::new() })
    }

    /// Takes one account that is open already.
    pub fn of(account: Account) -> Self {
        Self { first: account, others: Vec::new() }
    }

    /// Returns each account, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the instant to plan for when a command starts.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.first.world.begun_at()
    }

    /// Returns the present instant, also long after the accounts were opened.
    pub fn now(&self) -> DateTime<Utc> {
        self.first.world.now()
    }

    /// Waits until `at` by the accounts' clock; not at all if that has passed.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        self.first.world.sleep_until(at).await;
    }

    /// Returns true if nothing real is changed by acting at another instant than the present.
    pub fn may_pretend_now(&self) -> bool {
        self.iter().all(|account| account.world.may_pretend_now())
    }

    /// Observes and plans for each account.
    pub async fn plan(&self, request: &Request) -> Vec<Plan> {
        join_all(self.iter().map(|account| account.plan(request))).await
    }

    /// Runs one cycle in each account; returns their reports in order.
    pub async fn run(
        &self,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Vec<Report>, WorldError> {
        let cycles = self.iter().map(|a| a.world.run(&a.config, request, stop, progress));
        join_all(cycles).await.into_iter().collect()
    }

    /// Runs cycles in each account until nothing is waited for there.
    pub async fn run_until_settled(
        &self,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Vec<Report>, WorldError> {
        let cycles =
            self.iter().map(|a| a.world.run_until_settled(&a.config, request, stop, progress));
        join_all(cycles).await.into_iter().collect()
    }
}

impl Account {
    /// Observes and plans.
    pub async fn plan(&self, request: &Request) -> Plan {
        let inventory = self.world.observe(&self.config, request).await;
        plan(&self.config, &inventory, request)
    }
}
