//! The call that makes one copy: its tags, its key, its name and its token.
//!
//! Everything that is known of the copy later stands in these tags.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::SecondsFormat;
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::domain::ids::RegionalId;
use crate::domain::source::RegionalSource;
use crate::domain::tags;
use crate::plan::copies::Missing;
use crate::plan::image_name;
use crate::plan::lineage::{Role, origin_of};
use crate::plan::model::{Copy, ImageCopy, Pairs, slot_text};
use crate::plan::point::Point;
use crate::plan::point_tags::{carried, copy_description};
use crate::plan::scene::World;
use crate::plan::verdict::JudgedLineage;

/// Returns the key that a copy will have, as the configuration names it; none if it will not be
/// encrypted, or with the region's default.
pub fn key_of<'c>(config: &'c Config, missing: &Missing<'c, '_>) -> Option<&'c str> {
    match missing.rule {
        Some(rule) if will_be_encrypted(missing) => rule.kms_key.as_deref(),
        Some(_) => None,
        None => config.encrypt_key(missing.policy, &missing.to).map(AsRef::as_ref),
    }
}

fn will_be_encrypted(missing: &Missing<'_, '_>) -> bool {
    let is_asked_for = missing.rule.is_none_or(|rule| rule.encrypted);
    is_asked_for || missing.policy.encrypt.is_some() || missing.parent.thing.is_encrypted()
}

/// Returns the copy as attempt number `attempt`.
pub fn copy(
    world: &World<'_>,
    policy_name: &Arc<str>,
    missing: &Missing<'_, '_>,
    attempt: u32,
    lineage: Option<&JudgedLineage<'_>>,
    taken: &mut BTreeSet<String>,
) -> Copy {
    let Missing { from, key, rule, point, parent, .. } = *missing;
    let parent_id = RegionalId { region: from, id: parent.id() };
    let is_copied_original = matches!(parent.role, Role::Original | Role::Selected);
    let origin = origin_of(parent.thing).filter(|_| !is_copied_original).unwrap_or(parent_id);
    let ours = our_tags(policy_name, missing, parent_id, origin, attempt);
    // One more tells later with whom the copy is shared.
    let room = tags::TAGS_MAX - ours.len() - 1;
    let mut all = ours.clone();
    all.extend(carried(parent.thing.tags()).take(room));
    let mut known: Vec<_> = missing.failed(lineage).map(|entry| entry.id).collect();
    known.sort();
    let image = parent.thing.image().map(|image| ImageCopy {
        name: image_name::take(&wanted_name(missing, &image.name), taken),
        client_token: client_token(world, policy_name, missing, parent_id, attempt),
        snapshot_tags: ours,
    });
    Copy {
        source: key.source,
        slot: point.slot(),
        point_time: point.time,
        parent: parent_id,
        is_parent_encrypted: parent.thing.is_encrypted(),
        size_gib: parent.thing.size_gib(),
        encrypted: will_be_encrypted(missing),
        kms_key: key_of(world.config, missing).map(Arc::from),
        completion_minutes: rule.and_then(|rule| rule.complete_within_minutes),
        attempt,
        description: copy_description(policy_name, &parent_id.to_string()),
        tags: all,
        known,
        image,
    }
}

fn our_tags(
    policy_name: &Arc<str>,
    missing: &Missing<'_, '_>,
    parent: RegionalId,
    origin: RegionalId,
    attempt: u32,
) -> Pairs {
    let Missing { from, key, policy, point, parent: member, .. } = *missing;
    let source = RegionalSource { region: from, source: key.source };
    let mut pairs: Pairs = vec![
        (tags::OWNER.into(), Arc::clone(&policy.owner)),
        (tags::POLICY.into(), Arc::clone(policy_name)),
        (tags::SOURCE.into(), source.to_string().into()),
        (tags::COPY_OF.into(), parent.to_string().into()),
        (tags::ORIGIN.into(), origin.to_string().into()),
        (tags::TIME.into(), time_text(point).into()),
    ];
    if let Some(slot) = point.slot() {
        pairs.push((tags::SLOT.into(), slot_text(slot).into()));
    }
    if let Some(volume_id) = member.volume_id {
        pairs.push((tags::VOLUME.into(), volume_id.to_string().into()));
    }
    for key in [tags::MEMBERS, tags::DEVICES] {
        if let Some(value) = member.thing.tags().get(key) {
            pairs.push((key.into(), value.into()));
        }
    }
    if 1 < attempt {
        pairs.push((tags::ATTEMPT.into(), attempt.to_string().into()));
    }
    pairs
}

/// Returns the instant of a point as precisely as EC2 told it.
fn time_text(point: &Point<'_>) -> String {
    point.time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Returns the name of an image's copy: the same elsewhere, and one that says so here.
fn wanted_name(missing: &Missing<'_, '_>, name: &str) -> String {
    if missing.rule.is_some() {
        return name.to_owned();
    }
    // The end of a long name goes, not this word.
    let head: String = name.chars().take(118).collect();
    format!("{head} encrypted")
}

/// Returns a token that everyone who plans this attempt at this copy comes to.
///
/// EC2 remembers tokens for a day or more, and then answers with what it made before, even if that
/// has been deleted since. So the day is part of it, and so is what the copy is asked to be.
fn client_token(
    world: &World<'_>,
    policy_name: &str,
    missing: &Missing<'_, '_>,
    parent: RegionalId,
    attempt: u32,
) -> String {
    let (owner, to) = (&missing.policy.owner, missing.to);
    let (day, key) = (world.request.now.date_naive(), key_of(world.config, missing));
    let text = format!("{owner}\n{policy_name}\n{to}\n{parent}\n{attempt}\n{day}\n{key:?}");
    let mut token = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(token, "{byte:02x}");
    }
    token
}
