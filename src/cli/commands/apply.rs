//! `apply`: carries out what a fresh plan still contains of a saved one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use crate::cli::args::{ApplyArgs, Format, Global};
use crate::cli::commands::run::write_surely;
use crate::cli::progress::Bar;
use crate::cli::scope;
use crate::cli::telling;
use crate::cli::usage;
use crate::config::load;
use crate::report::{ExitCode, json, plan_text, run_text};
use crate::run::apply::account_names;
use crate::run::{
    Applied, ApplyError, Choice, Locks, Report, Request, SavedError, SavedPlan, Terms, saved,
    stop_on_signals,
};

use super::tell;

pub(in crate::cli) async fn apply(global: &Global, args: ApplyArgs) -> anyhow::Result<ExitCode> {
    let saved = read(&args.file)?;
    let path = scope::config_path(global)?;
    let config = load(&path)?;
    let mut accounts = scope::open(global, &config, &account_names(&saved), None).await?;
    let is_dry_run = args.dry_run;
    if !is_dry_run && global.now.is_some() && !accounts.may_pretend_now() {
        return Err(usage(
            "--now never changes a real account; use it with --dry-run, --sandbox or an endpoint \
             on loopback",
        ));
    }
    let stop = stop_on_signals(|| tell("stopping: what is under way is finished first"));
    let locks = match scope::choice(global, None)? {
        // Nothing is changed, or nobody else has it.
        _ if is_dry_run => Locks::none(),
        Choice::Sandbox => Locks::none(),
        Choice::Aws | Choice::KeptSandbox(_) | Choice::Saved(_) => {
            Locks::new(&config, args.lock.dirs(), Arc::new(tell))
        }
    };
    accounts.set_locks(locks);
    let request = Request::at(accounts.begun_at());
    let terms = Terms { max_age: args.max_age, max_deletes: args.max_deletes, is_dry_run };
    let applied = match accounts.apply(&saved, &request, terms, &stop, &Bar::new()).await {
        Ok(applied) => applied,
        Err(ApplyError::Saved(err)) => return Err(refused(&args.file, &err)),
        Err(ApplyError::World(err)) => return Err(err.into()),
    };
    let code = show(&applied, args.format, is_dry_run);
    if !is_dry_run {
        let reports: Vec<Report> = applied.into_iter().map(|applied| applied.report).collect();
        // Also where the report could not be shown, such as on a full disk.
        let memory = telling::memory(global, &path, args.state.state_dir.as_deref());
        telling::tell_part(&config, &accounts, &reports, memory).await;
    }
    code
}

fn read(file: &Path) -> anyhow::Result<Vec<SavedPlan>> {
    let read = if file == Path::new("-") {
        saved::read(io::stdin().lock())
    } else {
        File::open(file).map_err(SavedError::Io).and_then(saved::read)
    };
    read.map_err(|err| refused(file, &err))
}

fn refused(file: &Path, err: &SavedError) -> anyhow::Error {
    if file == Path::new("-") {
        return usage(format!("standard input: {err}"));
    }
    usage(format!("`{}`: {err}", file.display()))
}

/// Prints what became of the plan of each account.
fn show(applied: &[Applied], format: Format, is_dry_run: bool) -> anyhow::Result<ExitCode> {
    let codes = ExitCode::of_all(applied.iter().map(|Applied { report, drift }| {
        ExitCode::of_applied(&report.plan, &report.outcomes, drift)
    }));
    let write = |out: &mut dyn Write| match format {
        Format::Text => {
            let texts: Vec<_> = applied.iter().map(|applied| text(applied, is_dry_run)).collect();
            out.write_all(texts.join("\n").as_bytes())
        }
        Format::Json => {
            let applied: Vec<_> =
                applied
                    .iter()
                    .map(|Applied { report: Report { plan, outcomes, .. }, drift }| {
                        json::AppliedRef { plan, outcomes, drift }
                    })
                    .collect();
            json::write_applied(&mut *out, &applied, &codes)?;
            writeln!(out)
        }
    };
    write_surely(&mut BufWriter::new(io::stdout().lock()), write)?;
    Ok(codes[0])
}

fn text(applied: &Applied, is_dry_run: bool) -> String {
    let Applied { report, drift } = applied;
    let done = if is_dry_run {
        plan_text::render(&report.plan, false)
    } else {
        run_text::render(&report.plan, &report.outcomes)
    };
    format!("{done}{}", drift.render())
}
