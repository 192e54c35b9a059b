//! Why a fresh plan does not contain an action of a saved one, as far as it can be told.
//!
//! What the file says is text that somebody may have edited: it is looked up, never relied upon.

use std::collections::{HashMap, HashSet};

use crate::domain::ids::{RegionalId, ResourceId};
use crate::domain::inventory::Inventory;
use crate::domain::region::Region;
use crate::domain::tags::{self, Tags};
use crate::plan::{Keep, Plan};
use crate::report::drift::DriftKind;
use crate::run::saved::SavedAction;

/// What there is now, by what a saved action names.
pub(super) struct World<'p> {
    fresh: &'p Plan,
    keeps: HashMap<(Region, ResourceId), &'p Keep>,
    withheld: HashMap<String, &'p str>,
    there: HashSet<(Region, ResourceId)>,
    /// What bears tags of points, with them.
    tagged: Vec<(Region, ResourceId, &'p Tags)>,
}

/// Of what no plan has, such as an operation that somebody made up.
const UNKNOWN: &str = "nothing like it is planned";

type Why = (DriftKind, String);

impl<'p> World<'p> {
    pub(super) fn new(fresh: &'p Plan, inventory: &'p Inventory) -> Self {
        let withheld = fresh.withheld.iter().map(|w| (w.action.id(), w.limit.as_ref()));
        let keeps = fresh.keeps.iter().map(|keep| ((keep.region, keep.resource), keep));
        let mut all: Vec<(Region, ResourceId, &Tags)> = Vec::new();
        for (region, observed) in &inventory.regions {
            all.extend(observed.snapshots.iter().map(|s| (*region, s.id.into(), &s.tags)));
            all.extend(observed.images.iter().map(|i| (*region, i.id.into(), &i.tags)));
        }
        let there = all.iter().map(|(region, id, _)| (*region, *id)).collect();
        all.retain(|(_, _, tags)| tags.has(tags::POLICY));
        Self { fresh, keeps: keeps.collect(), withheld: withheld.collect(), there, tagged: all }
    }

    /// Returns why the fresh plan has no action of the id of `saved`.
    pub(super) fn why_missing(&self, saved: &SavedAction) -> Why {
        if let Some(limit) = self.withheld.get(&saved.id) {
            return (DriftKind::Withheld, (*limit).to_owned());
        }
        let region = saved.text("region").and_then(|text| text.parse::<Region>().ok());
        let (Some(region), Some(op)) = (region, saved.text("op")) else {
            return (DriftKind::Gone, UNKNOWN.to_owned());
        };
        match op {
            "DeleteSnapshot" | "DeregisterImage" => self.why_no_deletion(saved, region),
            "CreateSnapshots" | "CreateSnapshot" | "CreateImage" => {
                self.why_no_creation(saved, region)
            }
            "CopySnapshot" | "CopyImage" => self.why_no_copy(saved, region),
            "CreateTags"
            | "ModifySnapshotAttribute"
            | "ModifyImageAttribute"
            | "EnableImageDeprecation" => self.why_no_change(saved, region),
            _ => (DriftKind::Gone, UNKNOWN.to_owned()),
        }
    }

    fn why_no_deletion(&self, saved: &SavedAction, region: Region) -> Why {
        let id = saved.text("resource").and_then(|text| text.parse::<ResourceId>().ok());
        if let Some(keep) = id.and_then(|id| self.keeps.get(&(region, id))) {
            return (DriftKind::Kept, keep.to_string());
        }
        if let Some(why) = self.waits(saved).or_else(|| self.gap(region)) {
            return why;
        }
        if id.is_some_and(|id| !self.there.contains(&(region, id))) {
            return (DriftKind::Done, "it is gone already".to_owned());
        }
        (DriftKind::Gone, "no policy deletes it now".to_owned())
    }

    fn why_no_creation(&self, saved: &SavedAction, region: Region) -> Why {
        let source = saved.text("resource").map(|id| format!("{region}/{id}"));
        let slot = saved.text("point_time");
        let made = self.tagged.iter().find(|(there, _, tags)| {
            let is_of = |key, value: Option<&str>| value.is_some() && tags.get(key) == value;
            *there == region
                && !tags.has(tags::COPY_OF)
                && is_of(tags::POLICY, saved.text("policy"))
                && is_of(tags::SLOT, slot)
                && is_of(tags::SOURCE, source.as_deref())
        });
        if let Some((_, id, _)) = made {
            return (DriftKind::Done, format!("its slot has a recovery point: {id}"));
        }
        let why = self.waits(saved).or_else(|| self.gap(region));
        why.unwrap_or_else(|| (DriftKind::Gone, "it is not due any more".to_owned()))
    }

    fn why_no_copy(&self, saved: &SavedAction, region: Region) -> Why {
        let parent = saved.text("resource");
        let is_copy = |tags: &Tags| parent.is_some() && tags.get(tags::COPY_OF) == parent;
        let made = self.tagged.iter().find(|(there, _, tags)| *there == region && is_copy(tags));
        if let Some((_, id, _)) = made {
            return (DriftKind::Done, format!("its copy is there, or on its way: {id}"));
        }
        if let Some(why) = self.waits(saved).or_else(|| self.gap(region)) {
            return why;
        }
        let parent = parent.and_then(RegionalId::parse);
        if parent.is_some_and(|parent| !self.there.contains(&(parent.region, parent.id))) {
            let why = "what was to be copied is gone, or could not be read".to_owned();
            return (DriftKind::Gone, why);
        }
        (DriftKind::Gone, "no copy of it is missing any more".to_owned())
    }

    fn why_no_change(&self, saved: &SavedAction, region: Region) -> Why {
        if let Some(why) = self.gap(region) {
            return why;
        }
        let id = saved.text("resource").and_then(|text| text.parse::<ResourceId>().ok());
        if id.is_some_and(|id| !self.there.contains(&(region, id))) {
            return (DriftKind::Gone, "what it would change is gone".to_owned());
        }
        (DriftKind::Done, "nothing like it is to be changed any more".to_owned())
    }

    /// Returns what the fresh plan waits for instead.
    fn waits(&self, saved: &SavedAction) -> Option<Why> {
        let (policy, resource) = (saved.text("policy")?, saved.text("resource")?);
        let waiting = self.fresh.waiting.iter().find(|waiting| {
            waiting.policy.as_ref() == policy
                && waiting.resource == resource
                && saved.text("region") == Some(waiting.region.as_str())
        })?;
        Some((DriftKind::Waits, waiting.reason.clone()))
    }

    /// Returns what could not be read in `region`, if anything.
    fn gap(&self, region: Region) -> Option<Why> {
        let is_here = |there: Option<Region>| there.is_none_or(|there| there == region);
        let gap = self.fresh.gaps.iter().find(|gap| is_here(gap.region))?;
        let why = format!("{} could not be read there: {}", gap.operation, gap.error.why);
        Some((DriftKind::Unread, why))
    }
}
