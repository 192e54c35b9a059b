//! The ledger: which restorable points there are and were, and what snapshots occupy.
//!
//! Written from what the account holds and from its tags, without the planner's code, so that what
//! the planner does is checked and not repeated. It sees everything at once and is never wrong about
//! what exists: no call, fault or late listing is between it and the account.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloud::sandbox::Sandbox;
use crate::config::Config;
use crate::domain::id_map::IdMap;
use crate::domain::ids::{ImageId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::source::RegionalSource;
use crate::domain::tags::{OurTags, Tags};
use crate::plan::attempts::ATTEMPTS_MAX;
use crate::run::simulate::sizes::{Data, PartKey, Store};

/// How EC2 describes snapshots that it made for an image.
const OF_IMAGE: [&str; 2] = ["Created by CreateImage(", "Copied for DestinationAmi "];

/// A policy, by index, in a region.
pub(super) type Place = (usize, Region);

/// A source in a place, by index.
pub(super) type SourceKey = (usize, RegionalSource);

/// The points of one source in one place.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The times of all points that were restorable at any time, in the order in which they were
    /// found.
    pub(super) times: Vec<DateTime<Utc>>,
    /// How many are restorable now.
    pub(super) n_restorable: usize,
    /// When the last restorable one was lost, if none has come since.
    pub(super) lost_at: Option<DateTime<Utc>>,
}

/// Something that failed, and is not tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GaveUp {
    pub(super) place: usize,
    pub(super) source: RegionalSource,
    pub(super) at: DateTime<Utc>,
}

/// What is known of the account.
#[derive(Debug)]
pub(super) struct Ledger<'c> {
    config: &'c Config,
    pub(super) places: Vec<Place>,
    place_index: BTreeMap<Place, usize>,
    pub(super) histories: BTreeMap<SourceKey, History>,
    pub(super) store: Store,
    pub(super) gave_up: Vec<GaveUp>,
    /// Each loss of a last restorable point.
    pub(super) losses: Vec<(SourceKey, DateTime<Utc>)>,
    snapshots: IdMap<SnapshotId, Known>,
    images: IdMap<ImageId, Known>,
    points: Vec<Point>,
    point_index: HashMap<PointKey, usize>,
    /// How many copies of a point and size name no volume.
    n_unnamed: HashMap<(PointKey, u32), usize>,
    /// To which place what bears no tags of ours belongs.
    judged: IdMap<ResourceId, usize>,
    n_looks: u64,
}

/// A snapshot or image that was there at the last look.
#[derive(Debug)]
struct Known {
    seen_at: u64,
    /// Which point it is of, and the volume whose data it is.
    member: Option<(usize, Option<VolumeId>)>,
    part: Option<PartKey>,
    is_complete: bool,
    is_failed: bool,
}

/// What one slot made of one source in one place.
type PointKey = (SourceKey, Identity);

/// What tells a point from the others of its source and place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    Slot(DateTime<Utc>),
    /// The first original, as its tag spells it.
    Origin(String),
}

#[derive(Debug)]
struct Point {
    source: SourceKey,
    time: DateTime<Utc>,
    n_wanted: usize,
    /// How many complete snapshots there are of each volume.
    complete: Vec<(Option<VolumeId>, usize)>,
    is_restorable: bool,
    was_restorable: bool,
}

/// What the tags of something of ours say.
struct Marks {
    point: PointKey,
    time: DateTime<Utc>,
    n_wanted: usize,
    attempt: u32,
    volume_id: Option<VolumeId>,
}

impl<'c> Ledger<'c> {
    /// Starts a ledger, where so many percent of a volume change in a day.
    pub(super) fn new(config: &'c Config, change_percent: f64) -> Self {
        Self {
            config,
            places: Vec::new(),
            place_index: BTreeMap::new(),
            histories: BTreeMap::new(),
            store: Store::new(change_percent),
            gave_up: Vec::new(),
            losses: Vec::new(),
            snapshots: IdMap::default(),
            images: IdMap::default(),
            points: Vec::new(),
            point_index: HashMap::new(),
            n_unnamed: HashMap::new(),
            judged: IdMap::default(),
            n_looks: 0,
        }
    }

    /// Returns the index of a place, which is made if need be.
    pub(super) fn place(&mut self, place: Place) -> usize {
        let places = &mut self.places;
        *self.place_index.entry(place).or_insert_with(|| {
            places.push(place);
            places.len() - 1
        })
    }

    /// Returns the index of the place of a policy that is called `name`, now or before.
    pub(super) fn place_of(&mut self, name: &str, region: Region) -> Option<usize> {
        let policy = self.config.policies.iter().position(|policy| policy.answers_to(name))?;
        Some(self.place((policy, region)))
    }

    /// Takes note that a policy judges something that bears no tags of ours.
    pub(super) fn judged_by(&mut self, id: ResourceId, place: usize) {
        self.judged.insert(id, place);
    }

    /// Takes stock of the account.
    pub(super) fn look(&mut self, sandbox: &Sandbox) {
        self.n_looks += 1;
        let at = sandbox.time().now();
        let mut touched = BTreeSet::new();
        let mut unknown = Vec::new();
        sandbox.for_each_snapshot(|region, snapshot| {
            if !self.see_again(snapshot, &mut touched) {
                unknown.push((region, snapshot.clone()));
            }
        });
        for (region, snapshot) in unknown {
            self.see_first(sandbox, region, &snapshot, &mut touched);
        }
        sandbox.for_each_image(|region, image| self.see_image(region, image, &mut touched));
        self.forget_what_is_gone(&mut touched);
        for source in touched {
            self.settle_history(source, at);
        }
    }

    /// Sees a snapshot that was seen before; returns false if it was not.
    fn see_again(&mut self, snapshot: &Snapshot, touched: &mut BTreeSet<SourceKey>) -> bool {
        let Some(known) = self.snapshots.get_mut(&snapshot.id) else { return false };
        known.seen_at = self.n_looks;
        let is_complete = snapshot.state == SnapshotState::Completed;
        if known.is_complete == is_complete && snapshot.state != SnapshotState::Error {
            return true;
        }
        let (was_complete, member) = (known.is_complete, known.member);
        known.is_complete = is_complete;
        if snapshot.state == SnapshotState::Error && !known.is_failed {
            known.is_failed = true;
            let part = known.part.take();
            if let Some(part) = part {
                self.store.remove(part);
            }
            self.see_failure(snapshot);
        }
        if was_complete != is_complete {
            self.count(member, is_complete, touched);
        }
        true
    }

    fn see_first(
        &mut self,
        sandbox: &Sandbox,
        region: Region,
        snapshot: &Snapshot,
        touched: &mut BTreeSet<SourceKey>,
    ) {
        let id = snapshot.id;
        let own_volume = snapshot.volume_id.filter(|id| !id.is_placeholder());
        let marks = self.marks(region, &snapshot.tags, snapshot.started_at, own_volume);
        let is_of_image = OF_IMAGE.iter().any(|begin| snapshot.description.starts_with(begin));
        let place = match &marks {
            Some(marks) => Some(marks.point.0.0),
            None => self.judged.get(&id.into()).copied(),
        };
        let time = marks.as_ref().map_or(snapshot.started_at, |marks| marks.time);
        let volume_id = marks.as_ref().and_then(|marks| marks.volume_id).or(own_volume);
        let is_failed = snapshot.state == SnapshotState::Error;
        let part = (!is_failed).then(|| {
            let size_gib = snapshot.volume_size_gib;
            let data = match (volume_id, &marks) {
                (Some(volume_id), _) => Data::Volume(volume_id),
                (None, Some(marks)) => self.nth_of(&marks.point, size_gib),
                (None, None) => data_of(sandbox, region, id),
            };
            let chain = (region, data, snapshot.kms_key_id.clone());
            let bytes = snapshot.full_size_bytes.map(std::num::NonZeroU64::get);
            self.store.add(chain, time, id, (place, snapshot.volume_size_gib), bytes)
        });
        let member = marks.filter(|_| !is_of_image).map(|marks| {
            let volume_id = marks.volume_id;
            (self.point(marks), volume_id)
        });
        let is_complete = snapshot.state == SnapshotState::Completed;
        let seen_at = self.n_looks;
        self.snapshots.insert(id, Known { seen_at, member, part, is_complete, is_failed });
        if is_complete {
            self.count(member, true, touched);
        }
        if is_failed {
            self.see_failure(snapshot);
        }
    }

    /// Returns whose data a copy of a point holds that names no volume, as those of images do not:
    /// the copies of one source that are of one size, in the order of their ids.
    fn nth_of(&mut self, point: &PointKey, size_gib: u32) -> Data {
        let n = self.n_unnamed.entry((point.clone(), size_gib)).or_default();
        *n += 1;
        Data::Other(format!("{} {size_gib} GiB, {n}", point.0.1))
    }

    /// Takes note of a snapshot that failed in the last attempt.
    fn see_failure(&mut self, snapshot: &Snapshot) {
        let Some(known) = self.snapshots.get(&snapshot.id) else { return };
        let Some((point, _)) = known.member else { return };
        let attempt = OurTags::of(&snapshot.tags).and_then(|tags| tags.attempt?.parse().ok());
        if attempt.is_some_and(|attempt: u32| ATTEMPTS_MAX <= attempt) {
            let (place, source) = self.points[point].source;
            self.gave_up.push(GaveUp { place, source, at: snapshot.started_at });
        }
    }

    fn see_image(&mut self, region: Region, image: &Image, touched: &mut BTreeSet<SourceKey>) {
        let is_complete = image.state == ImageState::Available;
        if let Some(known) = self.images.get_mut(&image.id) {
            known.seen_at = self.n_looks;
            if known.is_complete != is_complete {
                known.is_complete = is_complete;
                let member = known.member;
                self.count(member, is_complete, touched);
            }
            return;
        }
        let started_at = image.created_at.unwrap_or_default();
        let marks = self.marks(region, &image.tags, started_at, None);
        let gave_up =
            marks.as_ref().is_some_and(|m| ATTEMPTS_MAX <= m.attempt) && image.state.is_failed();
        let member = marks.map(|marks| (self.point(Marks { n_wanted: 1, ..marks }), None));
        if let Some((point, _)) = member.filter(|_| gave_up) {
            let (place, source) = self.points[point].source;
            self.gave_up.push(GaveUp { place, source, at: started_at });
        }
        let seen_at = self.n_looks;
        let known = Known { seen_at, member, part: None, is_complete, is_failed: false };
        self.images.insert(image.id, known);
        if is_complete {
            self.count(member, true, touched);
        }
    }

    /// Reads the tags of what is ours: of a policy that there is, and of its owner.
    fn marks(
        &mut self,
        region: Region,
        tags: &Tags,
        started_at: DateTime<Utc>,
        own_volume: Option<VolumeId>,
    ) -> Option<Marks> {
        let tags = OurTags::of(tags)?;
        let source: RegionalSource = tags.source?.parse().ok()?;
        let policy =
            self.config.policies.iter().position(|p| p.answers_to(tags.policy.unwrap_or("")))?;
        let variant = self.config.policies[policy].in_region(&source.region);
        if tags.owner != Some(variant.owner.as_ref()) {
            return None;
        }
        let place = self.place((policy, region));
        let instant = |text: Option<&str>| text?.parse::<DateTime<Utc>>().ok();
        let identity = match (instant(tags.slot), tags.origin) {
            (Some(slot), _) => Identity::Slot(slot),
            (None, Some(origin)) => Identity::Origin(origin.to_owned()),
            (None, None) => return None,
        };
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
        let volume_id = match tags.copy_of {
            Some(_) => tags.volume.and_then(|volume| volume.parse().ok()),
            None => own_volume,
        };
        Some(Marks {
            point: ((place, source), identity),
            time: instant(tags.time).unwrap_or(started_at),
            n_wanted: number(tags.members).unwrap_or(1).max(1) as usize,
            attempt: number(tags.attempt).unwrap_or(1),
            volume_id,
        })
    }

    /// Returns the index of the point that these marks name.
    fn point(&mut self, marks: Marks) -> usize {
        let Marks { point: key, time, n_wanted, .. } = marks;
        let points = &mut self.points;
        let source = key.0;
        let n = *self.point_index.entry(key).or_insert_with(|| {
            points.push(Point {
                source,
                time,
                n_wanted,
                complete: Vec::new(),
                is_restorable: false,
                was_restorable: false,
            });
            points.len() - 1
        });
        let point = &mut self.points[n];
        point.time = point.time.min(time);
        n
    }

    /// Counts a member of a point that is complete, or is no more.
    fn count(
        &mut self,
        member: Option<(usize, Option<VolumeId>)>,
        is_complete: bool,
        touched: &mut BTreeSet<SourceKey>,
    ) {
        let Some((n, volume_id)) = member else { return };
        let point = &mut self.points[n];
        match point.complete.iter_mut().find(|(id, _)| *id == volume_id) {
            Some((_, n)) if is_complete => *n += 1,
            Some((_, n)) => *n = n.saturating_sub(1),
            None => point.complete.push((volume_id, usize::from(is_complete))),
        }
        let n_complete = point.complete.iter().filter(|(_, n)| 0 < *n).count();
        let is_restorable = point.n_wanted <= n_complete;
        if is_restorable == point.is_restorable {
            return;
        }
        point.is_restorable = is_restorable;
        let is_first = is_restorable && !std::mem::replace(&mut point.was_restorable, true);
        let history = self.histories.entry(point.source).or_default();
        if is_restorable {
            history.n_restorable += 1;
        } else {
            history.n_restorable -= 1;
        }
        if is_first {
            history.times.push(point.time);
        }
        touched.insert(point.source);
    }

    fn forget_what_is_gone(&mut self, touched: &mut BTreeSet<SourceKey>) {
        let n_looks = self.n_looks;
        let is_gone = |known: &Known| known.seen_at != n_looks;
        let mut gone: Vec<Known> = Vec::new();
        gone.extend(self.snapshots.extract_if(|_, known| is_gone(known)).map(|(_, known)| known));
        gone.extend(self.images.extract_if(|_, known| is_gone(known)).map(|(_, known)| known));
        for Known { member, part, is_complete, .. } in gone {
            if let Some(part) = part {
                self.store.remove(part);
            }
            if is_complete {
                self.count(member, false, touched);
            }
        }
    }

    fn settle_history(&mut self, source: SourceKey, at: DateTime<Utc>) {
        let Some(history) = self.histories.get_mut(&source) else { return };
        let is_lost = history.n_restorable == 0;
        if is_lost && history.lost_at.is_none() {
            history.lost_at = Some(at);
            self.losses.push((source, at));
        } else if !is_lost {
            history.lost_at = None;
        }
    }
}

/// Returns whose data a copy holds of which no tag tells.
fn data_of(sandbox: &Sandbox, region: Region, id: SnapshotId) -> Data {
    let text = sandbox.data_of(&region, id).unwrap_or_default();
    let volume_id = text.split_once('/').and_then(|(_, id)| id.parse().ok());
    volume_id.map_or(Data::Other(text), Data::Volume)
}

/// Names of policies, as reports have them.
pub(super) fn name(config: &Config, place: Place) -> Arc<str> {
    Arc::clone(&config.policies[place.0].name)
}

#[cfg(test)]
mod tests;
