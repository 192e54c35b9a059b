//! When Data Lifecycle Manager acts, as crontab says it.
//!
//! Its expressions are those of EventBridge: six fields, the last one the year; `?` in one of the
//! day fields; Sunday is 1; steps begin at a number.

use chrono_tz::Tz;

use crate::config::schedule::Schedule;

/// Returns the crontab expression for `cron(…)`.
///
/// The error says what crontab has no word for.
pub(super) fn crontab(expression: &str) -> Result<String, String> {
    let text = expression.trim();
    let inner = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
    let fields: Vec<&str> = inner.unwrap_or(text).split_whitespace().collect();
    let [minute, hour, day, month, weekday, year] = fields[..] else {
        return Err(format!("it has {} fields instead of 6", fields.len()));
    };
    if year != "*" {
        return Err(format!("crontab has no years, such as `{year}`"));
    }
    let minute = field(minute, 59, number)?;
    let hour = field(hour, 23, number)?;
    let day = field(day, 31, number)?;
    let month = field(month, 12, number)?;
    let weekday = field(weekday, 6, from_sunday)?;
    let res = format!("{minute} {hour} {day} {month} {weekday}");
    Schedule::parse(&res, Tz::UTC).map_err(|err| err.to_string())?;
    Ok(res)
}

/// Returns the crontab expression for every `hours` hours from `HH:MM` on, where it goes into the
/// day.
pub(super) fn interval(hours: u64, from: &str) -> Option<String> {
    let (hour, minute) = from.split_once(':')?;
    let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
    if hours == 0 || 24 % hours != 0 || 23 < hour || 59 < minute {
        return None;
    }
    let mut all: Vec<u64> = (0..24 / hours).map(|n| (hour + n * hours) % 24).collect();
    all.sort_unstable();
    if hours == 1 {
        return Some(format!("{minute} * * * *"));
    }
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    Some(format!("{minute} {} * * *", all.join(",")))
}

/// Translates the values of a field, which may be lists and ranges and have steps.
fn field(text: &str, max: u32, value: fn(&str) -> Option<String>) -> Result<String, String> {
    let items: Result<Vec<String>, String> = text
        .split(',')
        .map(|item| {
            let unknown = || format!("crontab has no word for `{item}`");
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, format!("/{step}")),
                None => (item, String::new()),
            };
            if matches!(range, "*" | "?") {
                return Ok(format!("*{step}"));
            }
            if let Some((from, to)) = range.split_once('-') {
                let (from, to) = (value(from).ok_or_else(unknown)?, value(to).ok_or_else(unknown)?);
                return Ok(format!("{from}-{to}{step}"));
            }
            let from = value(range).ok_or_else(unknown)?;
            // `0/15` begins at 0; crontab wants the end, too.
            Ok(if step.is_empty() { from } else { format!("{from}-{max}{step}") })
        })
        .collect();
    Ok(items?.join(","))
}

/// Reads a number, or a name of three letters.
fn number(text: &str) -> Option<String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_name = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    (is_number || is_name).then(|| text.to_lowercase())
}

/// Reads a day of the week, of which 1 is Sunday.
fn from_sunday(text: &str) -> Option<String> {
    let text = number(text)?;
    match text.parse::<u32>() {
        Ok(n) => (1..=7).contains(&n).then(|| (n - 1).to_string()),
        Err(_) => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{crontab, interval};

    #[test]
    fn expressions_of_eventbridge_are_told_as_crontab_says_them() {
        for (text, expected) in [
            ("cron(0 9 * * ? *)", "0 9 * * *"),
            ("cron(15 10 ? * 2-6 *)", "15 10 * * 1-5"),
            ("cron(0 18 ? * MON-FRI *)", "0 18 * * mon-fri"),
            ("cron(0 8 1 * ? *)", "0 8 1 * *"),
            ("cron(0/15 8-17 ? * 1,7 *)", "0-59/15 8-17 * * 0,6"),
            ("cron(0 9 ? * 2/2 *)", "0 9 * * 1-6/2"),
            ("cron(0 */4 * JAN,JUL ? *)", "0 */4 * jan,jul *"),
            ("cron( 5  3 1/10 * ? * )", "5 3 1-31/10 * *"),
        ] {
            assert_eq!(crontab(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_crontab_cannot_say_is_not_told() {
        for (text, expected) in [
            ("cron(0 9 L * ? *)", "crontab has no word for `L`"),
            ("cron(0 9 15W * ? *)", "crontab has no word for `15W`"),
            ("cron(0 9 ? * 6L *)", "crontab has no word for `6L`"),
            ("cron(0 9 ? * SUN#1 *)", "crontab has no word for `SUN#1`"),
            ("cron(0 9 ? * 0 *)", "crontab has no word for `0`"),
            ("cron(0 9 * * ? 2027)", "crontab has no years, such as `2027`"),
            ("cron(0 9 * * *)", "it has 5 fields instead of 6"),
            ("", "it has 0 fields instead of 6"),
        ] {
            assert_eq!(crontab(text), Err(expected.to_owned()), "{text}");
        }
        assert!(crontab("cron(0 9 30 2 ? *)").is_err());
        assert!(crontab("cron(0 25 * * ? *)").is_err());
    }

    #[test]
    fn intervals_begin_at_their_time() {
        for (hours, from, expected) in [
            (24, "03:30", Some("30 3 * * *")),
            (12, "09:00", Some("0 9,21 * * *")),
            (8, "20:05", Some("5 4,12,20 * * *")),
            (1, "05:10", Some("10 * * * *")),
            (5, "00:00", None),
            (12, "9am", None),
            (12, "24:00", None),
        ] {
            assert_eq!(interval(hours, from).as_deref(), expected, "{hours} {from}");
        }
    }
}
