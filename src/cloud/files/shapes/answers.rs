//! Answers to questions about single images and keys. No listing of EC2 prints them: the form is
//! snapkeep's own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Text, of};
use crate::domain::ids::{ImageId, InvalidId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{ImageUse, Key, KeyAnswer};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImageUseShape<'a> {
    image_id: Text<'a>,
    used_by: Vec<Text<'a>>,
    /// Null if it could not be read.
    shared_with: Option<Vec<Text<'a>>>,
    is_complete: bool,
}

/// Either a key or the reason why it is not known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyShape<'a> {
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KnownKeyShape<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Text<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KnownKeyShape<'a> {
    arn: Text<'a>,
    is_enabled: bool,
    is_symmetric: bool,
}

impl ImageUseShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(
        self,
        interner: &mut Interner,
    ) -> Result<(ImageId, ImageUse), String> {
        let id = self.image_id.parse().map_err(|err: InvalidId| err.to_string())?;
        let mut share = |texts: Vec<Text<'_>>| -> Vec<Arc<str>> {
            texts.iter().map(|text| interner.share(text)).collect()
        };
        let used_by = share(self.used_by);
        let shared_with = self.shared_with.map(share);
        Ok((id, ImageUse { used_by, shared_with, is_complete: self.is_complete }))
    }
}

impl<'a> From<(&'a ImageId, &'a ImageUse)> for ImageUseShape<'a> {
    fn from((id, image_use): (&'a ImageId, &'a ImageUse)) -> Self {
        let texts = |texts: &'a [Arc<str>]| texts.iter().map(|text| text.as_ref().into()).collect();
        Self {
            image_id: id.to_string().into(),
            used_by: texts(&image_use.used_by),
            shared_with: image_use.shared_with.as_deref().map(texts),
            is_complete: image_use.is_complete,
        }
    }
}

impl KeyShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(
        self,
        interner: &mut Interner,
    ) -> Result<(Arc<str>, KeyAnswer), String> {
        let name = interner.share(&self.name);
        let answer = match (self.key, self.error) {
            (Some(key), None) => KeyAnswer::Known(key.into_domain(interner)),
            // KMS's code for a key that is not there.
            (None, Some(error)) if error.starts_with("NotFoundException") => {
                KeyAnswer::Missing(error.into_owned())
            }
            (None, Some(error)) => KeyAnswer::Unknown(error.into_owned()),
            _ => of(&name, Err("expected either `Key` or `Error`"))?,
        };
        Ok((name, answer))
    }
}

impl<'a> From<(&'a Arc<str>, &'a KeyAnswer)> for KeyShape<'a> {
    fn from((name, answer): (&'a Arc<str>, &'a KeyAnswer)) -> Self {
        let (key, error) = match answer {
            KeyAnswer::Known(key) => (Some(key.into()), None),
            KeyAnswer::Missing(error) | KeyAnswer::Unknown(error) => {
                (None, Some(error.as_str().into()))
            }
        };
        Self { name: name.as_ref().into(), key, error }
    }
}

impl KnownKeyShape<'_> {
    /// Converts to the domain's form.
    pub(crate) fn into_domain(self, interner: &mut Interner) -> Key {
        let Self { arn, is_enabled, is_symmetric } = self;
        Key { arn: interner.share(&arn), is_enabled, is_symmetric }
    }
}

impl<'a> From<&'a Key> for KnownKeyShape<'a> {
    fn from(key: &'a Key) -> Self {
        let Key { arn, is_enabled, is_symmetric } = key;
        Self { arn: arn.as_ref().into(), is_enabled: *is_enabled, is_symmetric: *is_symmetric }
    }
}
