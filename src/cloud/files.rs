//! Inventories in files: a directory per region, holding what the AWS CLI prints.
//!
//! `DIR/REGION/{instances,volumes,snapshots,images}.json` are the outputs of
//! `aws ec2 describe-… --output json`, and `locked-snapshots.json` may stand beside them. What is
//! missing or malformed is a gap of that one listing. `image-uses.json` and `keys.json` hold what
//! was asked about single images and keys; without them it is not known. Nothing here talks to EC2.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::cloud::observe::settle_account;
use crate::domain::failure::Failure;
use crate::domain::ids::SnapshotId;
use crate::domain::intern::Interner;
use crate::domain::inventory::{
    Gap, Image, Instance, InstanceState, Inventory, Listing, RegionInventory, Snapshot, Volume,
};
use crate::domain::region::{InvalidRegion, Region};
use crate::domain::source::Source;

mod document;
mod save;
pub(super) mod shapes;

pub use save::save;

use document::{Document, read};

const LOCKED_SNAPSHOTS: &str = "locked-snapshots.json";
const IMAGE_USES: &str = "image-uses.json";
const KEYS: &str = "keys.json";

/// A directory that holds a saved inventory.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
    regions: Vec<Region>,
}

/// A directory that holds no inventory.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It could not be listed.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds a directory that belongs to no region.
    #[error("`{}` is not a region", path.display())]
    NotARegion {
        /// The directory in it.
        path: PathBuf,
        /// What is wrong with its name.
        source: InvalidRegion,
    },
    /// It holds no directory at all.
    #[error("`{}` holds no inventory (expected directories such as `eu-west-1` with `snapshots.json`)", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

impl Files {
    /// Finds the regions of the inventory in `dir`; reads no listing yet.
    pub fn open(dir: &Path) -> Result<Self, FilesError> {
        let unreadable = |source| FilesError::Unreadable { path: dir.to_owned(), source };
        let mut regions = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || !path.is_dir() {
                continue;
            }
            match name.parse() {
                Ok(region) => regions.push(region),
                Err(source) => return Err(FilesError::NotARegion { path, source }),
            }
        }
        if regions.is_empty() {
            return Err(FilesError::Empty { path: dir.to_owned() });
        }
        regions.sort();
        Ok(Self { dir: dir.to_owned(), regions })
    }

    /// Returns the regions, in order of their names.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Reads all regions. What cannot be read is a gap.
    pub fn load(&self) -> Inventory {
        let regions = self.regions.iter();
        let mut inventory = Inventory {
            regions: regions.map(|region| (*region, self.load_region(region))).collect(),
            ..Inventory::default()
        };
        settle_account(&mut inventory);
        inventory
    }

    fn load_region(&self, region: &Region) -> RegionInventory {
        let dir = self.dir.join(region.as_str());
        // One for the whole region: snapshots bear the tags of their instances and volumes.
        let interner = &mut Interner::default();
        let mut found = RegionInventory::default();
        let gaps = &mut found.gaps;
        found.instances =
            load_listing(&dir, Listing::Instances, interner, gaps, |i: &Instance| i.id);
        found.volumes = load_listing(&dir, Listing::Volumes, interner, gaps, |v: &Volume| v.id);
        found.snapshots =
            load_listing(&dir, Listing::Snapshots, interner, gaps, |s: &Snapshot| s.id);
        found.images = load_listing(&dir, Listing::Images, interner, gaps, |i: &Image| i.id);

        let notes = &mut found.notes;
        let locked: Vec<Option<SnapshotId>> =
            load_optional(&dir.join(LOCKED_SNAPSHOTS), interner, notes);
        found.locked = locked.into_iter().flatten().collect();
        found.image_uses =
            load_optional(&dir.join(IMAGE_USES), interner, notes).into_iter().collect();
        found.keys = load_optional(&dir.join(KEYS), interner, notes).into_iter().collect();
        found
    }
}

fn load_listing<T: Document, K: Eq + std::hash::Hash>(
    dir: &Path,
    listing: Listing,
    interner: &mut Interner,
    gaps: &mut Vec<Gap>,
    id: impl Fn(&T) -> K,
) -> Vec<T> {
    let path = dir.join(file_name(listing));
    let mut items = Vec::new();
    let error = match read_file(&path, &mut items, interner) {
        Ok(()) => None,
        Err(Unread::Missing) => Some(format!("`{}` does not exist", path.display())),
        Err(Unread::Failed(error)) => Some(error),
    };
    gaps.extend(error.map(|why| Gap { listing, error: Failure::lasting(why) }));
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(id(item)));
    items.shrink_to_fit();
    items
}

/// Reads what is optional, as the calls are that it is of: a missing file is not worth a note.
fn load_optional<T: Document>(
    path: &Path,
    interner: &mut Interner,
    notes: &mut Vec<String>,
) -> Vec<T> {
    let mut items = Vec::new();
    if let Err(Unread::Failed(error)) = read_file(path, &mut items, interner) {
        notes.push(error);
    }
    items
}

/// Why a file could not be read to its end.
enum Unread {
    Missing,
    Failed(String),
}

/// Reads the items of a file into `items`; on failure those that come before it.
fn read_file<T: Document>(
    path: &Path,
    items: &mut Vec<T>,
    interner: &mut Interner,
) -> Result<(), Unread> {
    let failed =
        |error: &dyn std::fmt::Display| Unread::Failed(format!("`{}`: {error}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(Unread::Missing),
        Err(err) => return Err(failed(&err)),
    };
    let reader = BufReader::with_capacity(1 << 18, file);
    read(reader, items, interner).map_err(|error| failed(&error))
}

fn file_name(listing: Listing) -> &'static str {
    match listing {
        Listing::Instances => "instances.json",
        Listing::Volumes => "volumes.json",
        Listing::Snapshots => "snapshots.json",
        Listing::Images => "images.json",
        Listing::LockedSnapshots => LOCKED_SNAPSHOTS,
    }
}

/// Answers by the listings themselves which sources are gone, and records them in the inventory.
///
/// A source is gone if its region's listing is whole and does not show it, or shows it as
/// terminated. The answer of EC2 itself is `observe::ask_for_sources`.
pub fn ask_for_sources(inventory: &mut Inventory, questions: &BTreeMap<Region, BTreeSet<Source>>) {
    for (region, found) in &mut inventory.regions {
        let Some(sources) = questions.get(region) else { continue };
        let alive = found.instances.iter().filter(|i| i.state != InstanceState::Terminated);
        let mut alive: HashSet<Source> = alive.map(|i| Source::Instance(i.id)).collect();
        alive.extend(found.volumes.iter().map(|v| Source::Volume(v.id)));
        let is_gone = |source: &Source| {
            let listing = match source {
                Source::Instance(_) => Listing::Instances,
                Source::Volume(_) => Listing::Volumes,
                Source::Family(_) => return false,
            };
            !found.has_gap(listing) && !alive.contains(source)
        };
        let gone: Vec<Source> = sources.iter().filter(|s| is_gone(s)).copied().collect();
        found.gone.extend(gone);
    }
}

#[cfg(test)]
mod tests;
