//! What a policy protects.

use std::fmt;
use std::str::FromStr;

use crate::domain::ids::{InstanceId, VolumeId};
use crate::domain::region::Region;

/// One thing that gets recovery points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An instance: the volumes attached to it, as one crash-consistent set.
    Instance(InstanceId),
    /// One volume.
    Volume(VolumeId),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => id.fmt(f),
            Self::Volume(id) => id.fmt(f),
        }
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let source = if text.starts_with("i-") {
            text.parse().map(Self::Instance)
        } else {
            text.parse().map(Self::Volume)
        };
        source.map_err(|_| InvalidSource(text.to_owned()))
    }
}

/// A source with its region: the value of the tag `snapkeep:source`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionalSource {
    /// Where the source is.
    pub region: Region,
    /// The source.
    pub source: Source,
}

/// A string that is no `REGION/i-…` or `REGION/vol-…`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a source (expected `i-…` or `vol-…`, in a tag after a region and `/`)")]
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
        for text in ["eu-west-1/i-0123456789abcdef0", "us-east-1/vol-01234567"] {
            assert_eq!(text.parse::<RegionalSource>().unwrap().to_string(), text);
        }
        assert!("i-0123456789abcdef0".parse::<RegionalSource>().is_err());
        assert!("eu-west-1/snap-01234567".parse::<RegionalSource>().is_err());
    }
}
