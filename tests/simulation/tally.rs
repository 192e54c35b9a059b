//! What was done and looked at, counted over all years.

use std::collections::BTreeMap;
use std::fmt;

/// Counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By what was counted, and within that by kind.
    counts: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
}

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str, kind: &'static str, n: usize) {
        *self.counts.entry(what).or_default().entry(kind).or_default() += n;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, kinds) in &other.counts {
            for (kind, n) in kinds {
                self.count(what, kind, *n);
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, kinds) in &self.counts {
            let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            writeln!(f, "{what}: {}", kinds.join(", "))?;
        }
        Ok(())
    }
}
