//! `run`: one cycle, or as many as it takes until nothing is waited for.

use std::io::{BufWriter, Write as _};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::{Format, Global, RunArgs};
use crate::cli::commands::plan::{exit_codes, show};
use crate::cli::progress::Bar;
use crate::cli::scope;
use crate::cli::telling;
use crate::cli::usage;
use crate::config::load;
use crate::report::{ExitCode, json, run_text};
use crate::run::{Outcome, Plan, Report, Request, Stop};

use super::print;

pub(in crate::cli) async fn run(global: &Global, args: RunArgs) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let config = load(&path)?;
    let accounts = scope::open(global, &config, &args.scope.account, None).await?;
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
    let stop = stop_on_signals();
    let reports = if args.wait {
        accounts.run_until_settled(&request, &stop, &Bar::new()).await?
    } else {
        accounts.run(&request, &stop, &Bar::new()).await?
    };
    let code = show_reports(&reports, args.format);
    // Also where the report could not be shown, such as on a full disk.
    let memory = telling::memory(global, &path, args.state_dir.as_deref());
    telling::tell(&config, &accounts, &reports, &request, memory).await;
    code
}

/// Prints the report of each account.
fn show_reports(reports: &[Report], format: Format) -> anyhow::Result<ExitCode> {
    let runs: Vec<(&Plan, &[Outcome])> =
        reports.iter().map(|report| (&report.plan, &report.outcomes[..])).collect();
    let codes =
        ExitCode::of_all(runs.iter().map(|(plan, outcomes)| ExitCode::of_run(plan, outcomes)));
    match format {
        Format::Text => {
            let texts: Vec<_> =
                runs.iter().map(|(plan, outcomes)| run_text::render(plan, outcomes)).collect();
            print(&texts.join("\n"))?;
        }
        Format::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_runs(&mut out, &runs, &codes)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(codes[0])
}

/// Sets the wish to stop at the first SIGINT or SIGTERM; at the second the program ends at once.
fn stop_on_signals() -> Stop {
    let (sender, stop) = Stop::new();
    // Registered here, not in the task: from now on no signal ends the program by itself.
    let signals = signal(SignalKind::interrupt()).and_then(|interrupt| {
        let terminate = signal(SignalKind::terminate())?;
        Ok((interrupt, terminate))
    });
    let Ok((mut interrupt, mut terminate)) = signals else { return stop };
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        let _ = writeln!(std::io::stderr(), "stopping: what is under way is finished first");
        let _ = sender.send(true);
        next().await;
        std::process::exit(ExitCode::Failed.number().into());
    });
    stop
}
