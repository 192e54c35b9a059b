//! What is listed, in words: a line each, sorted, with names in the place of ids that are drawn anew on
//! each stage.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, Utc};
use snapkeep::cloud::ImageReference;
use snapkeep::domain::inventory::{Image, Instance, Snapshot, Volume};
use snapkeep::domain::tags::Tags;

/// Digits of an id that was drawn; those of a scene have eight.
const DRAWN_DIGITS: usize = 17;

/// Names of what was made.
#[derive(Default)]
pub(super) struct Renderer {
    /// By id.
    names: BTreeMap<String, String>,
    n_found: usize,
}

impl Renderer {
    /// Names what a call made; returns the names. What was named before keeps its name.
    pub(super) fn name(&mut self, name: &str, ids: &[String]) -> Vec<String> {
        let names = ids.iter().zip(1..).map(|(id, n)| {
            let name = format!("${name}.{n}");
            self.names.entry(id.clone()).or_insert(name).clone()
        });
        names.collect()
    }

    /// Returns the id behind a name, or the id itself.
    pub(super) fn resolved(&self, text: &str) -> String {
        let found = self.names.iter().find(|(_, name)| *name == text);
        assert!(found.is_some() || !text.starts_with('$'), "nothing is called {text}");
        found.map_or_else(|| text.to_owned(), |(id, _)| id.clone())
    }

    /// Puts names in the place of drawn ids; one that has no name yet gets one.
    fn told(&mut self, text: &str) -> String {
        let mut res = text.to_owned();
        for id in drawn(text) {
            if !self.names.contains_key(id) {
                self.n_found += 1;
                self.names.insert(id.to_owned(), format!("$found.{}", self.n_found));
            }
            res = res.replace(id, &self.names[id]);
        }
        res
    }

    /// Returns lines with names in them, in order. What has no name yet gets it in the same order on
    /// each stage, whatever its id is.
    fn sorted(&mut self, mut lines: Vec<String>) -> Vec<String> {
        lines.sort_by_cached_key(|line| blanked(line));
        let mut lines: Vec<String> = lines.iter().map(|line| self.told(line)).collect();
        lines.sort();
        lines
    }

    pub(super) fn instances(&mut self, instances: &[Instance]) -> Vec<String> {
        let lines = instances.iter().map(|i| {
            let volumes = i.volumes.iter().map(|v| format!(" {}={}", v.device, v.volume_id));
            format!(
                "{} of {} {} root {} image {}{}{}",
                i.id,
                shown(i.owner_id.as_ref()),
                i.state.name(),
                shown(i.root_device.as_ref()),
                shown(i.image_id),
                volumes.collect::<String>(),
                tags(&i.tags)
            )
        });
        self.sorted(lines.collect())
    }

    pub(super) fn volumes(&mut self, volumes: &[Volume]) -> Vec<String> {
        let lines = volumes.iter().map(|v| {
            format!("{} {} {} {} GiB{}", v.id, v.state, v.volume_type, v.size_gib, tags(&v.tags))
        });
        self.sorted(lines.collect())
    }

    pub(super) fn snapshots(&mut self, snapshots: &[Snapshot]) -> Vec<String> {
        let lines = snapshots.iter().map(|s| {
            let key = s.is_encrypted.then(|| format!(" key {}", shown(s.kms_key_id.as_ref())));
            format!(
                "{} {} of {} {}{} {} {} GiB{} {:?}{}",
                s.id,
                shown(s.volume_id),
                shown(s.owner_id.as_ref()),
                s.state.name(),
                message(s.state_message.as_deref()),
                instant(s.started_at),
                s.volume_size_gib,
                key.unwrap_or_default(),
                s.description,
                tags(&s.tags)
            )
        });
        self.sorted(lines.collect())
    }

    pub(super) fn images(&mut self, images: &[Image]) -> Vec<String> {
        let lines = images.iter().map(|i| {
            let flags = [
                (i.is_encrypted, " encrypted"),
                (i.is_public, " public"),
                (i.is_instance_store, " instance-store"),
                (i.has_product_codes, " product codes"),
                (i.is_protected, " protected"),
            ];
            let flags = flags.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word);
            let backing: Vec<String> = i.snapshot_ids.iter().map(ToString::to_string).collect();
            format!(
                "{} {:?} {:?} {}{} made {} until {} {} GiB of [{}] from {} {} {}{}{}",
                i.id,
                i.name,
                i.description,
                i.state.name(),
                message(i.state_message.as_deref()),
                shown(i.created_at.map(instant)),
                shown(i.deprecated_at.map(instant)),
                i.size_gib,
                backing.join(" "),
                shown(i.source_instance_id),
                shown(i.source_image_region),
                shown(i.source_image_id),
                flags.collect::<String>(),
                tags(&i.tags)
            )
        });
        self.sorted(lines.collect())
    }

    pub(super) fn references(&mut self, references: &[ImageReference]) -> Vec<String> {
        let lines = references.iter().map(|r| format!("{} by {}", r.image_id, r.by));
        self.sorted(lines.collect())
    }
}

/// Returns the ids in a text that were drawn.
fn drawn(text: &str) -> Vec<&str> {
    let starts = ["snap-", "ami-"]
        .into_iter()
        .flat_map(|prefix| text.match_indices(prefix).map(move |(at, _)| (at, at + prefix.len())));
    let ids = starts.map(|(at, digits)| {
        let n = text[digits..].bytes().take_while(u8::is_ascii_hexdigit).count();
        (n, &text[at..digits + n])
    });
    ids.filter(|(n, _)| *n == DRAWN_DIGITS).map(|(_, id)| id).collect()
}

fn blanked(text: &str) -> String {
    drawn(text).into_iter().fold(text.to_owned(), |text, id| text.replace(id, "*"))
}

fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn message(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" ({text})"))
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn tags(tags: &Tags) -> String {
    let mut pairs: Vec<String> = tags.iter().map(|(k, v)| format!(" {k}={v:?}")).collect();
    pairs.sort();
    pairs.concat()
}
