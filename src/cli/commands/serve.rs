//! `serve`: the long-running service.

use std::io::{self, Write as _};
use std::sync::Arc;

use crate::cli::args::{ClockSource, Global, LogFormat, ServeArgs};
use crate::cli::scope;
use crate::cli::telling;
use crate::cli::usage;
use crate::report::ExitCode;
use crate::run::{FedClock, Present};
use crate::service::{self, Options, Outlet, ServeError};

use super::{print, tell};

pub(in crate::cli) async fn serve(global: &Global, args: ServeArgs) -> anyhow::Result<ExitCode> {
    let present = match args.clock {
        Some(ClockSource::Stdin) => {
            let clock = FedClock::read(io::BufReader::new(io::stdin()), tell)
                .map_err(|err| usage(format!("--clock stdin: {err}")))?;
            Present::Fed(clock)
        }
        None => Present::from(global.now),
    };
    let config_path = scope::config_path(global)?;
    let memory = telling::memory(global, &config_path, args.state.state_dir.as_deref());
    let options = Options {
        config_path,
        choice: scope::choice(global, None)?,
        present,
        listen: args.listen,
        is_dry_run: args.dry_run,
        lock_dirs: args.lock.dirs(),
        memory,
        env: telling::env,
        outlet: Arc::new(Terminal { log: global.log }),
    };
    match Box::pin(service::serve(options)).await {
        Ok(()) => Ok(ExitCode::Done),
        // As any command tells them.
        Err(ServeError::Config(err)) => Err(err.into()),
        Err(ServeError::Open(err)) => Err(err.into()),
        Err(err @ (ServeError::Unscheduled(_) | ServeError::Pretends)) => {
            Err(usage(err.to_string()))
        }
        Err(err @ ServeError::Listen { .. }) => Err(err.into()),
    }
}

/// stdout for reports, stderr for all else.
struct Terminal {
    log: LogFormat,
}

impl Outlet for Terminal {
    fn report(&self, text: &str) {
        // A full disk or a reader that has gone is no reason to stop.
        if let Err(err) = print(text) {
            tell(&format!("warning: could not write the report to stdout: {err}"));
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn tell(&self, text: &str) {
        match self.log {
            LogFormat::Text => tell(text.trim_end()),
            LogFormat::Json => tracing::warn!("{}", text.trim_end()),
        }
    }
}
