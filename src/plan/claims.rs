//! Claims: which policy gives a source its points, where several select it.
//!
//! The first policy, in the order of the configuration, does. That a volume stands in points of
//! two policies, by itself and with its instance, is allowed, but costs and is worth a word.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::id_map::IdMap;
use crate::domain::ids::VolumeId;
use crate::domain::source::Source;
use crate::plan::select::Candidate;

/// Two policies: the first and another.
type Pair<'c> = (&'c Arc<str>, &'c Arc<str>);

/// Who has claimed what in one region.
#[derive(Debug, Default)]
pub struct Claims<'c> {
    sources: BTreeMap<Source, &'c Arc<str>>,
    volumes: IdMap<VolumeId, &'c Arc<str>>,
    contested: BTreeMap<Pair<'c>, Vec<Source>>,
    n_covered_twice: BTreeMap<Pair<'c>, usize>,
}

impl<'c> Claims<'c> {
    /// Claims `candidate` for `policy`; returns false if another policy was first.
    pub fn claim(&mut self, candidate: &Candidate<'_>, policy: &'c Arc<str>) -> bool {
        let source = candidate.source;
        if let Some(first) = self.sources.get(&source) {
            self.contested.entry((first, policy)).or_default().push(source);
            return false;
        }
        self.sources.insert(source, policy);
        for volume in &candidate.volumes {
            if let Some(first) = self.volumes.insert(volume.id, policy) {
                *self.n_covered_twice.entry((first, policy)).or_default() += 1;
            }
        }
        true
    }

    /// Returns a line for every two policies that met.
    pub fn lines(&self) -> Vec<String> {
        let contested = self.contested.iter().filter_map(|((first, other), sources)| {
            let (one, more) = sources.split_first()?;
            let (and_more, are) = match more.len() {
                0 => (String::new(), "is"),
                n => (format!(" and {n} more"), "are"),
            };
            Some(format!("{one}{and_more} {are} selected by `{first}` and `{other}`; only `{first}` makes points"))
        });
        let covered_twice = self.n_covered_twice.iter().map(|((first, other), n)| {
            format!("volumes in points of `{first}` and again of `{other}`: {n}")
        });
        contested.chain(covered_twice).collect()
    }
}
