//! The queue of copies: EC2's limit, and what it costs to know how things stand.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::Snapshot;
use snapkeep::domain::region::Region;
use snapkeep::domain::tags;
use snapkeep::report::ExitCode;

use super::{Kind, TO_US, complete, copies, hourly, ops, planned, waits};
use crate::cycles::world::{World, eu, exit_code, us, words};

#[tokio::test]
async fn twenty_copies_run_at_a_destination_and_the_others_wait_for_the_next_cycle() {
    for (kind, n_sources, at_once) in
        [(Kind::Volume, 50, 20), (Kind::Set, 25, 20), (Kind::Image, 25, 10)]
    {
        let world = World::new();
        for _ in 0..n_sources {
            kind.source(&world);
        }
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let n_all = n_sources * kind.n();
        let mut n_begun = 0;
        while n_begun < n_all {
            let report = world.cycle(&config).await;
            let n = planned(&report.plan).len();
            assert_eq!(n, at_once.min(n_all - n_begun), "{kind:?}");
            assert!(words(&report).iter().all(|word| *word == "done"), "{kind:?}");
            n_begun += n;
            let report = world.cycle(&config).await;
            assert!(report.plan.actions.is_empty(), "{kind:?}: as many run as may");
            assert_eq!(exit_code(&report), ExitCode::Done);
            let n_told = waits(&report.plan).matches("EC2 runs 20 copies").count();
            assert_eq!(n_told, n_all - n_begun, "{kind:?}");
            world.wait(TimeDelta::hours(1));
        }
        hourly(&world, &config, 1).await;
        assert_eq!(complete(&copies(&world, &us())), n_all, "{kind:?}");
        assert_eq!(world.sandbox.n_calls(kind.call()), n_all, "{kind:?}");
    }
}

#[tokio::test]
async fn where_ec2_allows_fewer_the_others_wait_and_nothing_has_failed() {
    for kind in super::KINDS {
        let world = World::new();
        for _ in 0..12 {
            kind.source(&world);
        }
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let full = Fault::Refused {
            code: "ResourceLimitExceeded",
            message: "Too many snapshot copies in progress.",
        };
        world.sandbox.fail(Rule::every(kind.call()).after(4), full);
        let report = world.cycle(&config).await;
        let n_done = words(&report).iter().filter(|word| **word == "done").count();
        assert_eq!(n_done, 4, "{kind:?}");
        assert!(words(&report).iter().all(|word| ["done", "waiting"].contains(word)), "{kind:?}");
        assert_eq!(exit_code(&report), ExitCode::Done);
        let n_calls = world.sandbox.n_calls(kind.call());
        assert!(n_calls <= 4 + 8, "{kind:?}: {n_calls} calls, though EC2 said that it is full");
        world.sandbox.clear_faults();
        hourly(&world, &config, 4).await;
        assert_eq!(complete(&copies(&world, &us())), 12 * kind.n(), "{kind:?}");
        assert_eq!(copies(&world, &us()).len(), 12 * kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn an_image_of_more_snapshots_than_run_at_once_is_copied_alone() {
    let world = World::new();
    world.server(&["gp3"; 23]);
    world.server(&["gp3"; 2]);
    let config = Kind::Image.to_us();
    hourly(&world, &config, 6).await;
    assert_eq!(complete(&copies(&world, &us())), 2);
    assert_eq!(world.sandbox.n_calls("CopyImage"), 2);
}

/// The calls of one cycle while the copies of `n` sources are under way: more than EC2 runs at a
/// time, but others may have a higher limit.
async fn calls_with(n: usize) -> BTreeMap<(Region, &'static str), usize> {
    let world = World::new();
    let placeholder = "vol-ffffffff".parse().unwrap();
    for _ in 0..n {
        let server = world.server(&["gp3"]);
        let original = world.point(&server, "servers", "2026-11-20 03:00:00")[0];
        let copy = world.pending(&us(), placeholder, world.now());
        let (parent, source) = (format!("{}/{original}", eu()), format!("{}/{}", eu(), server.id));
        let tags = [
            (tags::OWNER, "main"),
            (tags::POLICY, "servers"),
            (tags::SOURCE, &source),
            (tags::SLOT, "2026-11-20T03:00:00Z"),
            (tags::TIME, "2026-11-20T03:00:00Z"),
            (tags::VOLUME, &server.volumes[0].to_string()),
            (tags::COPY_OF, &parent),
            (tags::ORIGIN, &parent),
        ];
        for (key, value) in &tags {
            world.sandbox.tag_snapshot(&us(), copy, key, value);
        }
        let described = format!("snapkeep servers copy of {parent}");
        let found = world.find(&us(), copy).unwrap();
        world.sandbox.add_snapshot(&us(), Snapshot { description: described.into(), ..found });
    }
    let report = world.cycle(&Kind::Set.to_us()).await;
    assert!(report.plan.actions.is_empty(), "{:?}", ops(&report.plan));
    assert_eq!(report.plan.waiting.len(), n);
    world.sandbox.calls()
}

#[tokio::test]
async fn a_cycle_takes_as_many_calls_with_500_copies_under_way_as_with_one() {
    let (one, many) = (calls_with(1).await, calls_with(500).await);
    assert_eq!(one, many);
    for region in [eu(), us()] {
        let n_calls: usize = many.iter().filter(|((r, _), _)| *r == region).map(|(_, n)| n).sum();
        assert!(n_calls <= 6, "{region}: {many:?}");
    }
}

#[tokio::test]
async fn newer_points_are_copied_first() {
    let world = World::new();
    let servers: Vec<_> = (0..30).map(|_| world.server(&["gp3"])).collect();
    for server in &servers {
        world.point(server, "servers", "2026-11-19 03:00:00");
        world.point(server, "servers", "2026-11-20 03:00:00");
    }
    let config = Kind::Set.policy("", &format!("{TO_US}\nexisting = true"));
    let report = world.cycle(&config).await;
    let times = planned(&report.plan).into_iter().map(|copy| copy.point_time.to_string());
    assert!(times.into_iter().all(|time| time.starts_with("2026-11-20")));
    hourly(&world, &config, 5).await;
    assert_eq!(complete(&copies(&world, &us())), 60);
}

#[tokio::test]
async fn copies_that_others_began_count_among_those_that_run() {
    let world = World::new();
    for _ in 0..5 {
        world.server(&["gp3"]);
    }
    let config = Kind::Set.to_us();
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    for _ in 0..17 {
        world.pending(&us(), "vol-ffffffff".parse().unwrap(), world.now());
    }
    let report = world.cycle(&config).await;
    assert_eq!(planned(&report.plan).len(), 3);
    assert_eq!(waits(&report.plan).matches("EC2 runs 20 copies").count(), 2);
}
