//! Status as a monitoring plugin prints it (Monitoring Plugins Development Guidelines): one line
//! with performance data, then details, and exit codes of its own.

use std::fmt::Write as _;

use crate::plan::{Protection, ProtectionState};
use crate::report::status::text::headline;
use crate::report::status::{Counts, Status, place, rank, source, words};
use crate::report::text::printable;

/// Details beyond so many lines are counted only: plugins' output is cut off at some kilobytes.
const DETAILS_MAX: usize = 40;

/// What a plugin's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Everything is protected.
    Ok,
    /// Something is not.
    Critical,
    /// A gap, or a wrong configuration, forbids an answer.
    Unknown,
}

impl Service {
    /// Returns what `status` comes to.
    pub fn of(status: &Status<'_>) -> Self {
        if 0 < status.counts.unprotected {
            Self::Critical
        } else if status.is_incomplete() {
            Self::Unknown
        } else {
            Self::Ok
        }
    }

    /// Returns the exit code.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Returns `status` as a plugin prints it.
pub fn render(status: &Status<'_>) -> String {
    let word = Service::of(status).word();
    let mut out =
        format!("SNAPKEEP {word} - {} | {}\n", plain(&headline(status)), performance(status));
    let mut listed: Vec<&Protection> = status.plan.protection.iter().collect();
    listed.retain(|protection| protection.state != ProtectionState::Protected);
    // The worst first: what is cut off is the least bad.
    listed.sort_by_key(|protection| std::cmp::Reverse(rank(&protection.state)));
    for protection in listed.iter().take(DETAILS_MAX) {
        let Protection { policy, state, .. } = protection;
        let (place, source) = (place(protection), source(protection));
        let text = format!("{}: {policy}, {place}, {source}: {}", state.name(), words(protection));
        let _ = writeln!(out, "{}", plain(&text));
    }
    if let Some(more) = listed.len().checked_sub(DETAILS_MAX).filter(|more| 0 < *more) {
        let _ = writeln!(out, "and {more} more");
    }
    for gap in status.gaps() {
        let region = gap.region.map_or_else(|| "regions".to_owned(), |region| region.to_string());
        let _ = writeln!(out, "{}", plain(&format!("{region}: {}: {}", gap.operation, gap.error)));
    }
    out
}

/// Returns what a plugin prints when there is no status: `error` may have several lines.
pub fn render_error(error: &str) -> String {
    let error = error.trim();
    let error = error.strip_prefix("error: ").unwrap_or(error);
    let lines = error.lines().map(plain);
    format!("SNAPKEEP UNKNOWN - {}\n", lines.collect::<Vec<_>>().join("\n"))
}

/// Returns `'label'=value[unit];warn;crit;min` for each number.
fn performance(status: &Status<'_>) -> String {
    let Counts { protected, new, unknown, unprotected } = status.counts;
    let mut data = format!(
        "unprotected={unprotected};;0;0 unknown={unknown};;;0 new={new};;;0 protected={protected};;;0"
    );
    if let Some((_, newest)) = status.oldest() {
        let age = (status.plan.now - newest).num_seconds();
        let _ = write!(data, " oldest_newest_point={age}s;;;0");
    }
    data
}

/// Returns one line without the bar that begins performance data; a broken one looks like it.
fn plain(text: &str) -> String {
    printable(text).replace('|', "¦")
}
