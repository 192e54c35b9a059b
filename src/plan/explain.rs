//! Everything about one snapshot: whose it is, what becomes of it and why, what stands in the way.
//!
//! Asks the same passes as the plan does; decides nothing of its own.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{Config, Orphans, RegionalPolicy, Retention};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Inventory, RegionInventory, Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::Request;
use crate::plan::guard::{Veto, region_vetoes, snapshot_vetoes};
use crate::plan::lineage::{self, Point, PointState};
use crate::plan::model::{Action, Plan};
use crate::plan::reason::{held, minute};
use crate::plan::retention::{Candidate, Hold, Rules, judge};
use crate::plan::standing::{Bystanders, Judge, Standing, bystander_text};
use crate::plan::verdict::{FAILED_FOR, JudgedLineage, Verdict, is_gone};

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
    /// The completed snapshots of its recovery point, itself among them: what is restored together.
    pub restorable: Vec<Snapshot>,
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
    let fates = fates(&super::plan(config, inventory, request));
    let mut vetoes = region_vetoes(inventory, observed);
    let mut judged_by = Vec::new();
    let mut restorable = vec![snapshot];
    for lineage in lineages.iter().filter(|lineage| has(lineage, snapshot_id)) {
        let Some(policy) = judge.policy(lineage.key.policy) else { continue };
        let name = &config.policies[lineage.key.policy].name;
        vetoes.extend(members_vetoes(&judge, observed, lineage, snapshot_id));
        let scene = Scene { policy, observed, lineage, fates: &fates, now: request.now };
        judged_by.push(scene.judged(name, snapshot_id));
        if let Some((point, _)) = scene.found(snapshot_id) {
            restorable.clone_from(&point.snapshots);
        }
    }
    if judged_by.is_empty() {
        vetoes.extend(snapshot_vetoes(&judge, observed, snapshot));
    }
    let standing = standing_text(&judge.standing(snapshot));
    Some(Explanation {
        region: *region,
        snapshot: snapshot.clone(),
        standing,
        judged_by,
        vetoes,
        restorable: restorable
            .into_iter()
            .filter(|snapshot| snapshot.state == SnapshotState::Completed)
            .cloned()
            .collect(),
    })
}

/// What the plan makes of each snapshot that it decides about, in words.
type Fates = HashMap<SnapshotId, String>;

fn fates(plan: &Plan) -> Fates {
    let mut fates: Fates =
        plan.keeps.iter().map(|keep| (keep.snapshot_id, format!("stays: {keep}"))).collect();
    let deletes = plan.actions.iter().filter_map(Action::as_delete);
    fates.extend(deletes.map(|delete| (delete.snapshot_id, format!("goes: {}", delete.reason))));
    fates.extend(plan.withheld.iter().filter_map(|withheld| {
        let delete = withheld.action.as_delete()?;
        let text = format!("stays: over a limit ({}); would go: {}", withheld.limit, delete.reason);
        Some((delete.snapshot_id, text))
    }));
    fates
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

/// One lineage that the snapshot in question belongs to.
struct Scene<'s, 'a> {
    policy: &'s RegionalPolicy,
    observed: &'s RegionInventory,
    lineage: &'s JudgedLineage<'a>,
    fates: &'s Fates,
    now: DateTime<Utc>,
}

impl<'s, 'a> Scene<'s, 'a> {
    fn found(&self, id: SnapshotId) -> Option<&'s (Point<'a>, Verdict)> {
        self.lineage.points.iter().find(|(point, _)| point.ids().any(|other| other == id))
    }

    fn judged(&self, name: &Arc<str>, id: SnapshotId) -> JudgedBy {
        let lines = self.lineage.points.iter().map(|(point, verdict)| {
            let is_it = point.ids().any(|other| other == id);
            (point.time, state_text(point.state), self.fate(point, verdict), is_it)
        });
        let base = JudgedBy {
            policy: Arc::clone(name),
            source: self.lineage.key.source,
            slot: None,
            point: String::new(),
            verdict: String::new(),
            expires_at: None,
            rules: self.rules(id),
            lineage: lines.collect(),
        };
        match self.found(id) {
            Some((point, verdict)) => JudgedBy {
                slot: point.slot,
                point: point_text(point),
                verdict: self.fate(point, verdict),
                expires_at: match verdict {
                    Verdict::Keep(_, until) => *until,
                    Verdict::Expire(..) | Verdict::Waiting => None,
                },
                ..base
            },
            None => self.failed(base, id),
        }
    }

    /// What becomes of a point: as the plan says, or, where it says nothing, by its verdict.
    fn fate(&self, point: &Point<'_>, verdict: &Verdict) -> String {
        let planned = point.ids().find_map(|id| self.fates.get(&id).cloned());
        planned.unwrap_or_else(|| match verdict {
            Verdict::Waiting => "waiting for it to complete".to_owned(),
            Verdict::Keep(holds, until) => format!("stays: {}", held(*holds, *until)),
            Verdict::Expire(reason, _) => format!("left to another policy; {reason}"),
        })
    }

    fn failed(&self, base: JudgedBy, id: SnapshotId) -> JudgedBy {
        let found = self.lineage.failed.iter().find(|(entry, _)| entry.snapshot.id == id);
        let Some((entry, goes)) = found else { return base };
        let ends_at = entry.snapshot.started_at + FAILED_FOR;
        JudgedBy {
            slot: entry.slot,
            point: format!("attempt {} failed; fills no slot", entry.attempt),
            verdict: self.fates.get(&id).cloned().unwrap_or_default(),
            expires_at: Some(ends_at).filter(|ends_at| !goes && self.now < *ends_at),
            ..base
        }
    }
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

impl Scene<'_, '_> {
    /// Asks each tier by itself what it says of the point of `id`.
    fn rules(&self, id: SnapshotId) -> Vec<String> {
        let settled: Vec<&Point<'_>> = self
            .lineage
            .points
            .iter()
            .map(|(point, _)| point)
            .filter(|point| point.state != PointState::Pending)
            .collect();
        let is_it = |point: &&Point<'_>| point.ids().any(|other| other == id);
        let Some(it) = settled.iter().position(is_it) else { return Vec::new() };
        let candidates: Vec<Candidate> = settled
            .iter()
            .map(|p| Candidate { time: p.time, is_complete: p.state == PointState::Complete })
            .collect();
        let (retention, zone, now) = (&self.policy.retention, self.policy.timezone, self.now);
        let tiers = retention.tiers.iter().map(|rule| {
            let alone = Retention { tiers: vec![*rule], ..retention.clone() };
            let rules = Rules {
                retention: &alone,
                zone,
                now,
                keep_last_holds: false,
                is_settled_only: false,
            };
            let judgement = &judge(rules, &candidates)[it];
            let says = match (judgement.holds.is_empty(), judgement.until) {
                (false, Some(until)) => format!("holds it until {}", minute(until)),
                (false, None) => "holds it".to_owned(),
                (true, _) => match judgement.instead.first() {
                    Some(n) => format!("{} stands for its period", minute(settled[*n].time)),
                    None => judgement.lapse.to_string(),
                },
            };
            format!("{} = {} ({}): {says}", rule.tier.name(), rule.window, rule.take.name())
        });
        tiers.chain([self.keep_last(id), self.orphans()]).collect()
    }

    fn keep_last(&self, id: SnapshotId) -> String {
        let holds_it = self.found(id).is_some_and(|(_, verdict)| match verdict {
            Verdict::Keep(holds, _) => holds.contains(Hold::Last),
            Verdict::Expire(..) | Verdict::Waiting => false,
        });
        let says = if holds_it { "holds it" } else { "does not hold it" };
        format!("keep_last = {}: {says}", self.policy.retention.keep_last)
    }

    fn orphans(&self) -> String {
        let rule = match self.policy.retention.orphans {
            Orphans::KeepLast => "keep-last".to_owned(),
            Orphans::Expire => "expire".to_owned(),
            Orphans::After(span) => span.to_string(),
        };
        let source = self.lineage.key.source;
        let is_there = if super::listed(self.observed).contains(&source) {
            "is there"
        } else if is_gone(self.observed, source) {
            "is gone"
        } else {
            "is not listed"
        };
        format!("orphans = {rule}: {source} {is_there}")
    }
}
