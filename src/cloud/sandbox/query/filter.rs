//! Filters of the Describe calls, with their wildcards.

use crate::cloud::FILTER_VALUES_MAX;
use crate::cloud::sandbox::query::form::Form;
use crate::cloud::sandbox::refusal::Refusal;
use crate::domain::tags::Tags;

/// What a request filters by. What is listed matches all, each in one of its values.
#[derive(Debug)]
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Takes the filters of a request, which may be these and those of tags.
    pub(super) fn read(form: &mut Form, known: &[&str]) -> Result<Self, Refusal> {
        let mut filters = Vec::new();
        for mut item in form.items("Filter") {
            let name = item.need("Name")?;
            let is_of_tags = name == "tag-key" || name.starts_with("tag:");
            if !is_of_tags && !known.contains(&name.as_str()) {
                let message = format!("The filter '{name}' is invalid");
                return Err(Refusal::invalid_parameter(message));
            }
            let values = item.list("Value");
            item.end()?;
            if values.is_empty() {
                let message = format!("The filter '{name}' has no values");
                return Err(Refusal::invalid_parameter(message));
            }
            if FILTER_VALUES_MAX < values.len() {
                let message =
                    "The maximum number of filter values specified on a single call is 200";
                return Err(Refusal::new("FilterLimitExceeded", message));
            }
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    /// Returns true if something with these tags matches; `of` has its values by a filter's name.
    pub(super) fn let_through(&self, tags: &Tags, of: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, patterns)| {
            let values = match name.strip_prefix("tag:") {
                Some(key) => tags.get(key).map(str::to_owned).into_iter().collect(),
                None if name == "tag-key" => tags.iter().map(|(key, _)| key.to_owned()).collect(),
                None => of(name),
            };
            values.iter().any(|value| patterns.iter().any(|pattern| is_match(pattern, value)))
        })
    }
}

/// One character of a pattern.
#[derive(Clone, Copy)]
enum Part {
    Just(char),
    /// `*`
    Any,
    /// `?`
    AtMostOne,
}

/// EC2 user guide, "List and filter your resources": "An asterisk (*) matches zero or more
/// characters, and a question mark (?) matches zero or one character. […] Use a backslash (\)
/// before each character" that is to be taken literally.
fn is_match(pattern: &str, value: &str) -> bool {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::AtMostOne,
            '\\' => Part::Just(chars.next().unwrap_or(c)),
            c => Part::Just(c),
        });
    }
    let value: Vec<char> = value.chars().collect();
    // Whether the parts so far match the first n characters.
    let mut reached = vec![false; value.len() + 1];
    reached[0] = true;
    for part in parts {
        let before = reached.clone();
        for n in 0..reached.len() {
            reached[n] = match part {
                Part::Just(c) => 0 < n && before[n - 1] && value[n - 1] == c,
                Part::Any => before[n] || (0 < n && reached[n - 1]),
                Part::AtMostOne => before[n] || (0 < n && before[n - 1]),
            };
        }
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn wildcards_match_as_ec2_has_them() {
        for (pattern, value, expected) in [
            ("servers", "servers", true),
            ("servers", "server", false),
            ("serv*", "servers", true),
            ("*", "", true),
            ("s*v*s", "servers", true),
            ("s*v*x", "servers", false),
            ("server?", "servers", true),
            ("server?", "server", true),
            ("server?", "serverss", false),
            (r"serve\*", "servers", false),
            (r"serve\*", "serve*", true),
            (r"a\\b", r"a\b", true),
            ("서?", "서울", true),
        ] {
            assert_eq!(is_match(pattern, value), expected, "{pattern} {value}");
        }
    }
}
