//! `plan`: what a run would do now, and why.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Context as _;

use crate::cli::args::{Format, Global, PlanArgs};
use crate::cli::scope;
use crate::report::{ExitCode, json, plan_text};
use crate::run::{Plan, Request};

use super::print;

pub(in crate::cli) async fn plan(global: &Global, args: PlanArgs) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let accounts =
        scope::open(global, &config, &args.scope.account, args.inventory.as_deref()).await?;
    let base = scope::request(&config, &args.scope, accounts.begun_at())?;
    let request = Request { max_deletes: args.max_deletes, ..base };
    let plans = accounts.plan(&request).await;
    let codes = exit_codes(&plans, args.exit_code);
    if let Some(path) = &args.out {
        let save = || -> std::io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            json::write_plans(&mut out, &plans, &codes)?;
            out.flush()
        };
        save().with_context(|| format!("could not save the plan to {}", path.display()))?;
    }
    show(&plans, args.format, args.keeps, &codes)?;
    Ok(codes[0])
}

/// Returns all exit codes that apply to the plans, the one to exit with first.
pub(super) fn exit_codes(plans: &[Plan], tells_actions: bool) -> Vec<ExitCode> {
    ExitCode::of_all(plans.iter().map(|plan| ExitCode::of_plan(plan, tells_actions)))
}

/// Prints the plan of each account.
pub(super) fn show(
    plans: &[Plan],
    format: Format,
    lists_keeps: bool,
    codes: &[ExitCode],
) -> anyhow::Result<()> {
    match format {
        Format::Text => {
            let texts: Vec<_> =
                plans.iter().map(|plan| plan_text::render(plan, lists_keeps)).collect();
            print(&texts.join("\n"))?;
        }
        Format::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_plans(&mut out, plans, codes)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(())
}
