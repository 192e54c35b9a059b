//! `serve`, the real program, over days that pass in seconds: its clock is fed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;

mod browser;
mod days;
mod locking;
mod manager;
mod signals;
mod start;
mod web;

/// Nothing that a test waits for takes so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ten minutes after the slot that the sandbox's history lacks.
const START: &str = "2026-11-20T03:10:00Z";

/// Every running instance of two regions of the sandbox.
const DAILY: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "1 month", monthly = "7 months" }
"#;

/// A directory with a configuration, and commands that run there.
struct Home(TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.configure(config);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn configure(&self, config: &str) {
        fs::write(self.path().join("snapkeep.toml"), config).unwrap();
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
        command.args(args.split_whitespace()).current_dir(self.path()).env_clear();
        command.env("SNAPKEEP_CONFIG", "snapkeep.toml").env("SNAPKEEP_LOCK_DIR", self.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    fn snapkeep(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts a service at [`START`].
    fn serve(&self, global: &str, args: &str) -> Service {
        self.serve_at(START, global, args)
    }

    fn serve_at(&self, now: &str, global: &str, args: &str) -> Service {
        let args = format!("{global} serve --clock stdin --listen 127.0.0.1:0 {args}");
        Service::start(self.command(&args), now)
    }

    /// Returns how many points of ours each source has of each slot, in the kept sandbox.
    fn points(&self) -> BTreeMap<(String, String), usize> {
        let dir = self.path().join("seen");
        let _ = fs::remove_dir_all(&dir);
        let saved = self.snapkeep("--sandbox=account.json inventory seen");
        assert!(saved.status.success(), "{saved:?}");
        let mut members: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut n_members: BTreeMap<(String, String), usize> = BTreeMap::new();
        for region in ["eu-west-1", "us-east-1"] {
            let text = fs::read_to_string(dir.join(region).join("snapshots.json")).unwrap();
            let listing: Value = serde_json::from_str(&text).unwrap();
            for snapshot in listing["Snapshots"].as_array().unwrap() {
                let tag = |key: &str| {
                    let tags = snapshot["Tags"].as_array().into_iter().flatten();
                    let mut found = tags.filter(|tag| tag["Key"] == key);
                    found.next().map(|tag| tag["Value"].as_str().unwrap().to_owned())
                };
                let (Some(source), Some(slot)) = (tag("snapkeep:source"), tag("snapkeep:slot"))
                else {
                    continue;
                };
                let point = (source, slot);
                let n: usize = tag("snapkeep:members").unwrap().parse().unwrap();
                *members.entry(point.clone()).or_default() += 1;
                n_members.insert(point, n);
            }
        }
        members.into_iter().map(|(point, n)| (point.clone(), n / n_members[&point])).collect()
    }

    /// Returns the slots from `first` on, and how many sources have a point of each.
    fn slots_since(&self, first: &str) -> Vec<(String, usize)> {
        let points = self.points();
        let mut slots: BTreeMap<String, usize> = BTreeMap::new();
        for ((source, slot), n) in points.into_iter().filter(|((_, slot), _)| *first <= **slot) {
            assert_eq!(n, 1, "{source} {slot}");
            *slots.entry(slot).or_default() += 1;
        }
        slots.into_iter().collect()
    }
}

/// A service that runs; it ends with the value.
pub(crate) struct Service {
    child: Child,
    clock: ChildStdin,
    stderr: Receiver<String>,
    stdout: Receiver<String>,
    heard: Vec<String>,
    port: u16,
}

impl Service {
    pub(crate) fn start(mut command: Command, now: &str) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let clock = child.stdin.take().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let stdout = lines(child.stdout.take().unwrap());
        let mut service = Self { child, clock, stderr, stdout, heard: Vec::new(), port: 0 };
        service.feed(now);
        let line = service.hear("listening on http://127.0.0.1:");
        service.port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        service
    }

    /// Tells the service what time it is.
    pub(crate) fn feed(&mut self, now: &str) {
        writeln!(self.clock, "{now}").unwrap();
    }

    /// Waits for a line on stderr that contains `part`.
    fn hear(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.stderr.recv_timeout(PATIENCE) else {
                panic!("`{part}` was not told, but:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until the service is idle; returns until when.
    pub(crate) fn idle(&mut self) -> String {
        let line = self.hear("idle until ");
        line["idle until ".len()..].split(',').next().unwrap().to_owned()
    }

    /// Lets time pass until the service would wait for longer than `end`.
    fn pass_until(&mut self, end: &str) -> usize {
        for n_cycles in 1..200 {
            let next = self.idle();
            if end < next.as_str() {
                return n_cycles;
            }
            self.feed(&next);
        }
        panic!("too many cycles:\n{}", self.heard.join("\n"));
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Ends the service; returns its exit code and what it wrote to stdout.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.signal("-TERM");
        self.ended()
    }

    /// Kills the service, as the kernel does when memory is short.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.ended().0, None);
    }

    /// Waits for the end.
    fn ended(mut self) -> (Option<i32>, String) {
        // Both streams end with the program.
        let mut stdout = Vec::new();
        loop {
            match self.stdout.recv_timeout(PATIENCE) {
                Ok(line) => stdout.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        (self.child.wait().unwrap().code(), stdout.join("\n"))
    }

    /// Asks the service; returns status, headers and body.
    fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n"));
        (status, body)
    }

    pub(crate) fn health(&self) -> (u16, Value) {
        let (status, body) = self.get("/healthz");
        (status, serde_json::from_str(&body).unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines on a thread of its own, so that waiting for one is bounded.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn t(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
