//! Events: what people are told of.

use std::fmt;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Something failed, could not be read, or is not protected.
    Failure,
    /// Something was refused: deletions over a limit, a plan that contradicts an invariant, a
    /// configuration.
    Refusal,
    /// All is well again, after something else was told.
    Recovery,
    /// A day is over.
    Summary,
    /// Somebody tries out whether messages arrive.
    Test,
}

impl Event {
    /// Returns its name, as it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Refusal => "refusal",
            Self::Recovery => "recovery",
            Self::Summary => "summary",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
