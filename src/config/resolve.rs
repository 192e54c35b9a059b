//! Shapes → [`Config`](crate::config::Config): defaults, then the policy, then the override.
//!
//! A table or array that stands lower replaces the whole one above it. What only several keys
//! together can get wrong is found here; what several policies can, in `conflict`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate, Weekday};
use chrono_tz::Tz;

use crate::config::conflict;
use crate::config::conform::Broken;
use crate::config::diagnose::{Findings, Place};
use crate::config::layer::{Key, Layer, Override, Reader, Rules};
use crate::config::policy::{Limits, Policy, RegionalPolicy, Regions, Take, Tier};
use crate::config::select::{Resource, VolumeChoice};
use crate::config::shape::{At, FileShape, GlobalLimitsShape, PolicyShape};
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

/// Returns the policies and the share of EC2's request rates; what is wrong goes to `findings`.
///
/// `is_complete` is false if some file could not be read at all: then what is missing may well be
/// in there.
pub(super) fn resolve(
    files: &[ParsedFile],
    is_complete: bool,
    findings: &mut Findings<'_>,
) -> (Vec<Policy>, f64) {
    for parsed in files {
        check_version(parsed, findings);
    }
    let defaults = one_of(files, "defaults", |shape| shape.defaults.as_ref(), findings);
    let limits = one_of(files, "limits", |shape| shape.limits.as_ref(), findings);
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

    let mut placed = Vec::new();
    for parsed in files {
        for (n, at) in parsed.shape.policy.iter().flatten().enumerate() {
            placed.push(policy(parsed, n, at, defaults.as_ref(), findings));
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
    conflict::check(&placed, findings);
    (placed.into_iter().filter_map(|placed| placed.policy).collect(), api_share.unwrap_or(1.0))
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

fn policy(
    parsed: &ParsedFile,
    n: usize,
    at: &At<PolicyShape>,
    defaults: Option<&Layer>,
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
    let resolver = Resolver { called: &called, place: &place, policy: &layer, defaults };
    let parts = resolver.parts(findings);
    let policy = parts.and_then(|(regions, base, overrides)| {
        let renamed_from = renamed_from.iter().map(|(old, _)| Arc::clone(old)).collect();
        Some(Policy { name: Arc::clone(name.as_ref()?), renamed_from, regions, base, overrides })
    });
    Placed { place, renamed_from, policy, name }
}

type Parts = (Regions, RegionalPolicy, BTreeMap<Region, RegionalPolicy>);

/// A value is wrong, and that has been reported.
struct Reported;

/// Puts the layers of one policy together.
struct Resolver<'a> {
    /// What messages call it.
    called: &'a str,
    place: &'a Place,
    policy: &'a Layer,
    defaults: Option<&'a Layer>,
}

impl<'a> Resolver<'a> {
    /// Returns what the policy says; none if part of it is wrong or missing, which is reported.
    fn parts(&self, findings: &mut Findings<'_>) -> Option<Parts> {
        let hint = "name regions, such as `regions = [\"eu-west-1\"]`, or write `[\"all\"]`";
        let regions = self.required(None, "regions", hint, |layer| &layer.regions, findings);
        let base = self.in_layers(None, findings);
        let mut overrides = BTreeMap::new();
        let mut is_complete = true;
        for given in self.overrides() {
            if !self.applies_to(given, regions, findings) {
                continue;
            }
            match self.in_layers(Some(&given.layer), findings) {
                Some(policy) => {
                    overrides.insert(given.region.clone(), policy);
                }
                None => is_complete = false,
            }
        }
        let parts = (regions?.clone(), base?, overrides);
        is_complete.then_some(parts)
    }

    /// Returns the lowest layer's word on a key.
    fn pick<T: 'a>(
        &self,
        lowest: Option<&'a Layer>,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Option<&'a Key<T>> {
        let layers = [lowest, Some(self.policy), self.defaults];
        layers.into_iter().flatten().map(key).find(|key| !matches!(key, Key::Absent))
    }

    /// Returns a value, or what it is where no layer gives it; none if it is broken.
    fn or<T: Clone + 'a>(
        &self,
        lowest: Option<&'a Layer>,
        default: T,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Option<T> {
        match self.pick(lowest, key) {
            Some(Key::Given(_, value)) => Some(value.clone()),
            Some(Key::Broken) => None,
            Some(Key::Absent) | None => Some(default),
        }
    }

    /// Returns a value that some layer has to give.
    fn required<T: 'a>(
        &self,
        lowest: Option<&'a Layer>,
        key_name: &str,
        hint: &str,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
        findings: &mut Findings<'_>,
    ) -> Option<&'a T> {
        match self.pick(lowest, key) {
            Some(Key::Given(_, value)) => Some(value),
            Some(Key::Broken) => None,
            Some(Key::Absent) | None => {
                let message = format!("{} has no `{key_name}`", self.called);
                findings.report(self.place, message, hint);
                None
            }
        }
    }

    fn overrides(&self) -> &'a [Override] {
        match self.pick(None, |layer| &layer.overrides) {
            Some(Key::Given(_, overrides)) => overrides,
            Some(Key::Broken | Key::Absent) | None => &[],
        }
    }

    /// Returns true if an override is for one of the policy's regions.
    ///
    /// One that stands in the policy itself must be; one of the defaults may be for another
    /// policy's.
    fn applies_to(
        &self,
        given: &Override,
        regions: Option<&Regions>,
        findings: &mut Findings<'_>,
    ) -> bool {
        let Some(Regions::Named(named)) = regions else { return true };
        if named.contains(&given.region) {
            return true;
        }
        if matches!(self.policy.overrides, Key::Given(..)) {
            let message = format!("{} does not apply in region `{}`", self.called, given.region);
            let hint = format!("add `{}` to its `regions`, or remove the override", given.region);
            findings.report(&given.place, message, hint);
        }
        false
    }

    /// Returns what the policy says with `lowest` on top.
    fn in_layers(
        &self,
        lowest: Option<&'a Layer>,
        findings: &mut Findings<'_>,
    ) -> Option<RegionalPolicy> {
        let hint = "say what to protect, such as `select = { resource = \"instance\" }`";
        let select = self.required(lowest, "select", hint, |layer| &layer.select, findings);
        let hint = "say how long to keep points, such as `retention = { daily = \"1 month\" }`, \
                    or write `retention = \"forever\"`";
        let rules = self.required(lowest, "retention", hint, |layer| &layer.retention, findings);
        self.check_volumes_are_of_instances(lowest, findings);

        let all_volumes = VolumeChoice { boot: true, exclude_tags: Vec::new() };
        let owner = self.or(lowest, Arc::from("main"), |layer| &layer.owner);
        let timezone = self.or(lowest, Tz::UTC, |layer| &layer.timezone);
        let create = self.or(lowest, true, |layer| &layer.create);
        let volumes = self.or(lowest, all_volumes, |layer| &layer.volumes);
        let limits = self.or(lowest, Limits::default(), |layer| &layer.limits);
        let adopt = self.optional(lowest, |layer| &layer.adopt);
        let schedule = self.optional(lowest, |layer| &layer.schedule);
        let timezone = timezone?;
        let policy = RegionalPolicy {
            owner: owner?,
            timezone,
            schedule: schedule.ok()?.map(|schedule| schedule.in_zone(timezone)),
            create: create?,
            select: select?.clone(),
            volumes: volumes?,
            retention: rules?.retention.clone(),
            adopt: adopt.ok()?,
            limits: limits?,
        };
        check_rules_can_keep(&policy, rules?, findings);
        Some(policy)
    }

    /// Returns a value that may be absent.
    fn optional<T: Clone + 'a>(
        &self,
        lowest: Option<&'a Layer>,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Result<Option<T>, Reported> {
        match self.pick(lowest, key) {
            Some(Key::Given(_, value)) => Ok(Some(value.clone())),
            Some(Key::Broken) => Err(Reported),
            Some(Key::Absent) | None => Ok(None),
        }
    }

    /// `volumes` chooses among an instance's; beside selected volumes it would be ignored.
    ///
    /// Above the layer that selects them it may be meant for other regions, and in the defaults for
    /// other policies.
    fn check_volumes_are_of_instances(
        &self,
        lowest: Option<&'a Layer>,
        findings: &mut Findings<'_>,
    ) {
        for layer in [lowest, Some(self.policy)].into_iter().flatten() {
            let select = match &layer.select {
                Key::Absent => self.pick(lowest, |layer| &layer.select).and_then(Key::value),
                given => given.value(),
            };
            let is_volume = select.is_some_and(|select| select.resource == Resource::Volume);
            if let (true, Key::Given(place, _)) = (is_volume, &layer.volumes) {
                let message = "`volumes` chooses among an instance's volumes, but volumes are \
                               selected";
                let hint = "leave it out, and use `tags` and `exclude_tags` of `select`";
                findings.report(place, message, hint);
            }
            if !matches!(layer.select, Key::Absent) {
                return;
            }
        }
    }
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

/// Reports tiers that no slot can ever feed.
///
/// Points made without a schedule, or by others, may be of any day.
fn check_rules_can_keep(policy: &RegionalPolicy, rules: &Rules, findings: &mut Findings<'_>) {
    let Some(schedule) = &policy.schedule else { return };
    if !policy.create || policy.adopt.is_some() {
        return;
    }
    for rule in &policy.retention.tiers {
        if rule.take != Take::FirstDay || first_days(rule.tier).any(|day| schedule.fires_on(day)) {
            continue;
        }
        let Some((_, place)) = rules.places.iter().find(|(tier, _)| *tier == rule.tier) else {
            continue;
        };
        let (name, day) = (rule.tier.name(), first_day_name(rule.tier));
        let message =
            format!("`{name}` can never keep anything: `{}` never fires on {day}", schedule.text());
        let hint = "take `first` instead of `first-day`, or let the schedule fire on that day";
        findings.report(place, message, hint);
    }
}

fn first_day_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Yearly => "1 January",
        Tier::Monthly => "the first day of a month",
        Tier::Weekly => "a Monday",
        Tier::Daily | Tier::Hourly | Tier::Every => "any day",
    }
}

/// Returns the first days of a tier's periods through 28 years: after these, dates fall on the
/// same days of the week again.
fn first_days(tier: Tier) -> impl Iterator<Item = NaiveDate> {
    let start = NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default();
    start.iter_days().take(28 * 366).filter(move |day| match tier {
        Tier::Yearly => day.ordinal() == 1,
        Tier::Monthly => day.day() == 1,
        Tier::Weekly => day.weekday() == Weekday::Mon,
        Tier::Daily | Tier::Hourly | Tier::Every => true,
    })
}

#[cfg(test)]
mod tests;
