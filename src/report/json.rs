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
use crate::plan::{Action, Plan};
use crate::report::{Drift, ExitCode};

pub(in crate::report) mod action;
mod drift;
mod keep;
mod note;
mod params;
mod protection;
mod room;
mod simulation;
mod status;
mod summary;
mod text;
mod waiting;

use action::{ActionJson, WithheldJson};
use drift::DriftJson;
use keep::KeepJson;
use note::{GapJson, NoteJson};
use protection::ProtectionJson;
use room::{LeftOutJson, Room};
use summary::SummaryJson;
use text::write_pretty;
use waiting::WaitingJson;

pub use simulation::{simulation_schema, write_simulation};
pub use status::{status_schema, write_status};
pub use text::to_pretty;

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
    /// What the configuration calls the account; null is the one whose credentials are used.
    account_name: Option<String>,
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
    /// How many items of each list are left out; absent where all are there. Only Lambda's answers,
    /// which may be only so long, leave anything out.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOutJson>,
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
    /// In the order of the plan's actions; empty with `apply --dry-run`.
    outcomes: Vec<OutcomeJson>,
    /// What `apply` left out of the saved plan; absent in what `run` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<DriftJson>,
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
    let plan = PlanJson::new(plan, codes, &mut Room::unlimited());
    write_pretty(out, &plan)
}

/// Writes the plans of several accounts as JSON; a single one as itself.
pub fn write_plans(out: impl io::Write, plans: &[Plan], codes: &[ExitCode]) -> io::Result<()> {
    write_pretty(out, &Document::of_plans(plans, codes, Room::unlimited()))
}

/// Writes the runs of several accounts as JSON, each a plan with what became of its actions; a
/// single one as itself.
pub fn write_runs(
    out: impl io::Write,
    runs: &[(&Plan, &[Outcome])],
    codes: &[ExitCode],
) -> io::Result<()> {
    write_pretty(out, &Document::of_runs(runs, codes, Room::unlimited()))
}

/// What became of a saved plan: the part of a fresh one that it asks for, what became of that, and
/// the rest.
#[derive(Debug, Clone, Copy)]
pub struct AppliedRef<'a> {
    /// The part of a fresh plan.
    pub plan: &'a Plan,
    /// What became of each of its actions, in order; none of a dry run.
    pub outcomes: &'a [Outcome],
    /// The rest.
    pub drift: &'a Drift,
}

/// Writes what became of the saved plans of several accounts as JSON; of a single one as itself.
pub fn write_applied(
    out: impl io::Write,
    applied: &[AppliedRef<'_>],
    codes: &[ExitCode],
) -> io::Result<()> {
    let mut runs: Vec<RunJson> = applied.iter().map(RunJson::of_applied).collect();
    let document = match (runs.len(), runs.pop()) {
        (1, Some(run)) => Document::Run(run),
        (_, last) => {
            runs.extend(last);
            Document::Runs(RunsJson { format: "snapkeep.runs/1", runs, exit_codes: numbers(codes) })
        }
    };
    write_pretty(out, &document)
}

/// Returns an action as a plan has it.
///
/// # Errors
///
/// It cannot be written as JSON, which every action can.
pub fn action(action: &Action) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(ActionJson::new(action))
}

/// Returns what [`write_plans`] writes, with lists of at most so many bytes in all: those that say
/// what is wrong come first, and what is kept goes first.
pub fn plans_within(
    plans: &[Plan],
    codes: &[ExitCode],
    n_bytes_max: usize,
) -> impl Serialize + use<> {
    Document::of_plans(plans, codes, Room::of(n_bytes_max / plans.len().max(1)))
}

/// Returns what [`write_runs`] writes, with lists of at most so many bytes in all.
pub fn runs_within(
    runs: &[(&Plan, &[Outcome])],
    codes: &[ExitCode],
    n_bytes_max: usize,
) -> impl Serialize + use<> {
    Document::of_runs(runs, codes, Room::of(n_bytes_max / runs.len().max(1)))
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

/// What several accounts had to say, or the only one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Document {
    Plan(PlanJson),
    Plans(PlansJson),
    Run(RunJson),
    Runs(RunsJson),
}

impl Document {
    /// `room` is for each of them.
    fn of_plans(plans: &[Plan], codes: &[ExitCode], room: Room) -> Self {
        if let [plan] = plans {
            return Self::Plan(PlanJson::new(plan, codes, &mut { room }));
        }
        let plans = plans
            .iter()
            .map(|plan| PlanJson::new(plan, &ExitCode::of_plan(plan, false), &mut { room }));
        Self::Plans(PlansJson {
            format: "snapkeep.plans/1",
            plans: plans.collect(),
            exit_codes: numbers(codes),
        })
    }

    /// `room` is for each of them.
    fn of_runs(runs: &[(&Plan, &[Outcome])], codes: &[ExitCode], room: Room) -> Self {
        if let [(plan, outcomes)] = runs {
            return Self::Run(RunJson::new(plan, outcomes, room));
        }
        let runs = runs.iter().map(|(plan, outcomes)| RunJson::new(plan, outcomes, room));
        Self::Runs(RunsJson {
            format: "snapkeep.runs/1",
            runs: runs.collect(),
            exit_codes: numbers(codes),
        })
    }
}

impl RunJson {
    fn new(plan: &Plan, outcomes: &[Outcome], mut room: Room) -> Self {
        let codes = ExitCode::of_run(plan, outcomes);
        let (plan, outcomes) = PlanJson::with_outcomes(plan, outcomes, &codes, &mut room);
        Self { format: "snapkeep.run/1", plan, outcomes, drift: None, exit_codes: numbers(&codes) }
    }

    fn of_applied(applied: &AppliedRef<'_>) -> Self {
        let AppliedRef { plan, outcomes, drift } = *applied;
        let codes = ExitCode::of_applied(plan, outcomes, drift);
        let drift = Some(DriftJson::new(drift));
        let exit_codes = numbers(&codes);
        Self { drift, exit_codes, ..Self::new(plan, outcomes, Room::unlimited()) }
    }
}

impl OutcomeJson {
    fn new(action: &Action, outcome: &Outcome) -> Self {
        Self {
            id: action.id(),
            outcome: outcome.word(),
            reason: outcome.reason().map(str::to_owned),
            made: texts(outcome.made()),
        }
    }
}

impl PlanJson {
    fn new(plan: &Plan, codes: &[ExitCode], room: &mut Room) -> Self {
        Self::with_outcomes(plan, &[], codes, room).0
    }

    /// Returns the plan, and the outcomes of those of its actions that it lists. What is wrong is
    /// the last to be left out, what is kept the first.
    fn with_outcomes(
        plan: &Plan,
        outcomes: &[Outcome],
        codes: &[ExitCode],
        room: &mut Room,
    ) -> (Self, Vec<OutcomeJson>) {
        let Plan { now, account, account_name, config_digest, actions, withheld, .. } = plan;
        let Plan { keeps, waiting, notes, gaps, protection, n_points: _, .. } = plan;
        let name = account_name.as_deref();
        let (gaps, n_gaps) = room.take(gaps.iter().map(|gap| GapJson::new(name, gap)));
        let (notes, n_notes) = room.take(notes.iter().map(NoteJson::new));
        let (waiting, n_waiting) = room.take(waiting.iter().map(WaitingJson::new));
        // Together, so that no outcome is there without its action.
        let ended = actions.iter().enumerate().map(|(n, action)| {
            let outcome = outcomes.get(n).map(|outcome| OutcomeJson::new(action, outcome));
            (ActionJson::new(action), outcome)
        });
        let (ended, n_actions) = room.take(ended);
        let (actions, outcomes): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        let (protection, n_protection) =
            room.take(protection.iter().map(|p| ProtectionJson::new(name, p)));
        let (withheld, n_withheld) = room.take(withheld.iter().map(WithheldJson::new));
        let (keeps, n_keeps) = room.take(keeps.iter().map(KeepJson::new));
        let left_out = LeftOutJson {
            actions: n_actions,
            withheld: n_withheld,
            keeps: n_keeps,
            waiting: n_waiting,
            notes: n_notes,
            gaps: n_gaps,
            protection: n_protection,
        };
        let plan = Self {
            format: "snapkeep.plan/1",
            now: time(*now),
            account: account.as_deref().map(str::to_owned),
            account_name: account_name.as_deref().map(str::to_owned),
            config_digest: config_digest.clone(),
            summary: SummaryJson::new(plan),
            actions,
            withheld,
            keeps,
            waiting,
            notes,
            gaps,
            protection,
            left_out: left_out.if_any(),
            exit_codes: numbers(codes),
        };
        (plan, outcomes.into_iter().flatten().collect())
    }
}
