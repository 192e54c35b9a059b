//! Wildcard patterns as EC2's own filters have them: `*` for any text, `?` for one character.

use std::fmt;
use std::sync::Arc;

/// A pattern over a whole string; case matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Makes a pattern of `text`; every text is one.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns true if all of `text` matches.
    ///
    /// Takes time proportional to the product of both lengths at worst, never more.
    pub fn matches(&self, text: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        // Where to go on when the last `*` has to swallow one more character.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    retry = Some((p + 1, t));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((after_star, from)) = retry else { return false };
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    t = from + 1;
                }
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_and_question_marks_match_as_in_ec2_filters() {
        for (pattern, text, expected) in [
            ("on", "on", true),
            ("on", "On", false),
            ("*", "", true),
            ("?", "", false),
            ("nightly*", "nightly 2026-01-01", true),
            ("*-db-?", "prod-db-1", true),
            ("*-db-?", "prod-db-12", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?ö", "xö", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
