//! Plans and runs as JSON: the contract that users script against.
//!
//! The shapes here are the published schema; the planner's own types are not serialisable on
//! purpose, so that they can change without breaking a script. Each noun has a file of its own.

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::execute::Outcome;
use crate::plan::Plan;
use crate::report::ExitCode;

pub(in crate::report) mod action;
mod keep;
mod note;
mod params;
mod protection;
mod status;
mod summary;
mod waiting;

use action::{ActionJson, WithheldJson};
use keep::KeepJson;
use note::{GapJson, NoteJson};
use protection::ProtectionJson;
use summary::SummaryJson;
use waiting::WaitingJson;

pub use status::{status_schema, write_status};

/// A plan: what a run would do now, and why.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "snapkeep plan")]
pub struct PlanJson {
    /// `snapkeep.plan/1`.
    format: &'static str,
    /// The instant of judgement, RFC 3339 in UTC.
    now: String,
    /// The account, where known.
    account: Option<String>,
    /// `sha256:` and the digest of the configuration.
    config_digest: String,
    /// How many of what.
    summary: SummaryJson,
    /// One call to EC2 each, in the order in which they are begun.
    actions: Vec<ActionJson>,
    /// Deletions that a limit forbids in this run.
    withheld: Vec<WithheldJson>,
    /// Every snapshot and image that a policy judges and that stays.
    keeps: Vec<KeepJson>,
    /// What is not decided yet.
    waiting: Vec<WaitingJson>,
    /// What else a person should know.
    notes: Vec<NoteJson>,
    /// What could not be observed.
    gaps: Vec<GapJson>,
    /// What every selected source has in each place, against what is asked of it by now.
    protection: Vec<ProtectionJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

/// A run: the plan that it carried out, and what became of each action.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "snapkeep run")]
pub struct RunJson {
    /// `snapkeep.run/1`.
    format: &'static str,
    plan: PlanJson,
    /// In the order of the plan's actions.
    outcomes: Vec<OutcomeJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

/// The plans of several accounts.
#[derive(Debug, Serialize)]
struct PlansJson {
    /// `snapkeep.plans/1`.
    format: &'static str,
    /// In the order of the accounts' names, the own account first.
    plans: Vec<PlanJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

/// The runs of several accounts.
#[derive(Debug, Serialize)]
struct RunsJson {
    /// `snapkeep.runs/1`.
    format: &'static str,
    /// In the order of the accounts' names, the own account first.
    runs: Vec<RunJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OutcomeJson {
    /// The action's id.
    id: String,
    /// `done`, `found`, `gone`, `skipped`, `waiting`, `failed` or `not started`.
    outcome: &'static str,
    /// Why, where it was not simply done.
    reason: Option<String>,
    /// Snapshots and images that were made.
    made: Vec<String>,
}

/// Writes `plan` as JSON.
pub fn write_plan(out: impl io::Write, plan: &Plan, codes: &[ExitCode]) -> io::Result<()> {
    Ok(serde_json::to_writer_pretty(out, &PlanJson::new(plan, codes))?)
}

/// Writes the plans of several accounts as JSON; a single one as itself.
pub fn write_plans(out: impl io::Write, plans: &[Plan], codes: &[ExitCode]) -> io::Result<()> {
    if let [plan] = plans {
        return write_plan(out, plan, codes);
    }
    let plans = plans.iter().map(|plan| PlanJson::new(plan, &ExitCode::of_plan(plan, false)));
    let plans = PlansJson {
        format: "snapkeep.plans/1",
        plans: plans.collect(),
        exit_codes: numbers(codes),
    };
    Ok(serde_json::to_writer_pretty(out, &plans)?)
}

/// Writes the runs of several accounts as JSON, each a plan with what became of its actions; a
/// single one as itself.
pub fn write_runs(
    out: impl io::Write,
    runs: &[(&Plan, &[Outcome])],
    codes: &[ExitCode],
) -> io::Result<()> {
    if let [(plan, outcomes)] = runs {
        return Ok(serde_json::to_writer_pretty(out, &RunJson::new(plan, outcomes))?);
    }
    let runs = RunsJson {
        format: "snapkeep.runs/1",
        runs: runs.iter().map(|(plan, outcomes)| RunJson::new(plan, outcomes)).collect(),
        exit_codes: numbers(codes),
    };
    Ok(serde_json::to_writer_pretty(out, &runs)?)
}

/// Returns the JSON Schema of a plan.
pub fn plan_schema() -> serde_json::Value {
    schema_of::<PlanJson>()
}

/// Returns the JSON Schema of a run.
pub fn run_schema() -> serde_json::Value {
    schema_of::<RunJson>()
}

/// Returns the schema of what is written, not of what could be read: absent fields are not
/// required.
fn schema_of<T: JsonSchema>() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn numbers(codes: &[ExitCode]) -> Vec<u8> {
    codes.iter().map(|code| code.number()).collect()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

impl RunJson {
    fn new(plan: &Plan, outcomes: &[Outcome]) -> Self {
        let codes = ExitCode::of_run(plan, outcomes);
        let outcomes = plan.actions.iter().zip(outcomes).map(|(action, outcome)| OutcomeJson {
            id: action.id(),
            outcome: outcome.word(),
            reason: outcome.reason().map(str::to_owned),
            made: texts(outcome.made()),
        });
        Self {
            format: "snapkeep.run/1",
            plan: PlanJson::new(plan, &codes),
            outcomes: outcomes.collect(),
            exit_codes: numbers(&codes),
        }
    }
}

impl PlanJson {
    fn new(plan: &Plan, codes: &[ExitCode]) -> Self {
        let Plan { now, account, config_digest, actions, withheld, .. } = plan;
        let Plan { keeps, waiting, notes, gaps, protection, n_points: _, .. } = plan;
        Self {
            format: "snapkeep.plan/1",
            now: time(*now),
            account: account.as_deref().map(str::to_owned),
            config_digest: config_digest.clone(),
            summary: SummaryJson::new(plan),
            actions: actions.iter().map(ActionJson::new).collect(),
            withheld: withheld.iter().map(WithheldJson::new).collect(),
            keeps: keeps.iter().map(KeepJson::new).collect(),
            waiting: waiting.iter().map(WaitingJson::new).collect(),
            notes: notes.iter().map(NoteJson::new).collect(),
            gaps: gaps.iter().map(GapJson::new).collect(),
            protection: protection.iter().map(ProtectionJson::new).collect(),
            exit_codes: numbers(codes),
        }
    }
}
