//! Everything about one snapshot or image, as text.

use std::fmt::Write as _;

use crate::domain::ids::ResourceId;
use crate::domain::inventory::{Image, Snapshot};
use crate::plan::Explanation;
use crate::plan::explain::{JudgedBy, Obstacle, Relatives};
use crate::plan::lineage::Thing;
use crate::plan::reason::minute;
use crate::report::text::{count, hanging, item, printable, row};

mod restore;

/// How many points of a lineage are shown on each side of the one in question.
const NEIGHBOURS: usize = 5;

/// Returns `explanation` as text.
pub fn render(explanation: &Explanation<'_>) -> String {
    let Explanation { region, thing, relatives, judged_by, obstacles, .. } = explanation;
    let mut out = String::new();
    let _ = writeln!(out, "{} in {region}\n", thing.id());
    match thing {
        Thing::Snapshot(snapshot) => snapshot_facts(&mut out, explanation, snapshot),
        Thing::Image(image) => image_facts(&mut out, explanation, image),
    }
    tags(&mut out, *thing);
    hanging(&mut out, "whose     ", &explanation.standing);
    related(&mut out, relatives);
    for judged in judged_by {
        judged_text(&mut out, judged);
    }
    in_the_way(&mut out, thing.id(), obstacles);
    restore::restore(&mut out, explanation);
    out
}

fn in_the_way(out: &mut String, it: ResourceId, obstacles: &[Obstacle]) {
    if obstacles.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nin the way of deleting it");
    for Obstacle { on, what, lifted_by } in obstacles {
        let on = match on {
            Some(id) if *id != it => format!("{id}, of the same recovery point: "),
            Some(_) | None => String::new(),
        };
        item(out, &format!("{on}{what}; lifted by {lifted_by}"));
    }
}

fn snapshot_facts(out: &mut String, explanation: &Explanation<'_>, snapshot: &Snapshot) {
    let volume = explanation.volume_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let encrypted = if snapshot.is_encrypted { ", encrypted" } else { "" };
    let _ = writeln!(out, "volume    {volume}, {} GiB{encrypted}", snapshot.volume_size_gib);
    if let Some(image) = explanation.of_image {
        let state = image.state.name();
        hanging(out, "image     ", &format!("{}, {}, {state}", image.id, image.name));
    }
    let _ = writeln!(out, "started   {}", minute(snapshot.started_at));
    let message = snapshot.state_message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
    hanging(out, "state     ", &format!("{}{message}", snapshot.state.name()));
    if !snapshot.description.is_empty() {
        hanging(out, "described ", &snapshot.description);
    }
}

fn image_facts(out: &mut String, explanation: &Explanation<'_>, image: &Image) {
    hanging(out, "name      ", &image.name);
    if let Some(instance_id) = image.source_instance_id {
        let _ = writeln!(out, "made of   {instance_id}");
    } else if let Some(image_id) = image.source_image_id {
        let of = image.source_image_region.map(|r| format!(" of {r}")).unwrap_or_default();
        let _ = writeln!(out, "made of   {image_id}{of}");
    }
    let created_at = image.created_at.map_or_else(|| "unknown".to_owned(), minute);
    let _ = writeln!(out, "created   {created_at}");
    let message = image.state_message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
    let deprecated = image.deprecated_at.map(|at| format!(", deprecated from {}", minute(at)));
    let deprecated = deprecated.unwrap_or_default();
    hanging(out, "state     ", &format!("{}{deprecated}{message}", image.state.name()));
    let encrypted = if image.is_encrypted { ", encrypted" } else { "" };
    let _ = writeln!(out, "size      {} GiB{encrypted}", image.size_gib);
    for (n, id) in image.snapshot_ids.iter().enumerate() {
        let listed = explanation.backing.iter().find(|thing| thing.id().snapshot() == Some(*id));
        let says = listed.map_or_else(
            || "not listed".to_owned(),
            |thing| format!("{}, {} GiB", thing.state().name(), thing.size_gib()),
        );
        hanging(out, if n == 0 { "snapshots " } else { "          " }, &format!("{id} {says}"));
    }
    if !image.description.is_empty() {
        hanging(out, "described ", &image.description);
    }
}

fn tags(out: &mut String, thing: Thing<'_>) {
    for (n, (key, value)) in thing.tags().iter().enumerate() {
        let head = if n == 0 { "tags      " } else { "          " };
        hanging(out, head, &format!("{key} = {value}"));
    }
}

/// Appends what it is a copy of, and where the same data is.
fn related(out: &mut String, relatives: &Relatives) {
    let Relatives { parents, others, missing } = relatives;
    let parents = parents.iter().map(|parent| format!("{}: {}", parent.id, parent.text));
    let others = others.iter().map(|other| format!("{}: {}", other.id, other.text));
    let copies: Vec<String> = others.chain(missing.iter().cloned()).collect();
    for (label, lines) in [("copy of   ", parents.collect()), ("same data ", copies)] {
        for (n, line) in lines.iter().enumerate() {
            hanging(out, if n == 0 { label } else { "          " }, line);
        }
    }
}

fn judged_text(out: &mut String, judged: &JudgedBy) {
    let JudgedBy { policy, source, from, slot, point, verdict, expires_at, rules, lineage } =
        judged;
    let _ = writeln!(out, "\npolicy    {}", printable(policy));
    let from = from.map(|region| format!(" of {region}")).unwrap_or_default();
    hanging(out, "source    ", &format!("{source}{from}"));
    if let Some(slot) = slot {
        let _ = writeln!(out, "slot      {}", minute(*slot));
    }
    hanging(out, "point     ", point);
    hanging(out, "verdict   ", verdict);
    if let Some(at) = expires_at {
        let _ = writeln!(out, "goes      not before {}", minute(*at));
    }
    for (n, rule) in rules.iter().enumerate() {
        hanging(out, if n == 0 { "rules     " } else { "          " }, rule);
    }
    if lineage.is_empty() {
        return;
    }
    let it = lineage.iter().position(|(.., is_it)| *is_it);
    // What failed is no point of the lineage; then its newest points are shown.
    let it = it.unwrap_or(lineage.len());
    let from = it.saturating_sub(NEIGHBOURS);
    let shown = lineage.iter().skip(from).take(2 * NEIGHBOURS + 1);
    let _ = writeln!(out, "lineage   {}; around this one:", count(lineage.len(), "point"));
    for (time, state, verdict, is_it) in shown {
        let mark = if *is_it { ">" } else { " " };
        row(out, &format!("  {mark} {}  {state}", minute(*time)), verdict);
    }
}
