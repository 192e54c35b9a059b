//! The meaning of one table of policy keys, wherever it stands.
//!
//! `[defaults]`, a `[[policy]]` and an override are all layers. Every value is checked here by
//! itself, once, where it was written; what only several values together can get wrong is for
//! `merge`.

mod accounts;
mod copies;
mod images;
mod keys;
mod names;
mod notify;
mod prices;
mod rules;
mod selectors;

use std::ops::Range;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::conform::{Broken, join};
use crate::config::diagnose::{Findings, Place};
use crate::config::layer::images::ImageKeys;
use crate::config::policy::{Kind, Limits, Regions, Retention, Tier};
use crate::config::schedule::{Schedule, dialect};
use crate::config::select::Adopt;
use crate::config::shape::{At, KindShape, LimitsShape, OverrideShape, PolicyShape};
use crate::domain::region::Region;
use crate::domain::span::Span;

pub(super) use accounts::AccountNames;
pub(super) use copies::{CopyDraft, CopyKeys, EncryptDraft};
pub(super) use images::can_deprecate_after;
pub(super) use keys::{RegionFacts, is_key_for, is_managed_by_aws};
pub(super) use notify::URL_HINT;
pub(super) use selectors::{Selection, Volumes};

/// What a layer says about one key.
#[derive(Debug)]
pub(super) enum Key<T> {
    /// Nothing.
    Absent,
    /// Something that is wrong and has been reported.
    Broken,
    /// This, at this place.
    Given(Place, T),
}

impl<T> Key<T> {
    /// Returns where it is given.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Given(place, _) => Some(place),
            Self::Absent | Self::Broken => None,
        }
    }

    /// Returns what is given.
    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Given(_, value) => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }

    /// Returns true if the layer says something, right or wrong.
    pub(super) fn is_said(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// A value is wrong, and that has been reported.
#[derive(Debug)]
pub(super) struct Reported;

/// What one table says, key by key.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) kind: Key<Kind>,
    pub(super) regions: Key<Regions>,
    pub(super) accounts: Key<AccountNames>,
    pub(super) owner: Key<Arc<str>>,
    pub(super) timezone: Key<Tz>,
    /// In UTC until the zone is known.
    pub(super) schedule: Key<Schedule>,
    pub(super) create: Key<bool>,
    pub(super) select: Key<Selection>,
    pub(super) volumes: Key<Volumes>,
    pub(super) retention: Key<Rules>,
    pub(super) point_grace: Key<Span>,
    pub(super) copying: CopyKeys,
    pub(super) images: ImageKeys,
    pub(super) adopt: Key<Adopt>,
    pub(super) limits: Key<Limits>,
    pub(super) overrides: Key<Vec<Override>>,
}

/// What differs in one region.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) place: Place,
    pub(super) region: Region,
    pub(super) layer: Layer,
}

/// A retention with the places of its tiers.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) retention: Retention,
    pub(super) places: Vec<(Tier, Place)>,
    /// Whether nothing had to be taken out.
    pub(super) is_whole: bool,
}

impl Layer {
    /// A layer of which nothing is known, for a file that could not be read.
    pub(super) fn unknown() -> Self {
        Self {
            kind: Key::Broken,
            regions: Key::Broken,
            accounts: Key::Broken,
            owner: Key::Broken,
            timezone: Key::Broken,
            schedule: Key::Broken,
            create: Key::Broken,
            select: Key::Broken,
            volumes: Key::Broken,
            retention: Key::Broken,
            point_grace: Key::Broken,
            copying: CopyKeys::unknown(),
            images: ImageKeys::unknown(),
            adopt: Key::Broken,
            limits: Key::Broken,
            overrides: Key::Broken,
        }
    }
}

/// Reads the layers of one file.
pub(super) struct Reader<'a, 'f> {
    file: usize,
    broken: &'a Broken,
    findings: &'a mut Findings<'f>,
}

impl<'a, 'f> Reader<'a, 'f> {
    pub(super) fn new(file: usize, broken: &'a Broken, findings: &'a mut Findings<'f>) -> Self {
        Self { file, broken, findings }
    }

    /// Reads the table at `path`, which is spelled as in [`Broken`].
    pub(super) fn layer(&mut self, shape: &PolicyShape, path: &str) -> Layer {
        let kind = shape.kind.as_ref().map(|at| (self.place(at.span()), Some(kind(*at.value()))));
        let kind = self.key(path, "kind", kind);
        let place = |at: &At<bool>| self.place(at.span());
        let create = shape.create.as_ref().map(|at| (place(at), Some(*at.value())));
        let create = self.key(path, "create", create);
        let regions_path = join(path, "regions");
        let regions = shape
            .regions
            .as_ref()
            .map(|at| self.at(at, |reader, at| reader.regions(at, &regions_path)));
        let accounts = shape.accounts.as_ref().map(|at| self.at(at, Self::account_names));
        let owner = shape.owner.as_ref().map(|at| self.at(at, Self::owner));
        let timezone = shape.timezone.as_ref().map(|at| self.at(at, Self::timezone));
        let schedule = shape.schedule.as_ref().map(|at| self.at(at, Self::schedule));
        let select_path = join(path, "select");
        let select = shape
            .select
            .as_ref()
            .map(|at| self.at(at, |reader, at| reader.select(at, &select_path)));
        let volumes = shape.volumes.as_ref().map(|at| self.at(at, Self::volumes));
        let retention_path = join(path, "retention");
        let retention = shape
            .retention
            .as_ref()
            .map(|at| self.at(at, |reader, at| reader.retention(at, &retention_path)));
        let adopt_path = join(path, "adopt");
        let adopt =
            shape.adopt.as_ref().map(|at| self.at(at, |reader, at| reader.adopt(at, &adopt_path)));
        let limits = shape.limits.as_ref().map(|at| self.at(at, Self::limits));
        let overrides_path = join(path, "override");
        let overrides = match &shape.overrides {
            // One that could not be read has been reported; the others still count.
            Some(at) => {
                let place = self.place(at.span());
                let given = at.value().iter();
                let read = |(name, at)| self.one_override(name, at, &overrides_path);
                Key::Given(place, given.filter_map(read).collect())
            }
            None if self.broken.touches(&overrides_path) => Key::Broken,
            None => Key::Absent,
        };
        let point_grace = self.span_key(path, "point_grace", shape.point_grace.as_ref());
        let copying = self.copy_keys(shape, path);
        let images = self.image_keys(shape, path);
        Layer {
            kind,
            regions: self.key(path, "regions", regions),
            accounts: self.key(path, "accounts", accounts),
            owner: self.key(path, "owner", owner),
            timezone: self.key(path, "timezone", timezone),
            schedule: self.key(path, "schedule", schedule),
            create,
            select: self.key(path, "select", select),
            volumes: self.key(path, "volumes", volumes),
            retention: self.key(path, "retention", retention),
            point_grace,
            copying,
            images,
            adopt: self.key(path, "adopt", adopt),
            limits: self.key(path, "limits", limits),
            overrides,
        }
    }

    fn one_override(
        &mut self,
        name: &At<String>,
        at: &At<OverrideShape>,
        path: &str,
    ) -> Option<Override> {
        let layer = self.layer(&at.value().0, &join(path, name.value()));
        let place = self.place(name.span());
        let region = self.region(name.value(), &place)?;
        Some(Override { place, region, layer })
    }

    /// Pairs what `read` makes of a value with its place.
    fn at<T, U>(
        &mut self,
        at: &At<T>,
        read: impl FnOnce(&mut Self, &At<T>) -> Option<U>,
    ) -> (Place, Option<U>) {
        let value = read(self, at);
        (self.place(at.span()), value)
    }

    /// Reads a value that may be absent.
    fn optional<T, U>(
        &mut self,
        at: Option<&At<T>>,
        read: impl FnOnce(&mut Self, &At<T>) -> Option<U>,
    ) -> Result<Option<U>, Reported> {
        at.map(|at| read(self, at).ok_or(Reported)).transpose()
    }

    /// Returns what a layer says about a key; of a value with parts taken out, nothing is known.
    fn key<T>(&self, path: &str, name: &str, found: Option<(Place, Option<T>)>) -> Key<T> {
        match found {
            _ if self.broken.touches(&join(path, name)) => Key::Broken,
            None => Key::Absent,
            Some((_, None)) => Key::Broken,
            Some((place, Some(value))) => Key::Given(place, value),
        }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.file, span)
    }

    /// Reports a problem; a value that has one is none.
    pub(super) fn refuse<T>(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.findings.report(place, message, hint);
        None
    }

    fn schedule(&mut self, at: &At<String>) -> Option<Schedule> {
        match Schedule::parse(at.value(), Tz::UTC) {
            Ok(schedule) => Some(schedule),
            Err(err) => {
                let usual = "write a crontab expression such as `0 3 * * *`, every day at 03:00";
                let hint = dialect::translation(at.value()).unwrap_or_else(|| usual.to_owned());
                self.refuse(&self.place(at.span()), err.to_string(), hint)
            }
        }
    }

    fn limits(&mut self, at: &At<LimitsShape>) -> Option<Limits> {
        let LimitsShape { max_deletes, max_delete_percent } = at.value();
        let default = Limits::default();
        let max_deletes = max_deletes.as_ref().map_or(Some(default.max_deletes), |at| {
            let hint = "write 0, which withholds every deletion, or more";
            self.limit("max_deletes", at, u32::MAX, hint)
        });
        let max_delete_percent =
            max_delete_percent.as_ref().map_or(Some(default.max_delete_percent), |at| {
                self.limit("max_delete_percent", at, 100, "write a percentage from 0 to 100")
            });
        Some(Limits { max_deletes: max_deletes?, max_delete_percent: max_delete_percent? })
    }

    fn limit(&mut self, name: &str, at: &At<i64>, max: u32, hint: &str) -> Option<u32> {
        let number = *at.value();
        u32::try_from(number).ok().filter(|number| *number <= max).or_else(|| {
            let message = format!("`{name}` cannot be {number}");
            self.refuse(&self.place(at.span()), message, hint)
        })
    }
}

fn kind(kind: KindShape) -> Kind {
    match kind {
        KindShape::Snapshots => Kind::Snapshots,
        KindShape::Images => Kind::Images,
    }
}
