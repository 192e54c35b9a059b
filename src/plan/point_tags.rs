//! The tags and the description that a new recovery point is made with.
//!
//! The only state of snapkeep is in these tags, so they go into the creating call.

use std::sync::Arc;

use crate::domain::inventory::{Instance, Volume};
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{self, OurTags, Tags};
use crate::plan::create::Place;
use crate::plan::model::{Pairs, slot_text};
use crate::plan::point::Point;
use crate::plan::select::Candidate;

/// The tags of one point's snapshots.
#[derive(Debug, Clone)]
pub struct PointTags {
    /// Our own tags, on every snapshot.
    ours: Pairs,
    /// What all volumes have alike.
    common: Pairs,
    /// The tags to name in CreateSnapshots, which puts them on every snapshot of the set.
    pub of_set: Pairs,
    /// Whether EC2 can add each volume's own tags to the set by CopyTagsFromSource.
    pub can_copy_from_volumes: bool,
    /// What of the source's tags could not be carried along.
    pub warning: Option<String>,
}

impl PointTags {
    /// Returns the tags of an instance's image: ours, then the instance's as far as they fit; and
    /// those of its snapshots: ours, then what all volumes have alike.
    pub fn of_image(&self, instance: &Instance) -> (Pairs, Pairs) {
        let mut of_image = self.ours.clone();
        let room = tags::TAGS_MAX - of_image.len();
        of_image.extend(carried(&instance.tags).take(room));
        let mut of_snapshots = self.ours.clone();
        of_snapshots.extend(self.common.iter().take(room).cloned());
        (of_image, of_snapshots)
    }

    /// Returns the tags for the snapshot of one volume: ours, then the volume's as far as they fit.
    pub fn of_volume(&self, volume: &Volume) -> Pairs {
        let mut pairs = self.ours.clone();
        let room = tags::TAGS_MAX - pairs.len();
        pairs.extend(carried(&volume.tags).take(room));
        pairs
    }
}

/// Returns the tags of `candidate`'s new point, or of the missing members of `repaired`.
pub fn for_point(
    place: Place<'_>,
    candidate: &Candidate<'_>,
    repaired: Option<&Point<'_>>,
    attempt: u32,
) -> PointTags {
    let ours = match repaired {
        Some(point) => with_attempt(repaired_tags(point), attempt),
        None => with_attempt(new_tags(place, candidate), attempt),
    };
    let room = tags::TAGS_MAX - ours.len();
    let fits = |volume: &&Volume| volume.tags.len() <= room;
    // CopyTagsFromSource copies everything, a hold on the volume included.
    let is_clean = |volume: &&Volume| !volume.tags.iter().any(|(key, _)| is_ours(key));
    let can_copy_from_volumes = candidate.volumes.iter().all(|v| fits(v) && is_clean(v));
    let common = common(&candidate.volumes);
    let mut of_set = ours.clone();
    if !can_copy_from_volumes {
        of_set.extend(common.iter().take(room).cloned());
    }
    let n_over = candidate.volumes.iter().filter(|v| room < carried(&v.tags).count()).count();
    let warning = (0 < n_over).then(|| {
        let max = tags::TAGS_MAX;
        let source = candidate.source;
        format!("{source}: a volume's tags and snapkeep's are more than {max}; not all are carried along")
    });
    PointTags { ours, common, of_set, can_copy_from_volumes, warning }
}

/// Returns the description of a point's snapshots; the slot as it stands in its tag.
pub fn description(policy: &str, source: Source, slot: &str) -> String {
    // EC2 takes 255 characters; a policy's name has at most 128.
    format!("snapkeep {policy} {source} {slot}")
}

/// Returns true if `text` is [`description`] of these; of any slot, where that is not known.
pub fn is_described(text: &str, policy: &str, source: &str, slot: Option<&str>) -> bool {
    let rest = ["snapkeep", policy, source].iter().try_fold(text, |rest, part| {
        rest.strip_prefix(part).and_then(|rest| rest.strip_prefix(' '))
    });
    rest.is_some_and(|rest| slot.is_none_or(|slot| slot == rest))
}

/// Returns the description of a copy; the parent as it stands in its tag.
pub fn copy_description(policy: &str, parent: &str) -> String {
    format!("snapkeep {policy} copy of {parent}")
}

/// Returns true if `text` is [`copy_description`] of what these tags say.
pub fn is_copy_described(text: &str, tags: &OurTags<'_>) -> bool {
    text == copy_description(tags.policy.unwrap_or_default(), tags.copy_of.unwrap_or_default())
}

fn new_tags(place: Place<'_>, candidate: &Candidate<'_>) -> Pairs {
    let source = RegionalSource { region: *place.region, source: candidate.source };
    let mut pairs: Pairs = vec![
        (tags::OWNER.into(), Arc::clone(&place.policy.owner)),
        (tags::POLICY.into(), Arc::clone(place.policy_name)),
        (tags::SLOT.into(), slot_text(place.slot).into()),
        (tags::SOURCE.into(), source.to_string().into()),
        (tags::MEMBERS.into(), candidate.volumes.len().to_string().into()),
    ];
    let devices = devices(candidate);
    if !devices.is_empty() {
        pairs.push((tags::DEVICES.into(), devices.into()));
    }
    pairs
}

/// Returns our tags of an existing point, so that a missing member joins it.
fn repaired_tags(point: &Point<'_>) -> Pairs {
    let existing = point.first().thing.tags().iter();
    // Not those that say which attempt or copy the other one is.
    let shared =
        [tags::OWNER, tags::POLICY, tags::SLOT, tags::SOURCE, tags::MEMBERS, tags::DEVICES];
    existing
        .filter(|(key, _)| shared.contains(key))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn with_attempt(mut pairs: Pairs, attempt: u32) -> Pairs {
    if 1 < attempt {
        pairs.push((tags::ATTEMPT.into(), attempt.to_string().into()));
    }
    pairs
}

/// Returns `DEVICE=VOLUME` for each volume, as many as fit into a tag.
fn devices(candidate: &Candidate<'_>) -> String {
    let mut text = String::new();
    for volume in &candidate.volumes {
        let Some(device) = candidate.device(volume.id) else { continue };
        let separator = if text.is_empty() { "" } else { " " };
        let part = format!("{separator}{device}={}", volume.id);
        if tags::VALUE_CHARS_MAX < text.chars().count() + part.chars().count() {
            break;
        }
        text.push_str(&part);
    }
    text
}

fn is_ours(key: &str) -> bool {
    key.starts_with(tags::PREFIX)
}

/// Returns the tags that may be carried along: never AWS's own, never ours.
pub fn carried(tags: &Tags) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
    let may = |(key, _): &(&str, &str)| !key.starts_with("aws:") && !is_ours(key);
    tags.iter().filter(may).map(|(key, value)| (key.into(), value.into()))
}

/// Returns the tags that all of `volumes` have alike.
fn common(volumes: &[&Volume]) -> Pairs {
    let Some((first, others)) = volumes.split_first() else { return Vec::new() };
    let shared = |(key, value): &(Arc<str>, Arc<str>)| {
        others.iter().all(|other| other.tags.get(key) == Some(value.as_ref()))
    };
    carried(&first.tags).filter(shared).collect()
}
