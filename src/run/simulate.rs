//! Simulation: the real cycle, over a copy of the account in memory, through virtual time.
//!
//! What is observed, planned and executed is what a service or a timer would; only EC2 is the
//! sandbox's, and time passes when nothing else can happen. Nothing real is asked or changed here.
//! Instances and volumes stay as they are, and nobody but snapkeep makes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::files::ask_for_sources;
use crate::cloud::sandbox::{ACCOUNT, Fault, Luck, Sandbox};
use crate::config::{Config, Regions, Tier};
use crate::domain::ids::{ImageId, ResourceId, SnapshotId};
use crate::domain::inventory::{Inventory, Key, KeyAnswer};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::execute::{Outcome, Stop};
use crate::plan::retention::Holds;
use crate::plan::{KeepReason, Plan, Request, key_questions, plan, questions};
use crate::report::simulation::{Done, First, Place, Row, Simulation, Sizes, Trouble};
use crate::run::SandboxClock;
use crate::run::cycle::{Report, run};

mod calendar;
mod drive;
mod ledger;
mod periods;
mod prices;
mod promises;
mod scenario;
mod sizes;

pub use scenario::{CHANGE_PERCENT, Cadence, Scenario, ScenarioError, outage, percent, rate};

use calendar::{Calendar, months};
use drive::Waker;
use ledger::{Ledger, SourceKey};
use periods::Time;
use promises::Promises;

/// How long a call waits for a reply that does not come.
const TIMED_OUT_AFTER: TimeDelta = TimeDelta::seconds(30);
/// How far listings are behind where calls fail by chance.
const LATE_BY: TimeDelta = TimeDelta::seconds(30);

/// What is told of a simulation while it is under way.
pub trait Watcher {
    /// A cycle has ended, at this instant of the simulated time.
    fn reached(&self, at: DateTime<Utc>);
}

impl Watcher for () {
    fn reached(&self, _: DateTime<Utc>) {}
}

/// Plays `config`, which is called `name`, over what `inventory` shows.
pub async fn simulate(
    config: &Config,
    name: &str,
    inventory: &Inventory,
    scenario: &Scenario,
    watcher: &dyn Watcher,
) -> Simulation {
    let mut inventory = inventory.clone();
    let assumed = take_keys_for_usable(config, &mut inventory);
    let sandbox = copy_of(config, &inventory, scenario);
    let mut play = Play::new(config, scenario, &sandbox);
    play.begin();
    play.cycles(watcher).await;
    Simulation { assumed, ..play.end(name, &inventory) }
}

/// Returns the account in memory, with everything that is to go wrong.
fn copy_of(config: &Config, inventory: &Inventory, scenario: &Scenario) -> Sandbox {
    let sandbox = Sandbox::from_inventory(inventory, scenario.from);
    config.named_regions().iter().for_each(|region| sandbox.add_region(region));
    if 0.0 < scenario.fail_rate {
        let faults = [
            Fault::Throttled,
            Fault::ErrorBefore,
            Fault::LostReply,
            Fault::TimedOut { after: TIMED_OUT_AFTER, is_done: false },
            Fault::TimedOut { after: TIMED_OUT_AFTER, is_done: true },
        ];
        let each = scenario.fail_rate / 5.0;
        let luck = faults.into_iter().fold(Luck::new(scenario.seed), |l, f| l.with(f, each));
        sandbox.set_luck(luck);
        sandbox.set(|settings| {
            settings.invisible_for = LATE_BY;
            settings.lingers_for = LATE_BY;
        });
    }
    for outage in &scenario.outages {
        sandbox.outage(&outage.region, outage.from, outage.to);
    }
    sandbox
}

/// Adds the keys that the configuration needs and of which nobody knows whether they can be used;
/// returns what is said of that.
fn take_keys_for_usable(config: &Config, inventory: &mut Inventory) -> Vec<String> {
    let account = inventory.account.clone().unwrap_or_else(|| ACCOUNT.into());
    let mut said = Vec::new();
    for (region, names) in key_questions(config, inventory) {
        let keys = &mut inventory.regions.entry(region).or_default().keys;
        for name in names {
            if matches!(keys.get(&name), Some(KeyAnswer::Known(_) | KeyAnswer::Missing(_))) {
                continue;
            }
            said.push(format!("{region}: nobody knows the key {name}; it is taken to be usable"));
            let arn: Arc<str> = if name.starts_with("arn:") {
                Arc::clone(&name)
            } else {
                format!("arn:aws:kms:{region}:{account}:key/{name}").into()
            };
            keys.insert(name, KeyAnswer::Known(Key { arn, is_enabled: true, is_symmetric: true }));
        }
    }
    said
}

/// One simulation under way.
struct Play<'s> {
    config: &'s Config,
    scenario: &'s Scenario,
    sandbox: &'s Sandbox,
    calendar: Calendar,
    ledger: Ledger<'s>,
    promises: Promises<'s>,
    /// What each place occupies now.
    gib: Vec<f64>,
    /// Up to when that is counted.
    counted_to: DateTime<Utc>,
    /// GiB times months of each place since the last sample.
    gib_months: Vec<f64>,
    samples: Vec<Sample>,
    first: BTreeMap<usize, First>,
    done: Done,
}

/// What there is at one instant, by place.
struct Sample {
    counts: Vec<Counts>,
    gib: Vec<f64>,
    gib_months: Vec<f64>,
}

/// How many points there are.
#[derive(Debug, Clone, Default)]
struct Counts {
    n_points: usize,
    by_tier: BTreeMap<Tier, usize>,
    n_other: usize,
}

impl<'s> Play<'s> {
    fn new(config: &'s Config, scenario: &'s Scenario, sandbox: &'s Sandbox) -> Self {
        let (from, until) = (scenario.from, scenario.until());
        Self {
            config,
            scenario,
            sandbox,
            calendar: Calendar::new(from, until),
            ledger: Ledger::new(config, scenario.change_percent),
            promises: Promises::new(config, from),
            gib: Vec::new(),
            counted_to: from,
            gib_months: Vec::new(),
            samples: Vec::new(),
            first: BTreeMap::new(),
            done: Done::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.sandbox.time().now()
    }

    /// Looks at what there is before anything is done.
    fn begin(&mut self) {
        let (inventory, plan) = self.true_plan();
        let images = inventory.regions.values().flat_map(|region| &region.images);
        let backing: BTreeMap<ImageId, &[SnapshotId]> =
            images.map(|image| (image.id, &image.snapshot_ids[..])).collect();
        for (policy, region, id) in judged(&plan) {
            let Some(place) = self.ledger.place_of(policy, region) else { continue };
            self.ledger.judged_by(id, place);
            let snapshots = id.image().and_then(|id| backing.get(&id)).into_iter();
            for id in snapshots.flat_map(|ids| ids.iter()) {
                self.ledger.judged_by((*id).into(), place);
            }
        }
        self.look();
        self.sample(&plan);
    }

    /// Runs the cycles, one after the other, and counts at the end of each stretch.
    async fn cycles(&mut self, watcher: &dyn Watcher) {
        let until = self.scenario.until();
        let clock = SandboxClock(self.sandbox.time().clone());
        let (_never, stop) = Stop::new();
        let mut waker = Waker::new(&self.scenario.cadence);
        let mut next = match &self.scenario.cadence {
            Cadence::At(schedule) => {
                schedule.slot_after(self.scenario.from - TimeDelta::seconds(1))
            }
            Cadence::Serve | Cadence::Every(_) => Some(self.scenario.from),
        };
        while let Some(at) = next.filter(|at| *at < until) {
            self.pass_to(at);
            let now = self.now();
            let request = Request::at(now);
            let cycle = run(self.sandbox, &clock, self.config, &request, &stop, &());
            let report = self.sandbox.time().drive(cycle).await;
            self.after(&report);
            watcher.reached(self.now());
            next = waker.next(self.config, &report, now, self.now());
        }
        self.pass_to(until);
    }

    /// Looks at what a cycle did.
    fn after(&mut self, report: &Report) {
        if self.done.n_cycles == 0 {
            self.first_cycle(&report.plan);
        }
        self.done.n_cycles += 1;
        self.done.n_actions += report.outcomes.iter().filter(|o| o.is_done()).count();
        let is_failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
        self.done.n_failed += report.outcomes.iter().filter(is_failed).count();
        self.look();
        self.promises.after_cycle(report, &mut self.ledger);
    }

    /// Takes note of what the first cycle deletes.
    fn first_cycle(&mut self, plan: &Plan) {
        for action in &plan.actions {
            let Some(delete) = action.as_delete() else { continue };
            let Some(place) = self.ledger.place_of(&action.policy, action.region) else { continue };
            let first = self.first.entry(place).or_default();
            first.n_deletes += 1;
            first.volume_gib += u64::from(delete.size_gib);
        }
        for withheld in &plan.withheld {
            let action = &withheld.action;
            let Some(place) = self.ledger.place_of(&action.policy, action.region) else { continue };
            self.first.entry(place).or_default().n_withheld += 1;
        }
    }

    /// Lets time pass without a cycle, and counts where a stretch ends.
    fn pass_to(&mut self, to: DateTime<Utc>) {
        while let Some(at) = self.calendar.next_end(self.samples.len()).filter(|at| *at <= to) {
            self.sandbox.time().advance_to(at);
            self.look();
            let (_, plan) = self.true_plan();
            self.sample(&plan);
        }
        self.sandbox.time().advance_to(to);
    }

    /// Takes stock, and counts what was occupied since the last look.
    fn look(&mut self) {
        let now = self.now();
        let months = months(self.counted_to, now);
        self.counted_to = now;
        for (sum, gib) in self.gib_months.iter_mut().zip(&self.gib) {
            *sum += gib * months;
        }
        self.ledger.look(self.sandbox);
        let n_places = self.ledger.places.len();
        self.gib_months.resize(n_places, 0.0);
        self.gib = self.ledger.store.gib(n_places);
    }

    /// Plans with full knowledge of the account.
    fn true_plan(&self) -> (Inventory, Plan) {
        let mut inventory = self.sandbox.inventory();
        let config = self.config;
        if config.policies.iter().all(|policy| policy.regions != Regions::All) {
            // As a cycle does, it looks nowhere else.
            let named = config.named_regions();
            inventory.regions.retain(|region, _| named.contains(region));
        }
        let asked = questions(self.config, &inventory);
        ask_for_sources(&mut inventory, &asked);
        let plan = plan(self.config, &inventory, &Request::at(self.now()));
        (inventory, plan)
    }

    /// Counts the points of each place and tier.
    fn sample(&mut self, plan: &Plan) {
        self.promises.protection(plan, &mut self.ledger);
        let mut points: BTreeMap<(usize, Source, DateTime<Utc>), Holds> = BTreeMap::new();
        let withheld = plan.withheld.iter().map(|withheld| &withheld.action);
        for action in plan.actions.iter().chain(withheld) {
            let Some(delete) = action.as_delete() else { continue };
            let Some(place) = self.ledger.place_of(&action.policy, action.region) else { continue };
            points.entry((place, delete.source, delete.point_time)).or_default();
        }
        for keep in plan.keeps.iter().filter(|keep| keep.reason != KeepReason::Failed) {
            let Some(place) = self.ledger.place_of(&keep.policy, keep.region) else { continue };
            let holds = points.entry((place, keep.source, keep.point_time)).or_default();
            if let KeepReason::Held(of_keep) = keep.reason {
                *holds = of_keep;
            }
        }
        let n_places = self.ledger.places.len();
        let mut counts = vec![Counts::default(); n_places];
        for ((place, ..), holds) in points {
            let counts = &mut counts[place];
            counts.n_points += 1;
            counts.n_other += usize::from(holds.tiers().next().is_none());
            holds.tiers().for_each(|tier| *counts.by_tier.entry(tier).or_default() += 1);
        }
        self.gib.resize(n_places, 0.0);
        self.gib_months.resize(n_places, 0.0);
        let gib_months = std::mem::replace(&mut self.gib_months, vec![0.0; n_places]);
        let gib = self.gib.clone();
        self.samples.push(Sample { counts, gib, gib_months });
    }

    /// Returns what all of it came to.
    fn end(mut self, name: &str, inventory: &Inventory) -> Simulation {
        let (config, scenario) = (self.config, self.scenario);
        let time = Time { from: scenario.from, until: scenario.until() };
        periods::check(config, &self.ledger, time, &mut self.promises);
        let sources = self.promises.sources.clone();
        let mut places: Vec<(ledger::Place, Place)> = Vec::new();
        for n in 0..self.ledger.places.len() {
            places
                .extend(self.place(n, &sources, time).map(|place| (self.ledger.places[n], place)));
        }
        places.sort_by_key(|(key, _)| *key);
        let (n_told, n_assumed) = self.ledger.store.n_told();
        let calls: usize = self.sandbox.calls().values().sum();
        let gaps = inventory.regions.iter().flat_map(|(region, found)| {
            found.gaps.iter().map(move |gap| format!("{region}: {gap}"))
        });
        Simulation {
            config: name.to_owned(),
            config_digest: config.digest.clone(),
            account: inventory.account.clone(),
            account_name: config.account.clone(),
            from: time.from,
            until: time.until,
            length: scenario.length.to_string(),
            wakes: scenario.cadence.to_string(),
            done: Done { n_calls: calls, ..self.done },
            trouble: Trouble {
                fail_rate: scenario.fail_rate,
                seed: scenario.seed,
                outages: scenario.outages.clone(),
                faults: self.sandbox.faults_met().into_iter().collect(),
            },
            sizes: Sizes {
                change_percent: scenario.change_percent,
                currency: Arc::clone(&config.prices.currency),
                n_told,
                n_assumed,
            },
            assumed: Vec::new(),
            gaps: inventory.regions_error.iter().map(ToString::to_string).chain(gaps).collect(),
            broken: self.promises.end(&self.ledger),
            stretches: self.calendar.into_stretches(),
            places: places.into_iter().map(|(_, place)| place).collect(),
        }
    }

    /// Returns what one place has; none if that is nothing at all.
    fn place(&self, n: usize, sources: &BTreeSet<SourceKey>, time: Time) -> Option<Place> {
        let (policy, region) = self.ledger.places[n];
        let here = || sources.iter().filter(|(place, _)| *place == n).map(|(_, source)| source);
        let price = prices::price(&self.config.prices, &region);
        let tiers: BTreeSet<Tier> = self.rules(policy, region).collect();
        let rows = self.samples.iter().map(|sample| {
            let counts = sample.counts.get(n).cloned().unwrap_or_default();
            let of_place = |all: &[f64]| all.get(n).copied().unwrap_or_default();
            let gib_months = of_place(&sample.gib_months);
            Row {
                n_points: counts.n_points,
                by_tier: tiers
                    .iter()
                    .map(|t| counts.by_tier.get(t).copied().unwrap_or(0))
                    .collect(),
                n_other: counts.n_other,
                gib: of_place(&sample.gib),
                gib_months,
                cost: gib_months * price.gib_month,
            }
        });
        let rows: Vec<Row> = rows.collect();
        let n_sources = here().count();
        if n_sources == 0 && rows.iter().all(|row| row.n_points == 0) {
            return None;
        }
        let from: BTreeSet<Region> =
            here().map(|source| source.region).filter(|from| *from != region).collect();
        Some(Place {
            policy: ledger::name(self.config, (policy, region)),
            region,
            copies_from: from.into_iter().collect(),
            n_sources,
            tiers: tiers.into_iter().map(Tier::name).collect(),
            rows,
            largest_gap: periods::largest_gap(&self.ledger, sources, n, time),
            first: self.first.get(&n).copied().unwrap_or_default(),
            price,
        })
    }

    /// Returns the tiers that keep points of a policy in a region: its own, and those of copies.
    fn rules(&self, policy: usize, region: Region) -> impl Iterator<Item = Tier> {
        let policy = &self.config.policies[policy];
        let own = policy.applies_in(&region).then(|| &policy.in_region(&region).retention);
        let variants = std::iter::once(&policy.base).chain(policy.overrides.values());
        let copies = variants.flat_map(|variant| &variant.copies);
        let copies = copies.filter(move |rule| rule.to == region).map(|rule| &rule.retention);
        own.into_iter().chain(copies).flat_map(|retention| &retention.tiers).map(|rule| rule.tier)
    }
}

/// Returns what a plan judges: with its policy and region.
fn judged(plan: &Plan) -> impl Iterator<Item = (&str, Region, ResourceId)> {
    let keeps = plan.keeps.iter().map(|keep| (&*keep.policy, keep.region, keep.resource));
    let withheld = plan.withheld.iter().map(|withheld| &withheld.action);
    let deletes = plan.actions.iter().chain(withheld);
    let deletes = deletes
        .filter_map(|action| Some((&*action.policy, action.region, action.as_delete()?.resource)));
    keeps.chain(deletes)
}
