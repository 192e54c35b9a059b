//! What a policy protects.

use std::fmt;
use std::str::FromStr;

use internment::Intern;

use crate::domain::ids::{InstanceId, VolumeId};
use crate::domain::region::Region;
use crate::domain::tags::VALUE_CHARS_MAX;

/// One thing that gets recovery points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An instance: the volumes attached to it, as one crash-consistent set.
    Instance(InstanceId),
    /// One volume.
    Volume(VolumeId),
    /// Images made elsewhere that are versions of one thing.
    Family(Family),
}

/// The name of a family of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family(Intern<String>);

impl Family {
    /// Returns the family of all images that a policy selects in a region, where no tag parts them.
    pub fn whole() -> Self {
        Self(Intern::from_ref("*"))
    }

    /// Returns the family that is called `name`; none if the name is too long to stand in a tag
    /// after a region.
    pub fn named(name: &str) -> Option<Self> {
        let room = VALUE_CHARS_MAX - "us-gov-west-1/family:".len() - 8;
        (name.chars().count() <= room).then(|| Self(Intern::from_ref(name)))
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        self.0.as_ref().as_str()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => id.fmt(f),
            Self::Volume(id) => id.fmt(f),
            Self::Family(family) => write!(f, "family:{}", family.name()),
        }
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let source = if let Some(name) = text.strip_prefix("family:") {
            Family::named(name).map(Self::Family)
        } else if text.starts_with("i-") {
            text.parse().map(Self::Instance).ok()
        } else {
            text.parse().map(Self::Volume).ok()
        };
        source.ok_or_else(|| InvalidSource(text.to_owned()))
    }
}

/// A source with its region: the value of the tag `snapkeep:source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionalSource {
    /// Where the source is.
    pub region: Region,
    /// The source.
    pub source: Source,
}

/// A string that is no `REGION/i-…`, `REGION/vol-…` or `REGION/family:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a source (expected `i-…`, `vol-…` or `family:NAME`, in a tag after a region and `/`)"
)]
pub struct InvalidSource(String);

impl fmt::Display for RegionalSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.region, self.source)
    }
}

impl FromStr for RegionalSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let parse = || {
            let (region, source) = text.split_once('/')?;
            Some(Self { region: region.parse().ok()?, source: source.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidSource(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::RegionalSource;

    #[test]
    fn a_source_survives_the_way_through_its_tag() {
        let family = "us-east-1/family:web / blue";
        for text in ["eu-west-1/i-0123456789abcdef0", "us-east-1/vol-01234567", family] {
            assert_eq!(text.parse::<RegionalSource>().unwrap().to_string(), text);
        }
        assert!("i-0123456789abcdef0".parse::<RegionalSource>().is_err());
        assert!("eu-west-1/snap-01234567".parse::<RegionalSource>().is_err());
    }
}
