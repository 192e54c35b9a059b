//! Lineages: which snapshots and images are of one policy, source and region.
//!
//! No verdicts here, and no points yet: only what belongs together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::id_map::IdMap;
use crate::domain::ids::{ImageId, RegionalId, ResourceId, VolumeId};
use crate::domain::inventory::{Image, ImageState, RegionInventory, Snapshot};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::{self, Tags};
use crate::plan::bystanders::Bystanders;
use crate::plan::image_standing::ImageStanding;
use crate::plan::model::ResourceState;
use crate::plan::standing::{Judge, Mark, Standing};

/// Which lineage a point belongs to, within one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageKey {
    /// The policy, by index.
    pub policy: usize,
    /// Whose points they are. Each kind is a lineage apart.
    pub kind: LineageKind,
    /// Of copies, the region of what they are copies of.
    pub from: Option<Region>,
    /// What they protect. For adopted ones the volume or the family.
    pub source: Source,
}

/// Whose points a lineage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineageKind {
    /// The policy's own, with their encrypted forms; or the images that it selects.
    Own,
    /// Made by others; retention is all they get.
    Adopted,
    /// Copies from another region.
    Copies,
}

impl LineageKey {
    /// Returns true if its points were made by others and get nothing but retention.
    pub fn is_adopted(&self) -> bool {
        self.kind == LineageKind::Adopted
    }
}

/// A snapshot or an image.
#[derive(Debug, Clone, Copy)]
pub enum Thing<'a> {
    /// An EBS snapshot.
    Snapshot(&'a Snapshot),
    /// An AMI.
    Image(&'a Image),
}

impl<'a> Thing<'a> {
    /// Returns its id.
    pub fn id(self) -> ResourceId {
        match self {
            Self::Snapshot(snapshot) => snapshot.id.into(),
            Self::Image(image) => image.id.into(),
        }
    }

    /// Returns when EC2 began it; of an image without a readable date, long ago.
    pub fn started_at(self) -> DateTime<Utc> {
        match self {
            Self::Snapshot(snapshot) => snapshot.started_at,
            Self::Image(image) => image.created_at.unwrap_or_default(),
        }
    }

    /// Returns its state.
    pub fn state(self) -> ResourceState {
        match self {
            Self::Snapshot(snapshot) => ResourceState::Snapshot(snapshot.state),
            Self::Image(image) => ResourceState::Image(image.state),
        }
    }

    /// Returns EC2's words on its failure.
    pub fn state_message(self) -> Option<&'a str> {
        match self {
            Self::Snapshot(snapshot) => snapshot.state_message.as_deref(),
            Self::Image(image) => image.state_message.as_deref(),
        }
    }

    /// Returns whether it is encrypted.
    pub fn is_encrypted(self) -> bool {
        match self {
            Self::Snapshot(snapshot) => snapshot.is_encrypted,
            Self::Image(image) => image.is_encrypted,
        }
    }

    /// Returns its tags.
    pub fn tags(self) -> &'a Tags {
        match self {
            Self::Snapshot(snapshot) => &snapshot.tags,
            Self::Image(image) => &image.tags,
        }
    }

    /// Returns the size of its volumes in GiB.
    pub fn size_gib(self) -> u32 {
        match self {
            Self::Snapshot(snapshot) => snapshot.volume_size_gib,
            Self::Image(image) => image.size_gib,
        }
    }

    /// Returns the image, if it is one.
    pub fn image(self) -> Option<&'a Image> {
        match self {
            Self::Image(image) => Some(image),
            Self::Snapshot(_) => None,
        }
    }
}

/// What a thing is within its lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Made of the source itself; it may go when its time has come.
    Original,
    /// Selected, and made elsewhere; nobody has adopted it, so it is never deleted here.
    Selected,
    /// A copy from another region.
    Copy,
    /// An encrypted copy of an original of the same region.
    Encrypted,
}

/// One snapshot or image with what its tags say.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its lineage.
    pub key: LineageKey,
    /// The slot it fills.
    pub slot: Option<DateTime<Utc>>,
    /// How many snapshots its point was asked for; an image is one.
    pub members: u32,
    /// Which attempt made it.
    pub attempt: u32,
    /// What it is within its lineage.
    pub role: Role,
    /// The instant of its data.
    pub time: DateTime<Utc>,
    /// The volume whose data it is; none for an image.
    pub volume_id: Option<VolumeId>,
    /// Which volumes the request that made it was for.
    pub devices: Option<&'a str>,
    /// The snapshot or image.
    pub thing: Thing<'a>,
}

impl<'a> Entry<'a> {
    fn ours(mark: Mark, thing: Thing<'a>) -> Self {
        let Mark { policy, source, slot, members, attempt, copy } = mark;
        let devices = thing.tags().get(tags::DEVICES);
        let (kind, role, from) = match copy {
            None => (LineageKind::Own, Role::Original, None),
            Some(copy) if copy.is_encrypted_form => (LineageKind::Own, Role::Encrypted, None),
            Some(copy) => (LineageKind::Copies, Role::Copy, Some(copy.from)),
        };
        let volume_id = match (thing, copy) {
            (Thing::Image(_), _) => None,
            (Thing::Snapshot(_), Some(copy)) => copy.volume_id,
            (Thing::Snapshot(snapshot), None) => snapshot.volume_id,
        };
        let time = copy.map_or_else(|| thing.started_at(), |copy| copy.time);
        let key = LineageKey { policy, kind, from, source };
        // Without its slot, which somebody removed, a member of a set is known by the set's time.
        let is_of_set = 1 < members && thing.image().is_none();
        let of_set = copy.filter(|copy| is_of_set && !copy.is_encrypted_form);
        let slot = slot.or(of_set.map(|copy| copy.time));
        // The snapshots of an image are its own affair.
        let members = if thing.image().is_some() { 1 } else { members };
        Self { key, slot, members, attempt, role, time, volume_id, devices, thing }
    }

    fn others(key: LineageKey, role: Role, volume_id: Option<VolumeId>, thing: Thing<'a>) -> Self {
        let (slot, devices, time) = (None, None, thing.started_at());
        Self { key, slot, members: 1, attempt: 1, role, time, volume_id, devices, thing }
    }

    /// Orders one lineage so that slots and requests are runs, each in time order.
    fn order(&self, other: &Self) -> Ordering {
        self.slot
            .cmp(&other.slot)
            .then_with(|| self.members.cmp(&other.members))
            .then_with(|| self.order_of_devices(other))
            .then_with(|| self.thing.started_at().cmp(&other.thing.started_at()))
            .then_with(|| self.thing.id().cmp(&other.thing.id()))
    }

    /// Long texts that most often are one and the same, shared.
    fn order_of_devices(&self, other: &Self) -> Ordering {
        match (self.devices, other.devices) {
            (Some(a), Some(b)) if std::ptr::eq(a, b) => Ordering::Equal,
            (a, b) => a.cmp(&b),
        }
    }

    /// Returns true if it failed.
    pub fn is_failed(&self) -> bool {
        self.thing.state().is_failed()
    }

    /// Returns what tells its point from others of the lineage: the slot, else the first original.
    pub fn identity(&self, region: Region) -> Identity {
        match (self.slot, self.role) {
            (Some(slot), _) => Identity::Slot(slot),
            (None, Role::Original | Role::Selected) => {
                Identity::Origin(RegionalId { region, id: self.thing.id() })
            }
            (None, Role::Copy | Role::Encrypted) => origin_of(self.thing).map_or(
                Identity::Origin(RegionalId { region, id: self.thing.id() }),
                Identity::Origin,
            ),
        }
    }

    /// Returns true if both were asked for by requests for the same volumes and slot.
    pub(super) fn shares_request(&self, other: &Self) -> bool {
        self.slot.is_some()
            && self.slot == other.slot
            && self.members == other.members
            && self.order_of_devices(other).is_eq()
    }
}

/// What tells a recovery point from the others of its lineage, and which point of another region's
/// lineage it is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// The slot it fills.
    Slot(DateTime<Utc>),
    /// The first original, where there is no slot.
    Origin(RegionalId),
}

/// Returns the first original of a copy, as its tag says.
pub fn origin_of(thing: Thing<'_>) -> Option<RegionalId> {
    RegionalId::parse(thing.tags().get(tags::ORIGIN)?)
}

/// A snapshot that was made with an image: for which policy, by index, and which image.
pub type OfImage<'a> = (usize, ImageId, &'a Snapshot);

/// Collects what policies judge in one region: lineages, each with its entries in order.
///
/// Snapshots that were made with images go with these; they are collected apart.
pub fn lineages<'a>(
    judge: &Judge<'_>,
    region: &'a RegionInventory,
    bystanders: &mut Bystanders,
    of_images: &mut Vec<OfImage<'a>>,
) -> BTreeMap<LineageKey, Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(region.snapshots.len());
    for snapshot in &region.snapshots {
        match judge.standing(snapshot) {
            Standing::Ours(mark) => entries.push(Entry::ours(mark, Thing::Snapshot(snapshot))),
            Standing::Adopted(policies) => {
                let Some(volume_id) = snapshot.volume_id else { continue };
                let source = Source::Volume(volume_id);
                let adopted = policies.iter().map(|policy| {
                    let kind = LineageKind::Adopted;
                    let key = LineageKey { policy: *policy, kind, from: None, source };
                    let thing = Thing::Snapshot(snapshot);
                    Entry::others(key, Role::Original, Some(volume_id), thing)
                });
                entries.extend(adopted);
            }
            Standing::OfImage(Some(policy), id) => of_images.push((policy, id, snapshot)),
            standing => bystanders.count(&standing),
        }
    }
    for image in region.images.iter().filter(|image| image.state != ImageState::Deregistered) {
        match judge.image_standing(image) {
            ImageStanding::Ours(mark) => entries.push(Entry::ours(mark, Thing::Image(image))),
            ImageStanding::Others(claims) => entries.extend(claims.iter().map(|claim| {
                let key = LineageKey {
                    policy: claim.policy,
                    kind: claim.kind,
                    from: None,
                    source: Source::Family(claim.family),
                };
                let role = if claim.is_adopted { Role::Original } else { Role::Selected };
                Entry::others(key, role, None, Thing::Image(image))
            })),
            standing => bystanders.count_image(&standing),
        }
    }
    group(entries)
}

/// Groups `entries` by lineage, each in order.
fn group(entries: Vec<Entry<'_>>) -> BTreeMap<LineageKey, Vec<Entry<'_>>> {
    // Many small sorts are cheaper than a large one.
    let mut sizes: IdMap<LineageKey, usize> = IdMap::default();
    for entry in &entries {
        *sizes.entry(entry.key).or_default() += 1;
    }
    let empty = sizes.into_iter().map(|(key, size)| (key, Vec::with_capacity(size)));
    let mut lineages: IdMap<LineageKey, Vec<Entry<'_>>> = empty.collect();
    for entry in entries {
        lineages.entry(entry.key).or_default().push(entry);
    }
    for entries in lineages.values_mut() {
        entries.sort_unstable_by(Entry::order);
    }
    lineages.into_iter().collect()
}
