//! From arguments to what is asked of a plan: configuration, scope, present instant.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cli::args::{Global, Scope};
use crate::cli::usage;
use crate::config::{AccountName, Config, load};
use crate::run::accounts::OWN;
use crate::run::scope::request as request_for;
use crate::run::{Accounts, Choice, Request};

/// What stands for no file in SNAPKEEP_SANDBOX: `memory`, and what is typed for "yes".
const MEMORY: [&str; 5] = ["memory", "1", "true", "yes", "on"];
/// Where a configuration is looked for, in this order.
const DEFAULT_PATHS: [&str; 2] = ["config/snapkeep.toml", "/etc/snapkeep/snapkeep.toml"];

/// Reads the configuration that the arguments name, or the default one.
pub(super) fn config(global: &Global) -> anyhow::Result<Config> {
    Ok(load(&config_path(global)?)?)
}

/// Returns the path of the configuration.
pub(super) fn config_path(global: &Global) -> anyhow::Result<PathBuf> {
    if let Some(path) = &global.config {
        return Ok(path.clone());
    }
    let found = DEFAULT_PATHS.iter().map(Path::new).find(|path| path.exists());
    found.map(Path::to_path_buf).ok_or_else(|| {
        usage(format!(
            "no configuration: neither {} exists; name one with --config or SNAPKEEP_CONFIG",
            DEFAULT_PATHS.join(" nor ")
        ))
    })
}

/// Opens the EC2 that the arguments name, of every account of `config`.
pub(super) async fn open(
    global: &Global,
    config: &Config,
    wanted: &[String],
    inventory: Option<&Path>,
) -> anyhow::Result<Accounts> {
    let wanted = wanted.iter().map(|name| account(config, name)).collect::<Result<Vec<_>, _>>()?;
    let choice = choice(global, inventory)?;
    Ok(Accounts::open(config, &wanted, &choice, global.now).await?)
}

/// Returns which EC2 the arguments name.
pub(super) fn choice(global: &Global, inventory: Option<&Path>) -> anyhow::Result<Choice> {
    Ok(match (inventory, &global.sandbox) {
        (Some(_), Some(_)) => return Err(usage("--inventory and --sandbox exclude each other")),
        (Some(dir), None) => Choice::Saved(dir.to_owned()),
        (None, Some(Some(path))) if !MEMORY.iter().any(|word| path.as_os_str() == *word) => {
            Choice::KeptSandbox(path.clone())
        }
        (None, Some(_)) => Choice::Sandbox,
        (None, None) => Choice::Aws,
    })
}

/// Returns the account that is called `name`; refuses those in which no policy applies.
pub(super) fn account(config: &Config, name: &str) -> anyhow::Result<AccountName> {
    let wanted = Some(name).filter(|name| *name != OWN).map(Arc::from);
    let names = config.account_names();
    if names.contains(&wanted) {
        return Ok(wanted);
    }
    let names: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or(OWN)).collect();
    Err(usage(format!("no policy applies in an account `{name}`; there is {}", names.join(", "))))
}

/// Returns the request for `scope` at `now`; refuses names that the configuration does not have.
pub(super) fn request(
    config: &Config,
    scope: &Scope,
    now: DateTime<Utc>,
) -> anyhow::Result<Request> {
    let mut config = config.clone();
    if !scope.account.is_empty() {
        let is_wanted = |name: &AccountName| {
            scope.account.iter().any(|wanted| wanted == name.as_deref().unwrap_or(OWN))
        };
        config.policies.retain(|policy| policy.accounts.iter().any(is_wanted));
    }
    request_for(&config, &scope.policy, &scope.region, now).map_err(|err| usage(err.to_string()))
}
