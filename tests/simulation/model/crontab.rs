//! When a schedule was last due, by DESIGN section 3, "Schedules, exactly": brute force over the
//! days and minutes of a wall clock.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use snapkeep::domain::calendar::{Repeated, instant};

/// Further back nothing is looked for: the 29th of February may be eight years ago.
const DAYS_MAX: u64 = 9 * 366;

/// The values that each field of an expression allows.
struct Fields {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
    /// Whether both fields for days say something: then either is enough.
    is_either_day: bool,
}

/// Returns the latest slot of the expression `text` that is not after `now`.
pub(super) fn latest_slot(text: &str, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let fields = Fields::read(text)?;
    // While an hour is repeated, clocks have shown later times than they do now.
    let last = (now + TimeDelta::hours(26)).with_timezone(&zone).date_naive();
    (0..DAYS_MAX)
        .filter_map(|n| last.checked_sub_days(Days::new(n)))
        .filter(|day| fields.has_day(*day))
        .find_map(|day| fields.latest_on(day, zone, now))
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.len() == 5 {
            words.insert(0, "0");
        }
        let [seconds, minutes, hours, days, months, weekdays] = words[..] else { return None };
        let mut on = values(weekdays, 0, 7, "sun mon tue wed thu fri sat")?;
        // Sunday is 0 and 7.
        for day in &mut on {
            *day %= 7;
        }
        let names = "- jan feb mar apr may jun jul aug sep oct nov dec";
        Some(Self {
            seconds: values(seconds, 0, 59, "")?,
            minutes: values(minutes, 0, 59, "")?,
            hours: values(hours, 0, 23, "")?,
            days: values(days, 1, 31, "")?,
            months: values(months, 1, 12, names)?,
            weekdays: on,
            is_either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    fn has_day(&self, day: NaiveDate) -> bool {
        let is_day = self.days.contains(&day.day());
        let is_weekday = self.weekdays.contains(&day.weekday().num_days_from_sunday());
        let is_meant = if self.is_either_day { is_day || is_weekday } else { is_day && is_weekday };
        is_meant && self.months.contains(&day.month())
    }

    fn latest_on(&self, day: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut walls = Vec::new();
        for (hour, minute) in
            self.hours.iter().flat_map(|h| self.minutes.iter().map(move |m| (h, m)))
        {
            let of_second = |second: &u32| day.and_hms_opt(*hour, *minute, *second);
            walls.extend(self.seconds.iter().filter_map(of_second));
        }
        // Skipped times are the first instant after the gap, repeated ones their first pass.
        let slots = walls.into_iter().map(|wall| instant(zone, wall, Repeated::Earlier));
        slots.filter(|slot| *slot <= now).max()
    }
}

/// Returns the values of one field; names stand for their position in `names`.
fn values(field: &str, least: u32, most: u32, names: &str) -> Option<Vec<u32>> {
    let value = |text: &str| -> Option<u32> {
        let text = text.to_ascii_lowercase();
        let named = names.split_whitespace().position(|name| name == text);
        named.map_or_else(|| text.parse().ok(), |at| u32::try_from(at).ok())
    };
    let mut res = Vec::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((first, last)) => (value(first)?, value(last)?),
            None if part.contains('/') => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        res.extend((first..=last).step_by(step.parse().ok().filter(|step| *step != 0)?));
    }
    Some(res)
}

#[cfg(test)]
mod tests {
    use super::latest_slot;

    #[test]
    fn the_latest_slot_is_the_wall_clock_s() {
        for (text, zone, now, expected) in [
            ("0 3 * * *", "UTC", "2026-03-10T03:00:00Z", "2026-03-10T03:00:00Z"),
            ("0 3 * * *", "UTC", "2026-03-10T02:59:59Z", "2026-03-09T03:00:00Z"),
            ("0 3 * * *", "Asia/Seoul", "2026-03-10T02:59:59Z", "2026-03-09T18:00:00Z"),
            ("*/15 * * * *", "UTC", "2026-03-10T02:59:59Z", "2026-03-10T02:45:00Z"),
            ("30 0 3 * * *", "UTC", "2026-03-10T03:01:00Z", "2026-03-10T03:00:30Z"),
            ("@monthly", "UTC", "2026-03-10T03:00:00Z", "2026-03-01T00:00:00Z"),
            ("0 0 * * 7", "UTC", "2026-03-10T03:00:00Z", "2026-03-08T00:00:00Z"),
            ("0 0 * * mon-fri", "UTC", "2026-03-08T03:00:00Z", "2026-03-06T00:00:00Z"),
            // Both fields for days: either.
            ("0 0 1 * mon", "UTC", "2026-03-08T03:00:00Z", "2026-03-02T00:00:00Z"),
            ("0 0 1 * mon", "UTC", "2026-03-01T03:00:00Z", "2026-03-01T00:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-03-10T03:00:00Z", "2024-02-29T00:00:00Z"),
            // 02:30 is skipped on the 8th of March; the hourly slot after the gap is the next hour's.
            ("30 2 * * *", "America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
            ("0 * * * *", "America/New_York", "2026-03-08T07:10:00Z", "2026-03-08T07:00:00Z"),
            // 01:30 is repeated on the 1st of November, and fires once.
            ("30 1 * * *", "America/New_York", "2026-11-01T06:40:00Z", "2026-11-01T05:30:00Z"),
            ("30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", "2026-11-01T05:30:00Z"),
        ] {
            let slot = latest_slot(text, zone.parse().unwrap(), now.parse().unwrap());
            assert_eq!(slot, Some(expected.parse().unwrap()), "{text} {zone} {now}");
        }
    }
}
