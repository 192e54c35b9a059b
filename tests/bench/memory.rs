//! Planning and reading a million snapshots: how much memory, and whether it grows as the account
//! does.
//!
//! `cargo bench --no-default-features --bench memory`; with `-- --quick` for the smallest account only.
//! Counts the bytes that are allocated. Prints; promises nothing.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::cast_precision_loss, reason = "nobody reads a table to 16 digits")]

use std::error::Error;
use std::fs;
use std::hint::black_box;

use peak_alloc::PeakAlloc;
use snapkeep::cloud::files::{Files, save};
use snapkeep::plan::{Request, plan};

mod account;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Snapshots of each volume, in the accounts that are measured.
const PER_VOLUME: [usize; 3] = [5, 15, 50];

fn main() -> Result<(), Box<dyn Error>> {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let config = account::config()?;
    let now = "2026-11-20T02:05:00Z".parse()?;
    println!("{} volumes in 10 regions", account::N_VOLUMES);
    println!(
        "{:>9} {:>9} {:>10} {:>9} {:>10} {:>10}",
        "snapshots", "account", "of it", "plan()", "of it", "--inventory"
    );
    let sizes = if is_quick { &PER_VOLUME[..1] } else { &PER_VOLUME };
    for per_volume in sizes {
        let before = ALLOCATOR.current_usage();
        let inventory =
            account::inventory(&config, *per_volume, now).ok_or("the account cannot be built")?;
        let n_snapshots: usize = inventory.regions.values().map(|r| r.snapshots.len()).sum();
        let of_account = ALLOCATOR.current_usage() - before;
        let (_, of_plan) = peak(|| black_box(plan(&config, &inventory, &Request::at(now))));
        let dir = tempfile::tempdir()?;
        save(&inventory, dir.path())?;
        drop(inventory);
        let files = Files::open(dir.path())?;
        let (_, of_reading) = peak(|| black_box(files.load()));
        println!(
            "{n_snapshots:>9} {:>9} {:>10} {:>9} {:>10} {:>10}",
            mib(of_account),
            format!("{} B each", of_account / n_snapshots),
            mib(of_plan),
            format!("{} B each", of_plan / n_snapshots),
            mib(of_reading),
        );
    }
    println!("{}", peak_rss().unwrap_or_default());
    Ok(())
}

/// Returns what `work` returns, and how many bytes more than before it were in use at most.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let res = work();
    (res, ALLOCATOR.peak_usage() - before)
}

fn mib(n_bytes: usize) -> String {
    format!("{:.0} MiB", n_bytes as f64 / (1024.0 * 1024.0))
}

/// Returns the line of the kernel that says how much memory the whole benchmark held at once.
fn peak_rss() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(format!("resident at peak, all of the above: {}", line.split_once(':')?.1.trim()))
}
