//! `run`: one cycle, or as many as it takes until nothing is waited for.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use crate::cli::args::{Format, Global, RunArgs};
use crate::cli::commands::plan::{exit_codes, show};
use crate::cli::progress::Bar;
use crate::cli::scope;
use crate::cli::telling;
use crate::cli::usage;
use crate::config::load;
use crate::report::{ExitCode, json, run_text};
use crate::run::{Choice, Locks, Outcome, Plan, Report, Request, stop_on_signals};

use super::tell;

pub(in crate::cli) async fn run(global: &Global, args: RunArgs) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let config = load(&path)?;
    let mut accounts = scope::open(global, &config, &args.scope.account, None).await?;
    let base = scope::request(&config, &args.scope, accounts.begun_at())?;
    let request = Request { extra: args.extra, max_deletes: args.max_deletes, ..base };
    if args.dry_run {
        let plans = accounts.plan(&request).await;
        let codes = exit_codes(&plans, false);
        show(&plans, args.format, false, &codes)?;
        return Ok(codes[0]);
    }
    if global.now.is_some() && !accounts.may_pretend_now() {
        return Err(usage(
            "--now never changes a real account; use it with plan, --dry-run, --sandbox or an \
             endpoint on loopback",
        ));
    }
    let stop = stop_on_signals(|| tell("stopping: what is under way is finished first"));
    let locks = match scope::choice(global, None)? {
        // Nobody else has it.
        Choice::Sandbox => Locks::none(),
        Choice::Aws | Choice::KeptSandbox(_) | Choice::Saved(_) => {
            Locks::new(&config, args.lock.dirs(), Arc::new(tell))
        }
    };
    accounts.set_locks(locks);
    let reports = if args.wait {
        accounts.run_until_settled(&request, &stop, &Bar::new()).await?
    } else {
        accounts.run(&request, &stop, &Bar::new()).await?
    };
    let code = show_reports(&reports, args.format);
    // Also where the report could not be shown, such as on a full disk.
    let memory = telling::memory(global, &path, args.state.state_dir.as_deref());
    telling::tell(&config, &accounts, &reports, &request, memory).await;
    code
}

/// Prints the report of each account.
fn show_reports(reports: &[Report], format: Format) -> anyhow::Result<ExitCode> {
    let runs: Vec<(&Plan, &[Outcome])> =
        reports.iter().map(|report| (&report.plan, &report.outcomes[..])).collect();
    let codes =
        ExitCode::of_all(runs.iter().map(|(plan, outcomes)| ExitCode::of_run(plan, outcomes)));
    let write = |out: &mut dyn Write| match format {
        Format::Text => {
            let texts: Vec<_> =
                runs.iter().map(|(plan, outcomes)| run_text::render(plan, outcomes)).collect();
            out.write_all(texts.join("\n").as_bytes())
        }
        Format::Json => {
            json::write_runs(&mut *out, &runs, &codes)?;
            writeln!(out)
        }
    };
    write_surely(&mut BufWriter::new(io::stdout().lock()), write)?;
    Ok(codes[0])
}

/// Writes a report to `out`, which is stdout; where that fails, to stderr.
pub(super) fn write_surely(
    out: &mut dyn Write,
    write: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    match write(out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Err(err.into()),
        // What was done must not be lost with a full disk.
        Err(err) => {
            let _ = write(&mut io::stderr());
            Err(anyhow::Error::new(err).context("could not write the report to stdout"))
        }
    }
}
