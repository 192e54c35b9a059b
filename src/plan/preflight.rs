//! What was found out before the first run: data that `run` fills in and `report` shows.
//!
//! Nothing here asks anybody.

use std::collections::BTreeSet;

use crate::domain::region::Region;
use crate::plan::rights::{KeyNeed, Purpose, Rights};

/// Everything that was tried.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// What the configuration needs.
    pub rights: Rights,
    /// What was tried for the account as a whole.
    pub account: Vec<Check>,
    /// What was tried in each region, in their order.
    pub regions: Vec<(Region, Vec<Check>)>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What: an EC2 call, a key, the region itself.
    pub what: String,
    /// What came of it.
    pub finding: Finding,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be; with what there is to say about it.
    Fine(String),
    /// It is not, and something will fail.
    Missing {
        /// What is wrong.
        why: String,
        /// What it is needed for.
        needed_for: BTreeSet<String>,
        /// What would grant it, if a right is what is missing.
        granted_by: Vec<Grant>,
    },
    /// It is not, but all goes on: what is worse then.
    Lacking {
        /// What is wrong.
        why: String,
        /// What becomes worse.
        effect: String,
    },
    /// Nobody knows; why not.
    NotTried(String),
    /// It will do, but probably not what was meant.
    Doubtful(String),
}

/// A statement of the IAM policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// The one for a purpose.
    Purpose(Purpose),
    /// Those for a key.
    Key(KeyNeed),
}

impl Preflight {
    /// Returns everything that was tried.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.account.iter().chain(self.regions.iter().flat_map(|(_, checks)| checks))
    }

    /// Returns true if nothing is known to be missing that is needed.
    pub fn is_passed(&self) -> bool {
        !self.checks().any(|check| matches!(check.finding, Finding::Missing { .. }))
    }
}
