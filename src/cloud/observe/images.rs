//! Asks what refers to images and with whom they are shared, before any may be deregistered.
//!
//! What cannot be found out leaves an answer that says so, or none at all; never an empty one.

use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

use super::list;
use crate::cloud::{Cloud, ErrorKind, ImageReference, REFERENCED_IMAGES_MAX};
use crate::domain::ids::ImageId;
use crate::domain::inventory::{
    Image, ImageUse, InstanceState, Inventory, Listing, RegionInventory,
};
use crate::domain::region::Region;
use crate::domain::tags;

/// How many images are asked about at a time where each takes a call of its own.
const CALLS_AT_A_TIME: usize = 10;

/// Asks about each image and records in the inventory what uses it and with whom it is shared.
///
/// An image of which not even the instances and launch templates could be looked at gets no
/// answer; a note says why. Regions that were not observed are not asked.
pub async fn ask_about_images<C: Cloud>(
    cloud: &C,
    inventory: &mut Inventory,
    questions: &BTreeMap<Region, BTreeSet<ImageId>>,
) {
    let observed = inventory.regions.iter_mut();
    let asked =
        observed.filter_map(|(region, found)| Some((region, found, questions.get(region)?)));
    let answers = asked.map(|(region, found, ids)| async move {
        let ids: Vec<ImageId> = ids.iter().copied().collect();
        let (mut uses, note) = find_uses(cloud, region, found, &ids).await;
        found.notes.extend(note);
        found.notes.extend(find_permissions(cloud, region, found, &mut uses).await);
        found.image_uses.extend(uses);
    });
    join_all(answers).await;
}

/// Returns what tells one reference from all others.
fn key(reference: &ImageReference) -> (ImageId, String) {
    (reference.image_id, reference.by.clone())
}

type Uses = BTreeMap<ImageId, ImageUse>;

/// Asks DescribeImageReferences, and looks for itself from where that fails.
async fn find_uses<C: Cloud>(
    cloud: &C,
    region: &Region,
    found: &RegionInventory,
    ids: &[ImageId],
) -> (Uses, Option<String>) {
    let mut uses = Uses::new();
    for (n, batch) in ids.chunks(REFERENCED_IMAGES_MAX).enumerate() {
        let next_page = |token| cloud.describe_image_references(region, batch, token);
        let listed = list(key, next_page).await;
        let Some(error) = listed.error else {
            uses.extend(group(batch, listed.items, true));
            continue;
        };
        // Whatever it is, the other batches would meet it too.
        let others = &ids[n * REFERENCED_IMAGES_MAX..];
        let note = match look_for_uses(cloud, region, found).await {
            Ok(mut references) => {
                // Pages that came before the failure may name what nothing else does.
                references.extend(listed.items);
                uses.extend(group(others, references, false));
                format!(
                    "DescribeImageReferences: {error} (images of which only instances and launch \
                     templates were looked at: {})",
                    others.len()
                )
            }
            Err(reason) => format!(
                "DescribeImageReferences: {error}; {reason} (images whose use is not known: {})",
                others.len()
            ),
        };
        return (uses, Some(note));
    }
    (uses, None)
}

/// Finds what refers to any image as far as other listings tell.
async fn look_for_uses<C: Cloud>(
    cloud: &C,
    region: &Region,
    found: &RegionInventory,
) -> Result<Vec<ImageReference>, String> {
    if let Some(gap) = found.gaps.iter().find(|gap| gap.listing == Listing::Instances) {
        return Err(gap.to_string());
    }
    let next_page = |token| cloud.describe_launch_template_images(region, token);
    let listed = list(key, next_page).await;
    if let Some(error) = listed.error {
        return Err(format!("DescribeLaunchTemplateVersions: {error}"));
    }
    let mut references = listed.items;
    let alive = found.instances.iter().filter(|i| i.state != InstanceState::Terminated);
    references.extend(alive.filter_map(|instance| {
        Some(ImageReference {
            image_id: instance.image_id?,
            by: format!("instance {}", instance.id),
        })
    }));
    Ok(references)
}

/// Sorts references by the images they are to. Each of `ids` gets an answer.
fn group(ids: &[ImageId], mut references: Vec<ImageReference>, is_complete: bool) -> Uses {
    references.sort();
    references.dedup();
    let answer = || ImageUse { is_complete, ..ImageUse::default() };
    let mut uses: Uses = ids.iter().map(|id| (*id, answer())).collect();
    for ImageReference { image_id, by } in references {
        if let Some(answer) = uses.get_mut(&image_id) {
            answer.used_by.push(by.into());
        }
    }
    uses
}

/// Asks with whom each image is shared that others made, since it takes a call for each; returns a
/// note on those that could not be asked.
async fn find_permissions<C: Cloud>(
    cloud: &C,
    region: &Region,
    found: &RegionInventory,
    uses: &mut Uses,
) -> Option<String> {
    let is_marked = |image: &&Image| {
        image.tags.iter().any(|(key, _)| key.starts_with(tags::PREFIX) && key != tags::HOLD)
    };
    let marked: BTreeSet<ImageId> =
        found.images.iter().filter(is_marked).map(|image| image.id).collect();
    let ids: Vec<ImageId> = uses.keys().copied().filter(|id| !marked.contains(id)).collect();
    let mut first_error = None;
    for ids in ids.chunks(CALLS_AT_A_TIME) {
        let calls = ids.iter().map(|id| cloud.describe_launch_permissions(region, *id));
        let mut is_hopeless = false;
        for (id, answer) in ids.iter().zip(join_all(calls).await) {
            match answer {
                Ok(shared_with) => {
                    if let Some(image_use) = uses.get_mut(id) {
                        image_use.shared_with =
                            Some(shared_with.into_iter().map(Into::into).collect());
                    }
                }
                Err(err) => {
                    is_hopeless |= matches!(err.kind, ErrorKind::Denied | ErrorKind::Unsupported);
                    first_error.get_or_insert_with(|| err.reason());
                }
            }
        }
        if is_hopeless {
            break;
        }
    }
    let n = ids.iter().filter(|id| uses.get(id).is_none_or(|u| u.shared_with.is_none())).count();
    let note =
        |error| format!("DescribeImageAttribute: {error} (images not known to be unshared: {n})");
    first_error.map(note)
}
