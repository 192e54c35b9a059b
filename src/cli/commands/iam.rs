//! `iam`: the least-privilege policy for the configuration.

use std::io::Write as _;

use crate::cli::args::{Global, IamArgs, IamFormat};
use crate::cli::scope;
use crate::report::{ExitCode, iam as policies};
use crate::run::rights;

use super::print;

pub(in crate::cli) fn iam(global: &Global, args: &IamArgs) -> anyhow::Result<ExitCode> {
    let rights = rights(&scope::config(global)?);
    match args.format {
        IamFormat::Json => {
            let policy = policies::policy(&rights);
            print(&format!("{}\n", serde_json::to_string_pretty(&policy)?))?;
        }
    }
    // JSON has no comments.
    let mut err = std::io::stderr().lock();
    for hint in policies::hints(&rights) {
        writeln!(err, "hint: {hint}")?;
    }
    Ok(ExitCode::Done)
}
