//! When a cycle has to stop, so that there is time left to tell what it did.

use chrono::{DateTime, TimeDelta, Utc};

/// How long before the end nothing new is begun. What is under way then is finished: after a call
/// whose answer is lost that is a look of a minute for what it made.
const RESERVE: TimeDelta = TimeDelta::seconds(90);
/// How long before the end what is still under way is given up, as if the process were killed: the
/// next cycle finds what it made.
const ANSWER_RESERVE: TimeDelta = TimeDelta::seconds(3);
/// No invocation may take as long; what says so is no epoch time.
const LEFT_MAX: TimeDelta = TimeDelta::hours(2);

/// When an invocation has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// From now on nothing new is begun.
    pub stop_at: DateTime<Utc>,
    /// From now on only the answer matters.
    pub answer_at: DateTime<Utc>,
}

impl Deadline {
    /// Returns the deadline of an invocation that begins at `now` and may last until `epoch_ms`, in
    /// milliseconds since 1970.
    ///
    /// A short time is divided: half of it is for acting. One that has passed, or is hours away, is
    /// nonsense, as emulators send it; then there is none.
    pub fn of(epoch_ms: u64, now: DateTime<Utc>) -> Option<Self> {
        let end = DateTime::from_timestamp_millis(i64::try_from(epoch_ms).ok()?)?;
        let left = end - now;
        if left <= TimeDelta::zero() || LEFT_MAX < left {
            return None;
        }
        let reserve = RESERVE.min(left / 2);
        let answer_reserve = ANSWER_RESERVE.min(reserve / 4);
        Some(Self { stop_at: end - reserve, answer_at: end - answer_reserve })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::Deadline;

    /// Returns the seconds after which an invocation stops and answers, if that may last so long.
    fn check(left_ms: i64) -> Option<(f64, f64)> {
        let now: DateTime<Utc> = "2026-11-20T03:00:00Z".parse().unwrap();
        let end = (now + TimeDelta::milliseconds(left_ms)).timestamp_millis();
        let deadline = Deadline::of(end.try_into().unwrap(), now)?;
        let after = |at: DateTime<Utc>| (at - now).as_seconds_f64();
        Some((after(deadline.stop_at), after(deadline.answer_at)))
    }

    #[test]
    fn there_is_time_left_to_look_and_to_answer() {
        for (left_ms, expected) in [
            (900_000, Some((810.0, 897.0))),
            (180_000, Some((90.0, 177.0))),
            (60_000, Some((30.0, 57.0))),
            (8_000, Some((4.0, 7.0))),
            (100, Some((0.05, 0.0875))),
            // Lambda's longest.
            (5_400_000, Some((5_310.0, 5_397.0))),
            (0, None),
            (-1, None),
            (7_200_001, None),
        ] {
            assert_eq!(check(left_ms), expected, "{left_ms} ms");
        }
    }

    #[test]
    fn a_deadline_that_is_no_epoch_time_is_none() {
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        // cargo-lambda's emulator sends the second.
        for epoch_ms in [0, 600_000, u64::MAX, i64::MAX.unsigned_abs()] {
            assert_eq!(Deadline::of(epoch_ms, now), None, "{epoch_ms}");
        }
    }
}
