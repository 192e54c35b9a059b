//! What each call is made with, and what must still hold then, as JSON.
//!
//! Fields that a call does not have are absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::tags;
use crate::plan::{
    ChosenVolume, Copy, CreateImage, CreateOne, CreateSet, Delete, Deprecation, NewPoint, Pairs,
    Share, TagPurpose, Tagging,
};
use crate::report::json::{texts, time};

/// What a call is made with, and what must still hold then.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct ParamsJson {
    /// Volumes of a creation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<VolumeJson>,
    /// ExcludeBootVolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_boot_volume: Option<bool>,
    /// ExcludeDataVolumeIds.
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_data_volume_ids: Option<Vec<String>>,
    /// CopyTagsFromSource is `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_tags_from_volume: Option<bool>,
    /// The image's Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// NoReboot.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_reboot: Option<bool>,
    /// Devices of the instance that the image is made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out_devices: Option<Vec<String>>,
    /// What is copied, with its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_of: Option<String>,
    /// The first original of what is copied, with its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// Encrypted: whether the copy is to be encrypted whatever its parent is.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
    /// KmsKeyId; without it, the default key of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key: Option<String>,
    /// CompletionDurationMinutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_minutes: Option<u32>,
    /// ClientToken.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<String>,
    /// Description of what is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Tags of what is made, or that are written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    /// Tags of the snapshots that are made with an image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    snapshot_tags: BTreeMap<String, String>,
    /// Which attempt this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// Accounts that may use it from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_accounts: Vec<String>,
    /// Accounts that may not use it any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_accounts: Vec<String>,
    /// DeprecateAt.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecate_at: Option<String>,
    /// Size in GiB of the volumes of what is copied or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_size_gib: Option<u32>,
    /// The image that the snapshot backs.
    #[serde(skip_serializing_if = "Option::is_none")]
    backs: Option<String>,
    /// Snapshots and images that must still be there and complete for the deletion to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    stays: Option<Vec<String>>,
    /// The same in other regions, each with its region.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stays_elsewhere: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct VolumeJson {
    volume_id: String,
    device: Option<String>,
    size_gib: u32,
}

impl ParamsJson {
    pub(super) fn create_set(set: &CreateSet) -> Self {
        Self {
            volumes: set.volumes.iter().map(VolumeJson::new).collect(),
            exclude_boot_volume: Some(set.exclude_boot_volume),
            exclude_data_volume_ids: Some(texts(&set.exclude_data_volume_ids)),
            copy_tags_from_volume: Some(set.copy_tags_from_volume),
            ..Self::of_point(&set.point)
        }
    }

    pub(super) fn create_one(one: &CreateOne) -> Self {
        Self { volumes: vec![VolumeJson::new(&one.volume)], ..Self::of_point(&one.point) }
    }

    pub(super) fn create_image(image: &CreateImage) -> Self {
        Self {
            volumes: image.volumes.iter().map(VolumeJson::new).collect(),
            name: Some(image.name.clone()),
            no_reboot: Some(image.no_reboot),
            left_out_devices: Some(texts(&image.left_out_devices)),
            snapshot_tags: map(&image.snapshot_tags),
            ..Self::of_point(&image.point)
        }
    }

    fn of_point(point: &NewPoint) -> Self {
        Self {
            description: Some(point.description.clone()),
            tags: map(&point.tags),
            attempt: Some(point.attempt),
            ..Self::default()
        }
    }

    pub(super) fn copy(copy: &Copy) -> Self {
        let origin = tag(&copy.tags, tags::ORIGIN);
        let image = copy.image.as_ref();
        Self {
            name: image.map(|image| image.name.clone()),
            copy_of: Some(copy.parent.to_string()),
            origin: origin.map(str::to_owned),
            encrypted: Some(copy.encrypted),
            kms_key: copy.kms_key.as_deref().map(str::to_owned),
            completion_minutes: copy.completion_minutes,
            client_token: image.map(|image| image.client_token.clone()),
            description: Some(copy.description.clone()),
            tags: map(&copy.tags),
            snapshot_tags: image.map(|image| map(&image.snapshot_tags)).unwrap_or_default(),
            attempt: Some(copy.attempt),
            volume_size_gib: Some(copy.size_gib),
            ..Self::default()
        }
    }

    pub(super) fn share(share: &Share) -> Self {
        let (add_accounts, remove_accounts) = (texts(&share.add), texts(&share.remove));
        Self { add_accounts, remove_accounts, ..Self::default() }
    }

    pub(super) fn deprecation(deprecation: &Deprecation) -> Self {
        Self { deprecate_at: Some(time(deprecation.at)), ..Self::default() }
    }

    pub(super) fn tagging(tagging: &Tagging) -> Self {
        let backs = match tagging.purpose {
            TagPurpose::Shared => None,
            TagPurpose::Backs(image_id) => Some(image_id.to_string()),
        };
        Self { tags: map(&tagging.tags), backs, ..Self::default() }
    }

    pub(super) fn delete(delete: &Delete) -> Self {
        Self {
            volume_size_gib: delete.resource.snapshot().map(|_| delete.size_gib),
            backs: delete.backs.map(|id| id.to_string()),
            stays: Some(texts(delete.stays.iter())),
            stays_elsewhere: texts(delete.stays_elsewhere.iter()),
            ..Self::default()
        }
    }
}

impl VolumeJson {
    fn new(volume: &ChosenVolume) -> Self {
        Self {
            volume_id: volume.volume_id.to_string(),
            device: volume.device.as_deref().map(str::to_owned),
            size_gib: volume.size_gib,
        }
    }
}

/// Returns the value of `key` among `pairs`.
pub(super) fn tag<'p>(pairs: &'p Pairs, key: &str) -> Option<&'p str> {
    pairs.iter().find(|(k, _): &&(Arc<str>, Arc<str>)| k.as_ref() == key).map(|(_, v)| v.as_ref())
}

fn map(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}
