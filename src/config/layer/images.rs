//! What is special to images.

use std::sync::Arc;

use chrono::DateTime;
use chrono_tz::Tz;

use crate::config::layer::{Key, Reader};
use crate::config::shape::{At, PolicyShape};
use crate::domain::span::Span;

/// EC2 deprecates no image later than this.
const DEPRECATION_YEARS_MAX: &str = "10 years";

/// What one table says about images.
#[derive(Debug)]
pub(in crate::config) struct ImageKeys {
    pub(in crate::config) reboot: Key<bool>,
    pub(in crate::config) min_age: Key<Span>,
    pub(in crate::config) deprecate_after: Key<Span>,
    pub(in crate::config) family_tag: Key<Arc<str>>,
}

impl ImageKeys {
    /// For a table of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self {
            reboot: Key::Broken,
            min_age: Key::Broken,
            deprecate_after: Key::Broken,
            family_tag: Key::Broken,
        }
    }
}

/// Returns true if EC2 lets images be deprecated so late.
pub(in crate::config) fn can_deprecate_after(span: Span) -> bool {
    let end = |span: Span| span.end(DateTime::UNIX_EPOCH, Tz::UTC);
    DEPRECATION_YEARS_MAX.parse().is_ok_and(|longest: Span| end(span) <= end(longest))
}

impl Reader<'_, '_> {
    /// Reads the keys of the table at `path`, which is spelled as in `Broken`.
    pub(super) fn image_keys(&mut self, shape: &PolicyShape, path: &str) -> ImageKeys {
        let reboot = shape.reboot.as_ref().map(|at| (self.place(at.span()), Some(*at.value())));
        let deprecation =
            shape.deprecate_after.as_ref().map(|at| self.at(at, Self::deprecate_after));
        let family_tag = shape.family_tag.as_ref().map(|at| self.at(at, Self::family_tag));
        ImageKeys {
            reboot: self.key(path, "reboot", reboot),
            min_age: self.span_key(path, "min_age", shape.min_age.as_ref()),
            deprecate_after: self.key(path, "deprecate_after", deprecation),
            family_tag: self.key(path, "family_tag", family_tag),
        }
    }

    fn deprecate_after(&mut self, at: &At<String>) -> Option<Span> {
        let place = self.place(at.span());
        let span = self.read_span(at.value(), &place, "write a span such as `90 days`")?;
        if !can_deprecate_after(span) {
            let message = format!("`deprecate_after` cannot be `{}`", at.value());
            let hint = format!("{DEPRECATION_YEARS_MAX} are the most");
            return self.refuse(&place, message, hint);
        }
        Some(span)
    }

    fn family_tag(&mut self, at: &At<String>) -> Option<Arc<str>> {
        let is_valid = self.tag_key(at);
        is_valid.then(|| at.value().as_str().into())
    }
}
