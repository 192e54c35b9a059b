//! Where a right is needed: in some regions, or in whichever are enabled.

use std::collections::BTreeSet;

use crate::domain::region::Region;

/// Regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// These.
    In(BTreeSet<Region>),
    /// Every region that is enabled for the account; nobody has asked which.
    Everywhere,
}

impl Default for Place {
    fn default() -> Self {
        Self::In(BTreeSet::new())
    }
}

impl From<Region> for Place {
    fn from(region: Region) -> Self {
        Self::In(BTreeSet::from([region]))
    }
}

impl Place {
    /// Returns true if `region` is one of them.
    pub fn contains(&self, region: &Region) -> bool {
        match self {
            Self::In(regions) => regions.contains(region),
            Self::Everywhere => true,
        }
    }

    /// Returns the regions by name; none if it is any.
    pub fn named(&self) -> Option<&BTreeSet<Region>> {
        match self {
            Self::In(regions) => Some(regions),
            Self::Everywhere => None,
        }
    }

    /// Adds other regions.
    pub fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::In(regions), Self::In(others)) => regions.extend(others),
            _ => *self = Self::Everywhere,
        }
    }

    /// Returns what is left without `other`; none if that is nothing.
    ///
    /// Everywhere but some regions stays everywhere: which others there are is not known.
    pub fn without(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (_, Self::Everywhere) => None,
            (Self::Everywhere, Self::In(_)) => Some(Self::Everywhere),
            (Self::In(regions), Self::In(others)) => {
                let left: BTreeSet<Region> = regions.difference(others).copied().collect();
                (!left.is_empty()).then_some(Self::In(left))
            }
        }
    }
}
