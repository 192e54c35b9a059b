//! Lengths of time as people write them in a policy: `"36 hours"`, `"7 months"`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::calendar::{Repeated, instant};

/// The unit of a [`Span`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 3600 elapsed seconds, whatever clocks show.
    Hour,
    /// To the same local time on a later day.
    Day,
    /// Seven days.
    Week,
    /// To the same day of a later month, or that month's last day.
    Month,
    /// Twelve months.
    Year,
}

/// A positive number of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    count: u32,
    unit: Unit,
}

/// A string that is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a span: {reason}")]
pub struct InvalidSpan {
    text: String,
    reason: &'static str,
}

/// The largest count of any unit; keeps every end within the calendar.
const COUNT_MAX: u32 = 36_500;

impl Span {
    /// Returns so many hours.
    pub const fn hours(count: u32) -> Self {
        Self { count, unit: Unit::Hour }
    }

    /// Returns so many days.
    pub const fn days(count: u32) -> Self {
        Self { count, unit: Unit::Day }
    }

    /// Returns the instant at which the span ends that starts at `start`.
    ///
    /// Days and longer units are added on the local calendar of `zone`: 31 January + 1 month is
    /// the end of February. An end that a clock change skips is the first instant after it; one
    /// that occurs twice is the later.
    pub fn end(self, start: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        self.end_after(start.with_timezone(&zone))
    }

    /// Returns the instant at which the span ends that starts at `start`, on its own calendar.
    pub fn end_after(self, start: DateTime<Tz>) -> DateTime<Utc> {
        let local = start.naive_local();
        let wall = match self.unit {
            Unit::Hour => return start.to_utc() + TimeDelta::hours(self.count.into()),
            Unit::Day => local.checked_add_days(Days::new(self.count.into())),
            Unit::Week => local.checked_add_days(Days::new(7 * u64::from(self.count))),
            Unit::Month => local.checked_add_months(Months::new(self.count)),
            Unit::Year => local.checked_add_months(Months::new(12 * self.count)),
        };
        // Beyond the calendar is for ever.
        wall.map_or(DateTime::<Utc>::MAX_UTC, |wall| {
            instant(start.timezone(), wall, Repeated::Later)
        })
    }

    /// Returns an instant after which no such span starts that ends by `end`.
    ///
    /// The latest such start is at most a day before it, of months and years a few days.
    pub fn latest_start(self, end: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        let local = end.with_timezone(&zone).naive_local();
        // Many days of one month may end on the last of a shorter one, and the other way round.
        let months_before = |count: u32| {
            local.checked_sub_months(Months::new(count))?.checked_add_days(Days::new(3))
        };
        let wall = match self.unit {
            Unit::Hour => return end - TimeDelta::hours(self.count.into()),
            Unit::Day => local.checked_sub_days(Days::new(self.count.into())),
            Unit::Week => local.checked_sub_days(Days::new(7 * u64::from(self.count))),
            Unit::Month => months_before(self.count),
            Unit::Year => months_before(12 * self.count),
        };
        wall.map_or(DateTime::UNIX_EPOCH, |wall| instant(zone, wall, Repeated::Later))
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let refuse = |reason| InvalidSpan { text: text.to_owned(), reason };
        let trimmed = text.trim();
        let n_digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = trimmed.split_at(n_digits);
        if count.is_empty() {
            return Err(refuse("expected a whole number and a unit, such as `30 days`"));
        }
        let count: u32 = count
            .parse()
            .ok()
            .filter(|n| *n <= COUNT_MAX)
            .ok_or_else(|| refuse("the number must not exceed 36500"))?;
        if count == 0 {
            return Err(refuse("nothing is kept for no time; the number must be at least 1"));
        }
        let unit = match unit.trim_start() {
            "h" | "hour" | "hours" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "month" | "months" => Unit::Month,
            "y" | "year" | "years" => Unit::Year,
            "" => return Err(refuse("the unit is missing: hours, days, weeks, months or years")),
            "m" => return Err(refuse("`m` could be minutes; write `months`")),
            _ => return Err(refuse("the unit must be hours, days, weeks, months or years")),
        };
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        };
        write!(f, "{} {unit}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;

    use super::{Span, Unit};

    fn end(span: &str, start: &str, zone: &str) -> String {
        let zone = zone.parse().unwrap();
        let span: Span = span.parse().unwrap();
        span.end(start.parse().unwrap(), zone).with_timezone(&zone).to_rfc3339()
    }

    #[test]
    fn spans_end_on_the_local_calendar() {
        for (span, start, zone, expected) in [
            ("1 month", "2026-01-31T03:00:00Z", "UTC", "2026-02-28T03:00:00+00:00"),
            ("1 month", "2024-01-31T03:00:00Z", "UTC", "2024-02-29T03:00:00+00:00"),
            ("1 year", "2024-02-29T03:00:00Z", "UTC", "2025-02-28T03:00:00+00:00"),
            ("7 months", "2026-05-01T00:00:00Z", "UTC", "2026-12-01T00:00:00+00:00"),
            ("8 weeks", "2026-01-01T00:00:00Z", "UTC", "2026-02-26T00:00:00+00:00"),
            // The local day is the next one already, and is what counts.
            ("1 month", "2026-01-30T16:00:00Z", "Asia/Seoul", "2026-02-28T01:00:00+09:00"),
            ("1 day", "2026-01-01T10:00:00Z", "Pacific/Kiritimati", "2026-01-03T00:00:00+14:00"),
            ("1 day", "2026-01-01T10:00:00Z", "Asia/Kolkata", "2026-01-02T15:30:00+05:30"),
        ] {
            assert_eq!(end(span, start, zone), expected, "{span} after {start}");
        }
    }

    #[test]
    fn clock_changes_never_end_a_span_early() {
        let zone = "America/New_York";
        // 02:30 does not exist on 8 March, and 01:30 exists twice on 1 November.
        assert_eq!(end("1 day", "2026-03-07T07:30:00Z", zone), "2026-03-08T03:00:00-04:00");
        assert_eq!(end("1 day", "2026-10-31T05:30:00Z", zone), "2026-11-01T01:30:00-05:00");
        // Hours are elapsed hours.
        assert_eq!(end("24 hours", "2026-03-07T17:00:00Z", zone), "2026-03-08T13:00:00-04:00");
    }

    #[test]
    fn nothing_that_starts_later_ends_in_time() {
        for (span, end, zone) in [
            ("6 hours", "2026-03-08T13:00:00Z", "America/New_York"),
            ("1 day", "2026-03-08T07:00:00Z", "America/New_York"),
            ("1 day", "2026-03-09T06:30:00Z", "America/New_York"),
            ("1 day", "2026-11-01T05:30:00Z", "America/New_York"),
            ("1 day", "2026-11-02T06:30:00Z", "America/New_York"),
            ("2 weeks", "2026-04-01T00:30:00Z", "Europe/Berlin"),
            ("1 month", "2026-03-30T10:00:00Z", "UTC"),
            ("1 month", "2026-02-28T23:59:59Z", "Asia/Seoul"),
            ("1 year", "2025-02-28T03:00:00Z", "UTC"),
        ] {
            let (zone, at): (Tz, DateTime<Utc>) = (zone.parse().unwrap(), end.parse().unwrap());
            let span: Span = span.parse().unwrap();
            let latest = span.latest_start(at, zone);
            for minutes in 1..3 * 24 * 60 {
                let later = latest + TimeDelta::minutes(minutes);
                assert!(at < span.end(later, zone), "{span} from {later} by {at}");
            }
            let is_of_months = matches!(span.unit, Unit::Month | Unit::Year);
            let earlier = latest - TimeDelta::hours(if is_of_months { 7 * 24 } else { 1 });
            assert!(span.end(earlier, zone) <= at, "{span} from {earlier} by {at}");
        }
        let long: Span = "36500 years".parse().unwrap();
        assert!(long.latest_start(DateTime::UNIX_EPOCH, Tz::UTC) < DateTime::UNIX_EPOCH);
    }

    #[test]
    fn bad_spans_say_what_to_write() {
        for (text, expected) in [
            ("", "expected a whole number and a unit, such as `30 days`"),
            ("month", "expected a whole number and a unit, such as `30 days`"),
            ("-1 day", "expected a whole number and a unit, such as `30 days`"),
            ("30", "the unit is missing: hours, days, weeks, months or years"),
            ("7 m", "`m` could be minutes; write `months`"),
            ("1.5 days", "the unit must be hours, days, weeks, months or years"),
            ("3 fortnights", "the unit must be hours, days, weeks, months or years"),
            ("0 days", "nothing is kept for no time; the number must be at least 1"),
            ("99999999999 days", "the number must not exceed 36500"),
        ] {
            let err = text.parse::<Span>().unwrap_err().to_string();
            assert_eq!(err, format!("`{text}` is not a span: {expected}"));
        }
        assert_eq!("36h".parse::<Span>().unwrap().to_string(), "36 hours");
    }
}
