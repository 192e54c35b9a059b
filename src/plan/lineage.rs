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

/// One snapshot or image of a lineage with what its tags say.
///
/// What is asked of each again and again is copied out of it: a lineage is spread over the whole
/// listing, and each look at the thing itself waits for memory.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its id.
    pub id: ResourceId,
    /// Its state.
    pub state: ResourceState,
    /// When EC2 began it.
    pub started_at: DateTime<Utc>,
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
    fn ours(mark: Mark, thing: Thing<'a>) -> (LineageKey, Self) {
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
        let key = LineageKey { policy, kind, from, source };
        // Without its slot, which somebody removed, a member of a set is known by the set's time.
        let is_of_set = 1 < members && thing.image().is_none();
        let of_set = copy.filter(|copy| is_of_set && !copy.is_encrypted_form);
        let slot = slot.or(of_set.map(|copy| copy.time));
        // The snapshots of an image are its own affair.
        let members = if thing.image().is_some() { 1 } else { members };
        let own = Self::others(role, volume_id, thing);
        let time = copy.map_or(own.time, |copy| copy.time);
        (key, Self { slot, members, attempt, time, devices, ..own })
    }

    fn others(role: Role, volume_id: Option<VolumeId>, thing: Thing<'a>) -> Self {
        let started_at = thing.started_at();
        Self {
            id: thing.id(),
            state: thing.state(),
            started_at,
            slot: None,
            members: 1,
            attempt: 1,
            role,
            time: started_at,
            volume_id,
            devices: None,
            thing,
        }
    }

    /// Orders one lineage so that slots and requests are runs, each in time order.
    fn order(&self, other: &Self) -> Ordering {
        self.slot
            .cmp(&other.slot)
            .then_with(|| self.members.cmp(&other.members))
            .then_with(|| self.order_of_devices(other))
            .then_with(|| self.started_at.cmp(&other.started_at))
            .then_with(|| self.id.cmp(&other.id))
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
        self.state.is_failed()
    }

    /// Returns what tells its point from others of the lineage: the slot, else the first original.
    pub fn identity(&self, region: Region) -> Identity {
        match (self.slot, self.role) {
            (Some(slot), _) => Identity::Slot(slot),
            (None, Role::Original | Role::Selected) => {
                Identity::Origin(RegionalId { region, id: self.id })
            }
            (None, Role::Copy | Role::Encrypted) => {
                let origin = origin_of(self.thing);
                Identity::Origin(origin.unwrap_or(RegionalId { region, id: self.id }))
            }
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
    let mut groups = Groups::with_capacity(region.snapshots.len());
    for snapshot in &region.snapshots {
        let thing = Thing::Snapshot(snapshot);
        match judge.standing(snapshot) {
            Standing::Ours(mark) => groups.add(Entry::ours(mark, thing)),
            Standing::Adopted(policies) => {
                let Some(volume_id) = snapshot.volume_id else { continue };
                let source = Source::Volume(volume_id);
                for policy in policies {
                    let kind = LineageKind::Adopted;
                    let key = LineageKey { policy, kind, from: None, source };
                    groups.add((key, Entry::others(Role::Original, Some(volume_id), thing)));
                }
            }
            Standing::OfImage(Some(policy), id) => of_images.push((policy, id, snapshot)),
            standing => bystanders.count(&standing),
        }
    }
    for image in region.images.iter().filter(|image| image.state != ImageState::Deregistered) {
        let thing = Thing::Image(image);
        match judge.image_standing(image) {
            ImageStanding::Ours(mark) => groups.add(Entry::ours(mark, thing)),
            ImageStanding::Others(claims) => {
                for claim in claims {
                    let key = LineageKey {
                        policy: claim.policy,
                        kind: claim.kind,
                        from: None,
                        source: Source::Family(claim.family),
                    };
                    let role = if claim.is_adopted { Role::Original } else { Role::Selected };
                    groups.add((key, Entry::others(role, None, thing)));
                }
            }
            standing => bystanders.count_image(&standing),
        }
    }
    groups.sorted()
}

/// Entries on their way into their lineages.
struct Groups<'a> {
    /// Each lineage with its number and how many entries it has.
    lineages: IdMap<LineageKey, (usize, usize)>,
    /// The entries as they came, each with the number of its lineage.
    entries: Vec<(usize, Entry<'a>)>,
}

impl<'a> Groups<'a> {
    fn with_capacity(n_entries: usize) -> Self {
        Self { lineages: IdMap::default(), entries: Vec::with_capacity(n_entries) }
    }

    fn add(&mut self, (key, entry): (LineageKey, Entry<'a>)) {
        let next = self.lineages.len();
        let (number, n_entries) = self.lineages.entry(key).or_insert((next, 0));
        *n_entries += 1;
        self.entries.push((*number, entry));
    }

    /// Returns the lineages, the entries of each in order.
    fn sorted(self) -> BTreeMap<LineageKey, Vec<Entry<'a>>> {
        // Many small sorts are cheaper than a large one, and numbers are moved faster than entries.
        let mut by_number = vec![Vec::new(); self.lineages.len()];
        for (number, n_entries) in self.lineages.values() {
            by_number[*number].reserve_exact(*n_entries);
        }
        for (n, (number, _)) in self.entries.iter().enumerate() {
            by_number[*number].push(n);
        }
        let entry = |n: usize| &self.entries[n].1;
        let lineages = self.lineages.into_iter().map(|(key, (number, _))| {
            let of_lineage = &mut by_number[number];
            of_lineage.sort_unstable_by(|a, b| entry(*a).order(entry(*b)));
            (key, of_lineage.iter().map(|n| *entry(*n)).collect())
        });
        lineages.collect()
    }
}
