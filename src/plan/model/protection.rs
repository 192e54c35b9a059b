//! Protection as data: what a source has in one place, against what is asked of it by now.
//!
//! Says nothing of why; the rest of the plan does. Nothing here decides anything.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::region::Region;
use crate::domain::source::Source;

/// What one source has in one place: its recovery points where it is, or their copies at one
/// destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// By which policy.
    pub policy: Arc<str>,
    /// Where the points are: the source's region, or a copy's destination.
    pub region: Region,
    /// Of copies, the region of what they are copies of, which is the source's.
    pub copy_from: Option<Region>,
    /// The source; none for whatever the policy selects, where nobody knows what that is.
    pub source: Option<Source>,
    /// The time of the newest complete recovery point there.
    pub newest: Option<DateTime<Utc>>,
    /// What must be complete by now: of points the slot, of copies the time of the point. None
    /// where no schedule says, or nothing is asked yet.
    pub due: Option<DateTime<Utc>>,
    /// Whether that is so.
    pub state: ProtectionState,
}

/// Whether a source has what is asked of it by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtectionState {
    /// It has.
    Protected,
    /// Nothing is asked of it yet: it was made, or started, too recently.
    New {
        /// From when on something is, if nothing else comes first.
        first_due: Option<DateTime<Utc>>,
    },
    /// It has not.
    Unprotected {
        /// Since when: the end of grace of the first slot, or copy, that it missed. What never had
        /// a point is unprotected since it was made, if EC2 says when that was.
        since: Option<DateTime<Utc>>,
    },
    /// A gap in the inventory, with this reason, forbids an answer.
    Unknown(Arc<str>),
}

impl ProtectionState {
    /// Every name, the best first.
    pub const NAMES: [&'static str; 4] = ["protected", "new", "unknown", "unprotected"];

    /// Returns its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::New { .. } => "new",
            Self::Unknown(_) => "unknown",
            Self::Unprotected { .. } => "unprotected",
        }
    }

    /// Returns true if something is asked that is not there.
    pub fn is_unprotected(&self) -> bool {
        matches!(self, Self::Unprotected { .. })
    }
}
