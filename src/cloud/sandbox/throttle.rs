//! EC2's request buckets, one for each operation and region.

use chrono::{DateTime, Utc};

/// A bucket of request tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    tokens: f64,
    filled_at: DateTime<Utc>,
}

/// Returns how many requests an operation's bucket holds, and how many flow in a second.
///
/// EC2 API reference, "Request throttling": paginated or filtered Describe calls 100 and 20;
/// the calls that create and delete snapshots, deregister images and change attributes 100 and 5;
/// CopyImage 100 and 1; CreateTags 100 and 10; other mutating calls 50 and 5.
fn limits(operation: &str) -> (f64, f64) {
    match operation {
        _ if operation.starts_with("Describe") || operation.starts_with("Get") => (100.0, 20.0),
        "CreateSnapshot"
        | "CreateSnapshots"
        | "DeleteSnapshot"
        | "DeregisterImage"
        | "ModifyImageAttribute"
        | "ModifySnapshotAttribute" => (100.0, 5.0),
        "CopyImage" => (100.0, 1.0),
        "CreateTags" => (100.0, 10.0),
        _ => (50.0, 5.0),
    }
}

impl Bucket {
    pub(super) fn full(operation: &str, now: DateTime<Utc>) -> Self {
        Self { tokens: limits(operation).0, filled_at: now }
    }

    /// Takes a token; returns false if there is none.
    pub(super) fn take(&mut self, operation: &str, now: DateTime<Utc>) -> bool {
        let (size, per_second) = limits(operation);
        let elapsed = (now - self.filled_at).as_seconds_f64().max(0.0);
        self.tokens = size.min(self.tokens + elapsed * per_second);
        self.filled_at = now;
        let has_token = 1.0 <= self.tokens;
        if has_token {
            self.tokens -= 1.0;
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::Bucket;

    #[test]
    fn buckets_are_as_large_and_fill_as_fast_as_published() {
        for (operation, size, per_second) in [
            ("DescribeSnapshots", 100, 20),
            ("GetEbsDefaultKmsKeyId", 100, 20),
            ("DeleteSnapshot", 100, 5),
            ("DeregisterImage", 100, 5),
            ("ModifyImageAttribute", 100, 5),
            ("CopySnapshot", 50, 5),
            ("CreateImage", 50, 5),
            ("CopyImage", 100, 1),
            ("CreateTags", 100, 10),
        ] {
            let now = DateTime::UNIX_EPOCH;
            let mut bucket = Bucket::full(operation, now);
            let mut take_all = |now| (0..1000).filter(|_| bucket.take(operation, now)).count();
            assert_eq!(take_all(now), size, "{operation}");
            assert_eq!(take_all(now + TimeDelta::seconds(1)), per_second, "{operation}");
            assert_eq!(take_all(now + TimeDelta::hours(1)), size, "{operation}");
        }
    }
}
