//! Vetoes: what forbids a deletion whatever retention says, and what lifts it.
//!
//! Invariants 3, 6 and 9. A guard can only keep; nothing here makes anything expire.

use std::fmt;

use chrono::TimeDelta;

use crate::domain::ids::{ImageId, SnapshotId};
use crate::domain::inventory::{Inventory, Listing, RegionInventory, Snapshot};
use crate::domain::tags;
use crate::plan::standing::{Judge, managing_service};

/// A local clock that differs by more from EC2's deletes nothing.
pub const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// Something that forbids a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veto {
    /// The snapshot that bears it; none if it holds for the whole region. A veto on one member of
    /// a recovery point is a veto on all.
    pub on: Option<SnapshotId>,
    /// What it is.
    pub cause: Cause,
}

/// Why a deletion is forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A listing of the region is missing or incomplete.
    Gap(Listing),
    /// The local clock and EC2's differ too much.
    ClockSkew,
    /// A registered image needs the snapshot.
    BacksImage(ImageId),
    /// An EBS snapshot lock.
    Locked,
    /// The tag `snapkeep:hold`.
    Held,
    /// Another service manages it.
    Managed(&'static str),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap(listing) => write!(f, "{} could not be read", listing.operation()),
            Self::ClockSkew => f.write_str("the local clock differs from EC2's"),
            Self::BacksImage(image_id) => write!(f, "backs {image_id}"),
            Self::Locked => f.write_str("locked"),
            Self::Held => f.write_str("held by the tag snapkeep:hold"),
            Self::Managed(service) => write!(f, "managed by {service}"),
        }
    }
}

impl Cause {
    /// Returns what somebody can do about it.
    pub fn lifted_by(&self) -> String {
        match self {
            Self::Gap(listing) => format!("a run in which {} succeeds", listing.operation()),
            Self::ClockSkew => "setting the local clock".to_owned(),
            Self::BacksImage(image_id) => format!("deregistering {image_id}"),
            Self::Locked => "unlocking the snapshot, or the end of its lock".to_owned(),
            Self::Held => "removing the tag snapkeep:hold".to_owned(),
            Self::Managed(service) => format!("nothing here: only {service} deletes it"),
        }
    }
}

/// Returns what forbids every deletion in a region.
pub fn region_vetoes(inventory: &Inventory, region: &RegionInventory) -> Vec<Veto> {
    let mut vetoes: Vec<Veto> = [Listing::Snapshots, Listing::Images]
        .into_iter()
        .filter(|listing| region.has_gap(*listing))
        .map(|listing| Veto { on: None, cause: Cause::Gap(listing) })
        .collect();
    if is_clock_off(inventory) {
        vetoes.push(Veto { on: None, cause: Cause::ClockSkew });
    }
    vetoes
}

/// Returns true if the local clock differs too much from EC2's.
pub fn is_clock_off(inventory: &Inventory) -> bool {
    inventory.clock_skew.is_some_and(|skew| CLOCK_SKEW_MAX < skew.abs())
}

/// Returns what forbids the deletion of `snapshot` by itself.
pub fn snapshot_vetoes(
    judge: &Judge<'_>,
    region: &RegionInventory,
    snapshot: &Snapshot,
) -> Vec<Veto> {
    let causes = [
        managing_service(&snapshot.tags).map(Cause::Managed),
        judge.image_of(snapshot.id).map(Cause::BacksImage),
        region.locked.contains(&snapshot.id).then_some(Cause::Locked),
        snapshot.tags.has(tags::HOLD).then_some(Cause::Held),
    ];
    let on = Some(snapshot.id);
    causes.into_iter().flatten().map(|cause| Veto { on, cause }).collect()
}
