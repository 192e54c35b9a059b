//! What a run did, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::execute::Outcome;
use crate::execute::outcome::Tally;
use crate::plan::reason::minute;
use crate::plan::{Action, Plan, Severity};
use crate::report::plan_text;
use crate::report::text::{count, item, row};

/// Returns the outcomes of `plan` as text: in full what did not go as planned, counts of the rest.
pub fn render(plan: &Plan, outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let tally = Tally::of(outcomes);
    // A single account needs no mention: the plan has told which it is.
    let account = plan.account_name.as_ref().map(|_| plan_text::account(plan)).unwrap_or_default();
    let _ = writeln!(out, "Run of {}{}\n", minute(plan.now), account);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (action, outcome) in plan.actions.iter().zip(outcomes) {
        *counts.entry((action.operation(), outcome.word())).or_default() += 1;
    }
    if counts.is_empty() {
        // What could not be read may well hold something to do.
        let is_refused = plan.notes.iter().any(|note| note.severity == Severity::Fatal);
        let is_known = plan.gaps.is_empty() && !is_refused;
        let text = if is_known { "nothing to do" } else { "nothing done" };
        let _ = writeln!(out, "  {text}");
    }
    for ((operation, word), n) in counts {
        let _ = writeln!(out, "{n:>8} {operation} {word}");
    }
    made(&mut out, plan, outcomes);
    troubles(&mut out, plan, outcomes);
    if !plan.withheld.is_empty() {
        let n = count(plan.withheld.len(), "deletion");
        let _ = writeln!(out, "\n{n} withheld by a limit; once, --max-deletes N lets N through:");
        let mut limits: BTreeMap<String, usize> = BTreeMap::new();
        for withheld in &plan.withheld {
            let action = &withheld.action;
            let place = format!("{} · {}: {}", action.region, action.policy, withheld.limit);
            *limits.entry(place).or_default() += 1;
        }
        for (place, n) in limits {
            row(&mut out, &format!("  {n:>6}"), &place);
        }
    }
    if !plan.waiting.is_empty() {
        let _ =
            writeln!(out, "\n{} waiting for the next run", plan.waiting.len() + tally.n_waiting);
    }
    plan_text::gaps(&mut out, &plan.gaps);
    plan_text::notes(&mut out, plan);
    out
}

fn made(out: &mut String, plan: &Plan, outcomes: &[Outcome]) {
    let made = || plan.actions.iter().zip(outcomes).filter(|(_, o)| !o.made().is_empty());
    if made().next().is_none() {
        return;
    }
    let _ = writeln!(out, "\nmade");
    for (action, outcome) in made() {
        let Some(made_of) = made_of(action) else { continue };
        let ids: Vec<String> = outcome.made().iter().map(ToString::to_string).collect();
        row(out, &format!("  {:<14} {made_of}", action.region.as_str()), &ids.join(" "));
    }
}

/// Returns what the action makes something of: the source, or what is copied.
fn made_of(action: &Action) -> Option<String> {
    let point = action.as_creation().map(|point| point.source.to_string());
    point.or_else(|| action.as_copy().map(|copy| copy.parent.to_string()))
}

fn troubles(out: &mut String, plan: &Plan, outcomes: &[Outcome]) {
    let mut not_started: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines = String::new();
    for (action, outcome) in plan.actions.iter().zip(outcomes) {
        match outcome {
            // One interruption leaves thousands of these.
            Outcome::NotStarted(why) => *not_started.entry(why).or_default() += 1,
            outcome => {
                if let Some(why) = outcome.reason() {
                    row(&mut lines, &format!("  {} {}", outcome.word(), action.id()), why);
                }
            }
        }
    }
    for (why, n) in not_started {
        let n = count(n, "action");
        item(&mut lines, &format!("{n} not started: {why}; the next run plans anew"));
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "\nnot done\n{}", lines.trim_end());
    }
}
