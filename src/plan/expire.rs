//! Expiry: verdicts and vetoes become deletions, kept snapshots and lines under waiting.
//!
//! Decides nothing about retention; every deletion here has a verdict behind it and no veto
//! before it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{RegionInventory, Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::Request;
use crate::plan::guard::{Veto, snapshot_vetoes};
use crate::plan::lineage::{Entry, Point};
use crate::plan::model::{
    Action, Delete, ExpireReason, Keep, KeepReason, Note, Op, Plan, Severity, Waiting,
};
use crate::plan::retention::Hold;
use crate::plan::standing::Judge;
use crate::plan::verdict::{FAILED_FOR, JudgedLineage, Verdict};

/// What one region's passes have decided to do.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Calls that make something.
    pub creations: Vec<Action>,
    /// Calls that delete something.
    pub deletions: Vec<Action>,
    /// Failed snapshots that must go before a creation.
    pub in_the_way: BTreeSet<SnapshotId>,
}

/// Where verdicts are carried over into the plan.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'s> {
    /// The configuration.
    pub config: &'s Config,
    /// The region.
    pub region: &'s Region,
    /// What was observed there.
    pub observed: &'s RegionInventory,
    /// Whose the snapshots are.
    pub judge: &'s Judge<'s>,
    /// What the plan is asked for.
    pub request: &'s Request,
}

/// Carries the verdicts on a region's lineages over into `emitted` and `plan`.
pub fn expire(
    scene: Scene<'_>,
    region_vetoes: &[Veto],
    lineages: &[JudgedLineage<'_>],
    emitted: &mut Emitted,
    plan: &mut Plan,
) {
    let votes = adoption_votes(lineages);
    let mut n_future = 0;
    for lineage in lineages {
        let name = &scene.config.policies[lineage.key.policy].name;
        // Not those that this very run makes: they must not lift a limit that it met.
        let n_points = lineage.points.iter().filter(|(p, _)| p.time < scene.request.now).count();
        *plan.n_points.entry((Arc::clone(name), *scene.region)).or_default() +=
            u32::try_from(n_points).unwrap_or(u32::MAX);
        if !scene.request.covers(name, scene.region) {
            continue;
        }
        let source = lineage.key.source;
        let mut pass = Pass { scene, name, source, region_vetoes, emitted, plan };
        for (point, verdict) in &lineage.points {
            n_future +=
                usize::from(matches!(verdict, Verdict::Keep(h, _) if h.contains(Hold::Future)));
            pass.point(lineage.key.policy, point, verdict, &votes);
        }
        for (entry, goes) in &lineage.failed {
            if !*goes || !is_left_to_another(&votes, entry.snapshot.id, lineage.key.policy) {
                pass.failed(entry, *goes);
            }
        }
    }
    if 0 < n_future {
        plan.notes.push(Note {
            severity: Severity::Warning,
            region: Some(*scene.region),
            message: format!(
                "{n_future} points are of the future; they stay and stand for nothing"
            ),
        });
    }
}

/// Which policies would keep, and which is the first to expire, a snapshot that several adopt.
#[derive(Debug, Default)]
struct Votes {
    is_kept: bool,
    first_to_expire: Option<usize>,
}

/// Collects the verdicts on adopted snapshots: what two policies adopt is kept if either keeps it.
fn adoption_votes(lineages: &[JudgedLineage<'_>]) -> HashMap<SnapshotId, Votes> {
    let mut votes: HashMap<SnapshotId, Votes> = HashMap::new();
    for lineage in lineages.iter().filter(|lineage| lineage.key.is_adopted) {
        let mut count = |id: SnapshotId, goes: bool| {
            let vote = votes.entry(id).or_default();
            vote.is_kept |= !goes;
            if goes {
                vote.first_to_expire.get_or_insert(lineage.key.policy);
            }
        };
        for (point, verdict) in &lineage.points {
            let goes = matches!(verdict, Verdict::Expire(..));
            point.ids().for_each(|id| count(id, goes));
        }
        for (entry, goes) in &lineage.failed {
            count(entry.snapshot.id, *goes);
        }
    }
    votes
}

/// Returns true if another adopting policy keeps the snapshot, or deletes it before `policy` does.
fn is_left_to_another(votes: &HashMap<SnapshotId, Votes>, id: SnapshotId, policy: usize) -> bool {
    votes.get(&id).is_some_and(|v| v.is_kept || v.first_to_expire != Some(policy))
}

/// One lineage on its way into the plan.
struct Pass<'p> {
    scene: Scene<'p>,
    name: &'p Arc<str>,
    source: Source,
    region_vetoes: &'p [Veto],
    emitted: &'p mut Emitted,
    plan: &'p mut Plan,
}

impl Pass<'_> {
    fn point(
        &mut self,
        policy: usize,
        point: &Point<'_>,
        verdict: &Verdict,
        votes: &HashMap<SnapshotId, Votes>,
    ) {
        match verdict {
            Verdict::Waiting => self.waiting(point),
            Verdict::Keep(holds, until) => {
                for snapshot in &point.snapshots {
                    let mut keep = self.keep(snapshot, point, KeepReason::Held(*holds));
                    keep.until = *until;
                    self.plan.keeps.push(keep);
                }
            }
            Verdict::Expire(reason, stays) => {
                if !point.ids().any(|id| is_left_to_another(votes, id, policy)) {
                    self.expire(point, *reason, stays);
                }
            }
        }
    }

    fn expire(&mut self, point: &Point<'_>, reason: ExpireReason, stays: &Arc<[SnapshotId]>) {
        let veto = self.veto(&point.snapshots);
        for snapshot in &point.snapshots {
            match &veto {
                Some(veto) => {
                    let vetoed = KeepReason::Vetoed(Box::new((reason, veto.clone())));
                    let keep = self.keep(snapshot, point, vetoed);
                    self.plan.keeps.push(keep);
                }
                None => self.delete(snapshot, point.time, reason, stays),
            }
        }
    }

    fn failed(&mut self, entry: &Entry<'_>, goes: bool) {
        let snapshot = entry.snapshot;
        let is_in_the_way = self.emitted.in_the_way.contains(&snapshot.id);
        let reason =
            if is_in_the_way { ExpireReason::FailedInTheWay } else { ExpireReason::Failed };
        let mut keep = Keep {
            policy: Arc::clone(self.name),
            region: *self.scene.region,
            snapshot_id: snapshot.id,
            source: entry.key.source,
            volume_id: snapshot.volume_id,
            point_time: snapshot.started_at,
            reason: KeepReason::Failed,
            until: None,
        };
        if !goes && !is_in_the_way {
            let ends_at = snapshot.started_at + FAILED_FOR;
            keep.until = Some(ends_at).filter(|ends_at| self.scene.request.now < *ends_at);
            self.plan.keeps.push(keep);
        } else if let Some(veto) = self.veto(&[snapshot]) {
            keep.reason = KeepReason::Vetoed(Box::new((reason, veto)));
            self.plan.keeps.push(keep);
        } else {
            self.delete(snapshot, snapshot.started_at, reason, &Arc::from([]));
        }
    }

    /// Returns the first veto on any of `snapshots`: it holds for all.
    fn veto(&self, snapshots: &[&Snapshot]) -> Option<Veto> {
        let Scene { observed, judge, .. } = self.scene;
        let own = snapshots.iter().flat_map(|snapshot| snapshot_vetoes(judge, observed, snapshot));
        own.chain(self.region_vetoes.iter().cloned()).next()
    }

    fn keep(&self, snapshot: &Snapshot, point: &Point<'_>, reason: KeepReason) -> Keep {
        Keep {
            policy: Arc::clone(self.name),
            region: *self.scene.region,
            snapshot_id: snapshot.id,
            source: self.source,
            volume_id: snapshot.volume_id,
            point_time: point.time,
            reason,
            until: None,
        }
    }

    fn delete(
        &mut self,
        snapshot: &Snapshot,
        point_time: DateTime<Utc>,
        reason: ExpireReason,
        stays: &Arc<[SnapshotId]>,
    ) {
        self.emitted.deletions.push(Action {
            policy: Arc::clone(self.name),
            region: *self.scene.region,
            op: Op::DeleteSnapshot(Delete {
                snapshot_id: snapshot.id,
                volume_id: snapshot.volume_id,
                size_gib: snapshot.volume_size_gib,
                started_at: snapshot.started_at,
                state: snapshot.state,
                tags: snapshot.tags.clone(),
                point_time,
                reason,
                stays: Arc::clone(stays),
            }),
        });
    }

    fn waiting(&mut self, point: &Point<'_>) {
        let pending = point.snapshots.iter().find(|s| s.state != SnapshotState::Completed);
        let Some(snapshot) = pending else { return };
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(self.name),
            region: *self.scene.region,
            resource: snapshot.id.to_string(),
            reason: format!(
                "{}, {} of {} of {} complete",
                snapshot.state.name(),
                point.n_completed(),
                point.wanted,
                self.source
            ),
            since: Some(snapshot.started_at),
        });
    }
}
