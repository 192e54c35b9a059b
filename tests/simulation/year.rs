//! One year, step by step: what happens, and what must hold after it.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::{Luck, Rule, Sandbox};
use snapkeep::config::Config;
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::plan::retention::Hold;
use snapkeep::plan::{Action, ExpireReason, Keep, KeepReason, Op, Plan, Request, plan};
use snapkeep::run::{Outcome, Report, observe};

use crate::chance::Chance;
use crate::checks::Checked;
use crate::ledger::{Ledger, News};
use crate::model::{self, Truth};
use crate::people;
use crate::runner::{self, Ended};
use crate::script::{Act, Script, Step, Weather};
use crate::spec::{KEY, Spec};
use crate::tally::Tally;
use crate::watch::Watched;

/// So many calm cycles at most until nothing is left to do.
const SETTLING_CYCLES_MAX: usize = 60;

/// A rule that was broken, and how.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    how: String,
}

impl Broken {
    pub(crate) fn new(rule: &'static str, how: String) -> Self {
        Self { rule, how }
    }
}

/// Where in a script a rule was broken.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: usize,
    pub(crate) broken: Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.broken.rule, self.broken.how)
    }
}

/// How a year went.
#[derive(Debug)]
pub(crate) struct Outcomes {
    pub(crate) failure: Option<Failure>,
    pub(crate) tally: Tally,
    /// What happened, a line for each step.
    pub(crate) trace: Vec<String>,
    /// The same for the same year.
    pub(crate) digest: u64,
}

/// Plays a script.
pub(crate) fn run(script: &Script, is_traced: bool) -> Outcomes {
    let mut year = Year::new(script, is_traced);
    let mut failure = None;
    for (step, what) in script.steps.iter().enumerate() {
        let end = catch_unwind(AssertUnwindSafe(|| year.step(what)));
        let end = end.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref().copied());
            Err(Broken::new("panicked", text.unwrap_or_default().to_owned()))
        });
        if let Err(broken) = end {
            if is_traced {
                year.trace.append(&mut year.calls);
            }
            failure = Some(Failure { step, broken });
            break;
        }
    }
    for (kind, n) in year.sandbox.faults_met() {
        year.tally.count("faults injected", kind, n);
    }
    for ((_, operation), n) in year.sandbox.calls() {
        year.tally.count("calls", operation, n);
    }
    let Year { tally, trace, digest, .. } = year;
    Outcomes { failure, tally, trace, digest: digest.finish() }
}

struct Year {
    sandbox: Sandbox,
    spec: Spec,
    config: Config,
    ledger: Ledger,
    tally: Tally,
    is_traced: bool,
    trace: Vec<String>,
    /// The calls of the last cycle.
    calls: Vec<String>,
    /// Until when points may be there that a clock far ahead has made.
    ahead_until: DateTime<Utc>,
    digest: DefaultHasher,
}

impl Year {
    fn new(script: &Script, is_traced: bool) -> Self {
        let spec = script.world.spec.clone();
        let mut year = Self {
            sandbox: script.world.sandbox(),
            config: spec.config(),
            spec,
            ledger: Ledger::default(),
            tally: Tally::default(),
            is_traced,
            trace: Vec::new(),
            calls: Vec::new(),
            ahead_until: DateTime::UNIX_EPOCH,
            digest: DefaultHasher::new(),
        };
        year.tell(|| script.world.spec.text());
        for source in &script.world.sources {
            year.tell(|| format!("{source:?}"));
        }
        year
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.is_traced {
            let at = self.sandbox.time().now();
            self.trace.push(format!("{} {}", at.format("%F %H:%M:%S"), line()));
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Broken> {
        self.sandbox.time().advance_to(step.at);
        match &step.act {
            Act::Cycle(weather) => self.cycle(weather).map(drop),
            Act::People(seed) => {
                self.people(*seed);
                Ok(())
            }
            Act::Configure(spec) => {
                self.tally.count("other events", "configuration changed", 1);
                self.spec = (**spec).clone();
                self.config = spec.config();
                self.tell(|| format!("configuration:{}", spec.text().replace('\n', "\n    ")));
                Ok(())
            }
            Act::Down(region, span) => {
                self.tally.count("other events", "region down", 1);
                let now = self.sandbox.time().now();
                self.sandbox.outage(&region.parse().unwrap(), now, now + *span);
                self.tell(|| format!("{region} is down for {} h", span.num_hours()));
                Ok(())
            }
            Act::Settle => self.settle(),
        }
    }

    fn people(&mut self, seed: u64) {
        let regions: Vec<Region> = self.sandbox.inventory().regions.into_keys().collect();
        let region = *Chance::of(seed, "where").one_of(&regions);
        let (kind, what) = people::act(&self.sandbox, &region, seed, &self.spec);
        self.tally.count("people", kind, 1);
        self.read_journal();
        self.tell(|| format!("somebody {kind} in {region}: {what}"));
    }

    fn read_journal(&mut self) -> (News, Inventory) {
        let journal = self.sandbox.take_journal();
        let truth = self.sandbox.inventory();
        (self.ledger.read(journal, &truth), truth)
    }

    /// Runs one cycle in `weather`, and checks it.
    fn cycle(&mut self, weather: &Weather) -> Result<Ended, Broken> {
        self.set(weather);
        let begun_at = self.sandbox.time().now();
        let spec = self.spec.clone();
        let watched = Watched::new(&self.sandbox, weather, &spec);
        let faults_before: usize = self.sandbox.faults_met().values().sum();
        let ended = runner::cycle(&watched, &self.config);
        watched.digest().hash(&mut self.digest);
        let seen = watched.into_seen();
        let (news, after) = self.read_journal();
        self.count_cycle(weather, &ended, &news);
        let n_faults = self.sandbox.faults_met().values().sum::<usize>() - faults_before;
        self.tell(|| told(weather, n_faults, &ended, &news, &seen.deeds));
        let checked = Checked {
            config: &self.config,
            ledger: &self.ledger,
            news: &news,
            ended: &ended,
            seen: &seen,
            after: &after,
            skew: weather.skew,
            lingers: TimeDelta::zero() < weather.lingers_for,
            max_deletes: spec.max_deletes(),
        };
        let end = checked.check(&mut self.tally);
        self.calls = seen.calls;
        end?;
        self.sandbox.clear_faults();
        let now = self.sandbox.time().now();
        if TimeDelta::minutes(5) < weather.skew {
            self.ahead_until = self.ahead_until.max(now + weather.skew + TimeDelta::days(32));
        }
        // Whose slot comes later than its data may go and is made again. What takes time sees things
        // completed that were pending.
        if n_faults == 0 && weather.is_fine() && self.ahead_until < now && begun_at == now {
            self.plan_again(&ended)?;
        }
        Ok(ended)
    }

    fn set(&self, weather: &Weather) {
        self.sandbox.clear_faults();
        self.sandbox.set(|settings| {
            settings.latency = weather.latency;
            settings.is_throttling = weather.is_throttling;
            settings.invisible_for = weather.invisible_for;
            settings.lingers_for = weather.lingers_for;
            settings.page_items = weather.page_items;
            settings.has_empty_pages = weather.has_empty_pages;
            settings.clock_skew = Some(weather.skew);
        });
        let faults = weather.faults.iter().cloned();
        let luck =
            faults.fold(Luck::new(weather.seed), |luck, (fault, rate)| luck.with(fault, rate));
        self.sandbox.set_luck(luck);
        if let Some(operation) = weather.denied {
            self.sandbox.fail(Rule::every(operation), snapkeep::cloud::sandbox::Fault::Denied);
        }
    }

    fn count_cycle(&mut self, weather: &Weather, ended: &Ended, news: &News) {
        let tally = &mut self.tally;
        tally.count("cycles", "in all", 1);
        tally.count("other events", "killed", ended.n_processes - ended.reports.len());
        for (kind, is_so) in [
            ("two processes", weather.second_after.is_some()),
            ("asked to stop", weather.stopped_at.is_some()),
            ("clock off", !weather.skew.is_zero()),
            ("late listings", !(weather.invisible_for + weather.lingers_for).is_zero()),
            ("small pages", weather.page_items < 1000),
        ] {
            tally.count("other events", kind, usize::from(is_so));
        }
        tally.count("things", "made", news.made.len());
        tally.count("things", "deleted", news.deleted.len());
    }

    /// 10: after a finished run, the plan of the same instant is empty. 1: and the same again,
    /// whatever the order of the listings.
    fn plan_again(&mut self, ended: &Ended) -> Result<(), Broken> {
        let [report] = &ended.reports[..] else { return Ok(()) };
        let is_smooth = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
        if !report.plan.gaps.is_empty()
            || !report.outcomes.iter().all(is_smooth)
            || 1 < report.plan.actions.len() && report.plan.now.timestamp() % 4 != 0
        {
            return Ok(());
        }
        self.tally.count("invariants checked", "the next plan is empty", 1);
        let request = Request::at(report.plan.now);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let observing = observe(&self.sandbox, &self.config, &request);
        let mut inventory = runtime.block_on(self.sandbox.time().drive(observing));
        let again = plan(&self.config, &inventory, &request);
        let is_changing = !report.plan.actions.is_empty();
        let waited = waited_for(&report.plan, &again);
        let is_awaited = |action: &Action| is_changing && waited.contains(&point_of(action));
        if !again.actions.iter().all(|a| is_awaited(a) || may_come_later(a, is_changing)) {
            return Err(Broken::new("the next plan is not empty", actions(&again)));
        }
        for region in inventory.regions.values_mut() {
            region.snapshots.reverse();
            region.images.reverse();
            region.instances.reverse();
        }
        let reversed = plan(&self.config, &inventory, &request);
        if reversed.keeps != again.keeps || reversed.actions != again.actions {
            return Err(Broken::new("the order of listings decides", actions(&reversed)));
        }
        Ok(())
    }

    /// Lets nothing go wrong any more until nothing is left to do; compares the account with what
    /// the policies ask for.
    fn settle(&mut self) -> Result<(), Broken> {
        self.sandbox.end_outages();
        let regions: Vec<Region> = self.sandbox.inventory().regions.into_keys().collect();
        for region in &regions {
            self.sandbox.add_key(region, KEY, true, true);
        }
        let unlimited = self.spec.unlimited();
        let limited = std::mem::replace(&mut self.config, unlimited.config());
        let spec = std::mem::replace(&mut self.spec, unlimited);
        let end = self.settle_unlimited();
        (self.config, self.spec) = (limited, spec);
        end
    }

    fn settle_unlimited(&mut self) -> Result<(), Broken> {
        let mut left = String::new();
        for n in 0..SETTLING_CYCLES_MAX {
            let ended = self.cycle(&Weather::calm())?;
            let now = self.sandbox.time().now();
            let Some(report) = ended.reports.first() else { continue };
            let Some(next) = next_look(report, now) else {
                self.tally.count("settling", "times", 1);
                self.tally.count("settling", "cycles", n + 1);
                return self.compare(&report.plan);
            };
            left = format!("{}; {:?}", actions(&report.plan), report.plan.waiting);
            self.sandbox.time().advance_to(next);
        }
        let text = format!("after {SETTLING_CYCLES_MAX} calm cycles are left: {left}");
        Err(Broken::new("does not settle", text))
    }

    fn compare(&mut self, plan: &Plan) -> Result<(), Broken> {
        let inventory = self.sandbox.inventory();
        let at = self.sandbox.time().now();
        let truth = Truth { at, inventory: &inventory, births: &self.ledger.births };
        // What stays on the safe side is no difference: something of the same point is protected, the
        // memory of attempts, the newest of what an image left behind.
        let is_safe = |keep: &&Keep| match &keep.reason {
            KeepReason::Vetoed(_) | KeepReason::Failed => true,
            KeepReason::Held(holds) => holds.iter().eq([Hold::NewestIncomplete]),
        };
        let safe: BTreeSet<ResourceId> =
            plan.keeps.iter().filter(is_safe).map(|keep| keep.resource).collect();
        let images = inventory.regions.values().flat_map(|observed| &observed.images);
        let backing = images.filter(|image| safe.contains(&image.id.into()));
        let backing = backing.flat_map(|image| &image.snapshot_ids).map(ToString::to_string);
        let safe: Vec<String> = safe.iter().map(ToString::to_string).chain(backing).collect();
        let mut differences = model::unsettled(&truth, &self.config, plan.now);
        differences.retain(|line| !safe.iter().any(|id| line.contains(&format!("/{id} "))));
        self.tally.count("invariants checked", "the account is as the policies ask for", 1);
        if differences.is_empty() {
            return Ok(());
        }
        // What the plan says of the things that are named.
        let is_named = |id: &str| differences.iter().any(|line| line.contains(id));
        let keeps = plan.keeps.iter().filter(|keep| is_named(&keep.resource.to_string()));
        let keeps: Vec<_> = keeps.map(|k| format!("{} kept: {:?}", k.resource, k.reason)).collect();
        let text = format!("{}. By the plan: {}", differences.join("; "), keeps.join("; "));
        Err(Broken::new("not as the policies ask for", text))
    }
}

/// Returns true for what a plan may hold that the one before did not, though nothing happened but
/// what that one asked for.
fn may_come_later(action: &Action, is_changing: bool) -> bool {
    match action.as_delete().map(|delete| delete.reason) {
        // It was the memory of an attempt, or stood below the image that went.
        Some(ExpireReason::Failed | ExpireReason::LeftOver(_)) => true,
        // A point that is being made counts where copies are asked for, since it will be copied; one
        // that went counts no more.
        Some(ExpireReason::Retired) => is_changing,
        Some(_) => false,
        // An image that failed on a volume that takes one snapshot at a time has made room.
        None => is_changing && !matches!(action.op, Op::CreateSnapshots(_) | Op::CreateSnapshot(_)),
    }
}

/// Of an action that deletes, the policy, place, source and time of the point.
type Going<'p> = Option<(&'p str, Region, Source, DateTime<Utc>)>;

fn point_of(action: &Action) -> Going<'_> {
    let delete = action.as_delete()?;
    Some((&*action.policy, action.region, delete.source, delete.point_time))
}

/// Returns the points that `again` lets go and `before` let wait, for a copy say that is made since.
fn waited_for<'p>(before: &Plan, again: &'p Plan) -> BTreeSet<Going<'p>> {
    let waited = before.waiting.iter().map(|waiting| (waiting.region, waiting.resource.as_str()));
    let waited: BTreeSet<_> = waited.collect();
    let is_waited = |action: &&Action| {
        let id = action.as_delete().map(|delete| delete.resource.to_string());
        id.is_some_and(|id| waited.contains(&(action.region, id.as_str())))
    };
    again.actions.iter().filter(is_waited).map(point_of).collect()
}

/// Returns when the next calm cycle is; none if this one left nothing that ends by itself.
fn next_look(report: &Report, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let waiting: Vec<_> = report.plan.waiting.iter().filter(|w| w.ends_by_itself).collect();
    if report.plan.actions.is_empty() && waiting.is_empty() {
        return None;
    }
    let soon = now + TimeDelta::minutes(30);
    let known: Option<Vec<_>> = waiting.iter().map(|waiting| waiting.not_before).collect();
    let known = known.filter(|_| report.plan.actions.is_empty());
    let earliest = known.and_then(|known| known.into_iter().min());
    Some(earliest.map_or(soon, |at| at.max(soon)))
}

fn actions(plan: &Plan) -> String {
    let told = |action: &Action| {
        let reason = action.as_delete().map(|delete| format!(" ({:?})", delete.reason));
        action.id() + &reason.unwrap_or_default()
    };
    plan.actions.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// Tells one cycle in a line.
fn told(
    weather: &Weather,
    n_faults: usize,
    ended: &Ended,
    news: &News,
    deeds: &[people::Deed],
) -> String {
    let mut line = format!("cycle, {n_faults} faults");
    if !weather.is_fine() {
        let _ = write!(line, ", {weather:?}");
    }
    for (kind, what) in deeds {
        let _ = write!(line, "\n    meanwhile somebody {kind}: {what}");
    }
    for report in &ended.reports {
        for (action, outcome) in report.plan.actions.iter().zip(&report.outcomes) {
            let _ = write!(line, "\n    {}: {outcome:?}", action.id());
        }
        for note in
            report.plan.notes.iter().filter(|n| n.severity != snapkeep::plan::Severity::Info)
        {
            let _ = write!(line, "\n    note: {}", note.message);
        }
    }
    for id in &news.made {
        let _ = write!(line, "\n    + {id}");
    }
    for id in news.deleted.keys() {
        let _ = write!(line, "\n    - {id}");
    }
    line
}
