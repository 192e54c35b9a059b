//! Years of operation, simulated: worlds, faults and clocks from one seed each, and a model of what
//! must still be restorable that was written without the planner.
//!
//! `cargo test --test simulation -- --seeds 300` runs so many years. The same seed gives the same
//! year. A failure prints its seed and the shortest script of steps that still fails. Reads no
//! clock but for the time that the whole took; nothing here is part of snapkeep.
//!
//! `planted/` holds bugs as patches, each called what it does, that these years must catch:
//! `.ci/planted` sees to it that they do.

#![expect(clippy::unwrap_used, reason = "this is test code, though without a harness")]
#![expect(clippy::print_stdout, reason = "its report goes there")]

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;

mod chance;
mod checks;
mod ledger;
#[expect(dead_code, unused_imports, reason = "its own tests are in the other test program")]
mod model;
mod people;
mod runner;
mod script;
mod shrink;
mod spec;
mod tally;
mod watch;
mod world;
mod year;

use script::Script;
use tally::Tally;
use year::Failure;

/// Simulates years of operation with everything going wrong.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Args {
    /// How many years, from consecutive seeds.
    #[arg(long, default_value_t = 4)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many days a year has.
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// How many years run side by side; as many as there are processors, if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// How many of the seeds run twice, to see that the year is the same.
    #[arg(long, default_value_t = 2)]
    twice: u64,
    /// Tells what happens in each step, without looking for a shorter script.
    #[arg(long)]
    trace: bool,
    /// Looks for no shorter script of a year that fails.
    #[arg(long)]
    quick: bool,
    /// Stops at the first year that fails, and fails if none does: a planted bug must be caught.
    #[arg(long)]
    until_failure: bool,
    /// As of other test programs: runs only if `simulation` contains it.
    #[arg(hide = true)]
    filter: Option<String>,
    // What `cargo test` hands to every test program.
    #[arg(long, hide = true)]
    list: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    skip: Vec<String>,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let is_meant = args.filter.as_ref().is_none_or(|filter| "simulation".contains(filter.as_str()));
    if args.list || !is_meant {
        return ExitCode::SUCCESS;
    }
    let (tally, failed) = run_all(&args);
    print!("{tally}");
    match (failed, args.until_failure) {
        (0, false) => println!("simulation: {} years ok", args.seeds),
        (0, true) => println!("simulation: {} years ok, but one was to FAIL", args.seeds),
        (_, false) => println!("simulation: {failed} of {} years FAILED", args.seeds),
        (_, true) => println!("simulation: a year failed, as one was to"),
    }
    if (0 < failed) == args.until_failure { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every seed, or until one fails; returns what was counted and how many failed.
fn run_all(args: &Args) -> (Tally, u64) {
    let next = AtomicU64::new(0);
    let all = Mutex::new((Tally::default(), 0));
    let n_jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    std::thread::scope(|scope| {
        for _ in 0..n_jobs.unwrap_or(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if args.seeds <= n {
                        break;
                    }
                    let (tally, end) = run_one(args, args.from + n, n < args.twice);
                    let mut all = all.lock().unwrap();
                    all.0.add(&tally);
                    if end.is_break() {
                        all.1 += 1;
                        if args.until_failure {
                            // Seeds below this one are under way, so the smallest is always told.
                            next.store(args.seeds, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// Runs the year of one seed, and a second time if wanted; tells what failed.
fn run_one(args: &Args, seed: u64, is_twice: bool) -> (Tally, ControlFlow<()>) {
    let script = Script::of(seed, args.days);
    let first = year::run(&script, args.trace);
    for line in &first.trace {
        println!("{line}");
    }
    if let Some(failure) = first.failure {
        if args.quick || args.trace {
            println!("seed {seed} failed: {failure}");
        } else {
            tell(seed, &script, &failure);
        }
        return (first.tally, ControlFlow::Break(()));
    }
    if is_twice && year::run(&script, false).digest != first.digest {
        println!("seed {seed} failed: the second time the year was another one");
        return (first.tally, ControlFlow::Break(()));
    }
    (first.tally, ControlFlow::Continue(()))
}

/// Prints a failure with the shortest script that still fails.
fn tell(seed: u64, script: &Script, failure: &Failure) {
    let (short, _) = shrink::shrink(script, failure);
    let again = year::run(&short, true);
    println!("seed {seed} failed after {} steps: {failure}", failure.step + 1);
    println!("shortest script that fails, {} steps:", short.steps.len());
    for line in again.trace {
        println!("  {line}");
    }
    if let Some(failure) = again.failure {
        println!("  {failure}");
    }
}
