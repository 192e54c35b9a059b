//! Signals that end the program.

use tokio::signal::unix::{SignalKind, signal};

use crate::execute::Stop;

/// Returns a wish to stop that SIGINT and SIGTERM set; `first` is called then, and at the second
/// signal the program ends at once, with exit code 1.
pub fn stop_on_signals(first: impl FnOnce() + Send + 'static) -> Stop {
    let (sender, stop) = Stop::new();
    // Registered here, not in the task: from now on no signal ends the program by itself.
    let signals = signal(SignalKind::interrupt()).and_then(|interrupt| {
        let terminate = signal(SignalKind::terminate())?;
        Ok((interrupt, terminate))
    });
    let Ok((mut interrupt, mut terminate)) = signals else { return stop };
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        first();
        let _ = sender.send(true);
        next().await;
        std::process::exit(1);
    });
    stop
}
