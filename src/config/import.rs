//! What other tools were told, as a configuration of snapkeep.
//!
//! Text in, text out: nothing is executed, and no file is read. What has no equivalent, or cannot
//! be known, is said in a remark and at its place in the configuration; it is never guessed. Until
//! it is decided, the configuration does the harmless thing: it keeps, or leaves alone.

mod dlm;
mod draft;
mod script;

use crate::config::diagnose::Problems;

pub use dlm::from_dlm;
pub use script::from_script;

/// A configuration made of something else; it loads without problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration, with the remarks as comments where they belong.
    pub toml: String,
    /// What has to be known or decided, in the order of the configuration.
    pub remarks: Vec<String>,
}

/// No configuration can be made of a text.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is something else than what was expected.
    #[error("{0}")]
    Unexpected(String),
    /// It is understood, but snapkeep has nothing like it, or lacks what it cannot do without.
    #[error("{0}")]
    NoEquivalent(String),
    /// What was made of it does not load: a mistake of ours.
    #[error("what was made of it does not load, which is a mistake of snapkeep: {0}")]
    Invalid(Problems),
}
