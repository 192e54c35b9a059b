//! Status: is everything that a policy selects protected, and if not, what, and since when?
//!
//! Counts and words only; what is asked of a source is for the planner.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::reason::minute;
use crate::plan::{Note, Plan, PlanGap, Protection, ProtectionState, Request, SELECTS_NOTHING};
use crate::report::ExitCode;

pub mod nagios;
pub mod text;

/// What the plans of all accounts say of protection.
#[derive(Debug)]
pub struct Status<'p> {
    /// The instant of judgement.
    pub now: DateTime<Utc>,
    /// The plans, one for each account.
    pub plans: &'p [Plan],
    /// How many sources are how.
    pub counts: Counts,
    /// Gaps elsewhere are nobody's business; none means everywhere.
    regions: &'p [Region],
}

/// What a source has in one place of an account.
#[derive(Debug, Clone, Copy)]
pub struct Line<'p> {
    /// The account; none is the own one.
    pub account: Option<&'p str>,
    /// What it has.
    pub protection: &'p Protection,
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
    /// Looks at plans that were asked for by `request`.
    pub fn new(plans: &'p [Plan], request: &'p Request) -> Self {
        let mut sources: BTreeMap<SourceKey<'p>, u8> = BTreeMap::new();
        for Line { account, protection } in lines(plans) {
            let Protection { policy, region, copy_from, source, .. } = protection;
            let source = sources.entry((account, policy, copy_from.unwrap_or(*region), *source));
            let worst = source.or_default();
            *worst = (*worst).max(rank(&protection.state));
        }
        let n = |rank| sources.values().filter(|worst| **worst == rank).count();
        let counts = Counts { protected: n(0), new: n(1), unknown: n(2), unprotected: n(3) };
        Self { now: request.now, plans, counts, regions: &request.regions }
    }

    /// Returns what every source has in each place.
    pub fn lines(&self) -> impl Iterator<Item = Line<'p>> + use<'p> {
        lines(self.plans)
    }

    /// Returns what could not be observed of what is asked about, each with its account.
    pub fn gaps(&self) -> impl Iterator<Item = (Option<&'p str>, &'p PlanGap)> {
        let regions = self.regions;
        let is_meant = |region: Region| regions.is_empty() || regions.contains(&region);
        let gaps = self
            .plans
            .iter()
            .flat_map(|plan| plan.gaps.iter().map(|gap| (plan.account_name.as_deref(), gap)));
        gaps.filter(move |(_, gap)| gap.region.is_none_or(is_meant))
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

    /// Returns the notes of policies that select nothing in a region.
    fn nothing_selected(&self) -> impl Iterator<Item = &'p Note> + use<'p> {
        let notes = self.plans.iter().flat_map(|plan| &plan.notes);
        notes.filter(|note| note.message.ends_with(SELECTS_NOTHING))
    }

    /// Returns true if a gap hides whether everything is protected.
    fn is_incomplete(&self) -> bool {
        // A copy whose original nobody could look for is unknown without a gap where it belongs.
        // Where policies make points of nothing at all, a slip in a tag must not look as if all were
        // well.
        let selects_nothing =
            self.counts == Counts::default() && self.nothing_selected().next().is_some();
        selects_nothing
            || 0 < self.counts.unknown
            || self.lines().any(|line| rank(&line.protection.state) == 2)
            || self.gaps().next().is_some()
    }

    /// Returns, of the places that have a point, the one whose newest is the oldest.
    fn oldest(&self) -> Option<(Line<'p>, DateTime<Utc>)> {
        let newest = self.lines().filter_map(|line| Some((line, line.protection.newest?)));
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

/// What tells sources apart: account, policy, region and the source itself.
type SourceKey<'p> = (Option<&'p str>, &'p str, Region, Option<Source>);

fn lines(plans: &[Plan]) -> impl Iterator<Item = Line<'_>> {
    plans.iter().flat_map(|plan| {
        let account = plan.account_name.as_deref();
        plan.protection.iter().map(move |protection| Line { account, protection })
    })
}

/// Returns what could not be observed, in one line.
fn gap_text((account, gap): (Option<&str>, &PlanGap)) -> String {
    let region = gap.region.map_or_else(|| "regions".to_owned(), |region| region.to_string());
    let account = account.map(|name| format!("{name}, ")).unwrap_or_default();
    format!("{account}{region}: {}: {}", gap.operation, gap.error)
}

impl Line<'_> {
    /// Returns where points or copies are: `eu-west-1`, or `eu-west-1 to us-east-1`, after the
    /// account if it has a name.
    fn place(&self) -> String {
        let account = self.account.map(|name| format!("{name}, ")).unwrap_or_default();
        match self.protection.copy_from {
            Some(from) => format!("{account}{from} to {}", self.protection.region),
            None => format!("{account}{}", self.protection.region),
        }
    }

    fn source(&self) -> String {
        let source = self.protection.source;
        source.map_or_else(|| "what it selects".to_owned(), |source| source.to_string())
    }

    /// Returns the state in words, with what belongs to it.
    fn words(&self) -> String {
        let thing = if self.protection.copy_from.is_some() { "copy" } else { "point" };
        let newest = match self.protection.newest {
            Some(newest) => format!("newest {}", minute(newest)),
            None => format!("no {thing}"),
        };
        match &self.protection.state {
            ProtectionState::Protected | ProtectionState::Unprotected { since: None } => newest,
            ProtectionState::New { first_due: Some(at) } => {
                format!("{newest}, first {thing} due by {}", minute(*at))
            }
            ProtectionState::New { first_due: None } => {
                format!("{newest}, and none is asked for yet")
            }
            ProtectionState::Unprotected { since: Some(since) } => {
                format!("{newest}, since {}", minute(*since))
            }
            ProtectionState::Unknown(reason) => reason.to_string(),
        }
    }
}
