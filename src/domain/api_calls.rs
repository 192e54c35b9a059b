//! How often EC2 was called, and how it answered. Counts only.

use std::collections::BTreeMap;

use crate::domain::region::Region;

/// Calls by region and operation, under EC2's own names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiCalls {
    /// None is what belongs to no region.
    counts: BTreeMap<(Option<Region>, &'static str), Calls>,
}

/// How often one operation was called in one region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them, answered or not.
    pub all: u64,
    /// Refused because the bucket of requests was empty.
    pub throttled: u64,
    /// Failed in another way.
    pub failed: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// With what was asked for.
    Answered,
    /// Refused because the bucket of requests was empty.
    Throttled,
    /// In another error.
    Failed,
}

impl ApiCalls {
    /// Counts one call.
    pub fn count(&mut self, region: Option<Region>, operation: &'static str, end: CallEnd) {
        let calls = self.counts.entry((region, operation)).or_default();
        calls.all += 1;
        match end {
            CallEnd::Answered => {}
            CallEnd::Throttled => calls.throttled += 1,
            CallEnd::Failed => calls.failed += 1,
        }
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        for (key, more) in &other.counts {
            let calls = self.counts.entry(*key).or_default();
            calls.all += more.all;
            calls.throttled += more.throttled;
            calls.failed += more.failed;
        }
    }

    /// Returns the counts, by region and operation.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Region>, &'static str, Calls)> {
        self.counts.iter().map(|((region, operation), calls)| (*region, *operation, *calls))
    }
}
