//! A simulation as JSON.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::ExitCode;
use crate::report::json::{numbers, schema_of, texts, time};
use crate::report::simulation::{Basis, Broken, Place, Simulation};

/// What a configuration comes to over a copy of the account, played in virtual time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "snapkeep simulation")]
pub(super) struct SimulationJson {
    /// `snapkeep.simulation/1`.
    format: &'static str,
    #[serde(flatten)]
    played: PlayedJson,
    /// Another configuration over the same account, faults and time; null unless asked for.
    against: Option<PlayedJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

/// One configuration.
#[derive(Debug, Serialize, JsonSchema)]
struct PlayedJson {
    /// The path of the configuration.
    config: String,
    /// `sha256:` and its digest.
    config_digest: String,
    /// The account, where known.
    account: Option<String>,
    /// What the configuration calls the account; null is the one whose credentials are used.
    account_name: Option<String>,
    /// When it begins, RFC 3339 in UTC.
    from: String,
    /// When it ends.
    until: String,
    /// When cycles begin, in words.
    wakes: String,
    n_cycles: usize,
    /// Calls to EC2.
    n_calls: usize,
    /// Actions that were done.
    n_actions: usize,
    /// Actions that failed, and were left to a later cycle.
    n_failed: usize,
    trouble: TroubleJson,
    sizes: SizesJson,
    /// What was promised and not kept.
    broken: Vec<BrokenJson>,
    /// Each policy in each region.
    places: Vec<PlaceJson>,
    /// What could not be read of the account, and is not played.
    gaps: Vec<String>,
    /// What nobody knows and is assumed.
    assumed: Vec<String>,
}

/// What was let go wrong.
#[derive(Debug, Serialize, JsonSchema)]
struct TroubleJson {
    /// Which share of calls.
    fail_rate: f64,
    seed: u64,
    outages: Vec<OutageJson>,
    /// How many calls met which fault.
    faults: Vec<FaultJson>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OutageJson {
    region: String,
    from: String,
    to: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FaultJson {
    kind: &'static str,
    n: usize,
}

/// What sizes and costs rest on: they are an estimate.
#[derive(Debug, Serialize, JsonSchema)]
struct SizesJson {
    /// How many percent of a volume change in a day.
    change_percent: f64,
    /// In what costs are.
    currency: String,
    /// Volumes of which EC2 told how full they are.
    n_volumes_told: usize,
    /// Volumes that are taken to be full.
    n_volumes_assumed: usize,
}

/// A promise that was not kept, however often.
#[derive(Debug, Serialize, JsonSchema)]
struct BrokenJson {
    /// `newest stays`, `protected`, `period`, `window`, `attempts`, `copied`, `limits` or `sound`.
    promise: &'static str,
    policy: Option<String>,
    region: Option<String>,
    /// What was not kept, in words.
    message: String,
    /// How often: by source and period, or by cycle.
    n: usize,
    n_sources: usize,
    /// One of the sources.
    example: Option<String>,
    first: String,
    /// When it ended last; null if it had not when the simulation did.
    last: Option<String>,
}

/// What a policy has in one region.
#[derive(Debug, Serialize, JsonSchema)]
struct PlaceJson {
    policy: String,
    region: String,
    /// Of which regions there are copies here.
    copies_from: Vec<String>,
    n_sources: usize,
    /// The largest gap between restorable points of one source; null where nobody makes points.
    largest_gap: Option<GapJson>,
    /// What the first cycle deletes.
    first_cycle: FirstJson,
    /// What a GiB costs a month.
    price_gib_month: f64,
    /// `configured`, `published` or `assumed`.
    price_basis: &'static str,
    /// The day of a published price.
    price_date: Option<&'static str>,
    /// At the beginning, then at the end of each stretch.
    rows: Vec<RowJson>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GapJson {
    source: String,
    from: String,
    to: String,
    seconds: i64,
    /// Whether there was a point before it.
    has_begin: bool,
    /// Whether no point ended it.
    is_open: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FirstJson {
    /// Snapshots and images.
    n_deletes: usize,
    /// GiB of the snapshots' volumes.
    volume_gib: u64,
    /// Deletions that a limit withholds.
    n_withheld: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RowJson {
    /// `start`, or the stretch, such as `2026-11`.
    label: String,
    /// Its end.
    at: String,
    /// Recovery points.
    n_points: usize,
    /// How many of them each tier keeps.
    tiers: Vec<TierJson>,
    /// Points that no tier keeps.
    n_other: usize,
    /// GiB that are stored then.
    gib: f64,
    /// GiB times months since the row before.
    gib_months: f64,
    /// What these cost.
    cost: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TierJson {
    tier: &'static str,
    n_points: usize,
}

/// Writes a simulation as JSON, with the other one that it is compared with.
pub fn write_simulation(
    out: impl io::Write,
    today: &Simulation,
    against: Option<&Simulation>,
    codes: &[ExitCode],
) -> io::Result<()> {
    let json = SimulationJson {
        format: "snapkeep.simulation/1",
        played: PlayedJson::new(today),
        against: against.map(PlayedJson::new),
        exit_codes: numbers(codes),
    };
    Ok(serde_json::to_writer_pretty(out, &json)?)
}

/// Returns the JSON Schema of a simulation.
pub fn simulation_schema() -> serde_json::Value {
    schema_of::<SimulationJson>()
}

impl PlayedJson {
    fn new(simulation: &Simulation) -> Self {
        let Simulation { config, config_digest, account, account_name, from, until, .. } =
            simulation;
        let Simulation { length: _, wakes, done, trouble, sizes, broken, gaps, .. } = simulation;
        let outages = trouble.outages.iter().map(|outage| OutageJson {
            region: outage.region.to_string(),
            from: time(outage.from),
            to: time(outage.to),
        });
        let faults = trouble.faults.iter().map(|(kind, n)| FaultJson { kind, n: *n });
        Self {
            config: config.clone(),
            config_digest: config_digest.clone(),
            account: account.as_deref().map(str::to_owned),
            account_name: account_name.as_deref().map(str::to_owned),
            from: time(*from),
            until: time(*until),
            wakes: wakes.clone(),
            n_cycles: done.n_cycles,
            n_calls: done.n_calls,
            n_actions: done.n_actions,
            n_failed: done.n_failed,
            trouble: TroubleJson {
                fail_rate: trouble.fail_rate,
                seed: trouble.seed,
                outages: outages.collect(),
                faults: faults.collect(),
            },
            sizes: SizesJson {
                change_percent: sizes.change_percent,
                currency: sizes.currency.to_string(),
                n_volumes_told: sizes.n_told,
                n_volumes_assumed: sizes.n_assumed,
            },
            broken: broken.iter().map(BrokenJson::new).collect(),
            places: simulation.places.iter().map(|p| PlaceJson::new(p, simulation)).collect(),
            gaps: gaps.clone(),
            assumed: simulation.assumed.clone(),
        }
    }
}

impl BrokenJson {
    fn new(broken: &Broken) -> Self {
        Self {
            promise: broken.promise.name(),
            policy: broken.policy.as_deref().map(str::to_owned),
            region: broken.region.map(|region| region.to_string()),
            message: broken.text(),
            n: broken.n,
            n_sources: broken.n_sources,
            example: broken.example.clone(),
            first: time(broken.first),
            last: broken.last.map(time),
        }
    }
}

impl PlaceJson {
    fn new(place: &Place, simulation: &Simulation) -> Self {
        let rows = simulation.stretches.iter().zip(&place.rows).map(|(stretch, row)| RowJson {
            label: stretch.label.clone(),
            at: time(stretch.at),
            n_points: row.n_points,
            tiers: place
                .tiers
                .iter()
                .zip(&row.by_tier)
                .map(|(tier, n)| TierJson { tier, n_points: *n })
                .collect(),
            n_other: row.n_other,
            gib: rounded(row.gib),
            gib_months: rounded(row.gib_months),
            cost: rounded(row.cost),
        });
        let (price_basis, price_date) = match place.price.basis {
            Basis::Configured => ("configured", None),
            Basis::Published(date) => ("published", Some(date)),
            Basis::Assumed => ("assumed", None),
        };
        Self {
            policy: place.policy.to_string(),
            region: place.region.to_string(),
            copies_from: texts(&place.copies_from),
            n_sources: place.n_sources,
            largest_gap: place.largest_gap.as_ref().map(|gap| GapJson {
                source: gap.source.clone(),
                from: time(gap.from),
                to: time(gap.to),
                seconds: gap.length().num_seconds(),
                has_begin: gap.after.is_some(),
                is_open: gap.is_open,
            }),
            first_cycle: FirstJson {
                n_deletes: place.first.n_deletes,
                volume_gib: place.first.volume_gib,
                n_withheld: place.first.n_withheld,
            },
            price_gib_month: place.price.gib_month,
            price_basis,
            price_date,
            rows: rows.collect(),
        }
    }
}

/// Returns an estimate without digits that say nothing.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
