//! A plan as text that a person reviews before a clean-up: 80 columns, no colour needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::reason::minute;
use crate::plan::{
    Action, Delete, ExpireReason, Keep, KeepReason, NewPoint, Op, Plan, PlanGap, Severity, Waiting,
    Withheld,
};
use crate::report::text::{count, hanging, item, printable, row};

/// Returns `plan` as text; with every kept snapshot, if `lists_keeps`.
pub fn render(plan: &Plan, lists_keeps: bool) -> String {
    let mut out = String::new();
    head(&mut out, plan);
    for (place, section) in sections(plan) {
        section.render(&mut out, &place, lists_keeps);
    }
    gaps(&mut out, &plan.gaps);
    notes(&mut out, plan);
    out
}

fn head(out: &mut String, plan: &Plan) {
    let account = plan.account.as_deref().map(|id| format!(", account {id}")).unwrap_or_default();
    let _ = writeln!(out, "Plan for {}{}\n", minute(plan.now), printable(&account));
    let n_creations = plan.actions.iter().filter(|a| a.as_creation().is_some()).count();
    let deletes = || plan.actions.iter().filter_map(Action::as_delete);
    let n_vetoed = plan.keeps.iter().filter(|keep| is_vetoed(keep)).count();
    let mut line = |n: usize, text: &str, is_always: bool| {
        if is_always || 0 < n {
            let _ = writeln!(out, "{n:>8} {text}");
        }
    };
    line(n_creations, "to create", true);
    line(deletes().count(), &format!("to delete, {}", gib(deletes())), true);
    line(plan.withheld.len(), "to delete, but withheld by a limit", false);
    line(plan.keeps.len() - n_vetoed, "kept", true);
    line(n_vetoed, "kept although retention is over", false);
    line(plan.waiting.len(), "waiting", false);
}

/// Returns the sum of the volume sizes. What deleting frees is less, and only EBS knows.
fn gib<'d>(deletes: impl Iterator<Item = &'d Delete>) -> String {
    let sum: u64 = deletes.map(|delete| u64::from(delete.size_gib)).sum();
    format!("{sum} GiB of volumes")
}

fn is_vetoed(keep: &Keep) -> bool {
    matches!(keep.reason, KeepReason::Vetoed(_))
}

/// What a plan says of one policy in one region.
#[derive(Default)]
struct Section<'p> {
    creations: Vec<(&'p Op, &'p NewPoint)>,
    deletes: Vec<&'p Delete>,
    withheld: Vec<(&'p Delete, &'p Withheld)>,
    keeps: Vec<&'p Keep>,
    waiting: Vec<&'p Waiting>,
}

type Place = (Region, Arc<str>);

fn sections(plan: &Plan) -> BTreeMap<Place, Section<'_>> {
    let mut sections: BTreeMap<Place, Section<'_>> = BTreeMap::new();
    let place = |region: &Region, policy: &Arc<str>| (*region, Arc::clone(policy));
    for action in &plan.actions {
        let section = sections.entry(place(&action.region, &action.policy)).or_default();
        section.creations.extend(action.as_creation().map(|point| (&action.op, point)));
        section.deletes.extend(action.as_delete());
    }
    for withheld in &plan.withheld {
        let action = &withheld.action;
        let section = sections.entry(place(&action.region, &action.policy)).or_default();
        section.withheld.extend(action.as_delete().map(|delete| (delete, withheld)));
    }
    for keep in &plan.keeps {
        sections.entry(place(&keep.region, &keep.policy)).or_default().keeps.push(keep);
    }
    for waiting in &plan.waiting {
        sections.entry(place(&waiting.region, &waiting.policy)).or_default().waiting.push(waiting);
    }
    sections
}

impl Section<'_> {
    fn render(&self, out: &mut String, (region, policy): &Place, lists_keeps: bool) {
        let _ = writeln!(out, "\n{region} · {}", printable(policy));
        self.creations(out);
        if !self.deletes.is_empty() {
            let n = self.deletes.len();
            let gib = gib(self.deletes.iter().copied());
            let _ = writeln!(out, "  delete {}, {gib}", count(n, "snapshot"));
            deletes(out, &self.deletes);
        }
        if let Some((_, first)) = self.withheld.first() {
            let n = count(self.withheld.len(), "deletion");
            hanging(out, "  ", &format!("withhold {n}: over a limit ({})", first.limit));
            let all: Vec<&Delete> = self.withheld.iter().map(|(delete, _)| *delete).collect();
            deletes(out, &all);
        }
        if !self.waiting.is_empty() {
            let _ = writeln!(out, "  wait for {}", self.waiting.len());
            for waiting in &self.waiting {
                let since = waiting.since.map(|at| format!("  since {}", minute(at)));
                let columns = format!("    {}{}", waiting.resource, since.unwrap_or_default());
                row(out, &columns, &waiting.reason);
            }
        }
        self.keeps(out, lists_keeps);
    }

    fn creations(&self, out: &mut String) {
        if self.creations.is_empty() {
            return;
        }
        let _ = writeln!(out, "  create {}", count(self.creations.len(), "recovery point"));
        for (op, point) in &self.creations {
            let (call, what) = match op {
                Op::CreateSnapshots(set) => {
                    let gib: u32 = set.volumes.iter().map(|volume| volume.size_gib).sum();
                    (
                        "CreateSnapshots",
                        format!("{}, {gib} GiB", count(set.volumes.len(), "volume")),
                    )
                }
                Op::CreateSnapshot(one) => {
                    let volume = &one.volume;
                    let of_set = match point.source {
                        Source::Instance(_) => format!("{}, ", volume.volume_id),
                        Source::Volume(_) | Source::Family(_) => String::new(),
                    };
                    ("CreateSnapshot", format!("{of_set}{} GiB", volume.size_gib))
                }
                Op::DeleteSnapshot(_) => continue,
            };
            let attempt = match point.attempt {
                1 => String::new(),
                n => format!(", attempt {n}"),
            };
            let source = point.source.to_string();
            let columns = format!("    {source:<19} {}", minute(point.slot));
            row(out, &columns, &format!("{what}{attempt}  {call}"));
        }
    }

    fn keeps(&self, out: &mut String, lists_keeps: bool) {
        let (vetoed, kept): (Vec<&Keep>, Vec<&Keep>) =
            self.keeps.iter().copied().partition(|keep| is_vetoed(keep));
        if !vetoed.is_empty() {
            let n = count(vetoed.len(), "snapshot");
            let _ = writeln!(out, "  keep {n} although retention is over");
            self::vetoed(out, &vetoed);
        }
        if kept.is_empty() {
            return;
        }
        let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
        for keep in &kept {
            *by_reason.entry(keep.why()).or_default() += 1;
        }
        let _ = writeln!(out, "  keep {}", count(kept.len(), "snapshot"));
        for (why, n) in by_reason {
            row(out, &format!("{n:>8}"), &why);
        }
        if lists_keeps {
            for of_source in kept.chunk_by(|a, b| a.source == b.source) {
                let _ = writeln!(out, "   {}", of_source[0].source);
                for keep in of_source {
                    row(out, &keep_columns(keep), &keep.to_string());
                }
            }
        }
    }
}

/// Appends snapshots with vetoes; those of a whole region as a number.
fn vetoed(out: &mut String, vetoed: &[&Keep]) {
    let mut by_region: BTreeMap<String, usize> = BTreeMap::new();
    for keep in vetoed {
        match &keep.reason {
            KeepReason::Vetoed(why) if why.1.on.is_none() => {
                *by_region.entry(why.1.cause.to_string()).or_default() += 1;
            }
            KeepReason::Vetoed(_) | KeepReason::Held(_) | KeepReason::Failed => {
                row(out, &keep_columns(keep), &keep.to_string());
            }
        }
    }
    for (cause, n) in by_region {
        row(out, &format!("{n:>8}"), &cause);
    }
}

fn keep_columns(keep: &Keep) -> String {
    format!("    {} {}", minute(keep.point_time), keep.snapshot_id)
}

/// Appends deletions grouped by source, each with its point's instant, size and reason.
fn deletes(out: &mut String, deletes: &[&Delete]) {
    let source = |delete: &Delete| match delete.tags.get(tags::SOURCE) {
        Some(source) => source.rsplit('/').next().unwrap_or(source).to_owned(),
        None => delete.volume_id.map_or_else(|| "no volume".to_owned(), |id| id.to_string()),
    };
    for group in deletes.chunk_by(|a, b| source(a) == source(b)) {
        let _ = writeln!(out, "   {}", printable(&source(group[0])));
        for delete in group {
            let (time, id) = (minute(delete.point_time), delete.snapshot_id);
            let columns = format!("    {time} {id:<22}{:>5} GiB", delete.size_gib);
            row(out, &columns, &short(delete.reason));
        }
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

pub(super) fn gaps(out: &mut String, gaps: &[PlanGap]) {
    if gaps.is_empty() {
        return;
    }
    // Missing credentials, say, fail every call everywhere with the same words.
    let mut by_error: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for gap in gaps {
        let region = gap.region.as_ref().map_or("all regions", Region::as_str);
        by_error.entry(&gap.error).or_default().entry(region).or_default().push(gap.operation);
    }
    let _ = writeln!(out, "\ncould not be read, so nothing is deleted that depends on it");
    for (error, regions) in by_error {
        let mut by_operations: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (region, operations) in regions {
            by_operations.entry(operations.join(", ")).or_default().push(region);
        }
        for (operations, regions) in by_operations {
            item(out, &format!("{}: {operations}", regions.join(", ")));
        }
        hanging(out, "      ", error);
    }
}

pub(super) fn notes(out: &mut String, plan: &Plan) {
    if plan.notes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nnotes");
    for note in &plan.notes {
        let severity = match note.severity {
            Severity::Info => "",
            Severity::Warning => "warning: ",
            Severity::Fatal => "FATAL, nothing is executed there: ",
        };
        let region = note.region.as_ref().map(|region| format!("{region}: ")).unwrap_or_default();
        item(out, &format!("{severity}{region}{}", note.message));
    }
}
