//! Pace: how fast EC2 may be asked.
//!
//! A token bucket for each operation, at a share of the rates that EC2 publishes. The buckets on
//! EC2's side belong to the account, so other tools draw on them too: throttling halves our rate, and
//! calls that succeed win it back. Whoever shares a bucket in this way ends up with an equal part of
//! it, and little of it is left unused: what nobody takes while we are slow waits in EC2's bucket until
//! we are fast.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::region::Region;

/// What throttling leaves of a rate at least.
const FACTOR_MIN: f64 = 1.0 / 64.0;
/// What one success at the full rate wins back of it, and at half the rate twice as much: so the gain
/// is one of time, equal for whoever is slow and whoever is fast, or the fast would stay so. From half
/// the rate to all of it in the time of 125 calls; a faster gain means more throttled calls.
const FACTOR_STEP: f64 = 0.004;
/// The part of EC2's bucket that is taken for full. The first call is slow, since it makes the
/// connection, so EC2's bucket begins to fill later than ours; the rest makes up for that.
const FULL: f64 = 0.95;
/// Multiples of it, without their whole parts, are spread evenly and never come round again.
const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;

/// Published size and refill a second of an operation's bucket.
///
/// EC2 API reference, "Request throttling": what has no bucket of its own there shares the default
/// one of mutating calls.
fn published(operation: &str) -> (f64, f64) {
    match operation {
        "CreateSnapshot"
        | "CreateSnapshots"
        | "DeleteSnapshot"
        | "DeregisterImage"
        | "ModifyImageAttribute"
        | "ModifySnapshotAttribute" => (100.0, 5.0),
        "CopyImage" => (100.0, 1.0),
        "CreateTags" => (100.0, 10.0),
        // Filtered or paginated.
        _ if operation.starts_with("Describe") => (100.0, 20.0),
        _ => (50.0, 5.0),
    }
}

/// One operation's bucket.
#[derive(Debug, Clone)]
struct Bucket {
    tokens_max: f64,
    refill_per_second: f64,
    factor: f64,
    /// How many tokens have come so far.
    n_poured: f64,
    /// How many have been taken; those above `n_poured` are still to come, and calls wait for them.
    n_taken: f64,
    filled_at: DateTime<Utc>,
    slowed_at: Option<DateTime<Utc>>,
}

impl Bucket {
    fn new(operation: &str, share: f64, now: DateTime<Utc>) -> Self {
        let (size, refill) = published(operation);
        let tokens_max = (size * share * FULL).max(1.0);
        Self {
            tokens_max,
            refill_per_second: refill * share,
            factor: 1.0,
            n_poured: tokens_max,
            n_taken: 0.0,
            filled_at: now,
            slowed_at: None,
        }
    }

    fn rate(&self) -> f64 {
        self.refill_per_second * self.factor
    }

    fn fill(&mut self, now: DateTime<Utc>) {
        let seconds = (now - self.filled_at).as_seconds_f64().max(0.0);
        let n_poured_max = self.n_taken + self.tokens_max;
        self.n_poured = (self.n_poured + seconds * self.rate()).min(n_poured_max);
        self.filled_at = self.filled_at.max(now);
    }

    /// Takes one token, which may be still to come.
    ///
    /// Its call is made when that token is there and a part of the next, each time another: of two
    /// clients that kept one beat the same would always come first, and the other find nothing.
    fn take(&mut self, now: DateTime<Utc>) -> Turn {
        self.fill(now);
        self.n_taken += 1.0;
        Turn(self.n_taken + (self.n_taken * GOLDEN_RATIO).fract())
    }

    /// Returns how long the token of `turn` is still to come.
    fn wait(&mut self, turn: Turn, now: DateTime<Utc>) -> TimeDelta {
        self.fill(now);
        let seconds = ((turn.0 - self.n_poured) / self.rate()).max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "waits are far below 2^63 ms")]
        TimeDelta::milliseconds((seconds * 1000.0).ceil() as i64)
    }

    fn throttled(&mut self, sent_at: DateTime<Utc>, now: DateTime<Utc>) {
        self.fill(now);
        // EC2's bucket is empty, whatever ours believed.
        self.n_poured = self.n_poured.min(self.n_taken);
        // Of calls that were under way together the first has said what the others say.
        if self.slowed_at.is_none_or(|slowed_at| slowed_at < sent_at) {
            self.factor = (self.factor / 2.0).max(FACTOR_MIN);
            self.slowed_at = Some(now);
        }
    }

    fn succeeded(&mut self, now: DateTime<Utc>) {
        self.fill(now);
        self.factor = (self.factor + FACTOR_STEP / self.factor).min(1.0);
    }
}

/// The right to one call, once so many tokens have come.
#[derive(Debug, Clone, Copy)]
pub struct Turn(f64);

/// The pace of one region.
#[derive(Debug)]
pub struct Pace {
    share: f64,
    buckets: Mutex<HashMap<&'static str, Bucket>>,
}

impl Pace {
    /// Starts with full buckets, at `share` of the published rates.
    pub fn new(share: f64) -> Self {
        Self { share, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes the right to one call of `operation`.
    pub fn take(&self, operation: &'static str, now: DateTime<Utc>) -> Turn {
        self.with(operation, now, |bucket| bucket.take(now))
    }

    /// Returns when to make the call. Ask again then: if another has been throttled meanwhile, it is
    /// later.
    pub fn due(&self, operation: &'static str, turn: Turn, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.with(operation, now, |bucket| bucket.wait(turn, now))
    }

    /// Tells that EC2 throttled a call that was sent at `sent_at`.
    pub fn throttled(&self, operation: &'static str, sent_at: DateTime<Utc>, now: DateTime<Utc>) {
        self.with(operation, now, |bucket| bucket.throttled(sent_at, now));
    }

    /// Tells that EC2 accepted a call.
    pub fn succeeded(&self, operation: &'static str, now: DateTime<Utc>) {
        self.with(operation, now, |bucket| bucket.succeeded(now));
    }

    fn with<T>(
        &self,
        operation: &'static str,
        now: DateTime<Utc>,
        f: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        // A panic while the lock was held cannot leave a bucket half changed.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        f(buckets.entry(operation).or_insert_with(|| Bucket::new(operation, self.share, now)))
    }
}

/// The paces of all regions: whoever asks a region shares its buckets.
#[derive(Debug)]
pub struct Paces {
    share: f64,
    by_region: Mutex<HashMap<Region, Arc<Pace>>>,
}

impl Paces {
    /// Starts with full buckets everywhere, at `share` of the published rates.
    pub fn new(share: f64) -> Self {
        Self { share, by_region: Mutex::default() }
    }

    /// Returns the pace of `region`.
    pub fn of(&self, region: &Region) -> Arc<Pace> {
        let mut paces = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(paces.entry(*region).or_insert_with(|| Arc::new(Pace::new(self.share))))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{FACTOR_MIN, Pace, Paces};

    fn start() -> DateTime<Utc> {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    /// Returns after how many seconds the last of `n_calls` may be made.
    fn seconds(pace: &Pace, operation: &'static str, n_calls: usize) -> f64 {
        let turn = (0..n_calls).map(|_| pace.take(operation, start())).last().unwrap();
        (pace.due(operation, turn, start()) - start()).as_seconds_f64()
    }

    fn factor(pace: &Pace) -> f64 {
        pace.with("DeleteSnapshot", start(), |bucket| bucket.factor)
    }

    #[track_caller]
    fn assert_factor(pace: &Pace, expected: f64) {
        assert!((factor(pace) - expected).abs() < 1e-9, "{}", factor(pace));
    }

    /// Tells whether a call waits as long as expected, or for one more token at most.
    fn is_about(seconds: f64, expected: f64, per_second: f64) -> bool {
        (expected..expected + 1.0 / per_second + 0.001).contains(&seconds)
    }

    #[test]
    fn a_full_bucket_is_spent_at_once_and_then_the_refill_decides() {
        for (share, n_calls, expected) in
            [(1.0, 94, 0.0), (1.0, 1095, 200.0), (0.5, 46, 0.0), (0.5, 1095, 419.0)]
        {
            let seconds = seconds(&Pace::new(share), "DeleteSnapshot", n_calls);
            assert!(is_about(seconds, expected, 5.0 * share), "{share}: {n_calls} in {seconds} s");
        }
    }

    #[test]
    fn throttling_halves_the_rate_of_those_that_wait_too() {
        let pace = Pace::new(1.0);
        let turns = (0..105).map(|_| pace.take("DeleteSnapshot", start())).collect::<Vec<_>>();
        let wait =
            |n: usize| (pace.due("DeleteSnapshot", turns[n], start()) - start()).as_seconds_f64();
        assert!(is_about(wait(104), 2.0, 5.0), "{}", wait(104));
        pace.throttled("DeleteSnapshot", start(), start());
        assert!(is_about(wait(104), 4.0, 2.5), "{}", wait(104));
    }

    #[test]
    fn an_unused_bucket_is_empty_once_a_call_is_throttled() {
        let pace = Pace::new(1.0);
        pace.throttled("DeleteSnapshot", start(), start());
        let seconds = seconds(&pace, "DeleteSnapshot", 10);
        assert!(is_about(seconds, 4.0, 2.5), "{seconds}");
    }

    #[test]
    fn calls_under_way_together_are_throttled_once() {
        let pace = Pace::new(1.0);
        let later = start() + TimeDelta::seconds(1);
        for _ in 0..16 {
            pace.throttled("DeleteSnapshot", start(), later);
        }
        assert_factor(&pace, 0.5);
        let sent_at = later + TimeDelta::milliseconds(1);
        pace.throttled("DeleteSnapshot", sent_at, sent_at);
        assert_factor(&pace, 0.25);
        for n in 0..100 {
            let at = sent_at + TimeDelta::seconds(n);
            pace.throttled("DeleteSnapshot", at, at);
        }
        assert_factor(&pace, FACTOR_MIN);
    }

    #[test]
    fn success_wins_the_rate_back_in_time_and_not_more() {
        let pace = Pace::new(1.0);
        pace.throttled("DeleteSnapshot", start(), start());
        let succeed = |n_calls: usize| {
            (0..n_calls).for_each(|_| pace.succeeded("DeleteSnapshot", start()));
            factor(&pace)
        };
        assert!(succeed(93) < 1.0);
        succeed(1);
        assert_factor(&pace, 1.0);
        succeed(1);
        assert_factor(&pace, 1.0);
    }

    #[test]
    fn each_operation_has_its_published_bucket() {
        for (operation, n_calls, expected, per_second) in [
            ("CopyImage", 155, 60.0, 1.0),
            ("CopySnapshot", 98, 10.0, 5.0),
            ("CreateImage", 98, 10.0, 5.0),
            ("CreateTags", 195, 10.0, 10.0),
            ("DeregisterImage", 145, 10.0, 5.0),
            ("ModifySnapshotAttribute", 145, 10.0, 5.0),
            ("EnableImageDeprecation", 98, 10.0, 5.0),
            ("DescribeImages", 295, 10.0, 20.0),
        ] {
            let seconds = seconds(&Pace::new(1.0), operation, n_calls);
            // Half a call of the buckets of 47.5.
            assert!(is_about(seconds, expected, per_second / 1.5), "{operation}: {seconds}");
        }
    }

    #[test]
    fn whoever_asks_a_region_shares_its_pace() {
        let paces = Paces::new(1.0);
        let region = "eu-west-1".parse().unwrap();
        seconds(&paces.of(&region), "DescribeSnapshots", 100);
        assert!(0.01 < seconds(&paces.of(&region), "DescribeSnapshots", 1));
        assert!(seconds(&paces.of(&"us-east-1".parse().unwrap()), "DescribeSnapshots", 1) < 0.001);
    }

    #[test]
    fn operations_do_not_draw_on_each_other() {
        let pace = Pace::new(1.0);
        seconds(&pace, "DeleteSnapshot", 500);
        assert!(seconds(&pace, "CreateSnapshots", 1) < 0.001);
    }
}
