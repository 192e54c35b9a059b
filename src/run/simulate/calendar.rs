//! Into which stretches a simulation is cut, and how much of a month passes. All in UTC, as EC2 bills.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, TimeDelta, Utc};

use crate::report::simulation::Stretch;

/// The instants at which points are counted.
#[derive(Debug)]
pub(super) struct Calendar {
    stretches: Vec<Stretch>,
}

/// How long a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// Returns what makes a table that fits on a screen.
    fn of(length: TimeDelta) -> Self {
        match length.num_days() {
            ..=14 => Self::Day,
            15..=70 => Self::Week,
            71..=1470 => Self::Month,
            _ => Self::Year,
        }
    }

    /// Returns the first day of the stretch after that of `day`.
    fn next(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => day.succ_opt(),
            Self::Week => day.checked_add_days(Days::new(7)),
            Self::Month => day.with_day(1)?.checked_add_months(Months::new(1)),
            Self::Year => NaiveDate::from_ymd_opt(day.year() + 1, 1, 1),
        }
    }

    fn label(self, day: NaiveDate) -> String {
        match self {
            Self::Day | Self::Week => day.to_string(),
            Self::Month => day.format("%Y-%m").to_string(),
            Self::Year => day.year().to_string(),
        }
    }
}

impl Calendar {
    pub(super) fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let unit = Unit::of(until - from);
        let mut stretches = vec![Stretch { label: "start".to_owned(), at: from }];
        let mut day = from.date_naive();
        loop {
            let next = unit.next(day);
            let end = next.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|wall| wall.and_utc());
            let at = end.map_or(until, |end| end.min(until));
            stretches.push(Stretch { label: unit.label(day), at });
            match next {
                Some(next) if at < until => day = next,
                Some(_) | None => return Self { stretches },
            }
        }
    }

    /// Returns when the stretch ends at whose end the `n`th sample is taken, from 0 on.
    pub(super) fn next_end(&self, n: usize) -> Option<DateTime<Utc>> {
        self.stretches.get(n).map(|stretch| stretch.at)
    }

    pub(super) fn into_stretches(self) -> Vec<Stretch> {
        self.stretches
    }
}

/// Returns how many months pass from one instant to another: of each its share.
pub(super) fn months(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    let mut sum = 0.0;
    let mut at = from;
    while at < to {
        let day = at.date_naive();
        let first = day.with_day(1).unwrap_or(day);
        let midnight = |day: NaiveDate| day.and_hms_opt(0, 0, 0).map(|wall| wall.and_utc());
        let next = first.checked_add_months(Months::new(1)).and_then(midnight);
        let (Some(begin), Some(end)) = (midnight(first), next) else { return sum };
        let until = end.min(to);
        sum += (until - at).as_seconds_f64() / (end - begin).as_seconds_f64();
        at = until;
    }
    sum
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Calendar, months};

    fn t(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn check(from: &str, until: &str) -> String {
        let stretches = Calendar::new(t(from), t(until)).into_stretches();
        let shown = stretches.iter().map(|s| format!("{} {}", s.label, s.at.format("%d.%m. %R")));
        shown.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn stretches_are_days_weeks_months_or_years() {
        assert_eq!(
            check("2026-11-20T03:10:00Z", "2026-11-22T00:00:00Z"),
            "start 20.11. 03:10, 2026-11-20 21.11. 00:00, 2026-11-21 22.11. 00:00"
        );
        assert_eq!(
            check("2026-11-20T03:10:00Z", "2026-12-06T03:10:00Z"),
            "start 20.11. 03:10, 2026-11-20 27.11. 00:00, 2026-11-27 04.12. 00:00, \
             2026-12-04 06.12. 03:10"
        );
        assert_eq!(
            check("2026-11-20T03:10:00Z", "2027-02-10T00:00:00Z"),
            "start 20.11. 03:10, 2026-11 01.12. 00:00, 2026-12 01.01. 00:00, \
             2027-01 01.02. 00:00, 2027-02 10.02. 00:00"
        );
        assert!(
            check("2026-11-20T03:10:00Z", "2036-11-20T03:10:00Z").ends_with("2036 20.11. 03:10")
        );
    }

    #[test]
    fn months_are_as_long_as_they_are() {
        for (from, to, expected) in [
            ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 1.0),
            ("2026-11-16T00:00:00Z", "2027-02-01T00:00:00Z", 2.5),
            ("2027-02-01T00:00:00Z", "2027-02-15T00:00:00Z", 0.5),
            ("2027-02-15T00:00:00Z", "2027-02-15T00:00:00Z", 0.0),
        ] {
            let months = months(t(from), t(to));
            assert!((months - expected).abs() < 1e-9, "{from} {to}: {months}");
        }
    }
}
