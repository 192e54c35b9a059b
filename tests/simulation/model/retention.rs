//! Retention over one lineage, by DESIGN section 3, "Retention, exactly": what every reading keeps,
//! and what some reading does.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use snapkeep::config::{Orphans, Retention, Take, Tier, TierRule, Window};

use super::period::{Period, is_first_day, period};

/// What retention sees of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) time: DateTime<Utc>,
    pub(super) status: Status,
    /// Whether `keep_last` lapses for it, since a newer point of ours covers its volume.
    pub(super) is_covered: bool,
}

/// How much of a point is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Complete,
    /// Something is there, but not all, and nothing more is coming.
    Incomplete,
    Pending,
    Failed,
}

/// One lineage's rules at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'r> {
    pub(super) retention: &'r Retention,
    pub(super) zone: Tz,
    pub(super) now: DateTime<Utc>,
    pub(super) is_source_gone: bool,
}

/// Which bound is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What every reading keeps.
    Required,
    /// What some reading keeps.
    Allowed,
}

/// Why a point is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Tier(Tier),
    KeepLast,
    NewerThanComplete,
    Forever,
    Future,
    Waiting,
    FailedLately,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier(tier) => f.write_str(tier.name()),
            Self::KeepLast => f.write_str("keep_last"),
            Self::NewerThanComplete => f.write_str("newer than the newest complete one"),
            Self::Forever => f.write_str("forever"),
            Self::Future => f.write_str("in the future"),
            Self::Waiting => f.write_str("waiting"),
            Self::FailedLately => f.write_str("failed lately"),
        }
    }
}

/// Returns why each point is kept, if it is.
pub(super) fn kept(points: &[Dated], rule: &Rule<'_>, side: Side) -> Vec<Option<Why>> {
    let tiers: Vec<(Tier, Vec<bool>)> = rule
        .retention
        .tiers
        .iter()
        .map(|tier| (tier.tier, held(points, tier, rule.zone, rule.now, side)))
        .collect();
    let is_lapsed = is_keep_last_lapsed(points, rule, side);
    let why = |(index, point): (usize, &Dated)| match point.status {
        Status::Pending => Some(Why::Waiting),
        Status::Failed => (side == Side::Allowed && is_memory(points, point, rule.now))
            .then_some(Why::FailedLately),
        Status::Complete | Status::Incomplete if rule.retention.forever => Some(Why::Forever),
        Status::Complete | Status::Incomplete if rule.now < point.time => Some(Why::Future),
        Status::Complete | Status::Incomplete => {
            let tier = tiers.iter().find(|(_, held)| held[index]);
            tier.map(|(tier, _)| Why::Tier(*tier))
                .or_else(|| (!is_lapsed).then(|| last(points, point, rule, side)).flatten())
        }
    };
    points.iter().enumerate().map(why).collect()
}

/// Returns which points one tier keeps.
pub(super) fn held(
    points: &[Dated],
    rule: &TierRule,
    zone: Tz,
    now: DateTime<Utc>,
    side: Side,
) -> Vec<bool> {
    let is_in_span = |point: &Dated| match rule.window {
        Window::For(span) => now < span.end(point.time, zone),
        Window::Count(_) => true,
    };
    let has_data = |p: &Dated| matches!(p.status, Status::Complete | Status::Incomplete);
    let is_past = |point: &Dated| point.time <= now;
    if rule.tier == Tier::Every {
        return points.iter().map(|p| has_data(p) && is_past(p) && is_in_span(p)).collect();
    }
    let mut periods: BTreeMap<Period, Vec<usize>> = BTreeMap::new();
    for (index, point) in points.iter().enumerate() {
        let Some(period) = period(rule.tier, point.time, zone) else { continue };
        if is_past(point) && point.status != Status::Failed {
            periods.entry(period).or_default().push(index);
        }
    }
    let mut held = vec![false; points.len()];
    let mut n_newer = 0;
    for within in periods.values().rev() {
        if matches!(rule.window, Window::Count(n) if n <= n_newer) {
            break;
        }
        let (standing, is_counted) = representatives(points, within, rule, zone, side);
        n_newer += u32::from(is_counted);
        for index in standing {
            held[index] = is_in_span(&points[index]);
        }
    }
    held
}

/// Returns what stands for one period, and whether the period takes one place of a count.
///
/// An unfinished point may stand for it later: then older periods are not required, but allowed.
fn representatives(
    points: &[Dated],
    within: &[usize],
    rule: &TierRule,
    zone: Tz,
    side: Side,
) -> (Vec<usize>, bool) {
    let is_first_day = |index: &usize| {
        rule.take != Take::FirstDay || is_first_day(rule.tier, points[*index].time, zone)
    };
    let pick = |status: Status| -> Vec<usize> {
        let among = || within.iter().copied().filter(|i| points[*i].status == status);
        let times = among().map(|i| points[i].time);
        let time = if rule.take == Take::Last { times.max() } else { times.min() };
        among().filter(|i| Some(points[*i].time) == time).filter(is_first_day).collect()
    };
    let has_complete = within.iter().any(|i| points[*i].status == Status::Complete);
    let complete = pick(Status::Complete);
    match side {
        Side::Required => {
            let mut standing = if has_complete { complete } else { pick(Status::Incomplete) };
            // Of two of one instant either may stand.
            if 1 < standing.len() {
                standing.clear();
            }
            (standing, within.iter().any(is_first_day))
        }
        Side::Allowed if complete.is_empty() => (pick(Status::Incomplete), false),
        Side::Allowed => (complete, true),
    }
}

/// Returns why `point` is kept without a tier, if it is.
fn last(points: &[Dated], point: &Dated, rule: &Rule<'_>, side: Side) -> Option<Why> {
    let complete = || points.iter().filter(|p| p.status == Status::Complete);
    if point.status == Status::Complete {
        let n_newer = match side {
            // Of two of one instant either may be the newer one; so may what is in the future.
            Side::Required => complete().filter(|p| point.time <= p.time).count() - 1,
            Side::Allowed => {
                complete().filter(|p| point.time < p.time && p.time <= rule.now).count()
            }
        };
        let is_last = n_newer < rule.retention.keep_last as usize && !point.is_covered;
        return is_last.then_some(Why::KeepLast);
    }
    let is_newer = !complete().any(|p| match side {
        Side::Required => point.time <= p.time,
        Side::Allowed => point.time < p.time && p.time <= rule.now,
    });
    is_newer.then_some(Why::NewerThanComplete)
}

/// Returns true if the source is gone and its points are not kept for being the last any longer.
pub(super) fn is_keep_last_lapsed(points: &[Dated], rule: &Rule<'_>, side: Side) -> bool {
    let counts = |p: &&Dated| match side {
        Side::Required => p.status == Status::Complete && p.time <= rule.now,
        Side::Allowed => p.status != Status::Failed,
    };
    rule.is_source_gone
        && match rule.retention.orphans {
            Orphans::KeepLast => false,
            Orphans::Expire => true,
            Orphans::After(span) => {
                let newest = points.iter().filter(counts).map(|p| p.time).max();
                newest.is_none_or(|newest| span.end(newest, rule.zone) <= rule.now)
            }
        }
}

/// Returns true if a failed point may still be there: for 24 hours, and as memory of the newest
/// attempt until a later one completes.
fn is_memory(points: &[Dated], failed: &Dated, now: DateTime<Utc>) -> bool {
    let is_later = |p: &&Dated| failed.time < p.time;
    let mut later = points.iter().filter(is_later);
    now < failed.time + TimeDelta::hours(24)
        || !later.any(|p| matches!(p.status, Status::Failed | Status::Complete))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDateTime, Utc};
    use chrono_tz::Tz;
    use snapkeep::config::{Retention, parse};

    use super::{Dated, Rule, Side, Status, kept};

    fn retention(text: &str) -> Retention {
        let text = format!(
            "version = 1\n[[policy]]\nname = \"p\"\nregions = [\"eu-west-1\"]\n\
             schedule = \"@daily\"\nselect = {{ resource = \"volume\" }}\nretention = {text}\n"
        );
        let config = parse(&[("scene.toml".to_owned(), text)]).unwrap();
        config.policies[0].base.retention.clone()
    }

    fn at(text: &str) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
    }

    /// Points are dates with `?` for a pending, `-` for an incomplete, `!` for a failed one.
    fn points(text: &str) -> Vec<Dated> {
        let point = |text: &str| {
            let (time, status) = match text.split_at(text.len() - 1) {
                (time, "?") => (time, Status::Pending),
                (time, "-") => (time, Status::Incomplete),
                (time, "!") => (time, Status::Failed),
                _ => (text, Status::Complete),
            };
            Dated { time: at(time), status, is_covered: false }
        };
        text.split(", ").map(point).collect()
    }

    /// Returns a letter for each point: `R` required, `a` only allowed, `.` neither.
    fn check(rules: &str, zone: Tz, now: &str, is_source_gone: bool, text: &str) -> String {
        let retention = retention(rules);
        let rule = Rule { retention: &retention, zone, now: at(now), is_source_gone };
        let points = points(text);
        let required = kept(&points, &rule, Side::Required);
        let allowed = kept(&points, &rule, Side::Allowed);
        let letter = |(required, allowed): (_, &Option<_>)| match (required, allowed) {
            (&Some(_), None) => panic!("required, but not allowed: {rules} {text}"),
            (&Some(_), Some(_)) => 'R',
            (&None, Some(_)) => 'a',
            (&None, None) => '.',
        };
        required.iter().zip(&allowed).map(letter).collect()
    }

    #[test]
    fn each_rule_keeps_what_the_design_says() {
        for (rules, now, text, expected) in [
            // The first of each day, and the newest.
            (
                "{ daily = \"2 days\" }",
                "2026-03-03 12:00",
                "2026-03-01 11:59, 2026-03-01 12:01, 2026-03-02 01:00, 2026-03-02 02:00, 2026-03-03 01:00",
                "..R.R",
            ),
            // A point is kept while its time and the span are after now.
            (
                "{ every = \"2 days\" }",
                "2026-03-03 12:00",
                "2026-03-01 12:00, 2026-03-01 12:01, 2026-03-02 01:00",
                ".RR",
            ),
            // A missed 1st: the 2nd stands for its month, but not with `first-day`.
            (
                "{ monthly = \"7 months\" }",
                "2026-04-20 12:00",
                "2026-02-02 03:00, 2026-03-01 03:00, 2026-04-19 03:00",
                "RRR",
            ),
            (
                "{ monthly = { for = \"7 months\", take = \"first-day\" } }",
                "2026-04-20 12:00",
                "2026-02-02 03:00, 2026-03-01 03:00, 2026-04-18 03:00, 2026-04-19 03:00",
                ".R.R",
            ),
            (
                "{ weekly = { for = \"8 weeks\", take = \"last\" } }",
                "2026-03-11 12:00",
                "2026-03-02 03:00, 2026-03-08 03:00, 2026-03-09 03:00, 2026-03-10 03:00",
                ".R.R",
            ),
            // Counts are of periods that have a representative.
            (
                "{ daily = 2 }",
                "2026-03-09 12:00",
                "2026-03-01 03:00, 2026-03-04 03:00, 2026-03-04 04:00, 2026-03-08 03:00",
                ".R.R",
            ),
            // What is pending may stand for the newest period soon.
            (
                "{ daily = 2 }",
                "2026-03-09 12:00",
                "2026-03-01 03:00, 2026-03-04 03:00, 2026-03-08 03:00, 2026-03-09 03:00?",
                ".aRR",
            ),
            // What is incomplete stands for a period only without a complete one.
            (
                "{ daily = 9 }",
                "2026-03-09 12:00",
                "2026-03-04 03:00-, 2026-03-05 03:00-, 2026-03-05 04:00, 2026-03-08 03:00",
                "R.RR",
            ),
            // It is kept while nothing complete is newer, and never counts for `keep_last`.
            (
                "{ every = \"1 hour\" }",
                "2026-03-09 12:00",
                "2026-03-01 03:00-, 2026-03-02 03:00, 2026-03-03 03:00-, 2026-03-04 03:00-",
                ".RRR",
            ),
            (
                "{ every = \"1 hour\", keep_last = 2 }",
                "2026-03-09 12:00",
                "2026-03-01 03:00, 2026-03-02 03:00, 2026-03-03 03:00-, 2026-03-04 03:00",
                ".R.R",
            ),
            // A failed one represents nothing; the newest is remembered until a later one completes.
            (
                "{ daily = \"9 days\" }",
                "2026-03-09 12:00",
                "2026-03-07 03:00!, 2026-03-07 04:00, 2026-03-08 01:00!, 2026-03-08 02:00!",
                ".R.a",
            ),
            // What is in the future is kept, and stands for nothing.
            (
                "{ daily = 1 }",
                "2026-03-09 12:00",
                "2026-03-08 03:00, 2026-03-09 03:00, 2026-03-10 03:00",
                ".RR",
            ),
        ] {
            assert_eq!(check(rules, Tz::UTC, now, false, text), expected, "{rules} {text}");
        }
    }

    #[test]
    fn days_are_local() {
        let text = "2026-03-01 14:00, 2026-03-01 15:00, 2026-03-01 16:00";
        let rules = "{ daily = \"9 days\" }";
        assert_eq!(check(rules, Tz::UTC, "2026-03-02 12:00", false, text), "R.R");
        assert_eq!(check(rules, Tz::Asia__Seoul, "2026-03-02 12:00", false, text), "RRR");
    }

    #[test]
    fn points_of_a_source_that_is_gone_expire_as_told() {
        let text = "2026-03-01 03:00, 2026-03-02 03:00, 2026-03-03 03:00-";
        for (orphans, now, is_gone, expected) in [
            ("keep-last", "2026-04-01 12:00", true, ".RR"),
            ("expire", "2026-04-01 12:00", false, ".RR"),
            ("expire", "2026-04-01 12:00", true, "..."),
            ("30 days", "2026-04-01 02:59", true, ".RR"),
            // By which point the span is counted is open: the newest, or the newest complete one.
            ("30 days", "2026-04-01 03:01", true, ".aa"),
            ("30 days", "2026-04-02 03:01", true, "..."),
        ] {
            let rules = format!("{{ every = \"1 day\", orphans = \"{orphans}\" }}");
            assert_eq!(check(&rules, Tz::UTC, now, is_gone, text), expected, "{orphans} {now}");
        }
    }
}
