//! Lines about deletions. An image goes with its snapshots, so they are one line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::ids::ImageId;
use crate::domain::region::Region;
use crate::domain::source::RegionalSource;
use crate::domain::tags;
use crate::plan::reason::minute;
use crate::plan::{Delete, ExpireReason};
use crate::report::text::{count, hanging, row, things};

/// Appends the deletions of `region`, if there are any.
pub(super) fn deletes(out: &mut String, region: Region, deletes: &[&Delete]) {
    if deletes.is_empty() {
        return;
    }
    let what = things(deletes.iter().map(|delete| delete.resource));
    let _ = writeln!(out, "  delete {what}, {}", gib(deletes.iter().copied()));
    rows(out, region, deletes);
}

/// Returns the sum of the volume sizes. What deleting frees is less, and only EBS knows.
pub(super) fn gib<'d>(deletes: impl Iterator<Item = &'d Delete>) -> String {
    let sum: u64 = deletes.map(|delete| u64::from(delete.size_gib)).sum();
    format!("{sum} GiB of volumes")
}

/// What goes with an image: how many snapshots, and the sum of their sizes.
type Backing = BTreeMap<ImageId, (usize, u64)>;

/// Appends deletions grouped by source, each with its point's instant, size and reason.
pub(super) fn rows(out: &mut String, region: Region, deletes: &[&Delete]) {
    let images = deletes.iter().filter_map(|delete| delete.resource.image());
    let mut backing: Backing = images.map(|id| (id, (0, 0))).collect();
    let mut lines = Vec::new();
    for delete in deletes {
        match delete.backs.and_then(|image_id| backing.get_mut(&image_id)) {
            Some((n, gib)) => {
                *n += 1;
                *gib += u64::from(delete.size_gib);
            }
            None => lines.push(*delete),
        }
    }
    for group in lines.chunk_by(|a, b| source(region, a) == source(region, b)) {
        hanging(out, "   ", &source(region, group[0]));
        for delete in group {
            deletion(out, delete, &backing);
        }
    }
}

fn deletion(out: &mut String, delete: &Delete, backing: &Backing) {
    let (time, id) = (minute(delete.point_time), delete.resource);
    let of_image = id.image().and_then(|image_id| backing.get(&image_id));
    let (what, gib) = match of_image {
        Some((n, gib)) => (format!("{id} with {}", count(*n, "snapshot")), *gib),
        None => (id.to_string(), u64::from(delete.size_gib)),
    };
    row(out, &format!("    {time} {what:<22}{gib:>5} GiB"), &short(delete.reason));
}

/// Returns what the point protects, and of a copy from where.
fn source(region: Region, delete: &Delete) -> String {
    let tag = delete.tags.get(tags::SOURCE).and_then(|text| text.parse::<RegionalSource>().ok());
    match tag.filter(|tag| tag.region != region && tag.source == delete.source) {
        Some(tag) => format!("{} of {}", tag.source, tag.region),
        None => delete.source.to_string(),
    }
}

/// Returns a reason with its date only: the minute is the row's own.
fn short(reason: ExpireReason) -> String {
    let text = reason.to_string();
    match text.rsplit_once(' ') {
        Some((head, clock)) if clock.ends_with('Z') && clock.len() == 6 => head.to_owned(),
        Some(_) | None => text,
    }
}
