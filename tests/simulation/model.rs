//! What must still be restorable, and what may still be there: an independent model.
//!
//! It is derived from the documents alone and shares nothing with the planner but the nouns of
//! `config` and `domain`: a rule that the planner has wrong is not wrong here in the same way. It
//! prefers brute force to cleverness. It sees the account as it really is, so it knows no gaps, and
//! it never says what to do, only what must not be done and what is left to do.
//!
//! Its bounds have two sides. What is *required* is what every reading of the documents keeps, and
//! [`losses`] is about that alone; what is *allowed* is what some reading keeps, and [`unsettled`]
//! names what is neither. Between the two everything is right.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use snapkeep::domain::id_map::IdMap;
use snapkeep::domain::ids::RegionalId;
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::tags::Tags;

#[path = "model/adoption.rs"]
mod adoption;
#[path = "model/claim.rs"]
mod claim;
#[path = "model/copying.rs"]
mod copying;
#[path = "model/crontab.rs"]
mod crontab;
#[path = "model/due.rs"]
mod due;
#[path = "model/family.rs"]
mod family;
#[path = "model/lineage.rs"]
mod lineage;
#[path = "model/loss.rs"]
mod loss;
#[path = "model/period.rs"]
mod period;
#[path = "model/point.rs"]
mod point;
#[path = "model/rest.rs"]
mod rest;
#[path = "model/retention.rs"]
mod retention;
#[cfg(test)]
#[path = "model/scene.rs"]
pub(crate) mod scene;
#[path = "model/since.rs"]
mod since;
#[path = "model/thing.rs"]
mod thing;
#[path = "model/veto.rs"]
mod veto;

pub(crate) use lineage::{Lineages, lineages};
pub(crate) use loss::losses;
pub(crate) use rest::unsettled;
pub(crate) use veto::Vetoes;

/// How a thing came to be, which its tags cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    /// By a call of snapkeep.
    Made {
        /// Which one: what one call made has one number.
        call: u64,
    },
    /// It was there before, or somebody else made it.
    Found,
}

/// The births of things, and the tags that they were born with.
pub(crate) type Births = IdMap<RegionalId, (Birth, Tags)>;

/// The account as it really is at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth<'t> {
    /// The instant, by EC2's clock.
    pub(crate) at: DateTime<Utc>,
    /// All that is there, without gaps.
    pub(crate) inventory: &'t Inventory,
    /// Of all that is or was there, how it came to be and with which tags. What is missing here
    /// was found.
    pub(crate) births: &'t Births,
}

/// Things that go.
pub(crate) type Gone = BTreeSet<RegionalId>;
