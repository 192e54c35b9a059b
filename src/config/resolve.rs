//! Shapes → [`Config`](crate::config::Config): defaults, then the policy, then the override.
//!
//! Here files become policies: what stands in several files at once, and what is missing in all of
//! them. `merge` puts the layers of one policy together, `conflict` looks at several policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::accounts::{Accounts, Role};
use crate::config::conflict;
use crate::config::conform::Broken;
use crate::config::diagnose::{Findings, Place};
use crate::config::layer::{Key, Layer, Reader};
use crate::config::merge::Merge;
use crate::config::notify::Notify;
use crate::config::policy::Policy;
use crate::config::prices::Prices;
use crate::config::region_keys::RegionKeys;
use crate::config::service::{InvalidListen, Listen};
use crate::config::shape::{At, FileShape, GlobalLimitsShape, PolicyShape, ServiceShape};
use crate::domain::region::Region;

/// A file whose structure is sound, but for what was taken out of it.
pub(super) struct ParsedFile {
    /// Its index in the order in which files were read.
    pub(super) file: usize,
    /// What it says.
    pub(super) shape: FileShape,
    /// What was taken out.
    pub(super) broken: Broken,
}

/// A policy with the places that its problems point to.
pub(super) struct Placed {
    /// Its name, or its header.
    pub(super) place: Place,
    /// Names it had before, each with its place.
    pub(super) renamed_from: Vec<(Arc<str>, Place)>,
    /// The policy; none where part of it could not be read.
    pub(super) policy: Option<Policy>,
    /// Its name, as far as it has one.
    pub(super) name: Option<Arc<str>>,
}

/// What all files together say.
pub(super) struct Resolved {
    /// The policies, in the order in which they were written.
    pub(super) policies: Vec<Policy>,
    /// Roles by account.
    pub(super) roles: BTreeMap<Arc<str>, Role>,
    /// Keys by region.
    pub(super) region_keys: BTreeMap<Region, Arc<str>>,
    /// Share of EC2's request rates.
    pub(super) api_share: f64,
    /// Who is told what.
    pub(super) notify: Option<Notify>,
    /// Where `serve` listens.
    pub(super) listen: Listen,
    /// What storage costs.
    pub(super) prices: Prices,
}

/// Returns what the files say; what is wrong goes to `findings`.
///
/// `is_complete` is false if some file could not be read at all: then what is missing may well be
/// in there.
pub(super) fn resolve(
    files: &[ParsedFile],
    is_complete: bool,
    findings: &mut Findings<'_>,
) -> Resolved {
    for parsed in files {
        check_version(parsed, findings);
    }
    let defaults = one_of(files, "defaults", |shape| shape.defaults.as_ref(), findings);
    let limits = one_of(files, "limits", |shape| shape.limits.as_ref(), findings);
    let notify = one_of(files, "notify", |shape| shape.notify.as_ref(), findings);
    let defaults = match defaults {
        Some((parsed, at)) => {
            let mut reader = Reader::new(parsed.file, &parsed.broken, findings);
            Some(reader.layer(&at.value().0, "defaults"))
        }
        None if !is_complete || files.iter().any(|f| f.broken.touches("defaults")) => {
            Some(Layer::unknown())
        }
        None => None,
    };
    let api_share = limits.and_then(|(parsed, at)| api_share(parsed, at.value(), findings));
    let notify = notify.and_then(|(parsed, at)| {
        let zone = defaults.as_ref().and_then(|layer| layer.timezone.value()).copied();
        Reader::new(parsed.file, &parsed.broken, findings).notify(at, zone)
    });
    let service = one_of(files, "service", |shape| shape.service.as_ref(), findings);
    let listen = service.and_then(|(parsed, at)| listen(parsed, at.value(), findings));
    let prices = one_of(files, "prices", |shape| shape.prices.as_ref(), findings);
    let prices = prices
        .and_then(|(parsed, at)| Reader::new(parsed.file, &parsed.broken, findings).prices(at));
    let keys = RegionKeys::read(files, is_complete, findings);
    let accounts = Accounts::read(files, is_complete, findings);
    let above = Above { defaults: defaults.as_ref(), keys: &keys, accounts: &accounts };

    let mut placed = Vec::new();
    for parsed in files {
        for (n, at) in parsed.shape.policy.iter().flatten().enumerate() {
            placed.push(policy(parsed, n, at, above, findings));
        }
    }
    let is_any_broken = files.iter().any(|parsed| parsed.broken.touches("policy"));
    if placed.is_empty() && is_complete && !is_any_broken {
        let hint = "write a block that begins with `[[policy]]`";
        findings.report(&Place::new(0, 0..0), "no policy is defined", hint);
    }
    if let Some(layer) = &defaults {
        check_overrides_are_used(layer, &placed, findings);
    }
    if is_complete && !is_any_broken {
        keys.check_are_used(&placed, findings);
        accounts.check_are_used(&placed, findings);
    }
    conflict::check(&placed, findings);
    let prices = Prices { by_region: keys.prices(), ..prices.unwrap_or_default() };
    Resolved {
        policies: placed.into_iter().filter_map(|placed| placed.policy).collect(),
        roles: accounts.into_roles(),
        region_keys: keys.into_keys(),
        api_share: api_share.unwrap_or(1.0),
        notify,
        listen: listen.unwrap_or_default(),
        prices,
    }
}

fn check_version(parsed: &ParsedFile, findings: &mut Findings<'_>) {
    if let Some(version) = parsed.shape.version.as_ref().filter(|version| *version.value() != 1) {
        let place = Place::new(parsed.file, version.span());
        let message = format!("version {} of the format is not known", version.value());
        findings.report(&place, message, "write `version = 1`");
    }
}

/// Returns the one file that gives a table which must not be given twice.
fn one_of<'a, T>(
    files: &'a [ParsedFile],
    name: &str,
    table: impl Fn(&FileShape) -> Option<&At<T>>,
    findings: &mut Findings<'_>,
) -> Option<(&'a ParsedFile, &'a At<T>)>
where
    T: 'a,
{
    let mut given = files.iter().filter_map(|parsed| Some((parsed, table(&parsed.shape)?)));
    let first = given.next()?;
    let first_place = Place::new(first.0.file, first.1.span());
    for (parsed, at) in given {
        let hint = format!("it is given in {} already; keep one", findings.line_at(&first_place));
        let place = Place::new(parsed.file, at.span());
        findings.report(&place, format!("`{name}` is given in two files"), hint);
    }
    Some(first)
}

fn api_share(
    parsed: &ParsedFile,
    limits: &GlobalLimitsShape,
    findings: &mut Findings<'_>,
) -> Option<f64> {
    let at = limits.api_share.as_ref()?;
    let share = *at.value();
    if 0.0 < share && share <= 1.0 {
        return Some(share);
    }
    let hint = "write a share above 0 and up to 1, such as `0.5`";
    findings.report(
        &Place::new(parsed.file, at.span()),
        format!("`api_share` cannot be {share}"),
        hint,
    );
    None
}

/// What stands above every policy.
#[derive(Clone, Copy)]
struct Above<'a> {
    defaults: Option<&'a Layer>,
    keys: &'a RegionKeys,
    accounts: &'a Accounts,
}

fn listen(
    parsed: &ParsedFile,
    service: &ServiceShape,
    findings: &mut Findings<'_>,
) -> Option<Listen> {
    let at = service.listen.as_ref()?;
    let place = Place::new(parsed.file, at.span());
    at.value()
        .parse()
        .inspect_err(|err: &InvalidListen| {
            findings.report(&place, err.to_string(), err.hint());
        })
        .ok()
}

fn policy(
    parsed: &ParsedFile,
    n: usize,
    at: &At<PolicyShape>,
    above: Above<'_>,
    findings: &mut Findings<'_>,
) -> Placed {
    let shape = at.value();
    let mut reader = Reader::new(parsed.file, &parsed.broken, findings);
    let name = shape.name.as_ref().and_then(|name| reader.policy_name(name));
    let place = shape.name.as_ref().map_or_else(|| at.span(), At::span);
    let place = Place::new(parsed.file, place);
    let renamed_from = shape.renamed_from.iter().flatten();
    let renamed_from: Vec<(Arc<str>, Place)> = renamed_from
        .filter_map(|old| Some((reader.policy_name(old)?, reader.place(old.span()))))
        .collect();
    let layer = reader.layer(shape, &format!("policy/{n}"));

    let called = name.as_ref().map_or("this policy".to_owned(), |name| format!("policy `{name}`"));
    let Above { defaults, keys, accounts } = above;
    let merge = Merge { called: &called, place: &place, policy: &layer, defaults, keys };
    let parts = merge.parts(findings);
    let accounts = merge.accounts(accounts, findings);
    let policy = parts.and_then(|(regions, base, overrides)| {
        let renamed_from = renamed_from.iter().map(|(old, _)| Arc::clone(old)).collect();
        let name = Arc::clone(name.as_ref()?);
        Some(Policy { name, renamed_from, accounts: accounts?, regions, base, overrides })
    });
    Placed { place, renamed_from, policy, name }
}

/// An override among the defaults has to be for some policy.
fn check_overrides_are_used(defaults: &Layer, placed: &[Placed], findings: &mut Findings<'_>) {
    let Key::Given(_, overrides) = &defaults.overrides else { return };
    let is_used = |region| {
        let mut policies = placed.iter().map(|placed| &placed.policy);
        // One that could not be read may apply anywhere.
        policies.any(|policy| policy.as_ref().is_none_or(|policy| policy.applies_in(region)))
    };
    for given in overrides.iter().filter(|given| !is_used(&given.region)) {
        let message = format!("no policy applies in region `{}`", given.region);
        findings.report(&given.place, message, "remove the override, or check the region's name");
    }
}

#[cfg(test)]
mod tests;
