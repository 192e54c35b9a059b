//! The accounts of a configuration: each with its own part of it, and its own EC2.
//!
//! Accounts know nothing of each other: each has its plan, gaps, limits and report, and one that
//! fails stops none of the others.

use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use crate::config::{AccountName, Config};
use crate::execute::{Progress, Stop};
use crate::plan::{Plan, Request, plan};
use crate::run::cycle::Report;
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
    first: Account,
    others: Vec<Account>,
    /// The own account, if it is none of these: it tells people, and assumes roles.
    own: Option<World>,
    /// Whether there are others, which were not wanted.
    are_some: bool,
    /// Whether each has a name in what is shown, and a directory in a saved inventory.
    are_named: bool,
}

impl Accounts {
    /// Opens the EC2 of each account in which a policy of `config` applies, and that `wanted`
    /// names, if it names any; with `now`, as if that were the present instant.
    pub async fn open(
        config: &Config,
        wanted: &[AccountName],
        choice: &Choice,
        now: Option<DateTime<Utc>>,
    ) -> Result<Self, OpenError> {
        let opener = Opener::new(choice, now);
        let names = config.account_names();
        let are_named = names.iter().any(Option::is_some);
        let mut accounts = Vec::new();
        for name in names.iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
            let named = name.as_deref();
            let role = named.and_then(|name| Some((name, config.roles.get(name)?)));
            let directory = are_named.then_some(named.unwrap_or(OWN));
            let world = opener.open(role, directory).await?;
            accounts.push(Account { config: config.of_account(name), world });
        }
        let mut accounts = accounts.into_iter();
        let first = accounts.next().ok_or(OpenError::NoAccount)?;
        let own = match first.config.account {
            Some(_) if *choice == Choice::Aws => Some(opener.open(None, None).await?),
            Some(_) | None => None,
        };
        let others: Vec<Account> = accounts.collect();
        let are_some = others.len() + 1 < names.len();
        Ok(Self { first, others, own, are_some, are_named })
    }

    /// Takes one account that is open already.
    pub fn of(account: Account) -> Self {
        let (others, are_named) = (Vec::new(), account.config.account.is_some());
        Self { first: account, others, own: None, are_some: false, are_named }
    }

    /// Returns each account, the own one first, then by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns true if the configuration has more accounts, which were not wanted.
    pub fn are_some(&self) -> bool {
        self.are_some
    }

    /// Returns the EC2 of the own account, whether or not policies apply in it; of a sandbox or a
    /// saved inventory any one will do.
    pub fn own(&self) -> &World {
        self.own.as_ref().unwrap_or(&self.first.world)
    }

    /// Returns the directory of each account in a saved inventory; none where there is only one.
    pub fn directory<'a>(&self, account: &'a Account) -> Option<&'a str> {
        self.are_named.then_some(account.config.account.as_deref().unwrap_or(OWN))
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

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.config.account.as_deref().unwrap_or(OWN))
    }
}
