//! Several installations, several runners, and policies that change.

use chrono::TimeDelta;
use futures_util::future::join;
use snapkeep::execute::Stop;
use snapkeep::plan::Request;
use snapkeep::run::{self, SandboxClock};

use super::world::{DAILY, World, config, eu, tag, words};

/// Runs two cycles that overlap, the second begun so much later.
async fn overlap(world: &World, later: TimeDelta) {
    let config = config(DAILY);
    let clock = SandboxClock(world.sandbox.time().clone());
    let (_sender, stop) = Stop::new();
    let run_after = async |pause: TimeDelta| {
        world.sandbox.time().sleep_until(world.now() + pause).await;
        let request = Request::at(world.now());
        run::run(&world.sandbox, &clock, &config, &request, &stop, &()).await
    };
    let both = join(run_after(TimeDelta::zero()), run_after(later));
    let (one, other) = world.sandbox.time().drive(both).await;
    for report in [one, other] {
        assert!(!words(&report).contains(&"failed"), "{report:#?}");
    }
}

#[tokio::test]
async fn two_runners_at_once_end_with_one_point_of_each_slot() {
    for seed in 0..12_i64 {
        let world = World::new();
        let servers = [world.server(&["gp3", "gp3"]), world.server(&["gp3"])];
        for server in &servers {
            world.history(server, 8);
        }
        world.wait(TimeDelta::days(1));
        // From much shorter to much longer than the fifteen seconds between two snapshots.
        let latency = TimeDelta::milliseconds(37 << seed);
        world.sandbox.set(|settings| {
            settings.latency = latency;
            settings.invisible_for = TimeDelta::seconds(seed % 3 * 20);
        });
        overlap(&world, latency * i32::try_from(seed % 5).unwrap() / 3).await;
        // However it went, the next cycles put it right.
        for _ in 0..3 {
            world.wait(TimeDelta::minutes(3));
            world.cycle(DAILY).await;
        }
        let report = world.cycle(DAILY).await;
        world.assert_nothing_left(DAILY, &report).await;
        let slots = world.slots(&eu());
        assert_eq!(slots.len(), 6, "{seed}: {slots:#?}");
        for ((source, _), n) in slots {
            let expected = if source.ends_with(&servers[0].id.to_string()) { 2 } else { 1 };
            assert_eq!(n, expected, "{seed}: {source}");
        }
    }
}

#[tokio::test]
async fn a_runner_that_comes_second_finds_the_point_and_makes_none() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.sandbox.set(|settings| settings.latency = TimeDelta::seconds(1));
    // Both have observed before either creates.
    overlap(&world, TimeDelta::milliseconds(300)).await;
    assert_eq!(world.snapshots(&eu()).len(), 2);
}

#[tokio::test]
async fn two_installations_keep_out_of_each_others_way() {
    let other = DAILY.replace("name = \"servers\"", "name = \"servers\"\nowner = \"second\"");
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    for _ in 0..6 {
        for config in [DAILY, &other] {
            let report = world.cycle(config).await;
            assert!(words(&report).iter().all(|word| *word == "done"));
            world.assert_nothing_left(config, &report).await;
        }
        world.wait(TimeDelta::days(1));
    }
    let snapshots = world.snapshots(&eu());
    let n_of = |owner| snapshots.iter().filter(|s| tag(s, "owner") == Some(owner)).count();
    assert_eq!((n_of("main"), n_of("second")), (6, 6));
}

#[tokio::test]
async fn a_renamed_policy_takes_over_its_points_and_lets_them_expire() {
    let renamed =
        DAILY.replace("name = \"servers\"", "name = \"machines\"\nrenamed_from = [\"servers\"]");
    let world = World::new();
    let points = world.history(&world.server(&["gp3"]), 3);
    for _ in 0..5 {
        let report = world.cycle(&renamed).await;
        world.assert_nothing_left(&renamed, &report).await;
        world.wait(TimeDelta::days(1));
    }
    assert!(!points.iter().any(|point| world.has(point)));
    assert_eq!(world.snapshots(&eu()).len(), 3);
}

#[tokio::test]
async fn snapshots_that_others_made_with_our_tags_stop_nothing() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::minutes(5));
    // Somebody copies the snapshot with its tags, and deletes the original.
    let made = world.snapshots(&eu()).remove(0);
    let tags: Vec<(&str, &str)> = made.tags.iter().collect();
    let placeholder = "vol-ffffffff".parse().unwrap();
    let copy = world.by_hand(&eu(), placeholder, world.now(), &tags);
    let elsewhere = world.by_hand(&eu(), world.volume(&eu(), "gp3"), world.now(), &tags);
    world.sandbox.remove_snapshot(&eu(), made.id);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    for _ in 0..9 {
        world.wait(TimeDelta::days(1));
        let report = world.cycle(DAILY).await;
        world.assert_nothing_left(DAILY, &report).await;
    }
    assert!(world.has(&[copy, elsewhere]));
    let n_of = |id| world.snapshots(&eu()).iter().filter(|s| s.volume_id == Some(id)).count();
    assert_eq!(n_of(server.volumes[0]), 3);
}

#[tokio::test]
async fn a_policy_without_schedule_makes_a_point_each_run() {
    let manual = DAILY.replace("schedule = \"0 3 * * *\"\n", "");
    let world = World::new();
    world.server(&["gp3"]);
    for n in 1..4 {
        assert_eq!(words(&world.cycle(&manual).await), ["done"]);
        assert_eq!(world.snapshots(&eu()).len(), n);
        world.wait(TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn an_extra_point_does_not_replace_the_next_slot() {
    let world = World::new();
    world.server(&["gp3"]);
    assert_eq!(words(&world.cycle(DAILY).await), ["done"]);
    world.wait(TimeDelta::hours(1));
    assert_eq!(words(&world.cycle_with(DAILY, |r| r.extra = true).await), ["done"]);
    let report = world.cycle(DAILY).await;
    assert!(report.plan.actions.is_empty());
    world.wait(TimeDelta::days(1));
    assert_eq!(words(&world.cycle(DAILY).await), ["done"]);
}
