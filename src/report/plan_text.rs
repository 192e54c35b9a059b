//! A plan as text that a person reviews before a clean-up: 80 columns, no colour needed.
//!
//! Here the head, the notes and what belongs to one policy and region; each kind of line is in a
//! file of its own. Decides nothing: what is not in the plan is not told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::domain::region::Region;
use crate::plan::reason::minute;
use crate::plan::{
    Action, Copy, Delete, Keep, KeepReason, Op, Plan, PlanGap, Severity, Waiting, Withheld,
};
use crate::report::text::{count, hanging, item, printable, row};

mod change;
mod copy;
mod create;
mod delete;
mod keep;

/// Returns `plan` as text; with everything that is kept, if `lists_keeps`.
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

/// Returns the account with a comma before it; nothing if none is known.
pub(super) fn account(plan: &Plan) -> String {
    let text = match (&plan.account_name, &plan.account) {
        (Some(name), Some(id)) => format!(", account {name} ({id})"),
        (Some(one), None) | (None, Some(one)) => format!(", account {one}"),
        (None, None) => String::new(),
    };
    printable(&text).into_owned()
}

fn head(out: &mut String, plan: &Plan) {
    let _ = writeln!(out, "Plan for {}{}\n", minute(plan.now), account(plan));
    let n_creations = plan.actions.iter().filter(|a| a.as_creation().is_some()).count();
    let n_changes = plan.actions.iter().filter(|action| is_change(action)).count();
    let deletes = || plan.actions.iter().filter_map(Action::as_delete);
    let copies: Vec<&Copy> = plan.actions.iter().filter_map(copied_elsewhere).collect();
    let encryptions: Vec<&Copy> = plan.actions.iter().filter_map(encrypted_here).collect();
    let n_vetoed = plan.keeps.iter().filter(|keep| is_vetoed(keep)).count();
    let mut line = |n: usize, text: &str, is_always: bool| {
        if is_always || 0 < n {
            let _ = writeln!(out, "{n:>8} {text}");
        }
    };
    line(n_creations, "to create", true);
    line(copies.len(), &format!("to copy, {}", copy::gib(&copies)), false);
    line(encryptions.len(), &format!("to encrypt, {}", copy::gib(&encryptions)), false);
    line(n_changes, "to change", false);
    line(deletes().count(), &format!("to delete, {}", delete::gib(deletes())), true);
    line(plan.withheld.len(), "to delete, but withheld by a limit", false);
    line(plan.keeps.len() - n_vetoed, "kept", true);
    line(n_vetoed, "kept although retention is over", false);
    line(plan.waiting.len(), "waiting", false);
}

/// Returns true if the action neither makes nor deletes anything.
fn is_change(action: &Action) -> bool {
    action.as_creation().is_none() && action.as_copy().is_none() && action.as_delete().is_none()
}

fn copied_elsewhere(action: &Action) -> Option<&Copy> {
    action.as_copy().filter(|copy| !copy.is_encryption(&action.region))
}

fn encrypted_here(action: &Action) -> Option<&Copy> {
    action.as_copy().filter(|copy| copy.is_encryption(&action.region))
}

fn is_vetoed(keep: &Keep) -> bool {
    matches!(keep.reason, KeepReason::Vetoed(_))
}

/// What a plan says of one policy in one region.
#[derive(Default)]
struct Section<'p> {
    creations: Vec<&'p Op>,
    copies: Vec<&'p Copy>,
    encryptions: Vec<&'p Copy>,
    changes: Vec<&'p Op>,
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
        section.creations.extend(action.as_creation().map(|_| &action.op));
        section.copies.extend(copied_elsewhere(action));
        section.encryptions.extend(encrypted_here(action));
        section.changes.extend(is_change(action).then_some(&action.op));
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
        create::creations(out, &self.creations);
        copy::copies(out, &self.copies);
        copy::encryptions(out, &self.encryptions);
        change::changes(out, &self.changes);
        delete::deletes(out, *region, &self.deletes);
        if let Some((_, first)) = self.withheld.first() {
            let n = count(self.withheld.len(), "deletion");
            hanging(out, "  ", &format!("withhold {n}: over a limit ({})", first.limit));
            let all: Vec<&Delete> = self.withheld.iter().map(|(delete, _)| *delete).collect();
            delete::rows(out, *region, &all);
        }
        self.waiting(out);
        keep::keeps(out, &self.keeps, lists_keeps);
    }

    fn waiting(&self, out: &mut String) {
        if self.waiting.is_empty() {
            return;
        }
        let _ = writeln!(out, "  wait for {}", self.waiting.len());
        for waiting in &self.waiting {
            let since = waiting.since.map(|at| format!("  since {}", minute(at)));
            let resource = printable(&waiting.resource);
            let columns = format!("    {resource}{}", since.unwrap_or_default());
            row(out, &columns, &waiting.reason);
        }
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
        by_error.entry(&gap.error.why).or_default().entry(region).or_default().push(gap.operation);
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
