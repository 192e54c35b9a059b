//! Telling people of a run: what [`crate::run::notify`] needs of the environment and the arguments.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use crate::cli::args::Global;
use crate::config::{Config, Notify};
use crate::report::Cycle;
use crate::run::notify::{
    Arrival, Delivery, Memory, Occasion, Patience, Secret, Teller, Told, state_dir, webhook_url,
};
use crate::run::{Accounts, Report, Request, World};

/// Returns where it is kept what was told, if anywhere.
pub(super) fn memory(
    global: &Global,
    config_path: &Path,
    explicit: Option<&Path>,
) -> Option<Memory> {
    // What happens in a sandbox must not be taken for what happened.
    let usual = || if global.sandbox.is_some() { None } else { state_dir(env) };
    let dir = explicit.map(Path::to_path_buf).or_else(usual)?;
    Some(Memory::new(&dir, config_path))
}

/// Tells whoever the configuration names what a run came to. Fails nothing.
pub(super) async fn tell(
    config: &Config,
    accounts: &Accounts,
    reports: &[Report],
    request: &Request,
    memory: Option<Memory>,
) {
    let Some(notify) = &config.notify else { return };
    let mut told = match memory.as_ref().map(Memory::read) {
        Some(Ok(told)) => told,
        Some(Err(err)) => {
            tracing::warn!("what was told before is not known: {:#}", anyhow::Error::from(err));
            Told::default()
        }
        None => Told::default(),
    };
    let n_accounts = reports.len();
    let id = |report: &Report| report.plan.account.clone().filter(|_| 1 < n_accounts);
    let name = |report: &Report| report.plan.account_name.clone().or_else(|| id(report));
    let names: Vec<_> = reports.iter().map(name).collect();
    let cycles: Vec<Cycle<'_>> = reports
        .iter()
        .zip(&names)
        .map(|(report, name)| Cycle {
            account: name.as_deref(),
            plan: &report.plan,
            outcomes: &report.outcomes,
        })
        .collect();
    let now = reports.iter().map(|report| report.plan.now).max();
    let occasion = Occasion {
        cycles: &cycles,
        troubles: Vec::new(),
        is_partial: accounts.are_some()
            || !request.policies.is_empty()
            || !request.regions.is_empty(),
        now: now.unwrap_or(request.now),
    };
    let deliveries = teller(notify, Ok(accounts.own())).tell(occasion, &mut told).await;
    deliveries.iter().for_each(show_rehearsed);
    if let Some(Err(err)) = memory.map(|memory| memory.write(&told)) {
        tracing::warn!(
            "what was told is not remembered, and may be told again: {:#}",
            anyhow::Error::from(err)
        );
    }
}

/// Returns who tells, with the secret as the environment has it.
pub(super) fn teller<'a>(notify: &'a Notify, own: Result<&'a World, String>) -> Teller<'a> {
    Teller { notify, url: url(notify), own, patience: Patience::default() }
}

fn url(notify: &Notify) -> Result<Secret, String> {
    notify.webhook.as_ref().map_or_else(
        || Err("no webhook is configured".to_owned()),
        |source| webhook_url(source, env),
    )
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Shows on stderr what nobody was told, since nothing of it is real.
fn show_rehearsed(delivery: &Delivery) {
    let rehearsed = |(_, arrival): &&_| matches!(arrival, Arrival::Rehearsed);
    let channels: Vec<String> =
        delivery.channels.iter().filter(rehearsed).map(|(c, _)| c.to_string()).collect();
    if channels.is_empty() {
        return;
    }
    let message = &delivery.message;
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "this is a sandbox; otherwise {} would tell:", channels.join(" and "));
    let lines = [message.subject.as_str(), ""].into_iter().chain(message.text.lines());
    for line in lines {
        let _ = writeln!(err, "{}", format!("  {line}").trim_end());
    }
}

/// Warns on stderr of secrets that the configuration names and that are not there.
pub(super) fn warn_of_missing_secrets(config: &Config) -> std::io::Result<()> {
    let Some(notify) = config.notify.as_ref().filter(|notify| notify.webhook.is_some()) else {
        return Ok(());
    };
    if let Err(why) = url(notify) {
        writeln!(
            std::io::stderr(),
            "warning: [notify.webhook]: {why}; whatever runs snapkeep has to have it"
        )?;
    }
    Ok(())
}
