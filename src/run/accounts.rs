//! The accounts of a configuration: each with its own part of it, and its own EC2.
//!
//! Accounts know nothing of each other: each has its plan, gaps, limits and report, and one that
//! fails stops none of the others.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::future::join_all;

use crate::config::{AccountName, Config};
use crate::execute::{Clock as _, Progress, Stop};
use crate::plan::{Plan, Request, plan};
use crate::run::apply::{Applied, ApplyError, Selection, Terms, plan_of};
use crate::run::clock::{Present, WorldClock};
use crate::run::cycle::Report;
use crate::run::fed::FedClock;
use crate::run::lock::{Guard, Locks};
use crate::run::saved::SavedPlan;
use crate::run::world::{Choice, OpenError, Opener, World, WorldError};

/// How the own account is called beside others.
pub const OWN: &str = "self";

/// One account.
pub struct Account {
    /// What the configuration says about it.
    pub config: Config,
    /// Its EC2.
    pub world: World,
}

/// The accounts in which policies apply; at least one.
pub struct Accounts {
    /// The own one first, then by name; never empty.
    list: Vec<Account>,
    /// The own account, if it is none of these: it tells people, and assumes roles.
    own: Option<World>,
    /// Whether there are others, which were not wanted.
    are_some: bool,
    /// Whether each has a name in what is shown, and a directory in a saved inventory.
    are_named: bool,
    opener: Opener,
    clock: WorldClock,
    /// What keeps cycles of several processes apart.
    locks: Locks,
}

impl Accounts {
    /// Opens the EC2 of each account in which a policy of `config` applies, and that `wanted`
    /// names, if it names any; for a present instant such as `--now`.
    pub async fn open(
        config: &Config,
        wanted: &[AccountName],
        choice: &Choice,
        present: impl Into<Present>,
    ) -> Result<Self, OpenError> {
        let present = present.into();
        let opener = Opener::new(choice, &present);
        let names = config.account_names();
        let mut list = Vec::new();
        for name in names.iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
            let world = opener.open(config, name).await?;
            list.push(Account { config: config.of_account(name), world });
        }
        if list.is_empty() {
            return Err(OpenError::NoAccount);
        }
        let is_own_there = list.iter().any(|account| account.config.account.is_none());
        Ok(Self {
            own: if is_own_there { None } else { opener.open_own(config).await? },
            are_some: list.len() < names.len(),
            are_named: names.iter().any(Option::is_some),
            list,
            opener,
            clock: WorldClock::new(&present),
            locks: Locks::none(),
        })
    }

    /// Takes one account that is open already; the present instant stays what it shows now, unless
    /// its own clock goes on.
    pub fn of(account: Account) -> Self {
        let present = Present::Fed(FedClock::still(account.world.begun_at()));
        Self {
            are_named: account.config.account.is_some(),
            list: vec![account],
            own: None,
            are_some: false,
            opener: Opener::new(&Choice::Sandbox, &present),
            clock: WorldClock::new(&present),
            locks: Locks::none(),
        }
    }

    /// Takes `locks` for each cycle from now on.
    pub fn set_locks(&mut self, locks: Locks) {
        self.locks = locks;
    }

    /// Goes on with another configuration, in all its accounts. What is open and still the same
    /// account stays open, sandboxes in memory too.
    ///
    /// # Errors
    ///
    /// Where an account cannot be opened, nothing has changed.
    pub async fn configure(&mut self, config: &Config) -> Result<(), OpenError> {
        let names = config.account_names();
        if names.is_empty() {
            return Err(OpenError::NoAccount);
        }
        let mut worlds = BTreeMap::new();
        for name in names.iter().filter(|name| !self.has(config, name)) {
            worlds.insert(name.clone(), self.opener.open(config, name).await?);
        }
        if names.contains(&None) {
            self.own = None;
        } else if self.own.is_none() {
            self.own = self.opener.open_own(config).await?;
        }
        for account in std::mem::take(&mut self.list) {
            worlds.entry(account.config.account).or_insert(account.world);
        }
        let open = |name: &AccountName| {
            let world = worlds.remove(name)?;
            Some(Account { config: config.of_account(name), world })
        };
        self.list = names.iter().filter_map(open).collect();
        self.are_named = names.iter().any(Option::is_some);
        Ok(())
    }

    /// Returns true if the account that `config` calls so is open.
    fn has(&self, config: &Config, name: &AccountName) -> bool {
        let role = |config: &Config| name.as_ref().and_then(|name| config.roles.get(name)).cloned();
        self.list
            .iter()
            .any(|account| account.config.account == *name && role(&account.config) == role(config))
    }

    /// Returns each account, the own one first, then by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.list.iter()
    }

    /// Returns true if the configuration has more accounts, which were not wanted.
    pub fn are_some(&self) -> bool {
        self.are_some
    }

    /// Returns the EC2 of the own account, whether or not policies apply in it; of a sandbox or a
    /// saved inventory any one will do.
    pub fn own(&self) -> &World {
        self.own.as_ref().unwrap_or(&self.list[0].world)
    }

    /// Returns the directory of each account in a saved inventory; none where there is only one.
    pub fn directory<'a>(&self, account: &'a Account) -> Option<&'a str> {
        self.are_named.then_some(account.config.account.as_deref().unwrap_or(OWN))
    }

    /// Returns the instant to plan for when a command starts.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.list[0].world.begun_at()
    }

    /// Returns the present instant, to the second. The clocks of sandboxes are moved on to it.
    pub fn now(&self) -> DateTime<Utc> {
        let present = self.clock.now();
        let shown = self.iter().map(|account| account.world.now(present));
        shown.max().unwrap_or(present).trunc_subsecs(0)
    }

    /// Waits until `at` by the accounts' clock; not at all if that has passed.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        self.list[0].world.sleep_until(at).await;
    }

    /// Waits between cycles until the present instant is `at`, or the clock is set, without waking
    /// up before.
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

    /// Carries out, once no other process does, what fresh plans still contain of `saved`; returns
    /// what became of each plan, in the order of the accounts.
    ///
    /// # Errors
    ///
    /// One of the plans is not to be applied; then none is.
    pub async fn apply(
        &self,
        saved: &[SavedPlan],
        request: &Request,
        terms: Terms,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Vec<Applied>, ApplyError> {
        let lock = self.locks.take(stop).await;
        let mut request = request.clone();
        if lock.as_ref().is_some_and(Guard::has_waited) {
            // What the other process made meanwhile is not of the future.
            request.now = self.now().max(request.now);
        }
        let (request, pairs) = (&request, || {
            self.iter().filter_map(|account| Some((account, plan_of(saved, account)?)))
        });
        let selecting = pairs().map(|(a, plan)| a.select(plan, request, terms, stop, progress));
        let selections: Result<Vec<_>, _> = join_all(selecting).await.into_iter().collect();
        let applying = pairs().zip(selections?).map(async |((account, _), selection)| {
            let Selection { plan, drift, is_interrupted } = selection;
            if terms.is_dry_run || is_interrupted {
                let report = Report { plan, outcomes: Vec::new(), is_interrupted };
                return Ok(Applied { report, drift });
            }
            let report = account.world.carry_out(&account.config, plan, stop, progress).await?;
            Ok(Applied { report, drift })
        });
        join_all(applying).await.into_iter().collect()
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

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.config.account.as_deref().unwrap_or(OWN))
    }
}
