//! `explain`: everything about one snapshot or image.

use std::collections::BTreeSet;

use crate::cli::args::{ExplainArgs, Global, Scope};
use crate::cli::scope;
use crate::cli::usage;
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
    let accounts = scope::open(global, &config, &[], args.inventory.as_deref()).await?;
    let all = Scope { account: Vec::new(), policy: Vec::new(), region: Vec::new() };
    let request = scope::request(&config, &all, accounts.begun_at())?;
    let mut observed: BTreeSet<Region> = BTreeSet::new();
    let mut found = None;
    for account in accounts.iter() {
        let inventory = account.world.observe(&account.config, &request).await;
        let explanation = explained(&account.config, &inventory, &request, region, id);
        found = explanation.map(|explanation| {
            let text = explain_text::render(&explanation);
            match accounts.directory(account) {
                Some(name) => format!("account {name}\n\n{text}"),
                None => text,
            }
        });
        if found.is_some() {
            break;
        }
        observed.extend(inventory.regions.into_keys());
    }
    let Some(text) = found else {
        let is_read = region.is_none_or(|region| observed.contains(&region));
        let observed: Vec<&str> = observed.iter().map(Region::as_str).collect();
        let place = region.map_or_else(|| observed.join(", "), |region| region.to_string());
        let noun = match id {
            ResourceId::Snapshot(_) => "snapshot",
            ResourceId::Image(_) => "image",
        };
        if !is_read {
            anyhow::bail!("{place} was not read, only {}", observed.join(", "))
        }
        anyhow::bail!("the account has no {noun} {id} in {place}")
    };
    print(&text)?;
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
