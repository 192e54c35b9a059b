//! Lines about copies: to this region from others, and within it to be encrypted.

use std::fmt::Write as _;

use crate::plan::Copy;
use crate::plan::reason::minute;
use crate::report::text::{hanging, row, things};

/// Appends the copies from other regions, if there are any.
pub(super) fn copies(out: &mut String, copies: &[&Copy]) {
    if !copies.is_empty() {
        let _ = writeln!(out, "  copy {}, {}", parents(copies), gib(copies));
        rows(out, copies, |copy| format!("{} of {}", copy.source, copy.parent.region));
    }
}

/// Appends the copies within the region, if there are any.
pub(super) fn encryptions(out: &mut String, copies: &[&Copy]) {
    if !copies.is_empty() {
        let _ = writeln!(out, "  encrypt {}, {}", parents(copies), gib(copies));
        rows(out, copies, |copy| copy.source.to_string());
    }
}

/// Returns the sum of the volume sizes. What a copy costs is at most that.
pub(super) fn gib(copies: &[&Copy]) -> String {
    let sum: u64 = copies.iter().map(|copy| u64::from(copy.size_gib)).sum();
    format!("{sum} GiB of volumes")
}

fn parents(copies: &[&Copy]) -> String {
    things(copies.iter().map(|copy| copy.parent.id))
}

/// Appends copies grouped by source, each with its point's instant, parent, size and how it is
/// made.
fn rows(out: &mut String, copies: &[&Copy], source: impl Fn(&Copy) -> String) {
    for group in copies.chunk_by(|a, b| source(a) == source(b)) {
        hanging(out, "   ", &source(group[0]));
        for copy in group {
            let (time, id) = (minute(copy.point_time), copy.parent.id.to_string());
            row(out, &format!("    {time} {id:<22}{:>5} GiB", copy.size_gib), &how(copy));
        }
    }
}

fn how(copy: &Copy) -> String {
    let encrypted = match (&copy.kms_key, copy.encrypted) {
        (Some(key), _) => format!("encrypted with {key}"),
        (None, true) => "encrypted with the default key".to_owned(),
        (None, false) => "not encrypted".to_owned(),
    };
    let minutes = copy.completion_minutes.map(|n| format!(", complete within {n} minutes"));
    let attempt = Some(copy.attempt).filter(|n| 1 < *n).map(|n| format!(", attempt {n}"));
    let parts = [Some(encrypted), minutes, attempt];
    parts.into_iter().flatten().collect()
}
