//! Rights: which calls of EC2, KMS and SNS a configuration needs, where, and what for.
//!
//! Pure, and the one place that says so: the IAM policy and the preflight are both made of it. It
//! knows nothing of what an account has, so whatever a configuration may come to do is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::Config;
use crate::domain::region::Region;

mod collect;
mod place;

pub use place::Place;

/// What a configuration needs.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// The rights, by what they are for and EC2's name of the call.
    pub all: BTreeMap<(Purpose, &'static str), Right>,
    /// The keys that the configuration names.
    pub keys: BTreeMap<KeyNeed, BTreeSet<String>>,
    /// The ARNs of the topics to which messages are published.
    pub topics: BTreeSet<Arc<str>>,
    /// Which installations' things are changed and deleted: values of the tag `snapkeep:owner`.
    pub owners: BTreeSet<Arc<str>>,
    /// The calls that make something and tag it.
    pub creations: BTreeSet<&'static str>,
    /// The regions that source regions are, beside where copies are made.
    pub copy_sources: BTreeMap<Purpose, Place>,
    /// Every region that is named.
    pub regions: BTreeSet<Region>,
    /// ARNs of roles that are assumed in other accounts.
    pub roles: BTreeSet<Arc<str>>,
    /// Whether regions are looked up.
    pub is_everywhere: bool,
}

/// One right.
#[derive(Debug, Clone, Default)]
pub struct Right {
    /// Where the call goes.
    pub place: Place,
    /// What for, in words.
    pub reasons: BTreeSet<String>,
    /// What becomes worse without it; none if it is needed.
    pub lacking: Option<&'static str>,
}

/// What a right is for: one statement of an IAM policy each, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Listings without which nothing can be planned.
    Observe,
    /// Questions without whose answers less is known.
    ObserveMore,
    /// Sets of snapshots of instances, and single missing members.
    SnapshotInstances,
    /// Snapshots of volumes.
    SnapshotVolumes,
    /// Images of instances.
    CreateImages,
    /// Copies of snapshots.
    CopySnapshots,
    /// Copies of images.
    CopyImages,
    /// Tags in the call that makes something.
    TagWhatIsCreated,
    /// The tag that says with whom a copy is shared.
    TagShared,
    /// The tags by which snapshots of adopted images are known once the image is gone.
    TagSnapshotsOfAdopted,
    /// Snapshots that other accounts may use.
    ShareSnapshots,
    /// Images that other accounts may use.
    ShareImages,
    /// When images are deprecated.
    DeprecateImages,
    /// Deleting what snapkeep made.
    DeleteOwn,
    /// Deleting what others made.
    DeleteAdopted,
    /// Deregistering what snapkeep made.
    DeregisterOwn,
    /// Deregistering what others made.
    DeregisterAdopted,
}

impl Purpose {
    /// Returns the statement's name (Sid: letters and digits).
    pub fn sid(self) -> &'static str {
        match self {
            Self::Observe => "Observe",
            Self::ObserveMore => "ObserveMoreOptional",
            Self::SnapshotInstances => "SnapshotInstances",
            Self::SnapshotVolumes => "SnapshotVolumes",
            Self::CreateImages => "CreateImages",
            Self::CopySnapshots => "CopySnapshots",
            Self::CopyImages => "CopyImages",
            Self::TagWhatIsCreated => "TagWhatIsCreated",
            Self::TagShared => "TagWhatIsShared",
            Self::TagSnapshotsOfAdopted => "TagSnapshotsOfAdoptedImages",
            Self::ShareSnapshots => "ShareSnapshots",
            Self::ShareImages => "ShareImages",
            Self::DeprecateImages => "DeprecateImages",
            Self::DeleteOwn => "DeleteOwnSnapshots",
            Self::DeleteAdopted => "DeleteAdoptedSnapshots",
            Self::DeregisterOwn => "DeregisterOwnImages",
            Self::DeregisterAdopted => "DeregisterAdoptedImages",
        }
    }

    /// Returns true if it is about things that bear our tag.
    pub fn is_of_own(self) -> bool {
        matches!(
            self,
            Self::TagShared
                | Self::ShareSnapshots
                | Self::ShareImages
                | Self::DeprecateImages
                | Self::DeleteOwn
                | Self::DeregisterOwn
        )
    }
}

/// A key that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyNeed {
    /// Where it is used; none is every region.
    pub region: Option<Region>,
    /// Its id, ARN or alias, as the configuration names it.
    pub name: Arc<str>,
}

/// Returns what `config` needs.
pub fn rights(config: &Config) -> Rights {
    let mut rights = collect::collect(config);
    // Only the own account's credentials are used to become others.
    if config.account.is_none() {
        rights.roles = config.roles.values().map(|role| Arc::clone(&role.arn)).collect();
    }
    rights
}

impl Rights {
    /// Returns the rights that are needed in `region`, in order.
    pub fn in_region(
        &self,
        region: &Region,
    ) -> impl Iterator<Item = (Purpose, &'static str, &Right)> {
        let here = self.all.iter().filter(|(_, right)| right.place.contains(region));
        here.map(|((purpose, operation), right)| (*purpose, *operation, right))
    }

    /// Returns the keys that are used in `region`.
    pub fn keys_in(&self, region: &Region) -> impl Iterator<Item = (&KeyNeed, &BTreeSet<String>)> {
        self.keys.iter().filter(|(key, _)| key.region.is_none_or(|r| r == *region))
    }

    /// Returns the regions of all rights of one purpose.
    pub fn place_of(&self, purpose: Purpose) -> Place {
        let mut place = Place::default();
        let of_it = self.all.iter().filter(|((p, _), _)| *p == purpose);
        of_it.for_each(|(_, right)| place.add(&right.place));
        place
    }
}

#[cfg(test)]
mod tests;
