//! Alarms: copies that are unfinished or missing for longer than `copy_grace`.
//!
//! Only tells; nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::plan::copies::Debts;
use crate::plan::model::{Note, Plan, Severity};
use crate::plan::reason::minute;
use crate::plan::scene::World;

/// From where, for which policy, and where to.
type Way = (Region, Arc<str>, Region);

/// Notes for each policy and destination how many copies are overdue, and since when.
pub fn note_debts(world: &World<'_>, debts: &Debts, plan: &mut Plan) {
    if debts.is_empty() {
        return;
    }
    let mut overdue: BTreeMap<Way, (usize, DateTime<Utc>)> = BTreeMap::new();
    for scene in world.scenes.values() {
        for lineage in &scene.lineages {
            let Some(policy) = scene.judge.policy(lineage.key.policy) else { continue };
            let name = &world.config.policies[lineage.key.policy].name;
            for (point, _) in lineage.standing() {
                let Some(owed) = debts.get(&(scene.region, lineage.key, point.identity)) else {
                    continue;
                };
                if world.request.now < policy.copy_grace.end(point.time, policy.timezone) {
                    continue;
                }
                for to in &owed.unfinished {
                    let place = (scene.region, Arc::clone(name), *to);
                    let (n, oldest) = overdue.entry(place).or_insert((0, point.time));
                    *n += 1;
                    *oldest = (*oldest).min(point.time);
                }
            }
        }
    }
    for ((from, name, to), (n, oldest)) in overdue {
        let message = format!(
            "`{name}`: copies to {to} unfinished or missing for longer than copy_grace: {n}, the \
             oldest of {}",
            minute(oldest)
        );
        plan.notes.push(Note { severity: Severity::Warning, region: Some(from), message });
    }
}
