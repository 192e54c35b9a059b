//! Selectors: from what was typed to patterns.

use crate::config::conform::join;
use crate::config::diagnose::Place;
use crate::config::layer::Reader;
use crate::config::select::{Adopt, Resource, Select, TagPattern, VolumeChoice};
use crate::config::shape::{
    AdoptShape, At, ResourceShape, SelectShape, StateShape, TagsShape, VolumesShape,
};
use crate::domain::inventory::InstanceState;
use crate::domain::pattern::Pattern;

/// EC2 takes keys of up to 127 characters.
const KEY_CHARS_MAX: usize = 127;

/// A selection with the place of its resource.
#[derive(Debug, Clone)]
pub(in crate::config) struct Selection {
    pub(in crate::config) select: Select,
    pub(in crate::config) place: Place,
}

/// A choice of volumes with the place of what it says about the root.
#[derive(Debug, Clone)]
pub(in crate::config) struct Volumes {
    pub(in crate::config) choice: VolumeChoice,
    pub(in crate::config) boot_place: Place,
}

impl Reader<'_, '_> {
    /// Reads the selection at `path`, which is spelled as in `Broken`.
    pub(super) fn select(&mut self, at: &At<SelectShape>, path: &str) -> Option<Selection> {
        let SelectShape { resource, states, name, tags, exclude_tags } = at.value();
        let tags = self.tags(tags.as_ref());
        let exclude_tags = self.tags(exclude_tags.as_ref());
        let place = self.place(resource.as_ref()?.span());
        let (resource, others) = match resource.as_ref()?.value() {
            ResourceShape::Instance => (Resource::Instance, "instances"),
            ResourceShape::Volume => (Resource::Volume, "volumes"),
            ResourceShape::Image => (Resource::Image, "images"),
        };
        let name = match name {
            Some(at) if resource != Resource::Image => {
                let hint = "instances and volumes are chosen by their tags: \
                            `tags = { Name = \"…\" }`";
                let message = format!("`name` is about images, not {others}");
                return self.refuse(&self.place(at.span()), message, hint);
            }
            name => name.as_ref().map(|at| Pattern::new(at.value())),
        };
        let mut chosen = vec![InstanceState::Running, InstanceState::Stopped];
        if let Some(states) = states {
            let place = self.place(states.span());
            if resource != Resource::Instance {
                let hint = "leave `states` out, or select instances";
                let message = format!("`states` is about instances, not {others}");
                return self.refuse(&place, message, hint);
            }
            chosen = states.value().iter().map(|state| instance_state(*state)).collect();
            // Equal selections are to compare equal.
            chosen.sort();
            chosen.dedup();
            if chosen.is_empty() && !self.broken.touches(&join(path, "states")) {
                let hint = "leave `states` out for running and stopped instances";
                return self.refuse(&place, "`states` selects no instance", hint);
            }
        }
        let (tags, exclude_tags) = (tags?, exclude_tags?);
        let select = Select { resource, states: chosen, name, tags, exclude_tags };
        Some(Selection { select, place })
    }

    pub(super) fn volumes(&mut self, at: &At<VolumesShape>) -> Option<Volumes> {
        let VolumesShape { boot, exclude_tags } = at.value();
        let exclude_tags = self.tags(exclude_tags.as_ref())?;
        let boot_place = self.place(boot.as_ref().map_or_else(|| at.span(), At::span));
        let boot = boot.as_ref().is_none_or(|boot| *boot.value());
        Some(Volumes { choice: VolumeChoice { boot, exclude_tags }, boot_place })
    }

    /// Reads the adoption at `path`, which is spelled as in `Broken`.
    pub(super) fn adopt(&mut self, at: &At<AdoptShape>, path: &str) -> Option<Adopt> {
        let AdoptShape { all, tags, description, exclude_tags } = at.value();
        let is_narrowed =
            tags.as_ref().is_some_and(|tags| !tags.value().is_empty()) || description.is_some();
        let place = self.place(at.span());
        if *all != Some(true) && !is_narrowed && !self.broken.touches(path) {
            let message = if exclude_tags.is_some() {
                "`adopt` says what to leave out, but not what to adopt"
            } else {
                "`adopt` says nothing about what to adopt"
            };
            let hint = "give `tags` or `description`, or write `all = true` for every snapshot \
                        or image of the account";
            return self.refuse(&place, message, hint);
        }
        let tags = self.tags(tags.as_ref());
        let exclude_tags = self.tags(exclude_tags.as_ref());
        let description = description.as_ref().map(|text| Pattern::new(text.value()));
        Some(Adopt { tags: tags?, description, exclude_tags: exclude_tags? })
    }

    /// Returns patterns ordered by key.
    fn tags(&mut self, tags: Option<&At<TagsShape>>) -> Option<Vec<TagPattern>> {
        let mut patterns = Vec::new();
        let mut is_valid = true;
        for (at, value) in tags.iter().flat_map(|tags| tags.value()) {
            is_valid &= self.tag_key(at);
            let key = at.value();
            patterns.push(TagPattern { key: key.as_str().into(), value: Pattern::new(value) });
        }
        is_valid.then_some(patterns)
    }

    /// Returns true if a tag can have the key; reports it otherwise.
    pub(super) fn tag_key(&mut self, at: &At<String>) -> bool {
        let n_chars = at.value().chars().count();
        let is_valid = (1..=KEY_CHARS_MAX).contains(&n_chars);
        if !is_valid {
            let message = format!("the key of a tag cannot have {n_chars} characters");
            let hint = "EC2 takes keys of 1 to 127 characters";
            self.findings.report(&self.place(at.span()), message, hint);
        }
        is_valid
    }
}

fn instance_state(state: StateShape) -> InstanceState {
    match state {
        StateShape::Pending => InstanceState::Pending,
        StateShape::Running => InstanceState::Running,
        StateShape::Stopping => InstanceState::Stopping,
        StateShape::Stopped => InstanceState::Stopped,
    }
}
