//! Processes: one cycle each, with a clock that may be off; two may run at a time.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::future::{Either, join, select};
use snapkeep::cloud::layered::Layered;
use snapkeep::cloud::sandbox::VirtualTime;
use snapkeep::config::Config;
use snapkeep::plan::Request;
use snapkeep::run::{Clock, Report, Stop, run};

use tokio::sync::Notify;

use crate::watch::{Watch, Watched};

/// The sandbox's clock, as a machine shows it that is not set right.
struct SkewedClock {
    time: VirtualTime,
    skew: TimeDelta,
}

impl Clock for SkewedClock {
    fn now(&self) -> DateTime<Utc> {
        self.time.now() + self.skew
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        self.time.sleep_until(at - self.skew).await;
    }
}

/// What became of the processes of one cycle; nothing is known of one that was killed.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) reports: Vec<Report>,
    pub(crate) n_processes: usize,
    /// What the clock of the last process showed when it began.
    pub(crate) now: DateTime<Utc>,
}

/// Runs one cycle, or two side by side.
pub(crate) fn cycle(watched: &Watched<'_>, config: &Config) -> Ended {
    let time = watched.sandbox.time();
    let second_after = watched.weather.second_after;
    let second = async {
        let after = second_after?;
        time.sleep_until(time.now() + after).await;
        Some(process(watched, config).await)
    };
    let both = time.drive(join(process(watched, config), second));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (first, second) = runtime.block_on(both);
    let ended: Vec<_> = [Some(first), second].into_iter().flatten().collect();
    let now = ended.iter().map(|(_, now)| *now).max().unwrap_or_default();
    let n_processes = ended.len();
    Ended {
        n_processes,
        now,
        reports: ended.into_iter().filter_map(|(report, _)| report).collect(),
    }
}

/// Runs one process; returns no report if it is killed, and what its clock showed at the start.
async fn process(watched: &Watched<'_>, config: &Config) -> (Option<Report>, DateTime<Utc>) {
    let clock = SkewedClock { time: watched.sandbox.time().clone(), skew: watched.weather.skew };
    let request = Request::at(clock.now().trunc_subsecs(0));
    let (sender, stop) = Stop::new();
    let killed = Arc::new(Notify::new());
    let watch = Watch::new(watched, sender, Arc::clone(&killed));
    let cloud = Layered::new(watched.sandbox, watch);
    let running = std::pin::pin!(run(&cloud, &clock, config, &request, &stop, &()));
    match select(running, std::pin::pin!(killed.notified())).await {
        Either::Left((report, _)) => (Some(report), request.now),
        Either::Right(_) => (None, request.now),
    }
}
