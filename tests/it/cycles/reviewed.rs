//! What reviews found: each test failed once.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::SnapshotId;
use snapkeep::domain::inventory::{InstanceState, Snapshot, SnapshotState};
use snapkeep::execute::Stop;
use snapkeep::plan::{Request, Severity, plan};
use snapkeep::run::{self, Report, SandboxClock};

use super::world::{DAILY, TWO_REGIONS, World, config, deletions, eu, t, tag, us, words};

fn set(world: &World, id: SnapshotId, state: SnapshotState) {
    let s = world.find(&eu(), id).unwrap();
    let (volume_size_gib, started_at) = match state {
        SnapshotState::Pending => (560, world.now()),
        _ => (s.volume_size_gib, s.started_at),
    };
    world.sandbox.add_snapshot(&eu(), Snapshot { state, volume_size_gib, started_at, ..s });
}

/// A cycle whose plan may be refused.
async fn raw(world: &World, text: &str) -> Report {
    let (_sender, stop) = Stop::new();
    let clock = SandboxClock(world.sandbox.time().clone());
    let (config, request) = (config(text), Request::at(world.now()));
    let cycle = run::run(&world.sandbox, &clock, &config, &request, &stop, &());
    world.sandbox.time().drive(cycle).await
}

#[tokio::test]
async fn what_a_count_relies_on_is_read_again_before_a_deletion() {
    let text = DAILY.replace("daily = \"3 days\"", "daily = 3");
    let world = World::new();
    let server = world.server(&["gp3"]);
    let points = world.history(&server, 5);
    let plan = world.plan(&text).await;
    // somebody deletes two of the three that are to stay
    world.sandbox.remove_snapshot(&eu(), points[1][0]);
    world.sandbox.remove_snapshot(&eu(), points[2][0]);
    world.execute(plan).await;
    assert_eq!(world.snapshots(&eu()).len(), 3, "the policy wants the newest three days");
}

#[tokio::test]
async fn what_stands_for_the_period_is_read_again_before_a_deletion() {
    // two points of one day; the later goes because the earlier stands for the day
    let world = World::new();
    let server = world.server(&["gp3"]);
    let first = world.point(&server, "servers", "2026-11-19 03:00:00");
    let second = world.point(&server, "servers", "2026-11-19 09:00:00");
    world.point(&server, "servers", "2026-11-20 03:00:00");
    let plan = world.plan(DAILY).await;
    world.sandbox.remove_snapshot(&eu(), first[0]);
    world.execute(plan).await;
    assert!(world.has(&second));
}

#[tokio::test]
async fn a_twin_with_a_failed_member_stops_nothing() {
    for held in [false, true] {
        let world = World::new();
        let server = world.server(&["gp3", "gp3"]);
        let slot = t("2026-11-20 03:00:00");
        let _first = world.point_at(&server, "servers", slot, slot);
        let second = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
        if held {
            world.sandbox.tag_snapshot(&eu(), second[0], "snapkeep:hold", "");
        } else {
            set(&world, second[0], SnapshotState::Pending);
        }
        set(&world, second[1], SnapshotState::Error);
        if held {
            world.wait(TimeDelta::minutes(70));
        } else {
            // v1 of the twin is large and still pending after an hour
            world.wait(TimeDelta::minutes(70));
            set(&world, second[0], SnapshotState::Pending);
        }
        let other = world.server(&["gp3"]);
        raw(&world, DAILY).await;
        let made = world.snapshots(&eu()).iter().any(|s| s.volume_id == Some(other.volumes[0]));
        assert!(made, "the other instance got no point");
    }
}

#[tokio::test]
async fn a_held_twin_with_a_failed_member_stops_no_other_region() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let slot = t("2026-11-20 03:00:00");
    let _first = world.point_at(&server, "servers", slot, slot);
    let second = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
    world.sandbox.tag_snapshot(&eu(), second[0], "snapkeep:hold", "");
    set(&world, second[1], SnapshotState::Error);
    let other = world.server_in(&us(), &["gp3"]);
    let weekly = TWO_REGIONS.replace("0 3 * * *", "0 3 * * 5");
    for _ in 0..(24 * 6) {
        world.wait(TimeDelta::hours(1));
        raw(&world, &weekly).await;
    }
    raw(&world, &weekly).await;
    assert!(world.snapshots(&us()).iter().any(|s| s.volume_id == Some(other.volumes[0])));
}

#[tokio::test]
async fn what_failed_goes_although_its_source_is_not_selected_any_more() {
    let world = World::at("2026-11-20 03:00:00");
    let server = world.server(&["gp3"]);
    world.sandbox.fail(Rule::every("CreateSnapshots"), Fault::SnapshotsFail);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::minutes(30));
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    world.wait(TimeDelta::days(300));
    world.cycle(DAILY).await;
    assert_eq!(world.snapshots(&eu()).len(), 0);
}

#[tokio::test]
async fn a_failure_blocks_no_other_policy_once_its_slot_is_over() {
    let world = World::at("2026-11-20 03:00:00");
    let server = world.server(&["st1"]);
    let two = format!(
        "{DAILY}{}",
        r#"
[[policy]]
name = "disks"
regions = ["eu-west-1"]
schedule = "0 12 * * *"
select = { resource = "volume" }
retention = { daily = "3 days" }
"#
    );
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::SnapshotsFail);
    world.cycle(&two).await;
    world.wait(TimeDelta::minutes(30));
    // The instance goes, its st1 data volume stays.
    world.sandbox.remove_instance(&eu(), server.id);
    for _ in 0..(24 * 60) {
        world.cycle(&two).await;
        world.wait(TimeDelta::hours(1));
    }
    world.cycle(&two).await;
    let n = world.snapshots(&eu()).iter().filter(|s| tag(s, "policy") == Some("disks")).count();
    assert!(n > 0, "60 days without a point of {}", server.volumes[0]);
}

#[tokio::test]
async fn the_check_of_adopted_snapshots_throws_no_dice() {
    let text = r#"
version = 1
[[policy]]
name = "a"
regions = ["eu-west-1"]
create = false
select = { resource = "volume" }
retention = { daily = "3 days", orphans = "expire" }
adopt = { tags = { By = "a" } }
[[policy]]
name = "b"
regions = ["eu-west-1"]
create = false
select = { resource = "volume", tags = { X = "y" } }
retention = { daily = "3 days" }
adopt = { tags = { By = "b" } }
"#;
    let world = World::new();
    let v = world.volume(&eu(), "gp3");
    world.sandbox.remove_volume(&eu(), v);
    for n in [10, 12] {
        world.snapshot(&eu(), v, world.now() - TimeDelta::days(n), &[("By", "a")]);
    }
    for n in [20, 22, 24, 26] {
        world.snapshot(&eu(), v, world.now() - TimeDelta::days(n), &[("By", "b")]);
    }
    let c = config(text);
    let inv = world
        .sandbox
        .time()
        .drive(run::observe(&world.sandbox, &c, &Request::at(world.now())))
        .await;
    let n_fatal = (0..200)
        .filter(|_| {
            let p = plan(&c, &inv, &Request::at(world.now()));
            p.notes.iter().any(|n| n.severity == Severity::Fatal)
        })
        .count();
    assert_eq!(n_fatal, 0, "of 200 plans over the same inventory");
}

#[tokio::test]
async fn of_two_images_over_one_snapshot_the_order_does_not_matter() {
    let world = World::new();
    let p = world.history(&world.server(&["gp3"]), 6);
    world.image(&eu(), &p[5]);
    world.image(&eu(), &p[5]);
    let c = config(DAILY);
    let inv = world
        .sandbox
        .time()
        .drive(run::observe(&world.sandbox, &c, &Request::at(world.now())))
        .await;
    let mut turned = inv.clone();
    turned.regions.get_mut(&eu()).unwrap().images.reverse();
    let text = |i| format!("{:?}", plan(&c, i, &Request::at(world.now())));
    assert_eq!(text(&inv), text(&turned));
}

#[tokio::test]
async fn expired_twins_in_two_batches_all_go() {
    let text = format!("{DAILY}limits = {{ max_delete_percent = 100 }}\n");
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.history(&server, 300);
    for n in 285..295 {
        let slot = t("2026-11-20 03:00:00") - TimeDelta::days(n);
        world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(30));
    }
    let report = world.cycle(&text).await;
    words(&report);
    world.assert_nothing_left(&text, &report).await;
}

#[tokio::test]
async fn a_limit_never_withholds_what_makes_room_for_a_backup() {
    let text = format!("{DAILY}limits = {{ max_deletes = 2 }}\n");
    let world = World::at("2026-11-20 03:00:00");
    let st1 = world.server(&["st1"]);
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::SnapshotsFail);
    world.cycle(&text).await;
    world.history(&world.server(&["gp3"]), 8);
    for _ in 0..72 {
        world.wait(TimeDelta::hours(1));
        world.cycle(&text).await;
    }
    world.cycle(&text).await;
    let ok = world
        .snapshots(&eu())
        .iter()
        .any(|s| s.volume_id == Some(st1.volumes[0]) && s.state == SnapshotState::Completed);
    assert!(ok, "the st1 volume has had no backup for three days");
}

#[tokio::test]
async fn a_volume_that_the_twin_lacks_is_no_surplus() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let p = world.point(&server, "servers", "2026-11-20 03:00:00");
    let s = world.find(&eu(), p[0]).unwrap();
    let tags = s.tags.iter().filter(|(k, _)| *k != "snapkeep:members").collect();
    world.sandbox.add_snapshot(&eu(), Snapshot { tags, ..s });
    world.cycle(DAILY).await;
    assert!(world.has(&p));
}

#[tokio::test]
async fn tags_copied_onto_a_restored_volumes_snapshot_do_not_make_it_ours() {
    let world = World::new();
    let server = world.server(&["gp3"; 10]);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::minutes(10));
    let made = world.snapshots(&eu());
    // Restored with its tags, and another tool takes a snapshot of the restored volume with tags copied.
    let tags: Vec<(&str, &str)> = made[0].tags.iter().collect();
    let restored = world.volume(&eu(), "gp3");
    let manual = world.by_hand(&eu(), restored, world.now(), &tags);
    let _ = server;
    for _ in 0..5 {
        world.wait(TimeDelta::days(1));
        world.cycle(DAILY).await;
    }
    assert!(
        world.has(&[manual]),
        "a snapshot of a volume that no policy ever protected was deleted"
    );
}

#[tokio::test]
async fn tags_copied_onto_a_snapshot_by_hand_do_not_make_it_ours() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.cycle(DAILY).await;
    world.wait(TimeDelta::minutes(10));
    let made = world.snapshots(&eu());
    let tags: Vec<(&str, &str)> = made[0].tags.iter().collect();
    let manual =
        world.by_hand(&eu(), server.volumes[0], world.now() - TimeDelta::minutes(1), &tags);
    world.cycle(DAILY).await;
    assert!(world.has(&[manual]), "before the migration, by hand");
}

#[tokio::test]
async fn a_stranger_with_copied_tags_completes_no_point() {
    let text = DAILY.replace("3 days", "1 day");
    let world = World::at("2026-11-20 03:00:00");
    let server = world.server(&["gp3"; 10]);
    world.cycle(&text).await;
    let good: Vec<_> = world.snapshots(&eu()).iter().map(|s| s.id).collect();
    world.wait(TimeDelta::days(1));
    world.cycle(&text).await;
    world.wait(TimeDelta::minutes(10));
    let second: Vec<_> =
        world.snapshots(&eu()).into_iter().filter(|s| !good.contains(&s.id)).collect();
    let tags: Vec<(&str, &str)> = second[0].tags.iter().collect();
    world.by_hand(&eu(), world.volume(&eu(), "gp3"), world.now(), &tags);
    world.sandbox.remove_snapshot(&eu(), second[3].id);
    let _ = server;
    world.cycle(&text).await;
    assert!(world.has(&good), "the only complete point");
}

#[tokio::test]
async fn a_look_that_was_denied_does_not_say_that_nothing_was_found() {
    let world = World::new();
    world.server(&["gp3"]);
    let plan = world.plan(DAILY).await;
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::LostReply);
    world.sandbox.fail(Rule::every("DescribeSnapshots"), Fault::Denied);
    let r = world.execute(plan).await;
    assert!(!format!("{:?}", r.outcomes).contains("nothing was found"));
}

#[tokio::test]
async fn much_that_stays_is_not_read_again_with_every_deletion() {
    let text = DAILY.replace("daily = \"3 days\"", "keep_last = 250, daily = \"3 days\"");
    let text = format!("{text}limits = {{ max_delete_percent = 100 }}\n");
    let world = World::new();
    world.history(&world.server(&["gp3"]), 350);
    let report = world.cycle(&text).await;
    assert_eq!(deletions(&report).len(), 100);
    // One listing of everything, and one look: 350 ids, 200 a request.
    assert_eq!(world.sandbox.n_calls("DescribeSnapshots"), 3);
}
