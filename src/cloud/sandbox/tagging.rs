//! CreateTags, and what EC2 checks in all tags that a request brings.

use std::collections::BTreeSet;

use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::RegionState;
use crate::domain::ids::ResourceId;
use crate::domain::intern::Interner;
use crate::domain::tags::{TAGS_MAX, Tags, VALUE_CHARS_MAX};

/// EC2 API model: keys have at most 127 characters.
const KEY_CHARS_MAX: usize = 127;

/// Adds tags to a snapshot or image; a tag of the same key gets the new value.
pub(super) fn create_tags(
    region: &mut RegionState,
    id: ResourceId,
    asked: &[(String, String)],
) -> Result<(), Refusal> {
    let tags = match id {
        ResourceId::Snapshot(id) => region.snapshot_mut(id).map(|s| &mut s.snapshot.tags)?,
        ResourceId::Image(id) => region.image_mut(id).map(|i| &mut i.image.tags)?,
    };
    if asked.is_empty() {
        return Err(Refusal::new(
            "MissingParameter",
            "The request must contain the parameter Tags",
        ));
    }
    let keys = checked_keys(asked)?;
    let kept = tags.iter().filter(|(key, _)| !keys.contains(key));
    let new = asked.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let all: Tags = kept.chain(new).collect();
    if has_too_many(&all) {
        return Err(too_many());
    }
    *tags = all;
    Ok(())
}

/// Checks the tags of a request as EC2 does, and adds those of the volume.
///
/// `texts` are those that are known, so that a year of points has each key once and not each time.
pub(super) fn checked_tags(
    asked: &[(String, String)],
    of_volume: Option<&Tags>,
    texts: &mut Interner,
) -> Result<Tags, Refusal> {
    let keys = checked_keys(asked)?;
    // What AWS itself wrote on the volume stays there, and what the call says wins.
    let of_volume = of_volume.into_iter().flat_map(Tags::iter);
    let of_volume = of_volume.filter(|(key, _)| !key.starts_with("aws:") && !keys.contains(key));
    let asked = asked.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let all = asked.chain(of_volume).map(|(key, value)| (texts.share(key), texts.share(value)));
    let tags: Tags = all.collect();
    if has_too_many(&tags) { Err(too_many()) } else { Ok(tags) }
}

/// Checks each tag of a request as EC2 does, and returns their keys.
fn checked_keys(asked: &[(String, String)]) -> Result<BTreeSet<&str>, Refusal> {
    let mut keys = BTreeSet::new();
    for (key, value) in asked {
        if key.is_empty() || KEY_CHARS_MAX < key.chars().count() {
            let message = format!("Tag key must have 1 to 127 characters: '{key}'");
            return Err(Refusal::invalid_parameter(message));
        }
        if VALUE_CHARS_MAX < value.chars().count() {
            let message = "Tag value exceeds the maximum length of 256 characters";
            return Err(Refusal::invalid_parameter(message));
        }
        if key.starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(Refusal::invalid_parameter(message));
        }
        if !keys.insert(key.as_str()) {
            let message = format!("Duplicate tag key '{key}' specified.");
            return Err(Refusal::invalid_parameter(message));
        }
    }
    Ok(keys)
}

/// EC2 user guide, "Tag restrictions": tags that AWS itself wrote do not count.
fn has_too_many(tags: &Tags) -> bool {
    TAGS_MAX < tags.iter().filter(|(key, _)| !key.starts_with("aws:")).count()
}

fn too_many() -> Refusal {
    Refusal::new("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}
