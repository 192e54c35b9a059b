//! What is planned, as files that a person can review: `tests/plans/NAME.scene` is an account with the
//! policies over it, `NAME.plan` the plan. `SNAPSHOTS=overwrite` writes the plans.
//!
//! A scene begins with `now INSTANT`, then come policies as in a configuration, then, after a line
//! `---`, one thing a line (`tests/simulation/model/scene.rs` tells how).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use snapbox::{Assert, Data};
use snapkeep::domain::tags::DEVICES;
use snapkeep::plan::{Action, ChosenVolume, Op, Plan, Request, plan};

use crate::simulation_model::scene::Scene;

#[test]
fn plans_are_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|is| is == "scene")).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let assert = Assert::new().action_env("SNAPSHOTS");
    let mut wrong = Vec::new();
    for path in paths {
        let scene = fs::read_to_string(&path).unwrap();
        let expected = Data::read_from(&path.with_extension("plan"), None);
        let outcome = assert.try_eq(Some(&path.display()), rendered(&scene).into(), expected.raw());
        wrong.extend(outcome.err().map(|err| err.to_string()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plans `text`, and renders the plan.
fn rendered(text: &str) -> String {
    let (now, rest) = text.split_once('\n').unwrap();
    let (policies, account) = rest.split_once("\n---\n").unwrap();
    let scene = Scene::new(policies, now.strip_prefix("now ").unwrap(), account);
    lines(&plan(&scene.config, &scene.inventory, &Request::at(scene.now)))
}

/// Renders all that a plan decides, a line each.
fn lines(plan: &Plan) -> String {
    let mut res = String::new();
    for action in &plan.actions {
        writeln!(res, "{}{}", action.id(), details(action)).unwrap();
    }
    for withheld in &plan.withheld {
        writeln!(res, "withheld: {} ({})", withheld.action.id(), withheld.limit).unwrap();
    }
    for keep in &plan.keeps {
        writeln!(res, "keep {}/{}: {keep}", keep.region, keep.resource).unwrap();
    }
    for waiting in &plan.waiting {
        let by_itself = if waiting.ends_by_itself { "; ends by itself" } else { "" };
        let at = waiting.not_before.map_or_else(String::new, |at| format!("; not before {at}"));
        let (region, resource, reason) = (waiting.region, &waiting.resource, &waiting.reason);
        writeln!(res, "wait {region}/{resource}: {reason}{at}{by_itself}").unwrap();
    }
    for ((policy, region), n_points) in &plan.n_points {
        writeln!(res, "{n_points} points of `{policy}` in {region}").unwrap();
    }
    for note in &plan.notes {
        writeln!(res, "{:?}: {}", note.severity, note.message).unwrap();
    }
    res
}

/// Renders what an action is made with, and what it was planned against.
fn details(action: &Action) -> String {
    let mut facts = Vec::new();
    let mut list = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            facts.push(format!("{name} {}", items.join(" ")));
        }
    };
    if let Some(delete) = action.as_delete() {
        list("because", vec![delete.reason.to_string()]);
        list("stays", delete.stays.iter().map(ToString::to_string).collect());
        list("stays", delete.stays_elsewhere.iter().map(ToString::to_string).collect());
    }
    let volumes = |volumes: &[ChosenVolume]| {
        let volume = |volume: &ChosenVolume| {
            let at = volume.not_before.map_or_else(String::new, |at| format!(" not before {at}"));
            format!("{}{at}", volume.volume_id)
        };
        volumes.iter().map(volume).collect::<Vec<_>>()
    };
    match &action.op {
        Op::CreateSnapshots(set) => list("of", volumes(&set.volumes)),
        Op::CreateSnapshot(one) => list("of", volumes(std::slice::from_ref(&one.volume))),
        Op::CreateImage(image) => {
            list("of", volumes(&image.volumes));
            list("tags of its snapshots", vec![image.snapshot_tags.len().to_string()]);
        }
        Op::CopySnapshot(copy) | Op::CopyImage(copy) => {
            list("attempt", vec![copy.attempt.to_string()]);
            list("beside", copy.known.iter().map(ToString::to_string).collect());
        }
        _ => {}
    }
    if let Some(point) = action.as_creation() {
        list("attempt", vec![point.attempt.to_string()]);
        list("tags", vec![point.tags.len().to_string()]);
        let devices = point.tags.iter().find(|(key, _)| &**key == DEVICES);
        list("devices", devices.iter().map(|(_, value)| value.to_string()).collect());
        list("beside", point.known.iter().map(ToString::to_string).collect());
    }
    list("after", action.after());
    if facts.is_empty() { String::new() } else { format!("\n    {}", facts.join("\n    ")) }
}
