//! `check`: is the configuration right, what does it mean, and will it work?

use crate::cli::args::{CheckArgs, Global};
use crate::cli::scope;
use crate::cli::usage;
use crate::cli::world::World;
use crate::config::Config;
use crate::config::load;
use crate::config::render_resolved;
use crate::report::{ExitCode, preflight_text};
use crate::run::{Preflight, preflight};

use super::print;

pub(in crate::cli) async fn check(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let config = load(&path)?;
    if args.online {
        let world = World::open(global, None).await?;
        let preflight = try_out(&world, &config).await?;
        print(&preflight_text::render(&preflight))?;
        return Ok(if preflight.is_passed() { ExitCode::Done } else { ExitCode::Failed });
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

async fn try_out(world: &World, config: &Config) -> anyhow::Result<Preflight> {
    match world {
        World::Sandbox(sandbox) => {
            Ok(sandbox.time().drive(preflight(sandbox.as_ref(), config)).await)
        }
        World::Files(..) => Err(usage("a saved inventory grants no permissions to be tried")),
        #[cfg(feature = "aws")]
        World::Aws(cloud, _) => Ok(preflight(cloud.as_ref(), config).await),
    }
}
