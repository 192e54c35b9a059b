//! Part of a plan: which of its actions may be carried out without the others.
//!
//! A plan keeps its promises as a whole. A part keeps them too once nothing is in it that relies on
//! what is left out: a recovery point goes whole or not at all, a snapshot does not go while an
//! image above it stays, and nothing is done without what is to be done before.

use std::collections::{HashMap, HashSet};

use crate::domain::ids::{ImageId, ResourceId};
use crate::domain::inventory::{ImageState, Inventory};
use crate::domain::region::Region;
use crate::plan::model::{Action, Op, Plan, TagPurpose, Tagging};

/// Returns, of each action of `plan`, why it must be left out beside those that `is_wanted` does
/// not want; none for what may be done, and for what is not wanted.
pub fn left_out(plan: &Plan, inventory: &Inventory, is_wanted: &[bool]) -> Vec<Option<String>> {
    let mut part = Part::new(plan, inventory, is_wanted);
    // Each round leaves at least one more out, so this ends.
    while part.leave_out_once() {}
    part.why
}

struct Part<'p> {
    actions: &'p [Action],
    inventory: &'p Inventory,
    ids: HashMap<String, usize>,
    /// Creations by what makes room for them.
    creations: HashMap<(Region, ResourceId), usize>,
    is_in: Vec<bool>,
    why: Vec<Option<String>>,
}

impl<'p> Part<'p> {
    fn new(plan: &'p Plan, inventory: &'p Inventory, is_wanted: &[bool]) -> Self {
        let actions = &plan.actions;
        let mut creations = HashMap::new();
        for (n, action) in actions.iter().enumerate() {
            let after = action.as_creation().map_or(&[][..], |point| &point.after);
            creations.extend(after.iter().map(|id| ((action.region, (*id).into()), n)));
        }
        Self {
            actions,
            inventory,
            ids: actions.iter().enumerate().map(|(n, action)| (action.id(), n)).collect(),
            creations,
            is_in: (0..actions.len()).map(|n| is_wanted.get(n) == Some(&true)).collect(),
            why: vec![None; actions.len()],
        }
    }

    /// Leaves out what relies on what is left out; returns true if there was any.
    fn leave_out_once(&mut self) -> bool {
        let mut lost: Vec<(usize, String)> = self.broken_points();
        let deregistered = self.deregistered();
        for (n, action) in self.actions.iter().enumerate().filter(|(n, _)| self.is_in[*n]) {
            lost.extend(self.why_not(action, &deregistered).map(|why| (n, why)));
        }
        let is_any = !lost.is_empty();
        for (n, why) in lost {
            self.is_in[n] = false;
            self.why[n].get_or_insert(why);
        }
        is_any
    }

    /// Returns the members of recovery points of which not all go.
    fn broken_points(&self) -> Vec<(usize, String)> {
        let numbers: Vec<usize> = (0..self.actions.len()).collect();
        let points = numbers.chunk_by(|a, b| self.actions[*a].goes_with(&self.actions[*b]));
        let mut lost = Vec::new();
        for point in points {
            let Some(other) = point.iter().find(|n| !self.is_in[**n]) else { continue };
            let why = format!("goes only together with {}, which is left out", self.id(*other));
            let members = point.iter().filter(|n| self.is_in[**n]);
            lost.extend(members.map(|n| (*n, why.clone())));
        }
        lost
    }

    fn why_not(
        &self,
        action: &Action,
        deregistered: &HashSet<(Region, ImageId)>,
    ) -> Option<String> {
        let is_out = |n: &&usize| !self.is_in[**n];
        if let Some(n) = action.after().iter().filter_map(|id| self.ids.get(id)).find(is_out) {
            return Some(format!("comes after {}, which is left out", self.id(*n)));
        }
        match &action.op {
            Op::CreateTags(Tagging { purpose: TagPurpose::Backs(image_id), .. })
                if !deregistered.contains(&(action.region, *image_id)) =>
            {
                Some(format!("is only for when {image_id} goes, which is left out"))
            }
            Op::DeleteSnapshot(delete) => {
                let above = delete
                    .backs
                    .and_then(|_| self.image_above(action.region, delete.resource, deregistered));
                let why = above.map(|stays| format!("backs {stays}, which stays"));
                why.or_else(|| self.makes_room(action.region, delete.resource))
            }
            _ => None,
        }
    }

    /// Returns that `resource` goes only to make room for what is left out: else it stays, as the
    /// memory of how often was tried.
    fn makes_room(&self, region: Region, resource: ResourceId) -> Option<String> {
        let n = self.creations.get(&(region, resource)).filter(|n| !self.is_in[**n])?;
        Some(format!("only makes room for {}, which is left out", self.id(*n)))
    }

    /// Returns an image that is there, stays, and has `snapshot` beneath it.
    fn image_above(
        &self,
        region: Region,
        snapshot: ResourceId,
        deregistered: &HashSet<(Region, ImageId)>,
    ) -> Option<ImageId> {
        let snapshot_id = snapshot.snapshot()?;
        let images = &self.inventory.regions.get(&region)?.images;
        let mut above = images.iter().filter(|image| image.snapshot_ids.contains(&snapshot_id));
        let stays = above.find(|image| {
            image.state != ImageState::Deregistered && !deregistered.contains(&(region, image.id))
        });
        stays.map(|image| image.id)
    }

    fn deregistered(&self) -> HashSet<(Region, ImageId)> {
        let actions = self.actions.iter().zip(&self.is_in).filter(|(_, is_in)| **is_in);
        let image = |action: &Action| Some((action.region, action.as_delete()?.resource.image()?));
        actions.filter_map(|(action, _)| image(action)).collect()
    }

    fn id(&self, n: usize) -> String {
        self.actions[n].id()
    }
}
