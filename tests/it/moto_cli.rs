//! The program against an EC2 API server that others wrote: what a person at a terminal or a timer
//! gets, and what EC2 is asked for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use snapkeep::cloud::{Cloud as _, CloudError, ImageFilter, Page, SnapshotFilter};
use snapkeep::domain::inventory::{Image, Snapshot};
use tempfile::TempDir;

use crate::support::moto::Moto;

mod accounts;
mod adopt;
mod bad_luck;
mod copies;
mod crashes;
mod cycle;
mod families;
mod images;
mod lambda;
mod log;
mod options;
mod preflight;
mod saved;
mod scene;
mod service;
mod telling;
mod together;
mod trouble;

/// A machine with snapkeep, its configuration, and an EC2.
struct Machine {
    moto: Moto,
    home: TempDir,
    env: BTreeMap<&'static str, String>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    fn new(scene: &Value, config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("snapkeep.toml"), config).unwrap();
        let moto = Moto::start(scene);
        let mut env: BTreeMap<_, _> = moto.env().into_iter().collect();
        env.insert("SNAPKEEP_CONFIG", "snapkeep.toml".to_owned());
        env.insert("HOME", home.path().display().to_string());
        // Other tests run at the same time, and some hang on purpose.
        env.insert("SNAPKEEP_LOCK_DIR", home.path().display().to_string());
        Self { moto, home, env }
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapkeep"));
        command.args(args.split_whitespace()).current_dir(self.home.path());
        command.env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    fn snapkeep(&self, args: &str) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    fn start(&self, args: &str) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Returns the path of something in the directory in which commands run.
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns how often each call was made, as `REGION ACTION`.
    fn n_calls(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.moto.calls() {
            *counts.entry(format!("{} {}", call.region, call.action)).or_default() += 1;
        }
        counts
    }

    /// Returns the values of one parameter of all calls of `action` in a region, sorted.
    fn asked(&self, region: &str, action: &str, param: &str) -> Vec<String> {
        let calls = self.moto.calls().into_iter();
        let of = calls.filter(|call| call.region == region && call.action == action);
        let mut values: Vec<String> = of.filter_map(|mut call| call.params.remove(param)).collect();
        values.sort();
        values
    }

    /// Returns the snapshots that are there now, by id.
    fn snapshots(&self, region: &str) -> BTreeMap<String, Snapshot> {
        let region = region.parse().unwrap();
        let listed = block_on(async {
            let cloud = self.moto.cloud().await;
            all(|token| cloud.describe_snapshots(&region, &SnapshotFilter::All, token)).await
        });
        listed.into_iter().map(|snapshot| (snapshot.id.to_string(), snapshot)).collect()
    }

    /// Returns the images that are there now, by id.
    fn images(&self, region: &str) -> BTreeMap<String, Image> {
        let region = region.parse().unwrap();
        let listed = block_on(async {
            let cloud = self.moto.cloud().await;
            all(|token| cloud.describe_images(&region, &ImageFilter::All, token)).await
        });
        listed.into_iter().map(|image| (image.id.to_string(), image)).collect()
    }
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn all<T, F: Future<Output = Result<Page<T>, CloudError>>>(
    page: impl Fn(Option<String>) -> F,
) -> Vec<T> {
    let (mut items, mut token) = (Vec::new(), None);
    loop {
        let listed = page(token).await.unwrap();
        items.extend(listed.items);
        token = listed.next_token;
        if token.is_none() {
            return items;
        }
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Returns stdout, after a check that the command ended with `code` and had no complaints.
    #[track_caller]
    pub(crate) fn quiet(self, code: i32) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(code), ""), "{}", self.stdout);
        self.stdout
    }

    /// Returns stdout as JSON, after a check that the command ended with `code`.
    #[track_caller]
    pub(crate) fn json(self, code: i32) -> Value {
        let json = serde_json::from_str(&self.quiet(code)).unwrap();
        assert_eq!(json_codes(&json)[0], i64::from(code));
        json
    }
}

fn json_codes(json: &Value) -> Vec<i64> {
    json["exit_codes"].as_array().unwrap().iter().map(|code| code.as_i64().unwrap()).collect()
}

/// Returns the ids that a plan deletes in a region, sorted.
fn deleted(plan: &Value, region: &str) -> Vec<String> {
    let actions = plan["actions"].as_array().unwrap().iter();
    let of = actions.filter(|a| a["op"] == "DeleteSnapshot" && a["region"] == region);
    let mut ids: Vec<String> = of.map(|a| a["resource"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Hides what differs between runs: the ids that moto gives to what is created, which have 17
/// digits where those of a scene have 8.
fn stable(text: &str) -> String {
    let mut parts = text.split("snap-");
    let mut res = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let n_digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        res.push_str("snap-");
        res.push_str(if n_digits == 17 { "[CREATED-HERE.]" } else { &part[..n_digits] });
        res.push_str(&part[n_digits..]);
    }
    res
}
