//! Copies in other regions: sets of snapshots, single volumes and images alike.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::{self, Tags};
use snapkeep::plan::{Action, Copy, Plan, ResourceState};
use snapkeep::report::ExitCode;
use snapkeep::run::Report;

use super::world::{Server, World, eu, exit_code, us};

mod gaps;
mod incremental;
mod missing;
mod once;
mod queue;
mod refused;
mod rules;
mod sharing;
mod sources;
mod twins;
mod weeks;

/// What a recovery point consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Set,
    Volume,
    Image,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Set, Kind::Volume, Kind::Image];

impl Kind {
    /// How many things one point is.
    pub(super) fn n(self) -> usize {
        match self {
            Self::Set => 2,
            Self::Volume | Self::Image => 1,
        }
    }

    /// The call that makes a copy.
    pub(super) fn call(self) -> &'static str {
        if self == Self::Image { "CopyImage" } else { "CopySnapshot" }
    }

    /// A daily policy in `eu-west-1` of this kind; `policy` stands among its keys, `rest` after it.
    pub(super) fn policy(self, policy: &str, rest: &str) -> String {
        let (kind, resource) = match self {
            Self::Set => ("snapshots", "instance"),
            Self::Volume => ("snapshots", "volume"),
            Self::Image => ("images", "instance"),
        };
        let default = |key: &str, text: &str| {
            if policy.contains(key) { String::new() } else { format!("{key} = {text}\n") }
        };
        format!(
            "version = 1\n[[policy]]\nname = \"servers\"\nkind = \"{kind}\"\n\
             select = {{ resource = \"{resource}\" }}\n{}{}{}{policy}\n{rest}\n",
            default("regions", "[\"eu-west-1\"]"),
            default("schedule", "\"0 3 * * *\""),
            default("retention", "{ daily = \"3 days\" }"),
        )
    }

    /// What it protects: an instance with two volumes, or one with one.
    pub(super) fn source(self, world: &World) -> Server {
        world.server(if self == Self::Volume { &["gp3"] } else { &["gp3", "gp3"] })
    }

    /// Daily points, copied to `us-east-1` and kept there for a week.
    pub(super) fn to_us(self) -> String {
        self.policy("", TO_US)
    }
}

/// A week of daily copies in `us-east-1`.
pub(super) const TO_US: &str =
    "[[policy.copy]]\nto = \"us-east-1\"\nretention = { daily = \"7 days\" }";

pub(super) fn ap() -> Region {
    "ap-northeast-2".parse().unwrap()
}

/// A snapshot or an image with the tags of a point.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    pub(super) id: ResourceId,
    pub(super) state: ResourceState,
    pub(super) is_encrypted: bool,
    pub(super) message: Option<String>,
    pub(super) tags: Tags,
}

impl Thing {
    pub(super) fn tag(&self, key: &str) -> &str {
        self.tags.get(key).unwrap_or_default()
    }

    pub(super) fn is_copy(&self) -> bool {
        self.tags.has(tags::COPY_OF)
    }

    /// The day of its slot in the month, and its volume.
    pub(super) fn name(&self) -> String {
        let slot = self.tag(tags::SLOT).get(5..16).unwrap_or("none");
        format!("{slot} {}", self.tag(tags::VOLUME))
    }
}

/// What a policy's points in a region consist of: images, and snapshots that back none.
pub(super) fn things(world: &World, region: &Region) -> Vec<Thing> {
    let images = world.images(region);
    let backing: BTreeSet<_> = images.iter().flat_map(|i| i.snapshot_ids.clone()).collect();
    let snapshots = world.snapshots(region).into_iter();
    let is_own = |s: &snapkeep::domain::inventory::Snapshot| {
        let made_with = ["Created by CreateImage", "Copied for DestinationAmi"];
        !backing.contains(&s.id) && !made_with.iter().any(|text| s.description.starts_with(text))
    };
    let snapshots = snapshots.filter(is_own).map(|s| Thing {
        id: s.id.into(),
        state: ResourceState::Snapshot(s.state),
        is_encrypted: s.is_encrypted,
        message: s.state_message.map(|text| text.to_string()),
        tags: s.tags,
    });
    let images = images.into_iter().map(|i| Thing {
        id: i.id.into(),
        state: ResourceState::Image(i.state),
        is_encrypted: i.is_encrypted,
        message: i.state_message.map(|text| text.to_string()),
        tags: i.tags,
    });
    snapshots.chain(images).collect()
}

pub(super) fn copies(world: &World, region: &Region) -> Vec<Thing> {
    things(world, region).into_iter().filter(Thing::is_copy).collect()
}

pub(super) fn complete(things: &[Thing]) -> usize {
    things.iter().filter(|thing| thing.state.is_complete()).count()
}

/// The slots of complete things, by day, hour and minute, each once and in order.
pub(super) fn slots(things: &[Thing]) -> Vec<String> {
    let complete = things.iter().filter(|thing| thing.state.is_complete());
    let slots: BTreeSet<String> =
        complete.map(|thing| thing.tag(tags::SLOT)[5..16].to_owned()).collect();
    slots.into_iter().collect()
}

/// Removes it as if a person had.
pub(super) fn lose(world: &World, region: &Region, id: ResourceId) {
    match id {
        ResourceId::Snapshot(id) => world.sandbox.remove_snapshot(region, id),
        ResourceId::Image(id) => world.sandbox.remove_image(region, id),
    }
}

/// The names of a plan's calls, each with how often.
pub(super) fn ops(plan: &Plan) -> BTreeMap<&'static str, usize> {
    let mut ops = BTreeMap::new();
    for action in &plan.actions {
        *ops.entry(action.operation()).or_default() += 1;
    }
    ops
}

pub(super) fn planned(plan: &Plan) -> Vec<&Copy> {
    plan.actions.iter().filter_map(Action::as_copy).collect()
}

pub(super) fn deleted(plan: &Plan, region: &Region) -> Vec<ResourceId> {
    let here = plan.actions.iter().filter(|action| action.region == *region);
    here.filter_map(|action| Some(action.as_delete()?.resource)).collect()
}

/// What a plan waits for, one a line.
pub(super) fn waits(plan: &Plan) -> String {
    let lines: Vec<String> =
        plan.waiting.iter().map(|w| format!("{} {}: {}", w.region, w.resource, w.reason)).collect();
    lines.join("\n")
}

/// Cycles every hour for so long; after each nothing is left to do that has not failed.
pub(super) async fn hourly(world: &World, config: &str, hours: usize) -> Report {
    let mut last = step(world, config).await;
    for _ in 0..hours {
        world.wait(TimeDelta::hours(1));
        last = step(world, config).await;
    }
    last
}

async fn step(world: &World, config: &str) -> Report {
    let report = world.cycle(config).await;
    if exit_code(&report) == ExitCode::Done {
        world.assert_nothing_left(config, &report).await;
    }
    report
}

/// Makes the points of a slot and copies them, until nothing is under way.
pub(super) async fn settle(world: &World, config: &str) -> Report {
    let report = hourly(world, config, 4).await;
    assert_eq!(waits(&report.plan), "");
    report
}

/// Every copy that was ever made, whatever became of it.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<RegionalId, Line>);

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) thing: Thing,
    pub(super) gone_at: Option<DateTime<Utc>>,
}

impl Line {
    /// The instant of its data.
    pub(super) fn time(&self) -> DateTime<Utc> {
        self.thing.tag(tags::TIME).parse().unwrap()
    }
}

impl Ledger {
    pub(super) fn look(&mut self, world: &World) {
        let mut there = BTreeSet::new();
        for region in [eu(), us(), ap()] {
            if !world.sandbox.inventory().regions.contains_key(&region) {
                continue;
            }
            for thing in copies(world, &region) {
                let id = RegionalId { region, id: thing.id };
                there.insert(id);
                self.0.insert(id, Line { thing, gone_at: None });
            }
        }
        for (id, line) in &mut self.0 {
            if !there.contains(id) {
                line.gone_at.get_or_insert(world.now());
            }
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (&RegionalId, &Line)> {
        self.0.iter()
    }

    /// Nothing that did not fail was made twice.
    pub(super) fn assert_no_twice(&self) {
        let mut made: BTreeMap<String, usize> = BTreeMap::new();
        for (id, line) in &self.0 {
            if !line.thing.state.is_failed() {
                let source = line.thing.tag(tags::SOURCE);
                *made
                    .entry(format!("{} {source} {}", id.region, line.thing.name()))
                    .or_default() += 1;
            }
        }
        let twice: Vec<_> = made.iter().filter(|(_, n)| **n > 1).collect();
        assert!(twice.is_empty(), "{twice:#?}");
    }
}
