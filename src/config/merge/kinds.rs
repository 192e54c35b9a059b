//! What a policy's kind, and what it selects, allow it to say.

use crate::config::diagnose::{Findings, Place};
use crate::config::layer::{Key, Layer};
use crate::config::merge::{Merge, Variant};
use crate::config::policy::{ImageRules, Kind};
use crate::config::select::Resource;

/// What decides about the other keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// What points are made of.
    pub(super) kind: Kind,
    /// What is selected.
    pub(super) resource: Resource,
    /// Whether what others made is adopted.
    pub(super) adopts: bool,
}

impl Subject {
    /// Returns true if images made elsewhere are among the points.
    fn has_images_made_elsewhere(self) -> bool {
        self.kind == Kind::Images && (self.resource == Resource::Image || self.adopts)
    }
}

impl<'a> Merge<'a> {
    /// Reports what does not go with the policy's kind and what it selects.
    pub(super) fn check_subject(
        &self,
        variant: &Variant<'a>,
        subject: Subject,
        findings: &mut Findings<'_>,
    ) {
        if !self.check_resource(variant, subject, findings) {
            // What else does not fit follows from it.
            return;
        }
        match subject.resource {
            Resource::Instance if subject.kind == Kind::Images => {
                self.check_root_is_in(variant, findings);
            }
            Resource::Instance => {}
            Resource::Volume | Resource::Image => {
                self.check_no_volumes_are_chosen(variant, subject, findings);
            }
        }
        match subject.kind {
            Kind::Snapshots => self.check_no_image_keys(variant, findings),
            Kind::Images => self.check_image_keys(variant, subject, findings),
        }
    }

    /// Returns true if points of the kind can be made of what is selected.
    fn check_resource(
        &self,
        variant: &Variant<'a>,
        subject: Subject,
        findings: &mut Findings<'_>,
    ) -> bool {
        let (message, hint) = match (subject.resource, subject.kind) {
            (Resource::Image, Kind::Snapshots) => (
                format!("{} selects images, but its kind is snapshots", self.called),
                "write `kind = \"images\"` in the policy",
            ),
            (Resource::Volume, Kind::Images) => (
                format!("{} selects volumes, but its kind is images", self.called),
                "an image is made of an instance: write `resource = \"instance\"`, or leave `kind` \
                 out for snapshots",
            ),
            _ => return true,
        };
        // Whichever was said last.
        let said = |layer: &'a Layer| match &layer.select {
            Key::Given(_, selection) => Some(&selection.place),
            Key::Absent | Key::Broken => layer.kind.place(),
        };
        let place = self.layers(variant).find_map(said).unwrap_or(self.place);
        findings.report(place, message, hint);
        false
    }

    /// `volumes` chooses among an instance's; beside other selections it would be ignored.
    fn check_no_volumes_are_chosen(
        &self,
        variant: &Variant<'a>,
        subject: Subject,
        findings: &mut Findings<'_>,
    ) {
        let (selected, hint) = match subject.resource {
            Resource::Image => ("images", "leave it out: an image has all its snapshots"),
            _ => ("volumes", "leave it out, and use `tags` and `exclude_tags` of `select`"),
        };
        let message =
            format!("`volumes` chooses among an instance's volumes, but {selected} are selected");
        for layer in self.own_layers(variant, |layer| layer.select.is_said()) {
            if let Some(place) = layer.volumes.place() {
                findings.report(place, message.as_str(), hint);
            }
        }
    }

    /// EC2 can leave any volume out of an image but the root.
    fn check_root_is_in(&self, variant: &Variant<'a>, findings: &mut Findings<'_>) {
        let Some(Key::Given(_, volumes)) = self.pick(variant, |layer| &layer.volumes) else {
            return;
        };
        if !volumes.choice.boot {
            let message =
                format!("an image always has the root volume, and {} makes images", self.called);
            let hint = "write `boot = true`, or leave `kind` out for snapshots";
            findings.report(&volumes.boot_place, message, hint);
        }
    }

    fn check_no_image_keys(&self, variant: &Variant<'a>, findings: &mut Findings<'_>) {
        for layer in self.own_layers(variant, |layer| layer.kind.is_said()) {
            let keys = &layer.images;
            let said: [(&str, Option<&Place>); 4] = [
                ("reboot", keys.reboot.place()),
                ("min_age", keys.min_age.place()),
                ("deprecate_after", keys.deprecate_after.place()),
                ("family_tag", keys.family_tag.place()),
            ];
            for (name, place) in said {
                let Some(place) = place else { continue };
                let message = format!("`{name}` is about images, but {} has none", self.called);
                let hint = format!("write `kind = \"images\"` in the policy, or remove `{name}`");
                findings.report(place, message, hint);
            }
        }
    }

    fn check_image_keys(
        &self,
        variant: &Variant<'a>,
        subject: Subject,
        findings: &mut Findings<'_>,
    ) {
        for layer in self.own_layers(variant, |layer| layer.select.is_said()) {
            if let (false, Some(place)) =
                (subject.has_images_made_elsewhere(), layer.images.family_tag.place())
            {
                let message = format!(
                    "`family_tag` is about images made elsewhere, but {} has none",
                    self.called
                );
                let hint = "remove it: images of an instance are its own family";
                findings.report(place, message, hint);
            }
            if subject.resource != Resource::Image {
                continue;
            }
            let hint = "remove it: images made elsewhere are only copied, encrypted and expired";
            let made = "but images made elsewhere are selected";
            if let Some(place) = layer.schedule.place() {
                findings.report(
                    place,
                    format!("`schedule` says when to make points, {made}"),
                    hint,
                );
            }
            if let Key::Given(place, true) = &layer.create {
                findings.report(place, format!("`create` cannot be true, {made}"), hint);
            }
            if let Key::Given(place, true) = &layer.images.reboot {
                findings.report(place, format!("`reboot` is about making images, {made}"), hint);
            }
        }
    }

    /// Returns what is special to images, without what does not concern the policy.
    pub(super) fn images(&self, variant: &Variant<'a>, subject: Subject) -> Option<ImageRules> {
        if subject.kind == Kind::Snapshots {
            return Some(ImageRules::default());
        }
        let reboot = self.or(variant, false, |layer| &layer.images.reboot);
        let min_age = self.optional(variant, |layer| &layer.images.min_age);
        let deprecate_after = self.optional(variant, |layer| &layer.images.deprecate_after);
        let family_tag = self.optional(variant, |layer| &layer.images.family_tag);
        let family_tag = family_tag.ok()?.cloned();
        Some(ImageRules {
            reboot: reboot? && subject.resource == Resource::Instance,
            min_age: min_age.ok()?.copied(),
            deprecate_after: deprecate_after.ok()?.copied(),
            family_tag: family_tag.filter(|_| subject.has_images_made_elsewhere()),
        })
    }
}
