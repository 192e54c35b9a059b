//! `check`: is the configuration right, what does it mean, and will it work?

use futures_util::future::join_all;

use crate::cli::args::{CheckArgs, Global};
use crate::cli::scope;
use crate::cli::telling;
use crate::config::Config;
use crate::config::load;
use crate::config::render_resolved;
use crate::report::{ExitCode, preflight_text};
use crate::run::Preflight;

use super::print;

pub(in crate::cli) async fn check(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let config = load(&path)?;
    telling::warn_of_missing_secrets(&config)?;
    if args.online {
        return try_out(global, &config).await;
    }
    let text = if args.resolved {
        render_resolved(&config)
    } else {
        let n = config.policies.len();
        let noun = if n == 1 { "policy" } else { "policies" };
        format!("{}: no problems, {n} {noun}\n", path.display())
    };
    print(&text)?;
    Ok(ExitCode::Done)
}

/// Tries in each account everything that it needs.
async fn try_out(global: &Global, config: &Config) -> anyhow::Result<ExitCode> {
    let accounts = scope::open(global, config, &[], None).await?;
    let tried = accounts.iter().map(|account| account.world.preflight(&account.config));
    let tried: Result<Vec<_>, _> = join_all(tried).await.into_iter().collect();
    let tried = tried?;
    for (account, preflight) in accounts.iter().zip(&tried) {
        if let Some(name) = accounts.directory(account) {
            print(&format!("account {name}\n\n"))?;
        }
        print(&preflight_text::render(preflight))?;
    }
    let is_passed = tried.iter().all(Preflight::is_passed);
    Ok(if is_passed { ExitCode::Done } else { ExitCode::Failed })
}
