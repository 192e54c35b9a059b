//! crontab(5) text → the dialect of the `cron` crate.
//!
//! Every field is read here, into the set of its values, so that what dialects disagree on
//! (Sunday, steps, both day fields) is decided in one place and messages name the offending part.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One of the fields of an expression.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", min: 0, max: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The nicknames of crontab(5).
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Returns expressions of the `cron` crate that together match what `text` means.
///
/// The error says what is wrong with it.
pub(super) fn translate(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.starts_with('@') {
        return match NICKNAMES.iter().find(|(name, _)| *name == text) {
            Some((_, meaning)) => translate(meaning),
            None if text == "@reboot" => Err("`@reboot` is no time of a calendar".to_owned()),
            None => {
                let known = NICKNAMES.map(|(name, _)| format!("`{name}`")).join(", ");
                Err(format!("`{text}` is none of {known}"))
            }
        };
    }
    let parts: Vec<&str> = text.split_whitespace().collect();
    let (second, minute, hour, day, month, weekday) = match parts[..] {
        [minute, hour, day, month, weekday] => ("0", minute, hour, day, month, weekday),
        [second, minute, hour, day, month, weekday] => (second, minute, hour, day, month, weekday),
        _ => {
            return Err(format!(
                "expected 5 fields (minute, hour, day of month, month, day of week), found {}",
                parts.len()
            ));
        }
    };
    let times = [SECOND.read(second)?, MINUTE.read(minute)?, HOUR.read(hour)?].join(" ");
    let day_values = DAY.read(day)?;
    let month_values = MONTH.read(month)?;
    let weekday_values = WEEKDAY.read(weekday)?;
    // As in Vixie's cron, a field that begins with a star restricts nothing by itself, even `*/2`.
    let is_either = !day.starts_with('*') && !weekday.starts_with('*');
    Ok(if is_either {
        vec![
            format!("{times} {day_values} {month_values} *"),
            format!("{times} * {month_values} {weekday_values}"),
        ]
    } else {
        vec![format!("{times} {day_values} {month_values} {weekday_values}")]
    })
}

impl Field {
    /// Returns the field in the crate's dialect: every value by itself.
    fn read(&self, text: &str) -> Result<String, String> {
        let mut values = BTreeSet::new();
        for item in text.split(',') {
            values.extend(self.values_of(item)?);
        }
        if self.name == WEEKDAY.name {
            // 7 is Sunday too; the crate counts from Sunday = 1.
            values = values.into_iter().map(|value| value % 7 + 1).collect();
        }
        let mut list = String::new();
        for value in values {
            let comma = if list.is_empty() { "" } else { "," };
            let _ = write!(list, "{comma}{value}");
        }
        Ok(list)
    }

    /// Returns the values of `*`, `5`, `mon`, `1-5`, `*/10` or `1-31/2`.
    fn values_of(&self, item: &str) -> Result<Vec<u32>, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let values = if range == "*" {
            self.min..=self.max
        } else if let Some((from, to)) = range.split_once('-') {
            let from = self.value(from)?;
            let mut last = self.value(to)?;
            // `sat-sun` can only mean the end of the week.
            if last < from && to.eq_ignore_ascii_case("sun") {
                last = 7;
            }
            if last < from {
                return Err(format!("`{range}` in the {} field runs backwards", self.name));
            }
            from..=last
        } else if step.is_some() {
            let max = self.max;
            return Err(format!(
                "a step needs a range; write `{range}-{max}/{}` in the {} field",
                step.unwrap_or_default(),
                self.name
            ));
        } else {
            let value = self.value(range)?;
            value..=value
        };
        let step = match step {
            None => 1,
            Some(text) => parse_number(text).filter(|step| *step != 0).ok_or_else(|| {
                format!("`{text}` in the {} field is not a step (1 or more)", self.name)
            })?,
        };
        Ok(values.step_by(step as usize).collect())
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = named.and_then(|n| u32::try_from(n).ok()).map(|n| n + self.min);
        let (min, max) = (self.min, self.max);
        value.or_else(|| parse_number(text).filter(|n| (min..=max).contains(n))).ok_or_else(|| {
            let or_name = self.names.first().map(|name| format!(" or a name such as `{name}`"));
            let or_name = or_name.unwrap_or_default();
            format!(
                "`{text}` in the {} field is not a number from {min} to {max}{or_name}",
                self.name
            )
        })
    }
}

/// Returns the number that `text` spells in digits alone; `+5` is none.
fn parse_number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
