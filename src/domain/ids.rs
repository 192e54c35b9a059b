//! Typed EC2 identifiers.
//!
//! EC2 hands out plain strings. A volume id passed where a snapshot id belongs is a deletion of
//! the wrong thing, so each kind has its own type and the prefix is checked once, at the edge.
//! An id is stored as the number that its digits spell, in 9 bytes, also where it may be missing.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU8;
use std::str::FromStr;

use crate::domain::region::Region;

/// A string was not the EC2 identifier it was used as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {kind} id (expected `{prefix}` and 8 or 17 hex digits)")]
pub struct InvalidId {
    kind: &'static str,
    prefix: &'static str,
    value: String,
}

/// The hex digits of an id; ordered as EC2's own strings of one length are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Digits {
    first: First,
    /// The value of the other 16, or of all 8, big end first: without the padding that a number
    /// would bring, a thing that has two ids is a third smaller.
    others: [u8; 8],
}

/// What comes before the digits that 64 bits have room for; never zero, so that none costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct First(NonZeroU8);

impl First {
    /// Nothing: the id has 8 digits.
    const NONE: Self = Self(NonZeroU8::MIN);

    /// The first of 17 digits.
    fn digit(value: u64) -> Option<Self> {
        u8::try_from(value).ok().map(|value| Self(NonZeroU8::MIN.saturating_add(value + 1)))
    }

    /// Returns the value of the first of 17 digits.
    fn value(self) -> Option<u8> {
        self.0.get().checked_sub(2)
    }
}

impl Hash for Digits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Two that differ in their first digit only are as rare as two with all others alike.
        state.write_u64(self.others());
    }
}

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let (first, others) = match text.len() {
            8 => (First::NONE, value(text.as_bytes())?),
            17 => {
                let (first, others) = text.as_bytes().split_at(1);
                (First::digit(value(first)?)?, value(others)?)
            }
            _ => return None,
        };
        Some(Self { first, others: others.to_be_bytes() })
    }

    fn others(self) -> u64 {
        u64::from_be_bytes(self.others)
    }

    fn is_all_ones(self) -> bool {
        match self.first.value() {
            None => self.others() == 0xffff_ffff,
            Some(first) => first == 0xf && self.others() == u64::MAX,
        }
    }
}

/// The value of each hex digit by its byte; of all other bytes, a value that is none.
///
/// A table, since no processor foresees whether the next digit of an id is a letter.
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    // Upper case would not survive the way back to text.
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = u8::MAX;

/// Returns the value of at most 16 hex digits.
fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = VALUES[usize::from(*digit)];
        (digit != NO_DIGIT).then(|| value << 4 | u64::from(digit))
    })
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first.value() {
            None => write!(f, "{:08x}", self.others()),
            Some(first) => write!(f, "{first:x}{:016x}", self.others()),
        }
    }
}

macro_rules! ec2_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Digits);

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(value: &str) -> Result<Self, InvalidId> {
                value.strip_prefix($prefix).and_then(Digits::parse).map(Self).ok_or_else(|| {
                    InvalidId { kind: $kind, prefix: $prefix, value: value.to_owned() }
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(value: String) -> Result<Self, InvalidId> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

ec2_id! {
    /// An instance, such as `i-049df61146c4d7901`.
    InstanceId, "an instance", "i-"
}
ec2_id! {
    /// An EBS volume, such as `vol-049df61146c4d7901`.
    VolumeId, "a volume", "vol-"
}
ec2_id! {
    /// An EBS snapshot, such as `snap-066877671789bd71b`.
    SnapshotId, "a snapshot", "snap-"
}
ec2_id! {
    /// An AMI, such as `ami-0abcdef1234567890`.
    ImageId, "an image", "ami-"
}

/// A snapshot or an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceId {
    /// An EBS snapshot.
    Snapshot(SnapshotId),
    /// An AMI.
    Image(ImageId),
}

impl ResourceId {
    /// Returns the snapshot, if it is one.
    pub fn snapshot(self) -> Option<SnapshotId> {
        match self {
            Self::Snapshot(id) => Some(id),
            Self::Image(_) => None,
        }
    }

    /// Returns the image, if it is one.
    pub fn image(self) -> Option<ImageId> {
        match self {
            Self::Image(id) => Some(id),
            Self::Snapshot(_) => None,
        }
    }
}

impl From<SnapshotId> for ResourceId {
    fn from(id: SnapshotId) -> Self {
        Self::Snapshot(id)
    }
}

impl From<ImageId> for ResourceId {
    fn from(id: ImageId) -> Self {
        Self::Image(id)
    }
}

impl FromStr for ResourceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.starts_with("ami-") {
            return text.parse().map(Self::Image);
        }
        text.parse().map(Self::Snapshot)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(id) => id.fmt(f),
            Self::Image(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A snapshot or image with its region: the value of the tags `snapkeep:copy-of` and
/// `snapkeep:origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionalId {
    /// Where it is.
    pub region: Region,
    /// Which one.
    pub id: ResourceId,
}

impl RegionalId {
    /// Reads `REGION/snap-…` or `REGION/ami-…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (region, id) = text.split_once('/')?;
        Some(Self { region: region.parse().ok()?, id: id.parse().ok()? })
    }
}

impl fmt::Display for RegionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.region, self.id)
    }
}

impl VolumeId {
    /// Returns true for `vol-ffffffff`, which EC2 shows on copies and imports.
    ///
    /// "Snapshots created by the CopySnapshot action have an arbitrary volume ID that should not
    /// be used for any purpose" (EC2 API reference, `Snapshot`).
    pub fn is_placeholder(self) -> bool {
        self.0.is_all_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::{SnapshotId, VolumeId};

    #[test]
    fn ids_survive_the_way_to_text_and_back() {
        for text in ["snap-066877671789bd71b", "snap-00000001", "snap-fffffffffffffffff"] {
            assert_eq!(text.parse::<SnapshotId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn ids_of_one_length_are_ordered_as_their_texts() {
        let texts = ["snap-00000001", "snap-ffffffff"];
        let long = ["snap-00000000000000001", "snap-0ffffffffffffffff", "snap-10000000000000000"];
        let ids = texts.into_iter().chain(long).map(|text| text.parse::<SnapshotId>().unwrap());
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(size_of::<Option<SnapshotId>>(), 9);
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in
            ["vol-066877671789bd71b", "snap-", "snap-0123", "snap-0123456G", "snap-+1234567"]
        {
            assert!(text.parse::<SnapshotId>().is_err(), "{text}");
        }
        assert_eq!(
            "ami-1".parse::<SnapshotId>().unwrap_err().to_string(),
            "`ami-1` is not a snapshot id (expected `snap-` and 8 or 17 hex digits)"
        );
    }

    #[test]
    fn the_placeholder_of_copies_is_no_volume() {
        for (text, expected) in [
            ("vol-ffffffff", true),
            ("vol-fffffffffffffffff", true),
            ("vol-0fffffffffffffffe", false),
            ("vol-0000000ffffffffff", false),
        ] {
            assert_eq!(text.parse::<VolumeId>().unwrap().is_placeholder(), expected, "{text}");
        }
    }
}
