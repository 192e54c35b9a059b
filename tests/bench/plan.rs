//! Planning and reading a million snapshots: how long, and whether it grows as the account does.
//!
//! `cargo bench --no-default-features --bench plan`; with `-- --quick` for the smallest account only.
//! Everything runs on one thread. Prints; promises nothing. How much memory it takes is `memory`'s,
//! since counting bytes takes time.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::cast_precision_loss, reason = "nobody reads a table to 16 digits")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use snapkeep::cloud::files::{Files, save};
use snapkeep::config::Config;
use snapkeep::domain::inventory::Inventory;
use snapkeep::plan::{Plan, Request, plan, questions};

mod account;
mod stopwatch;

use stopwatch::Stopwatch;

/// Snapshots of each volume, in the accounts that are measured.
const PER_VOLUME: [usize; 3] = [5, 15, 50];
const N_RUNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let config = account::config()?;
    // Five minutes after one policy's slot, and long after the other's.
    let now = "2026-11-20T02:05:00Z".parse()?;
    println!(
        "{} volumes in 10 regions; plan() on one core, {N_RUNS} runs, time on the core",
        account::N_VOLUMES
    );
    println!(
        "{:>9} {:>9} {:>9} {:>8} {:>7} {:>10}",
        "snapshots", "best", "median", "ns each", "growth", "questions"
    );
    let mut smaller = None;
    let sizes = if is_quick { &PER_VOLUME[..1] } else { &PER_VOLUME };
    for per_volume in sizes {
        let inventory =
            account::inventory(&config, *per_volume, now).ok_or("the account cannot be built")?;
        let planned = Planned::measure(&config, &inventory, now);
        planned.print(smaller.replace(planned.ns_each()));
        if Some(per_volume) == sizes.last() {
            println!("\n{}", planned.counts);
            read(inventory)?;
        }
    }
    Ok(())
}

/// What planning one account took.
struct Planned {
    n_snapshots: usize,
    best: Duration,
    median: Duration,
    questions: Duration,
    counts: String,
}

impl Planned {
    fn measure(config: &Config, inventory: &Inventory, now: DateTime<Utc>) -> Self {
        let request = Request::at(now);
        let mut times = Vec::new();
        let mut counts = String::new();
        for _ in 0..N_RUNS {
            let started = Stopwatch::start();
            let plan = black_box(plan(config, black_box(inventory), &request));
            times.push(started.elapsed());
            counts = count(&plan);
        }
        times.sort();
        let started = Stopwatch::start();
        black_box(questions(config, inventory));
        Self {
            n_snapshots: inventory.regions.values().map(|found| found.snapshots.len()).sum(),
            best: times[0],
            median: times[N_RUNS / 2],
            questions: started.elapsed(),
            counts,
        }
    }

    fn ns_each(&self) -> f64 {
        self.best.as_nanos() as f64 / self.n_snapshots as f64
    }

    fn print(&self, smaller: Option<f64>) {
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!(
            "{:>9} {:>9} {:>9} {:>8.0} {:>7} {:>10}",
            self.n_snapshots,
            ms(self.best),
            ms(self.median),
            self.ns_each(),
            smaller.map_or_else(String::new, |ns| format!("{:.2}", self.ns_each() / ns)),
            ms(self.questions),
        );
    }
}

fn count(plan: &Plan) -> String {
    let n_delete = plan.actions.iter().filter(|action| action.as_delete().is_some()).count();
    format!(
        "planned: {n_delete} deletions, {} creations, {} kept, {} withheld, {} waiting, {} notes",
        plan.actions.len() - n_delete,
        plan.keeps.len(),
        plan.withheld.len(),
        plan.waiting.len(),
        plan.notes.len()
    )
}

/// Saves the account as the AWS CLI prints it, and reads it back.
fn read(inventory: Inventory) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    save(&inventory, dir.path())?;
    drop(inventory);
    let file_bytes = bytes_in(dir.path())?;
    let (started, wall) = (Stopwatch::start(), Instant::now());
    let inventory = black_box(Files::open(dir.path())?.load());
    let (seconds, wall) = (started.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
    let n_snapshots: usize = inventory.regions.values().map(|found| found.snapshots.len()).sum();
    let mb = file_bytes as f64 / 1e6;
    println!(
        "--inventory: {n_snapshots} snapshots read in {seconds:.2} s ({wall:.2} s by the clock); {mb:.0} MB, {:.0} MB/s",
        mb / seconds,
    );
    Ok(())
}

fn bytes_in(dir: &Path) -> std::io::Result<u64> {
    let mut n_bytes = 0;
    for region in fs::read_dir(dir)? {
        for file in fs::read_dir(region?.path())? {
            n_bytes += file?.metadata()?.len();
        }
    }
    Ok(n_bytes)
}
