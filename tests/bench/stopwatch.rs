//! The time that a thread has on a core.

use std::fs;
use std::time::{Duration, Instant};

/// Measures the time that this thread has on a core, so that whatever else runs on the machine does
/// not count; by the clock where the kernel does not tell.
pub(crate) struct Stopwatch {
    on_core: Option<Duration>,
    clock: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { on_core: time_on_core(), clock: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let on_core = time_on_core().zip(self.on_core).map(|(now, then)| now.saturating_sub(then));
        on_core.unwrap_or_else(|| self.clock.elapsed())
    }
}

fn time_on_core() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
