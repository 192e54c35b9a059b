//! Other ways to say when: how crontab says it.
//!
//! Nothing here is accepted; it is for telling people what to write instead.

const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

const DAILY: &str = "every day at 03:00 is `0 3 * * *`";

/// Returns a hint about text that is not crontab's, if it is plain what it was meant to be.
pub(in crate::config) fn translation(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    if ["cron(", "rate("].iter().any(|start| text.starts_with(start)) {
        let hint = "this is an AWS expression; crontab has five fields, such as `0 3 * * *`";
        return Some(hint.to_owned());
    }
    let interval = text.trim_start_matches('@').strip_prefix("every")?.trim_start();
    let n_digits = interval.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = interval.split_at(n_digits);
    let (count, unit) = match (count, unit.trim()) {
        ("", unit) => match unit.split_once(' ') {
            Some((word, unit)) => (number(word)?, unit.trim()),
            None => (1, unit),
        },
        (count, unit) => (count.parse().ok()?, unit),
    };
    match unit {
        "m" | "min" | "mins" | "minute" | "minutes" => repeated(count, 60, "minute", "* * * *"),
        "h" | "hour" | "hours" if count == 24 => Some(DAILY.to_owned()),
        "h" | "hour" | "hours" => repeated(count, 24, "hour", "* * *"),
        "d" | "day" | "days" if count == 1 => Some(DAILY.to_owned()),
        _ => None,
    }
}

fn number(word: &str) -> Option<u32> {
    let n = NUMBERS.iter().position(|number| *number == word)?;
    u32::try_from(n + 1).ok()
}

/// Returns how to repeat within a larger unit of `n_all`, followed by the fields in `rest`.
fn repeated(count: u32, n_all: u32, unit: &str, rest: &str) -> Option<String> {
    // Steps begin anew with each larger unit, so they have to go into it.
    if n_all <= count || !n_all.is_multiple_of(count) {
        return None;
    }
    let field = if count == 1 { "*".to_owned() } else { format!("*/{count}") };
    let expression =
        if unit == "hour" { format!("0 {field} {rest}") } else { format!("{field} {rest}") };
    let often = match usize::try_from(count).ok()? {
        1 => unit.to_owned(),
        n => {
            let n = n
                .checked_sub(1)
                .and_then(|n| NUMBERS.get(n))
                .map_or(n.to_string(), ToString::to_string);
            format!("{n} {unit}s")
        }
    };
    Some(format!("every {often} is `{expression}`"))
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::translation;
    use crate::config::schedule::Schedule;

    #[test]
    fn intervals_are_told_as_crontab_says_them() {
        for (text, expected) in [
            ("every 6 hours", "every six hours is `0 */6 * * *`"),
            ("@every 6h", "every six hours is `0 */6 * * *`"),
            ("Every six hours", "every six hours is `0 */6 * * *`"),
            ("every hour", "every hour is `0 * * * *`"),
            ("every 30 minutes", "every 30 minutes is `*/30 * * * *`"),
            ("every minute", "every minute is `* * * * *`"),
            ("every 24 hours", "every day at 03:00 is `0 3 * * *`"),
            ("every day", "every day at 03:00 is `0 3 * * *`"),
        ] {
            let hint = translation(text).unwrap();
            assert_eq!(hint, expected, "{text}");
            let expression = hint.split('`').nth(1).unwrap();
            assert!(Schedule::parse(expression, Tz::UTC).is_ok(), "{hint}");
        }
    }

    #[test]
    fn what_crontab_cannot_say_is_not_told() {
        for text in [
            "",
            "every",
            "every 5 hours",
            "every 0 h",
            "every 60 minutes",
            "every 90 minutes",
            "0 3 * *",
            "every 48h",
            "every 2 days",
        ] {
            assert_eq!(translation(text), None, "{text}");
        }
    }
}
