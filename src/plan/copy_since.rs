//! Since when a rule copies: without `existing`, what is older than its oldest copy is not copied.
//!
//! The copies themselves are the only memory of that. So one of those that are over stays while an
//! original that is not older lacks its copy: a copy that is merely late would be owed no more.
//! Says which one stays, not whether it would go.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::plan::copies::has_gap;
use crate::plan::lineage::{Identity, LineageKey};
use crate::plan::point::{Point, PointState};
use crate::plan::reason::minute;
use crate::plan::scene::{Scene, World};

/// A policy, by index, and from which region to which.
pub type Way = (usize, Region, Region);

/// For every way the time of the oldest copy that is there, of any source.
pub type FirstCopies = HashMap<Way, DateTime<Utc>>;

/// For every way the time of the oldest original that lacks its complete copy.
pub type OldestOwed = HashMap<Way, DateTime<Utc>>;

/// Copies that stay for what they tell.
pub type Markers = HashMap<(Region, LineageKey, Identity), NeededFor>;

/// What a copy tells since when there are any for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeededFor {
    /// The copy of an original of this time.
    Copy(DateTime<Utc>),
    /// What may be in a region that could not be read.
    Unknown(Region),
}

impl fmt::Display for NeededFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it tells since when copies are made, and ")?;
        match self {
            Self::Copy(time) => write!(f, "the copy of {} is not finished", minute(*time)),
            Self::Unknown(from) => write!(f, "what is in {from} is not known"),
        }
    }
}

/// Finds the oldest copy of every way.
pub fn first_copies(scenes: &BTreeMap<Region, Scene<'_>>) -> FirstCopies {
    let mut first = FirstCopies::new();
    for scene in scenes.values() {
        for lineage in &scene.lineages {
            let Some(from) = lineage.key.from else { continue };
            let points = lineage.points.iter().map(|point| point.time);
            let times = points.chain(lineage.failed.iter().map(|(entry, _)| entry.time));
            if let Some(oldest) = times.min() {
                let time = first.entry((lineage.key.policy, from, scene.region)).or_insert(oldest);
                *time = oldest.min(*time);
            }
        }
    }
    first
}

/// Finds the copies that tell of what is owed that it is not too old.
pub fn markers(world: &World<'_>, oldest_owed: &OldestOwed) -> Markers {
    let ways = world.first_copies.iter();
    ways.filter_map(|(way, first)| marker(world, *way, *first, oldest_owed)).collect()
}

/// Returns the newest copy of a way that is no newer than what is owed.
fn marker(
    world: &World<'_>,
    way: Way,
    first: DateTime<Utc>,
    oldest_owed: &OldestOwed,
) -> Option<((Region, LineageKey, Identity), NeededFor)> {
    let (policy, from, to) = way;
    let here = world.config.policies[policy].in_region(&from);
    here.copy_rule(&from, &to).filter(|rule| !rule.existing)?;
    let is_known = world.scenes.get(&from).is_some_and(|scene| !has_gap(scene));
    let (until, needed_for) = if is_known {
        let owed = *oldest_owed.get(&way)?;
        (owed, NeededFor::Copy(owed))
    } else {
        (first, NeededFor::Unknown(from))
    };
    let lineages = world.scenes.get(&to)?.lineages.iter();
    let copies = lineages.filter(|l| l.key.policy == policy && l.key.from == Some(from));
    let newest = copies.filter_map(|lineage| {
        // What is on its way may fail, and be that very copy.
        let is_told = |p: &&Point<'_>| p.state == PointState::Complete && p.time <= until;
        let point = lineage.standing().rev().map(|(point, _)| point).find(is_told)?;
        Some((point.time, lineage.key, point.identity))
    });
    let (_, key, identity) = newest.max()?;
    Some(((to, key, identity), needed_for))
}
