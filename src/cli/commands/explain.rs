//! `explain`: everything about one snapshot.

use crate::cli::args::{ExplainArgs, Global, Scope};
use crate::cli::scope;
use crate::cli::usage;
use crate::cli::world::World;
use crate::domain::ids::SnapshotId;
use crate::domain::region::Region;
use crate::report::{ExitCode, explain_text};
use crate::run::explain as explained;

use super::print;

pub(in crate::cli) async fn explain(
    global: &Global,
    args: ExplainArgs,
) -> anyhow::Result<ExitCode> {
    let id: SnapshotId = args.id.trim().parse().map_err(|err| usage(format!("{err}")))?;
    let config = scope::config(global)?;
    let world = World::open(global, args.inventory.as_deref()).await?;
    let all = Scope { policy: Vec::new(), region: Vec::new() };
    let request = scope::request(&config, &all, world.now())?;
    let inventory = world.observe(&config).await;
    let Some(explanation) = explained(&config, &inventory, &request, id) else {
        let regions: Vec<&str> = inventory.regions.keys().map(Region::as_str).collect();
        anyhow::bail!("the account has no snapshot {id} in {}", regions.join(", "))
    };
    print(&explain_text::render(&explanation))?;
    Ok(ExitCode::Done)
}
