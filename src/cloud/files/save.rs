//! Writes an inventory as files that read back as the same inventory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::cloud::files::shapes::{
    ImageShape, ImageUseShape, KeyShape, LockShape, ReservationShape, SnapshotShape, VolumeShape,
};
use crate::cloud::files::{IMAGE_USES, KEYS, file_name};
use crate::domain::inventory::{Inventory, Listing, RegionInventory};

/// Writes `inventory` to `dir`, which is created if need be.
///
/// A listing with a gap is not written, so that reading it back gives a gap too. What exists
/// already is never replaced: a region's directory that is there is an error.
pub fn save(inventory: &Inventory, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir).map_err(|err| at(dir, &err))?;
    // Before anything is written: half an inventory would look like a whole one.
    for region in inventory.regions.keys() {
        let dir = dir.join(region.as_str());
        if dir.exists() {
            return Err(at(&dir, &io::ErrorKind::AlreadyExists.into()));
        }
    }
    for (region, found) in &inventory.regions {
        let dir = dir.join(region.as_str());
        fs::create_dir(&dir).map_err(|err| at(&dir, &err))?;
        save_region(found, &dir)?;
    }
    Ok(())
}

fn save_region(found: &RegionInventory, dir: &Path) -> io::Result<()> {
    for listing in Listing::ALL.into_iter().chain([Listing::LockedSnapshots]) {
        if found.has_gap(listing) {
            continue;
        }
        let path = dir.join(file_name(listing));
        match listing {
            Listing::Instances => {
                write(&path, "Reservations", &found.instances, ReservationShape::from)
            }
            Listing::Volumes => write(&path, "Volumes", &found.volumes, VolumeShape::from),
            Listing::Snapshots => write(&path, "Snapshots", &found.snapshots, SnapshotShape::from),
            Listing::Images => write(&path, "Images", &found.images, ImageShape::from),
            // Without a file, nothing is locked.
            Listing::LockedSnapshots if found.locked.is_empty() => Ok(()),
            Listing::LockedSnapshots => {
                let locked: Vec<_> = found.locked.iter().copied().collect();
                write(&path, "Snapshots", &locked, |id| LockShape::from(*id))
            }
        }?;
    }
    if !found.image_uses.is_empty() {
        let uses: Vec<_> = found.image_uses.iter().collect();
        write(&dir.join(IMAGE_USES), "ImageUses", &uses, |it| ImageUseShape::from(*it))?;
    }
    if !found.keys.is_empty() {
        let keys: Vec<_> = found.keys.iter().collect();
        write(&dir.join(KEYS), "Keys", &keys, |it| KeyShape::from(*it))?;
    }
    Ok(())
}

fn write<'a, T, S: Serialize>(
    path: &Path,
    key: &'static str,
    items: &'a [T],
    shape: impl Fn(&'a T) -> S,
) -> io::Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        // Four spaces, as the AWS CLI.
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut file, formatter);
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, &Shaped { items, shape })?;
        map.end()?;
        file.write_all(b"\n")?;
        file.flush()
    };
    write().map_err(|err: io::Error| at(path, &err))
}

/// A list that is converted while it is written.
struct Shaped<'a, T, F> {
    items: &'a [T],
    shape: F,
}

impl<'a, T, S: Serialize, F: Fn(&'a T) -> S> Serialize for Shaped<'a, T, F> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_seq(self.items.iter().map(&self.shape))
    }
}

/// Adds the path, which the system's own error leaves out.
fn at(path: &Path, err: &io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("`{}`: {err}", path.display()))
}
