//! Which volumes a point has, and what its snapshots bear.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::VolumeId;
use snapkeep::domain::tags;
use snapkeep::plan::Op;
use snapkeep::report::ExitCode;

use super::world::{DAILY, World, deletions, eu, exit_code, notes, tag, words};

fn with_volumes(rule: &str) -> String {
    format!("{DAILY}volumes = {{ {rule} }}\n")
}

fn volumes(world: &World) -> Vec<VolumeId> {
    let mut ids: Vec<_> = world.snapshots(&eu()).iter().filter_map(|s| s.volume_id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn root_and_tagged_data_volumes_can_be_left_out_of_a_set() {
    for (rule, expected) in [
        ("boot = true", vec![0, 1, 2]),
        ("boot = false", vec![1, 2]),
        (r#"exclude_tags = { Scratch = "*" }"#, vec![0, 1]),
        (r#"boot = false, exclude_tags = { Scratch = "*" }"#, vec![1]),
    ] {
        let world = World::new();
        let server = world.server(&["gp3", "gp3", "gp3"]);
        world.tag_volume(&eu(), server.volumes[2], &[("Scratch", "yes")]);
        let report = world.cycle(&with_volumes(rule)).await;
        assert_eq!(words(&report), ["done"]);
        assert_eq!(world.sandbox.n_calls("CreateSnapshots"), 1);
        let mut expected: Vec<_> = expected.into_iter().map(|n: usize| server.volumes[n]).collect();
        expected.sort();
        assert_eq!(volumes(&world), expected, "{rule}");
        world.assert_nothing_left(&with_volumes(rule), &report).await;
    }
}

#[tokio::test]
async fn more_exclusions_than_a_set_takes_make_one_point_of_single_snapshots() {
    let config = with_volumes(r#"exclude_tags = { Scratch = "*" }"#);
    let world = World::new();
    let server = world.server(&["gp3"; 45]);
    for id in &server.volumes[3..44] {
        world.tag_volume(&eu(), *id, &[("Scratch", "yes")]);
    }
    let mut chosen = server.volumes[..3].to_vec();
    chosen.push(server.volumes[44]);
    chosen.sort();
    let fails = Rule::next("CreateSnapshot").naming(&chosen[1]);
    world.sandbox.fail(fails, Fault::ErrorBefore);
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done", "failed", "done", "done"]);
    let made: Vec<_> = world.snapshots(&eu()).iter().map(|s| s.id).collect();

    // The missing member only, an hour later; then it is one point.
    world.wait(TimeDelta::hours(1));
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"]);
    assert!(matches!(&report.plan.actions[0].op, Op::CreateSnapshot(one)
        if one.volume.volume_id == chosen[1]));
    world.assert_nothing_left(&config, &report).await;
    assert!(world.has(&made));
    assert_eq!(volumes(&world), chosen);
    assert_eq!(world.slots(&eu()).into_values().collect::<Vec<_>>(), [4]);

    // And as one point it expires.
    for _ in 0..4 {
        world.wait(TimeDelta::days(1));
        world.cycle(&config).await;
    }
    assert!(!world.has(&made));
    assert_eq!(world.slots(&eu()).into_values().collect::<Vec<_>>(), [4; 3]);
}

#[tokio::test]
async fn a_single_member_that_fails_later_is_made_again() {
    let config = with_volumes(r#"exclude_tags = { Scratch = "*" }"#);
    let world = World::new();
    let server = world.server(&["gp3"; 43]);
    for id in &server.volumes[2..] {
        world.tag_volume(&eu(), *id, &[("Scratch", "yes")]);
    }
    let fails = Rule::next("CreateSnapshot").naming(&server.volumes[0]);
    world.sandbox.fail(fails, Fault::SnapshotsFail);
    assert_eq!(words(&world.cycle(&config).await), ["done", "done"]);
    world.wait(TimeDelta::minutes(61));
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(&config, &report).await;
    world.wait(TimeDelta::hours(25));
    world.cycle(&config).await;
    let report = world.cycle(&config).await;
    assert_eq!(world.slots(&eu()).into_values().collect::<Vec<_>>(), [2, 2]);
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn two_policies_over_one_volume_are_fifteen_seconds_apart() {
    let both = format!(
        "{DAILY}{}",
        r#"
[[policy]]
name = "disks"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "volume" }
retention = { daily = "3 days" }
"#
    );
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let begun_at = world.now();
    let report = world.cycle(&both).await;
    assert_eq!(words(&report), ["done"; 3]);
    assert_eq!(world.now() - begun_at, TimeDelta::seconds(15));
    let n_calls =
        ["CreateSnapshots", "CreateSnapshot"].map(|operation| world.sandbox.n_calls(operation));
    assert_eq!(n_calls, [1, 2], "none was refused");
    world.assert_nothing_left(&both, &report).await;
}

#[tokio::test]
async fn as_many_tags_as_fit_are_carried_along() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let keys: Vec<String> = (0..50).map(|n| format!("Key{n:02}")).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    world.tag_volume(&eu(), server.volumes[0], &pairs);
    let report = world.cycle(DAILY).await;
    assert_eq!((words(&report), exit_code(&report)), (vec!["done"], ExitCode::Done));
    assert!(notes(&report.plan).contains("not all are carried along"), "{}", notes(&report.plan));
    let snapshot = &world.snapshots(&eu())[0];
    assert_eq!(snapshot.tags.len(), 50);
    assert_eq!(tag(snapshot, "owner"), Some("main"));
    world.assert_nothing_left(DAILY, &report).await;
}

#[tokio::test]
async fn a_hold_on_a_volume_is_not_carried_along_to_its_snapshots() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let pairs = [(tags::HOLD, "please"), ("snapkeep:policy", "mine"), ("Team", "web")];
    world.tag_volume(&eu(), server.volumes[0], &pairs);
    world.tag_volume(&eu(), server.volumes[1], &[("Team", "web"), ("aws:system", "x")]);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["done"]);
    let made = world.snapshots(&eu());
    assert_eq!(made.len(), 2);
    for snapshot in &made {
        assert!(!snapshot.tags.has(tags::HOLD));
        assert_eq!(
            (tag(snapshot, "policy"), snapshot.tags.get("Team")),
            (Some("servers"), Some("web"))
        );
    }
    world.assert_nothing_left(DAILY, &report).await;
    for _ in 0..4 {
        world.wait(TimeDelta::days(1));
        world.cycle(DAILY).await;
    }
    assert!(!world.has(&made.iter().map(|s| s.id).collect::<Vec<_>>()));
}

#[tokio::test]
async fn odd_characters_in_tags_survive_and_hinder_nothing() {
    let odd = [
        ("a*b?c", "*"),
        ("ключ", "значение ✓"),
        ("quote\"back\\slash", "{}[]()<>&;'`$"),
        (" space ", ""),
        ("with=equals", "a=b c=d"),
    ];
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    server.volumes.iter().for_each(|id| world.tag_volume(&eu(), *id, &odd));
    world.sandbox.fail(Rule::next("CreateSnapshots"), Fault::LostReply);
    let report = world.cycle(DAILY).await;
    assert_eq!(words(&report), ["found"]);
    let made = world.snapshots(&eu());
    for (key, value) in odd {
        assert!(made.iter().all(|s| s.tags.get(key) == Some(value)), "{key}");
    }
    world.assert_nothing_left(DAILY, &report).await;
    for _ in 0..3 {
        world.wait(TimeDelta::days(1));
        world.cycle(DAILY).await;
    }
    let report = world.cycle(DAILY).await;
    assert!(deletions(&report).is_empty());
    assert!(!world.has(&made.iter().map(|s| s.id).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_volume_attached_after_the_plan_joins_the_point_and_leaves_with_it() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let plan = world.plan(DAILY).await;
    world.attach(&server, "gp3");
    let report = world.execute(plan).await;
    assert_eq!(words(&report), ["done"]);
    assert_eq!(world.snapshots(&eu()).len(), 3);
    for _ in 0..4 {
        world.wait(TimeDelta::days(1));
        world.cycle(DAILY).await;
    }
    world.wait(TimeDelta::minutes(30));
    let sizes: Vec<usize> = world.slots(&eu()).into_values().collect();
    assert_eq!(sizes, [3, 3, 3]);
}

#[tokio::test]
async fn a_source_that_two_policies_select_gets_points_from_the_first_only() {
    let second = r#"
[[policy]]
name = "second"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "3 days" }
"#;
    let world = World::new();
    world.server(&["gp3"]);
    let report = world.cycle(&format!("{DAILY}{second}")).await;
    let policies: Vec<&str> = report.plan.actions.iter().map(|action| &*action.policy).collect();
    assert_eq!(policies, ["servers"]);
    let expected = "selected by `servers` and `second`; only `servers` makes points";
    assert!(notes(&report.plan).contains(expected), "{}", notes(&report.plan));
}

#[tokio::test]
async fn a_volume_in_points_of_two_policies_is_worth_a_word() {
    let disks = r#"
[[policy]]
name = "disks"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "volume" }
retention = { daily = "3 days" }
"#;
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let plan = world.plan(&format!("{DAILY}{disks}")).await;
    let expected = "volumes in points of `servers` and again of `disks`: 2";
    assert!(notes(&plan).contains(expected), "{}", notes(&plan));
}
