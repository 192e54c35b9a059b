//! Pace: how fast EC2 may be asked.
//!
//! A token bucket for each operation, at a share of the rates that EC2 publishes. The buckets on
//! EC2's side belong to the account, so other tools draw on them too: a throttled call halves our
//! rate, and each that succeeds wins a little of it back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::region::Region;

/// What throttling leaves of a rate at least.
const FACTOR_MIN: f64 = 1.0 / 64.0;
/// What one success wins back of the full rate.
const FACTOR_STEP: f64 = 0.02;

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
    /// Below zero while calls wait for their turn.
    tokens: f64,
    filled_at: DateTime<Utc>,
}

impl Bucket {
    fn new(operation: &str, share: f64, now: DateTime<Utc>) -> Self {
        let (size, refill) = published(operation);
        let tokens_max = (size * share).max(1.0);
        let refill_per_second = refill * share;
        Self { tokens_max, refill_per_second, factor: 1.0, tokens: tokens_max, filled_at: now }
    }

    fn rate(&self) -> f64 {
        self.refill_per_second * self.factor
    }

    fn fill(&mut self, now: DateTime<Utc>) {
        let seconds = (now - self.filled_at).as_seconds_f64().max(0.0);
        self.tokens = (self.tokens + seconds * self.rate()).min(self.tokens_max);
        self.filled_at = self.filled_at.max(now);
    }

    /// Takes one token; returns how long to wait for it.
    fn take(&mut self, now: DateTime<Utc>) -> TimeDelta {
        self.fill(now);
        self.tokens -= 1.0;
        let seconds = (-self.tokens / self.rate()).max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "waits are far below 2^63 ms")]
        TimeDelta::milliseconds((seconds * 1000.0).ceil() as i64)
    }

    fn throttled(&mut self, now: DateTime<Utc>) {
        self.fill(now);
        self.factor = (self.factor / 2.0).max(FACTOR_MIN);
        // EC2's bucket is empty, whatever ours believed.
        self.tokens = self.tokens.min(0.0);
    }

    fn succeeded(&mut self) {
        self.factor = (self.factor + FACTOR_STEP).min(1.0);
    }
}

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

    /// Takes the right to one call of `operation`; returns when to make it.
    pub fn take(&self, operation: &'static str, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.with(operation, now, |bucket| bucket.take(now))
    }

    /// Tells that EC2 throttled a call.
    pub fn throttled(&self, operation: &'static str, now: DateTime<Utc>) {
        self.with(operation, now, |bucket| bucket.throttled(now));
    }

    /// Tells that EC2 accepted a call.
    pub fn succeeded(&self, operation: &'static str, now: DateTime<Utc>) {
        self.with(operation, now, Bucket::succeeded);
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

    use super::{Pace, Paces};

    fn start() -> DateTime<Utc> {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    /// Returns after how many seconds the last of `n_calls` may be made.
    fn seconds(pace: &Pace, operation: &'static str, n_calls: usize) -> f64 {
        let at = (0..n_calls).map(|_| pace.take(operation, start())).last().unwrap();
        (at - start()).as_seconds_f64()
    }

    #[test]
    fn a_full_bucket_is_spent_at_once_and_then_the_refill_decides() {
        assert!(seconds(&Pace::new(1.0), "DeleteSnapshot", 100) < 0.001);
        // EC2-published: 100 at once, then 5 a second.
        assert!((seconds(&Pace::new(1.0), "DeleteSnapshot", 1100) - 200.0).abs() < 0.01);
        assert!((seconds(&Pace::new(0.5), "DeleteSnapshot", 1100) - 420.0).abs() < 0.01);
    }

    #[test]
    fn throttling_halves_the_rate_and_success_wins_it_back() {
        let pace = Pace::new(1.0);
        pace.throttled("DeleteSnapshot", start());
        assert!((seconds(&pace, "DeleteSnapshot", 10) - 4.0).abs() < 0.01);
        for _ in 0..25 {
            pace.succeeded("DeleteSnapshot", start());
        }
        let later = start() + TimeDelta::seconds(60);
        let wait = (0..101).map(|_| pace.take("DeleteSnapshot", later)).last().unwrap() - later;
        assert!(wait <= TimeDelta::milliseconds(200), "{wait}");
    }

    #[test]
    fn each_operation_has_its_published_bucket() {
        for (operation, n_calls, expected) in [
            ("CopyImage", 160, 60.0),
            ("CopySnapshot", 100, 10.0),
            ("CreateImage", 100, 10.0),
            ("CreateTags", 200, 10.0),
            ("DeregisterImage", 150, 10.0),
            ("ModifySnapshotAttribute", 150, 10.0),
            ("EnableImageDeprecation", 100, 10.0),
            ("DescribeImages", 300, 10.0),
        ] {
            let seconds = seconds(&Pace::new(1.0), operation, n_calls);
            assert!((seconds - expected).abs() < 0.01, "{operation}: {seconds}");
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
