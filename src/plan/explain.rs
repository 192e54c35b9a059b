//! Everything about one snapshot: whose it is, what becomes of it and why, what stands in the way.
//!
//! Asks the same passes as the plan does; decides nothing of its own.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{Config, RegionalPolicy, Retention};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Inventory, RegionInventory, Snapshot};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::Request;
use crate::plan::guard::{Veto, region_vetoes, snapshot_vetoes};
use crate::plan::lineage::{self, Point, PointState};
use crate::plan::reason::minute;
use crate::plan::retention::{Candidate, Rules, judge};
use crate::plan::standing::{Bystanders, Judge, Standing, bystander_text};
use crate::plan::verdict::{FAILED_FOR, JudgedLineage, Verdict};

/// All that is known about one snapshot.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Where it is.
    pub region: Region,
    /// What EC2 says of it.
    pub snapshot: Snapshot,
    /// Whose it is, in words.
    pub standing: String,
    /// What each judging policy makes of it; more than one only for what several adopt.
    pub judged_by: Vec<JudgedBy>,
    /// Everything that forbids its deletion, on itself or on its point.
    pub vetoes: Vec<Veto>,
}

/// What one policy makes of a snapshot.
#[derive(Debug, Clone)]
pub struct JudgedBy {
    /// The policy.
    pub policy: Arc<str>,
    /// Its source.
    pub source: Source,
    /// The slot of its point.
    pub slot: Option<DateTime<Utc>>,
    /// Its point, in words.
    pub point: String,
    /// What becomes of it, in words.
    pub verdict: String,
    /// When it goes as things stand; none if newer points decide, or it goes at once.
    pub expires_at: Option<DateTime<Utc>>,
    /// Each rule of the policy, and what it says.
    pub rules: Vec<String>,
    /// The lineage around it, by time: instant, state, what becomes of it, whether it is this one.
    pub lineage: Vec<(DateTime<Utc>, &'static str, String, bool)>,
}

/// Explains `snapshot_id`; none if no region of the inventory has it.
pub fn explain(
    config: &Config,
    inventory: &Inventory,
    request: &Request,
    snapshot_id: SnapshotId,
) -> Option<Explanation> {
    let (region, observed, snapshot) =
        inventory.regions.iter().find_map(|(region, observed)| {
            let found = observed.snapshots.iter().find(|snapshot| snapshot.id == snapshot_id)?;
            Some((region, observed, found))
        })?;
    let judge = Judge::new(config, region, observed);
    let all = lineage::lineages(&judge, observed, &mut Bystanders::default());
    let lineages = super::judge_all(&judge, observed, &all, request.now);
    let mut vetoes = region_vetoes(inventory, observed);
    let mut judged_by = Vec::new();
    for lineage in lineages.iter().filter(|lineage| has(lineage, snapshot_id)) {
        let Some(policy) = judge.policy(lineage.key.policy) else { continue };
        let name = &config.policies[lineage.key.policy].name;
        vetoes.extend(members_vetoes(&judge, observed, lineage, snapshot_id));
        judged_by.push(judged(name, policy, lineage, snapshot_id, request.now));
    }
    if judged_by.is_empty() {
        vetoes.extend(snapshot_vetoes(&judge, observed, snapshot));
    }
    let standing = standing_text(&judge.standing(snapshot));
    Some(Explanation {
        region: region.clone(),
        snapshot: snapshot.clone(),
        standing,
        judged_by,
        vetoes,
    })
}

fn has(lineage: &JudgedLineage<'_>, id: SnapshotId) -> bool {
    lineage.points.iter().any(|(point, _)| point.ids().any(|other| other == id))
        || lineage.failed.iter().any(|(entry, _)| entry.snapshot.id == id)
}

fn standing_text(standing: &Standing) -> String {
    match standing {
        Standing::Ours(_) => "made by this installation of snapkeep".to_owned(),
        Standing::Adopted(_) => "made by others and adopted".to_owned(),
        Standing::Stranger => {
            "made by others; no policy adopts it, so it is never touched".to_owned()
        }
        other => {
            bystander_text(other).map_or_else(String::new, |text| format!("never touched: {text}"))
        }
    }
}

/// Returns the vetoes on every member of the point: each is a veto on all.
fn members_vetoes(
    judge: &Judge<'_>,
    observed: &RegionInventory,
    lineage: &JudgedLineage<'_>,
    id: SnapshotId,
) -> Vec<Veto> {
    let point = lineage.points.iter().map(|(point, _)| point).find(|p| p.ids().any(|i| i == id));
    let failed = lineage.failed.iter().map(|(entry, _)| entry.snapshot).filter(|s| s.id == id);
    let members = point.into_iter().flat_map(|point| point.snapshots.iter().copied());
    members.chain(failed).flat_map(|snapshot| snapshot_vetoes(judge, observed, snapshot)).collect()
}

fn judged(
    name: &Arc<str>,
    policy: &RegionalPolicy,
    lineage: &JudgedLineage<'_>,
    id: SnapshotId,
    now: DateTime<Utc>,
) -> JudgedBy {
    let is_it = |point: &Point<'_>| point.ids().any(|other| other == id);
    let found = lineage.points.iter().find(|(point, _)| is_it(point));
    let (slot, point, verdict, expires_at) = match found {
        Some((point, verdict)) => {
            let until = match verdict {
                Verdict::Keep(_, until) => *until,
                Verdict::Expire(..) | Verdict::Waiting => None,
            };
            (point.slot, point_text(point), verdict_text(verdict), until)
        }
        None => failed_text(lineage, id, now),
    };
    let lines = lineage.points.iter().map(|(point, verdict)| {
        (point.time, state_text(point.state), verdict_text(verdict), is_it(point))
    });
    JudgedBy {
        policy: Arc::clone(name),
        source: lineage.key.source,
        slot,
        point,
        verdict,
        expires_at,
        rules: rules_text(policy, lineage, id, now),
        lineage: lines.collect(),
    }
}

fn failed_text(
    lineage: &JudgedLineage<'_>,
    id: SnapshotId,
    now: DateTime<Utc>,
) -> (Option<DateTime<Utc>>, String, String, Option<DateTime<Utc>>) {
    let found = lineage.failed.iter().find(|(entry, _)| entry.snapshot.id == id);
    let Some((entry, goes)) = found else {
        return (None, String::new(), String::new(), None);
    };
    let point = format!("attempt {} failed; fills no slot", entry.attempt);
    let ends_at = entry.snapshot.started_at + FAILED_FOR;
    let verdict = if *goes { "goes" } else { "stays as the memory of the attempt" };
    (entry.slot, point, verdict.to_owned(), Some(ends_at).filter(|ends_at| now < *ends_at))
}

fn point_text(point: &Point<'_>) -> String {
    let ids: Vec<String> = point.ids().map(|id| id.to_string()).collect();
    format!(
        "{}, {} of {} snapshots: {}",
        state_text(point.state),
        ids.len(),
        point.wanted,
        ids.join(" ")
    )
}

fn state_text(state: PointState) -> &'static str {
    match state {
        PointState::Complete => "complete",
        PointState::Incomplete => "incomplete",
        PointState::Pending => "pending",
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Waiting => "waiting for it to complete".to_owned(),
        Verdict::Expire(reason, _) => format!("goes: {reason}"),
        Verdict::Keep(holds, until) => {
            let names: Vec<String> = holds.iter().map(|hold| hold.to_string()).collect();
            let until = until.map(|at| format!(" until {}", minute(at))).unwrap_or_default();
            format!("stays: {}{until}", names.join(", "))
        }
    }
}

/// Asks each tier by itself what it says of the point of `id`.
fn rules_text(
    policy: &RegionalPolicy,
    lineage: &JudgedLineage<'_>,
    id: SnapshotId,
    now: DateTime<Utc>,
) -> Vec<String> {
    let settled: Vec<&Point<'_>> = lineage
        .points
        .iter()
        .map(|(point, _)| point)
        .filter(|point| point.state != PointState::Pending)
        .collect();
    let Some(it) = settled.iter().position(|point| point.ids().any(|other| other == id)) else {
        return Vec::new();
    };
    let candidates: Vec<Candidate> = settled
        .iter()
        .map(|p| Candidate { time: p.time, is_complete: p.state == PointState::Complete })
        .collect();
    let tiers = policy.retention.tiers.iter().map(|rule| {
        let alone = Retention { tiers: vec![*rule], ..policy.retention.clone() };
        let rules = Rules { retention: &alone, zone: policy.timezone, now, keep_last_holds: false };
        let judgement = &judge(rules, &candidates)[it];
        let says = match (judgement.holds.is_empty(), judgement.until, judgement.instead.first()) {
            (false, Some(until), _) => format!("holds it until {}", minute(until)),
            (false, None, _) => "holds it".to_owned(),
            (true, _, Some(n)) => {
                format!("{} stands for its period", minute(settled[*n].time))
            }
            (true, _, None) => judgement.lapse.to_string(),
        };
        format!("{} = {} ({}): {says}", rule.tier.name(), rule.window, rule.take.name())
    });
    tiers.chain([format!("keep_last = {}", policy.retention.keep_last)]).collect()
}
