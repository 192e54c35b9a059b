//! What was told, and what is to be told next: a pure state machine.
//!
//! It is only about telling. What was made and what is missing stands in the account's tags alone;
//! whoever loses this tells once too often, and nothing else.
//!
//! * What is wrong is told at once, and again when something is wrong that was not told yet, or
//!   after `repeat`.
//! * That all is well again is told by the first cycle that is fine, if something else was told. But
//!   what has come back within `repeat` of being told as recovered is told so only after it has stayed
//!   away for that long. So whatever comes and goes, two recoveries are at least `repeat`
//!   apart, and nobody is left to believe that all is well while it is not.
//! * A cycle that saw only a part tells what is wrong, but never that all is well.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::span::Span;

/// What was told last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What is wrong as far as people know.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
    /// When it was last told that all is well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered_at: Option<DateTime<Utc>>,
    /// The slot of the last summary, or from when on summaries are due.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<DateTime<Utc>>,
}

/// Something that was told and is not known to be well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    /// Since when something is wrong.
    since: DateTime<Utc>,
    /// When it was told last.
    told_at: DateTime<Utc>,
    /// All that was told since.
    keys: BTreeSet<String>,
    /// Whether it had been told as recovered shortly before.
    #[serde(default)]
    is_back: bool,
    /// Since when all is well, although that is not told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    fine_since: Option<DateTime<Utc>>,
}

/// When an unchanged trouble is told again.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// After how long.
    pub span: Span,
    /// On whose calendar.
    pub timezone: Tz,
}

/// What is to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// What is wrong.
    Trouble {
        /// Since when something was, if that was told.
        since: Option<DateTime<Utc>>,
        /// When it was told as recovered, if that was shortly before.
        recovered_at: Option<DateTime<Utc>>,
    },
    /// That all is well again.
    Recovery {
        /// Since when it was not.
        since: DateTime<Utc>,
        /// What was wrong.
        keys: BTreeSet<String>,
    },
}

impl Repeat {
    /// Returns true if so much time has passed since `at`, or `at` was told by a clock that was
    /// wrong.
    fn is_over(self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now < at || self.span.end(at, self.timezone) <= now
    }
}

impl Told {
    /// Returns what to tell of a cycle at `now` after which `keys` are wrong, and what is told then.
    ///
    /// `is_whole` is false for a cycle that was asked for some policies or regions only, or did not
    /// come to its end. The new state is to be kept once the news were told, or at once if there are
    /// none.
    #[must_use]
    pub fn next(
        &self,
        keys: &BTreeSet<String>,
        is_whole: bool,
        repeat: Repeat,
        now: DateTime<Utc>,
    ) -> (News, Self) {
        if keys.is_empty() {
            self.fine(is_whole, repeat, now)
        } else {
            self.wrong(keys, repeat, now)
        }
    }

    fn wrong(&self, keys: &BTreeSet<String>, repeat: Repeat, now: DateTime<Utc>) -> (News, Self) {
        let Some(open) = &self.open else {
            let back_from = self.recovered_at.filter(|at| !repeat.is_over(*at, now));
            let open = Open {
                since: now,
                told_at: now,
                keys: keys.clone(),
                is_back: back_from.is_some(),
                fine_since: None,
            };
            let news = News::Trouble { since: None, recovered_at: back_from };
            return (news, Self { open: Some(open), ..self.clone() });
        };
        let mut next = Open { fine_since: None, ..open.clone() };
        let is_due = repeat.is_over(open.told_at, now);
        let news = if is_due || !keys.is_subset(&open.keys) {
            // What was wrong long ago is news when it comes back.
            let known = if is_due { BTreeSet::new() } else { std::mem::take(&mut next.keys) };
            next.keys = known.union(keys).cloned().collect();
            next.told_at = now;
            News::Trouble { since: Some(open.since.min(now)), recovered_at: None }
        } else {
            News::None
        };
        (news, Self { open: Some(next), ..self.clone() })
    }

    fn fine(&self, is_whole: bool, repeat: Repeat, now: DateTime<Utc>) -> (News, Self) {
        let Some(open) = self.open.as_ref().filter(|_| is_whole) else {
            return (News::None, self.clone());
        };
        let fine_since = open.fine_since.unwrap_or(now);
        if open.is_back && !repeat.is_over(fine_since, now) {
            let open = Open { fine_since: Some(fine_since), ..open.clone() };
            return (News::None, Self { open: Some(open), ..self.clone() });
        }
        let news = News::Recovery { since: open.since, keys: open.keys.clone() };
        (news, Self { open: None, recovered_at: Some(now), ..self.clone() })
    }

    /// Returns true if the summary of `slot`, the latest up to now, is due, and what is told then.
    ///
    /// Without any memory it is not: the next one will be.
    #[must_use]
    pub fn summary(&self, slot: DateTime<Utc>) -> (bool, Self) {
        let is_due = self.summary.is_some_and(|told| told < slot);
        (is_due, Self { summary: Some(slot), ..self.clone() })
    }
}

#[cfg(test)]
mod tests;
