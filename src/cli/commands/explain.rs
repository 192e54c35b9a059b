//! `explain`: everything about one snapshot or image.

use crate::cli::args::{ExplainArgs, Global, Scope};
use crate::cli::scope;
use crate::cli::usage;
use crate::cli::world::World;
use crate::domain::ids::ResourceId;
use crate::domain::region::Region;
use crate::report::{ExitCode, explain_text};
use crate::run::explain as explained;

use super::print;

pub(in crate::cli) async fn explain(
    global: &Global,
    args: ExplainArgs,
) -> anyhow::Result<ExitCode> {
    let (region, id) = wanted(args.id.trim())?;
    let config = scope::config(global)?;
    let world = World::open(global, args.inventory.as_deref()).await?;
    let all = Scope { policy: Vec::new(), region: Vec::new() };
    let request = scope::request(&config, &all, world.now())?;
    let inventory = world.observe(&config, &request).await;
    let Some(explanation) = explained(&config, &inventory, &request, region, id) else {
        let observed: Vec<&str> = inventory.regions.keys().map(Region::as_str).collect();
        let place = region.map_or_else(|| observed.join(", "), |region| region.to_string());
        let noun = match id {
            ResourceId::Snapshot(_) => "snapshot",
            ResourceId::Image(_) => "image",
        };
        if region.is_some_and(|region| !inventory.regions.contains_key(&region)) {
            anyhow::bail!("{place} was not read, only {}", observed.join(", "))
        }
        anyhow::bail!("the account has no {noun} {id} in {place}")
    };
    print(&explain_text::render(&explanation))?;
    Ok(ExitCode::Done)
}

/// Reads `snap-…` or `ami-…`, with a region and `/` before or without.
fn wanted(text: &str) -> anyhow::Result<(Option<Region>, ResourceId)> {
    let (region, id) = match text.split_once('/') {
        Some((region, id)) => (Some(region.parse().map_err(|err| usage(format!("{err}")))?), id),
        None => (None, text),
    };
    Ok((region, id.parse().map_err(|err| usage(format!("{err}")))?))
}
