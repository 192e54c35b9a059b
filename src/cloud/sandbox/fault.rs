//! What goes wrong on request: rules that say which calls meet which fault.

use std::fmt;

use chrono::TimeDelta;

use crate::domain::region::Region;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Refused with RequestLimitExceeded; nothing happens.
    Throttled,
    /// Refused with UnauthorizedOperation; nothing happens.
    Denied,
    /// Answered with 500 InternalError; nothing happened, but the caller cannot know.
    ErrorBefore,
    /// Carried out, but the reply is lost.
    LostReply,
    /// No reply comes, and the caller gives up after a while.
    TimedOut {
        /// How long the caller waits.
        after: TimeDelta,
        /// Whether the call is carried out.
        is_done: bool,
    },
    /// Refused with ServiceUnavailable, as by a region that is down; nothing happens.
    Unavailable,
    /// Refused with this code and message; nothing happens.
    Refused {
        /// EC2's error code.
        code: &'static str,
        /// EC2's words.
        message: &'static str,
    },
    /// Takes this much longer, and then goes on as usual.
    Slow(TimeDelta),
    /// The instance that the call names is terminated just before.
    InstanceVanishes,
    /// The snapshots are made, but will fail: all of a set, as EC2 has it. So will copies, and
    /// images whose snapshots they are.
    SnapshotsFail,
}

impl Fault {
    /// Returns one word for the kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::ErrorBefore => "error-before",
            Self::LostReply => "lost-reply",
            Self::TimedOut { is_done: false, .. } => "timed-out-before",
            Self::TimedOut { is_done: true, .. } => "timed-out-after",
            Self::Unavailable => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Slow(_) => "slow",
            Self::InstanceVanishes => "instance-vanishes",
            Self::SnapshotsFail => "snapshots-fail",
        }
    }
}

/// Which calls meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    operation: &'static str,
    region: Option<Region>,
    resource: Option<String>,
    n_to_skip: usize,
    n_left: usize,
}

impl Rule {
    /// Every call of `operation`, by EC2's name.
    pub fn every(operation: &'static str) -> Self {
        Self { operation, region: None, resource: None, n_to_skip: 0, n_left: usize::MAX }
    }

    /// The next call of `operation` only.
    pub fn next(operation: &'static str) -> Self {
        Self::every(operation).times(1)
    }

    /// Only calls to `region`.
    #[must_use]
    pub fn in_region(self, region: &Region) -> Self {
        Self { region: Some(*region), ..self }
    }

    /// Only calls that name this resource: an instance or volume to snapshot, the source of a
    /// copy, what is to be deleted, tagged or shared, a key by the name it is asked for.
    #[must_use]
    pub fn naming(self, resource: &dyn fmt::Display) -> Self {
        Self { resource: Some(resource.to_string()), ..self }
    }

    /// Only after `n` calls have passed unharmed.
    #[must_use]
    pub fn after(self, n: usize) -> Self {
        Self { n_to_skip: n, ..self }
    }

    /// At most `n` calls.
    #[must_use]
    pub fn times(self, n: usize) -> Self {
        Self { n_left: n, ..self }
    }

    fn is_about(&self, operation: &str, region: &Region, resource: &str) -> bool {
        self.operation == operation
            && self.region.as_ref().is_none_or(|r| r == region)
            && self.resource.as_ref().is_none_or(|r| r == resource)
    }

    /// Counts a call; returns true if it meets the fault.
    fn strikes(&mut self, operation: &str, region: &Region, resource: &str) -> bool {
        if !self.is_about(operation, region, resource) || self.n_left == 0 {
            return false;
        }
        if 0 < self.n_to_skip {
            self.n_to_skip -= 1;
            return false;
        }
        self.n_left -= 1;
        true
    }
}

/// The rules that are in force. Of several that match, the first made strikes.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Rule, Fault)>);

impl Faults {
    pub(super) fn add(&mut self, rule: Rule, fault: Fault) {
        self.0.push((rule, fault));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns true if a call that were made now would be denied. Counts nothing.
    pub(super) fn denies(&self, operation: &str, region: &Region, resource: &str) -> bool {
        let mut rules = self.0.iter().filter(|(rule, _)| {
            rule.is_about(operation, region, resource) && rule.n_to_skip == 0 && rule.n_left != 0
        });
        rules.any(|(_, fault)| *fault == Fault::Denied)
    }

    /// Counts a call and returns what happens to it.
    pub(super) fn meet(
        &mut self,
        operation: &str,
        region: &Region,
        resource: &str,
    ) -> Option<Fault> {
        let mut struck = None;
        for (rule, fault) in &mut self.0 {
            if struck.is_none() && rule.strikes(operation, region, resource) {
                struck = Some(fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults, Rule};

    fn check(rule: Rule, calls: &[(&str, &str, &str)]) -> String {
        let mut faults = Faults::default();
        faults.add(rule, Fault::Denied);
        let strikes = calls.iter().map(|(operation, region, resource)| {
            let fault = faults.meet(operation, &region.parse().unwrap(), resource);
            if fault.is_some() { 'x' } else { '.' }
        });
        strikes.collect()
    }

    #[test]
    fn a_rule_strikes_the_calls_it_names() {
        let calls = [
            ("DeleteSnapshot", "eu-west-1", "snap-1"),
            ("CreateSnapshot", "eu-west-1", "vol-1"),
            ("DeleteSnapshot", "us-east-1", "snap-2"),
            ("DeleteSnapshot", "eu-west-1", "snap-2"),
            ("DeleteSnapshot", "eu-west-1", "snap-1"),
        ];
        let rule = Rule::every("DeleteSnapshot");
        assert_eq!(check(rule.clone(), &calls), "x.xxx");
        assert_eq!(check(Rule::next("DeleteSnapshot"), &calls), "x....");
        assert_eq!(check(rule.clone().in_region(&"eu-west-1".parse().unwrap()), &calls), "x..xx");
        assert_eq!(check(rule.clone().naming(&"snap-2"), &calls), "..xx.");
        assert_eq!(check(rule.clone().after(1).times(2), &calls), "..xx.");
        assert_eq!(check(rule.naming(&"snap-1").after(1), &calls), "....x");
    }
}
