//! All points of one policy, source and place, and which of them retention keeps.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeep::config::{Config, Kind, Retention};
use snapkeep::domain::ids::{RegionalId, SnapshotId};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::RegionalSource;

use super::claim::{Claim, Key, claim, rules};
use super::family;
use super::point::{Member, Point};
use super::retention::{Dated, Rule, Side, Status, Why, kept};
use super::thing::{Body, Thing, is_gone, things};
use super::{Birth, Truth};

/// What a lineage is known by: the policy, as an index, the source and the place.
pub(crate) type LineageKey = (usize, RegionalSource, Region);

/// Many lineages.
pub(crate) type Lineages<'t> = BTreeMap<LineageKey, Lineage<'t>>;

/// One lineage, its points in no particular order.
#[derive(Debug, Clone)]
pub(crate) struct Lineage<'t> {
    pub(super) policy: usize,
    pub(super) source: RegionalSource,
    pub(super) place: Region,
    pub(super) points: Vec<Point<'t>>,
}

/// Returns the lineages of ours.
pub(crate) fn lineages<'t>(truth: &Truth<'t>, config: &Config) -> Lineages<'t> {
    let backing = backing(truth, config);
    let mut points: BTreeMap<(LineageKey, Key), Vec<Member<'t>>> = BTreeMap::new();
    let mut add = |member: Member<'t>| {
        let Member { thing, claim, .. } = member;
        let key = (claim.policy, claim.source, thing.at.region);
        points.entry((key, claim.key)).or_default().push(member);
    };
    for thing in things(truth) {
        if let Ok(claim) = claim(&thing, config) {
            member(truth, config, thing, claim, &backing).into_iter().for_each(&mut add);
        } else {
            let claims = family::members(&thing, config).into_iter();
            let to_member = |claim| Member { thing, claim, call: None, is_leftover: false };
            claims.map(to_member).for_each(&mut add);
        }
    }
    let mut res = Lineages::new();
    for ((lineage, key), members) in points {
        let (policy, source, place) = lineage;
        let empty = Lineage { policy, source, place, points: Vec::new() };
        res.entry(lineage).or_insert(empty).points.push(Point::new(key, members));
    }
    res
}

/// Returns every snapshot that backs a registered image, if any policy makes images.
fn backing(truth: &Truth<'_>, config: &Config) -> BTreeSet<(Region, SnapshotId)> {
    let mut variants = config.policies.iter().flat_map(|p| p.overrides.values().chain([&p.base]));
    if !variants.any(|here| here.kind == Kind::Images) {
        return BTreeSet::new();
    }
    let images = things(truth).filter_map(|thing| match thing.body {
        Body::Image(image) => Some((thing.at.region, image)),
        Body::Snapshot(_) => None,
    });
    images.flat_map(|(region, i)| i.snapshot_ids.iter().map(move |id| (region, *id))).collect()
}

/// Returns what `thing` is in its point; none if it goes with the image that it backs.
fn member<'t>(
    truth: &Truth<'t>,
    config: &Config,
    thing: Thing<'t>,
    claim: Claim,
    backing: &BTreeSet<(Region, SnapshotId)>,
) -> Option<Member<'t>> {
    let makes_images = rules(config, claim.policy, claim.source.region).here.kind == Kind::Images;
    let is_leftover = makes_images && !thing.is_image();
    let is_backing = |id| backing.contains(&(thing.at.region, id));
    if is_leftover && thing.at.id.snapshot().is_some_and(is_backing) || thing.is_managed() {
        return None;
    }
    let first = if claim.copy_of.is_some() { claim.origin } else { Some(thing.at) };
    Some(Member { thing, claim, call: first.and_then(|id| call(truth, id)), is_leftover })
}

fn call(truth: &Truth<'_>, id: RegionalId) -> Option<u64> {
    match truth.births.get(&id)?.0 {
        Birth::Made { call } => Some(call),
        Birth::Found => None,
    }
}

impl<'t> Lineage<'t> {
    pub(super) fn is_home(&self) -> bool {
        self.place == self.source.region
    }

    /// Returns how long points are kept here.
    fn retention<'c>(&self, config: &'c Config) -> Option<&'c Retention> {
        let here = rules(config, self.policy, self.source.region).here;
        if self.is_home() {
            return Some(&here.retention);
        }
        here.copy_rule(&self.source.region, &self.place).map(|rule| &rule.retention)
    }

    pub(super) fn rule<'c>(
        &self,
        truth: &Truth<'_>,
        config: &'c Config,
        now: DateTime<Utc>,
    ) -> Option<Rule<'c>> {
        let zone = rules(config, self.policy, self.source.region).here.timezone;
        let is_source_gone = is_gone(truth, self.source.region, self.source.source);
        Some(Rule { retention: self.retention(config)?, zone, now, is_source_gone })
    }

    /// Returns what retention sees, at the earliest and at the latest.
    pub(super) fn dated(&self) -> (Vec<Dated>, Vec<Dated>) {
        let dated = |point: &Point<'_>| {
            let (status, (first, last)) = (point.status, point.times);
            let at = |time| Dated { time, status, is_covered: false };
            (at(first), at(last))
        };
        self.points.iter().map(dated).unzip()
    }

    /// Returns why each point is kept, if it is.
    pub(super) fn kept(&self, rule: &Rule<'_>, side: Side) -> Vec<Option<Why>> {
        let (early, late) = self.dated();
        let kept_early = kept(&early, rule, side);
        if early == late {
            return kept_early;
        }
        let both = kept_early.into_iter().zip(kept(&late, rule, side));
        both.map(|(early, late)| match side {
            Side::Required => early.and(late),
            Side::Allowed => early.or(late),
        })
        .collect()
    }

    /// Returns true if a point would be kept, or be the newest, were it complete.
    pub(super) fn kept_as_complete(&self, rule: &Rule<'_>, index: usize) -> bool {
        let (mut early, mut late) = self.dated();
        early[index].status = Status::Complete;
        late[index].status = Status::Complete;
        [early, late].iter().any(|dated| kept(dated, rule, Side::Allowed)[index].is_some())
    }

    pub(super) fn point(&self, key: Key) -> Option<&Point<'t>> {
        self.points.iter().find(|point| point.key == key)
    }
}
