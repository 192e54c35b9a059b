//! `[regions]`: the key for what is encrypted in each, and what its snapshots cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::diagnose::{Findings, Place};
use crate::config::layer::{Reader, RegionFacts};
use crate::config::policy::Policy;
use crate::config::resolve::{ParsedFile, Placed};
use crate::config::shape::At;
use crate::domain::region::Region;

/// What the files say about regions.
pub(super) struct RegionKeys {
    given: BTreeMap<Region, (Place, RegionFacts)>,
    /// Whether that is all that they say.
    pub(super) is_whole: bool,
}

impl RegionKeys {
    /// Reads the tables of all files; `is_complete` is false if some file could not be read.
    pub(super) fn read(
        files: &[ParsedFile],
        is_complete: bool,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut keys = Self { given: BTreeMap::new(), is_whole: is_complete };
        for parsed in files {
            keys.is_whole &= !parsed.broken.touches("regions");
            for (name, at) in parsed.shape.regions.iter().flat_map(At::value) {
                let place = Place::new(parsed.file, name.span());
                let mut reader = Reader::new(parsed.file, &parsed.broken, findings);
                let Some((region, facts)) = reader.region_facts(name, at) else {
                    keys.is_whole = false;
                    continue;
                };
                if let Some((first, _)) = keys.given.get(&region) {
                    let message = format!("region `{region}` is given in two files");
                    let line = findings.line_at(first);
                    let hint = format!("it is given in {line} already; keep one");
                    findings.report(&place, message, hint);
                } else {
                    keys.given.insert(region, (place, facts));
                }
            }
        }
        keys
    }

    /// Returns the key of a region.
    pub(super) fn get(&self, region: &Region) -> Option<&Arc<str>> {
        self.given.get(region).and_then(|(_, facts)| facts.kms_key.as_ref())
    }

    /// A region about which something is said has to be one where something is done.
    pub(super) fn check_are_used(&self, placed: &[Placed], findings: &mut Findings<'_>) {
        let is_used = |region: &Region| {
            let mut policies = placed.iter().map(|placed| &placed.policy);
            // One that could not be read may apply anywhere.
            policies.any(|policy| policy.as_ref().is_none_or(|policy| concerns(policy, region)))
        };
        for (region, (place, _)) in self.given.iter().filter(|(region, _)| !is_used(region)) {
            let message = format!("no policy applies in region `{region}`, and none copies to it");
            findings.report(place, message, "remove the table, or check the region's name");
        }
    }

    /// Returns the keys that are given.
    pub(super) fn into_keys(self) -> BTreeMap<Region, Arc<str>> {
        let given = self.given.into_iter();
        given.filter_map(|(region, (_, facts))| Some((region, facts.kms_key?))).collect()
    }

    /// Returns the prices that are given.
    pub(super) fn prices(&self) -> BTreeMap<Region, f64> {
        let given = self.given.iter();
        given.filter_map(|(region, (_, facts))| Some((*region, facts.price?))).collect()
    }
}

/// Returns true if `policy` applies in `region` or copies to it.
fn concerns(policy: &Policy, region: &Region) -> bool {
    let mut variants = policy.variants();
    policy.applies_in(region)
        || variants.any(|variant| variant.copies.iter().any(|copy| copy.to == *region))
}
