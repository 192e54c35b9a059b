//! `plan`: what a run would do now, and why.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Context as _;

use crate::cli::args::{Format, Global, PlanArgs};
use crate::cli::scope;
use crate::cli::world::World;
use crate::config::Config;
use crate::report::{ExitCode, json, plan_text};
use crate::run::{Plan, Request, plan as make_plan};

use super::print;

pub(in crate::cli) async fn plan(global: &Global, args: PlanArgs) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let world = World::open(global, args.inventory.as_deref()).await?;
    let base = scope::request(&config, &args.scope, world.now())?;
    let request = Request { max_deletes: args.max_deletes, ..base };
    let plan = planned(&world, &config, &request).await;
    let codes = ExitCode::of_plan(&plan, args.exit_code);
    if let Some(path) = &args.out {
        let save = || -> std::io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            json::write_plan(&mut out, &plan, &codes)?;
            out.flush()
        };
        save().with_context(|| format!("could not save the plan to {}", path.display()))?;
    }
    show(&plan, args.format, args.keeps, &codes)?;
    Ok(codes[0])
}

/// Observes and plans.
pub(super) async fn planned(world: &World, config: &Config, request: &Request) -> Plan {
    let inventory = world.observe(config, request).await;
    make_plan(config, &inventory, request)
}

/// Prints a plan.
pub(super) fn show(
    plan: &Plan,
    format: Format,
    lists_keeps: bool,
    codes: &[ExitCode],
) -> anyhow::Result<()> {
    match format {
        Format::Text => print(&plan_text::render(plan, lists_keeps))?,
        Format::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_plan(&mut out, plan, codes)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(())
}
