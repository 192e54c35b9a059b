//! An account in which whoever could write something wrote something hostile.

use std::sync::Arc;

use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::domain::failure::Failure;
use snapkeep::domain::inventory::{
    Gap, Image, ImageUse, Instance, Inventory, Listing, Snapshot, Volume,
};
use snapkeep::domain::tags::{self, Tags};

/// Clears the screen, opens a link, beeps, colours by C1, ends lines in five ways, turns the
/// direction of writing, hides, and ends what labels, plugins, pages and shells quote.
pub(super) const HOSTILE: &str = "\u{1b}[2J\u{1b}]8;;http://x\u{7}l\u{9b}31m\u{85}\u{2028}\r\n\t\
    \u{202e}\u{2066}\u{200b}\u{feff}\u{7f}\u{e0041}|\"'`$(x)<b>&{}\\";

/// What comes from outside shows up in this.
pub(super) const SHOWN: &str = r"\u{1b}[2J";

/// Returns what of `text` a terminal would obey, or a person not see; line feeds are fine.
pub(super) fn harmful(text: &str) -> Vec<char> {
    let is_harmful = |c: &char| {
        c.is_control()
            || matches!(*c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}')
            || matches!(*c, '\u{e0000}'..='\u{e007f}')
    };
    let mut found: Vec<char> = text.chars().filter(|c| *c != '\n').filter(is_harmful).collect();
    found.dedup();
    found
}

fn text(n: usize) -> Arc<str> {
    format!("{n}{HOSTILE}").into()
}

/// Adds to `tags` one that is hostile, and spoils each `n`-th of ours.
fn spoil(old: &mut Tags, n: usize) {
    let ours = [
        tags::POLICY,
        tags::SOURCE,
        tags::SLOT,
        tags::OWNER,
        tags::MEMBERS,
        tags::DEVICES,
        tags::COPY_OF,
        tags::ORIGIN,
        tags::TIME,
        tags::VOLUME,
        tags::ATTEMPT,
        tags::SHARED_WITH,
    ];
    let key = ours[n % ours.len()];
    let is_spoiled = n.is_multiple_of(4);
    let spoiled = |k: &str, v: &str| {
        let value = if is_spoiled && k == key { format!("{v}{HOSTILE}") } else { v.to_owned() };
        (k.to_owned(), value)
    };
    let all = old.iter().map(|(k, v)| spoiled(k, v)).collect::<Vec<_>>();
    let more = [(format!("key{HOSTILE}"), format!("{n}{HOSTILE}"))];
    *old = all.into_iter().chain(more).collect();
}

pub(super) fn instance(instance: &mut Instance, n: usize) {
    spoil(&mut instance.tags, n);
    if n.is_multiple_of(2) {
        for (n, volume) in instance.volumes.iter_mut().enumerate() {
            volume.device = text(n);
        }
        instance.root_device = instance.root_device.as_ref().map(|_| text(0));
    }
}

pub(super) fn volume(volume: &mut Volume, n: usize) {
    spoil(&mut volume.tags, n);
    if n.is_multiple_of(3) {
        (volume.state, volume.volume_type) = (text(n), text(n));
    }
}

pub(super) fn snapshot(snapshot: &mut Snapshot, n: usize) {
    spoil(&mut snapshot.tags, n);
    snapshot.state_message = Some(text(n));
    if n.is_multiple_of(3) {
        snapshot.description = format!("{}{HOSTILE}", snapshot.description).into();
        snapshot.kms_key_id = snapshot.kms_key_id.as_ref().map(|_| text(n));
    }
}

pub(super) fn image(image: &mut Image, n: usize) {
    spoil(&mut image.tags, n);
    image.state_message = Some(text(n));
    image.name = format!("{}{HOSTILE}", image.name).into();
    if n.is_multiple_of(3) {
        image.description = text(n);
    }
}

/// Returns the account of the sandbox with all of its free text spoiled.
pub(super) fn spoiled(sandbox: &Sandbox) -> Inventory {
    let mut inventory = sandbox.inventory();
    inventory.regions_error = Some(Failure::lasting(format!("AuthFailure: {HOSTILE}")));
    for (n, observed) in inventory.regions.values_mut().enumerate() {
        observed.instances.iter_mut().enumerate().for_each(|(n, it)| instance(it, n));
        observed.volumes.iter_mut().enumerate().for_each(|(n, it)| volume(it, n));
        observed.snapshots.iter_mut().enumerate().for_each(|(n, it)| snapshot(it, n));
        observed.images.iter_mut().enumerate().for_each(|(n, it)| image(it, n));
        observed.notes.push(format!("a note{HOSTILE}"));
        for (n, image) in observed.images.iter().enumerate() {
            let used_by = if n.is_multiple_of(2) { vec![text(n)] } else { vec![] };
            let shared_with = Some(vec![text(n)]).filter(|_| n.is_multiple_of(3));
            let is_complete = !n.is_multiple_of(5);
            observed.image_uses.insert(image.id, ImageUse { used_by, shared_with, is_complete });
        }
        if n == 0 {
            let error = Failure::lasting(format!("UnauthorizedOperation: {HOSTILE}"));
            observed.gaps.push(Gap { listing: Listing::Volumes, error });
        }
    }
    inventory
}

/// Spoils what is in a sandbox, so that it can be kept in a file.
pub(super) fn spoil_sandbox(sandbox: &Sandbox) {
    for (region, observed) in sandbox.inventory().regions {
        for (n, mut it) in observed.instances.into_iter().enumerate() {
            instance(&mut it, n);
            sandbox.add_instance(&region, it);
        }
        for (n, mut it) in observed.volumes.into_iter().enumerate() {
            volume(&mut it, n);
            sandbox.add_volume(&region, it);
        }
        for (n, mut it) in observed.snapshots.into_iter().enumerate() {
            snapshot(&mut it, n);
            sandbox.add_snapshot(&region, it);
        }
        for (n, mut it) in observed.images.into_iter().enumerate() {
            image(&mut it, n);
            sandbox.add_image(&region, it);
        }
    }
}
