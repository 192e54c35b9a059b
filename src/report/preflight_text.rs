//! What was found out before the first run, as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::plan::preflight::{Check, Finding, Grant, Preflight};
use crate::report::iam;
use crate::report::json::to_pretty;
use crate::report::text::{count, printable, wrapped};

/// Behind what was tried stands what is to be said of it.
const COLUMN: &str = "             ";

/// Returns `preflight` as text, with the statements that grant what is missing.
pub fn render(preflight: &Preflight) -> String {
    let mut out = String::new();
    section(&mut out, "account", &preflight.account);
    for (region, checks) in &preflight.regions {
        section(&mut out, region.as_str(), checks);
    }
    summary(&mut out, preflight);
    statements(&mut out, preflight);
    out
}

fn section(out: &mut String, heading: &str, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}");
    for check in checks {
        let what = printable(&check.what);
        match &check.finding {
            Finding::Fine(detail) => line(out, "ok", &what, detail),
            Finding::NotTried(why) => line(out, "not tried", &what, why),
            Finding::Doubtful(why) => line(out, "warning", &what, why),
            Finding::Lacking { why, effect } => {
                line(out, "optional", &what, why);
                wrapped(out, COLUMN, effect);
            }
            Finding::Missing { why, needed_for, granted_by } => {
                line(out, "missing", &what, why);
                missing(out, needed_for, granted_by);
            }
        }
    }
    out.push('\n');
}

fn line(out: &mut String, state: &str, what: &str, detail: &str) {
    let detail = printable(detail);
    let head = format!("  {state:<9}  {what}");
    // One line if it fits.
    let width = head.chars().count() + 2 + detail.chars().count();
    if detail.is_empty() {
        let _ = writeln!(out, "{head}");
    } else if width <= crate::report::text::COLUMNS {
        let _ = writeln!(out, "{head}  {detail}");
    } else {
        let _ = writeln!(out, "{head}");
        wrapped(out, COLUMN, &detail);
    }
}

fn missing(out: &mut String, needed_for: &BTreeSet<String>, granted_by: &[Grant]) {
    if !needed_for.is_empty() {
        let reasons: Vec<&str> = needed_for.iter().map(String::as_str).collect();
        wrapped(out, COLUMN, &printable(&format!("needed for {}", reasons.join(", "))));
    }
    let sids: Vec<&str> = granted_by
        .iter()
        .map(|grant| match grant {
            Grant::Purpose(purpose) => purpose.sid(),
            Grant::Key(_) => "the statements on the key",
        })
        .collect();
    if !sids.is_empty() {
        wrapped(out, COLUMN, &format!("granted by {}, below", sids.join(" and ")));
    }
}

fn summary(out: &mut String, preflight: &Preflight) {
    let n = |is_it: fn(&Finding) -> bool| {
        preflight.checks().filter(|check| is_it(&check.finding)).count()
    };
    let n_missing = n(|finding| matches!(finding, Finding::Missing { .. }));
    let mut parts = vec![if n_missing == 0 {
        "nothing that is needed was found missing".to_owned()
    } else {
        format!("{} missing", count(n_missing, "thing"))
    }];
    for (n, words) in [
        (n(|finding| matches!(finding, Finding::Lacking { .. })), "optional denied"),
        (n(|finding| matches!(finding, Finding::Doubtful(_))), "doubtful"),
        (n(|finding| matches!(finding, Finding::NotTried(_))), "not tried"),
    ] {
        if 0 < n {
            parts.push(format!("{n} {words}"));
        }
    }
    let _ = writeln!(out, "{}", parts.join(", "));
}

fn statements(out: &mut String, preflight: &Preflight) {
    let grants = preflight.checks().filter_map(|check| match &check.finding {
        Finding::Missing { granted_by, .. } => Some(granted_by),
        _ => None,
    });
    let grants: BTreeSet<Grant> = grants.flatten().cloned().collect();
    if grants.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nwhat grants it, as in `snapkeep iam`");
    for statement in iam::statements(&preflight.rights, &grants) {
        // What has been made of strings only can always be written.
        let text = to_pretty(&statement).unwrap_or_default();
        let _ = writeln!(out, "{text}");
    }
}
