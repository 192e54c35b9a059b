//! What the service manager is told. Without one, nobody is.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::report::text::printable;

/// The configuration is valid and the port is open.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// What the service does now, in one line.
pub(super) fn status(text: &str) {
    notify(&[NotifyState::Status(&printable(text))]);
}

/// The configuration is read again; [`ready`] ends that.
pub(super) fn reloading() {
    if let Ok(since) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, since]);
    }
}

/// The service ends as soon as what is under way is finished.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// The service is well.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Returns how often the manager wants to hear that the service is well, and half of it to be sure.
pub(super) fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|period| !period.is_zero())
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        tracing::debug!(error = &err as &dyn std::error::Error, "could not notify the manager");
    }
}
