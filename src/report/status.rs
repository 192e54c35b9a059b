//! Status: is everything that a policy selects protected, and if not, what, and since when?
//!
//! Counts and words only; what is asked of a source is for the planner.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::reason::minute;
use crate::plan::{Plan, PlanGap, Protection, ProtectionState, Request};
use crate::report::ExitCode;

pub mod nagios;
pub mod text;

/// What a plan says of protection.
#[derive(Debug)]
pub struct Status<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// How many sources are how.
    pub counts: Counts,
    /// Gaps elsewhere are nobody's business; none means everywhere.
    regions: &'p [Region],
}

/// How many sources are how, each as its worst place is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// They have everything.
    pub protected: usize,
    /// Nothing is asked of them yet.
    pub new: usize,
    /// A gap hides them; what nobody could list counts as one.
    pub unknown: usize,
    /// They lack something.
    pub unprotected: usize,
}

impl<'p> Status<'p> {
    /// Looks at a plan that was asked for by `request`.
    pub fn new(plan: &'p Plan, request: &'p Request) -> Self {
        let mut sources: BTreeMap<(&str, Region, Option<Source>), u8> = BTreeMap::new();
        for protection in &plan.protection {
            let Protection { policy, region, copy_from, source, .. } = protection;
            let source = sources.entry((policy, copy_from.unwrap_or(*region), *source));
            let worst = source.or_default();
            *worst = (*worst).max(rank(&protection.state));
        }
        let n = |rank| sources.values().filter(|worst| **worst == rank).count();
        let counts = Counts { protected: n(0), new: n(1), unknown: n(2), unprotected: n(3) };
        Self { plan, counts, regions: &request.regions }
    }

    /// Returns what could not be observed of what is asked about.
    pub fn gaps(&self) -> impl Iterator<Item = &'p PlanGap> {
        let regions = self.regions;
        let is_meant = |region: Region| regions.is_empty() || regions.contains(&region);
        self.plan.gaps.iter().filter(move |gap| gap.region.is_none_or(is_meant))
    }

    /// Returns all exit codes that apply, the one to exit with first.
    pub fn codes(&self) -> Vec<ExitCode> {
        let mut codes = Vec::new();
        if 0 < self.counts.unprotected {
            codes.push(ExitCode::Failed);
        }
        if self.is_incomplete() {
            codes.push(ExitCode::Incomplete);
        }
        if codes.is_empty() {
            codes.push(ExitCode::Done);
        }
        codes
    }

    /// Returns true if a gap hides whether everything is protected.
    fn is_incomplete(&self) -> bool {
        // A copy whose original nobody could look for is unknown without a gap where it belongs.
        0 < self.counts.unknown
            || self.plan.protection.iter().any(|p| rank(&p.state) == 2)
            || self.gaps().next().is_some()
    }

    /// Returns, of the places that have a point, the one whose newest is the oldest.
    fn oldest(&self) -> Option<(&'p Protection, DateTime<Utc>)> {
        let newest = self.plan.protection.iter().filter_map(|p| Some((p, p.newest?)));
        newest.min_by_key(|(_, newest)| *newest)
    }
}

/// Ranks states, the worst last.
fn rank(state: &ProtectionState) -> u8 {
    match state {
        ProtectionState::Protected => 0,
        ProtectionState::New { .. } => 1,
        ProtectionState::Unknown(_) => 2,
        ProtectionState::Unprotected { .. } => 3,
    }
}

/// Returns where points or copies are: `eu-west-1`, or `eu-west-1 to us-east-1`.
fn place(protection: &Protection) -> String {
    match protection.copy_from {
        Some(from) => format!("{from} to {}", protection.region),
        None => protection.region.to_string(),
    }
}

fn source(protection: &Protection) -> String {
    protection.source.map_or_else(|| "what it selects".to_owned(), |source| source.to_string())
}

/// Returns the state in words, with what belongs to it.
fn words(protection: &Protection) -> String {
    let thing = if protection.copy_from.is_some() { "copy" } else { "point" };
    let newest = match protection.newest {
        Some(newest) => format!("newest {}", minute(newest)),
        None => format!("no {thing}"),
    };
    match &protection.state {
        ProtectionState::Protected | ProtectionState::Unprotected { since: None } => newest,
        ProtectionState::New { first_due: Some(at) } => {
            format!("{newest}, first {thing} due by {}", minute(*at))
        }
        ProtectionState::New { first_due: None } => format!("{newest}, and none is asked for yet"),
        ProtectionState::Unprotected { since: Some(since) } => {
            format!("{newest}, since {}", minute(*since))
        }
        ProtectionState::Unknown(reason) => reason.to_string(),
    }
}
