//! Logs on stderr, for people or machines.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::cli::args::LogFormat;
use crate::report::log::{Lines, Shape};

/// Starts logging; warnings only, or more with each `-v`.
pub(super) fn start(format: LogFormat, verbosity: u8) {
    let (own, others) = match verbosity {
        0 => ("warn", LevelFilter::ERROR),
        1 => ("info", LevelFilter::WARN),
        2 => ("debug", LevelFilter::INFO),
        _ => ("trace", LevelFilter::DEBUG),
    };
    let filter = EnvFilter::builder()
        .with_default_directive(others.into())
        .parse_lossy(format!("snapkeep={own}"));
    let has_colour = std::io::stderr().is_terminal() && !is_plain();
    let shape = match format {
        LogFormat::Json => Shape::Json,
        LogFormat::Text if has_colour => Shape::Coloured,
        LogFormat::Text => Shape::Text,
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colour)
        // It would tell by a macro that panics where stderr is full.
        .log_internal_errors(false)
        .with_writer(move || Lines::new(std::io::stderr(), shape));
    // A subscriber that is there already belongs to a test, which then wants it.
    let _ = match format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}

/// Returns true if the environment asks for no colours (no-color.org) or the terminal has none.
fn is_plain() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
