//! Plans and runs as JSON: the contract that users script against.
//!
//! The shapes here are the published schema; the planner's own types are not serialisable on
//! purpose, so that they can change without breaking a script.

use std::collections::BTreeMap;
use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::execute::Outcome;
use crate::plan::{
    Action, ChosenVolume, Delete, Keep, KeepReason, NewPoint, Note, Op, Plan, PlanGap, Severity,
    Waiting, Withheld,
};
use crate::report::ExitCode;
use crate::report::run_text::operation;

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
    /// Every snapshot that a policy judges and that stays.
    keeps: Vec<KeepJson>,
    /// What is not decided yet.
    waiting: Vec<WaitingJson>,
    /// What else a person should know.
    notes: Vec<NoteJson>,
    /// What could not be observed.
    gaps: Vec<GapJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

/// How many of what.
#[derive(Debug, Serialize, JsonSchema)]
struct SummaryJson {
    /// Creations.
    create: usize,
    /// Copies to other regions.
    copy: usize,
    /// Encrypted copies in the same region.
    encrypt: usize,
    /// Deletions.
    expire: usize,
    /// Snapshots that stay, those with a veto included.
    keep: usize,
    /// Lines under waiting.
    waiting: usize,
    /// Deletions that a limit forbids.
    withheld: usize,
    /// Snapshots that stay only because something forbids their deletion.
    vetoed: usize,
}

/// One call to EC2.
#[derive(Debug, Serialize, JsonSchema)]
struct ActionJson {
    /// The same for the same action in every plan.
    id: String,
    /// EC2's own name of the operation.
    op: &'static str,
    /// For which policy.
    policy: String,
    /// Where.
    region: String,
    /// What is made a snapshot of, or deleted.
    resource: String,
    /// The instance of a set, else the volume.
    source: Option<String>,
    /// The slot of what is made; the instant of the recovery point that goes.
    point_time: String,
    /// Why.
    reason: String,
    /// Ids of actions that are done before.
    after: Vec<String>,
    /// What the call is made with, and what must still hold then.
    params: ParamsJson,
}

/// What a call is made with, and what must still hold then.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct ParamsJson {
    /// Volumes of a creation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<VolumeJson>,
    /// ExcludeBootVolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_boot_volume: Option<bool>,
    /// ExcludeDataVolumeIds.
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_data_volume_ids: Option<Vec<String>>,
    /// CopyTagsFromSource is `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_tags_from_volume: Option<bool>,
    /// Description of what is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Tags of what is made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    /// Which attempt this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// Size in GiB of the volume of what is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_size_gib: Option<u32>,
    /// Snapshots that must still be there and complete for the deletion to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    stays: Option<Vec<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct VolumeJson {
    volume_id: String,
    device: Option<String>,
    size_gib: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WithheldJson {
    /// Which limit.
    limit: String,
    action: ActionJson,
}

#[derive(Debug, Serialize, JsonSchema)]
struct KeepJson {
    policy: String,
    region: String,
    /// The snapshot.
    resource: String,
    /// Its volume.
    source: Option<String>,
    /// The instant of its recovery point.
    point_time: String,
    /// The tiers that hold it.
    tiers: Vec<&'static str>,
    /// When the last of them ends; null where newer points decide.
    expires_at: Option<String>,
    reason: String,
    /// What forbids its deletion, where retention would let it go.
    veto: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WaitingJson {
    policy: String,
    region: String,
    resource: String,
    reason: String,
    since: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NoteJson {
    /// `info`, `warning` or `fatal`; nothing is executed where a note is fatal.
    severity: &'static str,
    region: Option<String>,
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GapJson {
    region: Option<String>,
    /// EC2's name of the call.
    call: &'static str,
    error: String,
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

#[derive(Debug, Serialize, JsonSchema)]
struct OutcomeJson {
    /// The action's id.
    id: String,
    /// `done`, `found`, `gone`, `skipped`, `waiting`, `failed` or `not started`.
    outcome: &'static str,
    /// Why, where it was not simply done.
    reason: Option<String>,
    /// Snapshots that were made.
    made: Vec<String>,
}

/// Writes `plan` as JSON.
pub fn write_plan(out: impl io::Write, plan: &Plan, codes: &[ExitCode]) -> io::Result<()> {
    Ok(serde_json::to_writer_pretty(out, &PlanJson::new(plan, codes))?)
}

/// Writes a run as JSON.
pub fn write_run(
    out: impl io::Write,
    plan: &Plan,
    outcomes: &[Outcome],
    codes: &[ExitCode],
) -> io::Result<()> {
    let outcomes = plan.actions.iter().zip(outcomes).map(|(action, outcome)| OutcomeJson {
        id: action.id(),
        outcome: outcome.word(),
        reason: outcome.reason().map(str::to_owned),
        made: outcome.made().iter().map(ToString::to_string).collect(),
    });
    let run = RunJson {
        format: "snapkeep.run/1",
        plan: PlanJson::new(plan, codes),
        outcomes: outcomes.collect(),
        exit_codes: numbers(codes),
    };
    Ok(serde_json::to_writer_pretty(out, &run)?)
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

impl PlanJson {
    fn new(plan: &Plan, codes: &[ExitCode]) -> Self {
        let Plan { now, account, config_digest, actions, withheld, .. } = plan;
        let Plan { keeps, waiting, notes, gaps, n_points: _, .. } = plan;
        let n_creations = actions.iter().filter(|action| action.as_creation().is_some()).count();
        let is_vetoed = |keep: &&Keep| matches!(keep.reason, KeepReason::Vetoed(_));
        let summary = SummaryJson {
            create: n_creations,
            copy: 0,
            encrypt: 0,
            expire: actions.len() - n_creations,
            keep: keeps.len(),
            waiting: waiting.len(),
            withheld: withheld.len(),
            vetoed: keeps.iter().filter(is_vetoed).count(),
        };
        Self {
            format: "snapkeep.plan/1",
            now: time(*now),
            account: account.as_deref().map(str::to_owned),
            config_digest: config_digest.clone(),
            summary,
            actions: actions.iter().map(ActionJson::new).collect(),
            withheld: withheld.iter().map(WithheldJson::new).collect(),
            keeps: keeps.iter().map(KeepJson::new).collect(),
            waiting: waiting.iter().map(WaitingJson::new).collect(),
            notes: notes.iter().map(NoteJson::new).collect(),
            gaps: gaps.iter().map(GapJson::new).collect(),
            exit_codes: numbers(codes),
        }
    }
}

impl ActionJson {
    fn new(action: &Action) -> Self {
        let base = Self {
            id: action.id(),
            op: operation(action),
            policy: action.policy.to_string(),
            region: action.region.to_string(),
            resource: String::new(),
            source: None,
            point_time: String::new(),
            reason: String::new(),
            after: Vec::new(),
            params: ParamsJson::default(),
        };
        match &action.op {
            Op::CreateSnapshots(set) => {
                let params = ParamsJson {
                    volumes: set.volumes.iter().map(VolumeJson::new).collect(),
                    exclude_boot_volume: Some(set.exclude_boot_volume),
                    exclude_data_volume_ids: Some(texts(&set.exclude_data_volume_ids)),
                    copy_tags_from_volume: Some(set.copy_tags_from_volume),
                    ..ParamsJson::default()
                };
                base.creation(set.instance_id.to_string(), &set.point, params)
            }
            Op::CreateSnapshot(one) => {
                let volumes = vec![VolumeJson::new(&one.volume)];
                let params = ParamsJson { volumes, ..ParamsJson::default() };
                base.creation(one.volume.volume_id.to_string(), &one.point, params)
            }
            Op::DeleteSnapshot(delete) => base.deletion(delete),
        }
    }

    fn creation(self, resource: String, point: &NewPoint, params: ParamsJson) -> Self {
        let after = point.after.iter().map(|id| format!("DeleteSnapshot/{}/{id}", self.region));
        Self {
            source: Some(resource.clone()),
            resource,
            point_time: time(point.slot),
            reason: format!("the slot {} is due", time(point.slot)),
            after: after.collect(),
            params: ParamsJson {
                description: Some(point.description.clone()),
                tags: point.tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
                attempt: Some(point.attempt),
                ..params
            },
            ..self
        }
    }

    fn deletion(self, delete: &Delete) -> Self {
        Self {
            resource: delete.snapshot_id.to_string(),
            source: delete.volume_id.map(|id| id.to_string()),
            point_time: time(delete.point_time),
            reason: delete.reason.to_string(),
            params: ParamsJson {
                volume_size_gib: Some(delete.size_gib),
                stays: Some(texts(delete.stays.iter())),
                ..ParamsJson::default()
            },
            ..self
        }
    }
}

impl VolumeJson {
    fn new(volume: &ChosenVolume) -> Self {
        Self {
            volume_id: volume.volume_id.to_string(),
            device: volume.device.as_deref().map(str::to_owned),
            size_gib: volume.size_gib,
        }
    }
}

impl WithheldJson {
    fn new(withheld: &Withheld) -> Self {
        Self { limit: withheld.limit.to_string(), action: ActionJson::new(&withheld.action) }
    }
}

impl KeepJson {
    fn new(keep: &Keep) -> Self {
        let veto = match &keep.reason {
            KeepReason::Vetoed(vetoed) => Some(vetoed.1.cause.to_string()),
            KeepReason::Held(_) | KeepReason::Failed => None,
        };
        Self {
            policy: keep.policy.to_string(),
            region: keep.region.to_string(),
            resource: keep.snapshot_id.to_string(),
            source: keep.volume_id.map(|id| id.to_string()),
            point_time: time(keep.point_time),
            tiers: keep.tier_names(),
            expires_at: keep.until.map(time),
            reason: keep.why(),
            veto,
        }
    }
}

impl WaitingJson {
    fn new(waiting: &Waiting) -> Self {
        Self {
            policy: waiting.policy.to_string(),
            region: waiting.region.to_string(),
            resource: waiting.resource.clone(),
            reason: waiting.reason.clone(),
            since: waiting.since.map(time),
        }
    }
}

impl NoteJson {
    fn new(note: &Note) -> Self {
        Self {
            severity: match note.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Fatal => "fatal",
            },
            region: note.region.as_ref().map(ToString::to_string),
            message: note.message.clone(),
        }
    }
}

impl GapJson {
    fn new(gap: &PlanGap) -> Self {
        Self {
            region: gap.region.as_ref().map(ToString::to_string),
            call: gap.operation,
            error: gap.error.clone(),
        }
    }
}
