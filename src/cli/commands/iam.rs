//! `iam`: the least-privilege policy for the configuration.

use std::io::Write as _;

use crate::cli::args::{Global, IamArgs, IamFormat};
use crate::cli::scope;
use crate::cli::usage;
use crate::report::{ExitCode, iam as policies, json};
use crate::run::accounts::OWN;
use crate::run::rights;

use super::print;

pub(in crate::cli) fn iam(global: &Global, args: &IamArgs) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let account = match &args.account {
        // Even where no policy applies in it, the own account's credentials assume the roles.
        Some(name) if name == OWN => None,
        Some(name) => scope::account(&config, name)?,
        None if config.roles.is_empty() => None,
        None => {
            let names: Vec<&str> = config.roles.keys().map(AsRef::as_ref).collect();
            let names = names.join(", ");
            return Err(usage(format!(
                "each account has a policy of its own: name one with --account, {OWN} or {names}"
            )));
        }
    };
    let rights = rights(&config.of_account(&account));
    match args.format {
        IamFormat::Json => {
            let policy = policies::policy(&rights);
            print(&format!("{}\n", json::to_pretty(&policy)?))?;
        }
    }
    // JSON has no comments.
    let mut err = std::io::stderr().lock();
    let trust = account
        .and_then(|name| config.roles.get(&name))
        .map(|role| policies::trust_hint(&role.arn, role.external_id.as_deref()));
    for hint in policies::hints(&rights).into_iter().chain(trust) {
        writeln!(err, "hint: {hint}")?;
    }
    Ok(ExitCode::Done)
}
