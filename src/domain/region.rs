//! Names of AWS regions.

use std::fmt;
use std::str::FromStr;

use internment::Intern;

/// A region's name, such as `ap-northeast-2`.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Intern<String>);

/// A string that cannot be the name of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a region (expected a name such as `eu-west-1`)")]
pub struct InvalidRegion(String);

impl Region {
    /// Returns the name as AWS spells it.
    pub fn as_str(&self) -> &'static str {
        self.0.as_ref().as_str()
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(name: &str) -> Result<Self, InvalidRegion> {
        let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        // An availability zone such as `eu-west-1a` is the usual slip; it fails on the last part.
        let is_region = name.rsplit_once('-').is_some_and(|(words, number)| {
            words.find('-') == Some(2)
                && (2..=4).contains(&words.split('-').count())
                && words.split('-').all(is_word)
                && matches!(number.len(), 1 | 2)
                && number.bytes().all(|b| b.is_ascii_digit())
        });
        if is_region {
            Ok(Self(Intern::from_ref(name)))
        } else {
            Err(InvalidRegion(name.to_owned()))
        }
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidRegion;

    fn try_from(name: String) -> Result<Self, InvalidRegion> {
        name.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.as_str().to_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Region;

    #[test]
    fn regions_of_every_partition_are_accepted() {
        for name in ["us-east-1", "ap-northeast-2", "us-gov-west-1", "cn-north-1", "us-iso-east-1"]
        {
            assert_eq!(name.parse::<Region>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_cannot_be_a_region_is_refused() {
        for name in ["", "all", "eu-west", "eu-west-1a", "EU-WEST-1", "eu_west_1", "Frankfurt"] {
            assert!(name.parse::<Region>().is_err(), "{name}");
        }
    }
}
