//! Everything about one snapshot, as text.

use std::fmt::Write as _;

use crate::domain::inventory::Snapshot;
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::Explanation;
use crate::plan::explain::JudgedBy;
use crate::plan::guard::Veto;
use crate::plan::reason::minute;
use crate::report::text::{count, hanging, item, printable, row};

/// How many points of a lineage are shown on each side of the one in question.
const NEIGHBOURS: usize = 5;

/// Returns `explanation` as text.
pub fn render(explanation: &Explanation) -> String {
    let Explanation { region, snapshot, standing, judged_by, vetoes, restorable } = explanation;
    let mut out = String::new();
    facts(&mut out, region, snapshot);
    hanging(&mut out, "whose     ", standing);
    for judged in judged_by {
        judged_text(&mut out, judged);
    }
    in_the_way(&mut out, snapshot, vetoes);
    restore(&mut out, region, judged_by, restorable);
    out
}

fn in_the_way(out: &mut String, snapshot: &Snapshot, vetoes: &[Veto]) {
    if vetoes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nin the way of deleting it");
    for veto in vetoes {
        let on = match veto.on {
            Some(id) if id != snapshot.id => format!("{id}, of the same recovery point, is "),
            Some(_) | None => String::new(),
        };
        item(out, &format!("{on}{}; lifted by {}", veto.cause, veto.cause.lifted_by()));
    }
}

fn facts(out: &mut String, region: &Region, snapshot: &Snapshot) {
    let _ = writeln!(out, "{} in {region}\n", snapshot.id);
    let volume = snapshot.volume_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let encrypted = if snapshot.is_encrypted { ", encrypted" } else { "" };
    let _ = writeln!(out, "volume    {volume}, {} GiB{encrypted}", snapshot.volume_size_gib);
    let _ = writeln!(out, "started   {}", minute(snapshot.started_at));
    let message = snapshot.state_message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
    hanging(out, "state     ", &format!("{}{message}", snapshot.state.name()));
    if !snapshot.description.is_empty() {
        hanging(out, "described ", &snapshot.description);
    }
    for (n, (key, value)) in snapshot.tags.iter().enumerate() {
        let head = if n == 0 { "tags      " } else { "          " };
        hanging(out, head, &format!("{key} = {value}"));
    }
}

fn judged_text(out: &mut String, judged: &JudgedBy) {
    let JudgedBy { policy, source, slot, point, verdict, expires_at, rules, lineage } = judged;
    let _ = writeln!(out, "\npolicy    {}", printable(policy));
    let _ = writeln!(out, "source    {source}");
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

/// Appends the AWS CLI commands that bring the data back: of a set, all members.
fn restore(out: &mut String, region: &Region, judged_by: &[JudgedBy], restorable: &[Snapshot]) {
    if restorable.is_empty() {
        let _ = writeln!(out, "\nnothing of it can be restored: it is not complete");
        return;
    }
    let instance = judged_by.iter().find_map(|judged| match judged.source {
        Source::Instance(id) => Some(id.to_string()),
        Source::Volume(_) | Source::Family(_) => None,
    });
    let instance = instance.unwrap_or_else(|| "<instance>".to_owned());
    let _ =
        writeln!(out, "\nto restore it: in the instance's own availability zone, make a volume");
    let _ = writeln!(out, "of each snapshot and attach it where nothing else is attached");
    for snapshot in restorable {
        let devices = snapshot.tags.get(tags::DEVICES).unwrap_or_default().split(' ');
        let of_volume = devices.filter_map(|part| part.split_once('=')).find(|(_, volume_id)| {
            snapshot.volume_id.is_some_and(|id| volume_id.parse() == Ok(id))
        });
        let device = of_volume.map_or("<device>", |(device, _)| device);
        let _ = writeln!(out, "  aws ec2 create-volume --region {region} \\");
        let _ = writeln!(out, "    --snapshot-id {} --availability-zone <zone>", snapshot.id);
        let _ = writeln!(out, "  aws ec2 attach-volume --region {region} --volume-id <volume> \\");
        let _ = writeln!(out, "    --instance-id {instance} --device {}", printable(device));
    }
}
