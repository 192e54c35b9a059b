//! Bystanders: what no policy judges, in words and numbers.
//!
//! Only tells; whose a thing is, `standing` and `image_standing` have said.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::image_standing::ImageStanding;
use crate::plan::standing::{ForeignReason, Standing, UnadoptableReason};

/// What a region's snapshots and images that no policy judges are, for a note each.
#[derive(Debug, Default)]
pub struct Bystanders {
    counts: BTreeMap<Arc<str>, usize>,
    image_counts: BTreeMap<Arc<str>, usize>,
}

impl Bystanders {
    /// Counts a snapshot that no policy judges.
    pub fn count(&mut self, standing: &Standing) {
        if let Some(text) = bystander_text(standing) {
            *self.counts.entry(text).or_default() += 1;
        }
    }

    /// Counts an image that no policy judges.
    pub fn count_image(&mut self, standing: &ImageStanding) {
        if let Some(text) = standing.bystander_text() {
            *self.image_counts.entry(text.into()).or_default() += 1;
        }
    }

    /// Returns one line for each kind, with its number.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let images = self.image_counts.iter().map(|(text, n)| ("image", text, n));
        self.counts.iter().map(|(text, n)| ("snapshot", text, n)).chain(images).map(
            |(what, text, n)| {
                let s = if *n == 1 { "" } else { "s" };
                format!("{n} {what}{s} left alone: {text}")
            },
        )
    }
}

/// Returns why a snapshot is left alone, where that is worth a note.
pub fn bystander_text(standing: &Standing) -> Option<Arc<str>> {
    let text: Arc<str> = match standing {
        Standing::Ours(_)
        | Standing::Adopted(_)
        | Standing::Stranger
        | Standing::OfImage(Some(_), _) => return None,
        Standing::BacksImage(_) => "backs an image and goes with it".into(),
        Standing::OfImage(None, _) => "made with an image for a policy that is not here".into(),
        Standing::Unowned(name) => {
            format!("made for the policy `{name}`, which is not here; `renamed_from` takes over")
                .into()
        }
        Standing::RuleGone(name) => rule_gone_text(name).into(),
        Standing::Managed(service) => format!("managed by {service}").into(),
        Standing::Foreign(reason) => foreign_text(*reason).into(),
        Standing::Unadoptable(reason) => {
            format!("matches `adopt` but {}", unadoptable_text(*reason)).into()
        }
    };
    Some(text)
}

/// Returns why a copy is left alone whose rule is gone, in words.
pub(super) fn rule_gone_text(name: &str) -> String {
    format!("a copy for which the policy `{name}` has no rule any more")
}

/// Returns why something with our tags is not ours, in words.
pub(super) fn foreign_text(reason: ForeignReason) -> &'static str {
    match reason {
        ForeignReason::OtherOwner => "bears another installation's owner tag",
        ForeignReason::NoVolume => "bears snapkeep's tags but is a copy or an import",
        ForeignReason::OtherSource => "bears snapkeep's tags but was made of something else",
        ForeignReason::OtherMaker => {
            "bears snapkeep's tags, but not its description: somebody copied the tags"
        }
        ForeignReason::Incomplete => {
            "bears some of snapkeep's tags, but not owner, policy and source"
        }
        ForeignReason::Copy => {
            "bears snapkeep's tags as an original, but is a copy of another image"
        }
        ForeignReason::OtherParent => {
            "bears snapkeep's tags, but is a copy of another image than they say"
        }
    }
}

/// Returns why something is never adopted, in words that follow its name.
pub(super) fn unadoptable_text(reason: UnadoptableReason) -> String {
    match reason {
        UnadoptableReason::NoVolume => "has no volume of its own: a copy or an import".to_owned(),
        UnadoptableReason::AwsTags => "bears `aws:` tags".to_owned(),
        UnadoptableReason::ServiceMarks(service) => {
            format!("belongs to {service}")
        }
        UnadoptableReason::Shared => "is shared with others".to_owned(),
    }
}
