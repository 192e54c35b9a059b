//! Whose an image is: ours, selected, adopted, or nobody's business.
//!
//! As in `standing`, tags alone do not make an image ours. Here only whose it is; what EC2 says
//! against its deregistration is for `guard`.

use crate::config::Kind;
use crate::config::select::Resource;
use crate::domain::ids::RegionalId;
use crate::domain::inventory::Image;
use crate::domain::source::{Family, Source};
use crate::domain::tags::OurTags;
use crate::plan::bystanders::{foreign_text, rule_gone_text, unadoptable_text};
use crate::plan::lineage::LineageKind;
use crate::plan::point_tags::{is_copy_described, is_described};
use crate::plan::standing::{
    ForeignReason, Judge, Mark, UnadoptableReason, managing_service, marked_by_others,
};

/// Whose an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageStanding {
    /// Made by us for a policy that is still there.
    Ours(Mark),
    /// Made by others; these policies select or adopt it. At least one.
    Others(Vec<Claim>),
    /// Made by this installation for a policy of this name, which is not there any more.
    Unowned(String),
    /// A copy made by this installation for a policy of this name, which has no rule for it.
    RuleGone(String),
    /// Another service manages it.
    Managed(&'static str),
    /// Bears our tags but is not ours.
    Foreign(ForeignReason),
    /// A policy would adopt it, but it must never be.
    Unadoptable(UnadoptableReason),
    /// Nothing to do with us.
    Stranger,
}

/// What a policy makes of an image that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The policy, by index.
    pub policy: usize,
    /// The policy's own lineage if it selects images, else the one of what it adopts.
    pub kind: LineageKind,
    /// Which images it is a version of.
    pub family: Family,
    /// Whether it may be deregistered.
    pub is_adopted: bool,
}

impl ImageStanding {
    /// Returns why an image is left alone, where that is worth a note.
    pub fn bystander_text(&self) -> Option<String> {
        match self {
            Self::Ours(_) | Self::Others(_) | Self::Stranger => None,
            Self::Unowned(name) => Some(format!(
                "made for the policy `{name}`, which is not here; `renamed_from` takes over"
            )),
            Self::RuleGone(name) => Some(rule_gone_text(name)),
            Self::Managed(service) => Some(format!("managed by {service}")),
            Self::Foreign(reason) => Some(foreign_text(*reason).to_owned()),
            Self::Unadoptable(reason) => {
                Some(format!("matches `adopt` but {}", unadoptable_text(*reason)))
            }
        }
    }
}

impl Judge<'_> {
    /// Tells whose `image` is.
    pub fn image_standing(&self, image: &Image) -> ImageStanding {
        if let Some(service) = managing_service(&image.tags) {
            return ImageStanding::Managed(service);
        }
        let Some(tags) = OurTags::of(&image.tags) else { return self.claims(image) };
        match self.image_mark(image, &tags) {
            Ok(Some(mark)) => ImageStanding::Ours(mark),
            Ok(None) if self.has_lost_its_rule(&tags) => {
                ImageStanding::RuleGone(tags.policy.unwrap_or_default().to_owned())
            }
            Ok(None) => ImageStanding::Unowned(tags.policy.unwrap_or_default().to_owned()),
            Err(reason) => ImageStanding::Foreign(reason),
        }
    }

    fn image_mark(&self, image: &Image, tags: &OurTags<'_>) -> Result<Option<Mark>, ForeignReason> {
        let name = self.name(tags)?;
        if let Some(copy_of) = tags.copy_of {
            // EC2 itself tells what an image is a copy of.
            let parent = RegionalId::parse(copy_of).ok_or(ForeignReason::Incomplete)?;
            if image.source_image_id.is_some_and(|id| parent.id.image() != Some(id)) {
                return Err(ForeignReason::OtherParent);
            }
            if !is_copy_described(&image.description, tags) {
                return Err(ForeignReason::OtherMaker);
            }
            return self.copy_mark(tags, image.created_at.unwrap_or_default());
        }
        let source = self.source(tags.source.ok_or(ForeignReason::Incomplete)?)?;
        let Source::Instance(instance_id) = source else {
            return Err(ForeignReason::OtherSource);
        };
        match image.source_instance_id {
            Some(id) if id != instance_id => return Err(ForeignReason::OtherSource),
            // Of what CreateImage made EC2 tells both the instance and the image below it; of a
            // copy only the image.
            None if image.source_image_id.is_some() => return Err(ForeignReason::Copy),
            Some(_) | None => {}
        }
        let is_ours = is_described(&image.description, name, &instance_id.to_string(), tags.slot);
        if !is_ours {
            return Err(ForeignReason::OtherMaker);
        }
        self.original_mark(tags, name, source)
    }

    /// Returns what the policies make of an image that others made.
    fn claims(&self, image: &Image) -> ImageStanding {
        let mut claims = Vec::new();
        let mut is_meant = false;
        let unadoptable = if image.is_public {
            Some(UnadoptableReason::Shared)
        } else {
            marked_by_others(&image.tags)
        };
        for (policy, variant) in self.policies.iter().enumerate() {
            let Some(variant) = variant.filter(|v| v.kind == Kind::Images) else { continue };
            let adopts = variant.adopt.as_ref().is_some_and(|adopt| adopt.matches_image(image));
            let selects = variant.select.matches_image(image);
            is_meant |= adopts;
            let is_adopted = adopts && unadoptable.is_none();
            if !is_adopted && !selects {
                continue;
            }
            let family = match &variant.images.family_tag {
                // Without the tag an image is the only one of its kind that can be told.
                Some(key) => image.tags.get(key).map_or(Some(Family::whole()), Family::named),
                None => Some(Family::whole()),
            };
            let Some(family) = family else { continue };
            let is_of_images = variant.select.resource == Resource::Image;
            let kind = if is_of_images { LineageKind::Own } else { LineageKind::Adopted };
            claims.push(Claim { policy, kind, family, is_adopted });
        }
        match unadoptable {
            _ if !claims.is_empty() => ImageStanding::Others(claims),
            Some(reason) if is_meant => ImageStanding::Unadoptable(reason),
            Some(_) | None => ImageStanding::Stranger,
        }
    }
}
