//! The long-running service: the cycle of `run` whenever a slot is due or something is worth another
//! look, and a page about it.
//!
//! Remembers nothing between cycles that the account does not know: what stays in memory is when to
//! wake and what to show. So it may be killed at any moment, and the next start goes on. Everything
//! happens in one task but HTTP, which only reads what is to be shown.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, Listen, LoadError, load};
use crate::run::notify::{Environment, Memory, Notifier};
use crate::run::wake::variants;
use crate::run::{Accounts, Choice, Locks, OpenError, Present, Tell, stop_on_signals};

mod board;
mod events;
mod health;
mod http;
mod life;
mod systemd;
mod wake;

use board::Board;
use events::Events;
use http::Server;
use life::Life;

/// What the service is started with.
pub struct Options {
    /// Where the configuration is, now and at each SIGHUP.
    pub config_path: PathBuf,
    /// Which EC2.
    pub choice: Choice,
    /// What is taken for the present instant.
    pub present: Present,
    /// Where to listen, whatever the configuration says.
    pub listen: Option<Listen>,
    /// Whether it only plans.
    pub is_dry_run: bool,
    /// Where lock files may be.
    pub lock_dirs: Vec<PathBuf>,
    /// Where it is kept who was told what.
    pub memory: Option<Memory>,
    /// Where secrets are found.
    pub env: Environment,
    /// Who is told on this machine.
    pub outlet: Arc<dyn Outlet>,
}

/// Where the service writes.
pub trait Outlet: Send + Sync {
    /// Takes the report of a cycle.
    fn report(&self, text: &str);

    /// Takes anything else; may be several lines.
    fn tell(&self, text: &str);
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is unusable.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// Some policies do not say when.
    #[error(transparent)]
    Unscheduled(#[from] Unscheduled),
    /// An account cannot be talked to.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The instant is not the present one, and the account is real.
    #[error(
        "neither --now nor --clock ever changes a real account; use them with --sandbox or an \
         endpoint on loopback"
    )]
    Pretends,
    /// Nobody can listen there.
    #[error(
        "cannot listen on {listen}, which --listen or `[service] listen` says; name another \
         address and port, or `off`"
    )]
    Listen {
        /// Where.
        listen: Listen,
        /// Why not.
        source: io::Error,
    },
}

/// Policies that make points but do not say when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "without a `schedule` the service does not know when to make points; it is missing in {}",
    .0.iter().map(|name| format!("policy `{name}`")).collect::<Vec<_>>().join(", ")
)]
pub struct Unscheduled(BTreeSet<String>);

/// Runs until SIGTERM or SIGINT.
pub async fn serve(options: Options) -> Result<(), ServeError> {
    let outlet = Arc::clone(&options.outlet);
    let stop = {
        let outlet = Arc::clone(&outlet);
        stop_on_signals(move || {
            systemd::stopping();
            outlet.tell("stopping: what is under way is finished first");
        })
    };
    // Registered before anything else: a SIGHUP ends what does not expect it.
    let mut events = Events::new(options.config_path.clone(), Arc::clone(&outlet));
    let config = load(&options.config_path)?;
    check_schedules(&config).map_err(ServeError::Unscheduled)?;
    let accounts = Accounts::open(&config, &[], &options.choice, options.present.clone()).await?;
    let is_present = matches!(options.present, Present::Machine);
    if !is_present && !options.is_dry_run && !accounts.may_pretend_now() {
        return Err(ServeError::Pretends);
    }
    let board = Arc::new(Board::new(accounts.clock().clone(), options.is_dry_run));
    let server = Server::start(options.listen.unwrap_or(config.listen), &board, &*outlet).await?;
    events.begin(Arc::clone(&board));
    let notifier = Notifier::new(options.memory.clone(), options.env);
    let mut life = Life { options, config, accounts, board, server, stop, notifier, made_at: None };
    life.set_locks();
    life.go_on(&mut events).await;
    Ok(())
}

/// Finds the policies that make points in some region where they have no schedule.
fn check_schedules(config: &Config) -> Result<(), Unscheduled> {
    let mut names = BTreeSet::new();
    for policy in &config.policies {
        if variants(policy).any(|variant| variant.create && variant.schedule.is_none()) {
            names.insert(policy.name.to_string());
        }
    }
    if names.is_empty() { Ok(()) } else { Err(Unscheduled(names)) }
}

/// Returns the locks that keep cycles of several processes apart; none for what nobody else has.
fn locks(options: &Options, config: &Config, tell: Tell) -> Locks {
    match options.choice {
        Choice::Sandbox => Locks::none(),
        Choice::Aws | Choice::KeptSandbox(_) | Choice::Saved(_) => {
            Locks::new(config, options.lock_dirs.clone(), tell)
        }
    }
}

#[cfg(test)]
mod tests;
