//! What may be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Listen;
use crate::config::service::InvalidListen;
use crate::domain::region::Region;
use crate::domain::span::{InvalidSpan, Span};

mod cycle;
mod simulate;

pub(super) use cycle::{ApplyArgs, PlanArgs, RunArgs};
pub(super) use simulate::SimulateArgs;

/// Keeps the right EBS snapshots and AMIs in the right regions, removes the rest, and shows
/// beforehand what it would do and why
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_long_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What scripts and newcomers look for at the end.
const AFTER_HELP: &str = "\
To begin with:
  snapkeep --sandbox plan    a plan for a made-up account; needs nothing
  snapkeep check             what is wrong with the configuration
  snapkeep plan              what a run would do now

Exit codes:
   0  done, or nothing to do
   1  something failed or was refused; with `apply`, some of the plan drifted
   2  the command line or the configuration is wrong
   3  a limit withholds deletions
   4  something could not be observed; the rest was done
  10  with `plan --exit-code`: there is something to do

Results go to stdout, everything else to stderr. Credentials, regions and proxies come from the
standard AWS configuration.";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Configuration: a file, or a directory of *.toml files [default: config/snapkeep.toml, else
    /// /etc/snapkeep/snapkeep.toml]
    #[arg(long, global = true, env = "SNAPKEEP_CONFIG", value_name = "PATH")]
    pub(super) config: Option<PathBuf>,

    /// Plan as if this were the present instant, RFC 3339; never changes a real account
    #[arg(long, global = true, env = "SNAPKEEP_NOW", value_name = "INSTANT", value_parser = instant)]
    pub(super) now: Option<DateTime<Utc>>,

    /// Work on a made-up account in memory, with a year of history, instead of a real one; with
    /// FILE, keep it there. In the environment, `memory` stands for no file
    #[arg(
        long,
        global = true,
        env = "SNAPKEEP_SANDBOX",
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true
    )]
    #[expect(clippy::option_option, reason = "absent, in memory, or in a file: clap's own form")]
    pub(super) sandbox: Option<Option<PathBuf>>,

    /// How logs look on stderr
    #[arg(
        long,
        global = true,
        env = "SNAPKEEP_LOG",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(super) log: LogFormat,

    /// Log more on stderr: each action; with -vv, calls too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For scripts; see `snapkeep schema`
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print what a run would do now, and why; changes nothing
    Plan(PlanArgs),
    /// Make the recovery points that are due, and delete what no rule keeps
    Run(RunArgs),
    /// Carry out a saved plan: what a fresh plan still contains of it
    Apply(ApplyArgs),
    /// Run as a service: a cycle whenever a slot is due or something is worth another look
    Serve(ServeArgs),
    /// Tell why a snapshot or image is kept or goes, until when, and how to restore it
    Explain(ExplainArgs),
    /// Tell whether everything that a policy selects has its points and copies in time
    Status(StatusArgs),
    /// Play a year of real cycles over a copy of the account in memory, and tell what comes of it
    Simulate(SimulateArgs),
    /// Say everything that is wrong with the configuration, or what it means
    Check(CheckArgs),
    /// Print the least-privilege IAM policy for the configuration
    Iam(IamArgs),
    /// Send a test message to whoever [notify] names
    Notify(NotifyArgs),
    /// Save what plans are made from, for `plan --inventory`, in the layout of the AWS CLI
    Inventory(InventoryArgs),
    /// Print the JSON Schema of the configuration, of a plan or of a report
    Schema(SchemaArgs),
    /// Turn a backup script or a policy of Data Lifecycle Manager into a configuration
    Import(ImportArgs),
    /// Answer as EC2 on loopback with the sandbox, for other programs
    #[command(hide = true)]
    SandboxServer(SandboxServerArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct Scope {
    /// Only in this account of `[accounts]`, or `self`; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) account: Vec<String>,

    /// Only what this policy asks for; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) policy: Vec<String>,

    /// Only what is to be done in this region; may be repeated
    #[arg(long, value_name = "REGION")]
    pub(super) region: Vec<Region>,
}

#[derive(Debug, clap::Args)]
pub(super) struct StateArgs {
    /// Where it is kept what was told, for [notify] [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/snapkeep, else ~/.local/state/snapkeep; with --sandbox nowhere]
    #[arg(long, env = "SNAPKEEP_STATE_DIR", value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct LockArgs {
    /// Keep the lock files in this directory, which keep cycles of several processes apart
    /// [default: the first of $RUNTIME_DIRECTORY, /run/snapkeep, $XDG_RUNTIME_DIR, /run/lock and the
    /// directory for temporary files that is there and can be used]
    #[arg(long, env = "SNAPKEEP_LOCK_DIR", value_name = "DIR")]
    lock_dir: Option<PathBuf>,
}

impl LockArgs {
    /// Returns where lock files may be, in this order.
    pub(super) fn dirs(&self) -> Vec<PathBuf> {
        if let Some(dir) = &self.lock_dir {
            return vec![dir.clone()];
        }
        let of_unit = std::env::var_os("RUNTIME_DIRECTORY").unwrap_or_default();
        // systemd names several directories as in a search path.
        let mut dirs: Vec<PathBuf> = std::env::split_paths(&of_unit).collect();
        // That of the units, so that a run by hand or by cron takes turns with the service.
        dirs.push(PathBuf::from("/run/snapkeep"));
        dirs.extend(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
        dirs.extend([PathBuf::from("/run/lock"), std::env::temp_dir()]);
        dirs.retain(|dir| dir.is_absolute());
        dirs
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Plan only, and show what would be done
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Where page, health and metrics are: an address and port, or `off`; replaces `[service] listen`
    #[arg(long, env = "SNAPKEEP_LISTEN", value_name = "ADDR:PORT|off", value_parser = listen)]
    pub(super) listen: Option<Listen>,

    #[command(flatten)]
    pub(super) lock: LockArgs,

    #[command(flatten)]
    pub(super) state: StateArgs,

    /// Be told the present instant: RFC 3339 lines on stdin; never with a real account
    #[arg(
        long,
        env = "SNAPKEEP_CLOCK",
        value_name = "SOURCE",
        hide = true,
        conflicts_with = "now"
    )]
    pub(super) clock: Option<ClockSource>,
}

/// Where the present instant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ClockSource {
    /// Lines on stdin
    Stdin,
}

#[derive(Debug, clap::Args)]
pub(super) struct SandboxServerArgs {
    /// The address and port; port 0 takes a free one. Where it is, is printed
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// A snapshot or image, such as snap-…, ami-… or REGION/snap-…
    #[arg(value_name = "ID")]
    pub(super) id: String,

    /// Explain from a saved inventory, without credentials or network
    #[arg(long, value_name = "DIR")]
    pub(super) inventory: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) scope: Scope,

    /// How the status looks. `nagios` has the exit codes of monitoring plugins: 0 all is well, 2
    /// something is unprotected, 3 not everything could be read, or the configuration is wrong
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: StatusFormat,

    /// Look at a saved inventory, without credentials or network
    #[arg(long, value_name = "DIR")]
    pub(super) inventory: Option<PathBuf>,
}

/// How a status looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusFormat {
    /// For people: exits with 1 if something is unprotected, with 4 if not everything could be read
    Text,
    /// For scripts; see `snapkeep schema`; exits as text does
    Json,
    /// For Nagios, Icinga and what else runs monitoring plugins
    Nagios,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Print the configuration with all defaults, per region
    #[arg(long)]
    pub(super) resolved: bool,

    /// Also try credentials, regions, keys and permissions; changes nothing
    #[arg(long, conflicts_with = "resolved")]
    pub(super) online: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct IamArgs {
    /// For the role in this account of `[accounts]`, or `self`
    #[arg(long, value_name = "NAME")]
    pub(super) account: Option<String>,

    /// How the policy looks
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) format: IamFormat,
}

#[derive(Debug, clap::Args)]
pub(super) struct NotifyArgs {
    /// Send it now, by every channel
    #[arg(long, required = true)]
    pub(super) test: bool,
}

/// How an IAM policy looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum IamFormat {
    /// As IAM takes it
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct InventoryArgs {
    /// Where to save it, as REGION/*.json
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// What to print the schema of
    pub(super) of: Schema,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Schema {
    /// The configuration
    Config,
    /// What `plan --format json` prints
    Plan,
    /// What `run --format json` prints
    Run,
    /// What `status --format json` prints
    Status,
    /// What `simulate --format json` prints
    Simulation,
}

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    pub(super) from: ImportFrom,
}

/// What a configuration can be made of.
#[derive(Debug, Subcommand)]
pub(super) enum ImportFrom {
    /// The variables of a backup script: AWS_REGION_ARR, RETENTION_DAILY, RETENTION_LIMIT, BACKUP
    /// and SC_MODE
    Script {
        /// The script, which is read and not run; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// A policy of Amazon Data Lifecycle Manager
    Dlm {
        /// What `aws dlm get-lifecycle-policy --policy-id ID --output json` prints; `-` is
        /// standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this directory, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    pub(super) shell: Shell,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|at| at.with_timezone(&Utc)).map_err(|err| {
        format!("{err}; expected RFC 3339 with a zone, such as 2026-11-20T03:00:00Z")
    })
}

fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|err: InvalidSpan| err.to_string())
}

fn listen(text: &str) -> Result<Listen, String> {
    text.parse().map_err(|err: InvalidListen| format!("{err}; {}", err.hint()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
