//! Telling people of a run: what [`crate::run::notify`] needs of the environment and the arguments.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use crate::cli::args::Global;
use crate::config::{Config, Notify};
use crate::report::text::{printable, printable_lines};
use crate::run::notify::{self, After, Delivery, Memory, Notifier, Teller, state_dir};
use crate::run::{Accounts, Report, Request, World};

/// Returns where it is kept what was told, if anywhere.
pub(super) fn memory(
    global: &Global,
    config_path: &Path,
    explicit: Option<&Path>,
) -> Option<Memory> {
    let is_sandbox = global.sandbox.is_some();
    let usual = || if is_sandbox { None } else { state_dir(env) };
    let dir = explicit.map(Path::to_path_buf).or_else(usual)?;
    let memory = Memory::new(&dir, config_path);
    Some(if is_sandbox { memory.of_sandbox() } else { memory })
}

/// Tells whoever the configuration names what a run came to. Fails nothing.
pub(super) async fn tell(
    config: &Config,
    accounts: &Accounts,
    reports: &[Report],
    request: &Request,
    memory: Option<Memory>,
) {
    let is_partial = !request.policies.is_empty() || !request.regions.is_empty();
    tell_of(config, accounts, reports, is_partial, memory).await;
}

/// Does the same after a run that did only a part of what there is to do.
pub(super) async fn tell_part(
    config: &Config,
    accounts: &Accounts,
    reports: &[Report],
    memory: Option<Memory>,
) {
    tell_of(config, accounts, reports, true, memory).await;
}

async fn tell_of(
    config: &Config,
    accounts: &Accounts,
    reports: &[Report],
    is_partial: bool,
    memory: Option<Memory>,
) {
    let after = After { reports, is_partial, ..After::default() };
    let deliveries = Notifier::new(memory, env).tell(config, accounts, after).await;
    for text in deliveries.iter().filter_map(Delivery::rehearsed) {
        let _ = writeln!(std::io::stderr(), "{}", printable_lines(&text));
    }
}

/// Returns who tells, with the secret as the environment has it.
pub(super) fn teller<'a>(notify: &'a Notify, own: Result<&'a World, String>) -> Teller<'a> {
    notify::teller(notify, own, env)
}

pub(super) fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Warns on stderr of secrets that the configuration names and that are not there.
pub(super) fn warn_of_missing_secrets(config: &Config) -> std::io::Result<()> {
    let Some(notify) = config.notify.as_ref().filter(|notify| notify.webhook.is_some()) else {
        return Ok(());
    };
    if let Err(why) = notify::url(notify, env) {
        writeln!(
            std::io::stderr(),
            "warning: [notify.webhook]: {}; whatever runs snapkeep has to have it",
            printable(&why)
        )?;
    }
    Ok(())
}
