//! Relatives: what a snapshot or image is a copy of, and where its copies are.
//!
//! What a copy is a copy of stands in its tags; its copies are found as the plan finds them, by
//! policy, source and slot, never by their parent's existence.

use std::collections::BTreeSet;

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::inventory::Listing;
use crate::domain::tags;
use crate::plan::copies::copies_key;
use crate::plan::explain::Subject;
use crate::plan::explain::judged::Found;
use crate::plan::lineage::{Identity, LineageKey, LineageKind, Role, Thing};
use crate::plan::model::Plan;
use crate::plan::point::Point;
use crate::plan::scene::Scene;

/// Something that has the same data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    /// Which one, with its region.
    pub id: RegionalId,
    /// What it is, and its state, in words.
    pub text: String,
}

/// All relatives.
#[derive(Debug, Clone, Default)]
pub struct Relatives {
    /// What it was copied from, and the first original, where that is another.
    pub parents: Vec<Relative>,
    /// Originals, copies and encrypted forms with the same data.
    pub others: Vec<Relative>,
    /// Copies that are not there: what the plan does about each, in words.
    pub missing: Vec<String>,
}

impl Relatives {
    /// Adds what the subject's own tags name.
    pub(super) fn add_parents(&mut self, subject: &Subject<'_, '_>) {
        let id = |key| subject.thing.tags().get(key).and_then(RegionalId::parse);
        let (copy_of, origin) = (id(tags::COPY_OF), id(tags::ORIGIN));
        if let Some(parent) = copy_of {
            self.parents.push(relative(subject, parent, "its parent"));
        }
        if let Some(origin) = origin.filter(|origin| Some(*origin) != copy_of) {
            self.parents.push(relative(subject, origin, "the first original"));
        }
        let told: BTreeSet<RegionalId> = self.parents.iter().map(|parent| parent.id).collect();
        self.others.retain(|other| !told.contains(&other.id));
    }

    /// Adds what is of the same point of the same source, wherever it is.
    pub(super) fn add(&mut self, found: &Found<'_, '_, '_>, plan: &Plan) {
        let Subject { world, scene, .. } = *found.subject;
        let key = found.lineage.key;
        if key.kind == LineageKind::Adopted {
            return;
        }
        let home = key.from.unwrap_or(scene.region);
        let original = LineageKey { kind: LineageKind::Own, from: None, ..key };
        for there in world.scenes.values() {
            let is_home = there.region == home;
            let key = if is_home { original } else { copies_key(original, home) };
            self.others.extend(same_data(found, there, key));
        }
        self.add_missing(found, plan);
    }

    fn add_missing(&mut self, found: &Found<'_, '_, '_>, plan: &Plan) {
        let region = found.subject.scene.region;
        let ids: BTreeSet<RegionalId> =
            found.members().iter().map(|m| RegionalId { region, id: m.id() }).collect();
        for action in &plan.actions {
            if action.as_copy().is_some_and(|copy| ids.contains(&copy.parent)) {
                self.missing.push(format!("{}: begun by this plan", action.region));
            }
        }
        for waiting in &plan.waiting {
            if RegionalId::parse(&waiting.resource).is_some_and(|id| ids.contains(&id)) {
                self.missing.push(format!("{}: waits, {}", waiting.region, waiting.reason));
            }
        }
    }
}

/// Returns what in the lineage of `key` has the data of the subject, itself left out.
fn same_data(found: &Found<'_, '_, '_>, there: &Scene<'_>, key: LineageKey) -> Vec<Relative> {
    let Some(lineage) = there.lineage(key) else { return Vec::new() };
    let subject = found.subject;
    let Some(member) = found.member() else { return Vec::new() };
    let Some(identity) = found.identity() else { return Vec::new() };
    let is_it = |id: ResourceId| there.region == subject.scene.region && id == subject.member_id();
    let points = lineage.points.iter();
    let members = points.filter(|point| point.identity == identity).flat_map(Point::all);
    let members = members.map(|m| (m.thing, m.role, m.volume_id));
    let failed = lineage.failed.iter().map(|(entry, _)| entry);
    let failed = failed.filter(|entry| entry.identity(there.region) == identity);
    let all = members.chain(failed.map(|e| (e.thing, e.role, e.volume_id)));
    let same =
        all.filter(|(thing, _, volume_id)| *volume_id == member.volume_id && !is_it(thing.id()));
    same.map(|(thing, role, _)| Relative {
        id: RegionalId { region: there.region, id: thing.id() },
        text: format!("{}, {}", role_text(role), state_text(thing)),
    })
    .collect()
}

fn role_text(role: Role) -> &'static str {
    match role {
        Role::Original | Role::Selected => "original",
        Role::Copy => "copy",
        Role::Encrypted => "encrypted form",
    }
}

fn state_text(thing: Thing<'_>) -> String {
    let encrypted = if thing.is_encrypted() { ", encrypted" } else { "" };
    format!("{}{encrypted}", thing.state().name())
}

/// Returns what became of a parent, as far as it can be known.
fn relative(subject: &Subject<'_, '_>, id: RegionalId, what: &str) -> Relative {
    let text = match subject.world.scenes.get(&id.region) {
        None => format!("{} was not read", id.region),
        Some(scene) => match super::thing(scene, id.id) {
            Some(thing) => state_text(thing),
            None => missing(scene, id.id).to_owned(),
        },
    };
    Relative { id, text: format!("{what}, {text}") }
}

fn missing(scene: &Scene<'_>, id: ResourceId) -> &'static str {
    let listing = match id {
        ResourceId::Snapshot(_) => Listing::Snapshots,
        ResourceId::Image(_) => Listing::Images,
    };
    if scene.observed.has_gap(listing) { "could not be read" } else { "gone" }
}

impl Found<'_, '_, '_> {
    /// Returns what tells its point from others.
    fn identity(&self) -> Option<Identity> {
        let id = self.subject.member_id();
        let failed = self.lineage.failed.iter().map(|(entry, _)| entry);
        let mut failed = failed.filter(|entry| entry.id == id);
        let region = self.subject.scene.region;
        let point = self.point().map(|point| point.identity);
        point.or_else(|| failed.next().map(|entry| entry.identity(region)))
    }
}
