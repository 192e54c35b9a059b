//! `inventory`: saves what was observed.

use std::fmt::Write as _;

use anyhow::Context as _;

use crate::cli::args::{Global, InventoryArgs};
use crate::cli::scope;
use crate::cli::world::World;
use crate::cloud::files;
use crate::report::ExitCode;
use crate::report::text::{count, printable};
use crate::run::Request;

use super::print;

pub(in crate::cli) async fn inventory(
    global: &Global,
    args: InventoryArgs,
) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let world = World::open(global, None).await?;
    let inventory = world.observe(&config, &Request::at(world.now())).await;
    files::save(&inventory, &args.dir)
        .with_context(|| format!("could not save the inventory to {}", args.dir.display()))?;
    let mut out = String::new();
    let mut is_complete = true;
    for (region, observed) in &inventory.regions {
        let _ = writeln!(
            out,
            "{region}: {}, {}, {}, {}",
            count(observed.instances.len(), "instance"),
            count(observed.volumes.len(), "volume"),
            count(observed.snapshots.len(), "snapshot"),
            count(observed.images.len(), "image"),
        );
        for gap in &observed.gaps {
            is_complete = false;
            let _ = writeln!(out, "  not saved, {}", printable(&gap.to_string()));
        }
    }
    print(&out)?;
    Ok(if is_complete { ExitCode::Done } else { ExitCode::Incomplete })
}
