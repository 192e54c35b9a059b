//! Which EC2 a cycle talks to: the real one, the sandbox, or a saved inventory.
//!
//! Joins an EC2 with the clock that goes with it, so that whoever starts cycles need not know which
//! it is. Plans and decides nothing.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::cloud::counted::Counted;
use crate::cloud::files::{Files, FilesError};
use crate::cloud::sandbox::{Sandbox, SandboxError};
use crate::config::Config;
use crate::domain::inventory::Inventory;
use crate::execute::{Progress, Stop};
use crate::plan::Request;
use crate::plan::preflight::Preflight;
use crate::run::cycle::{Report, run};
use crate::run::wait::run_until_settled;
use crate::run::{Locks, Present, SandboxClock, WorldClock, observe, observe_saved, preflight};

#[cfg(feature = "aws")]
use crate::cloud::aws::{AwsCloud, ConnectError};

/// Which EC2 is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The real one, or whatever endpoint the AWS configuration names.
    Aws,
    /// An account in memory with a year of history.
    Sandbox,
    /// One that is kept in this file.
    KeptSandbox(PathBuf),
    /// What was saved in this directory; can only be looked at.
    Saved(PathBuf),
}

/// An EC2 to talk to.
pub enum World {
    /// The one in memory, kept in a file if one is named.
    Sandbox(Box<Sandbox>),
    /// A saved inventory; can only be looked at.
    Files(Files, WorldClock),
    /// The real one, or whatever endpoint stands for it.
    #[cfg(feature = "aws")]
    Aws(Box<AwsCloud>, WorldClock),
}

/// A world cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The sandbox's file is unusable.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The clock of a sandbox never goes back.
    #[error(
        "the sandbox `{}` is at {} already; --now cannot go back",
        path.display(),
        reached.to_rfc3339_opts(SecondsFormat::Secs, true)
    )]
    BackInTime {
        /// The sandbox's file.
        path: PathBuf,
        /// What its clock shows.
        reached: DateTime<Utc>,
    },
    /// The saved inventory is unusable.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The AWS configuration is unusable.
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no real EC2 in this build.
    #[cfg(not(feature = "aws"))]
    #[error(
        "this build cannot talk to AWS (it was built without the feature `aws`); use --sandbox, or \
         plan with --inventory"
    )]
    NoAws,
}

/// A world cannot do what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Nothing can be changed or tried in a saved inventory.
    #[error("a saved inventory can only be planned for")]
    OnlySaved,
    /// What was done in the sandbox could not be kept.
    #[error("could not keep the sandbox")]
    Unkept(#[source] SandboxError),
}

impl World {
    /// Opens what is wanted; what is no sandbox has its instant from `present`.
    pub async fn open(choice: &Choice, present: &Present) -> Result<Self, OpenError> {
        let clock = WorldClock::new(present);
        match choice {
            Choice::Aws => connect(clock).await,
            Choice::Sandbox => Ok(Self::Sandbox(Box::new(Sandbox::demo(clock.begun_at())))),
            Choice::KeptSandbox(path) => {
                Ok(Self::Sandbox(Box::new(kept_sandbox(path, present, &clock)?)))
            }
            Choice::Saved(dir) => Ok(Self::Files(Files::open(dir)?, clock)),
        }
    }

    /// Returns the instant to plan for when a command starts: when the world was opened.
    pub fn begun_at(&self) -> DateTime<Utc> {
        match self {
            Self::Sandbox(sandbox) => sandbox.time().now(),
            Self::Files(_, clock) => clock.begun_at(),
            #[cfg(feature = "aws")]
            Self::Aws(_, clock) => clock.begun_at(),
        }
    }

    /// Returns true if nothing real is changed by acting at another instant than the present.
    pub fn may_pretend_now(&self) -> bool {
        match self {
            Self::Sandbox(_) | Self::Files(..) => true,
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => cloud.endpoint_is_loopback(),
        }
    }

    /// Returns what its clock shows; that of a sandbox is moved on to `present` before.
    pub fn now(&self, present: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Sandbox(sandbox) => {
                sandbox.time().advance_to(present);
                sandbox.time().now()
            }
            Self::Files(..) => present,
            #[cfg(feature = "aws")]
            Self::Aws(..) => present,
        }
    }

    /// Observes everything that `config` is about, for a plan that is asked for by `request`.
    pub async fn observe(&self, config: &Config, request: &Request) -> Inventory {
        self.observe_telling(config, request, &()).await
    }

    /// Does the same, and tells `progress` what it asked.
    pub async fn observe_telling(
        &self,
        config: &Config,
        request: &Request,
        progress: &dyn Progress,
    ) -> Inventory {
        progress.observes();
        match self {
            Self::Sandbox(sandbox) => {
                let cloud = Counted::new(sandbox.as_ref());
                let inventory = sandbox.time().drive(observe(&cloud, config, request)).await;
                progress.called(&cloud.into_calls());
                inventory
            }
            Self::Files(files, _) => observe_saved(files, config),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => {
                let cloud = Counted::new(cloud.as_ref());
                let inventory = observe(&cloud, config, request).await;
                progress.called(&cloud.into_calls());
                inventory
            }
        }
    }

    /// Runs one cycle.
    pub async fn run(
        &self,
        config: &Config,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Report, WorldError> {
        match self {
            Self::Sandbox(sandbox) => {
                let clock = SandboxClock(sandbox.time().clone());
                let cloud = Counted::new(sandbox.as_ref());
                let cycle = run(&cloud, &clock, config, request, stop, progress);
                let report = sandbox.time().drive(cycle).await;
                progress.called(&cloud.into_calls());
                sandbox.save().map_err(WorldError::Unkept)?;
                Ok(report)
            }
            Self::Files(..) => Err(WorldError::OnlySaved),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, clock) => {
                let cloud = Counted::new(cloud.as_ref());
                let report = run(&cloud, clock, config, request, stop, progress).await;
                progress.called(&cloud.into_calls());
                Ok(report)
            }
        }
    }

    /// Runs cycles until nothing is waited for.
    pub async fn run_until_settled(
        &self,
        config: &Config,
        request: &Request,
        locks: &Locks,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Report, WorldError> {
        match self {
            Self::Sandbox(sandbox) => {
                let clock = SandboxClock(sandbox.time().clone());
                let sandboxed = sandbox.as_ref();
                let cycles =
                    run_until_settled(sandboxed, &clock, config, request, locks, stop, progress);
                let report = sandbox.time().drive(cycles).await;
                sandbox.save().map_err(WorldError::Unkept)?;
                Ok(report)
            }
            Self::Files(..) => Err(WorldError::OnlySaved),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, clock) => {
                let cloud = cloud.as_ref();
                let cycles =
                    run_until_settled(cloud, clock, config, request, locks, stop, progress);
                Ok(cycles.await)
            }
        }
    }

    /// Tries everything that `config` needs; changes nothing.
    pub async fn preflight(&self, config: &Config) -> Result<Preflight, WorldError> {
        match self {
            Self::Sandbox(sandbox) => {
                Ok(sandbox.time().drive(preflight(sandbox.as_ref(), config)).await)
            }
            Self::Files(..) => Err(WorldError::OnlySaved),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => Ok(preflight(cloud.as_ref(), config).await),
        }
    }
}

/// Opens a sandbox's file; refuses to go back behind its own clock.
fn kept_sandbox(path: &Path, present: &Present, clock: &WorldClock) -> Result<Sandbox, OpenError> {
    let sandbox = Sandbox::open(path, clock.begun_at())?;
    let reached = sandbox.time().now();
    if !matches!(present, Present::Machine) && clock.begun_at() < reached {
        return Err(OpenError::BackInTime { path: path.to_owned(), reached });
    }
    Ok(sandbox)
}

#[cfg(feature = "aws")]
async fn connect(clock: WorldClock) -> Result<World, OpenError> {
    let cloud = AwsCloud::connect(crate::run::clock::machine_clock()).await?;
    Ok(World::Aws(Box::new(cloud), clock))
}

#[cfg(not(feature = "aws"))]
fn connect(_: WorldClock) -> std::future::Ready<Result<World, OpenError>> {
    std::future::ready(Err(OpenError::NoAws))
}
