//! The clock that execution waits by, and the wish to stop.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use tokio::sync::watch;

/// A clock that can be waited for: the wall's, or the sandbox's.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until `at`; not at all if that has passed.
    fn sleep_until(&self, at: DateTime<Utc>) -> impl Future<Output = ()> + Send;
}

/// The wish to stop: nothing new is begun once it is set; what is under way is finished.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns a wish that the sender sets, and one that is never set if the sender is dropped.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns true once nothing new may be begun.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for `pause` by `clock`; returns false as soon as the wish to stop is set.
    pub async fn pause<K: Clock>(&self, clock: &K, pause: TimeDelta) -> bool {
        self.pause_until(clock, clock.now() + pause).await
    }

    /// Waits until `at` by `clock`; returns false as soon as the wish to stop is set.
    pub async fn pause_until<K: Clock>(&self, clock: &K, at: DateTime<Utc>) -> bool {
        if self.is_set() {
            return false;
        }
        if at <= clock.now() {
            return true;
        }
        self.unless_set(clock.sleep_until(at)).await.is_some()
    }

    /// Waits until the wish to stop is set.
    pub async fn wished(&self) {
        let mut receiver = self.0.clone();
        // Without a sender the wish can never be set.
        if receiver.wait_for(|is_set| *is_set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns what `future` does; none, and the future is dropped, once the wish to stop is set.
    pub async fn unless_set<F: Future>(&self, future: F) -> Option<F::Output> {
        match select(std::pin::pin!(self.wished()), std::pin::pin!(future)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }
}
