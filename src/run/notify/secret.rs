//! Secrets: texts that are never shown.

use std::fmt;

/// Parts of a URL that are no longer say nothing to anybody, and stand in many other words.
const PART_CHARS_MIN: usize = 6;

/// A text that is never shown: neither by `Debug` nor in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text, without the line end that files have.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Returns the text itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns `text` without the secret, and without any longer part of it, should somebody have
    /// repeated it.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let parts = self.0.split(['/', '?', '&', '=', '@', ':', '#']);
        let mut parts: Vec<&str> =
            parts.filter(|part| PART_CHARS_MIN <= part.chars().count()).collect();
        parts.push(&self.0);
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.fold(text.to_owned(), |text, part| text.replace(part, "[hidden]"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("https://hooks.example.com/services/T0/B0/s3cr3t-t0ken\n");
        assert_eq!(format!("{secret:?}"), "Secret([hidden])");
        let said =
            "no service s3cr3t-t0ken at https://hooks.example.com/services/T0/B0/s3cr3t-t0ken";
        assert_eq!(secret.hidden_in(said), "no service [hidden] at [hidden]");
        assert_eq!(Secret::new("").hidden_in("nothing"), "nothing");
    }
}
