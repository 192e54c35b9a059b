//! CopyImage: an image at the destination, and a copy of each of its snapshots.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::CopyImage;
use crate::cloud::sandbox::copy::{
    Source, Wish, begin_copy, check_encryption, check_minutes, check_room, find_source,
};
use crate::cloud::sandbox::create::{Maker, checked_description};
use crate::cloud::sandbox::image::{check_name, new_image_id};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{RegionState, Regions};
use crate::cloud::sandbox::tagging::checked_tags;
use crate::domain::ids::ImageId;
use crate::domain::inventory::{Image, ImageState};

/// EC2 user guide, "Copy an AMI", and the API model: tokens of up to 128 characters.
const TOKEN_CHARS_MAX: usize = 128;
/// EC2 API reference, "Ensuring idempotency": tokens are valid for at least 24 hours.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// The client tokens of CopyImage that EC2 remembers.
pub(super) type ClientTokens = BTreeMap<String, Remembered>;

/// A request that has been carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) image_id: ImageId,
    /// The whole request as text.
    pub(super) request: String,
    pub(super) at: DateTime<Utc>,
}

/// Copies an image to the region of `maker`, unless its client token has done so.
pub(super) fn copy_image(
    regions: &mut Regions,
    maker: &mut Maker<'_>,
    request: &CopyImage,
) -> Result<ImageId, Refusal> {
    if TOKEN_CHARS_MAX < request.client_token.chars().count() {
        return Err(Refusal::invalid_parameter("ClientToken takes at most 128 characters"));
    }
    if let Some(image_id) = remembered(regions.entry(maker.here).or_default(), maker, request)? {
        return Ok(image_id);
    }
    check_minutes(request.completion_minutes)?;
    checked_description(&request.description)?;
    let image_tags = checked_tags(&request.image_tags, None, maker.texts)?;
    let snapshot_tags = checked_tags(&request.snapshot_tags, None, maker.texts)?;
    let (image, sources) = find_image(regions, maker, request)?;
    let region = regions.entry(maker.here).or_default();
    check_name(region, &request.name)?;
    check_room(region, sources.len())?;
    let wish = Wish {
        encrypted: request.encrypted,
        kms_key_id: request.kms_key_id.as_deref(),
        completion_minutes: request.completion_minutes,
        // CopyImage has no URL to sign.
        is_signed: true,
    };
    sources.iter().try_for_each(|source| check_encryption(region, source, wish))?;

    let id = new_image_id(region, maker);
    let mut backing = Vec::with_capacity(sources.len());
    for (source, source_id) in sources.iter().zip(&image.snapshot_ids) {
        let description = format!(
            "Copied for DestinationAmi {id} from SourceAmi {} for SourceSnapshot {source_id}.",
            image.id
        );
        let tags = snapshot_tags.clone();
        backing.push(begin_copy(region, maker, source, wish, &description, tags));
    }
    let copy = Image {
        description: request.description.as_str().into(),
        state: ImageState::Pending,
        created_at: Some(maker.now),
        size_gib: image.size_gib,
        source_image_id: Some(image.id),
        source_image_region: Some(request.source_region),
        tags: image_tags,
        ..Image::plain(id, &request.name)
    };
    region.add_image(copy, backing, maker.visible_from);
    let remembered = Remembered { image_id: id, request: format!("{request:?}"), at: maker.now };
    region.client_tokens.insert(request.client_token.clone(), remembered);
    Ok(id)
}

/// Returns the image that this request has made before.
fn remembered(
    region: &mut RegionState,
    maker: &Maker<'_>,
    request: &CopyImage,
) -> Result<Option<ImageId>, Refusal> {
    region.client_tokens.retain(|_, known| maker.now < known.at + TOKEN_LIFE);
    let known = region.client_tokens.get(&request.client_token);
    match known.filter(|_| !request.client_token.is_empty()) {
        Some(known) if known.request == format!("{request:?}") => Ok(Some(known.image_id)),
        Some(_) => {
            let message = "The client token was used with other parameters before.";
            Err(Refusal::new("IdempotentParameterMismatch", message))
        }
        None => Ok(None),
    }
}

/// Returns the image that is to be copied with all its snapshots.
fn find_image(
    regions: &mut Regions,
    maker: &Maker<'_>,
    request: &CopyImage,
) -> Result<(Image, Vec<Source>), Refusal> {
    let (from, id) = (request.source_region, request.source_image_id);
    let region = regions
        .get_mut(&from)
        .ok_or_else(|| Refusal::invalid_parameter(format!("Invalid value '{from}' for region")))?;
    region.settle(maker.now);
    let image = region.image_mut(id)?.image.clone();
    if image.state != ImageState::Available {
        let message = format!("The image {id} is in state '{}'.", image.state.name());
        return Err(Refusal::new("InvalidAMIID.Unavailable", message));
    }
    // EC2 user guide, "Copy an AMI": neither can be copied so.
    if image.has_product_codes {
        let message = format!("The image {id} has product codes and cannot be copied.");
        return Err(Refusal::new("InvalidRequest", message));
    }
    if image.is_instance_store {
        let message = format!("The image {id} is backed by an instance store.");
        return Err(Refusal::new("InvalidRequest", message));
    }
    // Not documented for snapshots that are gone; EC2 says so where it may not read them.
    let found = image.snapshot_ids.iter().map(|id| find_source(regions, from, *id, maker));
    let sources = found.collect::<Result<Vec<_>, _>>().map_err(|_| {
        let message = "The storage for the ami is not available in the source Region.";
        Refusal::new("InvalidRequest", message)
    })?;
    Ok((image, sources))
}
