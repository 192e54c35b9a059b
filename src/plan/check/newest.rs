//! Do the newest `keep_last` complete points of every lineage survive?
//!
//! Most lineages are settled by a look at the newest survivors of each volume: as many newer
//! complete points as the policy keeps are proof enough. Only the others are gone through whole.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use chrono::{DateTime, Utc};

use crate::config::{Orphans, Retention};
use crate::domain::id_map::IdMap;
use crate::domain::ids::VolumeId;
use crate::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{self, Tags};
use crate::plan::check::adopted::{family_of, point_of};
use crate::plan::check::ours::{
    LineageKey, has_no_marks, image_lineage, is_managed, lineage_key, rest_of_here,
    snapshot_lineage, variant, volume_of,
};
use crate::plan::check::{Broken, Deleted, Scene};
use crate::plan::model::ExpireReason;

/// The newest `keep_last` complete points of every lineage survive, unless its source is gone.
pub(super) fn newest_points(scene: Scene<'_>, deleted: &Deleted<'_>, broken: &mut Broken) {
    let mut open = newest_deleted(scene, deleted);
    for key in with_enough_newer(scene, deleted, &open) {
        open.remove(&key);
    }
    if open.is_empty() {
        return;
    }
    let mut lineages: BTreeMap<LineageKey<'_>, Vec<Member<'_>>> = BTreeMap::new();
    let completed = |s: &&Snapshot| s.state == SnapshotState::Completed;
    for snapshot in scene.observed.snapshots.iter().filter(completed) {
        if let Some(key) = snapshot_lineage(scene, snapshot).filter(|key| open.contains_key(key)) {
            let member = Member::new(scene, snapshot, !deleted.contains_key(&snapshot.id.into()));
            lineages.entry(key).or_default().push(member);
        }
    }
    for image in scene.observed.images.iter().filter(|i| i.state == ImageState::Available) {
        if let Some(key) = image_lineage(scene, image).filter(|key| open.contains_key(key)) {
            let member = Member::of_image(image, !deleted.contains_key(&image.id.into()));
            lineages.entry(key).or_default().push(member);
        }
    }
    for key in open.keys() {
        let members = of_family(scene, deleted, *key);
        lineages.entry(*key).or_default().extend(members);
    }
    for (key, members) in lineages {
        let Some(retention) = retention(scene, key) else { continue };
        let n_lost = n_lost(members, retention.keep_last as usize);
        if 0 < n_lost {
            let text = format!(
                "`{}` would lose {n_lost} of the newest {} points of {}",
                key.0, retention.keep_last, key.1
            );
            broken.add(Some(scene.region), text);
        }
    }
}

/// Returns the images of a family that others made, and that stand beside their encrypted forms.
fn of_family<'s>(
    scene: Scene<'s>,
    deleted: &Deleted<'_>,
    key: LineageKey<'_>,
) -> impl Iterator<Item = Member<'s>> {
    let home = key.1.parse::<RegionalSource>().ok().filter(|home| home.region == *scene.region);
    let family = home.and_then(|home| match home.source {
        Source::Family(family) => Some(family.name()),
        Source::Instance(_) | Source::Volume(_) => None,
    });
    let policy = scene.policy(key.0);
    let images = family.map_or(&[][..], |_| &scene.observed.images).iter();
    images
        .filter(|image| image.state == ImageState::Available && has_no_marks(&image.tags))
        .filter(|image| !is_managed(&image.tags))
        .filter(move |image| {
            let name = policy.and_then(|policy| family_of(scene, policy, image));
            name.as_deref() == family
        })
        .map(|image| {
            let survives = !deleted.contains_key(&image.id.into());
            let slot = Some(Cow::Owned(point_of(scene.region, image)));
            Member { slot, ..Member::of_image(image, survives) }
        })
}

/// Returns the lineages that lose anything whole, with the start of the newest snapshot they lose.
/// Those whose source is gone may lose everything, where `orphans` says so.
fn newest_deleted<'s>(
    scene: Scene<'s>,
    deleted: &Deleted<'s>,
) -> BTreeMap<LineageKey<'s>, DateTime<Utc>> {
    let mut newest = BTreeMap::new();
    for delete in deleted.values().filter_map(|action| action.as_delete()) {
        let Some(key) = lineage_key(scene, &delete.tags).filter(|_| delete.backs.is_none()) else {
            continue;
        };
        // A snapshot of an image that is gone is no point.
        let is_leftover = matches!(delete.reason, ExpireReason::LeftOver(_));
        if !delete.state.is_complete() || is_leftover || may_lose_all(scene, key) {
            continue;
        }
        let lost = delete.tags.get(tags::TIME).and_then(|text| text.parse().ok());
        let lost = lost.or(delete.started_at).unwrap_or_default();
        let time = newest.entry(key).or_insert(lost);
        *time = lost.max(*time);
    }
    newest
}

fn retention<'s>(scene: Scene<'s>, key: LineageKey<'_>) -> Option<&'s Retention> {
    let (_, variant) = variant(scene, key.0, key.1)?;
    let from = key.1.parse::<RegionalSource>().ok()?.region;
    if from == *scene.region {
        return Some(&variant.retention);
    }
    variant.copy_rule(&from, scene.region).map(|rule| &rule.retention)
}

fn may_lose_all(scene: Scene<'_>, key: LineageKey<'_>) -> bool {
    let is_gone = key.1.parse::<RegionalSource>().is_ok_and(|home| {
        let there = scene.inventory.regions.get(&home.region);
        there.is_some_and(|there| there.gone.contains(&home.source))
    });
    is_gone && retention(scene, key).is_some_and(|r| r.orphans != Orphans::KeepLast)
}

/// Returns the lineages of which so many complete points as the policy keeps survive and are newer
/// than all that they lose.
fn with_enough_newer<'s>(
    scene: Scene<'s>,
    deleted: &Deleted<'_>,
    open: &BTreeMap<LineageKey<'s>, DateTime<Utc>>,
) -> Vec<LineageKey<'s>> {
    let keep_last = |key: &LineageKey<'_>| retention(scene, *key).map_or(1, |r| r.keep_last);
    let n_most = open.keys().map(keep_last).max().unwrap_or(1) as usize;
    let survives = |snapshot: &Snapshot| {
        snapshot.state == SnapshotState::Completed && !deleted.contains_key(&snapshot.id.into())
    };
    let mut points: BTreeMap<LineageKey<'s>, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for snapshot in newest_of_each_volume(&scene.observed.snapshots, survives, n_most) {
        let Some(key) = snapshot_lineage(scene, snapshot) else { continue };
        let member = Member::new(scene, snapshot, true);
        if open.get(&key).is_some_and(|lost| *lost < member.started_at) && member.slot.is_some() {
            let of_lineage = points.entry(key).or_default();
            let point = of_lineage.entry((member.slot, member.wanted)).or_default();
            point.insert(member.volume_id);
        }
    }
    let has_enough = |(key, points): &(LineageKey<'s>, BTreeMap<(_, usize), BTreeSet<_>>)| {
        let complete = points.iter().filter(|((_, wanted), volumes)| *wanted <= volumes.len());
        keep_last(key) as usize <= complete.count()
    };
    points.into_iter().filter(has_enough).map(|(key, _)| key).collect()
}

/// Returns the newest `n_most` of each volume that survive. Any others would prove as much, if less
/// often.
fn newest_of_each_volume(
    snapshots: &[Snapshot],
    survives: impl Fn(&Snapshot) -> bool,
    n_most: usize,
) -> impl Iterator<Item = &Snapshot> {
    // Of each the oldest on top, which is the next to make room.
    let mut newest: IdMap<VolumeId, BinaryHeap<Reverse<(DateTime<Utc>, _)>>> = IdMap::default();
    for (n, snapshot) in snapshots.iter().enumerate() {
        let Some(volume_id) = snapshot.volume_id.filter(|id| !id.is_placeholder()) else {
            continue;
        };
        let of_volume = newest.entry(volume_id).or_default();
        let is_newer = of_volume.len() < n_most
            || of_volume.peek().is_some_and(|Reverse((oldest, _))| *oldest < snapshot.started_at);
        // Whether it survives is asked last, since it takes longest.
        if is_newer && survives(snapshot) {
            of_volume.push(Reverse((snapshot.started_at, n)));
            if n_most < of_volume.len() {
                of_volume.pop();
            }
        }
    }
    newest.into_values().flatten().map(|Reverse((_, n))| &snapshots[n])
}

/// What a completed snapshot and its tags say of its point.
#[derive(Debug)]
struct Member<'t> {
    slot: Option<Cow<'t, str>>,
    wanted: usize,
    volume_id: Option<VolumeId>,
    started_at: DateTime<Utc>,
    survives: bool,
}

impl<'t> Member<'t> {
    fn new(scene: Scene<'_>, snapshot: &'t Snapshot, survives: bool) -> Self {
        let tags = &snapshot.tags;
        let wanted = tags.get(tags::MEMBERS).and_then(|text| text.parse().ok()).unwrap_or(1);
        let is_elsewhere = |source| rest_of_here(scene, source).is_none();
        let of_set = 1 < wanted && tags.get(tags::SOURCE).is_some_and(is_elsewhere);
        let (volume_id, started_at) = (volume_of(snapshot), time(tags, snapshot.started_at));
        Self { slot: slot(tags, of_set), wanted, volume_id, started_at, survives }
    }

    fn of_image(image: &'t Image, survives: bool) -> Self {
        let started_at = time(&image.tags, image.created_at.unwrap_or_default());
        Self { slot: slot(&image.tags, false), wanted: 1, volume_id: None, started_at, survives }
    }

    fn shares_point(&self, other: &Self) -> bool {
        // Somebody may have removed the tag; then the snapshot is a point by itself.
        self.slot.is_some() && (&self.slot, self.wanted) == (&other.slot, other.wanted)
    }

    fn shares_volume(&self, other: &Self) -> bool {
        self.volume_id == other.volume_id
    }
}

/// Returns what tells a point: its slot, else what it is a copy of; the copies of a set, where
/// somebody removed their slots, have only its time in common.
fn slot(tags: &Tags, is_copied_set: bool) -> Option<Cow<'_, str>> {
    let of_set = || tags.get(tags::TIME).filter(|_| is_copied_set);
    tags.get(tags::SLOT).or_else(of_set).or_else(|| tags.get(tags::ORIGIN)).map(Cow::Borrowed)
}

/// Returns the instant of the data.
fn time(tags: &Tags, started_at: DateTime<Utc>) -> DateTime<Utc> {
    tags.get(tags::TIME).and_then(|text| text.parse().ok()).unwrap_or(started_at)
}

/// Returns how many of the newest `keep_last` complete points among `members` would not stay so.
fn n_lost(mut members: Vec<Member<'_>>, keep_last: usize) -> usize {
    members.sort_by(|a, b| {
        let key = |member: &Member<'_>| (member.wanted, member.volume_id);
        a.slot.cmp(&b.slot).then_with(|| key(a).cmp(&key(b)))
    });
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
