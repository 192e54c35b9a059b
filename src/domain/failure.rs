//! Why something failed, and whether it may go better by itself.
//!
//! The words are for people. Whoever has to decide whether to try again looks at the flag, never at
//! the words.

use std::fmt;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Why, in one line.
    pub why: String,
    /// Whether the same may succeed later although nobody changes anything: a throttled call, a
    /// broken connection, credentials that could not be had.
    pub may_pass: bool,
}

impl Failure {
    /// Returns a failure that may be over by itself.
    pub fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: true }
    }

    /// Returns a failure that stays until somebody does something.
    pub fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: false }
    }

    /// Returns the same failure in other words.
    #[must_use]
    pub fn said(&self, why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: self.may_pass }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
