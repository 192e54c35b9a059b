//! One account played three times: by the sandbox in this process, by the sandbox over HTTP, which the
//! real adapter reads, and by an EC2 API server that others wrote.
//!
//! `tests/conformance/NAME.json` is a scenario: a scene, as `tests/moto/server.py` describes it, and calls
//! on it; `NAME.txt` is what the sandbox answers. What moto answers otherwise stands in
//! `differences.toml`, each with the reason and what AWS's documentation says. A difference that is not
//! there is a failure, and so is one that is there no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use snapbox::{Data, IntoData as _, assert_data_eq};
use snapkeep::cloud::Cloud;
use snapkeep::cloud::aws::AwsCloud;
use snapkeep::cloud::sandbox::Sandbox;

use crate::support::ec2::Ec2;
use crate::support::moto::Moto;
use crate::support::scene;

mod render;
mod signed;
mod steps;

use steps::{Player, Step};

/// A scene and what is asked of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    scene: serde_json::Value,
    steps: Vec<Step>,
}

/// What moto answers otherwise, and why that is no fault of the sandbox.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The scenario.
    scenario: String,
    /// The step's heading, such as `3 DeleteSnapshot us-east-1 …`.
    step: String,
    /// What moto answers.
    moto: String,
    /// Why.
    reason: String,
    /// What AWS says.
    documentation: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    difference: Vec<Difference>,
}

/// Where a scenario is played.
trait Stage {
    fn cloud(&self) -> &impl Cloud;
    fn set_now(&self, now: &str);
    /// How often each call was made, as `REGION ACTION`.
    fn n_calls(&self) -> BTreeMap<String, usize>;
}

impl Stage for Sandbox {
    fn cloud(&self) -> &impl Cloud {
        self
    }

    fn set_now(&self, now: &str) {
        self.time().advance_to(now.parse().unwrap());
    }

    fn n_calls(&self) -> BTreeMap<String, usize> {
        let calls = self.calls().into_iter();
        calls.map(|((region, operation), n)| (format!("{region} {operation}"), n)).collect()
    }
}

impl Stage for (Ec2, AwsCloud) {
    fn cloud(&self) -> &impl Cloud {
        &self.1
    }

    fn set_now(&self, now: &str) {
        self.0.sandbox.set_now(now);
    }

    fn n_calls(&self) -> BTreeMap<String, usize> {
        counted(self.0.calls().into_iter().map(|c| (c.region, c.operation, c.params)))
    }
}

impl Stage for (Moto, AwsCloud) {
    fn cloud(&self) -> &impl Cloud {
        &self.1
    }

    fn set_now(&self, now: &str) {
        self.0.set_now(now);
    }

    fn n_calls(&self) -> BTreeMap<String, usize> {
        counted(self.0.calls().into_iter().map(|c| (c.region, c.action, c.params)))
    }
}

/// Counts the calls that were not only asked whether they are allowed.
fn counted(
    calls: impl Iterator<Item = (String, String, BTreeMap<String, String>)>,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (region, operation, params) in calls {
        if params.get("DryRun").is_none_or(|value| value != "true") {
            *counts.entry(format!("{region} {operation}")).or_default() += 1;
        }
    }
    counts
}

/// Each step's heading with what came of it.
type Transcript = Vec<(String, String)>;

async fn play(stage: &impl Stage, steps: &[Step]) -> Transcript {
    let mut player = Player::default();
    let mut transcript = Transcript::new();
    for (n, step) in steps.iter().enumerate() {
        let answer = player.play(stage, step).await;
        transcript.push((format!("{} {step}", n + 1), answer));
    }
    transcript
}

fn text(transcript: &Transcript) -> String {
    let steps = transcript.iter().map(|(step, answer)| format!("{step}\n{answer}"));
    steps.collect::<Vec<_>>().concat()
}

/// Plays a scenario on all three stages.
async fn check(name: &str) {
    let scenario = fs::read_to_string(file(&format!("{name}.json"))).unwrap();
    let Scenario { scene, steps } = serde_json::from_str(&scenario).unwrap();
    let here = play(&scene::sandbox(&scene), &steps).await;
    // As it is: snapbox would take a backslash for a path's.
    let golden = Data::read_from(&file(&format!("{name}.txt")), None);
    assert_data_eq!(text(&here).raw(), golden.raw());

    let ec2 = Ec2::start(scene::sandbox(&scene));
    let cloud = ec2.cloud().await;
    let over_http = play(&(ec2, cloud), &steps).await;
    assert_data_eq!(text(&over_http).raw(), text(&here).raw());

    let moto = Moto::start(&scene);
    let cloud = moto.cloud().await;
    let by_others = play(&(moto, cloud), &steps).await;
    let found: BTreeMap<&str, &str> = here
        .iter()
        .zip(&by_others)
        .filter(|((_, ours), (_, theirs))| ours != theirs)
        .map(|((step, _), (_, theirs))| (step.as_str(), theirs.as_str()))
        .collect();
    let all = fs::read_to_string(file("differences.toml")).unwrap();
    let Differences { difference: listed } = toml::from_str(&all).unwrap();
    let listed: BTreeMap<&str, &Difference> =
        listed.iter().filter(|d| d.scenario == name).map(|d| (d.step.as_str(), d)).collect();
    let is_listed = |(step, theirs): &(&&str, &&str)| {
        listed.get(**step).is_some_and(|difference| difference.moto == **theirs)
    };
    let missing = found.iter().filter(|difference| !is_listed(difference)).map(|(step, theirs)| {
        format!("[[difference]]\nscenario = \"{name}\"\nstep = '{step}'\nmoto = '''\n{theirs}'''\n")
    });
    let missing: Vec<String> = missing.collect();
    assert!(missing.is_empty(), "differences that are not listed:\n{}", missing.join("\n"));
    for (step, difference) in listed {
        assert!(found.contains_key(step), "there is no difference any more: {name}: {step}");
        let is_explained = [&difference.reason, &difference.documentation];
        assert!(is_explained.iter().all(|text| !text.trim().is_empty()), "{name}: {step}");
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

#[test]
fn every_scenario_is_played() {
    let listed = fs::read_dir(file("")).unwrap().map(|entry| entry.unwrap().path());
    let scenarios = listed.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut names: Vec<String> =
        scenarios.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["copies", "denied", "images", "listings", "snapshots"]);
}

#[tokio::test]
async fn listings() {
    check("listings").await;
}

#[tokio::test]
async fn snapshots() {
    check("snapshots").await;
}

#[tokio::test]
async fn images() {
    check("images").await;
}

#[tokio::test]
async fn copies() {
    check("copies").await;
}

#[tokio::test]
async fn denied() {
    check("denied").await;
}
