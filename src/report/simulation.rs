//! What a simulation came to, as data: points, sizes, costs and broken promises by policy and region.
//!
//! Whoever plays a simulation fills it in; here it is only put into words.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::region::Region;
use crate::plan::reason::minute;
use crate::report::ExitCode;
use crate::report::text::count;

pub mod compare;
pub mod page;
pub mod text;

mod chart;

/// One configuration, played over one account.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// What the configuration is called: its path.
    pub config: String,
    /// The digest of the configuration.
    pub config_digest: String,
    /// The account's id, where known.
    pub account: Option<Arc<str>>,
    /// What the configuration calls the account; none is the own one.
    pub account_name: Option<Arc<str>>,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends.
    pub until: DateTime<Utc>,
    /// How long that is, as it was asked for.
    pub length: String,
    /// When cycles begin, in words.
    pub wakes: String,
    /// What was done.
    pub done: Done,
    /// What was let go wrong.
    pub trouble: Trouble,
    /// What sizes and costs rest on.
    pub sizes: Sizes,
    /// The instants at which points are counted: the beginning, then the end of each stretch.
    pub stretches: Vec<Stretch>,
    /// Each policy in each region, by the order of policies and the regions' names.
    pub places: Vec<Place>,
    /// What was promised and not kept, the worst first.
    pub broken: Vec<Broken>,
    /// What could not be read of the account, and is therefore not played.
    pub gaps: Vec<String>,
    /// What nobody knows and is assumed, so that something can be played.
    pub assumed: Vec<String>,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Cycles.
    pub n_cycles: usize,
    /// Calls to EC2.
    pub n_calls: usize,
    /// Actions that were done.
    pub n_actions: usize,
    /// Actions that failed, and were left to a later cycle.
    pub n_failed: usize,
}

/// What was let go wrong.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Which share of calls.
    pub fail_rate: f64,
    /// From which chance is drawn.
    pub seed: u64,
    /// Regions that were down.
    pub outages: Vec<Outage>,
    /// How many calls met which fault.
    pub faults: Vec<(&'static str, usize)>,
}

/// A region that is down for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub region: Region,
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
}

/// What sizes and costs rest on.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// How many percent of a volume change in a day.
    pub change_percent: f64,
    /// In what prices are.
    pub currency: Arc<str>,
    /// Volumes of which EC2 told how full they are.
    pub n_told: usize,
    /// Volumes that are taken to be full.
    pub n_assumed: usize,
}

/// A part of the simulation, at the end of which points are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What it is called, such as `2026-11`.
    pub label: String,
    /// Its end.
    pub at: DateTime<Utc>,
}

/// What a policy has in one region.
#[derive(Debug, Clone)]
pub struct Place {
    /// The policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// Of which regions there are copies here.
    pub copies_from: Vec<Region>,
    /// How many sources it protects, or has copies of.
    pub n_sources: usize,
    /// The tiers that keep points here, from the shortest period on.
    pub tiers: Vec<&'static str>,
    /// One for each stretch.
    pub rows: Vec<Row>,
    /// The largest gap of any source; none where nobody makes points.
    pub largest_gap: Option<PointGap>,
    /// What the first cycle deletes.
    pub first: First,
    /// What a GiB costs a month.
    pub price: Price,
}

/// What there is at the end of a stretch, and what that stretch cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Restorable points.
    pub n_points: usize,
    /// How many of them each tier keeps; one may keep what another does.
    pub by_tier: Vec<usize>,
    /// Points that no tier keeps: `keep_last`, a hold, what waits.
    pub n_other: usize,
    /// GiB that are stored.
    pub gib: f64,
    /// GiB times months that were stored up to then since the row before.
    pub gib_months: f64,
    /// What these cost.
    pub cost: f64,
}

/// The largest gap between restorable points of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointGap {
    /// Of which source.
    pub source: String,
    /// The time of the point before it; none if there was none, and the gap begins with the
    /// simulation.
    pub after: Option<DateTime<Utc>>,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends.
    pub to: DateTime<Utc>,
    /// Whether no point ended it.
    pub is_open: bool,
}

/// What the first cycle deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct First {
    /// Snapshots and images.
    pub n_deletes: usize,
    /// GiB of the snapshots' volumes.
    pub volume_gib: u64,
    /// Deletions that a limit withholds.
    pub n_withheld: usize,
}

/// What a GiB of snapshots costs a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// How much.
    pub gib_month: f64,
    /// Who says so.
    pub basis: Basis,
}

/// Who says what something costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The configuration.
    Configured,
    /// Published by AWS, and seen on this day.
    Published(&'static str),
    /// Nobody: of most regions that is the price.
    Assumed,
}

/// A promise that was not kept, however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// Of which policy.
    pub policy: Option<Arc<str>>,
    /// Where.
    pub region: Option<Region>,
    /// How often: by source and period, or by cycle.
    pub n: usize,
    /// How many sources it concerns.
    pub n_sources: usize,
    /// One of the sources.
    pub example: Option<String>,
    /// When it began first.
    pub first: DateTime<Utc>,
    /// When it ended last; none if it had not ended when the simulation did.
    pub last: Option<DateTime<Utc>>,
}

/// What a configuration promises, or has to keep to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What had a restorable point never loses the last one.
    NewestStays,
    /// A source has the newest point, or copy, that is asked of it by then.
    Protected,
    /// Each period of a tier has a point.
    Period {
        /// The tier.
        tier: &'static str,
    },
    /// A tier keeps something at any time.
    Window {
        /// The tier.
        tier: &'static str,
        /// How far back it reaches.
        window: String,
    },
    /// What fails is made at last.
    Attempts,
    /// A point waits for its copy.
    Copied,
    /// What no rule keeps is deleted.
    Limits,
    /// A plan contradicts no invariant.
    Sound {
        /// The note.
        note: String,
    },
}

impl Promise {
    /// Returns its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NewestStays => "newest stays",
            Self::Protected => "protected",
            Self::Period { .. } => "period",
            Self::Window { .. } => "window",
            Self::Attempts => "attempts",
            Self::Copied => "copied",
            Self::Limits => "limits",
            Self::Sound { .. } => "sound",
        }
    }
}

impl Broken {
    /// Returns what was not kept, in one sentence.
    pub fn text(&self) -> String {
        let sources = count(self.n_sources, "source");
        match &self.promise {
            Promise::NewestStays => format!("{sources} lost the last restorable point"),
            Promise::Protected => {
                format!("{sources} without the newest point that is asked for")
            }
            Promise::Period { tier } => {
                let periods = count(self.n, period_noun(tier));
                format!("{periods} without a point, of {sources}")
            }
            Promise::Window { tier, window } => format!(
                "`{tier} = {window}` keeps nothing at times, {} of {sources}: slots, or what was \
                 missed, are further apart",
                count(self.n, "time"),
            ),
            Promise::Attempts => {
                format!("{} failed for good, of {sources}", count(self.n, "snapshot"))
            }
            Promise::Copied => {
                format!("{} expired without a copy, of {sources}", count(self.n, "point"))
            }
            Promise::Limits => {
                format!("deletions withheld by a limit in {}", count(self.n, "cycle"))
            }
            Promise::Sound { note } => {
                format!("the plan was refused in {}: {note}", count(self.n, "cycle"))
            }
        }
    }

    /// Returns when, and an example.
    pub fn when(&self) -> String {
        let span = match self.last {
            Some(last) if last == self.first => format!("at {}", minute(last)),
            Some(last) => format!("from {} to {}", minute(self.first), minute(last)),
            None => format!("from {} to the end", minute(self.first)),
        };
        let example = self.example.as_deref().filter(|_| 0 < self.n_sources);
        match example {
            Some(source) if self.n_sources == 1 => format!("{source}, {span}"),
            Some(source) => format!("such as {source}, {span}"),
            None => span,
        }
    }
}

/// Returns what a period of a tier is called.
fn period_noun(tier: &str) -> &'static str {
    match tier {
        "hourly" => "hour",
        "daily" => "day",
        "weekly" => "week",
        "monthly" => "month",
        "yearly" => "year",
        _ => "period",
    }
}

impl PointGap {
    /// Returns how long it is.
    pub fn length(&self) -> TimeDelta {
        self.to - self.from
    }
}

impl Simulation {
    /// Returns all exit codes that apply, the one to exit with first.
    pub fn codes(&self) -> Vec<ExitCode> {
        let mut codes = Vec::new();
        if !self.broken.is_empty() {
            codes.push(ExitCode::Failed);
        }
        if !self.gaps.is_empty() {
            codes.push(ExitCode::Incomplete);
        }
        if codes.is_empty() {
            codes.push(ExitCode::Done);
        }
        codes
    }

    /// Returns what all places together have at the end of each stretch.
    pub fn totals(&self) -> Vec<Row> {
        let total = |n: usize| {
            let rows = self.places.iter().filter_map(|place| place.rows.get(n));
            rows.fold(Row::default(), |sum, row| Row {
                n_points: sum.n_points + row.n_points,
                gib: sum.gib + row.gib,
                gib_months: sum.gib_months + row.gib_months,
                cost: sum.cost + row.cost,
                ..sum
            })
        };
        (0..self.stretches.len()).map(total).collect()
    }

    /// Returns what all of it costs.
    pub fn cost(&self) -> f64 {
        self.places.iter().flat_map(|place| &place.rows).map(|row| row.cost).sum()
    }
}

impl Place {
    /// Returns what all of it costs.
    pub fn cost(&self) -> f64 {
        self.rows.iter().map(|row| row.cost).sum()
    }

    /// Returns what it is called: the policy and the region, and whence copies are.
    pub fn name(&self) -> String {
        let from: Vec<&str> = self.copies_from.iter().map(Region::as_str).collect();
        let from = if from.is_empty() {
            String::new()
        } else {
            format!(", copies from {}", from.join(", "))
        };
        format!("{} · {}{from}", self.policy, self.region)
    }
}

impl Price {
    /// Returns who says so, in words.
    pub fn basis_text(&self) -> String {
        match self.basis {
            Basis::Configured => "as configured".to_owned(),
            Basis::Published(date) => format!("published by AWS, seen {date}"),
            Basis::Assumed => "assumed, no published price is known here".to_owned(),
        }
    }
}

/// Returns a span of time as people say it: `31 days 4 h`, `26 h 10 min`.
pub fn span_text(span: TimeDelta) -> String {
    let minutes = span.num_minutes().max(0);
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60, minutes % 60);
    if days < 3 {
        return if minutes == 0 {
            format!("{hours} h")
        } else {
            format!("{hours} h {minutes} min")
        };
    }
    let hours = hours % 24;
    if hours == 0 { format!("{days} days") } else { format!("{days} days {hours} h") }
}

/// Returns an amount of money or of GiB with two digits, or none where they say nothing.
pub fn amount(value: f64) -> String {
    if value.abs() < 1000.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}
