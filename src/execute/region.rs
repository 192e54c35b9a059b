//! What all actions of one region share: pace, spacing of volumes, what is done already, and
//! reasons to stop. Knows nothing of what a single operation needs.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::{Cloud, CloudError, ErrorKind, Page};
use crate::domain::failure::Failure;
use crate::domain::ids::VolumeId;
use crate::domain::region::Region;
use crate::execute::clock::{Clock, Stop};
use crate::execute::outcome::{Outcome, Progress};
use crate::execute::pace::Paces;
use crate::plan::create::SPACING;
use crate::plan::{Action, Pairs};

/// What is asked for here by id or slot fits into one page; empty ones may come before it.
const PAGES_MAX: usize = 100;
/// A call that EC2 throttles is tried so often in all.
const THROTTLED_TRIES_MAX: usize = 10;
/// Waits before a call is made again whose answer was lost and that may be made twice.
pub(super) const AMBIGUOUS_PAUSES: [TimeDelta; 3] =
    [TimeDelta::seconds(1), TimeDelta::seconds(2), TimeDelta::seconds(4)];

/// One region while its actions are carried out.
pub(super) struct RegionRun<'r, C, K> {
    pub(super) cloud: &'r C,
    pub(super) clock: &'r K,
    pub(super) region: &'r Region,
    pub(super) stop: &'r Stop,
    progress: &'r dyn Progress,
    paces: &'r Paces,
    /// Ids of the actions of this region that are done.
    done: Mutex<HashSet<String>>,
    /// When the next snapshot of a volume may be started.
    free_at: Mutex<HashMap<VolumeId, DateTime<Utc>>>,
    /// Why nothing more is begun here: no credentials, say.
    ended: Mutex<Option<String>>,
    /// Why no more snapshots are made here: a limit of the account.
    full: Mutex<Option<String>>,
    /// Why no more copies are begun here: as many as EC2 allows are under way.
    copies_full: Mutex<Option<String>>,
}

impl<'r, C: Cloud, K: Clock> RegionRun<'r, C, K> {
    pub(super) fn new(
        cloud: &'r C,
        clock: &'r K,
        region: &'r Region,
        paces: &'r Paces,
        stop: &'r Stop,
        progress: &'r dyn Progress,
    ) -> Self {
        Self {
            cloud,
            clock,
            region,
            stop,
            progress,
            paces,
            done: Mutex::default(),
            free_at: Mutex::default(),
            ended: Mutex::default(),
            full: Mutex::default(),
            copies_full: Mutex::default(),
        }
    }

    /// Makes one call to this region, as [`RegionRun::call_in`] does.
    pub(super) async fn call<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, CallEnd> {
        let ended = self.call_in(self.region, operation, call).await;
        if let Err(CallEnd::Error(err)) = &ended
            && err.kind == ErrorKind::Credentials
        {
            set(&self.ended, err.reason());
        }
        ended
    }

    /// Makes one call to `region` at its turn, and again while EC2 throttles it. Throttled calls
    /// have no effect, so this is safe for creations too.
    pub(super) async fn call_in<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        region: &Region,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, CallEnd> {
        let pace = self.paces.of(region);
        let mut n_tries = 0;
        loop {
            let turn = pace.take(operation, self.clock.now());
            let sent_at = loop {
                let now = self.clock.now();
                let due = pace.due(operation, turn, now);
                if !self.stop.pause_until(self.clock, due).await {
                    return Err(CallEnd::Interrupted);
                }
                if due <= now {
                    break now;
                }
            };
            n_tries += 1;
            tracing::debug!(%region, operation, "call");
            match call().await {
                Ok(value) => {
                    pace.succeeded(operation, self.clock.now());
                    return Ok(value);
                }
                Err(err) if err.kind == ErrorKind::Throttled && n_tries < THROTTLED_TRIES_MAX => {
                    tracing::debug!(%region, operation, "throttled");
                    pace.throttled(operation, sent_at, self.clock.now());
                }
                Err(err) => return Err(CallEnd::Error(err)),
            }
        }
    }

    /// Makes a call that may be made twice: again, a few times, while its answer is lost.
    ///
    /// [`CallEnd::Interrupted`] means that it was never made.
    pub(super) async fn call_again<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, CallEnd> {
        let mut pauses = AMBIGUOUS_PAUSES.into_iter();
        let mut unanswered: Option<CloudError> = None;
        loop {
            let err = match self.call(operation, &call).await {
                Ok(value) => return Ok(value),
                Err(CallEnd::Interrupted) => {
                    return Err(unanswered.map_or(CallEnd::Interrupted, CallEnd::Error));
                }
                Err(CallEnd::Error(err)) => err,
            };
            let pause = pauses.next().filter(|_| err.kind == ErrorKind::Ambiguous);
            let Some(pause) = pause else { return Err(CallEnd::Error(err)) };
            if !self.stop.pause(self.clock, pause).await {
                return Err(CallEnd::Error(err));
            }
            unanswered = Some(err);
        }
    }

    /// Waits until EC2 accepts one more snapshot of each of `volumes`, and books that.
    pub(super) async fn space(&self, volumes: &[(VolumeId, Option<DateTime<Utc>>)]) -> bool {
        let start_at = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let booked = volumes.iter().filter_map(|(id, _)| free_at.get(id).copied());
            let planned = volumes.iter().filter_map(|(_, not_before)| *not_before);
            let start_at = booked.chain(planned).fold(self.clock.now(), DateTime::max);
            for (id, _) in volumes {
                free_at.insert(*id, start_at + SPACING);
            }
            start_at
        };
        self.stop.pause_until(self.clock, start_at).await
    }

    /// Returns why a creation cannot be begun.
    pub(super) fn why_not_create(&self) -> Option<String> {
        get(&self.full).or_else(|| self.why_not())
    }

    /// Returns why nothing can be begun.
    pub(super) fn why_not(&self) -> Option<String> {
        if self.stop.is_set() {
            return Some("interrupted".to_owned());
        }
        get(&self.ended)
    }

    /// Returns why no copy can be begun in this run any more.
    pub(super) fn why_no_copies(&self) -> Option<String> {
        get(&self.copies_full)
    }

    /// Returns what `action` is to come after and was not done.
    ///
    /// A creation is begun all the same: whether there is room for it, EC2 knows best.
    pub(super) fn why_not_after(&self, action: &Action) -> Option<String> {
        if action.as_creation().is_some() {
            return None;
        }
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = action.after().into_iter().find(|id| !done.contains(id));
        missing.map(|id| format!("after {id}, which was not done"))
    }

    /// Tells that as many copies are under way as EC2 allows.
    pub(super) fn is_full_of_copies(&self, why: String) {
        set(&self.copies_full, why);
    }

    /// Tells that the account has reached a limit on snapshots.
    pub(super) fn is_full(&self, why: String) {
        set(&self.full, why);
    }

    /// Logs and reports what became of `action`.
    pub(super) fn ended(&self, action: &Action, outcome: &Outcome) {
        let (id, word) = (action.id(), outcome.word());
        match outcome {
            Outcome::Done(_) | Outcome::Found(_) | Outcome::AlreadyGone => {
                tracing::info!(action = %id, policy = %action.policy, outcome = word, "action ended");
            }
            Outcome::Skipped(why) | Outcome::Waits(why) => {
                tracing::info!(action = %id, policy = %action.policy, outcome = word, why, "action ended");
            }
            Outcome::NotStarted(why) => {
                tracing::debug!(action = %id, policy = %action.policy, outcome = word, why, "action ended");
            }
            Outcome::Failed(Failure { why, .. }) => {
                tracing::warn!(action = %id, policy = %action.policy, outcome = word, why, "action ended");
            }
        }
        if outcome.is_done() {
            self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        self.progress.ended(action, outcome);
    }
}

/// Reads a listing page by page to the end; refuses an end that never comes.
///
/// What is missing from an incomplete answer would be taken for deleted.
pub(super) async fn all_pages<T, F>(
    region: &Region,
    operation: &'static str,
    mut next_page: impl FnMut(Option<String>) -> F,
) -> Result<Vec<T>, CallEnd>
where
    F: Future<Output = Result<Page<T>, CallEnd>>,
{
    let mut items = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let page = next_page(token).await?;
        items.extend(page.items);
        token = page.next_token;
        if token.is_none() {
            return Ok(items);
        }
    }
    Err(CallEnd::Error(CloudError {
        kind: ErrorKind::Refused,
        operation,
        region: *region,
        code: "EndlessListing".to_owned(),
        message: format!("no end after {PAGES_MAX} pages"),
    }))
}

/// Why a call brought nothing.
pub(super) enum CallEnd {
    /// It was never made.
    Interrupted,
    /// EC2 or the way there said no.
    Error(CloudError),
}

fn get(cell: &Mutex<Option<String>>) -> Option<String> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Sets a reason once: the first is the one that tells something.
fn set(cell: &Mutex<Option<String>>, why: String) {
    cell.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
}

/// Returns planned tags as calls take them.
pub(super) fn pairs(pairs: &Pairs) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
