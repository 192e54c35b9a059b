//! Whose a thing is, by DESIGN section 6: what its tags claim, and whether EC2's own facts agree.

use chrono::{DateTime, Utc};
use snapkeep::config::{Config, Kind, Policy, RegionalPolicy};
use snapkeep::domain::ids::{RegionalId, VolumeId};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::RegionalSource;
use snapkeep::domain::tags::OurTags;

use super::thing::{Body, Thing};

/// What a thing of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The policy, as an index into the configuration's.
    pub(super) policy: usize,
    pub(super) source: RegionalSource,
    pub(super) key: Key,
    /// On copies: the parent.
    pub(super) copy_of: Option<RegionalId>,
    /// On copies: the first original.
    pub(super) origin: Option<RegionalId>,
    /// How many snapshots its point was asked for.
    pub(super) members: usize,
    pub(super) attempt: u32,
    /// When the data was frozen.
    pub(super) time: DateTime<Utc>,
    /// The volume whose data it is, of snapshots.
    pub(super) volume: Option<VolumeId>,
}

/// By what a point is known in its lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Slot(DateTime<Utc>),
    /// Of copies of what has no slot.
    Origin(RegionalId),
}

/// A policy with what it says in the region of the sources.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'c> {
    pub(super) policy: &'c Policy,
    pub(super) here: &'c RegionalPolicy,
}

/// Returns what the policy of a claim says where the source is.
pub(super) fn rules(config: &Config, policy: usize, home: Region) -> Rules<'_> {
    let policy = &config.policies[policy];
    Rules { policy, here: policy.in_region(&home) }
}

/// Returns what `thing` is to us, or why it is not ours to delete.
pub(super) fn claim(thing: &Thing<'_>, config: &Config) -> Result<Claim, &'static str> {
    let ours = OurTags::of(thing.tags()).ok_or("not ours: bears none of our tags")?;
    let owner = ours.owner.ok_or("not ours: bears no owner tag")?;
    let name = ours.policy.ok_or("not ours: bears no policy tag")?;
    let source = ours.source.ok_or("not ours: bears no source tag")?;
    let source: RegionalSource = source.parse().map_err(|_| "not ours: its source is no source")?;
    let policy = policy_called(config, name).ok_or("unowned: no policy of that name")?;
    let Rules { policy: named, here } = rules(config, policy, source.region);
    if here.owner.as_ref() != owner {
        return Err("not ours: another owner's");
    }
    if !named.applies_in(&source.region) {
        return Err("unowned: its policy does not apply in the region of its source");
    }
    let copy_of = ours.copy_of.map(|text| RegionalId::parse(text).ok_or("its copy-of is no id"));
    let copy_of = copy_of.transpose()?;
    check_nature(thing, copy_of)?;
    check_place(thing, here, source.region, copy_of)?;
    if here.kind == Kind::Snapshots && thing.is_image() {
        return Err("unowned: its policy makes no images");
    }
    let origin = ours.origin.and_then(RegionalId::parse).or(copy_of);
    let slot = ours.slot.and_then(instant);
    let key = match (slot, origin) {
        (Some(slot), _) => Key::Slot(slot),
        (None, Some(origin)) => Key::Origin(origin),
        (None, None) => return Err("nobody knows its slot any more"),
    };
    let own_time = if copy_of.is_some() { ours.time.and_then(instant) } else { thing.started_at() };
    let volume = match (copy_of, ours.volume) {
        (Some(_), Some(text)) => text.parse().ok(),
        (Some(_), None) => None,
        (None, _) => thing.real_volume(),
    };
    Ok(Claim {
        policy,
        source,
        key,
        copy_of,
        origin,
        members: ours.members.and_then(|text| text.parse().ok()).unwrap_or(1),
        attempt: ours.attempt.and_then(|text| text.parse().ok()).unwrap_or(1),
        time: own_time.or(slot).or(thing.started_at()).ok_or("nobody knows its time")?,
        volume,
    })
}

/// Returns the policy that the points of `name` belong to now: the one that is called so, else the
/// one that was.
fn policy_called(config: &Config, name: &str) -> Option<usize> {
    let position = |is: &dyn Fn(&Policy) -> bool| config.policies.iter().position(is);
    position(&|policy| policy.name.as_ref() == name)
        .or_else(|| position(&|policy| policy.answers_to(name)))
}

/// Tags travel along with what people copy; EC2's own facts do not.
fn check_nature(thing: &Thing<'_>, copy_of: Option<RegionalId>) -> Result<(), &'static str> {
    match (thing.body, copy_of) {
        // Nobody can change a description, and no tool copies it along.
        (Body::Snapshot(snapshot), None)
            if !["snapkeep ", "Created by CreateImage("]
                .iter()
                .any(|text| snapshot.description.starts_with(text)) =>
        {
            Err("not ours: has our tags, but was made by hand")
        }
        (Body::Snapshot(_), None) if thing.real_volume().is_none() => {
            Err("not ours: has our tags, but no volume, and says not what it is a copy of")
        }
        // EC2 names the instance only on what CreateImage made, and there an image means something
        // else.
        (Body::Image(image), None)
            if image.source_image_id.is_some() && image.source_instance_id.is_none() =>
        {
            Err("not ours: has our tags, but is a copy and says not of what")
        }
        (Body::Image(image), Some(parent)) => {
            let is_another = image.source_image_id.is_some_and(|id| parent.id.image() != Some(id));
            let is_elsewhere = image.source_image_region.is_some_and(|r| r != parent.region);
            if is_another || is_elsewhere {
                return Err("not ours: a copy of something else than its tags say");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_place(
    thing: &Thing<'_>,
    here: &RegionalPolicy,
    home: Region,
    copy_of: Option<RegionalId>,
) -> Result<(), &'static str> {
    let place = thing.at.region;
    if place == home {
        Ok(())
    } else if copy_of.is_none() {
        Err("not ours: has our tags, but is not where its source is")
    } else if here.copy_rule(&home, &place).is_none() {
        Err("unowned: no rule for copies to its region")
    } else {
        Ok(())
    }
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}
