//! Looks for copies that are there: the base of the next, and those on their way.
//!
//! Only looks; what it means is for `copies` and `copy_queue`.

use std::collections::BTreeSet;

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::inventory::Inventory;
use crate::domain::tags;
use crate::plan::copies::Missing;
use crate::plan::lineage::{Role, Thing};
use crate::plan::point::{Member, Point};
use crate::plan::verdict::JudgedLineage;

/// Returns everything in any region that a copy on its way is made of, whoever began it: its tag
/// says so, and of an image EC2 does.
pub fn being_copied(inventory: &Inventory) -> BTreeSet<RegionalId> {
    let observed = || inventory.regions.values();
    let snapshots = observed().flat_map(|observed| observed.snapshots.iter().map(Thing::Snapshot));
    let images = observed().flat_map(|observed| observed.images.iter().map(Thing::Image));
    let pending = snapshots.chain(images).filter(|thing| thing.state().is_under_way());
    pending.filter_map(parent_of).collect()
}

/// Returns what a thing is a copy of.
fn parent_of(thing: Thing<'_>) -> Option<RegionalId> {
    let told = thing.tags().get(tags::COPY_OF).and_then(RegionalId::parse);
    told.or_else(|| {
        // What was made of an instance names the image below it, too.
        let image = thing.image().filter(|image| image.source_instance_id.is_none())?;
        Some(RegionalId { region: image.source_image_region?, id: image.source_image_id?.into() })
    })
}

/// Returns the newest completed copy of the same volume in a lineage: the base of an incremental
/// one.
pub fn base_of<'l, 'a>(
    lineage: Option<&'l JudgedLineage<'a>>,
    missing: &Missing<'_, '_>,
) -> Option<&'l Member<'a>> {
    let role = if missing.rule.is_some() { Role::Copy } else { Role::Encrypted };
    lineage?.points.iter().rev().flat_map(Point::all).find(|member| {
        member.role == role && member.volume_id == missing.parent.volume_id && member.is_complete()
    })
}

/// Returns true if a copy of the same volume is on its way.
pub fn is_any_under_way(
    lineage: Option<&JudgedLineage<'_>>,
    missing: &Missing<'_, '_>,
) -> Option<ResourceId> {
    let role = if missing.rule.is_some() { Role::Copy } else { Role::Encrypted };
    let found = lineage?.points.iter().flat_map(Point::all).find(|member| {
        member.role == role && member.volume_id == missing.parent.volume_id && member.is_under_way()
    });
    found.map(Member::id)
}
