//! `run`: one cycle.

use std::io::{BufWriter, Write as _};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::{Format, Global, RunArgs};
use crate::cli::commands::plan::{planned, show};
use crate::cli::progress::Bar;
use crate::cli::scope;
use crate::cli::usage;
use crate::cli::world::World;
use crate::report::{ExitCode, json, run_text};
use crate::run::{Report, Request, Stop};

use super::print;

pub(in crate::cli) async fn run(global: &Global, args: RunArgs) -> anyhow::Result<ExitCode> {
    let config = scope::config(global)?;
    let world = World::open(global, None).await?;
    let base = scope::request(&config, &args.scope, world.now())?;
    let request = Request { extra: args.extra, max_deletes: args.max_deletes, ..base };
    if args.dry_run {
        let plan = planned(&world, &config, &request).await;
        let codes = ExitCode::of_plan(&plan, false);
        show(&plan, args.format, false, &codes)?;
        return Ok(codes[0]);
    }
    if global.now.is_some() && !world.may_pretend_now() {
        return Err(usage(
            "--now never changes a real account; use it with plan, --dry-run, --sandbox or an \
             endpoint on loopback",
        ));
    }
    let stop = stop_on_signals();
    let Report { plan, outcomes } = world.run(&config, &request, &stop, &Bar::new()).await?;
    let codes = ExitCode::of_run(&plan, &outcomes);
    match args.format {
        Format::Text => print(&run_text::render(&plan, &outcomes))?,
        Format::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_run(&mut out, &plan, &outcomes, &codes)?;
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
