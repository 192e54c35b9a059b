//! The command line: the only room that reads arguments and the environment, and that prints.
//!
//! stdout is data; everything else goes to stderr. Nothing here plans or talks to EC2.

use std::io::Write as _;
use std::process;

use clap::{CommandFactory as _, Parser as _};

use crate::config::LoadError;
use crate::report::ExitCode;
use crate::report::status::nagios;
use crate::report::text::{printable, printable_lines};
use crate::run::{OpenError, WorldError};

mod args;
mod commands;
mod logs;
mod progress;
mod scope;
mod telling;

use args::{Args, Command, LogFormat};

/// Runs the program; returns its exit code.
pub fn main() -> process::ExitCode {
    let args = Args::try_parse().unwrap_or_else(|err| refuse(&err));
    let log = args.global.log;
    logs::start(log, args.global.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return fail(&anyhow::Error::new(err).context("could not start"), log),
    };
    let res = runtime.block_on(dispatch(args));
    // A look-up of a name that hangs hangs in a thread, which nobody waits for.
    runtime.shutdown_background();
    match res {
        Ok(code) => code.into(),
        Err(err) => fail(&err, log),
    }
}

/// Ends the program over what cannot be meant, or after help; in a monitoring plugin's words where
/// one was asked for.
fn refuse(err: &clap::Error) -> ! {
    let is_plugin = std::env::args().any(|arg| arg == "nagios" || arg.ends_with("=nagios"));
    if err.use_stderr() && is_plugin {
        let text = nagios::render_error(&err.to_string());
        let _ = std::io::stdout().write_all(text.as_bytes());
        process::exit(nagios::Service::Unknown.number().into());
    }
    let text = err.render().to_string();
    if printable_lines(&text) != text {
        // What was typed, or stands in a variable, comes back to the terminal.
        let _ = write!(std::io::stderr(), "{}", printable_lines(&text));
        process::exit(err.exit_code());
    }
    err.exit()
}

/// Returns everything that may be typed; manual pages and completions are made of it.
pub fn command() -> clap::Command {
    Args::command()
}

/// Returns the exit code as a number, since `status` speaks that of monitoring plugins too.
async fn dispatch(args: Args) -> anyhow::Result<u8> {
    let Args { global, command } = args;
    let code = match command {
        Command::Status(args) => return commands::status::status(&global, args).await,
        Command::Plan(args) => commands::plan::plan(&global, args).await,
        Command::Run(args) => commands::run::run(&global, args).await,
        Command::Apply(args) => commands::apply::apply(&global, args).await,
        Command::Serve(args) => commands::serve::serve(&global, args).await,
        Command::Explain(args) => commands::explain::explain(&global, args).await,
        Command::Simulate(args) => commands::simulate::simulate(&global, args).await,
        Command::Check(args) => commands::check::check(&global, &args).await,
        Command::Iam(args) => commands::iam::iam(&global, &args),
        Command::Notify(args) => commands::notify::notify(&global, &args).await,
        Command::Inventory(args) => commands::inventory::inventory(&global, args).await,
        Command::Schema(args) => commands::schema::schema(&args),
        Command::Import(args) => commands::import::import(&args),
        Command::SandboxServer(args) => {
            commands::sandbox_server::sandbox_server(&global, &args).await
        }
        Command::Man(args) => commands::man::man(&args),
        Command::Completions(args) => commands::completions::completions(&args),
    }?;
    Ok(code.number())
}

/// Something in the command line or the configuration is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Returns an error with its causes as people read it.
fn error_text(err: &anyhow::Error) -> String {
    // Problems of the configuration come as finished, multi-line text with their own heading.
    match err.downcast_ref::<LoadError>() {
        Some(LoadError::Invalid(problems)) => problems.to_string(),
        Some(LoadError::Io { .. }) | None => {
            format!("error: {}", printable(&format!("{err:#}")))
        }
    }
}

/// Tells an error with its causes on stderr, as logs look; returns the exit code for it.
fn fail(err: &anyhow::Error, log: LogFormat) -> process::ExitCode {
    let is_broken_pipe = err.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if is_broken_pipe {
        // Whoever read the output has seen enough.
        return ExitCode::Done.number().into();
    }
    let is_usage = err.is::<UsageError>()
        || err.is::<LoadError>()
        || err.is::<OpenError>()
        || matches!(err.downcast_ref(), Some(WorldError::OnlySaved));
    let text = error_text(err);
    match log {
        LogFormat::Text => drop(writeln!(std::io::stderr(), "{}", text.trim_end())),
        LogFormat::Json => tracing::error!("{}", text.trim_end()),
    }
    let code = if is_usage { ExitCode::Usage } else { ExitCode::Failed };
    code.number().into()
}
