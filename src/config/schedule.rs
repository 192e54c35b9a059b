//! When a policy is due.
//!
//! The only place that names the `cron` crate, which is used for walking dates alone: it reads
//! another dialect than crontab(5), loses local times that a clock change skips and fires twice
//! for repeated ones. So `crontab` translates the text, the crate walks the wall clock as if it
//! were UTC, and this module turns wall-clock times into instants.

mod crontab;
pub(super) mod dialect;

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::domain::calendar::{Repeated, instant};

/// A crontab expression in a time zone.
///
/// Slots are wall-clock times of the zone. One that a clock change skips is the first instant
/// after the gap, one that is repeated is its first pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    text: String,
    timezone: Tz,
    /// A slot is a match of any of these.
    dates: Vec<cron::Schedule>,
}

/// A string that is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a schedule: {reason}")]
pub struct InvalidSchedule {
    text: String,
    reason: String,
}

impl Schedule {
    /// Reads `text` as crontab(5) does; 6 fields begin with the second.
    ///
    /// # Errors
    ///
    /// Also for an expression that no date ever matches, such as 30 February.
    pub fn parse(text: &str, timezone: Tz) -> Result<Self, InvalidSchedule> {
        let refuse = |reason| InvalidSchedule { text: text.to_owned(), reason };
        let expressions = crontab::translate(text).map_err(refuse)?;
        let dates: Result<Vec<cron::Schedule>, _> =
            expressions.iter().map(|expression| expression.parse()).collect();
        let dates = dates.map_err(|err: cron::error::Error| refuse(err.to_string()))?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let schedule = Self { text, timezone, dates };
        if schedule.wall_after(DateTime::UNIX_EPOCH.naive_utc()).is_none() {
            return Err(refuse("it never fires; no date matches".to_owned()));
        }
        Ok(schedule)
    }

    /// Returns the expression as it was written, with single spaces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the zone whose clocks it follows.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }

    /// Returns the same expression on the clocks of another zone.
    #[must_use]
    pub fn in_zone(&self, timezone: Tz) -> Self {
        Self { timezone, ..self.clone() }
    }

    /// Returns the latest slot not after `now`; none if the schedule has not fired yet.
    ///
    /// The calendar of the `cron` crate starts in 1970 and ends in 2100.
    pub fn slot_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall = self.wall_at(self.reached(now))?;
        Some(instant(self.timezone, wall, Repeated::Earlier))
    }

    /// Returns the first slot after `now`.
    pub fn slot_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall = self.wall_after(self.reached(now))?;
        Some(instant(self.timezone, wall, Repeated::Earlier))
    }

    /// Returns true if a slot falls on the local day `date`.
    pub fn fires_on(&self, date: NaiveDate) -> bool {
        let Some(next_day) = date.succ_opt() else { return false };
        // A skipped midnight resolves to the day on which clocks go on, so instants decide.
        let end = instant(self.timezone, next_day.into(), Repeated::Earlier);
        let slot = self.slot_at(end - TimeDelta::seconds(1));
        slot.is_some_and(|slot| slot.with_timezone(&self.timezone).date_naive() == date)
    }

    /// Returns the latest wall-clock time, in whole seconds, that clocks have shown up to `now`.
    ///
    /// That is the time they show now, except while an hour is repeated: then the first pass has
    /// been through all of it. A slot is past exactly when its wall-clock time has been reached.
    fn reached(&self, now: DateTime<Utc>) -> NaiveDateTime {
        let shown = now.with_timezone(&self.timezone).naive_local();
        let shown = shown.with_nanosecond(0).unwrap_or(shown);
        let first_pass = instant(self.timezone, shown, Repeated::Earlier);
        let shown_at = |at: DateTime<Utc>| at.with_timezone(&self.timezone).naive_local();
        // Between the two passes, if there are two, clocks went back.
        let (mut before, mut after) = (first_pass, now);
        while TimeDelta::seconds(1) < after - before {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            let is_first_pass = shown_at(middle) - shown_at(first_pass) == middle - first_pass;
            if is_first_pass { before = middle } else { after = middle }
        }
        shown_at(before)
    }

    /// Returns the latest match not after `wall`.
    fn wall_at(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        // The crate leaves out the instant it starts from.
        let start = Some(wall.and_utc() + TimeDelta::seconds(1)).filter(is_in_calendar)?;
        let walls = self.dates.iter().filter_map(|dates| dates.after(&start).next_back());
        walls.map(|at| at.naive_utc()).max()
    }

    /// Returns the first match after `wall`.
    fn wall_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let start = Some(wall.and_utc()).filter(is_in_calendar)?;
        let walls = self.dates.iter().filter_map(|dates| dates.after(&start).next());
        walls.map(|at| at.naive_utc()).min()
    }
}

/// Returns true where the `cron` crate can be asked; it takes years for unsigned numbers.
fn is_in_calendar(at: &DateTime<Utc>) -> bool {
    (1969..=9999).contains(&at.year())
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.timezone)
    }
}

#[cfg(test)]
mod tests;
