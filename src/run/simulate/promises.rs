//! Which promises were broken while time passed: what cycles said of protection, limits and plans.
//!
//! What only the whole time tells, such as a week without a point, is for `periods`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::domain::region::Region;
use crate::domain::source::RegionalSource;
use crate::plan::{ExpireReason, Plan, ProtectionState, Severity};
use crate::report::simulation::{Broken, Promise};
use crate::run::cycle::Report;
use crate::run::simulate::ledger::{Ledger, Place, SourceKey, name};

/// A plan that is refused again and again may say something else each time.
const NOTES_MAX: usize = 20;

/// What is collected while time passes.
#[derive(Debug)]
pub(super) struct Promises<'c> {
    config: &'c Config,
    from: DateTime<Utc>,
    broken: BTreeMap<Key, Incidents>,
    /// Sources that lack a point now, and since when.
    open: BTreeMap<SourceKey, DateTime<Utc>>,
    /// What each place protects, or has copies of.
    pub(super) sources: BTreeSet<SourceKey>,
}

/// A promise, and whose: a policy's in a region, or of a whole region.
type Key = (Promise, Option<Place>, Option<Region>);

/// How often a promise was broken.
#[derive(Debug, Default)]
struct Incidents {
    n: usize,
    sources: BTreeSet<RegionalSource>,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    /// Whether one of them has not ended.
    is_open: bool,
}

impl<'c> Promises<'c> {
    pub(super) fn new(config: &'c Config, from: DateTime<Utc>) -> Self {
        let (broken, open, sources) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { config, from, broken, open, sources }
    }

    /// Takes note that a promise was not kept: of a source, if it is of one, until `to`, unless it
    /// still is not.
    pub(super) fn break_(
        &mut self,
        promise: Promise,
        place: Place,
        source: Option<RegionalSource>,
        (from, to): (DateTime<Utc>, Option<DateTime<Utc>>),
    ) {
        self.add((promise, Some(place), None), source, (from, to));
    }

    fn add(
        &mut self,
        key: Key,
        source: Option<RegionalSource>,
        (from, to): (DateTime<Utc>, Option<DateTime<Utc>>),
    ) {
        let incidents = self.broken.entry(key).or_default();
        incidents.n += 1;
        incidents.sources.extend(source);
        incidents.first = Some(incidents.first.map_or(from, |first| first.min(from)));
        incidents.last = incidents.last.max(to);
        incidents.is_open |= to.is_none();
    }

    /// Looks at what a cycle planned and did.
    pub(super) fn after_cycle(&mut self, report: &Report, ledger: &mut Ledger<'_>) {
        let Report { plan, outcomes, .. } = report;
        self.protection(plan, ledger);
        let now = (plan.now, Some(plan.now));
        let withheld = plan.withheld.iter().map(|withheld| &withheld.action);
        let places: BTreeSet<Place> = withheld
            .filter_map(|action| place(self.config, &action.policy, action.region))
            .collect();
        for place in places {
            self.break_(Promise::Limits, place, None, now);
        }
        for note in plan.notes.iter().filter(|note| note.severity == Severity::Fatal) {
            let is_note = |key: &&Key| matches!(key.0, Promise::Sound { .. });
            let key = (Promise::Sound { note: note.message.clone() }, None, note.region);
            let n_notes = self.broken.keys().filter(is_note).count();
            if n_notes < NOTES_MAX || self.broken.contains_key(&key) {
                self.add(key, None, now);
            }
        }
        let ended = plan.actions.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_done());
        for (action, _) in ended {
            let delete = action.as_delete();
            let gave_up = delete.filter(|d| matches!(d.reason, ExpireReason::GivenUp(_)));
            let place = place(self.config, &action.policy, action.region);
            if let Some((delete, place)) = gave_up.zip(place) {
                let source = RegionalSource { region: action.region, source: delete.source };
                self.break_(Promise::Copied, place, Some(source), now);
            }
        }
    }

    /// Looks at what a plan says of protection. What it cannot know stays as it was.
    pub(super) fn protection(&mut self, plan: &Plan, ledger: &mut Ledger<'_>) {
        for row in &plan.protection {
            let Some(source) = row.source else { continue };
            let Some(place) = place(self.config, &row.policy, row.region) else { continue };
            let region = row.copy_from.unwrap_or(row.region);
            let source = RegionalSource { region, source };
            let key = (ledger.place(place), source);
            self.sources.insert(key);
            match row.state {
                ProtectionState::Unprotected { since } => {
                    let since = since.map_or(self.from, |since| since.max(self.from));
                    if self.is_asked(place, source, plan.now) {
                        self.open.entry(key).or_insert(since);
                    }
                }
                ProtectionState::Protected | ProtectionState::New { .. } => {
                    if let Some(since) = self.open.remove(&key) {
                        let span = (since, Some(plan.now));
                        self.break_(Promise::Protected, place, Some(source), span);
                    }
                }
                ProtectionState::Unknown(_) => {}
            }
        }
    }

    /// Returns true once there was time to make up for what was missing at the beginning.
    fn is_asked(&self, (policy, here): Place, source: RegionalSource, now: DateTime<Utc>) -> bool {
        let variant = self.config.policies[policy].in_region(&source.region);
        let grace = if here == source.region { variant.point_grace } else { variant.copy_grace };
        grace.end(self.from, variant.timezone) <= now
    }

    /// Returns everything that was not kept, the worst first.
    pub(super) fn end(mut self, ledger: &Ledger<'_>) -> Vec<Broken> {
        for ((place, source), since) in std::mem::take(&mut self.open) {
            let place = ledger.places[place];
            self.break_(Promise::Protected, place, Some(source), (since, None));
        }
        for ((place, source), at) in &ledger.losses {
            if self.sources.contains(&(*place, *source)) {
                let place = ledger.places[*place];
                self.break_(Promise::NewestStays, place, Some(*source), (*at, Some(*at)));
            }
        }
        for gave_up in &ledger.gave_up {
            let (place, at) = (ledger.places[gave_up.place], gave_up.at);
            self.break_(Promise::Attempts, place, Some(gave_up.source), (at, Some(at)));
        }
        let config = self.config;
        let broken = self.broken.into_iter().map(|((promise, place, region), incidents)| Broken {
            promise,
            policy: place.map(|place| name(config, place)),
            region: place.map(|(_, region)| region).or(region),
            n: incidents.n,
            n_sources: incidents.sources.len(),
            example: incidents.sources.first().map(|source| source.source.to_string()),
            first: incidents.first.unwrap_or_default(),
            last: incidents.last.filter(|_| !incidents.is_open),
        });
        broken.collect()
    }
}

/// Returns the place of a policy that has this name.
fn place(config: &Config, policy: &str, region: Region) -> Option<Place> {
    let policy = config.policies.iter().position(|known| known.name.as_ref() == policy)?;
    Some((policy, region))
}
