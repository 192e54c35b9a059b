//! What happens while something else goes on: SIGHUP, and the watchdog's turn.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};

use crate::config::{Config, load};
use crate::service::board::Board;
use crate::service::{LoadError, Outlet, check_schedules, systemd};

/// What the task of the service listens to, whatever else it does.
pub(super) struct Events {
    config_path: PathBuf,
    outlet: Arc<dyn Outlet>,
    hangup: Option<Signal>,
    watchdog: Option<Interval>,
    board: Option<Arc<Board>>,
    /// A valid configuration that was read and is not followed yet.
    fresh: Option<Config>,
}

impl Events {
    pub(super) fn new(config_path: PathBuf, outlet: Arc<dyn Outlet>) -> Self {
        let hangup = signal(SignalKind::hangup()).ok();
        Self { config_path, outlet, hangup, watchdog: None, board: None, fresh: None }
    }

    /// The service is ready: its state is on `board` from now on.
    pub(super) fn begin(&mut self, board: Arc<Board>) {
        self.board = Some(board);
        self.watchdog = systemd::watchdog_period().map(|period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        systemd::ready();
    }

    /// Returns what `future` does, and sees to everything else meanwhile.
    pub(super) async fn attend<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return output,
                () = next_signal(&mut self.hangup) => self.reload(),
                () = next_tick(&mut self.watchdog) => self.tick(),
            }
        }
    }

    /// Waits for `future`, but no longer than until a valid configuration has been read that is not
    /// followed yet.
    pub(super) async fn attend_until_reloaded(&mut self, future: impl Future) {
        let mut future = pin!(future);
        while self.fresh.is_none() {
            tokio::select! {
                _ = &mut future => return,
                () = next_signal(&mut self.hangup) => self.reload(),
                () = next_tick(&mut self.watchdog) => self.tick(),
            }
        }
    }

    /// Returns the configuration to follow from now on, if there is a new one.
    pub(super) fn take_fresh(&mut self) -> Option<Config> {
        self.fresh.take()
    }

    /// Reads the configuration again; one that is not valid is told and changes nothing.
    fn reload(&mut self) {
        systemd::reloading();
        let error = match load(&self.config_path) {
            Ok(config) => match check_schedules(&config) {
                Ok(()) => {
                    self.fresh = Some(config);
                    None
                }
                Err(err) => Some(format!("error: {err}")),
            },
            Err(LoadError::Invalid(problems)) => Some(problems.to_string()),
            Err(LoadError::Io { path, source }) => {
                Some(format!("error: cannot read `{}`: {source}", path.display()))
            }
        };
        let path = self.config_path.display();
        match &error {
            None => self.outlet.tell(&format!("{path} is read again")),
            Some(error) => self.outlet.tell(&format!(
                "{path} is not usable, what was read before stays:\n{}",
                error.trim_end()
            )),
        }
        if let Some(board) = &self.board {
            board.reloaded(error);
        }
        systemd::ready();
    }

    fn tick(&self) {
        if self.board.as_ref().is_none_or(|board| !board.is_late()) {
            systemd::alive();
        }
    }
}

async fn next_signal(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            if signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

async fn next_tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
