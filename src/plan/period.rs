//! Which period of a tier an instant falls into, on a local calendar.

use chrono::{
    DateTime, Datelike as _, Days, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _,
    Utc,
};
use chrono_tz::Tz;

use crate::config::Tier;
use crate::domain::span::Span;

/// A period of one tier: equal for two instants exactly if they share it, ordered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(i64, i32);

/// An instant on a local calendar.
#[derive(Debug, Clone, Copy)]
pub struct Local(DateTime<Tz>);

impl Local {
    /// Reads `at` on the calendar of `zone`.
    pub fn new(at: DateTime<Utc>, zone: Tz) -> Self {
        Self(at.with_timezone(&zone))
    }

    /// Returns the end of `span` after it.
    pub fn end_of(self, span: Span) -> DateTime<Utc> {
        span.end_after(self.0)
    }

    /// Returns the period of `tier`; none for [`Tier::Every`], which has no periods.
    pub fn period(self, tier: Tier) -> Option<Period> {
        let date = self.0.date_naive();
        let day = i64::from(date.num_days_from_ce());
        match tier {
            Tier::Every => None,
            Tier::Hourly => {
                // The hour that a clock change repeats is two hours; the first pass has the
                // larger offset and comes first.
                let offset = self.0.offset().fix().local_minus_utc();
                Some(Period(day * 24 + i64::from(self.0.hour()), -offset))
            }
            Tier::Daily => Some(Period(day, 0)),
            // By the week's Monday: no calendar year can split a week.
            Tier::Weekly => Some(Period(day - i64::from(date.weekday().num_days_from_monday()), 0)),
            Tier::Monthly => {
                Some(Period(i64::from(date.year()) * 12 + i64::from(date.month0()), 0))
            }
            Tier::Yearly => Some(Period(i64::from(date.year()), 0)),
        }
    }

    /// Returns when the period of `tier` begins; the instant itself for [`Tier::Every`].
    #[must_use]
    pub fn begin_of(self, tier: Tier) -> Self {
        let date = self.0.date_naive();
        let first = match tier {
            Tier::Every => return self,
            Tier::Hourly => {
                let into = TimeDelta::minutes(self.0.minute().into());
                return Self(self.0 - into - TimeDelta::seconds(self.0.second().into()));
            }
            Tier::Daily => Some(date),
            Tier::Weekly => {
                let into = date.weekday().num_days_from_monday();
                date.checked_sub_days(Days::new(into.into()))
            }
            Tier::Monthly => date.with_day(1),
            Tier::Yearly => date.with_ordinal(1),
        };
        let midnight = first.unwrap_or(date).and_time(NaiveTime::MIN);
        // A clock change may skip midnight; the day begins after it.
        let zone = self.0.timezone();
        let begin = [midnight, midnight + TimeDelta::hours(1)];
        let mut begin = begin.iter().filter_map(|at| zone.from_local_datetime(at).earliest());
        begin.next().map_or(self, Self)
    }

    /// Returns true on the first local day of the period of `tier`; always, where a period is not
    /// longer than a day.
    pub fn is_first_day(self, tier: Tier) -> bool {
        let date = self.0.date_naive();
        match tier {
            Tier::Every | Tier::Hourly | Tier::Daily => true,
            Tier::Weekly => date.weekday().num_days_from_monday() == 0,
            Tier::Monthly => date.day() == 1,
            Tier::Yearly => date.ordinal() == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Tier;

    use super::Local;

    fn share(tier: Tier, zone: &str, a: &str, b: &str) -> bool {
        let zone = zone.parse().unwrap();
        let period = |at: &str| Local::new(at.parse().unwrap(), zone).period(tier);
        period(a) == period(b)
    }

    #[test]
    fn periods_begin_with_their_first_instant() {
        for (tier, zone, at, expected) in [
            (Tier::Hourly, "Asia/Kolkata", "2026-01-01T00:29:59Z", "2025-12-31T23:30:00Z"),
            (Tier::Daily, "Asia/Seoul", "2026-01-01T14:59:59Z", "2025-12-31T15:00:00Z"),
            (Tier::Weekly, "UTC", "2026-01-01T03:00:00Z", "2025-12-29T00:00:00Z"),
            (Tier::Monthly, "America/New_York", "2026-03-31T12:00:00Z", "2026-03-01T05:00:00Z"),
            (Tier::Yearly, "UTC", "2026-12-31T23:00:00Z", "2026-01-01T00:00:00Z"),
            // On that day the clock went from midnight to one.
            (Tier::Daily, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z"),
        ] {
            let local = Local::new(at.parse().unwrap(), zone.parse().unwrap());
            let begin = local.begin_of(tier).0.to_utc();
            assert_eq!(begin, expected.parse::<chrono::DateTime<chrono::Utc>>().unwrap(), "{zone}");
        }
    }

    #[test]
    fn later_periods_come_later() {
        for (tier, zone, a, b) in [
            (Tier::Hourly, "UTC", "2026-01-01T01:30:00Z", "2026-01-01T02:30:00Z"),
            (Tier::Hourly, "UTC", "2026-01-01T23:30:00Z", "2026-01-02T00:30:00Z"),
            // The first pass of an hour that autumn repeats, and the second.
            (Tier::Hourly, "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
            (Tier::Daily, "UTC", "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z"),
            (Tier::Weekly, "UTC", "2026-01-04T03:00:00Z", "2026-01-05T03:00:00Z"),
            (Tier::Monthly, "UTC", "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z"),
            (Tier::Monthly, "UTC", "2025-12-31T03:00:00Z", "2026-01-01T03:00:00Z"),
            (Tier::Yearly, "UTC", "2025-12-31T03:00:00Z", "2026-01-01T03:00:00Z"),
        ] {
            let zone = zone.parse().unwrap();
            let period = |at: &str| Local::new(at.parse().unwrap(), zone).period(tier);
            assert!(period(a) < period(b), "{tier:?} {a} {b}");
        }
    }

    #[test]
    fn a_period_has_one_first_day_and_a_short_one_is_always_in_it() {
        for (tier, at, expected) in [
            (Tier::Every, "2026-06-17T12:00:00Z", true),
            (Tier::Hourly, "2026-06-17T12:00:00Z", true),
            (Tier::Daily, "2026-06-17T12:00:00Z", true),
            (Tier::Weekly, "2026-06-15T23:59:59Z", true),
            (Tier::Weekly, "2026-06-16T00:00:00Z", false),
            (Tier::Monthly, "2026-06-01T12:00:00Z", true),
            (Tier::Monthly, "2026-06-02T12:00:00Z", false),
            (Tier::Yearly, "2026-01-01T12:00:00Z", true),
            (Tier::Yearly, "2026-06-01T12:00:00Z", false),
        ] {
            let local = Local::new(at.parse().unwrap(), chrono_tz::Tz::UTC);
            assert_eq!(local.is_first_day(tier), expected, "{tier:?} {at}");
        }
    }

    #[test]
    fn periods_follow_the_local_calendar() {
        for (tier, zone, a, b, expected) in [
            // A day is the zone's, on both sides of the date line.
            (Tier::Daily, "UTC", "2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z", true),
            (Tier::Daily, "Asia/Seoul", "2026-01-01T14:59:59Z", "2026-01-01T15:00:00Z", false),
            (
                Tier::Daily,
                "Pacific/Kiritimati",
                "2026-01-01T09:59:59Z",
                "2026-01-01T10:00:00Z",
                false,
            ),
            (
                Tier::Daily,
                "Pacific/Pago_Pago",
                "2026-01-01T10:59:59Z",
                "2026-01-01T11:00:00Z",
                false,
            ),
            (Tier::Daily, "Asia/Kolkata", "2026-01-01T18:29:59Z", "2026-01-01T18:30:00Z", false),
            // ISO week 2025-W01 begins on 30 December 2024.
            (Tier::Weekly, "UTC", "2024-12-30T03:00:00Z", "2025-01-02T03:00:00Z", true),
            (Tier::Weekly, "UTC", "2024-12-29T03:00:00Z", "2024-12-30T03:00:00Z", false),
            (Tier::Weekly, "UTC", "2020-12-31T03:00:00Z", "2021-01-03T03:00:00Z", true),
            (Tier::Monthly, "Asia/Seoul", "2026-01-31T15:00:00Z", "2026-02-01T00:00:00Z", true),
            (Tier::Yearly, "UTC", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", false),
            // The repeated hour of autumn is two hours, also where it is only half an hour.
            (
                Tier::Hourly,
                "America/New_York",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:30:00Z",
                false,
            ),
            (
                Tier::Hourly,
                "America/New_York",
                "2026-11-01T05:00:00Z",
                "2026-11-01T05:59:00Z",
                true,
            ),
            (
                Tier::Hourly,
                "Australia/Lord_Howe",
                "2026-04-04T14:45:00Z",
                "2026-04-04T15:05:00Z",
                false,
            ),
            (Tier::Hourly, "Asia/Kolkata", "2026-01-01T00:29:00Z", "2026-01-01T00:31:00Z", false),
        ] {
            assert_eq!(share(tier, zone, a, b), expected, "{tier:?} {zone} {a} {b}");
        }
    }
}
