//! Time that passes only when nothing else can happen.
//!
//! A thousand waits of an hour behave as they would in an account, and take no time at all. Tokio
//! knows nothing of this clock, and no thread is behind it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use chrono::{DateTime, Utc};

/// A clock that stands still until [`VirtualTime::drive`] moves it. Clones show the same time.
#[derive(Debug, Clone)]
pub struct VirtualTime {
    clock: Arc<Mutex<Clock>>,
}

#[derive(Debug)]
struct Clock {
    now: DateTime<Utc>,
    n_registered: u64,
    /// Who waits for when; of equal instants the first registered comes first.
    timers: BTreeMap<Deadline, Waker>,
}

type Deadline = (DateTime<Utc>, u64);

impl VirtualTime {
    /// Makes a clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        let clock = Clock { now, n_registered: 0, timers: BTreeMap::new() };
        Self { clock: Arc::new(Mutex::new(clock)) }
    }

    /// Returns what the clock shows.
    pub fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    /// Moves the clock to `to` and wakes who waited for an instant until then; never backwards.
    pub fn advance_to(&self, to: DateTime<Utc>) {
        while let Some(waker) = self.pop_timer(Some(to)) {
            waker.wake();
        }
        let mut clock = self.lock();
        clock.now = clock.now.max(to);
    }

    /// Waits until the clock shows `at`. Only [`VirtualTime::drive`] lets that happen.
    pub fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        Sleep { time: self.clone(), at, key: None }
    }

    /// Runs `future`; whenever it can only wait, moves the clock to the earliest wait of all.
    ///
    /// If nothing waits for this clock, something outside must wake the future, such as ctrl-c.
    /// The executor gets a turn before each move, so that what is outside is never starved.
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Arc::new(Woken { outer: Mutex::new(None), is_set: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&woken));
        let mut had_a_turn = false;
        poll_fn(|cx| {
            if woken.listen(cx.waker()) {
                had_a_turn = false;
            }
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || woken.is_set.load(Ordering::Relaxed) {
                // Done, or the task around this has been woken and polls again.
                return polled;
            }
            if had_a_turn {
                // Waking the timer also wakes this task.
                if let Some(timer) = self.pop_timer(None) {
                    timer.wake();
                }
            } else {
                // Tokio defers some wakes (yield_now, a used-up budget) to the end of the turn:
                // only after one is it certain that nothing can go on by itself.
                had_a_turn = true;
                cx.waker().wake_by_ref();
            }
            polled
        })
        .await
    }

    /// Takes the earliest timer, at most that of `until`, and moves the clock to it.
    fn pop_timer(&self, until: Option<DateTime<Utc>>) -> Option<Waker> {
        let mut clock = self.lock();
        let (key, _) = clock.timers.first_key_value()?;
        let at = key.0;
        if until.is_some_and(|until| until < at) {
            return None;
        }
        clock.now = clock.now.max(at);
        clock.timers.pop_first().map(|(_, waker)| waker)
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        // No code that can panic runs under the lock.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for an instant of a [`VirtualTime`].
#[derive(Debug)]
#[must_use = "a wait does nothing unless awaited"]
pub struct Sleep {
    time: VirtualTime,
    at: DateTime<Utc>,
    key: Option<Deadline>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut clock = time.lock();
        if self.at <= clock.now {
            if let Some(key) = self.key.take() {
                clock.timers.remove(&key);
            }
            return Poll::Ready(());
        }
        // The place in the order is that of the first poll, whatever moves the future later.
        let key = self.key.unwrap_or((self.at, clock.n_registered));
        if self.key.replace(key).is_none() {
            clock.n_registered += 1;
        }
        clock.timers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.time.lock().timers.remove(&key);
        }
    }
}

/// Passes wakes on to the task around `drive` and remembers that there was one.
struct Woken {
    outer: Mutex<Option<Waker>>,
    is_set: AtomicBool,
}

impl Woken {
    /// Passes wakes to `outer` from now on; returns true if there was one since the last call.
    fn listen(&self, outer: &Waker) -> bool {
        let mut known = self.outer.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| !known.will_wake(outer)) {
            *known = Some(outer.clone());
        }
        self.is_set.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_set.store(true, Ordering::Relaxed);
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::{DateTime, TimeDelta, Utc};
    use futures_util::StreamExt as _;
    use futures_util::future::{join, join_all};
    use futures_util::stream::{self, FuturesUnordered};

    use super::VirtualTime;

    fn start() -> DateTime<Utc> {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> DateTime<Utc> {
        start() + TimeDelta::seconds(seconds)
    }

    #[tokio::test]
    async fn waits_end_in_order_of_their_instants_then_of_registration() {
        let time = &VirtualTime::new(start());
        let log = &Mutex::new(Vec::new());
        let waits = [30, 10, 20, 10].into_iter().enumerate().map(|(n, seconds)| async move {
            time.sleep_until(after(seconds)).await;
            assert_eq!(time.now(), after(seconds));
            log.lock().unwrap().push(n);
        });
        time.drive(waits.collect::<FuturesUnordered<_>>().collect::<Vec<()>>()).await;
        assert_eq!(*log.lock().unwrap(), [1, 3, 2, 0]);
    }

    #[tokio::test]
    async fn a_thousand_waits_take_as_long_as_the_pace_allows() {
        let time = &VirtualTime::new(start());
        let waits = (0..1000).map(|_| async move {
            time.sleep_until(time.now() + TimeDelta::seconds(60)).await;
        });
        time.drive(stream::iter(waits).buffer_unordered(10).collect::<Vec<()>>()).await;
        assert_eq!(time.now(), after(60 * 100));
    }

    #[tokio::test]
    async fn time_stands_still_while_anything_can_go_on() {
        let time = &VirtualTime::new(start());
        let busy = async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            time.now()
        };
        let ((), ended_at) = time.drive(join(time.sleep_until(after(1)), busy)).await;
        assert_eq!(ended_at, start());
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_holds_nothing_up() {
        let time = &VirtualTime::new(start());
        time.drive(async {
            let long = time.sleep_until(after(1000));
            let short = time.sleep_until(after(1));
            futures_util::future::select(long, short).await;
        })
        .await;
        time.drive(time.sleep_until(after(2))).await;
        assert_eq!(time.now(), after(2));
    }

    #[tokio::test]
    async fn what_waits_for_nothing_of_ours_may_be_woken_from_outside() {
        let time = &VirtualTime::new(start());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let outside = async {
            tokio::task::yield_now().await;
            sender.send(7).unwrap();
        };
        let (got, ()) = join(time.drive(receiver), outside).await;
        assert_eq!((got, time.now()), (Ok(7), start()));
    }

    #[tokio::test]
    async fn an_endless_run_starves_nothing_outside() {
        let time = &VirtualTime::new(start());
        let (sender, mut receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            sender.send(7).unwrap();
        });
        let endless = async {
            while receiver.try_recv().is_err() {
                time.sleep_until(time.now() + TimeDelta::hours(1)).await;
            }
        };
        time.drive(endless).await;
        assert!(start() < time.now());
    }

    #[tokio::test]
    async fn moving_the_clock_by_hand_ends_waits_too() {
        let time = &VirtualTime::new(start());
        time.advance_to(after(5));
        time.advance_to(after(3));
        assert_eq!(time.now(), after(5));
        join_all([time.sleep_until(after(4)), time.sleep_until(after(5))]).await;
    }
}
