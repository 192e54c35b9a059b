//! The check of the finished plan: does it keep what the invariants promise?
//!
//! Written from the inventory and the tags alone, without the code that plans, so that one mistake
//! there does not excuse itself here. A fatal note means that nothing may be executed.

use std::cmp::Reverse;
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
        newest_points(scene, &deleted, &mut broken);
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
        let (severity, region) = (Severity::Fatal, region.cloned());
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

/// What a completed snapshot and its tags say of its point.
#[derive(Debug)]
struct Member<'t> {
    slot: Option<&'t str>,
    wanted: usize,
    volume_id: Option<VolumeId>,
    started_at: DateTime<Utc>,
    survives: bool,
}

impl<'t> Member<'t> {
    fn new(snapshot: &'t Snapshot, survives: bool) -> Self {
        let Snapshot { volume_id, started_at, ref tags, .. } = *snapshot;
        let wanted = tags.get(tags::MEMBERS).and_then(|text| text.parse().ok()).unwrap_or(1);
        Self { slot: tags.get(tags::SLOT), wanted, volume_id, started_at, survives }
    }

    fn shares_point(&self, other: &Self) -> bool {
        // Somebody may have removed the tag; then the snapshot is a point by itself.
        self.slot.is_some() && (self.slot, self.wanted) == (other.slot, other.wanted)
    }

    fn shares_volume(&self, other: &Self) -> bool {
        self.volume_id == other.volume_id
    }
}

/// The newest `keep_last` complete points of every lineage survive, unless its source is gone.
fn newest_points(scene: Scene<'_>, deleted: &IdMap<SnapshotId, &Action>, broken: &mut Broken) {
    let touched = deleted
        .values()
        .filter_map(|action| lineage_key(scene, &action.as_delete()?.tags))
        .map(|key| (key, Vec::new()));
    let mut lineages: IdMap<LineageKey<'_>, Vec<Member<'_>>> = touched.collect();
    for snapshot in &scene.observed.snapshots {
        let Some(key) = lineage_of(scene, snapshot) else { continue };
        if let Some(members) = lineages.get_mut(&key)
            && snapshot.state == SnapshotState::Completed
        {
            members.push(Member::new(snapshot, !deleted.contains_key(&snapshot.id)));
        }
    }
    for ((policy_name, source), members) in lineages.into_iter().collect::<BTreeMap<_, _>>() {
        let Some(policy) = scene.policy(policy_name) else { continue };
        let retention = &policy.in_region(scene.region).retention;
        let source_id = source.rsplit('/').next().and_then(|id| id.parse::<Source>().ok());
        let is_gone = source_id.is_some_and(|id| scene.observed.gone.contains(&id));
        if is_gone && retention.orphans != Orphans::KeepLast {
            continue;
        }
        let n_lost = n_lost(members, retention.keep_last as usize);
        if 0 < n_lost {
            let text = format!(
                "`{policy_name}` would lose {n_lost} of the newest {} points of {source}",
                retention.keep_last
            );
            broken.add(Some(scene.region), text);
        }
    }
}

/// Returns how many of the newest `keep_last` complete points among `members` would not stay so.
fn n_lost(mut members: Vec<Member<'_>>, keep_last: usize) -> usize {
    members.sort_by_key(|member| (member.slot, member.wanted, member.volume_id));
    let mut complete = Vec::new();
    for point in members.chunk_by(Member::shares_point) {
        let volumes = || point.chunk_by(Member::shares_volume);
        let survives = |of_volume: &&[Member<'_>]| of_volume.iter().any(|member| member.survives);
        let time = point.iter().map(|member| member.started_at).min();
        if point[0].wanted <= volumes().count() {
            let stays = point[0].wanted <= volumes().filter(survives).count();
            complete.push((time, stays));
        }
    }
    complete.sort_by_key(|(time, _)| Reverse(*time));
    let n_newest = complete.len().min(keep_last);
    let Some(oldest) = n_newest.checked_sub(1).map(|n| complete[n].0) else { return 0 };
    // Of points of one instant, any may be the newest.
    let n_staying = complete.iter().filter(|(time, stays)| *stays && oldest <= *time).count();
    n_newest.saturating_sub(n_staying)
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
    for snapshot in &scene.observed.snapshots {
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
