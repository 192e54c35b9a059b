//! Accounts for tests: one thing a line.
//!
//! `snap1 ours=servers/i1 vol=1 at=2026-03-01T03:00 call=7` is a snapshot; what is not said is
//! plain: in `eu-west-1`, complete, not encrypted, its slot its time. `copy=1@eu-west-1` makes it a
//! copy, `@eu-west-3` says where it is, `tag:KEY=VALUE` adds a tag. So with `image1`, `backed=1,2`;
//! `instance1` and `volume1` are sources; `noslot` is for copies of what has none, `tags=9`
//! adds nine. `gap DescribeSnapshots @eu-west-3` is what could not be read, `gone i1` a source that is
//! gone; what follows `#` is for the reader.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use snapkeep::config::{Config, parse};
use snapkeep::domain::failure::Failure;
use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::inventory::{
    AttachedVolume, Gap, Image, ImageState, ImageUse, Instance, InstanceState, Inventory, Listing,
    RegionInventory, Snapshot, SnapshotState, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::{self, Tags};

use super::{Birth, Births, Gone, Lineages, Truth, Vetoes, lineages, losses, unsettled};

const HOME: &str = "eu-west-1";

/// An account with the policies over it, at one instant.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) inventory: Inventory,
    births: Births,
    pub(crate) now: DateTime<Utc>,
}

/// The words of one line, by key.
struct Words<'s>(BTreeMap<&'s str, &'s str>);

impl Scene {
    /// Makes the account of `lines` as of `now`; `policies` is TOML, `account` a line a thing.
    pub(crate) fn new(policies: &str, now: &str, account: &str) -> Self {
        let text = format!("version = 1\n{policies}");
        let config = parse(&[("scene.toml".to_owned(), text)]);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let mut scene = Self {
            config,
            inventory: Inventory::default(),
            births: Births::default(),
            now: instant(now),
        };
        let lines = account.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).for_each(|line| scene.add(line));
        scene
    }

    fn add(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words = rest.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")));
        let words = words.chain(line.starts_with("image").then_some(("is-image", "")));
        let words = Words(words.collect());
        let region = words.0.keys().find_map(|key| key.strip_prefix('@')).unwrap_or(HOME);
        let region: Region = region.parse().unwrap();
        let found = self.inventory.regions.entry(region).or_default();
        if first == "gap" {
            let listing = rest.split_whitespace().next().unwrap();
            let listing = Listing::ALL.into_iter().find(|l| l.operation() == listing).unwrap();
            return found
                .gaps
                .push(Gap { listing, error: Failure::lasting("UnauthorizedOperation") });
        }
        if first == "gone" {
            found.gone.insert(source_id(rest).parse().unwrap());
            return;
        }
        let (kind, n) = first.split_at(first.find(|c: char| c.is_ascii_digit()).unwrap());
        let id: ResourceId = match kind {
            "snap" => {
                let snapshot = snapshot(n, &words);
                if words.has("locked") {
                    found.locked.insert(snapshot.id);
                }
                found.snapshots.push(snapshot);
                id("snap-", n).parse().unwrap()
            }
            "image" => {
                let image = image(n, &words);
                let shared_with = words.0.get("shared").map(|account| Arc::from(*account));
                let used_by = words.0.get("used").map(|by| Arc::from(*by));
                let uses = ImageUse {
                    used_by: used_by.into_iter().collect(),
                    shared_with: Some(shared_with.into_iter().collect()),
                    is_complete: true,
                };
                found.image_uses.insert(image.id, uses);
                found.images.push(image);
                id("ami-", n).parse().unwrap()
            }
            _ => return add_source(found, kind, n, &words),
        };
        let birth = words.0.get("call").map(|call| Birth::Made { call: call.parse().unwrap() });
        let birth = (birth.unwrap_or(Birth::Found), words.tags());
        self.births.insert(RegionalId { region, id }, birth);
    }

    fn truth(&self) -> Truth<'_> {
        Truth { at: self.now, inventory: &self.inventory, births: &self.births }
    }

    fn lineages(&self) -> Lineages<'_> {
        lineages(&self.truth(), &self.config)
    }

    /// Returns the losses, each by itself, of the things that `gone` names as the lines do.
    pub(super) fn losses(&self, gone: &str) -> Vec<String> {
        let gone: Gone = gone.split_whitespace().map(|name| self.id(name)).collect();
        let truth = self.truth();
        losses(&truth, &self.config, &gone, &self.lineages(), self.now)
    }

    /// Returns what is left to do, a line each.
    pub(super) fn unsettled(&self) -> String {
        unsettled(&self.truth(), &self.config, self.now).join("\n")
    }

    /// Returns why a thing must not go.
    pub(super) fn forbidden(&self, name: &str) -> Option<String> {
        self.forbidden_after(name, "")
    }

    /// Does the same where others have gone since.
    pub(super) fn forbidden_after(&self, name: &str, gone: &str) -> Option<String> {
        let gone: Gone = gone.split_whitespace().map(|name| self.id(name)).collect();
        let truth = self.truth();
        Vetoes::new(&truth, &self.config, &gone, &self.lineages()).forbidden(self.id(name))
    }

    /// Returns the id of what a line calls `name`.
    fn id(&self, name: &str) -> RegionalId {
        let (kind, n) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap());
        let prefix = if kind == "snap" { "snap-" } else { "ami-" };
        let id: ResourceId = id(prefix, n).parse().unwrap();
        *self.births.keys().find(|at| at.id == id).unwrap_or_else(|| panic!("no {name}"))
    }
}

impl Words<'_> {
    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn at(&self) -> DateTime<Utc> {
        instant(self.0.get("at").expect("at="))
    }

    /// Returns `prefix` with the number that the line gives for `key`.
    fn id(&self, key: &str, prefix: &str) -> Option<String> {
        self.0.get(key).map(|n| id(prefix, n))
    }

    fn tags(&self) -> Tags {
        let own =
            self.0.iter().filter_map(|(key, value)| Some((key.strip_prefix("tag:")?, *value)));
        let mut all: BTreeMap<String, String> =
            own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let n_more: u32 = self.0.get("tags").map_or(0, |n| n.parse().unwrap());
        all.extend((0..n_more).map(|n| (format!("Key{n}"), n.to_string())));
        if let Some(ours) = self.0.get("ours") {
            let (policy, source) = ours.split_once('/').unwrap();
            let mut add = |key: &str, value: String| all.insert(key.to_owned(), value);
            add(tags::OWNER, self.0.get("owner").unwrap_or(&"main").to_string());
            add(tags::POLICY, policy.to_owned());
            let home = self.0.get("from-region").unwrap_or(&HOME);
            add(tags::SOURCE, format!("{home}/{}", source_id(source)));
            let time = self.0.get("time").map_or_else(|| self.at(), |time| instant(time));
            let slot = self.0.get("slot").map_or(time, |slot| instant(slot));
            if !self.has("noslot") {
                add(tags::SLOT, text_of(slot));
            }
            if let Some(members) = self.0.get("members") {
                add(tags::MEMBERS, (*members).to_owned());
            }
            if let Some(devices) = self.0.get("devices") {
                add(tags::DEVICES, (*devices).to_owned());
            }
            if let Some(attempt) = self.0.get("attempt") {
                add(tags::ATTEMPT, (*attempt).to_owned());
            }
            if let Some((parent, region)) = self.0.get("copy").and_then(|c| c.split_once('@')) {
                let prefix = if self.has("is-image") { "ami-" } else { "snap-" };
                let parent = format!("{region}/{}", id(prefix, parent));
                add(tags::COPY_OF, parent.clone());
                let origin = self.id("origin", prefix).map(|id| format!("{HOME}/{id}"));
                add(tags::ORIGIN, origin.unwrap_or(parent));
                add(tags::TIME, text_of(time));
                if let Some(volume) = self.id("vol", "vol-") {
                    add(tags::VOLUME, volume);
                }
            }
        }
        all.into_iter().collect()
    }
}

impl Words<'_> {
    /// Returns the description that snapkeep gives to what is ours.
    fn description(&self) -> String {
        if let Some(description) = self.0.get("description") {
            return (*description).to_owned();
        }
        let tags = self.tags();
        let (Some(policy), Some(source)) = (tags.get(tags::POLICY), tags.get(tags::SOURCE)) else {
            return String::new();
        };
        if let Some(parent) = tags.get(tags::COPY_OF) {
            return format!("snapkeep {policy} copy of {parent}");
        }
        let (_, source) = source.split_once('/').unwrap();
        format!("snapkeep {policy} {source} {}", tags.get(tags::SLOT).unwrap_or_default())
    }
}

fn snapshot(n: &str, words: &Words<'_>) -> Snapshot {
    let volume = words.id("vol", "vol-").filter(|_| !words.has("copy"));
    let volume = volume.unwrap_or_else(|| "vol-ffffffff".to_owned());
    let state = words.0.get("state").copied().unwrap_or("completed");
    Snapshot {
        id: id("snap-", n).parse().unwrap(),
        volume_id: Some(volume.parse().unwrap()),
        owner_id: None,
        state: SnapshotState::from_name(state).unwrap(),
        state_message: None,
        started_at: words.at(),
        volume_size_gib: 8,
        full_size_bytes: None,
        is_encrypted: words.has("encrypted"),
        kms_key_id: None,
        description: words.description().into(),
        tags: words.tags(),
    }
}

fn image(n: &str, words: &Words<'_>) -> Image {
    let backed = words.0.get("backed").map(|text| text.split(',')).into_iter().flatten();
    let instance = words.0.get("ours").and_then(|ours| ours.split_once("/i"));
    let parent = words.0.get("copy").and_then(|c| c.split_once('@'));
    Image {
        state: ImageState::from_name(words.0.get("state").unwrap_or(&"available")).unwrap(),
        created_at: Some(words.at()),
        snapshot_ids: backed.map(|n| id("snap-", n).parse().unwrap()).collect(),
        is_encrypted: words.has("encrypted"),
        source_instance_id: instance
            .filter(|_| parent.is_none())
            .map(|(_, n)| id("i-", n).parse().unwrap()),
        source_image_id: parent.map(|(n, _)| id("ami-", n).parse().unwrap()),
        source_image_region: parent.map(|(_, region)| region.parse().unwrap()),
        is_public: words.has("public"),
        is_protected: words.has("protected"),
        description: words.description().into(),
        tags: words.tags(),
        ..Image::plain(id("ami-", n).parse().unwrap(), n)
    }
}

fn add_source(found: &mut RegionInventory, kind: &str, n: &str, words: &Words<'_>) {
    let state = words.0.get("state").copied();
    if kind == "volume" {
        return found.volumes.push(Volume {
            id: id("vol-", n).parse().unwrap(),
            state: state.unwrap_or("in-use").into(),
            volume_type: words.0.get("type").copied().unwrap_or("gp3").into(),
            size_gib: 8,
            created_at: None,
            tags: words.tags(),
        });
    }
    assert_eq!(kind, "instance");
    let volumes = words.0.get("vols").map(|text| text.split(',')).into_iter().flatten();
    let volumes = volumes.map(|n| AttachedVolume {
        device: Arc::from(format!("/dev/sd{n}")),
        volume_id: id("vol-", n).parse().unwrap(),
        attached_at: None,
    });
    found.instances.push(Instance {
        id: id("i-", n).parse().unwrap(),
        owner_id: None,
        state: InstanceState::from_name(state.unwrap_or("running")).unwrap(),
        root_device: None,
        is_instance_store: false,
        image_id: words.id("from", "ami-").map(|id| id.parse().unwrap()),
        launched_at: None,
        volumes: volumes.collect(),
        tags: words.tags(),
    });
}

/// Returns `i-…` for `i1`, `vol-…` for `v1`, and what names a family as it is.
fn source_id(short: &str) -> String {
    match short.split_at(1) {
        ("i", n) if n.parse::<u32>().is_ok() => id("i-", n),
        ("v", n) if n.parse::<u32>().is_ok() => id("vol-", n),
        _ => short.to_owned(),
    }
}

fn text_of(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn id(prefix: &str, n: &str) -> String {
    format!("{prefix}{n:0>8}")
}

fn instant(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
        .unwrap_or_else(|_| panic!("{text}"))
        .and_utc()
}
