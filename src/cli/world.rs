//! Which EC2 a command talks to: the real one, the sandbox, or a saved inventory.

use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use crate::cli::args::Global;
use crate::cli::{chain, usage};
use crate::cloud::files::Files;
use crate::cloud::sandbox::Sandbox;
use crate::config::Config;
use crate::domain::inventory::Inventory;
use crate::run::{self, Progress, Report, Request, SandboxClock, Stop, SystemClock};

#[cfg(feature = "aws")]
use crate::cloud::aws::AwsCloud;

/// An EC2 to talk to.
pub(super) enum World {
    /// The one in memory, kept in a file if one is named.
    Sandbox(Box<Sandbox>),
    /// A saved inventory; can only be looked at.
    Files(Files, SystemClock),
    /// The real one, or whatever endpoint stands for it.
    #[cfg(feature = "aws")]
    Aws(Box<AwsCloud>, SystemClock),
}

impl World {
    /// Opens what the arguments name.
    pub(super) async fn open(global: &Global, inventory: Option<&Path>) -> anyhow::Result<Self> {
        let clock = SystemClock::new(global.now);
        if let Some(dir) = inventory {
            if global.sandbox.is_some() {
                return Err(usage("--inventory and --sandbox exclude each other"));
            }
            let files = Files::open(dir).map_err(|err| usage(chain(&err)))?;
            return Ok(Self::Files(files, clock));
        }
        if let Some(path) = &global.sandbox {
            let sandbox = match path {
                Some(path) if path.as_os_str() != "memory" => {
                    kept_sandbox(path, global.now, clock)?
                }
                Some(_) | None => Sandbox::demo(clock.begun_at()),
            };
            return Ok(Self::Sandbox(Box::new(sandbox)));
        }
        connect(clock).await
    }

    /// Returns the instant to plan for: the present one of this world.
    pub(super) fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Sandbox(sandbox) => sandbox.time().now(),
            Self::Files(_, clock) => clock.begun_at(),
            #[cfg(feature = "aws")]
            Self::Aws(_, clock) => clock.begun_at(),
        }
    }

    /// Returns true if nothing real is changed by acting at another instant than the present.
    pub(super) fn may_pretend_now(&self) -> bool {
        match self {
            Self::Sandbox(_) | Self::Files(..) => true,
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => cloud.endpoint_is_loopback(),
        }
    }

    /// Observes everything that `config` is about, for a plan that is asked for by `request`.
    pub(super) async fn observe(&self, config: &Config, request: &Request) -> Inventory {
        match self {
            Self::Sandbox(sandbox) => {
                sandbox.time().drive(run::observe(sandbox.as_ref(), config, request)).await
            }
            Self::Files(files, _) => run::observe_saved(files, config),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, _) => run::observe(cloud.as_ref(), config, request).await,
        }
    }

    /// Runs one cycle.
    pub(super) async fn run(
        &self,
        config: &Config,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> anyhow::Result<Report> {
        match self {
            Self::Sandbox(sandbox) => {
                let clock = SandboxClock(sandbox.time().clone());
                let cycle = run::run(sandbox.as_ref(), &clock, config, request, stop, progress);
                let report = sandbox.time().drive(cycle).await;
                sandbox.save().context("could not keep the sandbox")?;
                Ok(report)
            }
            Self::Files(..) => Err(usage("a saved inventory can only be planned for")),
            #[cfg(feature = "aws")]
            Self::Aws(cloud, clock) => {
                Ok(run::run(cloud.as_ref(), clock, config, request, stop, progress).await)
            }
        }
    }
}

/// Opens a sandbox's file; refuses to go back behind its own clock.
fn kept_sandbox(
    path: &Path,
    now: Option<DateTime<Utc>>,
    clock: SystemClock,
) -> anyhow::Result<Sandbox> {
    let sandbox = Sandbox::open(path, clock.begun_at()).map_err(|err| usage(chain(&err)))?;
    let reached = sandbox.time().now();
    match now {
        Some(now) if now < reached => Err(usage(format!(
            "the sandbox `{}` is at {} already; --now cannot go back",
            path.display(),
            reached.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        ))),
        Some(_) | None => Ok(sandbox),
    }
}

#[cfg(feature = "aws")]
async fn connect(clock: SystemClock) -> anyhow::Result<World> {
    let cloud = AwsCloud::connect(run::clock::machine_clock()).await;
    let cloud = cloud.map_err(|err| usage(err.to_string()))?;
    Ok(World::Aws(Box::new(cloud), clock))
}

#[cfg(not(feature = "aws"))]
fn connect(_: SystemClock) -> std::future::Ready<anyhow::Result<World>> {
    std::future::ready(Err(usage(
        "this build cannot talk to AWS (it was built without the feature `aws`); use --sandbox, or \
         plan with --inventory",
    )))
}
