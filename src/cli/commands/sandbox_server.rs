//! `sandbox-server`: the sandbox as an EC2 on loopback, for boto3, the AWS CLI and other processes of
//! snapkeep. Hidden: it is for trying things out, and nobody's backups depend on it.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::cli::args::{Global, SandboxServerArgs};
use crate::cli::usage;
use crate::cloud::sandbox::query::Server;
use crate::cloud::sandbox::{Sandbox, SandboxError};
use crate::report::ExitCode;
use crate::report::text::printable;
use crate::run::clock::machine_clock;
use crate::run::{Clock as _, Present, WorldClock, stop_on_signals};

use super::{print, tell};

pub(in crate::cli) async fn sandbox_server(
    global: &Global,
    args: &SandboxServerArgs,
) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() {
        return Err(usage("the sandbox is served on loopback only: nobody is asked who they are"));
    }
    let clock = WorldClock::new(&Present::from(global.now));
    let sandbox = match global.sandbox.as_ref().and_then(Option::as_ref) {
        Some(path) => Sandbox::open(path, clock.begun_at())?,
        None => Sandbox::demo(clock.begun_at()),
    };
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    print(&format!("http://{}\n", listener.local_addr()?))?;
    let complain = |err: SandboxError| {
        tell(&format!("warning: {}", printable(&format!("{:#}", anyhow::Error::new(err)))));
    };
    let server = Server::new(sandbox, Arc::new(move || clock.now()), machine_clock(), complain);
    let stop = stop_on_signals(|| ());
    match stop.unless_set(server.serve(listener)).await {
        // Nothing is kept that is not in the file by now.
        None => Ok(ExitCode::Done),
        Some(ended) => match ended.context("no connection can be accepted any more")? {},
    }
}
