//! Copies and encryption: from what was typed to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use chrono_tz::Tz;

use crate::config::conform::join;
use crate::config::diagnose::Place;
use crate::config::layer::keys::{KmsKey, is_account};
use crate::config::layer::{Key, Reader, Rules};
use crate::config::policy::Tier;
use crate::config::shape::{At, CopyShape, EncryptShape, PolicyShape, TierNameShape};
use crate::domain::region::Region;
use crate::domain::span::Span;

/// With how many accounts a copy is shared at most.
const ACCOUNTS_MAX: usize = 19;

/// What one table says about copies and encryption.
#[derive(Debug)]
pub(in crate::config) struct CopyKeys {
    pub(in crate::config) copies: Key<Copies>,
    pub(in crate::config) encrypt: Key<EncryptDraft>,
    pub(in crate::config) grace: Key<Span>,
    pub(in crate::config) give_up: Key<Span>,
}

/// The rules for copies of one array.
#[derive(Debug, Clone)]
pub(in crate::config) struct Copies {
    /// Those that could be read.
    pub(in crate::config) rules: Vec<CopyDraft>,
    /// Whether these are all.
    pub(in crate::config) is_whole: bool,
}

/// A rule for copies, before it is known what the policy says.
#[derive(Debug, Clone)]
pub(in crate::config) struct CopyDraft {
    pub(in crate::config) to: Region,
    pub(in crate::config) to_place: Place,
    pub(in crate::config) encrypted: bool,
    pub(in crate::config) kms_key: Option<Arc<str>>,
    pub(in crate::config) only: Option<(Place, Tier)>,
    pub(in crate::config) existing: bool,
    /// None is the policy's.
    pub(in crate::config) retention: Option<(Place, Rules)>,
    /// Ordered, without repetition.
    pub(in crate::config) share_with: Vec<Arc<str>>,
    pub(in crate::config) share_place: Place,
    pub(in crate::config) complete_within_minutes: Option<u32>,
}

/// `encrypt`, before it is known where.
#[derive(Debug, Clone)]
pub(in crate::config) struct EncryptDraft {
    pub(in crate::config) kms_key: Option<KmsKey>,
    pub(in crate::config) retire_unencrypted: bool,
}

impl CopyKeys {
    /// For a table of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self { copies: Key::Broken, encrypt: Key::Broken, grace: Key::Broken, give_up: Key::Broken }
    }
}

impl Reader<'_, '_> {
    /// Reads the keys of the table at `path`, which is spelled as in `Broken`.
    pub(super) fn copy_keys(&mut self, shape: &PolicyShape, path: &str) -> CopyKeys {
        let copies_path = join(path, "copy");
        let copies = match &shape.copy {
            Some(at) => Key::Given(self.place(at.span()), self.copies(at.value(), &copies_path)),
            None if self.broken.touches(&copies_path) => Key::Broken,
            None => Key::Absent,
        };
        let encrypt = shape.encrypt.as_ref().map(|at| self.at(at, Self::encrypt));
        let encrypt = self.key(path, "encrypt", encrypt);
        let grace = self.span_key(path, "copy_grace", shape.copy_grace.as_ref());
        let give_up = self.span_key(path, "copy_give_up", shape.copy_give_up.as_ref());
        CopyKeys { copies, encrypt, grace, give_up }
    }

    fn copies(&mut self, shapes: &[At<CopyShape>], path: &str) -> Copies {
        let mut copies = Copies { rules: Vec::new(), is_whole: !self.broken.touches(path) };
        let mut destinations: BTreeMap<Region, Place> = BTreeMap::new();
        for (n, at) in shapes.iter().enumerate() {
            let path = join(path, &n.to_string());
            let to = at.value().to.as_ref().and_then(|to| {
                let place = self.place(to.span());
                Some((self.region(to.value(), &place)?, place))
            });
            if let Some((to, place)) = &to {
                if let Some(first) = destinations.get(to) {
                    let message = format!("two rules copy to `{to}`");
                    let line = self.findings.line_at(first);
                    let hint = format!("the other one is at {line}; make one rule of both");
                    self.findings.report(place, message, hint);
                } else {
                    destinations.insert(*to, place.clone());
                }
            }
            match self.copy(at, to, &path) {
                // Of one with parts taken out, nothing more is said.
                Some(rule) if !self.broken.touches(&path) => copies.rules.push(rule),
                _ => copies.is_whole = false,
            }
        }
        copies
    }

    fn copy(
        &mut self,
        at: &At<CopyShape>,
        to: Option<(Region, Place)>,
        path: &str,
    ) -> Option<CopyDraft> {
        let CopyShape {
            to: _,
            encrypted,
            kms_key,
            only,
            existing,
            retention,
            share_with,
            complete_within,
        } = at.value();
        let destination = to.as_ref().map(|(region, _)| region);
        let kms_key = self.optional(kms_key.as_ref(), |reader, at| reader.kms_key(at, destination));
        let retention_path = join(path, "retention");
        let retention = self.optional(retention.as_ref(), |reader, at| {
            let rules = reader.retention(at, &retention_path)?;
            Some((reader.place(at.span()), rules))
        });
        let share_place = share_with.as_ref().map_or_else(|| at.span(), At::span);
        let share_with = self.optional(share_with.as_ref(), Self::accounts);
        let complete_within = self.optional(complete_within.as_ref(), Self::minutes);
        let (to, to_place) = to?;
        Some(CopyDraft {
            to,
            to_place,
            encrypted: encrypted.unwrap_or(false),
            kms_key: kms_key.ok()?.map(|key| key.text),
            only: only.as_ref().map(|at| (self.place(at.span()), tier(*at.value()))),
            existing: existing.unwrap_or(false),
            retention: retention.ok()?,
            share_with: share_with.ok()?.unwrap_or_default(),
            share_place: self.place(share_place),
            complete_within_minutes: complete_within.ok()?,
        })
    }

    fn accounts(&mut self, at: &At<Vec<At<String>>>) -> Option<Vec<Arc<str>>> {
        let mut accounts: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut is_valid = true;
        for at in at.value() {
            let text = at.value().as_str();
            if is_account(text) {
                accounts.insert(text.into());
                continue;
            }
            is_valid = false;
            let message = format!("`{text}` is not the id of an account");
            // The console shows them with hyphens.
            let digits = text.replace(['-', ' '], "");
            let hint = if is_account(&digits) {
                format!("write `\"{digits}\"`")
            } else {
                "an id has 12 digits, such as `\"123456789012\"`".to_owned()
            };
            self.findings.report(&self.place(at.span()), message, hint);
        }
        if ACCOUNTS_MAX < accounts.len() {
            let message = format!("`share_with` names {} accounts", accounts.len());
            let hint = format!("{ACCOUNTS_MAX} accounts are the most");
            return self.refuse(&self.place(at.span()), message, hint);
        }
        is_valid.then(|| accounts.into_iter().collect())
    }

    /// Reads how many minutes a copy may take.
    fn minutes(&mut self, at: &At<String>) -> Option<u32> {
        let text = at.value().as_str();
        let place = self.place(at.span());
        if text.contains("min") {
            let hint = "write whole hours, from `1 hour` to `48 hours`";
            return self.refuse(&place, format!("`complete_within` cannot be `{text}`"), hint);
        }
        let span = self.read_span(text, &place, "write `1 hour` to `48 hours`")?;
        let start = DateTime::UNIX_EPOCH;
        let minutes = (span.end(start, Tz::UTC) - start).num_minutes();
        u32::try_from(minutes).ok().filter(|minutes| *minutes <= 48 * 60).or_else(|| {
            let message = format!("`complete_within` cannot be `{text}`");
            self.refuse(&place, message, "EC2 takes 1 hour to 48 hours")
        })
    }

    fn encrypt(&mut self, at: &At<EncryptShape>) -> Option<EncryptDraft> {
        let EncryptShape { kms_key, retire_unencrypted } = at.value();
        let kms_key = self.optional(kms_key.as_ref(), |reader, at| reader.kms_key(at, None));
        Some(EncryptDraft {
            kms_key: kms_key.ok()?,
            retire_unencrypted: retire_unencrypted.unwrap_or(false),
        })
    }
}

fn tier(name: TierNameShape) -> Tier {
    match name {
        TierNameShape::Every => Tier::Every,
        TierNameShape::Hourly => Tier::Hourly,
        TierNameShape::Daily => Tier::Daily,
        TierNameShape::Weekly => Tier::Weekly,
        TierNameShape::Monthly => Tier::Monthly,
        TierNameShape::Yearly => Tier::Yearly,
    }
}
