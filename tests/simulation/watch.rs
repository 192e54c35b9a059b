//! Around every call of one process: it may be killed there, people may act there, and what is about
//! to be deleted is looked at before it is.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use snapkeep::cloud::layered::{Call, Layer};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::cloud::{CloudError, ErrorKind};
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::region::Region;
use tokio::sync::{Notify, watch};

use crate::people;
use crate::script::Weather;
use crate::spec::Spec;

/// The listing that is often the look before the deletions: the first one is the observation.
pub(crate) const LOOK: usize = 1;

/// What is watched in one cycle, of all processes that run in it.
pub(crate) struct Watched<'y> {
    pub(crate) sandbox: &'y Sandbox,
    pub(crate) weather: &'y Weather,
    pub(crate) spec: &'y Spec,
    seen: Mutex<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    n_calls: usize,
    n_listings: usize,
    pub(crate) is_killed: bool,
    /// The account before the first deletion of each process, and when that was.
    pub(crate) before_deletions: Vec<(DateTime<Utc>, Inventory)>,
    /// Where somebody may not know what is locked.
    locks_denied: BTreeSet<Region>,
    /// Changes in a region after one of its listings could not be read to the end.
    pub(crate) despite_gaps: Vec<String>,
    pub(crate) deeds: Vec<people::Deed>,
    pub(crate) n_mutating: usize,
    hash: DefaultHasher,
    pub(crate) calls: Vec<String>,
}

impl<'y> Watched<'y> {
    pub(crate) fn new(sandbox: &'y Sandbox, weather: &'y Weather, spec: &'y Spec) -> Self {
        Self { sandbox, weather, spec, seen: Mutex::default() }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(crate) fn into_seen(self) -> Seen {
        self.seen.into_inner().unwrap()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.seen().hash.finish()
    }
}

/// One process's view.
pub(crate) struct Watch<'y> {
    pub(crate) watched: &'y Watched<'y>,
    stop: watch::Sender<bool>,
    killed: Arc<Notify>,
    /// Where a whole listing failed.
    gaps: Mutex<BTreeSet<Region>>,
    has_deleted: AtomicBool,
}

impl<'y> Watch<'y> {
    /// Watches one process; `killed` is told when it is.
    pub(crate) fn new(
        watched: &'y Watched<'y>,
        stop: watch::Sender<bool>,
        killed: Arc<Notify>,
    ) -> Self {
        Self { watched, stop, killed, gaps: Mutex::default(), has_deleted: AtomicBool::new(false) }
    }

    fn kills(&self, n: usize, is_after: bool) -> bool {
        let kills = self.watched.weather.killed_at == Some((n, is_after));
        if kills {
            self.watched.seen().is_killed = true;
            self.killed.notify_one();
        }
        kills
    }

    fn before(&self, call: Call) -> usize {
        let Watched { sandbox, weather, spec, .. } = self.watched;
        let mut seen = self.watched.seen();
        let n = seen.n_calls;
        seen.n_calls += 1;
        if weather.stopped_at == Some(n) {
            let _ = self.stop.send(true);
        }
        if call.operation == "DescribeSnapshots" {
            let n_listings = seen.n_listings;
            seen.n_listings += 1;
            if let (Some((at, seed)), Some(region)) = (weather.people_at, call.region)
                && at == n_listings
            {
                seen.deeds.push(match at {
                    LOOK => people::hold_volume(sandbox, &region, seed),
                    _ => people::act(sandbox, &region, seed, spec),
                });
            }
        }
        if is_mutating(call.operation) {
            seen.n_mutating += 1;
            let is_blind = call.region.is_some_and(|r| self.gaps.lock().unwrap().contains(&r));
            if is_blind && is_of_points(call.operation) {
                let text = format!("{} in {:?} despite a gap there", call.operation, call.region);
                seen.despite_gaps.push(text);
            }
        }
        let deletes = matches!(call.operation, "DeleteSnapshot" | "DeregisterImage");
        if deletes && !self.has_deleted.swap(true, Ordering::Relaxed) {
            let mut before = sandbox.inventory();
            for region in &seen.locks_denied {
                // What is locked here, only EC2 knows.
                before.regions.entry(*region).or_default().locked.clear();
            }
            seen.before_deletions.push((sandbox.time().now(), before));
        }
        n
    }

    fn after<T>(&self, call: Call, now: DateTime<Utc>, res: &Result<T, CloudError>) {
        let end = res.as_ref().map_or_else(|err| err.code.as_str(), |_| "ok");
        let mut seen = self.watched.seen();
        (call.operation, call.region.map(|r| r.as_str()), end, now).hash(&mut seen.hash);
        let place = call.region.map_or("", |region| region.as_str());
        seen.calls.push(format!("{} {} {place} {end}", now.format("%H:%M:%S"), call.operation));
        let is_denied = res.as_ref().is_err_and(|err| err.kind == ErrorKind::Denied);
        if call.operation == "DescribeLockedSnapshots" && is_denied {
            seen.locks_denied.extend(call.region);
        }
        if call.is_whole && res.is_err() && is_needed(call.operation) {
            self.gaps.lock().unwrap().extend(call.region);
        }
    }
}

impl Layer for Watch<'_> {
    async fn around<T: Send>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T, CloudError>> + Send,
    ) -> Result<T, CloudError> {
        let n = self.before(call);
        if self.kills(n, false) {
            return std::future::pending().await;
        }
        let res = answer.await;
        self.after(call, self.watched.sandbox.time().now(), &res);
        if self.kills(n, true) {
            return std::future::pending().await;
        }
        res
    }
}

fn is_needed(operation: &str) -> bool {
    matches!(operation, "DescribeSnapshots" | "DescribeImages")
}

fn is_mutating(operation: &str) -> bool {
    !operation.starts_with("Describe") && !operation.starts_with("Get")
}

/// Returns true for what makes, copies or deletes points.
fn is_of_points(operation: &str) -> bool {
    is_mutating(operation)
        && !matches!(operation, "CreateTags" | "EnableImageDeprecation")
        && !operation.starts_with("Modify")
}
