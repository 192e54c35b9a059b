//! From arguments to what is asked of a plan: configuration, scope, present instant.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::cli::args::{Global, Scope};
use crate::cli::usage;
use crate::config::Config;
use crate::config::load;
use crate::run::{Accounts, Choice, Request};

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
    inventory: Option<&Path>,
) -> anyhow::Result<Accounts> {
    let choice = choice(global, inventory)?;
    Ok(Accounts::open(config, &choice, global.now).await?)
}

/// Returns which EC2 the arguments name.
pub(super) fn choice(global: &Global, inventory: Option<&Path>) -> anyhow::Result<Choice> {
    Ok(match (inventory, &global.sandbox) {
        (Some(_), Some(_)) => return Err(usage("--inventory and --sandbox exclude each other")),
        (Some(dir), None) => Choice::Saved(dir.to_owned()),
        (None, Some(Some(path))) if path.as_os_str() != "memory" => {
            Choice::KeptSandbox(path.clone())
        }
        (None, Some(_)) => Choice::Sandbox,
        (None, None) => Choice::Aws,
    })
}

/// Returns the request for `scope` at `now`; refuses names that the configuration does not have.
pub(super) fn request(
    config: &Config,
    scope: &Scope,
    now: DateTime<Utc>,
) -> anyhow::Result<Request> {
    for name in &scope.policy {
        if !config.policies.iter().any(|policy| policy.name.as_ref() == name) {
            let names: Vec<&str> = config.policies.iter().map(|p| p.name.as_ref()).collect();
            return Err(usage(format!(
                "no policy is called `{name}`; the configuration has {}",
                names.join(", ")
            )));
        }
    }
    for region in &scope.region {
        let is_destination = config.named_regions().contains(region);
        if !is_destination && !config.policies.iter().any(|policy| policy.applies_in(region)) {
            return Err(usage(format!("no policy applies in {region}, and none copies to it")));
        }
    }
    let (policies, regions) = (scope.policy.clone(), scope.region.clone());
    Ok(Request { policies, regions, ..Request::at(now) })
}
