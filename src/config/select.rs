//! Selectors: which instances, volumes and snapshots a policy means.

use std::sync::Arc;

use crate::domain::inventory::{Image, Instance, InstanceState, Snapshot, Volume};
use crate::domain::pattern::Pattern;
use crate::domain::tags::Tags;

/// What a policy protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// What becomes a source.
    pub resource: Resource,
    /// States of an instance that is selected.
    pub states: Vec<InstanceState>,
    /// What the name of an image that is selected must be like.
    pub name: Option<Pattern>,
    /// All must match.
    pub tags: Vec<TagPattern>,
    /// None may match.
    pub exclude_tags: Vec<TagPattern>,
}

/// What becomes a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Instances: their volumes together.
    Instance,
    /// Volumes, each by itself, attached or not.
    Volume,
    /// Images made elsewhere: they are copied, encrypted and, where adopted, expired.
    Image,
}

/// A tag key with a pattern for its value. The key is literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPattern {
    /// The tag's key.
    pub key: Arc<str>,
    /// What its value must be like.
    pub value: Pattern,
}

impl TagPattern {
    fn matches(&self, tags: &Tags) -> bool {
        tags.get(&self.key).is_some_and(|value| self.value.matches(value))
    }
}

impl Select {
    /// Returns true if `instance` is to be protected.
    pub fn matches_instance(&self, instance: &Instance) -> bool {
        self.resource == Resource::Instance
            && self.states.contains(&instance.state)
            && self.matches_tags(&instance.tags)
    }

    /// Returns true if `volume` is to be protected by itself.
    pub fn matches_volume(&self, volume: &Volume) -> bool {
        self.resource == Resource::Volume && self.matches_tags(&volume.tags)
    }

    /// Returns true if `image` is one of those meant. Says nothing about who made it.
    pub fn matches_image(&self, image: &Image) -> bool {
        self.resource == Resource::Image
            && self.name.as_ref().is_none_or(|pattern| pattern.matches(&image.name))
            && self.matches_tags(&image.tags)
    }

    fn matches_tags(&self, tags: &Tags) -> bool {
        self.tags.iter().all(|tag| tag.matches(tags))
            && !self.exclude_tags.iter().any(|tag| tag.matches(tags))
    }
}

/// Which of an instance's volumes are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeChoice {
    /// Whether the root volume is.
    pub boot: bool,
    /// Volumes that bear any of these are not.
    pub exclude_tags: Vec<TagPattern>,
}

impl VolumeChoice {
    /// Returns true if `volume`, the root volume or not, is to be protected.
    pub fn includes(&self, volume: &Volume, is_root: bool) -> bool {
        (self.boot || !is_root) && !self.exclude_tags.iter().any(|tag| tag.matches(&volume.tags))
    }
}

/// Which snapshots or images made by others may be expired. All that is given must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// All must match.
    pub tags: Vec<TagPattern>,
    /// What the description must be like.
    pub description: Option<Pattern>,
    /// None may match.
    pub exclude_tags: Vec<TagPattern>,
}

impl Adopt {
    /// Returns true if `snapshot` is one of those meant. Says nothing about whether it may be
    /// adopted at all.
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        self.matches_all(&snapshot.tags, &snapshot.description)
    }

    /// Returns true if these tags speak against adoption.
    pub fn excludes(&self, tags: &Tags) -> bool {
        self.exclude_tags.iter().any(|tag| tag.matches(tags))
    }

    /// Does the same for an image.
    pub fn matches_image(&self, image: &Image) -> bool {
        self.matches_all(&image.tags, &image.description)
    }

    fn matches_all(&self, tags: &Tags, description: &str) -> bool {
        self.tags.iter().all(|tag| tag.matches(tags))
            && !self.excludes(tags)
            && self.description.as_ref().is_none_or(|pattern| pattern.matches(description))
    }
}
