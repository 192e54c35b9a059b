//! `simulate`: what the policies come to in a year, with what goes wrong.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::cli::args::{Format, Global, SimulateArgs};
use crate::cli::progress::TimeBar;
use crate::cli::{scope, usage};
use crate::config::{Config, load};
use crate::domain::inventory::Inventory;
use crate::domain::region::Region;
use crate::report::simulation::{Simulation, compare, page, text};
use crate::report::{ExitCode, json};
use crate::run::accounts::OWN;
use crate::run::simulate::{self, Cadence, Scenario};
use crate::run::{Account, Accounts, Request};

use super::print;

pub(in crate::cli) async fn simulate(
    global: &Global,
    args: SimulateArgs,
) -> anyhow::Result<ExitCode> {
    let path = scope::config_path(global)?;
    let mut today = Played::load(global, &args, &path, global.now).await?;
    let other = match &args.against {
        Some(path) => Some(Played::load(global, &args, path, Some(today.begun_at)).await?),
        None => None,
    };
    if let Some(other) = &other {
        add(&mut today.inventory, &other.inventory);
    }
    let scenario = scenario(&args, today.begun_at);
    let configs = [Some(&today.config), other.as_ref().map(|other| &other.config)];
    let configs: Vec<&Config> = configs.into_iter().flatten().collect();
    let regions: Vec<Region> = today.inventory.regions.keys().copied().collect();
    scenario.check(&configs, &regions).map_err(|err| usage(err.to_string()))?;

    let is_quiet = global.verbose == 0;
    let first = today.play(&today.inventory, &scenario, is_quiet).await;
    let second = match &other {
        Some(other) => Some(other.play(&today.inventory, &scenario, is_quiet).await),
        None => None,
    };
    if let Some(path) = &args.out {
        fs::write(path, page::render(&first, second.as_ref()))
            .with_context(|| format!("could not write the page to {}", path.display()))?;
    }
    let both = std::iter::once(&first).chain(&second);
    let codes = ExitCode::of_all(both.map(Simulation::codes));
    match (args.format, &second) {
        (Format::Text, None) => print(&text::render(&first))?,
        (Format::Text, Some(second)) => print(&compare::render(&first, second))?,
        (Format::Json, second) => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_simulation(&mut out, &first, second.as_ref(), &codes)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(codes[0])
}

/// A configuration, and what it is played over.
struct Played {
    name: String,
    config: Config,
    inventory: Inventory,
    begun_at: DateTime<Utc>,
}

impl Played {
    /// Reads a configuration and observes its account; asks nothing of EC2 after that.
    async fn load(
        global: &Global,
        args: &SimulateArgs,
        path: &Path,
        now: Option<DateTime<Utc>>,
    ) -> anyhow::Result<Self> {
        let config = load(path)?;
        let wanted = args.account.iter().map(|name| scope::account(&config, name));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        let choice = scope::choice(global, args.inventory.as_deref())?;
        let accounts = Accounts::open(&config, &wanted, &choice, now).await?;
        let Account { config, world } = only(&accounts)?;
        let begun_at = accounts.begun_at();
        let inventory = world.observe(config, &Request::at(begun_at)).await;
        let (name, config) = (path.display().to_string(), config.clone());
        Ok(Self { name, config, inventory, begun_at })
    }

    async fn play(&self, inventory: &Inventory, scenario: &Scenario, is_quiet: bool) -> Simulation {
        let bar = TimeBar::new(&self.name, scenario.from, scenario.until());
        let playing = simulate::simulate(&self.config, &self.name, inventory, scenario, &bar);
        // What fails in a year that is made up is no news, and the times of logs are real ones.
        if is_quiet { playing.with_subscriber(NoSubscriber::new()).await } else { playing.await }
    }
}

/// Returns the account that is meant; refuses to choose among several.
fn only(accounts: &Accounts) -> anyhow::Result<&Account> {
    let all: Vec<&Account> = accounts.iter().collect();
    if let [account] = all[..] {
        return Ok(account);
    }
    let names = all.iter().map(|account| account.config.account.as_deref().unwrap_or(OWN));
    let names = names.collect::<Vec<_>>().join(", ");
    Err(usage(format!("one account is simulated at a time; name it with --account: {names}")))
}

/// Adds what only the other configuration made known.
fn add(inventory: &mut Inventory, other: &Inventory) {
    for (region, more) in &other.regions {
        let Some(found) = inventory.regions.get_mut(region) else {
            inventory.regions.insert(*region, more.clone());
            continue;
        };
        for (name, answer) in &more.keys {
            found.keys.entry(name.clone()).or_insert_with(|| answer.clone());
        }
        for (id, image_use) in &more.image_uses {
            found.image_uses.entry(*id).or_insert_with(|| image_use.clone());
        }
    }
}

fn scenario(args: &SimulateArgs, begun_at: DateTime<Utc>) -> Scenario {
    Scenario {
        from: args.from.unwrap_or(begun_at),
        length: args.length,
        cadence: args.every.clone().unwrap_or(Cadence::Serve),
        fail_rate: args.fail_rate,
        seed: args.seed,
        outages: args.outage.clone(),
        change_percent: args.change_rate,
    }
}
