//! Lines about changes to what is there: who may use it, when it is deprecated, its tags.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::ResourceId;
use crate::domain::source::Source;
use crate::plan::reason::minute;
use crate::plan::{Deprecation, Op, Share, TagPurpose, Tagging};
use crate::report::text::{count, hanging, row};

/// One change: of what, and in words.
struct Change {
    source: Source,
    point_time: DateTime<Utc>,
    resource: ResourceId,
    text: String,
}

/// Appends the changes, if there are any; tags on snapshots whose images go, as a number.
pub(super) fn changes(out: &mut String, changes: &[&Op]) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(out, "  change {}", changes.len());
    let lines: Vec<Change> = changes.iter().filter_map(|op| change(op)).collect();
    for group in lines.chunk_by(|a, b| a.source == b.source) {
        hanging(out, "   ", &group[0].source.to_string());
        for Change { point_time, resource, text, .. } in group {
            row(out, &format!("    {} {resource}", minute(*point_time)), text);
        }
    }
    let n_backing = changes.len() - lines.len();
    if 0 < n_backing {
        let of_images = count(n_backing, "snapshot");
        hanging(out, "   ", &format!("tag {of_images} of images that are deregistered"));
    }
}

fn change(op: &Op) -> Option<Change> {
    match op {
        Op::ModifySnapshotAttribute(share) | Op::ModifyImageAttribute(share) => {
            let Share { resource, source, point_time, .. } = *share;
            Some(Change { source, point_time, resource, text: shared(share) })
        }
        Op::EnableImageDeprecation(Deprecation { image_id, source, point_time, at }) => {
            let text = format!("deprecate from {} on", minute(*at));
            let (source, point_time, resource) = (*source, *point_time, (*image_id).into());
            Some(Change { source, point_time, resource, text })
        }
        Op::CreateTags(tagging) if tagging.purpose == TagPurpose::Shared => {
            let Tagging { resource, source, point_time, .. } = *tagging;
            let tags: Vec<String> =
                tagging.tags.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            Some(Change { source, point_time, resource, text: format!("tag {}", tags.join(", ")) })
        }
        _ => None,
    }
}

fn shared(share: &Share) -> String {
    let with = |verb: &str, accounts: &[Arc<str>]| {
        Some(format!("{verb} {}", accounts.join(" "))).filter(|_| !accounts.is_empty())
    };
    let parts = [with("share with", &share.add), with("no longer with", &share.remove)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
