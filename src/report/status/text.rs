//! Status for people: short when all is well, else what is not protected, and since when.

use std::fmt::Write as _;

use crate::plan::reason::minute;
use crate::report::status::{Counts, Line, Status, gap_text};
use crate::report::text::{count, item, printable, row};

/// What is listed, the worst first, and what the list is called.
const LISTS: [(&str, &str); 3] =
    [("unprotected", "not protected"), ("unknown", "unknown"), ("new", "new")];

/// Returns `status` as text.
pub fn render(status: &Status<'_>) -> String {
    let mut out = format!("{}\n", printable(&headline(status)));
    for (state, title) in LISTS {
        let listed = status.lines().filter(|line| line.protection.state.name() == state);
        list(&mut out, title, listed);
    }
    let mut gaps = status.gaps().peekable();
    if gaps.peek().is_some() {
        let _ = writeln!(out, "\nnot observed");
    }
    for gap in gaps {
        item(&mut out, &gap_text(gap));
    }
    let mut nothing = status.nothing_selected().peekable();
    if nothing.peek().is_some() {
        let _ = writeln!(out, "\nnothing is selected");
    }
    for note in nothing {
        let region = note.region.map(|region| format!("{region}: ")).unwrap_or_default();
        item(&mut out, &format!("{region}{}", note.message));
    }
    if 0 < status.counts.unprotected {
        out.push_str("\n`snapkeep plan` tells what is done about it, and what it waits for\n");
    }
    out
}

/// Returns the whole in one line.
pub(super) fn headline(status: &Status<'_>) -> String {
    let Counts { protected, new, unknown, unprotected } = status.counts;
    let mut parts = Vec::new();
    let mut part = |n: usize, text: &str| {
        if 0 < n {
            parts.push(format!("{n} {text}"));
        }
    };
    part(unprotected, "not protected");
    part(unknown, "unknown");
    part(new, "new");
    if parts.is_empty() && protected == 0 {
        let gap = status.gaps().next().map_or("", |_| "; not everything could be read");
        return format!("no source is selected{gap}");
    }
    let mut text = format!("{} protected", count(protected, "source"));
    for part in parts {
        let _ = write!(text, ", {part}");
    }
    if let Some((oldest, newest)) = status.oldest().filter(|_| unprotected == 0) {
        let policy = &oldest.protection.policy;
        let of = format!("`{policy}`, {}, {}", oldest.place(), oldest.source());
        let _ = write!(text, "; the oldest newest point is of {}: {of}", minute(newest));
    }
    text
}

/// Appends a list, by policy and place.
fn list<'p>(out: &mut String, title: &str, listed: impl Iterator<Item = Line<'p>>) {
    let mut groups: Vec<(String, Vec<Line<'_>>)> = Vec::new();
    for line in listed {
        let head = format!("{} · {}", line.protection.policy, line.place());
        match groups.iter_mut().find(|(known, _)| *known == head) {
            Some((_, group)) => group.push(line),
            None => groups.push((head, vec![line])),
        }
    }
    if !groups.is_empty() {
        let _ = writeln!(out, "\n{title}");
    }
    for (head, group) in groups {
        let _ = writeln!(out, "  {}", printable(&head));
        let width =
            group.iter().map(|line| line.source().chars().count()).max().unwrap_or_default();
        for line in group {
            let source = line.source();
            row(out, &format!("    {:width$}", printable(&source)), &line.words());
        }
    }
}
