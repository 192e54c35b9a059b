//! What the AWS CLI prints of an image.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

use super::{INSTANCE_STORE, TagShape, Text, of, root_device_type, tag_shapes, tags, unknown};
use crate::domain::ids::InvalidId;
use crate::domain::intern::Interner;
use crate::domain::inventory::{Image, ImageState};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImageShape<'a> {
    image_id: Text<'a>,
    #[serde(default)]
    name: Text<'a>,
    #[serde(default)]
    description: Text<'a>,
    state: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_reason: Option<StateReasonShape<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creation_date: Option<Text<'a>>,
    #[serde(default)]
    block_device_mappings: Vec<ImageDeviceShape<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_instance_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_image_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_image_region: Option<Text<'a>>,
    #[serde(default)]
    public: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_device_type: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    product_codes: Vec<ProductCodeShape<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deregistration_protection: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deprecation_time: Option<Text<'a>>,
    #[serde(default)]
    tags: Vec<TagShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StateReasonShape<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Text<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProductCodeShape<'a> {
    #[serde(default)]
    product_code_id: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageDeviceShape<'a> {
    // An instance store or a suppressed device has none.
    #[serde(default)]
    ebs: Option<BackingShape<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BackingShape<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume_size: Option<u32>,
    #[serde(default)]
    encrypted: bool,
}

impl ImageShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(self, interner: &mut Interner) -> Result<Image, String> {
        let id = self.image_id.parse().map_err(|err: InvalidId| err.to_string())?;
        let backing = self.block_device_mappings.into_iter().filter_map(|device| device.ebs);
        let (mut snapshot_ids, mut size_gib, mut n_unencrypted) = (Vec::new(), 0, 0);
        for ebs in backing {
            size_gib += ebs.volume_size.unwrap_or(0);
            // A device that is made empty has no snapshot.
            let Some(snapshot_id) = ebs.snapshot_id else { continue };
            snapshot_ids.push(of(&self.image_id, snapshot_id.parse())?);
            n_unencrypted += usize::from(!ebs.encrypted);
        }
        let state_message = self.state_reason.and_then(|reason| reason.message);
        let protection = self.deregistration_protection.as_deref();
        Ok(Image {
            id,
            name: interner.share(&self.name),
            description: interner.share(&self.description),
            state: ImageState::from_name(&self.state)
                .ok_or_else(|| unknown(&self.image_id, "state", &self.state))?,
            state_message: state_message.map(|text| interner.share(&text)),
            created_at: self.creation_date.as_deref().and_then(instant),
            is_encrypted: !snapshot_ids.is_empty() && n_unencrypted == 0,
            snapshot_ids,
            size_gib,
            source_instance_id: self.source_instance_id.and_then(|id| id.parse().ok()),
            source_image_id: self.source_image_id.and_then(|id| id.parse().ok()),
            source_image_region: self.source_image_region.and_then(|name| name.parse().ok()),
            is_public: self.public,
            is_instance_store: self.root_device_type.as_deref() == Some(INSTANCE_STORE),
            has_product_codes: !self.product_codes.is_empty(),
            // EC2 API reference, Image: `disabled`, `enabled-with-cooldown` and the like.
            is_protected: protection.is_some_and(|text| text.starts_with("enabled")),
            deprecated_at: self.deprecation_time.as_deref().and_then(instant),
            tags: tags(&self.tags, interner),
        })
    }
}

impl<'a> From<&'a Image> for ImageShape<'a> {
    fn from(image: &'a Image) -> Self {
        let protection = if image.is_protected { "enabled-without-cooldown" } else { "disabled" };
        let code = || ProductCodeShape { product_code_id: "not saved".into() };
        let reason = image.state_message.as_deref();
        Self {
            image_id: image.id.to_string().into(),
            name: image.name.as_ref().into(),
            description: image.description.as_ref().into(),
            state: image.state.name().into(),
            state_reason: reason.map(|text| StateReasonShape { message: Some(text.into()) }),
            creation_date: image.created_at.map(instant_text),
            block_device_mappings: devices(image),
            source_instance_id: image.source_instance_id.map(|id| id.to_string().into()),
            source_image_id: image.source_image_id.map(|id| id.to_string().into()),
            source_image_region: image.source_image_region.map(|region| region.as_str().into()),
            public: image.is_public,
            root_device_type: Some(root_device_type(image.is_instance_store)),
            product_codes: image.has_product_codes.then(code).into_iter().collect(),
            deregistration_protection: Some(protection.into()),
            deprecation_time: image.deprecated_at.map(instant_text),
            tags: tag_shapes(&image.tags),
        }
    }
}

/// Returns a device for each snapshot. How large each is the domain does not know, so the first
/// one bears the size of all.
fn devices(image: &Image) -> Vec<ImageDeviceShape<'static>> {
    let ids = image.snapshot_ids.iter().map(|id| Some(id.to_string().into()));
    let mut ids: Vec<Option<Text<'static>>> = ids.collect();
    if ids.is_empty() && 0 < image.size_gib {
        // A pending image has devices, and their snapshots show later.
        ids.push(None);
    }
    let devices = ids.into_iter().enumerate().map(|(n, snapshot_id)| BackingShape {
        snapshot_id,
        volume_size: (n == 0).then_some(image.size_gib),
        encrypted: image.is_encrypted,
    });
    devices.map(|ebs| ImageDeviceShape { ebs: Some(ebs) }).collect()
}

/// Reads a time that EC2 gives as a string; what cannot be read is not known.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

/// Spells a time as EC2 does, with milliseconds; with more digits where it has more.
fn instant_text(at: DateTime<Utc>) -> Cow<'static, str> {
    let is_whole = at.nanosecond().is_multiple_of(1_000_000);
    let digits = if is_whole { SecondsFormat::Millis } else { SecondsFormat::Nanos };
    at.to_rfc3339_opts(digits, true).into()
}
