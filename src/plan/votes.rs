//! Votes: what several policies judge is kept if any of them keeps it.
//!
//! Only what others made can be judged by several policies.

use crate::domain::id_map::IdMap;
use crate::domain::ids::ResourceId;
use crate::domain::source::Source;
use crate::plan::copies::Debts;
use crate::plan::lineage::{LineageKey, Role};
use crate::plan::point::Member;
use crate::plan::scene::Scene;
use crate::plan::verdict::Verdict;

/// Which policies would keep, and which is the first to expire, what several adopt.
#[derive(Debug, Default)]
struct Vote {
    first_to_keep: Option<usize>,
    is_kept_by_several: bool,
    first_to_expire: Option<usize>,
}

impl Vote {
    fn add(&mut self, policy: usize, goes: bool) {
        if goes {
            self.first_to_expire.get_or_insert(policy);
        } else {
            self.is_kept_by_several |= self.first_to_keep.is_some_and(|first| first != policy);
            self.first_to_keep.get_or_insert(policy);
        }
    }
}

/// Collects the verdicts on what others made: what two policies judge is kept if either keeps it.
pub fn adoption_votes(scene: &Scene<'_>, debts: &Debts) -> Votes {
    let mut votes: IdMap<ResourceId, Vote> = IdMap::default();
    let is_of_others =
        |key: &LineageKey| key.is_adopted() || matches!(key.source, Source::Family(_));
    for lineage in scene.lineages.iter().filter(|lineage| is_of_others(&lineage.key)) {
        let mut count = |id: ResourceId, goes: bool| {
            votes.entry(id).or_default().add(lineage.key.policy, goes);
        };
        for (point, verdict) in lineage.judged() {
            let owed = debts.get(&(scene.region, lineage.key, point.identity));
            let is_owed = owed.is_some_and(|o| !o.unfinished.is_empty() || !o.unknown.is_empty());
            let goes = matches!(verdict, Verdict::Expire(..)) && !is_owed;
            let of_others = point.members().filter(|m| m.role != Role::Encrypted);
            // What is only selected is not deleted here, but by whoever adopts it.
            let goes_here = |m: &Member<'_>| goes && m.role == Role::Original;
            of_others.for_each(|m| match (goes_here(m), goes) {
                (false, true) => {}
                (goes, _) => count(m.id(), goes),
            });
        }
        for (entry, goes) in &lineage.failed {
            count(entry.id, *goes);
        }
    }
    Votes(votes)
}

/// The verdicts of all policies on what others made.
#[derive(Debug)]
pub struct Votes(IdMap<ResourceId, Vote>);

impl Votes {
    /// Returns true if another policy keeps the thing, or deletes it before `policy` does.
    pub fn is_left_to_another(&self, id: ResourceId, policy: usize) -> bool {
        let is_left = |v: &Vote| v.first_to_keep.is_some() || v.first_to_expire != Some(policy);
        self.0.get(&id).is_some_and(is_left)
    }

    /// Returns true if a policy other than `policy` keeps the thing.
    pub fn is_kept_by_another(&self, id: ResourceId, policy: usize) -> bool {
        let is_kept =
            |v: &Vote| v.is_kept_by_several || v.first_to_keep.is_some_and(|p| p != policy);
        self.0.get(&id).is_some_and(is_kept)
    }
}
