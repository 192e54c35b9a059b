//! The check of the finished plan: does it keep what the invariants promise?
//!
//! Written from the inventory and the tags alone, without the code that plans, so that one mistake
//! there does not excuse itself here. A fatal note means that nothing may be executed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, Orphans, Policy};
use crate::domain::id_map::{IdMap, IdSet};
use crate::domain::ids::{SnapshotId, VolumeId};
use crate::domain::inventory::{Inventory, Listing, RegionInventory, Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::{self, OurTags, Tags};
use crate::plan::Request;
use crate::plan::model::{Action, ExpireReason, NewPoint, Note, Op, Plan, Severity};

mod newest;

/// Returns a fatal note for every promise that `plan` breaks.
pub fn check(config: &Config, inventory: &Inventory, request: &Request, plan: &Plan) -> Vec<Note> {
    let mut broken = Broken::default();
    twice(plan, &mut broken);
    for (region, observed) in &inventory.regions {
        let policies = config.policies.iter().filter(|policy| policy.applies_in(region));
        let scene = Scene { policies: &policies.collect::<Vec<_>>(), inventory, region, observed };
        let actions: Vec<&Action> = plan.actions.iter().filter(|a| a.region == *region).collect();
        if actions.is_empty() {
            continue;
        }
        let deleted: IdMap<SnapshotId, &Action> = actions
            .iter()
            .filter_map(|action| Some((action.as_delete()?.snapshot_id, *action)))
            .collect();
        deletions(scene, &deleted, &mut broken);
        newest::newest_points(scene, &deleted, &mut broken);
        newest_adopted(scene, &deleted, &mut broken);
        creations(scene, &actions, &deleted, &mut broken);
    }
    over_limit(config, request, plan, &mut broken);
    broken.notes
}

#[derive(Debug, Default)]
struct Broken {
    notes: Vec<Note>,
}

impl Broken {
    fn add(&mut self, region: Option<&Region>, message: String) {
        let (severity, region) = (Severity::Fatal, region.copied());
        self.notes.push(Note { severity, region, message });
    }
}

#[derive(Clone, Copy)]
struct Scene<'s> {
    /// Those that apply in the region.
    policies: &'s [&'s Policy],
    inventory: &'s Inventory,
    region: &'s Region,
    observed: &'s RegionInventory,
}

impl<'s> Scene<'s> {
    fn policy(self, name: &str) -> Option<&'s Policy> {
        self.policies.iter().copied().find(|policy| policy.answers_to(name))
    }
}

/// No action stands twice in a plan, and nothing is both deleted and kept.
fn twice(plan: &Plan, broken: &mut Broken) {
    let mut deleted: HashMap<&Region, IdSet<SnapshotId>> = HashMap::new();
    let mut created = HashSet::new();
    for action in &plan.actions {
        let is_new = match action.as_delete() {
            Some(delete) => deleted.entry(&action.region).or_default().insert(delete.snapshot_id),
            None => created.insert(action.id()),
        };
        if !is_new {
            broken.add(Some(&action.region), format!("{} is planned twice", action.id()));
        }
    }
    for keeps in plan.keeps.chunk_by(|a, b| a.region == b.region) {
        let region = &keeps[0].region;
        let Some(deleted) = deleted.get(region) else { continue };
        for keep in keeps.iter().filter(|keep| deleted.contains(&keep.snapshot_id)) {
            broken.add(Some(region), format!("{} is both kept and deleted", keep.snapshot_id));
        }
    }
}

/// Every single deletion is of something that may be deleted.
fn deletions(scene: Scene<'_>, deleted: &IdMap<SnapshotId, &Action>, broken: &mut Broken) {
    if deleted.is_empty() {
        return;
    }
    let mut refuse = |text: String| broken.add(Some(scene.region), text);
    for listing in [Listing::Snapshots, Listing::Images] {
        if scene.observed.has_gap(listing) {
            refuse(format!("deletions although {} has a gap", listing.operation()));
        }
    }
    if scene.inventory.clock_skew.is_some_and(|skew| TimeDelta::minutes(5) < skew.abs()) {
        refuse("deletions although the clock is off".to_owned());
    }
    for image in &scene.observed.images {
        for id in image.snapshot_ids.iter().filter(|id| deleted.contains_key(id)) {
            refuse(format!("{id} backs {} and is to be deleted", image.id));
        }
    }
    let mut n_found = 0;
    for snapshot in &scene.observed.snapshots {
        let Some(action) = deleted.get(&snapshot.id) else { continue };
        n_found += 1;
        if let Some(why) = why_not(scene, snapshot, action) {
            refuse(format!("{} {why} and is to be deleted", snapshot.id));
        }
    }
    if n_found != deleted.len() {
        refuse("a snapshot that was not observed is to be deleted".to_owned());
    }
}

/// Returns why `snapshot` must not be deleted.
fn why_not(scene: Scene<'_>, snapshot: &Snapshot, action: &Action) -> Option<&'static str> {
    let tags = &snapshot.tags;
    if tags.has(tags::HOLD) {
        return Some("is held");
    }
    if scene.observed.locked.contains(&snapshot.id) {
        return Some("is locked");
    }
    if is_managed(tags) {
        return Some("is managed by another service");
    }
    if !matches!(snapshot.state, SnapshotState::Completed | SnapshotState::Error) {
        return Some("is neither completed nor failed");
    }
    let Some(policy) = scene.policy(&action.policy) else {
        return Some("belongs to no policy");
    };
    let variant = policy.in_region(scene.region);
    let name = tags.get(tags::POLICY).filter(|name| policy.answers_to(name));
    let is_ours = tags.get(tags::OWNER) == Some(&variant.owner)
        && name.is_some_and(|name| is_described(snapshot, name))
        && !tags.has(tags::COPY_OF);
    let has_no_marks = !tags.iter().any(|(k, _)| k.starts_with(tags::PREFIX) && k != tags::HOLD);
    let is_adopted =
        has_no_marks && variant.adopt.as_ref().is_some_and(|adopt| adopt.matches(snapshot));
    (!is_ours && !is_adopted).then_some("is neither ours nor adopted")
}

/// Tags can be copied along, descriptions are the maker's.
fn is_described(snapshot: &Snapshot, policy_name: &str) -> bool {
    let rest = snapshot.description.strip_prefix("snapkeep ");
    rest.and_then(|rest| rest.strip_prefix(policy_name)).is_some_and(|rest| rest.starts_with(' '))
}

fn is_managed(tags: &Tags) -> bool {
    let mut services = tags.iter().filter_map(|(key, _)| key.strip_prefix("aws:"));
    services.any(|name| name.starts_with("backup:") || name.starts_with("dlm:"))
}

/// A lineage as tags tell it: the policy, under its present name, and the source.
type LineageKey<'t> = (&'t str, &'t str);

/// Returns the lineage that `tags` name; none if they are not of this installation.
fn lineage_key<'t>(scene: Scene<'t>, tags: &'t Tags) -> Option<LineageKey<'t>> {
    let ours = OurTags::of(tags)?;
    let policy = scene.policy(ours.policy?)?;
    let owner = policy.in_region(scene.region).owner.as_ref();
    let is_ours = ours.owner == Some(owner) && ours.copy_of.is_none() && !is_managed(tags);
    is_ours.then_some((policy.name.as_ref(), ours.source?))
}

/// Returns the lineage of `snapshot`; none if it is not ours, whatever its tags say.
fn lineage_of<'t>(scene: Scene<'t>, snapshot: &'t Snapshot) -> Option<LineageKey<'t>> {
    let has_volume = snapshot.volume_id.is_some_and(|id| !id.is_placeholder());
    let key = lineage_key(scene, &snapshot.tags).filter(|_| has_volume)?;
    is_described(snapshot, snapshot.tags.get(tags::POLICY)?).then_some(key)
}

/// Of a volume, the newest of the adopted snapshots that go has one at least as new that survives.
fn newest_adopted(scene: Scene<'_>, deleted: &IdMap<SnapshotId, &Action>, broken: &mut Broken) {
    let mut newest_gone: BTreeMap<VolumeId, ((DateTime<Utc>, SnapshotId), &Policy)> =
        BTreeMap::new();
    for action in deleted.values() {
        let Some(delete) = action.as_delete().filter(|d| !d.tags.has(tags::OWNER)) else {
            continue;
        };
        let policy = scene.policy(&action.policy);
        let (Some(volume_id), Some(policy)) = (delete.volume_id, policy) else { continue };
        if delete.state == SnapshotState::Completed {
            let this = (delete.started_at, delete.snapshot_id);
            let newest = newest_gone.entry(volume_id).or_insert((this, policy));
            if newest.0 < this {
                *newest = (this, policy);
            }
        }
    }
    if newest_gone.is_empty() {
        return;
    }
    let survivors = scene.observed.snapshots.iter().filter(|snapshot| {
        snapshot.state == SnapshotState::Completed && !deleted.contains_key(&snapshot.id)
    });
    for survivor in survivors {
        let Some(volume_id) = survivor.volume_id else { continue };
        if newest_gone.get(&volume_id).is_some_and(|(gone, _)| gone.0 <= survivor.started_at) {
            newest_gone.remove(&volume_id);
        }
    }
    for (volume_id, (_, policy)) in newest_gone {
        let orphans = policy.in_region(scene.region).retention.orphans;
        let is_gone = scene.observed.gone.contains(&Source::Volume(volume_id));
        if orphans == Orphans::KeepLast || !is_gone {
            let text = format!("the newest adopted snapshot of {volume_id} would be deleted");
            broken.add(Some(scene.region), text);
        }
    }
}

/// Nothing is made where it may be there already, and nothing is made twice.
fn creations(
    scene: Scene<'_>,
    actions: &[&Action],
    deleted: &IdMap<SnapshotId, &Action>,
    broken: &mut Broken,
) {
    let creations = || actions.iter().filter_map(|action| Some((action, action.as_creation()?)));
    if creations().next().is_none() {
        return;
    }
    for listing in [Listing::Snapshots, Listing::Images] {
        if scene.observed.has_gap(listing) {
            let text = format!("creations although {} has a gap", listing.operation());
            broken.add(Some(scene.region), text);
        }
    }
    let slots: BTreeSet<&str> =
        creations().filter_map(|(_, point)| new_tag(point, tags::SLOT)).collect();
    let mut filled: HashMap<_, BTreeSet<Option<VolumeId>>> = HashMap::new();
    // EC2 starts a snapshot after its slot; a day is more than any clock is off.
    let earliest = creations().map(|(_, point)| point.slot).min().unwrap_or_default();
    let may_fill = |s: &&Snapshot| earliest - TimeDelta::days(1) <= s.started_at;
    for snapshot in scene.observed.snapshots.iter().filter(may_fill) {
        let slot = snapshot.tags.get(tags::SLOT).filter(|slot| slots.contains(slot));
        let is_live = snapshot.state != SnapshotState::Error && !deleted.contains_key(&snapshot.id);
        let Some(slot) = slot.filter(|_| is_live) else { continue };
        if let Some(lineage) = lineage_of(scene, snapshot) {
            filled.entry((lineage, slot)).or_default().insert(snapshot.volume_id);
        }
    }
    for (action, point) in creations() {
        let tags: Tags = point.tags.iter().cloned().collect();
        let Some(key) = lineage_key(scene, &tags).zip(tags.get(tags::SLOT)) else {
            broken.add(Some(scene.region), format!("{} has not all its tags", action.id()));
            continue;
        };
        let volumes = match &action.op {
            Op::CreateSnapshots(set) => &set.volumes[..],
            Op::CreateSnapshot(one) => std::slice::from_ref(&one.volume),
            Op::DeleteSnapshot(_) => &[],
        };
        // A copy that somebody made with our tags has another volume.
        let there = filled.get(&key);
        if volumes.iter().any(|v| there.is_some_and(|ids| ids.contains(&Some(v.volume_id)))) {
            broken.add(Some(scene.region), format!("{} is there already", action.id()));
        }
    }
}

fn new_tag<'t>(point: &'t NewPoint, key: &str) -> Option<&'t str> {
    point.tags.iter().find(|(k, _)| k.as_ref() == key).map(|(_, value)| value.as_ref())
}

/// No policy deletes more in a region than its limit allows.
fn over_limit(config: &Config, request: &Request, plan: &Plan, broken: &mut Broken) {
    let mut counts: BTreeMap<(&str, &Region), u32> = BTreeMap::new();
    let is_counted = |action: &&Action| {
        // What makes room for a creation is never withheld.
        action.as_delete().is_some_and(|delete| delete.reason != ExpireReason::FailedInTheWay)
    };
    for action in plan.actions.iter().filter(is_counted) {
        *counts.entry((&action.policy, &action.region)).or_default() += 1;
    }
    for ((name, region), n_deletes) in counts {
        let policy = config.policies.iter().find(|policy| policy.name.as_ref() == name);
        let limit = policy.map(|policy| policy.in_region(region).limits.max_deletes);
        if request.max_deletes.or(limit).is_none_or(|max| max < n_deletes) {
            let text = format!("`{name}` would delete {n_deletes} snapshots, over its limit");
            broken.add(Some(region), text);
        }
    }
}
