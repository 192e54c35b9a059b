//! Lines about what stays: in numbers by reason, or each by itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::plan::reason::minute;
use crate::plan::{Keep, KeepReason};
use crate::report::plan_text::is_vetoed;
use crate::report::text::{hanging, row, things};

/// Appends what stays, if anything does; each by itself, if `lists_keeps`.
pub(super) fn keeps(out: &mut String, keeps: &[&Keep], lists_keeps: bool) {
    let (vetoed, kept): (Vec<&Keep>, Vec<&Keep>) =
        keeps.iter().copied().partition(|keep| is_vetoed(keep));
    if !vetoed.is_empty() {
        let what = things(vetoed.iter().map(|keep| keep.resource));
        let _ = writeln!(out, "  keep {what} although retention is over");
        self::vetoed(out, &vetoed);
    }
    if kept.is_empty() {
        return;
    }
    let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
    for keep in &kept {
        *by_reason.entry(keep.why()).or_default() += 1;
    }
    let _ = writeln!(out, "  keep {}", things(kept.iter().map(|keep| keep.resource)));
    for (why, n) in by_reason {
        row(out, &format!("{n:>8}"), &why);
    }
    if lists_keeps {
        listed(out, &kept);
    }
}

fn listed(out: &mut String, kept: &[&Keep]) {
    for of_source in kept.chunk_by(|a, b| a.source == b.source) {
        hanging(out, "   ", &of_source[0].source.to_string());
        for keep in of_source {
            row(out, &columns(keep), &keep.to_string());
        }
    }
}

/// Appends what stays only by a veto; where that is of a whole region, as a number.
fn vetoed(out: &mut String, vetoed: &[&Keep]) {
    let mut by_region: BTreeMap<String, usize> = BTreeMap::new();
    for keep in vetoed {
        match &keep.reason {
            KeepReason::Vetoed(why) if why.1.on.is_none() => {
                *by_region.entry(why.1.cause.to_string()).or_default() += 1;
            }
            KeepReason::Vetoed(_) | KeepReason::Held(_) | KeepReason::Failed => {
                row(out, &columns(keep), &keep.to_string());
            }
        }
    }
    for (cause, n) in by_region {
        row(out, &format!("{n:>8}"), &cause);
    }
}

fn columns(keep: &Keep) -> String {
    format!("    {} {}", minute(keep.point_time), keep.resource)
}
