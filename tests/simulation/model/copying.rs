//! Which points a region still wants copies of, by DESIGN section 3, "Copies, exactly".

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::{CopyRule, RegionalPolicy, Take, Tier, TierRule, Window};

use super::claim::Key;
use super::lineage::Lineage;
use super::period::period;
use super::retention::{Dated, Side, Status, held};

/// One rule for copies of one source's points, with what there is at both ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route<'r, 't> {
    pub(super) here: &'r RegionalPolicy,
    pub(super) rule: &'r CopyRule,
    pub(super) home: &'r Lineage<'t>,
    pub(super) there: Option<&'r Lineage<'t>>,
    /// The time of the rule's first copy of whatever source, if all are known.
    pub(super) first_of_rule: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

/// A point with what retention sees of it.
type Known = (Key, Dated);

impl Route<'_, '_> {
    /// Returns the points that are wanted as copies now, and of which there is none that is
    /// complete: by every reading, or by some.
    pub(super) fn missing(&self, side: Side) -> BTreeSet<Key> {
        let (early, late) = self.home.dated();
        let res = self.missing_of(&early, side);
        if early == late {
            return res;
        }
        let other = self.missing_of(&late, side);
        match side {
            Side::Required => res.intersection(&other).copied().collect(),
            Side::Allowed => res.union(&other).copied().collect(),
        }
    }

    fn missing_of(&self, dated: &[Dated], side: Side) -> BTreeSet<Key> {
        let there = self.there();
        // A rule may be seen to begin with the first copy of this source, or of any: what is older
        // competes for the periods then, too.
        let all = self.candidates(dated, side);
        let since =
            |first| all.iter().copied().filter(|p| self.is_begun(p, dated, first)).collect();
        let first = there.iter().map(|(_, copy)| copy.time).min();
        let narrow: Vec<Known> = since(first);
        let res: Vec<Key> = match side {
            Side::Required => {
                let wide = self.kept(&all, &there, side);
                let mut keys = self.kept(&narrow, &there, side);
                keys.retain(|key| wide.contains(key) && narrow.iter().any(|(k, _)| k == key));
                keys.into_iter().collect()
            }
            Side::Allowed => {
                let wide: Vec<Known> = since(self.first_of_rule.or(first));
                let kept = [&narrow, &wide].map(|among| self.kept(among, &there, side));
                let keys = wide.iter().chain(&narrow).map(|(key, _)| *key);
                keys.filter(|key| kept.iter().any(|kept| kept.contains(key))).collect()
            }
        };
        let is_complete = |key: &Key| {
            let copy = self.there.and_then(|there| there.point(*key));
            copy.is_some_and(|point| point.status == Status::Complete)
        };
        res.into_iter().filter(|key| !is_complete(key)).collect()
    }

    /// Returns the complete points that the rule is about.
    fn candidates(&self, dated: &[Dated], side: Side) -> Vec<Known> {
        let zone = self.here.timezone;
        let is_meant = match self.rule.only {
            None => vec![true; dated.len()],
            Some(only) => {
                let tier = self.here.retention.tiers.iter().find(|tier| tier.tier == only);
                tier.map_or(vec![false; dated.len()], |tier| {
                    let mut held = held(dated, tier, zone, self.now, side);
                    for (held, point) in held.iter_mut().zip(dated) {
                        *held &= self.is_settled(tier, point.time, side);
                    }
                    held
                })
            }
        };
        let points = self.home.points.iter().zip(dated).zip(is_meant);
        points
            .filter(|((_, dated), is_meant)| {
                *is_meant && dated.status == Status::Complete && dated.time <= self.now
            })
            .map(|((point, dated), _)| (point.key, *dated))
            .collect()
    }

    /// Returns the copies that are there or on their way, each as if it were complete.
    fn there(&self) -> Vec<Known> {
        let Some(there) = self.there else { return Vec::new() };
        let dated = there.dated().0.into_iter();
        let known = there.points.iter().map(|point| point.key).zip(dated);
        known
            .filter(|(_, dated)| dated.status != Status::Failed)
            .map(|(key, dated)| (key, Dated { status: Status::Complete, ..dated }))
            .collect()
    }

    /// Returns true unless the point is older than the rule's `first` copy; that one is of the
    /// newest point.
    fn is_begun(&self, (_, point): &Known, home: &[Dated], first: Option<DateTime<Utc>>) -> bool {
        let complete = home.iter().filter(|p| p.status == Status::Complete);
        let newest = complete.map(|p| p.time).max();
        self.rule.existing || first.or(newest).is_some_and(|first| first <= point.time)
    }

    /// Returns which points a tier of the destination would keep, were all of `among` copied.
    fn kept(&self, among: &[Known], there: &[Known], side: Side) -> BTreeSet<Key> {
        let is_new = |(key, _): &&Known| !there.iter().any(|(other, _)| other == key);
        let all: Vec<Known> = there.iter().chain(among.iter().filter(is_new)).copied().collect();
        let dated: Vec<Dated> = all.iter().map(|(_, dated)| *dated).collect();
        let kept = self.kept_by_tier(&dated, side);
        all.iter().zip(kept).filter(|(_, kept)| *kept).map(|((key, _), _)| *key).collect()
    }

    fn kept_by_tier(&self, dated: &[Dated], side: Side) -> Vec<bool> {
        let retention = &self.rule.retention;
        let mut res = vec![retention.forever; dated.len()];
        let zone = self.here.timezone;
        for tier in &retention.tiers {
            // The latest of a period is known once the period is over.
            let is_over = |at: DateTime<Utc>| self.is_settled(tier, at, side);
            let held = held(dated, tier, zone, self.now, side);
            for (index, held) in held.into_iter().enumerate() {
                res[index] |= held && is_over(dated[index].time);
            }
        }
        res
    }

    /// Returns true unless the period is not over of which the latest is taken.
    fn is_settled(&self, tier: &TierRule, at: DateTime<Utc>, side: Side) -> bool {
        let zone = self.here.timezone;
        side == Side::Allowed
            || tier.take != Take::Last
            || period(tier.tier, at, zone) < period(tier.tier, self.now, zone)
    }

    /// Returns true if a copy need not be begun any more: the first point of the same period may have
    /// been kept and expired by now, where a tier reaches back two periods or more.
    pub(super) fn may_come_too_late(&self, time: DateTime<Utc>) -> bool {
        let mut tiers = self.rule.retention.tiers.iter();
        tiers.any(|tier| {
            let longest = match tier.tier {
                Tier::Every => return false,
                Tier::Hourly => TimeDelta::hours(1),
                Tier::Daily => TimeDelta::hours(25),
                Tier::Weekly => TimeDelta::hours(7 * 24 + 1),
                Tier::Monthly => TimeDelta::days(32),
                Tier::Yearly => TimeDelta::days(367),
            };
            let Window::For(span) = tier.window else { return false };
            let end = span.end(time, self.here.timezone);
            time + longest * 2 <= end + TimeDelta::days(2) && end - longest <= self.now
        })
    }

    /// Returns true if nobody has to wait for a copy of the point any longer.
    pub(super) fn is_given_up(&self, time: DateTime<Utc>) -> bool {
        self.here.copy_give_up.end(time, self.here.timezone) <= self.now
    }
}
