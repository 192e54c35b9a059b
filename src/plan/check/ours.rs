//! Whose a thing is, for the check: as tags and descriptions tell it.

use crate::config::{Policy, RegionalPolicy};
use crate::domain::ids::{RegionalId, VolumeId};
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{self, OurTags, Tags};
use crate::plan::check::Scene;

/// A lineage as tags tell it: the policy, under its present name, and the source with its region,
/// which for copies is another one.
pub(super) type LineageKey<'t> = (&'t str, &'t str);

/// Returns the lineage that `tags` name; none if they are not of this installation, or no rule is
/// about it.
pub(super) fn lineage_key<'t>(scene: Scene<'t>, tags: &'t Tags) -> Option<LineageKey<'t>> {
    let ours = OurTags::of(tags)?;
    let source = ours.source?;
    let (policy, variant) = variant(scene, ours.policy?, source)?;
    let is_ours = ours.owner == Some(variant.owner.as_ref()) && !is_managed(tags);
    is_ours.then_some((policy.name.as_ref(), source))
}

/// Returns the policy and what it says where the source is, if it is about this region.
pub(super) fn variant<'s>(
    scene: Scene<'s>,
    name: &str,
    source: &str,
) -> Option<(&'s Policy, &'s RegionalPolicy)> {
    let from = match rest_of_here(scene, source) {
        Some(rest) => rest.parse::<Source>().ok().map(|_| *scene.region)?,
        None => source.parse::<RegionalSource>().ok()?.region,
    };
    let policy = scene.policy_anywhere(name).filter(|policy| policy.applies_in(&from))?;
    let variant = policy.in_region(&from);
    let is_about = from == *scene.region || variant.copy_rule(&from, scene.region).is_some();
    is_about.then_some((policy, variant))
}

/// Returns what follows the region in `source`, if that is this one.
///
/// Nearly everything is of the region itself, whose name need not be read each time.
pub(super) fn rest_of_here<'t>(scene: Scene<'_>, source: &'t str) -> Option<&'t str> {
    source.strip_prefix(scene.region.as_str()).and_then(|rest| rest.strip_prefix('/'))
}

/// Returns the lineage of `snapshot`; none if it is not ours, whatever its tags say.
pub(super) fn snapshot_lineage<'t>(
    scene: Scene<'t>,
    snapshot: &'t Snapshot,
) -> Option<LineageKey<'t>> {
    let key = lineage_key(scene, &snapshot.tags)?;
    let name = snapshot.tags.get(tags::POLICY)?;
    let is_copy = snapshot.tags.has(tags::COPY_OF);
    let has_volume = snapshot.volume_id.is_some_and(|id| !id.is_placeholder());
    let is_described = described(&snapshot.description, name, &snapshot.tags);
    (is_described && (is_copy || has_volume)).then_some(key)
}

/// Returns the lineage of `image`; none if it is not ours, whatever its tags say.
pub(super) fn image_lineage<'t>(scene: Scene<'t>, image: &'t Image) -> Option<LineageKey<'t>> {
    let key = lineage_key(scene, &image.tags)?;
    let name = image.tags.get(tags::POLICY)?;
    let is_made_so = match image.tags.get(tags::COPY_OF) {
        Some(parent) => {
            let parent = RegionalId::parse(parent).and_then(|parent| parent.id.image());
            image.source_image_id.is_none_or(|id| parent == Some(id))
        }
        None => image.source_instance_id.is_some() || image.source_image_id.is_none(),
    };
    (is_made_so && described(&image.description, name, &image.tags)).then_some(key)
}

/// Tags can be copied along, descriptions are the maker's.
fn described(text: &str, policy_name: &str, tags: &Tags) -> bool {
    let rest = text.strip_prefix("snapkeep ").and_then(|rest| rest.strip_prefix(policy_name));
    let Some(rest) = rest.and_then(|rest| rest.strip_prefix(' ')) else { return false };
    tags.get(tags::COPY_OF).is_none_or(|parent| rest.strip_prefix("copy of ") == Some(parent))
}

/// Returns true if another service of AWS manages what bears these tags.
pub(super) fn is_managed(tags: &Tags) -> bool {
    let mut services = tags.iter().filter_map(|(key, _)| key.strip_prefix("aws:"));
    services.any(|name| name.starts_with("backup:") || name.starts_with("dlm:"))
}

/// Returns the volume whose data `snapshot` holds.
pub(super) fn volume_of(snapshot: &Snapshot) -> Option<VolumeId> {
    if snapshot.tags.has(tags::COPY_OF) {
        return snapshot.tags.get(tags::VOLUME)?.parse().ok();
    }
    snapshot.volume_id
}

/// Returns true if `tags` have none of ours but a hold.
pub(super) fn has_no_marks(tags: &Tags) -> bool {
    !tags.iter().any(|(key, _)| key.starts_with(tags::PREFIX) && key != tags::HOLD)
}
