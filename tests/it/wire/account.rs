//! What an account holds, in words that are the same whatever ids things got.

use std::collections::BTreeMap;

use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::domain::ids::VolumeId;
use snapkeep::domain::tags::{COPY_OF, SLOT, Tags, VOLUME};

/// How often there is what, by region: `snapshot of vol-… 2026-11-20, completed`.
pub(super) type Holdings = BTreeMap<String, BTreeMap<String, i64>>;

/// Stands before what may change of an image.
const DETAILS: &str = " | ";

/// Returns all snapshots and images of an account. What is pending and what is complete is the same
/// here: which it is, is a matter of time.
pub(super) fn holdings(sandbox: &Sandbox) -> Holdings {
    let mut all = Holdings::new();
    for (region, found) in sandbox.inventory().regions {
        let held = all.entry(region.to_string()).or_default();
        for snapshot in found.snapshots {
            let failed = if snapshot.state.name() == "error" { ", failed" } else { "" };
            let line = format!("snapshot{}{failed}", facts(&snapshot.tags, snapshot.volume_id));
            *held.entry(line).or_default() += 1;
        }
        for image in found.images {
            let failed = if image.state.is_failed() { ", failed" } else { "" };
            let shared = sandbox.shared_with(&region, image.id.into()).join(" ");
            // To the day: it depends on when the image was made.
            let until = image.deprecated_at.map(|at| format!(" until {}", at.date_naive()));
            let until = until.unwrap_or_default();
            let line = format!("image{}{failed}{DETAILS}{shared}{until}", facts(&image.tags, None));
            *held.entry(line).or_default() += 1;
        }
    }
    all
}

fn facts(tags: &Tags, volume_id: Option<VolumeId>) -> String {
    let volume = volume_id.filter(|id| !id.is_placeholder()).map(|id| id.to_string());
    let volume = tags.get(VOLUME).map(str::to_owned).or(volume).unwrap_or_default();
    let copy = if tags.has(COPY_OF) { " copy" } else { "" };
    format!(" {volume} {}{copy}", tags.get(SLOT).unwrap_or("without a slot"))
}

/// Returns the slots that have more than one point of a source in a region.
pub(super) fn twins(holdings: &Holdings) -> Vec<String> {
    let all = holdings.iter().flat_map(|(region, held)| {
        held.iter().filter(|(_, n)| 1 < **n).map(move |(line, _)| format!("{region} {line}"))
    });
    all.collect()
}

/// Says in a few words what there is more, less, and otherwise than before.
pub(super) fn changes(before: &Holdings, after: &Holdings) -> String {
    let mut res = Vec::new();
    for (region, after) in after {
        let before = &before[region];
        for kind in ["image", "snapshot"] {
            let of_kind = |of: &BTreeMap<String, i64>, is_whole: bool| {
                let mut counts = BTreeMap::new();
                for (line, n) in of.iter().filter(|(line, _)| line.starts_with(kind)) {
                    let line = if is_whole { line } else { line.split(DETAILS).next().unwrap() };
                    *counts.entry(line.to_owned()).or_default() += n;
                }
                counts
            };
            let more = |is_whole| {
                let (before, after) = (of_kind(before, is_whole), of_kind(after, is_whole));
                let more = |of: &BTreeMap<String, i64>, than: &BTreeMap<String, i64>| -> i64 {
                    of.iter().map(|(line, n)| (n - than.get(line).unwrap_or(&0)).max(0)).sum()
                };
                (more(&after, &before), more(&before, &after))
            };
            let (made, gone) = more(false);
            let changed = more(true).0 - made;
            let counts = [("+", made), ("-", gone), ("~", changed)];
            let counts = counts.iter().filter(|(_, n)| 0 < *n);
            let counts: Vec<String> = counts.map(|(sign, n)| format!("{sign}{n}")).collect();
            if !counts.is_empty() {
                res.push(format!("{region} {kind}s {}", counts.join(" ")));
            }
        }
    }
    if res.is_empty() { "as before".to_owned() } else { res.join(", ") }
}
