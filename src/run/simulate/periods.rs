//! Which periods of a tier have no point, and when a tier keeps nothing: looked for at the end, in
//! the times of all points that were ever restorable.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::config::{Config, RegionalPolicy, Take, Tier, TierRule, Window};
use crate::domain::source::Source;
use crate::plan::period::{Local, Period};
use crate::report::simulation::{PointGap, Promise};
use crate::run::simulate::ledger::{History, Ledger, SourceKey};
use crate::run::simulate::promises::Promises;

/// The time that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

/// Looks for periods without a point, and for tiers that keep nothing.
pub(super) fn check(config: &Config, ledger: &Ledger<'_>, time: Time, promises: &mut Promises<'_>) {
    let mut asked: BTreeMap<usize, Vec<Asked>> = BTreeMap::new();
    for (n, source) in promises.sources.clone() {
        let (policy, region) = ledger.places[n];
        let variant = config.policies[policy].in_region(&region);
        // Of copies, `Protected` says all that is asked.
        if source.region != region || !variant.create {
            continue;
        }
        let asked = asked.entry(n).or_insert_with(|| asked_of(variant, time));
        let empty = History::default();
        let history = ledger.histories.get(&(n, source)).unwrap_or(&empty);
        let mut times = history.times.clone();
        times.sort_unstable();
        times.dedup();
        for asked in &*asked {
            for (from, to) in asked.without_point(variant.timezone, &times) {
                let promise = Promise::Period { tier: asked.rule.tier.name() };
                promises.break_(promise, (policy, region), Some(source), (from, Some(to)));
            }
        }
        for rule in &variant.retention.tiers {
            for (from, to) in empty_times(variant, *rule, &times, time) {
                let window = rule.window.to_string();
                let promise = Promise::Window { tier: rule.tier.name(), window };
                promises.break_(promise, (policy, region), Some(source), (from, to));
            }
        }
    }
}

/// The periods of a tier in which a point has to be made.
struct Asked {
    rule: TierRule,
    /// With the first and the last slot of each.
    periods: BTreeMap<Period, (DateTime<Utc>, DateTime<Utc>)>,
}

/// Returns the periods in which a slot falls that could have been filled in time.
fn asked_of(variant: &RegionalPolicy, time: Time) -> Vec<Asked> {
    let with_periods = variant.retention.tiers.iter().filter(|rule| rule.tier != Tier::Every);
    let mut all: Vec<Asked> =
        with_periods.map(|rule| Asked { rule: *rule, periods: BTreeMap::new() }).collect();
    let Some(schedule) = &variant.schedule else { return Vec::new() };
    let mut slot = schedule.slot_after(time.from - TimeDelta::seconds(1));
    while let Some(at) =
        slot.filter(|at| variant.point_grace.end(*at, variant.timezone) <= time.until)
    {
        let local = Local::new(at, variant.timezone);
        for asked in &mut all {
            let is_taken = asked.rule.take != Take::FirstDay || local.is_first_day(asked.rule.tier);
            if let Some(period) = local.period(asked.rule.tier).filter(|_| is_taken) {
                asked.periods.entry(period).or_insert((at, at)).1 = at;
            }
        }
        slot = schedule.slot_after(at);
    }
    all
}

impl Asked {
    /// Returns of each period without a point its first and last slot.
    fn without_point<'a>(
        &'a self,
        zone: Tz,
        times: &[DateTime<Utc>],
    ) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> + use<'a> {
        let filled: BTreeSet<Period> =
            representatives(self.rule, zone, times).into_iter().filter_map(|(_, p)| p).collect();
        let missing = self.periods.iter().filter(move |(period, _)| !filled.contains(period));
        missing.map(|(_, slots)| *slots)
    }
}

/// Returns the time of the point that stands for each period; for [`Tier::Every`], all.
fn representatives(
    rule: TierRule,
    zone: Tz,
    times: &[DateTime<Utc>],
) -> Vec<(DateTime<Utc>, Option<Period>)> {
    let mut found: Vec<(DateTime<Utc>, Option<Period>)> = Vec::new();
    for at in times {
        let local = Local::new(*at, zone);
        let period = local.period(rule.tier);
        let is_same = period.is_some() && found.last().is_some_and(|(_, last)| *last == period);
        match rule.take {
            Take::Last => {
                found.pop_if(|_| is_same);
                found.push((*at, period));
            }
            Take::First if !is_same => found.push((*at, period)),
            Take::FirstDay if !is_same && local.is_first_day(rule.tier) => {
                found.push((*at, period));
            }
            Take::First | Take::FirstDay => {}
        }
    }
    found
}

/// Returns when a tier keeps nothing although it did before: its window ends before the next point
/// that it could keep. The grace of a point is forgiven.
fn empty_times(
    variant: &RegionalPolicy,
    rule: TierRule,
    times: &[DateTime<Utc>],
    time: Time,
) -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>)> {
    let Window::For(span) = rule.window else { return Vec::new() };
    let (zone, grace) = (variant.timezone, variant.point_grace);
    // Until a period is over, its newest point is the last one; so any point keeps the tier busy.
    let rule = TierRule {
        take: if rule.take == Take::Last { Take::First } else { rule.take },
        tier: if rule.take == Take::Last { Tier::Every } else { rule.tier },
        ..rule
    };
    let found = representatives(rule, zone, times);
    let next = found.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
    let mut empty = Vec::new();
    for ((at, _), next) in found.iter().zip(next) {
        let from = span.end(*at, zone).max(time.from);
        let to = next.unwrap_or(time.until).min(time.until);
        if grace.end(from, zone) < to {
            empty.push((from, next));
        }
    }
    empty
}

/// Returns the largest gap between restorable points of any source of a place; none where nobody
/// makes any.
pub(super) fn largest_gap(
    ledger: &Ledger<'_>,
    sources: &BTreeSet<SourceKey>,
    place: usize,
    time: Time,
) -> Option<PointGap> {
    let here = sources.iter().filter(|(n, _)| *n == place);
    // Images that others make come when they come.
    let made = here.filter(|(_, source)| !matches!(source.source, Source::Family(_)));
    let gaps = made.flat_map(|key| {
        let mut times =
            ledger.histories.get(key).map_or(Vec::new(), |history| history.times.clone());
        times.sort_unstable();
        gaps(&times, time)
            .into_iter()
            .map(|gap| PointGap { source: key.1.source.to_string(), ..gap })
    });
    // Of equal ones the first.
    gaps.reduce(|largest, gap| if largest.length() < gap.length() { gap } else { largest })
}

/// Returns the gaps between points that end within the time, and the one that it ends in.
fn gaps(times: &[DateTime<Utc>], time: Time) -> Vec<PointGap> {
    let mut after = times.iter().rev().find(|at| **at <= time.from).copied();
    let mut found = Vec::new();
    let mut gap = |after: Option<DateTime<Utc>>, to: DateTime<Utc>, is_open: bool| {
        let from = after.unwrap_or(time.from);
        found.push(PointGap { source: String::new(), after, from, to, is_open });
    };
    for at in times.iter().filter(|at| time.from < **at && **at <= time.until) {
        gap(after, *at, false);
        after = Some(*at);
    }
    gap(after, time.until, true);
    found
}
