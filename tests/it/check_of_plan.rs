//! The check of the finished plan finds every broken promise, whoever broke it.
//!
//! Each test takes a right plan for the demonstration account, breaks one thing in plan or
//! inventory as a bug in the planner would, and expects a fatal note about it.

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::config::{Config, parse};
use snapkeep::domain::failure::Failure;
use snapkeep::domain::inventory::{Gap, Inventory, Listing, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::domain::tags::Tags;
use snapkeep::plan::{
    Action, Delete, ExpireReason, NewPoint, Op, Plan, Request, ResourceState, Severity,
    check::check, plan,
};

mod joined;
mod points;

struct Scene {
    config: Config,
    inventory: Inventory,
    request: Request,
    plan: Plan,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let now: DateTime<Utc> = "2026-11-20T03:10:00Z".parse().unwrap();
        let text = include_str!("../../config/snapkeep.toml");
        let config = parse(&[("snapkeep.toml".to_owned(), format!("{text}\n{more}"))]).unwrap();
        let inventory = Sandbox::demo(now).inventory();
        let request = Request::at(now);
        let plan = plan(&config, &inventory, &request);
        Self { config, inventory, request, plan }
    }

    fn broken(&self) -> Vec<String> {
        let notes = check(&self.config, &self.inventory, &self.request, &self.plan);
        assert!(notes.iter().all(|note| note.severity == Severity::Fatal));
        notes.into_iter().map(|note| note.message).collect()
    }

    /// Returns a snapshot of us-east-1 that fulfils `is_it`.
    fn snapshot(&self, is_it: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let snapshots = &self.inventory.regions[&region()].snapshots;
        snapshots.iter().find(|snapshot| is_it(snapshot)).unwrap().clone()
    }

    /// Plans the deletion of `snapshot`, as a planner gone wrong would.
    fn delete(&mut self, snapshot: &Snapshot) {
        self.plan.keeps.retain(|keep| keep.resource != snapshot.id.into());
        self.plan.actions.push(Action {
            policy: "servers".into(),
            region: region(),
            op: Op::DeleteSnapshot(Delete {
                resource: snapshot.id.into(),
                volume_id: snapshot.volume_id,
                source: snapshot.volume_id.map(Source::Volume).unwrap(),
                size_gib: 1,
                started_at: Some(snapshot.started_at),
                state: ResourceState::Snapshot(snapshot.state),
                tags: snapshot.tags.clone(),
                point_time: snapshot.started_at,
                reason: ExpireReason::Surplus,
                stays: [].into(),
                stays_elsewhere: [].into(),
                after: vec![],
                backs: None,
            }),
        });
    }

    fn assert_broken(&self, expected: &str) {
        let broken = self.broken();
        assert!(broken.iter().any(|text| text.contains(expected)), "{expected}: {broken:?}");
    }
}

fn region() -> Region {
    "us-east-1".parse().unwrap()
}

fn is_ours(snapshot: &Snapshot) -> bool {
    snapshot.tags.get("snapkeep:owner") == Some("main")
        && snapshot.state == SnapshotState::Completed
}

#[test]
fn a_right_plan_breaks_nothing() {
    let scene = Scene::new();
    assert!(scene.plan.actions.iter().any(|action| action.as_delete().is_some()));
    assert_eq!(scene.broken(), [] as [&str; 0]);
}

#[test]
fn deleting_what_is_held_is_found() {
    let mut scene = Scene::new();
    let held = scene.snapshot(|s| s.tags.has("snapkeep:hold"));
    scene.delete(&held);
    scene.assert_broken("is held and is to be deleted");
}

#[test]
fn deleting_what_is_locked_is_found() {
    let mut scene = Scene::new();
    let snapshot = scene.snapshot(is_ours);
    scene.inventory.regions.get_mut(&region()).unwrap().locked.insert(snapshot.id);
    scene.delete(&snapshot);
    scene.assert_broken("is locked and is to be deleted");
}

#[test]
fn deleting_what_backs_an_image_is_found() {
    let mut scene = Scene::new();
    let images = &scene.inventory.regions[&region()].images;
    let backing = images[0].snapshot_ids[0];
    let snapshot = scene.snapshot(|s| s.id == backing);
    scene.delete(&snapshot);
    scene.assert_broken("and is to be deleted");
    scene.assert_broken("backs ami-");
}

#[test]
fn deleting_what_aws_backup_manages_is_found() {
    let mut scene = Scene::new();
    let managed = scene.snapshot(|s| s.tags.iter().any(|(k, _)| k.starts_with("aws:backup:")));
    scene.delete(&managed);
    scene.assert_broken("is managed by another service");
}

#[test]
fn deleting_what_is_nobodys_is_found() {
    let mut scene = Scene::new();
    let mut stranger = scene.snapshot(is_ours);
    stranger.id = "snap-00000000000000001".parse().unwrap();
    stranger.tags = Tags::default();
    let region = scene.inventory.regions.get_mut(&region()).unwrap();
    region.snapshots.push(stranger.clone());
    scene.delete(&stranger);
    scene.assert_broken("is neither ours nor adopted");
}

#[test]
fn deleting_another_installations_snapshot_is_found() {
    let mut scene = Scene::with("[defaults]\nowner = \"another\"");
    let snapshot = scene.snapshot(is_ours);
    scene.delete(&snapshot);
    scene.assert_broken("is neither ours nor adopted");
}

#[test]
fn deleting_the_newest_complete_point_is_found() {
    let mut scene = Scene::new();
    let newest = {
        let snapshots = &scene.inventory.regions[&region()].snapshots;
        snapshots.iter().filter(|s| is_ours(s)).max_by_key(|s| s.started_at).unwrap().clone()
    };
    scene.delete(&newest);
    scene.assert_broken("would lose 1 of the newest 1 points");
}

#[test]
fn deleting_what_was_not_observed_is_found() {
    let mut scene = Scene::new();
    let mut unknown = scene.snapshot(is_ours);
    unknown.id = "snap-00000000000000001".parse().unwrap();
    scene.delete(&unknown);
    scene.assert_broken("was not observed");
}

#[test]
fn deleting_twice_and_deleting_what_is_kept_is_found() {
    let mut scene = Scene::new();
    let action = scene.plan.actions.last().unwrap().clone();
    scene.plan.actions.push(action);
    scene.assert_broken("is planned twice");

    let mut scene = Scene::new();
    let kept = scene.plan.keeps[0].clone();
    let snapshot = {
        let snapshots = &scene.inventory.regions[&kept.region].snapshots;
        snapshots.iter().find(|s| kept.resource == s.id.into()).unwrap().clone()
    };
    scene.delete(&snapshot);
    scene.plan.actions.last_mut().unwrap().region = kept.region;
    scene.plan.keeps.push(kept);
    scene.assert_broken("is both kept and deleted");
}

#[test]
fn acting_on_a_gap_is_found() {
    for listing in [Listing::Snapshots, Listing::Images] {
        let mut scene = Scene::new();
        let gap = Gap { listing, error: Failure::lasting("cut off") };
        scene.inventory.regions.get_mut(&region()).unwrap().gaps.push(gap);
        scene.assert_broken(&format!("deletions although {} has a gap", listing.operation()));
        scene.assert_broken(&format!("creations although {} has a gap", listing.operation()));
    }
}

#[test]
fn deleting_by_a_clock_that_is_off_is_found() {
    let mut scene = Scene::new();
    scene.inventory.clock_skew = Some(TimeDelta::minutes(6));
    scene.assert_broken("although the clock is off");
    scene.inventory.clock_skew = Some(TimeDelta::minutes(-6));
    scene.assert_broken("although the clock is off");
    scene.inventory.clock_skew = Some(TimeDelta::minutes(5));
    assert_eq!(scene.broken(), [] as [&str; 0]);
}

#[test]
fn making_a_point_that_is_there_is_found() {
    let mut scene = Scene::new();
    let creation = scene.plan.actions.iter().find(|action| action.as_creation().is_some());
    let creation = creation.unwrap().clone();
    let point = creation.as_creation().unwrap();
    let mut there = scene.snapshot(is_ours);
    there.tags = point.tags.iter().cloned().collect();
    let Op::CreateSnapshots(set) = &creation.op else {
        unreachable!("the demonstration makes sets")
    };
    there.volume_id = Some(set.volumes[0].volume_id);
    there.started_at = point.slot;
    let region = scene.inventory.regions.get_mut(&creation.region).unwrap();
    region.snapshots.push(there);
    scene.assert_broken("is there already");
}

#[test]
fn a_description_that_says_something_else_than_the_tags_is_found() {
    let change: [fn(&mut NewPoint); 3] = [
        |point| point.description = point.description.replace("snapkeep servers", "snapkeep web"),
        |point| point.description.push('Z'),
        |point| point.description.clear(),
    ];
    for change in change {
        let mut scene = Scene::new();
        let mut sets = scene.plan.actions.iter_mut().filter_map(|action| match &mut action.op {
            Op::CreateSnapshots(set) => Some(set),
            _ => None,
        });
        change(&mut sets.next().unwrap().point);
        drop(sets);
        scene.assert_broken("would not be known again by its description");
    }
}

#[test]
fn deleting_more_than_the_limit_is_found() {
    let mut scene = Scene::new();
    scene.request.max_deletes = Some(3);
    scene.assert_broken("over its limit");
}

#[test]
fn deleting_the_newest_adopted_snapshot_is_found() {
    let mut scene = Scene::with("[policy.adopt]\nall = true");
    let mut adopted = scene.snapshot(is_ours);
    adopted.id = "snap-00000000000000001".parse().unwrap();
    adopted.volume_id = Some("vol-00000000000000009".parse().unwrap());
    adopted.tags = Tags::default();
    let region = scene.inventory.regions.get_mut(&region()).unwrap();
    region.snapshots.push(adopted.clone());
    scene.delete(&adopted);
    scene.assert_broken("the newest adopted snapshot of vol-00000000000000009 would be deleted");
}
