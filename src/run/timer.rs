//! Waiting for an instant of the wall clock, which may be set, and which goes on while the machine
//! sleeps. A timer of the runtime does neither: it counts elapsed time, and not even all of that.

use chrono::{DateTime, Utc};

use crate::run::clock::wall_clock;

/// Waits until the machine's clock shows `at` or later, however it gets there, or until it is set:
/// what was reckoned by the wrong clock may be wrong by years.
///
/// Wakes the process never in between.
pub(super) async fn wall_clock_shows(at: DateTime<Utc>) {
    if at <= wall_clock() {
        return;
    }
    if let Err(err) = wait(at).await {
        tracing::debug!(error = &err as &dyn std::error::Error, "no timer of the wall clock");
        elapsed(at).await;
    }
}

/// Waits until `at`, or until the clock is set.
#[cfg(target_os = "linux")]
async fn wait(at: DateTime<Utc>) -> std::io::Result<()> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    let timer =
        timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let at = Timespec { tv_sec: at.timestamp(), tv_nsec: at.timestamp_subsec_nanos().into() };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(&timer, flags, &Itimerspec { it_interval: never, it_value: at })?;
    // It gets readable at the instant, and also (with ECANCELED) when the clock is set.
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor is what that asks for"
    )]
    let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
    timer.readable().await?.retain_ready();
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn wait(_: DateTime<Utc>) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Waits for as long as it takes until `at` if nobody sets the clock.
#[expect(clippy::disallowed_methods, reason = "this is a clock")]
async fn elapsed(at: DateTime<Utc>) {
    tokio::time::sleep((at - wall_clock()).to_std().unwrap_or_default()).await;
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::wall_clock_shows;
    use crate::run::clock::wall_clock;

    #[tokio::test]
    async fn a_wait_ends_at_its_instant_and_one_for_the_past_at_once() {
        let begun_at = wall_clock();
        wall_clock_shows(begun_at - TimeDelta::days(1)).await;
        let at = begun_at + TimeDelta::milliseconds(30);
        wall_clock_shows(at).await;
        assert!(at <= wall_clock());
    }
}
