//! What is wrong after a cycle, in a form that can be compared with an earlier one.
//!
//! Coarse on purpose: which snapshot could not be deleted changes from cycle to cycle, that none can
//! be deleted in a region does not. Nothing here knows what was told before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::event::Event;
use crate::domain::region::Region;
use crate::execute::Outcome;
use crate::plan::reason::minute;
use crate::plan::{Action, Plan, Protection, ProtectionState, Severity};

/// What one cycle planned and did in one account.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'a> {
    /// What the configuration calls the account; none is the own one. Not its id, which may be
    /// unknown now and then: a trouble is the same in each cycle.
    pub account: Option<&'a str>,
    /// Its plan.
    pub plan: &'a Plan,
    /// What became of the plan's actions, in order.
    pub outcomes: &'a [Outcome],
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Of which kind it is.
    pub kind: Kind,
    /// Where, or of what; the same words as long as it is the same trouble.
    pub place: String,
    /// How many things it is about.
    pub n: usize,
    /// Why, in somebody's words.
    pub why: String,
    /// What a person has to do about it.
    pub duty: Duty,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The configuration cannot be used.
    Configuration,
    /// Something could not be observed.
    Unread,
    /// Actions failed.
    Failed,
    /// The plan contradicts an invariant.
    Refused,
    /// A limit withholds deletions.
    Withheld,
    /// A source lacks a recovery point, or a copy, that is asked for.
    Unprotected,
}

/// What a person has to do, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Correct the configuration.
    Correct,
    /// Renew credentials.
    Renew,
    /// Grant rights.
    Grant,
    /// Report a defect.
    Report,
    /// Review so many deletions at most in one policy and region.
    Review(usize),
    /// Look at what is not protected, and why.
    Protect,
    /// Nothing, unless it stays.
    Watch,
}

impl Trouble {
    /// Returns the trouble of a configuration that cannot be used, with what is wrong with it.
    pub fn of_configuration(why: &str) -> Self {
        Self {
            kind: Kind::Configuration,
            place: "the configuration".to_owned(),
            n: 1,
            why: why.to_owned(),
            duty: Duty::Correct,
        }
    }

    /// Returns what makes it the same trouble as an earlier one, in words.
    pub fn key(&self) -> String {
        let Self { kind, place, .. } = self;
        match kind {
            Kind::Configuration => format!("{place} was refused"),
            Kind::Unread | Kind::Failed => format!("{place} failed"),
            Kind::Refused => format!("the plan for {place} was refused"),
            Kind::Withheld => format!("deletions of {place} were withheld"),
            Kind::Unprotected => format!("{place} was unprotected"),
        }
    }

    /// Returns what it is told as.
    pub fn event(&self) -> Event {
        match self.kind {
            Kind::Unread | Kind::Failed | Kind::Unprotected => Event::Failure,
            Kind::Configuration | Kind::Refused | Kind::Withheld => Event::Refusal,
        }
    }
}

impl Duty {
    /// Returns what to do, as a sentence.
    pub fn words(self) -> String {
        match self {
            Self::Correct => "Correct the configuration: `snapkeep check` shows where it is \
                              wrong. Until then the one before stays in force."
                .to_owned(),
            Self::Renew => {
                "Give snapkeep valid credentials: `snapkeep check --online` tries them.".to_owned()
            }
            Self::Grant => "Grant the right that is missing: `snapkeep check --online` names it \
                            with the statement that grants it."
                .to_owned(),
            Self::Report => "Nothing is done where the plan was refused. Keep `snapkeep plan \
                             --format json` and report it: it contradicts an invariant."
                .to_owned(),
            Self::Review(n) => format!(
                "Look at what would be deleted: `snapkeep plan --max-deletes {n}`. If it is \
                 right, `snapkeep run --max-deletes {n}` lets it through once. Backups go on."
            ),
            Self::Protect => "Look at what has no recovery point, or copy, in time, and why: \
                              `snapkeep plan`, and what else is wrong below."
                .to_owned(),
            Self::Watch => "Nothing yet: the next cycle tries again. If it stays so, see why \
                            below."
                .to_owned(),
        }
    }
}

/// Returns everything that is wrong after these cycles, in an order that is the same for the same.
///
/// That is what makes exit codes 1, 3 and 4, and what is unprotected and not on its way; but for
/// actions that were not begun (what stopped them is told, or the next cycle begins them) and for
/// those that a later cycle of the same run made good.
pub fn troubles(cycles: &[Cycle<'_>]) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = cycles.iter().flat_map(of_cycle).collect();
    all.sort_by(|a, b| (a.kind, &a.place).cmp(&(b.kind, &b.place)));
    all
}

/// Returns what failed, and nothing of the plan: for cycles of which the last one has none.
pub fn failures(cycle: &Cycle<'_>) -> Vec<Trouble> {
    let mut found = BTreeMap::new();
    failed(cycle, &mut found);
    found.into_values().collect()
}

fn of_cycle(cycle: &Cycle<'_>) -> Vec<Trouble> {
    let mut found = BTreeMap::new();
    unread(cycle, &mut found);
    failed(cycle, &mut found);
    refused(cycle, &mut found);
    withheld(cycle, &mut found);
    unprotected(cycle, &mut found);
    found.into_values().collect()
}

type Found = BTreeMap<(Kind, String), Trouble>;

/// Adds one more thing to the trouble of this kind and place; the first reason stands for all.
fn add(found: &mut Found, kind: Kind, place: String, why: &str, duty: Duty) {
    let trouble = found.entry((kind, place.clone())).or_insert_with(|| Trouble {
        kind,
        place,
        n: 0,
        why: why.to_owned(),
        duty,
    });
    trouble.n += 1;
    trouble.duty = trouble.duty.min(duty);
}

fn unread(cycle: &Cycle<'_>, found: &mut Found) {
    for gap in &cycle.plan.gaps {
        let region = gap.region.as_ref().map_or("any region", Region::as_str);
        let place = format!("{} in {}", gap.operation, cycle.place(region));
        add(found, Kind::Unread, place, &gap.error.why, duty_of(&gap.error.why));
    }
}

fn failed(cycle: &Cycle<'_>, found: &mut Found) {
    let ended = || cycle.plan.actions.iter().zip(cycle.outcomes).enumerate();
    // Of several cycles the last one counts that came to an end with the action.
    let last: BTreeMap<String, usize> = ended()
        .filter(|(_, (_, o))| !matches!(o, Outcome::NotStarted(_) | Outcome::Waits(_)))
        .map(|(n, (action, _))| (action.id(), n))
        .collect();
    for (n, (action, outcome)) in ended() {
        let Outcome::Failed(failure) = outcome else { continue };
        if last.get(&action.id()) == Some(&n) {
            let region = cycle.place(action.region.as_str());
            let place = format!("{} of {} in {region}", action.operation(), action.policy);
            add(found, Kind::Failed, place, &failure.why, duty_of(&failure.why));
        }
    }
}

fn refused(cycle: &Cycle<'_>, found: &mut Found) {
    for note in cycle.plan.notes.iter().filter(|note| note.severity == Severity::Fatal) {
        let region = note.region.as_ref().map_or("all regions", Region::as_str);
        add(found, Kind::Refused, cycle.place(region), &note.message, Duty::Report);
    }
}

fn withheld(cycle: &Cycle<'_>, found: &mut Found) {
    for withheld in &cycle.plan.withheld {
        let action = &withheld.action;
        let place = format!("{} in {}", action.policy, cycle.place(action.region.as_str()));
        add(found, Kind::Withheld, place, &withheld.limit, Duty::Review(0));
    }
    for trouble in found.values_mut().filter(|trouble| trouble.kind == Kind::Withheld) {
        trouble.duty = Duty::Review(trouble.n);
    }
}

fn unprotected(cycle: &Cycle<'_>, found: &mut Found) {
    let missing = cycle.plan.protection.iter().filter(|p| p.state.is_unprotected());
    for protection in missing.filter(|protection| !is_on_its_way(cycle, protection)) {
        let Protection { policy, region, copy_from, source, newest, due: _, state } = protection;
        let source = source.map_or_else(|| "what is selected".to_owned(), |s| s.to_string());
        let region = match copy_from {
            Some(from) => format!("{from} to {}", cycle.place(region.as_str())),
            None => cycle.place(region.as_str()),
        };
        let thing = if copy_from.is_some() { "copy" } else { "recovery point" };
        let mut why = match newest {
            Some(newest) => format!("its newest {thing} is of {}", minute(*newest)),
            None => format!("it has no {thing}"),
        };
        if let ProtectionState::Unprotected { since: Some(since) } = state {
            let _ = write!(why, "; unprotected since {}", minute(*since));
        }
        let place = format!("{source} of {policy} in {region}");
        add(found, Kind::Unprotected, place, &why, Duty::Protect);
    }
}

/// Returns true if what is missing was begun by this cycle, or less than a day ago: then there is
/// nothing to tell that time does not settle.
fn is_on_its_way(cycle: &Cycle<'_>, protection: &Protection) -> bool {
    let Some(source) = protection.source else { return false };
    let plan = cycle.plan;
    let mut ended = plan.actions.iter().zip(cycle.outcomes);
    let is_begun = ended.any(|(action, outcome)| {
        let point = action.as_creation().map(|point| point.source);
        let made_of = point.or_else(|| action.as_copy().map(|copy| copy.source));
        outcome.is_done()
            && made_of == Some(source)
            && (&action.policy, action.region) == (&protection.policy, protection.region)
    });
    let name = source.to_string();
    let mut waiting = plan.waiting.iter().filter(|waiting| {
        let since = waiting.since.filter(|_| waiting.ends_by_itself);
        (&waiting.policy, waiting.region) == (&protection.policy, protection.region)
            && since.is_some_and(|since| plan.now < since + TimeDelta::days(1))
    });
    // Such a line names its source.
    is_begun || waiting.any(|waiting| waiting.reason.split([' ', ',']).any(|word| word == name))
}

impl Cycle<'_> {
    fn place(&self, region: &str) -> String {
        self.account.map_or(region.to_owned(), |account| format!("{region} of {account}"))
    }

    /// Returns true if an action was not begun, and so nobody knows whether it would have failed.
    pub fn is_cut_short(&self) -> bool {
        // Of several cycles the last one counts.
        let ended = self.plan.actions.iter().map(Action::id).zip(self.outcomes);
        let last: BTreeMap<String, &Outcome> = ended.collect();
        last.values().any(|outcome| matches!(outcome, Outcome::NotStarted(_)))
    }

    /// Returns the account's id, where it is known.
    pub fn id(&self) -> Option<&Arc<str>> {
        self.plan.account.as_ref()
    }
}

/// Returns what to do about an error of EC2, whose code stands first.
fn duty_of(error: &str) -> Duty {
    match error.split(':').next().unwrap_or_default() {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "OptInRequired" => {
            Duty::Grant
        }
        "NoCredentials"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "AuthFailure" => Duty::Renew,
        _ => Duty::Watch,
    }
}
