//! Telling after cycles, and remembering what was told: the same for every way of starting them.

use std::ffi::OsString;

use chrono::{DateTime, Utc};

use crate::config::{Config, Notify};
use crate::report::Cycle;
use crate::report::trouble::{Trouble, failures};
use crate::run::notify::{Delivery, Memory, Occasion, Patience, Secret, Teller, Told, webhook_url};
use crate::run::{Accounts, Report, World};

/// Reads a variable of the environment.
pub type Environment = fn(&str) -> Option<OsString>;

/// Tells people after cycles.
pub struct Notifier {
    /// Where it is kept what was told; without it the process remembers.
    memory: Option<Memory>,
    told: Option<Told>,
    env: Environment,
}

/// What a cycle came to.
#[derive(Default)]
pub struct After<'a> {
    /// The report of each account.
    pub reports: &'a [Report],
    /// What is wrong beside, such as a configuration that cannot be used.
    pub troubles: Vec<Trouble>,
    /// Whether it was for some policies, regions or accounts only.
    pub is_partial: bool,
}

impl Notifier {
    /// Remembers in `memory`, and finds secrets in the environment.
    pub fn new(memory: Option<Memory>, env: Environment) -> Self {
        Self { memory, told: None, env }
    }

    /// Tells whoever `config` names what a cycle came to. Fails nothing.
    pub async fn tell(
        &mut self,
        config: &Config,
        accounts: &Accounts,
        after: After<'_>,
    ) -> Vec<Delivery> {
        let Some(notify) = &config.notify else { return Vec::new() };
        let After { reports, mut troubles, is_partial } = after;
        let now: Option<DateTime<Utc>> = reports.iter().map(|report| report.plan.now).max();
        let Some(now) = now else { return Vec::new() };
        let (interrupted, whole) = split(reports);
        // What was interrupted before its plan says nothing of the account, but for what the cycles
        // before it did.
        let failures: Vec<Trouble> = interrupted.iter().flat_map(failures).collect();
        if whole.is_empty() && failures.is_empty() {
            return Vec::new();
        }
        troubles.extend(failures);
        let is_partial = is_partial || accounts.are_some() || !interrupted.is_empty();
        let occasion = Occasion { cycles: &whole, troubles, is_partial, now };
        let mut told = self.recall();
        let before = told.clone();
        let teller = teller(notify, Ok(accounts.own()), self.env);
        // The SDK's futures are large.
        let deliveries = Box::pin(teller.tell(occasion, &mut told)).await;
        if told != before {
            self.remember(&told);
        }
        self.told = Some(told);
        deliveries
    }

    /// Returns what was told; another process may have told more meanwhile.
    fn recall(&self) -> Told {
        let in_process = || self.told.clone().unwrap_or_default();
        let Some(memory) = &self.memory else { return in_process() };
        memory.read().unwrap_or_else(|err| {
            tracing::warn!("what was told before is not known: {:#}", anyhow::Error::from(err));
            in_process()
        })
    }

    fn remember(&self, told: &Told) {
        if let Some(Err(err)) = self.memory.as_ref().map(|memory| memory.write(told)) {
            tracing::warn!(
                "what was told is not remembered, and may be told again: {:#}",
                anyhow::Error::from(err)
            );
        }
    }
}

/// Returns the cycles that were interrupted before their plan, and the others.
fn split(reports: &[Report]) -> (Vec<Cycle<'_>>, Vec<Cycle<'_>>) {
    let mut res = (Vec::new(), Vec::new());
    for Report { plan, outcomes, is_interrupted } in reports {
        let cycle = Cycle { account: plan.account_name.as_deref(), plan, outcomes };
        if *is_interrupted { res.0.push(cycle) } else { res.1.push(cycle) }
    }
    res
}

/// Returns who tells, with the secret as the environment has it now.
pub fn teller<'a>(
    notify: &'a Notify,
    own: Result<&'a World, String>,
    env: Environment,
) -> Teller<'a> {
    Teller { notify, url: url(notify, env), own, patience: Patience::default() }
}

/// Returns the webhook's URL.
///
/// # Errors
///
/// Why it is not there, without any of it.
pub fn url(notify: &Notify, env: Environment) -> Result<Secret, String> {
    notify.webhook.as_ref().map_or_else(
        || Err("no webhook is configured".to_owned()),
        |source| webhook_url(source, env),
    )
}
