//! Which sources lack the point of the slot that is due, by DESIGN section 3, "Schedules, exactly".

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::{Config, RegionalPolicy};
use snapkeep::domain::inventory::{Instance, RegionInventory, Volume};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::{RegionalSource, Source};

use super::Truth;
use super::claim::Key;
use super::crontab::latest_slot;
use super::lineage::{Lineage, Lineages};
use super::point::Member;
use super::retention::Status;
use super::thing::Life;

/// How many attempts there are in all.
const ATTEMPTS_MAX: u32 = 5;

/// Returns the sources whose due slot has no point, and none is to be expected by itself.
pub(super) fn missing_points(
    truth: &Truth<'_>,
    config: &Config,
    lineages: &Lineages<'_>,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut res = Vec::new();
    for (index, policy) in config.policies.iter().enumerate() {
        for (region, found) in &truth.inventory.regions {
            let here = policy.in_region(region);
            if !policy.applies_in(region) || !here.create {
                continue;
            }
            let Some(schedule) = &here.schedule else { continue };
            let Some(slot) = latest_slot(schedule.text(), schedule.timezone(), now) else {
                continue;
            };
            for source in selected(here, found) {
                if is_anothers(config, index, *region, found, source) {
                    continue;
                }
                let source = RegionalSource { region: *region, source };
                let lineage = lineages.get(&(index, source, *region));
                if !lineage.is_some_and(|lineage| is_filled(lineage, slot, now)) {
                    res.push(format!("{source} has no point of `{}` for {slot}", policy.name));
                }
            }
        }
    }
    res
}

/// Returns what a policy makes points of in a region.
fn selected(here: &RegionalPolicy, found: &RegionInventory) -> Vec<Source> {
    let instances = found.instances.iter().filter(|instance| {
        here.select.matches_instance(instance) && has_volume(here, instance, found)
    });
    let instances = instances.map(|instance| Source::Instance(instance.id));
    let is_usable = |volume: &&Volume| matches!(volume.state.as_ref(), "available" | "in-use");
    let volumes = found.volumes.iter().filter(|volume| here.select.matches_volume(volume));
    instances.chain(volumes.filter(is_usable).map(|volume| Source::Volume(volume.id))).collect()
}

/// Returns true if there is anything on the instance to make a point of.
fn has_volume(here: &RegionalPolicy, instance: &Instance, found: &RegionInventory) -> bool {
    instance.volumes.iter().any(|attached| {
        let is_root = instance.root_device.as_ref() == Some(&attached.device);
        let volume = found.volumes.iter().find(|volume| volume.id == attached.volume_id);
        volume.is_some_and(|volume| here.volumes.includes(volume, is_root))
    })
}

/// Returns true if an earlier policy makes points of the source, or may be seen to.
fn is_anothers(
    config: &Config,
    index: usize,
    region: Region,
    found: &RegionInventory,
    source: Source,
) -> bool {
    let earlier = config.policies[..index].iter().filter(|policy| policy.applies_in(&region));
    let mut earlier = earlier.map(|policy| policy.in_region(&region));
    earlier.any(|here| here.create && selected(here, found).contains(&source))
}

/// Returns true if there is a point of `slot` or later, or all attempts have been made, or the next
/// one is not due yet.
fn is_filled(lineage: &Lineage<'_>, slot: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let is_due = |key: Key| matches!(key, Key::Slot(of) if slot <= of);
    let points = lineage.points.iter().filter(|point| is_due(point.key));
    // Of what is at home, a copy is the encrypted form of an original, which may be gone.
    let is_form =
        |m: &&Member<'_>| m.claim.copy_of.is_some_and(|of| of.region == m.thing.at.region);
    let members = || points.clone().flat_map(|point| &point.members);
    if members().any(|m| is_form(&m) && m.thing.life() == Life::Complete) {
        return true;
    }
    let mut originals = members().filter(|m| m.claim.copy_of.is_none());
    let has_data = |m: &&Member<'_>| m.thing.life() != Life::Failed && !m.is_leftover;
    let is_there = originals.clone().any(|m| has_data(&m));
    let has_failed = originals.any(|m| m.thing.life() == Life::Failed);
    let is_complete =
        points.clone().any(|p| matches!(p.status, Status::Complete | Status::Pending));
    // What somebody deleted is not made again, what failed is.
    if is_there && (is_complete || !has_failed) {
        return true;
    }
    let members = lineage.points.iter().flat_map(|point| &point.members);
    is_retried_later(members.filter(|m| m.claim.copy_of.is_none()), now)
}

/// Returns true if the newest of some failed attempts was the last one, or the next one waits.
pub(super) fn is_retried_later<'m, 't: 'm>(
    members: impl Iterator<Item = &'m Member<'t>>,
    now: DateTime<Utc>,
) -> bool {
    let failed = members.filter(|m| m.thing.life() == Life::Failed);
    let newest = failed.max_by_key(|m| m.thing.started_at());
    newest.is_some_and(|m| {
        let hours = 1i64 << m.claim.attempt.saturating_sub(1).min(5);
        let next = m.thing.started_at().map(|at| at + TimeDelta::hours(hours.min(24)));
        ATTEMPTS_MAX <= m.claim.attempt || next.is_some_and(|next| now < next)
    })
}
