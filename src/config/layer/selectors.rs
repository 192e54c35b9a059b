//! Selectors: from what was typed to patterns.

use crate::config::conform::join;
use crate::config::layer::Reader;
use crate::config::select::{Adopt, Resource, Select, TagPattern, VolumeChoice};
use crate::config::shape::{
    AdoptShape, At, ResourceShape, SelectShape, StateShape, TagsShape, VolumesShape,
};
use crate::domain::inventory::InstanceState;
use crate::domain::pattern::Pattern;

/// EC2 takes keys of up to 127 characters.
const KEY_CHARS_MAX: usize = 127;

impl Reader<'_, '_> {
    /// Reads the selection at `path`, which is spelled as in `Broken`.
    pub(super) fn select(&mut self, at: &At<SelectShape>, path: &str) -> Option<Select> {
        let SelectShape { resource, states, tags, exclude_tags } = at.value();
        let tags = self.tags(tags.as_ref());
        let exclude_tags = self.tags(exclude_tags.as_ref());
        let resource = match resource.as_ref()?.value() {
            ResourceShape::Instance => Resource::Instance,
            ResourceShape::Volume => Resource::Volume,
        };
        let mut chosen = vec![InstanceState::Running, InstanceState::Stopped];
        if let Some(states) = states {
            let place = self.place(states.span());
            if resource == Resource::Volume {
                let hint = "leave `states` out, or select instances";
                return self.refuse(&place, "`states` is about instances, not volumes", hint);
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
        Some(Select {
            resource,
            states: chosen,
            name: None,
            tags: tags?,
            exclude_tags: exclude_tags?,
        })
    }

    pub(super) fn volumes(&mut self, at: &At<VolumesShape>) -> Option<VolumeChoice> {
        let VolumesShape { boot, exclude_tags } = at.value();
        let exclude_tags = self.tags(exclude_tags.as_ref())?;
        Some(VolumeChoice { boot: boot.unwrap_or(true), exclude_tags })
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
                        of the account";
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
            let key = at.value();
            let n_chars = key.chars().count();
            if n_chars == 0 || KEY_CHARS_MAX < n_chars {
                let message = format!("the key of a tag cannot have {n_chars} characters");
                let hint = "EC2 takes keys of 1 to 127 characters";
                self.findings.report(&self.place(at.span()), message, hint);
                is_valid = false;
            }
            patterns.push(TagPattern { key: key.as_str().into(), value: Pattern::new(value) });
        }
        is_valid.then_some(patterns)
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
