//! Typed EC2 identifiers.
//!
//! EC2 hands out plain strings. A volume id passed where a snapshot id belongs is a deletion of
//! the wrong thing, so each kind has its own type and the prefix is checked once, at the edge.
//! An id is stored as the number that its digits spell: a million of them fit in 16 MB.

use std::fmt;
use std::str::FromStr;

/// A string was not the EC2 identifier it was used as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {kind} id (expected `{prefix}` and 8 or 17 hex digits)")]
pub struct InvalidId {
    kind: &'static str,
    prefix: &'static str,
    value: String,
}

/// The hex digits of an id; ordered as EC2's own strings of one length are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digits(u128);

impl Digits {
    /// Set on ids of 17 digits; their value needs 68 bits.
    const IS_LONG: u128 = 1 << 127;

    fn parse(text: &str) -> Option<Self> {
        let length_mark = match text.len() {
            8 => 0,
            17 => Self::IS_LONG,
            _ => return None,
        };
        let mut value = 0_u128;
        for digit in text.bytes() {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                // Upper case would not survive the way back to text.
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            value = value << 4 | u128::from(digit);
        }
        Some(Self(value | length_mark))
    }

    fn is_long(self) -> bool {
        self.0 & Self::IS_LONG != 0
    }

    fn value(self) -> u128 {
        self.0 & !Self::IS_LONG
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
                let width = if self.0.is_long() { 17 } else { 8 };
                write!(f, concat!($prefix, "{:0width$x}"), self.0.value(), width = width)
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
    InstanceId, "instance", "i-"
}
ec2_id! {
    /// An EBS volume, such as `vol-049df61146c4d7901`.
    VolumeId, "volume", "vol-"
}
ec2_id! {
    /// An EBS snapshot, such as `snap-066877671789bd71b`.
    SnapshotId, "snapshot", "snap-"
}
ec2_id! {
    /// An AMI, such as `ami-0abcdef1234567890`.
    ImageId, "image", "ami-"
}

impl VolumeId {
    /// Returns true for `vol-ffffffff`, which EC2 shows on copies and imports.
    ///
    /// "Snapshots created by the CopySnapshot action have an arbitrary volume ID that should not
    /// be used for any purpose" (EC2 API reference, `Snapshot`).
    pub fn is_placeholder(self) -> bool {
        self.0.value() == if self.0.is_long() { (1 << 68) - 1 } else { 0xffff_ffff }
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
