//! The program, as processes of their own, against the sandbox over sockets that the test breaks; and
//! other people's clients against it.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

use chrono::{DateTime, Utc};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::Config;
use snapkeep::execute::Stop;
use snapkeep::plan::Request;
use snapkeep::run::{self, Report, SandboxClock};
use tempfile::TempDir;

use crate::moto_cli::Ended;
use crate::support::ec2::Ec2;

mod account;
mod clients;
mod faults;
mod killed;
mod order;
mod scenes;
mod together;

/// A machine with snapkeep and its configuration.
struct Machine {
    home: TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Machine {
    fn new(ec2: &Ec2, config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("snapkeep.toml"), config).unwrap();
        let mut env: BTreeMap<_, _> = ec2.env().into_iter().collect();
        env.insert("SNAPKEEP_CONFIG", "snapkeep.toml".to_owned());
        env.insert("HOME", home.path().display().to_string());
        // Of this machine alone: others are other machines.
        env.insert("SNAPKEEP_LOCK_DIR", home.path().display().to_string());
        Self { home, env }
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
        command.args(args.split_whitespace()).current_dir(self.home.path());
        command.env_clear().envs(&self.env).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, args: &str) -> Child {
        self.command(args).spawn().unwrap()
    }

    fn snapkeep(&self, args: &str) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }
}

/// Runs a cycle in this process, without any wire, at an instant to which the clock moves.
fn cycle(sandbox: &Sandbox, config: &Config, now: &str) -> Report {
    let now: DateTime<Utc> = now.parse().unwrap();
    sandbox.time().advance_to(now);
    let (_sender, stop) = Stop::new();
    let clock = SandboxClock(sandbox.time().clone());
    let request = Request::at(now);
    let cycle = run::run(sandbox, &clock, config, &request, &stop, &());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sandbox.time().drive(cycle))
}

fn config(text: &str) -> Config {
    match snapkeep::config::parse(&[("test.toml".to_owned(), text.to_owned())]) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// Waits for what is sent for as long as a busy machine may need; says what never came.
#[track_caller]
fn awaited<T>(receiver: &std::sync::mpsc::Receiver<T>, what: &str) -> T {
    let within = std::time::Duration::from_mins(1);
    receiver.recv_timeout(within).unwrap_or_else(|_| panic!("{what} never came"))
}
