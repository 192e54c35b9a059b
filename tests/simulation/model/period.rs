//! Which period of a tier an instant falls into, on a local calendar.

use chrono::{DateTime, Datelike as _, Offset as _, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;
use snapkeep::config::Tier;

/// A period of one tier; a later one is greater.
pub(super) type Period = i64;

/// Returns the period that `at` falls into; none for the tier that has no periods.
pub(super) fn period(tier: Tier, at: DateTime<Utc>, zone: Tz) -> Option<Period> {
    let local = at.with_timezone(&zone);
    let day = i64::from(local.num_days_from_ce());
    let year = i64::from(local.year());
    match tier {
        Tier::Every => None,
        // A local hour that a clock change repeats is two hours: they differ in their offset.
        Tier::Hourly => {
            let shown = day * 86_400 + i64::from(local.hour()) * 3600;
            Some(shown - i64::from(local.offset().fix().local_minus_utc()))
        }
        Tier::Daily => Some(day),
        // A week is known by its Monday, so the one of New Year is one week.
        Tier::Weekly => Some(day - i64::from(local.weekday().num_days_from_monday())),
        Tier::Monthly => Some(year * 12 + i64::from(local.month0())),
        Tier::Yearly => Some(year),
    }
}

/// Returns true if the local date of `at` is the first of its period; of an hour or a day it is.
pub(super) fn is_first_day(tier: Tier, at: DateTime<Utc>, zone: Tz) -> bool {
    let date = at.with_timezone(&zone).date_naive();
    match tier {
        Tier::Every | Tier::Hourly | Tier::Daily => true,
        Tier::Weekly => date.weekday() == Weekday::Mon,
        Tier::Monthly => date.day() == 1,
        Tier::Yearly => date.ordinal() == 1,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use snapkeep::config::Tier;

    use super::{is_first_day, period};

    #[test]
    fn two_instants_share_a_period_where_the_local_calendar_says_so() {
        for (tier, zone, one, other, expected) in [
            (Tier::Daily, "UTC", "2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z", true),
            (Tier::Daily, "Asia/Seoul", "2026-01-01T14:59:59Z", "2026-01-01T15:00:00Z", false),
            (Tier::Weekly, "UTC", "2025-12-29T00:00:00Z", "2026-01-04T23:00:00Z", true),
            (Tier::Weekly, "UTC", "2026-01-04T23:00:00Z", "2026-01-05T00:00:00Z", false),
            (Tier::Monthly, "UTC", "2026-01-31T23:00:00Z", "2026-02-01T00:00:00Z", false),
            (Tier::Monthly, "UTC", "2025-01-15T00:00:00Z", "2026-01-15T00:00:00Z", false),
            (Tier::Yearly, "Asia/Seoul", "2025-12-31T15:00:00Z", "2026-12-31T14:59:59Z", true),
            // 01:10 and 01:50 of one pass; 01:10 of both passes.
            (
                Tier::Hourly,
                "America/New_York",
                "2026-11-01T05:10:00Z",
                "2026-11-01T05:50:00Z",
                true,
            ),
            (
                Tier::Hourly,
                "America/New_York",
                "2026-11-01T05:10:00Z",
                "2026-11-01T06:10:00Z",
                false,
            ),
        ] {
            let zone = zone.parse().unwrap();
            let of = |at: &str| period(tier, at.parse().unwrap(), zone);
            assert_eq!(of(one) == of(other), expected, "{tier:?} {one} {other}");
            assert!(of(one) <= of(other));
        }
    }

    #[test]
    fn the_first_day_is_the_local_calendar_s() {
        let at: DateTime<Utc> = "2026-05-31T16:00:00Z".parse().unwrap();
        let seoul = "Asia/Seoul".parse().unwrap();
        // The 1st of June, a Monday, in Seoul; Sunday in May elsewhere.
        for tier in [Tier::Weekly, Tier::Monthly] {
            assert!(is_first_day(tier, at, seoul));
            assert!(!is_first_day(tier, at, chrono_tz::UTC));
        }
        assert!(!is_first_day(Tier::Yearly, at, seoul));
        assert!(is_first_day(Tier::Daily, at, seoul));
    }
}
