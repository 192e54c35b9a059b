//! Attempts: when something that failed is tried again, and when no more.
//!
//! The only memory is the failed snapshots and images themselves, with their tags.

use chrono::{DateTime, TimeDelta, Utc};

use crate::plan::lineage::Entry;

/// Attempts in all.
pub const ATTEMPTS_MAX: u32 = 5;

/// What to do about something that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Make it, as this attempt.
    Now(u32),
    /// Not before an instant; why, and since when.
    Later(String, DateTime<Utc>, DateTime<Utc>),
    /// Never again; why.
    GivenUp(String),
}

/// Returns what to do, given the attempts that failed.
pub fn next_attempt<'e, 'a: 'e>(
    failed: impl Iterator<Item = &'e Entry<'a>>,
    now: DateTime<Utc>,
) -> Attempt {
    let rank = |entry: &&Entry<'_>| (entry.attempt, entry.started_at, entry.id);
    let Some(last) = failed.max_by_key(rank) else { return Attempt::Now(1) };
    let (id, began_at) = (last.id, last.started_at);
    let why = last.thing.state_message().unwrap_or("EC2 gives no reason");
    if ATTEMPTS_MAX <= last.attempt {
        return Attempt::GivenUp(format!(
            "{ATTEMPTS_MAX} attempts failed, the last as {id}: {why}"
        ));
    }
    let pause = TimeDelta::hours((1 << (last.attempt - 1)).min(24));
    let due_at = began_at + pause;
    if now < due_at {
        let text = due_at.format("%F %RZ");
        let reason = format!("attempt {} failed ({why}); the next is at {text}", last.attempt);
        return Attempt::Later(reason, began_at, due_at);
    }
    Attempt::Now(last.attempt + 1)
}
