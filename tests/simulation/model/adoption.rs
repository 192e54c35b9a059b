//! What others made and a policy adopts, by DESIGN section 3, "Adopted".

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use snapkeep::config::{Config, Kind, RegionalPolicy};
use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::domain::tags::{BACKED, HOLD, PREFIX, Tags};

use super::claim::claim;
use super::family::{self, family};
use super::retention::{Dated, Rule, Side, Status, Why, kept};
use super::thing::{Body, Life, Thing, find, images_on, is_gone, things};
use super::{Gone, Truth};

/// Marks of Elastic Disaster Recovery, Application Migration Service and the EBS CSI driver: how
/// keys of their tags begin.
const MARKS: [&str; 4] = [
    "AWSElasticDisasterRecovery",
    "AWSApplicationMigrationService",
    "ebs.csi.aws.com/",
    "CSIVolumeSnapshotName",
];

/// Returns the policies, as indexes, that adopt `thing`: it is not ours, and may be adopted.
pub(super) fn adopters(truth: &Truth<'_>, config: &Config, thing: &Thing<'_>) -> Vec<usize> {
    let region = thing.at.region;
    if is_left_by_adopted_image(truth, thing) {
        let makes_images = |here: &RegionalPolicy| here.kind == Kind::Images;
        return policies(config, region)
            .filter(|(_, here)| makes_images(here))
            .map(|(i, _)| i)
            .collect();
    }
    if !may_be_adopted(truth, thing) {
        return Vec::new();
    }
    let adopts = |here: &RegionalPolicy| {
        let Some(adopt) = &here.adopt else { return false };
        match thing.body {
            Body::Snapshot(snapshot) => here.kind == Kind::Snapshots && adopt.matches(snapshot),
            Body::Image(image) => here.kind == Kind::Images && adopt.matches_image(image),
        }
    };
    policies(config, region).filter(|(_, here)| adopts(here)).map(|(index, _)| index).collect()
}

/// Returns the policies that apply in a region and adopt anything there.
fn policies(config: &Config, region: Region) -> impl Iterator<Item = (usize, &RegionalPolicy)> {
    let applying = config.policies.iter().enumerate().filter(move |(_, p)| p.applies_in(&region));
    applying
        .map(move |(index, policy)| (index, policy.in_region(&region)))
        .filter(|(_, here)| here.adopt.is_some())
}

fn may_be_adopted(truth: &Truth<'_>, thing: &Thing<'_>) -> bool {
    let is_ours = |key: &str| key.starts_with(PREFIX) && key != HOLD;
    let is_marked = |key: &str| MARKS.iter().any(|mark| key.starts_with(mark));
    let speaks_against = |tags: &Tags| {
        tags.iter().any(|(key, _)| key.starts_with("aws:") || is_ours(key) || is_marked(key))
    };
    if speaks_against(thing.tags()) {
        return false;
    }
    match thing.body {
        Body::Snapshot(snapshot) => {
            thing.real_volume().is_some()
                && images_on(truth, thing.at.region, snapshot.id).next().is_none()
        }
        Body::Image(image) => !image.is_public,
    }
}

/// Returns true for a snapshot that backed an adopted image, by the tag that it got just before the
/// image was deregistered; the tag says nothing on anything that it was copied to.
pub(super) fn is_left_by_adopted_image(truth: &Truth<'_>, thing: &Thing<'_>) -> bool {
    let Some((image, own)) = thing.tags().get(BACKED).and_then(|text| text.split_once('/')) else {
        return false;
    };
    let region = thing.at.region;
    let is_registered =
        |id: ResourceId| find(truth, RegionalId { region, id }).is_some_and(|t| t.is_image());
    own.parse() == Ok(thing.at.id) && image.parse().is_ok_and(|id| !is_registered(id))
}

/// Returns what is lost of what policies adopt if `gone` goes by `now`.
pub(super) fn losses(
    truth: &Truth<'_>,
    config: &Config,
    gone: &Gone,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut res = Vec::new();
    for id in gone {
        let Some(thing) = find(truth, *id) else { continue };
        if claim(&thing, config).is_ok() || is_left_by_adopted_image(truth, &thing) {
            continue;
        }
        // Those of a family that a policy selects are points of it, beside what is not adopted.
        let families = family::members(&thing, config);
        let is_selected = |policy: &usize| families.iter().any(|claim| claim.policy == *policy);
        for policy in adopters(truth, config, &thing).into_iter().filter(|p| !is_selected(p)) {
            let kept = kept_with(truth, config, &thing, policy, now, Side::Required);
            if let Some(Some(why)) = kept.get(id) {
                let name = &config.policies[policy].name;
                res.push(format!("{id}, adopted by `{name}`, is kept: {why}"));
            }
        }
    }
    res
}

/// Returns why `policy` keeps each thing of the lineage of `thing`, if it does.
pub(super) fn kept_with(
    truth: &Truth<'_>,
    config: &Config,
    thing: &Thing<'_>,
    policy: usize,
    now: DateTime<Utc>,
    side: Side,
) -> BTreeMap<RegionalId, Option<Why>> {
    let region = thing.at.region;
    let here = config.policies[policy].in_region(&region);
    let Some(source) = source(thing, here) else { return BTreeMap::new() };
    let is_of_lineage = |other: &Thing<'_>| {
        other.at.region == region
            && self::source(other, here) == Some(source)
            && adopters(truth, config, other).contains(&policy)
    };
    let lineage: Vec<Thing<'_>> = things(truth).filter(is_of_lineage).collect();
    let covered = covered_until(truth, config, region, source, side);
    let dated: Vec<Dated> = lineage.iter().map(|thing| dated(thing, covered)).collect();
    let is_source_gone = is_gone(truth, region, source);
    let rule = Rule { retention: &here.retention, zone: here.timezone, now, is_source_gone };
    lineage.iter().map(|thing| thing.at).zip(kept(&dated, &rule, side)).collect()
}

/// Returns what an adopted thing is a point of: its volume, or its family.
fn source(thing: &Thing<'_>, here: &RegionalPolicy) -> Option<Source> {
    match thing.body {
        Body::Snapshot(_) => thing.real_volume().map(Source::Volume),
        Body::Image(image) => family(image, here),
    }
}

fn dated(thing: &Thing<'_>, covered: Option<DateTime<Utc>>) -> Dated {
    let time = thing.started_at().unwrap_or_default();
    let status = match thing.life() {
        Life::Complete => Status::Complete,
        Life::Pending => Status::Pending,
        Life::Failed => Status::Failed,
        Life::Unusable => Status::Incomplete,
    };
    Dated { time, status, is_covered: covered.is_some_and(|until| time < until) }
}

/// Returns the time of the newest point of ours that covers a volume.
fn covered_until(
    truth: &Truth<'_>,
    config: &Config,
    region: Region,
    source: Source,
    side: Side,
) -> Option<DateTime<Utc>> {
    let Source::Volume(volume) = source else { return None };
    let is_complete = |thing: &Thing<'_>| {
        thing.at.region == region && !thing.is_image() && thing.life() == Life::Complete
    };
    let ours = things(truth).filter(is_complete).filter_map(|thing| claim(&thing, config).ok());
    // The volume of an encrypted form is that of its original.
    let ours = ours.filter(|claim| claim.volume == Some(volume));
    // Of more than one volume the others may be missing.
    let certain = ours.filter(|claim| side == Side::Required || claim.members <= 1);
    certain.map(|claim| claim.time).max()
}
