//! Which EC2 a cycle talks to: the real one, the sandbox, or a saved inventory.
//!
//! Joins an EC2 with the clock that goes with it, so that whoever starts cycles need not know which
//! it is. Plans and decides nothing.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::cloud::files::{Files, FilesError};
use crate::cloud::layered::Layered;
use crate::cloud::sandbox::{Sandbox, SandboxError};
use crate::cloud::{Cloud as _, Publish};
use crate::config::{AccountName, Config, Role};
use crate::domain::inventory::Inventory;
use crate::domain::region::Region;
use crate::execute::{Clock as _, Progress, Stop};
use crate::plan::preflight::Preflight;
use crate::plan::{Plan, Request};
use crate::run::accounts::OWN;
use crate::run::cycle::{Report, carry_out, run};
use crate::run::wait::run_until_settled;
use crate::run::{Locks, Present, SandboxClock, WorldClock, observe, observe_saved, preflight};

#[cfg(feature = "aws")]
use tokio::sync::OnceCell;

#[cfg(feature = "aws")]
use crate::cloud::aws::{AssumeRole, AwsCloud, ConnectError, Defaults};
#[cfg(feature = "aws")]
use crate::run::clock::machine_clock;

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

/// Opens the EC2 of one account after the other.
pub struct Opener {
    choice: Choice,
    present: Present,
    #[cfg(feature = "aws")]
    defaults: OnceCell<Defaults>,
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
    /// No policy applies in any of the accounts that are wanted.
    #[error("no policy applies in the account that is named")]
    NoAccount,
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

impl Opener {
    /// Prepares to open what is wanted; what is no sandbox has its instant from `present`.
    pub fn new(choice: &Choice, present: &Present) -> Self {
        Self {
            choice: choice.clone(),
            present: present.clone(),
            #[cfg(feature = "aws")]
            defaults: OnceCell::new(),
        }
    }

    /// Opens the EC2 of an account of `config`: with its role's credentials, or with those that
    /// snapkeep was started with.
    pub async fn open(&self, config: &Config, name: &AccountName) -> Result<World, OpenError> {
        let clock = WorldClock::new(&self.present);
        let role = name.as_ref().and_then(|name| config.roles.get(name));
        match &self.choice {
            // The SDK's futures are large.
            Choice::Aws => Box::pin(connect(self, role, clock)).await,
            Choice::Sandbox => Ok(in_account(Sandbox::demo(clock.begun_at()), role)),
            Choice::KeptSandbox(path) => {
                let mut path = path.clone().into_os_string();
                if let Some(name) = name {
                    path.push(format!(".{name}"));
                }
                let sandbox = kept_sandbox(&PathBuf::from(path), &self.present, &clock)?;
                Ok(in_account(sandbox, role))
            }
            Choice::Saved(dir) if config.account_names().iter().any(Option::is_some) => {
                let dir = dir.join(name.as_deref().unwrap_or(OWN));
                Ok(World::Files(Files::open(&dir)?, clock))
            }
            Choice::Saved(dir) => Ok(World::Files(Files::open(dir)?, clock)),
        }
    }

    /// Opens the EC2 of the own account although no policy applies in it; none but the real one is
    /// any use then.
    pub async fn open_own(&self, config: &Config) -> Result<Option<World>, OpenError> {
        match self.choice {
            Choice::Aws => self.open(config, &None).await.map(Some),
            Choice::Sandbox | Choice::KeptSandbox(_) | Choice::Saved(_) => Ok(None),
        }
    }
}

/// Makes a sandbox that of the role's account.
fn in_account(sandbox: Sandbox, role: Option<&Role>) -> World {
    if let Some(id) = role.and_then(Role::account_id) {
        sandbox.set_account(id);
    }
    World::Sandbox(Box::new(sandbox))
}

impl World {
    /// Returns the instant to plan for when a command starts: when the world was opened.
    pub fn begun_at(&self) -> DateTime<Utc> {
        match self {
            Self::Sandbox(sandbox) => sandbox.time().now(),
            Self::Files(_, clock) => clock.begun_at(),
            #[cfg(feature = "aws")]
            Self::Aws(_, clock) => clock.begun_at(),
        }
    }

    /// Waits until `at` by the clock of the world; not at all if that has passed.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        match self {
            Self::Sandbox(sandbox) => sandbox.time().sleep_until(at).await,
            Self::Files(_, clock) => clock.sleep_until(at).await,
            #[cfg(feature = "aws")]
            Self::Aws(_, clock) => clock.sleep_until(at).await,
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
                let cloud = Layered::counted(sandbox.as_ref());
                let inventory = sandbox.time().drive(observe(&cloud, config, request)).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
                inventory
            }
            Self::Files(files, _) => observe_saved(files, config),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => {
                let cloud = Layered::counted(cloud.as_ref());
                let inventory = observe(&cloud, config, request).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
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
                let cloud = Layered::counted(sandbox.as_ref());
                let cycle = run(&cloud, &clock, config, request, stop, progress);
                let report = sandbox.time().drive(cycle).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
                sandbox.save().map_err(WorldError::Unkept)?;
                Ok(report)
            }
            Self::Files(..) => Err(WorldError::OnlySaved),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, clock) => {
                let cloud = Layered::counted(cloud.as_ref());
                let report = Box::pin(run(&cloud, clock, config, request, stop, progress)).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
                Ok(report)
            }
        }
    }

    /// Carries out a plan, or the part of one.
    pub async fn carry_out(
        &self,
        config: &Config,
        plan: Plan,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Result<Report, WorldError> {
        match self {
            Self::Sandbox(sandbox) => {
                let clock = SandboxClock(sandbox.time().clone());
                let cloud = Layered::counted(sandbox.as_ref());
                let carrying_out = carry_out(&cloud, &clock, config, plan, stop, progress);
                let report = sandbox.time().drive(carrying_out).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
                sandbox.save().map_err(WorldError::Unkept)?;
                Ok(report)
            }
            Self::Files(..) => Err(WorldError::OnlySaved),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, clock) => {
                let cloud = Layered::counted(cloud.as_ref());
                let report = carry_out(&cloud, clock, config, plan, stop, progress).await;
                progress.called(config.account.as_ref(), &cloud.into_calls());
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

    /// Returns true if nothing real is behind it, so that nobody real is to be told of it.
    pub fn is_sandbox(&self) -> bool {
        matches!(self, Self::Sandbox(_))
    }

    /// Publishes a message to an SNS topic with the credentials of this account.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    pub async fn publish(&self, region: &Region, request: &Publish) -> Result<(), String> {
        match self {
            Self::Sandbox(sandbox) => {
                let published = sandbox.time().drive(sandbox.publish(region, request)).await;
                published.map_err(|err| err.reason())
            }
            Self::Files(..) => Err(WorldError::OnlySaved.to_string()),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => cloud.publish(region, request).await.map_err(|err| err.reason()),
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
async fn connect(
    opener: &Opener,
    role: Option<&Role>,
    clock: WorldClock,
) -> Result<World, OpenError> {
    let role = role.map(|role| AssumeRole {
        arn: role.arn.as_ref().to_owned(),
        external_id: role.external_id.as_deref().map(str::to_owned),
    });
    let defaults = opener.defaults.get_or_init(Defaults::load).await;
    let cloud = AwsCloud::connect(defaults, role.as_ref(), machine_clock()).await?;
    Ok(World::Aws(Box::new(cloud), clock))
}

#[cfg(not(feature = "aws"))]
fn connect(
    _: &Opener,
    _: Option<&Role>,
    _: WorldClock,
) -> std::future::Ready<Result<World, OpenError>> {
    std::future::ready(Err(OpenError::NoAws))
}
