//! A bar on a terminal while a run is on its way, and a line whenever it waits. In a pipe there is
//! no bar.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::text::{count, printable};
use crate::run::simulate::Watcher;
use crate::run::{Action, Outcome, Progress};

/// What is over sooner needs no bar.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// A bar that shows itself once a run takes longer than a moment.
pub(super) struct Bar {
    is_terminal: bool,
    state: Mutex<State>,
}

struct State {
    begun_at: Instant,
    n_actions: u64,
    n_ended: u64,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let state = State { begun_at: Instant::now(), n_actions: 0, n_ended: 0, bar: None };
        Self { is_terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    fn with(&self, f: impl FnOnce(&mut State)) {
        if self.is_terminal {
            f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Progress for Bar {
    fn begins(&self, n_actions: usize) {
        self.with(|state| {
            state.begun_at = Instant::now();
            state.n_actions = u64::try_from(n_actions).unwrap_or(u64::MAX);
            state.n_ended = 0;
        });
    }

    fn ended(&self, action: &Action, _outcome: &Outcome) {
        self.with(|state| {
            state.n_ended += 1;
            if state.bar.is_none() && QUIET_FOR <= state.begun_at.elapsed() {
                state.bar = Some(new_bar(state.n_actions));
            }
            if let Some(bar) = &state.bar {
                bar.set_message(action.region.to_string());
                bar.set_position(state.n_ended);
            }
        });
    }

    fn ends(&self) {
        self.with(|state| {
            if let Some(bar) = state.bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn waits(&self, n_left: usize, until: DateTime<Utc>) {
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        let what = if n_left == 0 {
            String::new()
        } else {
            format!("waiting for {}, ", count(n_left, "thing"))
        };
        let _ = writeln!(std::io::stderr(), "{what}looking again at {until}");
    }
}

fn new_bar(n_actions: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(n_actions), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} actions, {eta} left, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A bar of the time that a simulation has played.
pub(super) struct TimeBar {
    from: DateTime<Utc>,
    bar: Option<ProgressBar>,
}

impl TimeBar {
    /// Shows nothing where nobody looks.
    pub(super) fn new(name: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let n_days = u64::try_from((until - from).num_days()).unwrap_or_default();
            let bar = ProgressBar::with_draw_target(Some(n_days), ProgressDrawTarget::stderr());
            let style = "{bar:30} {pos}/{len} days, {eta} left, {msg}";
            let style = ProgressStyle::with_template(style);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(printable(name).into_owned());
            bar
        });
        Self { from, bar }
    }
}

impl Watcher for TimeBar {
    fn reached(&self, at: DateTime<Utc>) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from((at - self.from).num_days()).unwrap_or_default());
        }
    }
}

impl Drop for TimeBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
