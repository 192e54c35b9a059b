//! Vetoes: what forbids a deletion whatever retention says, and what lifts it.
//!
//! Invariants 3, 6 and 9. A guard can only keep; nothing here makes anything expire.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::RegionalPolicy;
use crate::domain::ids::{ImageId, ResourceId};
use crate::domain::inventory::{
    Image, InstanceState, Inventory, Listing, RegionInventory, Snapshot,
};
use crate::domain::region::Region;
use crate::domain::tags;
use crate::plan::standing::{Judge, managing_service, marked_by_others};

/// A local clock that differs by more from EC2's deletes nothing.
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// Something that forbids a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veto {
    /// The snapshot or image that bears it; none if it holds for the whole region. A veto on one
    /// member of a recovery point is a veto on all.
    pub on: Option<ResourceId>,
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
    /// A copy of it is on its way.
    BeingCopied,
    /// Its copies are to be in a region that could not be read.
    DestinationUnknown(Region),
    /// Something refers to the image.
    Used(Arc<str>),
    /// What refers to the image was not asked, or could not be read.
    UsesUnknown,
    /// Others may launch the image, so it is not adopted.
    Shared,
    /// The image is protected against deregistration.
    Protected,
    /// It backs an adopted image, and its own tags say that it is not to be adopted.
    SpokenFor,
    /// The image is younger than `min_age`, until then.
    TooYoung(DateTime<Utc>),
    /// EC2 says no date of the image's that can be read.
    AgeUnknown,
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
            Self::BeingCopied => f.write_str("is being copied"),
            Self::DestinationUnknown(region) => {
                write!(f, "its copies belong to {region}, which could not be read")
            }
            Self::Used(by) => write!(f, "used by {by}"),
            Self::UsesUnknown => f.write_str("what uses the image is not known"),
            Self::Shared => f.write_str("shared with others"),
            Self::SpokenFor => f.write_str("its tags say that it is not to be adopted"),
            Self::Protected => f.write_str("protected against deregistration"),
            Self::TooYoung(until) => {
                write!(f, "younger than min_age until {}", until.format("%F %RZ"))
            }
            Self::AgeUnknown => f.write_str("nobody knows how old it is"),
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
            Self::BeingCopied => "the end of the copy".to_owned(),
            Self::DestinationUnknown(region) => format!("a run in which {region} can be read"),
            Self::Used(by) => format!("an end to its use by {by}"),
            Self::UsesUnknown => {
                "the right to ec2:DescribeImageReferences, and to what it asks".to_owned()
            }
            Self::Shared => "removing its launch permissions".to_owned(),
            Self::SpokenFor => "removing those tags".to_owned(),
            Self::Protected => "disabling its deregistration protection".to_owned(),
            Self::TooYoung(_) => "time".to_owned(),
            Self::AgeUnknown => "nothing here: EC2 says no date".to_owned(),
        }
    }
}

/// Returns what forbids every deletion in a region.
pub fn region_vetoes(inventory: &Inventory, region: &RegionInventory) -> Vec<Veto> {
    let mut vetoes: Vec<Veto> = [Listing::Snapshots, Listing::Images, Listing::LockedSnapshots]
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
    let on = Some(snapshot.id.into());
    causes.into_iter().flatten().map(|cause| Veto { on, cause }).collect()
}

/// Returns what forbids the deregistration of `image` by itself, its snapshots included.
///
/// `is_adopted` tells whether others made it: then more has to be known.
pub fn image_vetoes(
    judge: &Judge<'_>,
    region: &RegionInventory,
    policy: &RegionalPolicy,
    image: &Image,
    is_adopted: bool,
    now: DateTime<Utc>,
) -> Vec<Veto> {
    let mut causes: Vec<Cause> = Vec::new();
    causes.extend(managing_service(&image.tags).map(Cause::Managed));
    causes.extend(image.tags.has(tags::HOLD).then_some(Cause::Held));
    causes.extend(image.is_protected.then_some(Cause::Protected));
    let created_at = image.created_at.unwrap_or_default();
    let old_at = policy.images.min_age.map(|span| span.end(created_at, policy.timezone));
    causes.extend(old_at.filter(|at| now < *at).map(Cause::TooYoung));
    // Nothing can be launched from what failed.
    if !image.state.is_failed() {
        causes.extend(image.created_at.is_none().then_some(Cause::AgeUnknown));
        causes.extend(use_of(region, image, is_adopted));
    }
    let on = Some(image.id.into());
    let own = causes.into_iter().map(|cause| Veto { on, cause });
    let backing = judge.snapshots_of(image);
    if is_adopted {
        let adopt = policy.adopt.as_ref();
        let is_excluded = |s: &&Snapshot| adopt.is_some_and(|adopt| adopt.excludes(&s.tags));
        let is_of_others = |s: &&Snapshot| marked_by_others(&s.tags).is_some();
        let spoken_for = judge.snapshots_of(image).find(|s| is_excluded(s) || is_of_others(s));
        if let Some(snapshot) = spoken_for {
            let on = Some(snapshot.id.into());
            return own.chain([Veto { on, cause: Cause::SpokenFor }]).collect();
        }
    }
    let of_backing = backing.flat_map(|snapshot| snapshot_vetoes(judge, region, snapshot));
    // That a snapshot backs an image is no reason against deregistering the image.
    own.chain(of_backing.filter(|veto| !matches!(veto.cause, Cause::BacksImage(_)))).collect()
}

/// Returns what refers to an image, or that nobody knows.
fn use_of(region: &RegionInventory, image: &Image, is_adopted: bool) -> Option<Cause> {
    let is_launched = |i: &&crate::domain::inventory::Instance| {
        i.image_id == Some(image.id) && i.state != InstanceState::Terminated
    };
    if let Some(instance) = region.instances.iter().find(is_launched) {
        return Some(Cause::Used(format!("instance {}", instance.id).into()));
    }
    let Some(answer) = region.image_uses.get(&image.id) else { return Some(Cause::UsesUnknown) };
    if let Some(by) = answer.used_by.first() {
        return Some(Cause::Used(Arc::clone(by)));
    }
    if !is_adopted {
        return None;
    }
    match &answer.shared_with {
        Some(shared) if answer.is_complete => (!shared.is_empty()).then_some(Cause::Shared),
        Some(_) | None => Some(Cause::UsesUnknown),
    }
}
