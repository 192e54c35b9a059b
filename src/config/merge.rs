//! The layers of one policy → what it says in each region.
//!
//! A table or array that stands lower replaces the whole one above it. What only several keys
//! together can get wrong is found here.

mod copies;
mod kinds;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::diagnose::{Findings, Place};
use crate::config::feasible;
use crate::config::layer::{Key, Layer, Override, Reported};
use crate::config::merge::kinds::Subject;
use crate::config::policy::{Kind, Limits, RegionalPolicy, Regions};
use crate::config::region_keys::RegionKeys;
use crate::config::select::{Resource, VolumeChoice};
use crate::domain::region::Region;
use crate::domain::span::Span;

/// Where a policy applies, what it says, and what it says elsewhere.
pub(super) type Parts = (Regions, RegionalPolicy, BTreeMap<Region, RegionalPolicy>);

/// Puts the layers of one policy together.
pub(super) struct Merge<'a> {
    /// What messages call it.
    pub(super) called: &'a str,
    /// Where it is said that something is missing.
    pub(super) place: &'a Place,
    /// Its own block.
    pub(super) policy: &'a Layer,
    /// What stands above it.
    pub(super) defaults: Option<&'a Layer>,
    /// Keys by region.
    pub(super) keys: &'a RegionKeys,
}

/// The policy as it is in some of its regions.
struct Variant<'a> {
    /// What stands below it, if anything does.
    lowest: Option<&'a Layer>,
    /// Where it is so; nowhere if that is not known.
    regions: Regions,
}

impl<'a> Merge<'a> {
    /// Returns what the policy says; none if part of it is wrong or missing, which is reported.
    pub(super) fn parts(&self, findings: &mut Findings<'_>) -> Option<Parts> {
        let hint = "name regions, such as `regions = [\"eu-west-1\"]`, or write `[\"all\"]`";
        let everywhere = Variant { lowest: None, regions: Regions::Named(Vec::new()) };
        let regions = self.required(&everywhere, "regions", hint, |l| &l.regions, findings);
        let mut given: Vec<&Override> = self.overrides(&everywhere).iter().collect();
        given.retain(|given| self.applies_to(given, regions, findings));

        let has_override = |region: &Region| given.iter().any(|given| given.region == *region);
        let others = match regions {
            Some(Regions::All) => Regions::All,
            Some(Regions::Named(named)) => {
                Regions::Named(named.iter().copied().filter(|r| !has_override(r)).collect())
            }
            None => Regions::Named(Vec::new()),
        };
        let base = self.in_layers(&Variant { lowest: None, regions: others }, findings);
        let mut overrides = BTreeMap::new();
        let mut is_complete = true;
        for given in given {
            let regions = Regions::Named(vec![given.region]);
            match self.in_layers(&Variant { lowest: Some(&given.layer), regions }, findings) {
                Some(policy) => {
                    overrides.insert(given.region, policy);
                }
                None => is_complete = false,
            }
        }
        let parts = (regions?.clone(), base?, overrides);
        is_complete.then_some(parts)
    }

    /// Returns the layers, the lowest first.
    fn layers(&self, variant: &Variant<'a>) -> impl Iterator<Item = &'a Layer> + use<'a> {
        [variant.lowest, Some(self.policy), self.defaults].into_iter().flatten()
    }

    /// Returns the override and the policy, up to the one that settles a question.
    ///
    /// What stands above that one may be meant for other regions, and what stands in the defaults
    /// for other policies.
    fn own_layers(
        &self,
        variant: &Variant<'a>,
        settles: impl Fn(&Layer) -> bool,
    ) -> impl Iterator<Item = &'a Layer> {
        let mut is_settled = false;
        let own = [variant.lowest, Some(self.policy)].into_iter().flatten();
        own.take_while(move |layer| {
            let is_meant = !is_settled;
            is_settled |= settles(layer);
            is_meant
        })
    }

    /// Returns the lowest layer's word on a key.
    fn pick<T: 'a>(
        &self,
        variant: &Variant<'a>,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Option<&'a Key<T>> {
        self.layers(variant).map(key).find(|key| key.is_said())
    }

    /// Returns a value, or what it is where no layer gives it; none if it is broken.
    fn or<T: Clone + 'a>(
        &self,
        variant: &Variant<'a>,
        default: T,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Option<T> {
        match self.pick(variant, key) {
            Some(Key::Given(_, value)) => Some(value.clone()),
            Some(Key::Broken) => None,
            Some(Key::Absent) | None => Some(default),
        }
    }

    /// Returns a value that some layer has to give.
    fn required<T: 'a>(
        &self,
        variant: &Variant<'a>,
        key_name: &str,
        hint: &str,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
        findings: &mut Findings<'_>,
    ) -> Option<&'a T> {
        match self.pick(variant, key) {
            Some(Key::Given(_, value)) => Some(value),
            Some(Key::Broken) => None,
            Some(Key::Absent) | None => {
                let message = format!("{} has no `{key_name}`", self.called);
                findings.report(self.place, message, hint);
                None
            }
        }
    }

    fn overrides(&self, variant: &Variant<'a>) -> &'a [Override] {
        match self.pick(variant, |layer| &layer.overrides) {
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

    /// Returns what the policy says in some of its regions.
    fn in_layers(
        &self,
        variant: &Variant<'a>,
        findings: &mut Findings<'_>,
    ) -> Option<RegionalPolicy> {
        let hint = "say what to protect, such as `select = { resource = \"instance\" }`";
        let selection = self.required(variant, "select", hint, |layer| &layer.select, findings);
        let hint = "say how long to keep points, such as `retention = { daily = \"1 month\" }`, \
                    or write `retention = \"forever\"`";
        let rules = self.required(variant, "retention", hint, |layer| &layer.retention, findings);
        let kind = self.or(variant, Kind::Snapshots, |layer| &layer.kind);
        let adopt = self.optional(variant, |layer| &layer.adopt);
        let copies = self.copies(variant, rules, findings);
        let encrypt = self.encrypt(variant, findings);
        let patience = self.patience(variant, findings);
        // An adoption that is not known may well be one.
        let adopts = adopt.as_ref().map_or(true, Option::is_some);
        let select = &selection?.select;
        let subject = Subject { kind: kind?, resource: select.resource, adopts };
        self.check_subject(variant, subject, findings);

        let owner = self.or(variant, Arc::from("main"), |layer| &layer.owner);
        let timezone = self.or(variant, Tz::UTC, |layer| &layer.timezone);
        let create = self.or(variant, true, |layer| &layer.create);
        let volumes = self.optional(variant, |layer| &layer.volumes);
        let limits = self.or(variant, Limits::default(), |layer| &layer.limits);
        let schedule = self.optional(variant, |layer| &layer.schedule);
        let images = self.images(variant, subject);
        let point_grace = self.or(variant, Span::hours(6), |layer| &layer.point_grace);
        let (timezone, (copy_grace, copy_give_up)) = (timezone?, patience?);
        // What is said above about making points, or about volumes, is for other policies.
        let is_made_here = select.resource != Resource::Image;
        let schedule = schedule.ok()?.filter(|_| is_made_here);
        let volumes = volumes.ok()?.filter(|_| select.resource == Resource::Instance);
        let all_volumes = VolumeChoice { boot: true, exclude_tags: Vec::new() };
        let policy = RegionalPolicy {
            owner: owner?,
            timezone,
            kind: subject.kind,
            schedule: schedule.map(|schedule| schedule.clone().in_zone(timezone)),
            create: create? && is_made_here,
            select: select.clone(),
            volumes: volumes.map_or(all_volumes, |volumes| volumes.choice.clone()),
            retention: rules?.retention.clone(),
            images: images?,
            copies: copies?,
            encrypt: encrypt.ok()?,
            point_grace: point_grace?,
            copy_grace,
            copy_give_up,
            adopt: adopt.ok()?.cloned(),
            limits: limits?,
        };
        feasible::check(&policy, rules?, findings);
        for rules in self.rules_of_copies(variant) {
            feasible::check(&policy, rules, findings);
        }
        Some(policy)
    }

    /// Returns a value that may be absent.
    fn optional<T: 'a>(
        &self,
        variant: &Variant<'a>,
        key: impl Fn(&'a Layer) -> &'a Key<T>,
    ) -> Result<Option<&'a T>, Reported> {
        match self.pick(variant, key) {
            Some(Key::Given(_, value)) => Ok(Some(value)),
            Some(Key::Broken) => Err(Reported),
            Some(Key::Absent) | None => Ok(None),
        }
    }
}
