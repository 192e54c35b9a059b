//! Recovery points as they are: which things make one up, and in how many ways it can be restored.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use snapkeep::domain::ids::{RegionalId, VolumeId};

use super::Gone;
use super::claim::{Claim, Key};
use super::retention::Status;
use super::thing::{Body, Life, Thing};

/// A thing of ours in its point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'t> {
    pub(super) thing: Thing<'t>,
    pub(super) claim: Claim,
    /// The call that made it, or of a copy its first original; none if that is not known.
    pub(super) call: Option<u64>,
    /// Whether it backed an image that is gone: it is data, but no point by itself.
    pub(super) is_leftover: bool,
}

/// All things of one policy, source, place and slot, however often it was made.
#[derive(Debug, Clone)]
pub(super) struct Point<'t> {
    pub(super) key: Key,
    pub(super) members: Vec<Member<'t>>,
    /// How much of it is there.
    pub(super) status: Status,
    /// Its time at the earliest and at the latest: where a slot was filled twice, either set may
    /// give it.
    pub(super) times: (DateTime<Utc>, DateTime<Utc>),
}

/// The ways in which a point may be there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was made, or copied to another region.
    Plain,
    /// Encrypted where it was made: by copies, or because the volume is.
    Encrypted,
}

/// What of a point a thing holds: copies and repetitions hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Volume(VolumeId),
    /// An image is the whole point.
    Image,
    /// Nothing tells what it holds.
    Alone(RegionalId),
}

impl Member<'_> {
    pub(super) fn part(&self) -> Part {
        if self.thing.is_image() {
            return Part::Image;
        }
        self.claim.volume.map_or(Part::Alone(self.thing.at), Part::Volume)
    }

    /// Returns true if others made it: an image of a family that a policy selects.
    pub(super) fn is_others(&self) -> bool {
        self.claim.copy_of.is_none() && matches!(self.claim.key, Key::Origin(_))
    }

    /// Returns true if EC2 copies it at all.
    pub(super) fn can_be_copied(&self) -> bool {
        match self.thing.body {
            Body::Snapshot(_) => true,
            Body::Image(image) => !image.has_product_codes && !image.is_instance_store,
        }
    }

    /// Returns true if it is where its source is.
    fn is_home(&self) -> bool {
        self.thing.at.region == self.claim.source.region
    }

    pub(super) fn is_of(&self, form: Form) -> bool {
        match form {
            Form::Plain => !self.is_home() || self.claim.copy_of.is_none(),
            Form::Encrypted => self.is_home() && self.thing.is_encrypted(),
        }
    }

    /// Returns true if its data is there and can be used.
    fn is_complete(&self, gone: &Gone) -> bool {
        self.thing.life() == Life::Complete && !gone.contains(&self.thing.at)
    }
}

impl<'t> Point<'t> {
    /// Makes the point that these are all things of.
    pub(super) fn new(key: Key, members: Vec<Member<'t>>) -> Self {
        let times = Default::default();
        let mut point = Self { key, members, status: Status::Failed, times };
        point.status = point.status_of_members();
        point.times = point.times_of_members();
        point
    }

    /// Returns true if all of the point is there in `form` once `gone` is gone; if `call` is given,
    /// all made by that one call, or copied from what it made.
    pub(super) fn is_whole(&self, form: Form, call: Option<u64>, gone: &Gone) -> bool {
        self.is_whole_of(call, gone, |member| member.is_of(form))
    }

    /// Does the same whatever form each part is in: all of it can be restored.
    pub(super) fn is_whole_in_some_form(&self, call: Option<u64>, gone: &Gone) -> bool {
        self.is_whole_of(call, gone, |_| true)
    }

    fn is_whole_of(
        &self,
        call: Option<u64>,
        gone: &Gone,
        is_meant: impl Fn(&Member<'_>) -> bool,
    ) -> bool {
        let mut n_asked = None;
        let mut parts = Vec::new();
        for member in self.members.iter().filter(|m| !m.is_leftover) {
            if call.is_some() && member.call != call {
                continue;
            }
            let n_members = if member.thing.is_image() { 1 } else { member.claim.members.max(1) };
            n_asked = n_asked.max(Some(n_members));
            let part = member.part();
            if is_meant(member) && member.is_complete(gone) && !parts.contains(&part) {
                parts.push(part);
            }
        }
        n_asked.is_some_and(|n_asked| n_asked <= parts.len())
    }

    /// Returns the calls that members were made by.
    fn calls(&self) -> Vec<u64> {
        let mut calls: Vec<u64> = self.members.iter().filter_map(|m| m.call).collect();
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    /// Returns true if what one call made is all there, so that it is of one instant.
    pub(super) fn is_consistent(&self, gone: &Gone) -> bool {
        self.calls().into_iter().any(|call| self.is_whole_in_some_form(Some(call), gone))
    }

    fn status_of_members(&self) -> Status {
        let is_any = |life| self.members.iter().any(|m| m.thing.life() == life);
        if self.is_whole_in_some_form(None, &Gone::new()) {
            Status::Complete
        } else if is_any(Life::Pending) {
            Status::Pending
        } else if is_any(Life::Complete) || is_any(Life::Unusable) {
            Status::Incomplete
        } else {
            Status::Failed
        }
    }

    fn times_of_members(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let earliest = |of: &dyn Fn(&&Member<'_>) -> bool| {
            self.members.iter().filter(of).map(|m| m.claim.time).min()
        };
        let has_data = |m: &&Member<'_>| m.thing.life() == Life::Complete;
        let is_failed = |m: &&Member<'_>| m.thing.life() == Life::Failed;
        let first = earliest(&has_data)
            .or_else(|| earliest(&|m| !is_failed(m)))
            .or_else(|| earliest(&|_| true))
            .unwrap_or_default();
        let none = Gone::new();
        let whole =
            self.calls().into_iter().filter(|c| self.is_whole_in_some_form(Some(*c), &none));
        let of_calls = whole.filter_map(|c| earliest(&|m| has_data(m) && m.call == Some(c)));
        (first, of_calls.max().unwrap_or(first))
    }

    /// Returns the parts of which some thing has the data once `gone` is gone.
    pub(super) fn parts(&self, gone: &Gone) -> BTreeSet<Part> {
        let there = self.members.iter().filter(|m| {
            matches!(m.thing.life(), Life::Complete | Life::Unusable) && !gone.contains(&m.thing.at)
        });
        there.map(Member::part).collect()
    }

    pub(super) fn touches(&self, gone: &Gone) -> bool {
        self.members.iter().any(|m| gone.contains(&m.thing.at))
    }
}
