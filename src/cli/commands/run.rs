//! `run`: one cycle, or as many as it takes until nothing is waited for.

use std::io::{BufWriter, Write as _};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::{Format, Global, RunArgs};
use crate::cli::commands::plan::{planned, show};
use crate::cli::progress::Bar;
use crate::cli::scope;
use crate::cli::usage;
use crate::cli::world::World;
use crate::config::Config;
use crate::report::{ExitCode, json, run_text};
use crate::run::{Progress, Report, Request, SandboxClock, Stop, run_until_settled};

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
    let Report { plan, outcomes } = if args.wait {
        wait(&world, &config, &request, &stop, &Bar::new()).await?
    } else {
        world.run(&config, &request, &stop, &Bar::new()).await?
    };
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

/// Runs cycles until nothing is waited for.
async fn wait(
    world: &World,
    config: &Config,
    request: &Request,
    stop: &Stop,
    progress: &dyn Progress,
) -> anyhow::Result<Report> {
    match world {
        World::Sandbox(sandbox) => {
            let clock = SandboxClock(sandbox.time().clone());
            let cycles =
                run_until_settled(sandbox.as_ref(), &clock, config, request, stop, progress);
            let report = sandbox.time().drive(cycles).await;
            sandbox.save().context("could not keep the sandbox")?;
            Ok(report)
        }
        World::Files(..) => Err(usage("a saved inventory can only be planned for")),
        #[cfg(feature = "aws")]
        World::Aws(cloud, clock) => {
            Ok(run_until_settled(cloud.as_ref(), clock, config, request, stop, progress).await)
        }
    }
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
