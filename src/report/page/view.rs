//! What is kept of a cycle for the page: few enough lines to stay in memory until the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::execute::Outcome;
use crate::plan::reason::minute;
use crate::plan::{
    Action, Keep, KeepReason, Note, Plan, PlanGap, Protection, ProtectionState, Severity, Waiting,
    Withheld,
};
use crate::report::json::action::About;

/// A list shows so many lines and counts the rest.
const LINES_MAX: usize = 500;

/// Where a policy applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The policy.
    pub policy: Arc<str>,
    /// The region.
    pub region: Region,
    /// Its next slot there.
    pub next_slot: Option<DateTime<Utc>>,
}

/// What a cycle saw and did in one account.
#[derive(Debug)]
pub struct AccountView {
    pub(super) account: Option<Arc<str>>,
    /// What the configuration calls it.
    pub(super) name: Option<Arc<str>>,
    pub(super) places: Vec<Place>,
    pub(super) actions: Lines,
    pub(super) waiting: Lines,
    pub(super) notes: Lines,
    pub(super) gaps: Lines,
    pub(super) withheld: Lines,
    pub(super) keeps: Lines,
}

/// One policy in one region, or its copies from one region in another.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) policy: Arc<str>,
    pub(super) region: Region,
    pub(super) copy_from: Option<Region>,
    pub(super) newest: Option<DateTime<Utc>>,
    /// How many sources are in which state, the worst first.
    pub(super) states: Vec<(&'static str, usize)>,
    pub(super) unprotected_since: Option<DateTime<Utc>>,
    pub(super) n_waiting: usize,
    pub(super) next_slot: Option<DateTime<Utc>>,
}

/// A list that may be too long to show.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) shown: Vec<Line>,
    pub(super) n_more: usize,
}

/// One line of a list.
#[derive(Debug)]
pub(super) struct Line {
    /// What became of it, and how bad that is.
    pub(super) mark: Option<(&'static str, &'static str)>,
    pub(super) head: String,
    pub(super) reason: String,
}

impl AccountView {
    /// Takes what is worth showing; a plan that was not carried out has no outcomes.
    pub fn new(plan: &Plan, outcomes: &[Outcome], expected: &[Expected]) -> Self {
        let outcomes = outcomes.iter().map(Some).chain(std::iter::repeat(None));
        let mut ended: Vec<(&Action, Option<&Outcome>)> =
            plan.actions.iter().zip(outcomes).collect();
        // What did not go as planned comes first, so that it is shown in any case.
        ended.sort_by_key(|(_, outcome)| outcome.is_some_and(Outcome::is_done));
        Self {
            account: plan.account.clone(),
            name: plan.account_name.clone(),
            places: places(plan, expected),
            actions: Lines::of(&ended, |(action, outcome)| Line::action(action, *outcome)),
            waiting: Lines::of(&plan.waiting, Line::waiting),
            notes: Lines::of(&plan.notes, Line::note),
            gaps: Lines::of(&plan.gaps, Line::gap),
            withheld: Lines::of(&plan.withheld, Line::withheld),
            keeps: Lines::of(&plan.keeps, Line::keep),
        }
    }

    /// Returns how many sources lack something that is asked of them.
    pub(super) fn n_unprotected(&self) -> usize {
        let states = self.places.iter().flat_map(|place| &place.states);
        states.filter(|(state, _)| *state == UNPROTECTED).map(|(_, n)| n).sum()
    }
}

/// The name of [`ProtectionState::Unprotected`].
const UNPROTECTED: &str = "unprotected";

impl Place {
    fn new(policy: &Arc<str>, region: Region, copy_from: Option<Region>) -> Self {
        Self {
            policy: Arc::clone(policy),
            region,
            copy_from,
            newest: None,
            states: Vec::new(),
            unprotected_since: None,
            n_waiting: 0,
            next_slot: None,
        }
    }

    fn add(&mut self, protection: &Protection) {
        self.newest = self.newest.max(protection.newest);
        if let ProtectionState::Unprotected { since: Some(since) } = protection.state {
            let earliest = self.unprotected_since.map_or(since, |earliest| earliest.min(since));
            self.unprotected_since = Some(earliest);
        }
        let name = protection.state.name();
        match self.states.iter_mut().find(|(state, _)| *state == name) {
            Some((_, n)) => *n += 1,
            None => self.states.push((name, 1)),
        }
    }
}

/// Returns every place that the plan, or the configuration, knows: by policy and region, copies
/// after what they are of.
fn places(plan: &Plan, expected: &[Expected]) -> Vec<Place> {
    type Key = (Arc<str>, Region, Option<Region>);
    fn place(places: &mut BTreeMap<Key, Place>, key: Key) -> &mut Place {
        let (policy, region, from) = (Arc::clone(&key.0), key.1, key.2);
        places.entry(key).or_insert_with(|| Place::new(&policy, region, from))
    }
    let mut places: BTreeMap<Key, Place> = BTreeMap::new();
    for known in expected {
        let key = (Arc::clone(&known.policy), known.region, None);
        place(&mut places, key).next_slot = known.next_slot;
    }
    for protection in &plan.protection {
        let Protection { policy, region, copy_from, .. } = protection;
        place(&mut places, (Arc::clone(policy), *region, *copy_from)).add(protection);
    }
    for waiting in &plan.waiting {
        let (policy, region) = (Arc::clone(&waiting.policy), waiting.region);
        // A line does not say which copies it is about; those of the first region, then.
        let of_region = places.range((Arc::clone(&policy), region, None)..);
        let mut of_region =
            of_region.map(|(key, _)| key).take_while(|key| key.0 == policy && key.1 == region);
        let key = of_region.next().cloned().unwrap_or((policy, region, None));
        place(&mut places, key).n_waiting += 1;
    }
    let mut places: Vec<Place> = places.into_values().collect();
    let rank = |name: &str| ProtectionState::NAMES.iter().position(|known| *known == name);
    for place in &mut places {
        place.states.sort_by_key(|(state, _)| std::cmp::Reverse(rank(state)));
    }
    places
}

impl Lines {
    fn of<T>(items: &[T], line: impl Fn(&T) -> Line) -> Self {
        let shown: Vec<Line> = items.iter().take(LINES_MAX).map(line).collect();
        let n_more = items.len() - shown.len();
        Self { shown, n_more }
    }
}

impl Line {
    fn action(action: &Action, outcome: Option<&Outcome>) -> Self {
        let About { resource, source, point_time, reason, .. } = About::new(action);
        let source = source.filter(|source| *source != resource);
        let source = source.map(|source| format!(" of {source}")).unwrap_or_default();
        let place = place_name(&action.policy, &action.region);
        let made: Vec<String> =
            outcome.into_iter().flat_map(Outcome::made).map(ToString::to_string).collect();
        let made = if made.is_empty() { made.concat() } else { format!(" → {}", made.join(" ")) };
        let operation = action.operation();
        let head = format!("{operation} {resource}{source}, {}, {place}{made}", minute(point_time));
        let went = outcome.and_then(Outcome::reason);
        let reason = went.map_or(reason.clone(), |went| format!("{reason}; {went}"));
        Self { mark: outcome.map(|outcome| (outcome.word(), class(outcome))), head, reason }
    }

    fn waiting(waiting: &Waiting) -> Self {
        let since = waiting.since.map(|at| format!(", since {}", minute(at))).unwrap_or_default();
        let place = place_name(&waiting.policy, &waiting.region);
        let head = format!("{}, {place}{since}", waiting.resource);
        Self { mark: None, head, reason: waiting.reason.clone() }
    }

    fn note(note: &Note) -> Self {
        let mark = match note.severity {
            Severity::Info => None,
            Severity::Warning => Some(("warning", "odd")),
            Severity::Fatal => Some(("refused", "bad")),
        };
        let region = note.region.map(|region| format!("{region}: ")).unwrap_or_default();
        Self { mark, head: format!("{region}{}", note.message), reason: String::new() }
    }

    fn gap(gap: &PlanGap) -> Self {
        let region = gap.region.as_ref().map_or("all regions", Region::as_str);
        let head = format!("{region}: {}", gap.operation);
        Self { mark: None, head, reason: gap.error.to_string() }
    }

    fn withheld(withheld: &Withheld) -> Self {
        let line = Self::action(&withheld.action, None);
        Self { reason: format!("{}; {}", line.reason, withheld.limit), ..line }
    }

    fn keep(keep: &Keep) -> Self {
        let place = place_name(&keep.policy, &keep.region);
        let head =
            format!("{} of {}, {}, {place}", keep.resource, keep.source, minute(keep.point_time));
        let mark = match keep.reason {
            KeepReason::Held(_) => None,
            KeepReason::Vetoed(_) => Some(("although retention is over", "odd")),
            KeepReason::Failed => Some(("failed", "bad")),
        };
        Self { mark, head, reason: keep.to_string() }
    }
}

fn place_name(policy: &str, region: &Region) -> String {
    format!("{region} · {policy}")
}

fn class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) | Outcome::Found(_) | Outcome::AlreadyGone => "good",
        Outcome::Skipped(_) | Outcome::Waits(_) => "odd",
        Outcome::Failed(_) | Outcome::NotStarted(_) => "bad",
    }
}
