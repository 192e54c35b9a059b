//! The layers of one policy → what it says in each region.
//!
//! A table or array that stands lower replaces the whole one above it. What only several keys
//! together can get wrong is found here.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::diagnose::{Findings, Place};
use crate::config::feasible;
use crate::config::layer::{Key, Layer, Override};
use crate::config::policy::{ImageRules, Kind, Limits, RegionalPolicy, Regions};
use crate::config::select::{Resource, VolumeChoice};
use crate::domain::region::Region;
use crate::domain::span::Span;

/// Where a policy applies, what it says, and what it says elsewhere.
pub(super) type Parts = (Regions, RegionalPolicy, BTreeMap<Region, RegionalPolicy>);

/// A value is wrong, and that has been reported.
struct Reported;

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
}

impl<'a> Merge<'a> {
    /// Returns what the policy says; none if part of it is wrong or missing, which is reported.
    pub(super) fn parts(&self, findings: &mut Findings<'_>) -> Option<Parts> {
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
                    overrides.insert(given.region, policy);
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
            kind: Kind::Snapshots,
            schedule: schedule.ok()?.map(|schedule| schedule.in_zone(timezone)),
            create: create?,
            select: select?.clone(),
            volumes: volumes?,
            retention: rules?.retention.clone(),
            images: ImageRules::default(),
            copies: Vec::new(),
            encrypt: None,
            copy_grace: Span::days(3),
            copy_give_up: Span::days(30),
            adopt: adopt.ok()?,
            limits: limits?,
        };
        feasible::check(&policy, rules?, findings);
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
