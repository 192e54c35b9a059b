//! `inventory`: saves what was observed.

use std::fmt::Write as _;

use anyhow::Context as _;

use crate::cli::args::{Global, InventoryArgs};
use crate::cli::scope;
use crate::cloud::files;
use crate::domain::inventory::Inventory;
use crate::report::ExitCode;
use crate::report::text::{count, printable};
use crate::run::Request;

use super::print;

pub(in crate::cli) async fn inventory(
    global: &Global,
    args: InventoryArgs,
) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let accounts = scope::open(global, &config, &[], None).await?;
    let request = Request::at(accounts.begun_at());
    let mut out = String::new();
    let mut is_complete = true;
    for account in accounts.iter() {
        let inventory = account.world.observe(&account.config, &request).await;
        let name = accounts.directory(account);
        let dir = name.map_or_else(|| args.dir.clone(), |name| args.dir.join(name));
        files::save(&inventory, &dir)
            .with_context(|| format!("could not save the inventory to {}", dir.display()))?;
        if let Some(name) = name {
            let _ = writeln!(out, "account {name}");
        }
        is_complete &= describe(&inventory, &mut out);
    }
    print(&out)?;
    Ok(if is_complete { ExitCode::Done } else { ExitCode::Incomplete })
}

/// Writes what was saved; returns false if something could not be read.
fn describe(inventory: &Inventory, out: &mut String) -> bool {
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
    is_complete
}
