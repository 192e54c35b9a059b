//! What is wrong with several policies together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::diagnose::{Findings, Place};
use crate::config::policy::{Policy, RegionalPolicy, Regions};
use crate::config::resolve::Placed;
use crate::config::select::Resource;
use crate::domain::region::Region;

/// Reports names that two policies claim, and policies that select the same.
pub(super) fn check(policies: &[Placed], findings: &mut Findings<'_>) {
    check_names(policies, findings);
    for (n, later) in policies.iter().enumerate() {
        for earlier in &policies[..n] {
            check_selectors(earlier, later, findings);
        }
    }
}

fn check_names(policies: &[Placed], findings: &mut Findings<'_>) {
    let mut names: BTreeMap<Arc<str>, &Place> = BTreeMap::new();
    for placed in policies {
        let Some(name) = &placed.name else { continue };
        if let Some(first) = names.get(name) {
            let message = format!("two policies are called `{name}`");
            let hint = format!("the other one is at {}", findings.line_at(first));
            findings.report(&placed.place, message, hint);
        } else {
            names.insert(Arc::clone(name), &placed.place);
        }
    }
    let mut claims: BTreeMap<Arc<str>, &Place> = BTreeMap::new();
    for (old, place) in policies.iter().flat_map(|placed| &placed.renamed_from) {
        let other = names.get(old).map(|other| ("a policy is called so", other));
        let other = other.or_else(|| claims.get(old).map(|other| ("it is claimed", other)));
        if let Some((what, other)) = other {
            let message = format!("the points of `{old}` cannot be taken over");
            let hint = format!("{what} at {}", findings.line_at(other));
            findings.report(place, message, hint);
        }
        claims.entry(Arc::clone(old)).or_insert(place);
    }
}

/// Two policies of a kind that select the same in a region would both protect every source there.
fn check_selectors(earlier: &Placed, later: &Placed, findings: &mut Findings<'_>) {
    let (Some(a), Some(b)) = (&earlier.policy, &later.policy) else { return };
    if a.name == b.name {
        return;
    }
    if a.accounts.is_disjoint(&b.accounts) {
        return;
    }
    let alike = common_regions(a, b).into_iter().find(|region| match region {
        Some(region) => select_the_same(a.in_region(region), b.in_region(region)),
        None => select_the_same(&a.base, &b.base),
    });
    let Some(region) = alike else { return };
    let region = region.map_or("every region".to_owned(), |region| format!("region `{region}`"));
    let message = format!("policies `{}` and `{}` select the same in {region}", a.name, b.name);
    let hint = format!(
        "the other one is at {}; change its `select` or `regions`, or make one policy of both",
        findings.line_at(&earlier.place)
    );
    findings.report(&later.place, message, hint);
}

/// Returns the regions in which both apply, in order; none stands for all that are not named.
fn common_regions(a: &Policy, b: &Policy) -> Vec<Option<Region>> {
    match (&a.regions, &b.regions) {
        (Regions::Named(named), other) | (other, Regions::Named(named)) => {
            let is_common = |region: &&Region| match other {
                Regions::All => true,
                Regions::Named(others) => others.contains(region),
            };
            named.iter().filter(is_common).copied().map(Some).collect()
        }
        (Regions::All, Regions::All) => {
            let named: BTreeSet<&Region> = a.overrides.keys().chain(b.overrides.keys()).collect();
            std::iter::once(None).chain(named.into_iter().copied().map(Some)).collect()
        }
    }
}

fn select_the_same(a: &RegionalPolicy, b: &RegionalPolicy) -> bool {
    // Where no instances are selected, no volumes of theirs are.
    let are_volumes_alike = a.select.resource != Resource::Instance || a.volumes == b.volumes;
    a.kind == b.kind && a.select == b.select && are_volumes_alike
}
