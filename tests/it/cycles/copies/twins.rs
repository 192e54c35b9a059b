//! Second copies of one slot: a second runner, and what becomes of them.

use chrono::TimeDelta;
use futures_util::future::join;
use snapkeep::cloud::Cloud as _;
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::{Snapshot, SnapshotState};
use snapkeep::domain::tags;
use snapkeep::execute::Stop;
use snapkeep::plan::{ExpireReason, Request};
use snapkeep::run::{self, SandboxClock};

use super::{KINDS, Kind, Thing, complete, copies, ops, planned, settle};
use crate::cycles::world::{World, config, eu, us, words};

/// Begins a second copy of what `copy` is a copy of, as a runner would that knows nothing of it.
async fn twin(world: &World, copy: &Thing) -> ResourceId {
    let parent = copy.tag(tags::COPY_OF).split_once('/').unwrap().1.parse().unwrap();
    let snapshot = world.find(&us(), copy.id.snapshot().unwrap()).unwrap();
    let request = snapkeep::cloud::CopySnapshot {
        source_region: eu(),
        source_snapshot_id: parent,
        is_source_encrypted: false,
        description: snapshot.description.to_string(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        tags: copy.tags.iter().map(|(key, value)| (key.into(), value.into())).collect(),
    };
    let us = us();
    let making = world.sandbox.copy_snapshot(&us, &request);
    world.sandbox.time().drive(making).await.unwrap().into()
}

fn set_state(world: &World, id: ResourceId, state: SnapshotState) {
    let snapshot = world.find(&us(), id.snapshot().unwrap()).unwrap();
    let (volume_size_gib, started_at) = (560, world.now());
    let started_at = if state == SnapshotState::Pending { started_at } else { snapshot.started_at };
    world.sandbox.add_snapshot(&us(), Snapshot { state, volume_size_gib, started_at, ..snapshot });
}

#[tokio::test]
async fn two_runners_at_once_end_with_one_copy_of_each() {
    for kind in KINDS {
        for seed in 0..8_i64 {
            let world = World::new();
            kind.source(&world);
            let text = kind.to_us();
            settle(&world, &text).await;
            world.wait(TimeDelta::hours(20));
            world.cycle(&text).await;
            world.wait(TimeDelta::minutes(30));
            let latency = TimeDelta::milliseconds(150 << seed);
            world.sandbox.set(|settings| {
                settings.latency = latency;
                settings.invisible_for = TimeDelta::seconds(seed % 3 * 20);
            });
            let parsed = config(&text);
            let clock = SandboxClock(world.sandbox.time().clone());
            let (_sender, stop) = Stop::new();
            let run_after = async |pause: TimeDelta| {
                world.sandbox.time().sleep_until(world.now() + pause).await;
                let request = Request::at(world.now());
                run::run(&world.sandbox, &clock, &parsed, &request, &stop, &()).await
            };
            let later = latency * i32::try_from(seed % 5).unwrap() / 3;
            let both = join(run_after(TimeDelta::zero()), run_after(later));
            let (one, other) = world.sandbox.time().drive(both).await;
            for report in [&one, &other] {
                assert!(!words(report).contains(&"failed"), "{kind:?} {seed}: {report:#?}");
            }
            world.sandbox.set(|settings| {
                settings.latency = TimeDelta::zero();
                settings.invisible_for = TimeDelta::zero();
            });
            world.wait(TimeDelta::minutes(3));
            settle(&world, &text).await;
            let left = copies(&world, &us());
            assert_eq!(
                (left.len(), complete(&left)),
                (2 * kind.n(), 2 * kind.n()),
                "{kind:?} {seed}"
            );
        }
    }
}

#[tokio::test]
async fn a_twin_goes_once_one_copy_is_complete_and_the_earliest_stays() {
    for kind in [Kind::Set, Kind::Volume] {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        settle(&world, &config).await;
        let first = copies(&world, &us());
        let mut twins = Vec::new();
        for copy in &first {
            twins.push(twin(&world, copy).await);
        }
        let report = world.cycle(&config).await;
        assert!(report.plan.actions.is_empty(), "the twins are under way");
        world.wait(TimeDelta::hours(1));
        let report = world.cycle(&config).await;
        let reasons = report.plan.actions.iter().filter_map(|action| action.as_delete());
        let reasons: Vec<_> = reasons.map(|delete| delete.reason).collect();
        assert_eq!(reasons, vec![ExpireReason::Surplus; kind.n()], "{kind:?}");
        world.assert_nothing_left(&config, &report).await;
        let left = copies(&world, &us());
        assert!(left.iter().all(|copy| first.iter().any(|f| f.id == copy.id)));
        assert_eq!(left.len(), kind.n());
    }
}

#[tokio::test]
async fn a_twin_of_one_volume_brings_no_third_copy_of_another() {
    let world = World::new();
    Kind::Set.source(&world);
    let config = Kind::Set.to_us();
    settle(&world, &config).await;
    let first = copies(&world, &us());
    for (n, copy) in first.iter().enumerate() {
        let twin = twin(&world, copy).await;
        let plan = world.plan(&config).await;
        assert!(planned(&plan).is_empty(), "the other is complete, the twin {n} under way");
        world.wait(TimeDelta::hours(1));
        let report = world.cycle(&config).await;
        assert_eq!(ops(&report.plan).get("DeleteSnapshot"), Some(&1));
        assert!(copies(&world, &us()).iter().all(|copy| copy.id != twin));
    }
    assert_eq!(copies(&world, &us()).len(), 2);
}

#[tokio::test]
async fn while_nothing_is_complete_a_twin_of_one_volume_brings_no_third_copy_either() {
    let world = World::new();
    Kind::Set.source(&world);
    let config = Kind::Set.to_us();
    settle(&world, &config).await;
    world.wait(TimeDelta::hours(20));
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    let report = world.cycle(&config).await;
    assert_eq!(planned(&report.plan).len(), 2, "the second day has a base");
    let n_before = copies(&world, &us()).len();
    let begun = copies(&world, &us());
    for copy in begun.iter().filter(|copy| !copy.state.is_complete()) {
        twin(&world, copy).await;
        let plan = world.plan(&config).await;
        assert!(planned(&plan).is_empty(), "{:#?}", planned(&plan));
    }
    settle(&world, &config).await;
    assert_eq!(copies(&world, &us()).len(), n_before);
}

#[tokio::test]
async fn a_twin_stays_while_the_other_copy_may_fail_and_if_it_does() {
    let world = World::new();
    Kind::Volume.source(&world);
    let config = Kind::Volume.to_us();
    settle(&world, &config).await;
    let first = copies(&world, &us()).remove(0);
    let second = twin(&world, &first).await;
    set_state(&world, first.id, SnapshotState::Pending);
    set_state(&world, second, SnapshotState::Completed);
    let report = world.cycle(&config).await;
    assert!(report.plan.actions.is_empty(), "the first may yet be complete");
    world.sandbox.fail_snapshot(&us(), first.id.snapshot().unwrap(), "Internal error");
    settle(&world, &config).await;
    assert!(copies(&world, &us()).iter().any(|copy| copy.id == second));
    assert_eq!(complete(&copies(&world, &us())), 1);
    assert_eq!(world.sandbox.n_calls("CopySnapshot"), 2);
}
