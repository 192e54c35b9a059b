//! `check`: is the configuration right, and what does it mean?

use crate::cli::args::{CheckArgs, Global};
use crate::cli::scope;
use crate::config::load;
use crate::config::render_resolved;
use crate::report::ExitCode;

use super::print;

pub(in crate::cli) fn check(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let config = load(&path)?;
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
