//! A simulated year over a thousand volumes: how long it takes.
//!
//! `cargo bench --no-default-features --bench simulate`; with `-- --quick` for a month only.
//! Everything runs on one thread. Prints; promises nothing.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::error::Error;

use chrono::{DateTime, Utc};
use snapkeep::config::{self, Config};
use snapkeep::domain::inventory::Inventory;
use snapkeep::run::simulate::{CHANGE_PERCENT, Cadence, Scenario, simulate};

#[expect(dead_code, reason = "the other benchmark needs the rest")]
mod account;
mod stopwatch;

use account::Scale;
use stopwatch::Stopwatch;

/// 250 instances of three volumes, and 250 volumes by themselves, in two regions; the retention that
/// is shipped.
const CONFIG: &str = r#"
version = 1
[defaults]
regions = ["eu-west-1", "us-east-1"]
schedule = "0 3 * * *"
retention = { daily = "1 month", monthly = "7 months" }
# Of four days "1 month" ends on the last of February.
limits = { max_deletes = 5000 }

[[policy]]
name = "servers"
timezone = "Europe/Berlin"
select = { resource = "instance" }

[[policy]]
name = "databases"
schedule = "30 1 * * *"
select = { resource = "volume", tags = { Backup = "daily" } }
"#;

const SCALE: Scale = Scale { n_instances: 125, n_volumes: 500 };
/// As the retention keeps them.
const PER_VOLUME: usize = 38;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let config = config::parse(&[("bench.toml".to_owned(), CONFIG.to_owned())])
        .map_err(|problems| format!("{problems:?}"))?;
    let now = "2026-11-20T02:05:00Z".parse()?;
    let inventory =
        account::scaled(&config, SCALE, PER_VOLUME, now).ok_or("the account cannot be built")?;
    let n_snapshots: usize = inventory.regions.values().map(|found| found.snapshots.len()).sum();
    println!("1000 volumes, {n_snapshots} snapshots at the beginning; time on the core");
    println!(
        "{:<24} {:>7} {:>9} {:>8} {:>12}",
        "cycles begin", "cycles", "actions", "calls", "time"
    );
    let length = if is_quick { "1 month" } else { "1 year" };
    for cadence in [Cadence::Every("1 day".parse()?), Cadence::Serve] {
        play(&config, &inventory, now, length, cadence).await?;
    }
    Ok(())
}

async fn play(
    config: &Config,
    inventory: &Inventory,
    from: DateTime<Utc>,
    length: &str,
    cadence: Cadence,
) -> Result<(), Box<dyn Error>> {
    let scenario = Scenario {
        from,
        length: length.parse()?,
        cadence,
        fail_rate: 0.0,
        seed: 1,
        outages: Vec::new(),
        change_percent: CHANGE_PERCENT,
    };
    let started = Stopwatch::start();
    let simulation = simulate(config, "bench.toml", inventory, &scenario, &()).await;
    let time = started.elapsed();
    let done = simulation.done;
    println!(
        "{:<24} {:>7} {:>9} {:>8} {:>10.1} s",
        simulation.wakes,
        done.n_cycles,
        done.n_actions,
        done.n_calls,
        time.as_secs_f64()
    );
    if !simulation.broken.is_empty() {
        println!("  broken: {:?}", simulation.broken);
    }
    Ok(())
}
