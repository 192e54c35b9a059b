//! From wall-clock times to instants, through clock changes.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Which of the two instants a repeated local time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// The first pass: a schedule fires once, and at once.
    Earlier,
    /// The second pass: a retention never ends early.
    Later,
}

/// Returns the instant at which clocks in `zone` show `wall`.
///
/// A time that a clock change skips is the first instant after the gap.
pub fn instant(zone: Tz, wall: NaiveDateTime, repeated: Repeated) -> DateTime<Utc> {
    match (zone.from_local_datetime(&wall), repeated) {
        (LocalResult::Single(at), _)
        | (LocalResult::Ambiguous(at, _), Repeated::Earlier)
        | (LocalResult::Ambiguous(_, at), Repeated::Later) => at.with_timezone(&Utc),
        (LocalResult::None, _) => end_of_gap(zone, wall),
    }
}

/// Returns the first instant whose local time is after `wall`, which a gap skips.
fn end_of_gap(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    // No offset exceeds 15 hours and no gap 24 (Samoa skipped a whole day in 2011).
    let mut before = wall.and_utc() - TimeDelta::hours(40);
    let mut after = wall.and_utc() + TimeDelta::hours(40);
    while TimeDelta::seconds(1) < after - before {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if wall < middle.with_timezone(&zone).naive_local() {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::{Repeated, instant};

    fn check(zone: &str, wall: &str, repeated: Repeated) -> String {
        let zone: Tz = zone.parse().unwrap();
        let at = instant(zone, wall.parse().unwrap(), repeated);
        at.with_timezone(&zone).to_rfc3339()
    }

    #[test]
    fn skipped_times_become_the_first_instant_after_the_gap() {
        for (zone, wall, expected) in [
            ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T03:00:00-04:00"),
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"),
            ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-04T02:30:00+11:00"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T00:00:00+14:00"),
        ] {
            assert_eq!(check(zone, wall, Repeated::Earlier), expected);
            assert_eq!(check(zone, wall, Repeated::Later), expected);
        }
    }

    #[test]
    fn repeated_times_are_either_pass() {
        let wall = "2026-11-01T01:30:00";
        let zone = "America/New_York";
        assert_eq!(check(zone, wall, Repeated::Earlier), "2026-11-01T01:30:00-04:00");
        assert_eq!(check(zone, wall, Repeated::Later), "2026-11-01T01:30:00-05:00");
    }
}
