//! Snapshots that others made, and a policy that may expire them.

use chrono::TimeDelta;
use snapkeep::domain::ids::SnapshotId;
use snapkeep::plan::ExpireReason;

use super::world::{DAILY, Server, World, eu, notes, words};

fn adopting(rule: &str) -> String {
    format!("{DAILY}adopt = {{ {rule} }}\n")
}

/// A second policy over the same region that makes nothing.
fn cleaner(retention: &str) -> String {
    format!(
        r#"
[[policy]]
name = "cleaner"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
create = false
select = {{ resource = "volume", tags = {{ Never = "matches" }} }}
retention = {{ {retention} }}
adopt = {{ all = true }}
"#
    )
}

/// What a nightly script has made of one volume: `n` snapshots, the newest first.
fn scripted(world: &World, server: &Server, n: i64, tags: &[(&str, &str)]) -> Vec<SnapshotId> {
    let night = world.now() - TimeDelta::hours(3);
    let nights = (0..n).map(|n| night - TimeDelta::days(n));
    nights.map(|at| world.snapshot(&eu(), server.volumes[0], at, tags)).collect()
}

#[tokio::test]
async fn an_old_scripts_newest_snapshot_goes_once_a_point_of_ours_covers_the_volume() {
    let config = adopting("all = true");
    let world = World::new();
    let server = world.server(&["gp3"]);
    let old = scripted(&world, &server, 5, &[("CreatedBy", "script")]);
    let covered = world.server(&["gp3"]);
    scripted(&world, &covered, 1, &[]);
    // An instance that no policy selects.
    let other = world.server(&["gp3"]);
    let kept = scripted(&world, &other, 5, &[]);
    world.sandbox.set_instance_state(
        &eu(),
        other.id,
        snapkeep::domain::inventory::InstanceState::Stopped,
    );
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"; 2 + 4]);
    assert!(world.has(&old[..3]) && !world.has(&old[3..]));
    world.assert_nothing_left(&config, &report).await;

    for _ in 0..4 {
        world.wait(TimeDelta::days(1));
        world.cycle(&config).await;
    }
    assert!(!world.has(&old), "ours cover the volume");
    assert!(world.has(&kept[..1]) && !world.has(&kept[1..]), "nothing covers this one");
}

#[tokio::test]
async fn a_newest_adopted_snapshot_stays_while_ours_is_not_complete_or_older() {
    let config = format!("{DAILY}volumes = {{ boot = true }}\n{}", cleaner(r#"every = "1 hour""#));
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.history(&server, 2);
    // Newer than ours, and past its tier.
    let newest = world.snapshot(&eu(), server.volumes[0], world.now() - TimeDelta::minutes(1), &[]);
    world.wait(TimeDelta::hours(2));
    let report = world.cycle(&config).await;
    assert!(report.plan.actions.is_empty());
    world.wait(TimeDelta::hours(22));
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"], "ours is pending");
    assert!(world.has(&[newest]));
    world.wait(TimeDelta::minutes(5));
    let report = world.cycle(&config).await;
    let deleted = report.plan.actions.iter().filter_map(|action| action.as_delete());
    let reasons: Vec<_> =
        deleted.map(|delete| (delete.resource.snapshot().unwrap(), delete.reason)).collect();
    assert!(matches!(reasons[..], [(id, ExpireReason::Replaced(_))] if id == newest));
    assert!(!world.has(&[newest]));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn what_two_policies_adopt_is_kept_if_either_keeps_it() {
    for (mine, others, n_left) in [
        (r#"every = "3 days""#, r#"every = "6 days""#, 6),
        (r#"every = "6 days""#, r#"every = "3 days""#, 6),
        (r#"every = "3 days""#, r#"every = "3 days""#, 3),
    ] {
        let config = adopting("all = true").replace(r#"daily = "3 days""#, mine);
        let config = format!("{config}{}", cleaner(others));
        let world = World::new();
        let server = world.server(&["gp3"]);
        let snapshots = scripted(&world, &server, 9, &[]);
        let report = world.cycle(&config).await;
        assert_eq!(words(&report), vec!["done"; 1 + 9 - n_left], "each goes once");
        assert!(world.has(&snapshots[..n_left]) && !world.has(&snapshots[n_left..]));
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn what_belongs_to_services_or_to_nobody_is_never_adopted() {
    let config = adopting("all = true");
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.wait(TimeDelta::days(400));
    let long_ago = world.now() - TimeDelta::days(399);
    let marked = [
        "aws:backup:source-resource",
        "aws:dlm:managed",
        "aws:dlm:lifecycle-policy-id",
        "aws:anything",
        "dlm:managed",
        "AWSElasticDisasterRecoveryManaged",
        "AWSApplicationMigrationServiceManaged",
        "CSIVolumeSnapshotName",
        "ebs.csi.aws.com/cluster",
        "snapkeep:owner",
        "snapkeep:slot",
        "snapkeep:copy-of",
        "snapkeep:unheard-of",
        "snapkeep:hold",
    ]
    .map(|key| world.snapshot(&eu(), server.volumes[0], long_ago, &[(key, "x")]));
    let placeholders = ["vol-ffffffff", "vol-fffffffffffffffff"]
        .map(|id| world.snapshot(&eu(), id.parse().unwrap(), long_ago, &[]));
    let backing = [world.snapshot(&eu(), server.volumes[0], long_ago, &[])];
    world.image(&eu(), &backing);
    let locked = [world.snapshot(&eu(), server.volumes[0], long_ago, &[])];
    world.sandbox.lock_snapshot(&eu(), locked[0]);
    let plain = [world.snapshot(&eu(), server.volumes[0], long_ago, &[])];
    world.snapshot(&eu(), server.volumes[0], world.now() - TimeDelta::days(1), &[]);

    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done", "done"], "one made, one deleted");
    assert!(!world.has(&plain));
    for ids in [&marked[..], &placeholders, &backing, &locked] {
        assert!(world.has(ids));
    }
    assert!(notes(&report.plan).contains("a copy or an import"), "{}", notes(&report.plan));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn only_what_matches_every_given_key_is_adopted() {
    let config = adopting(r#"tags = { CreatedBy = "old-*" }, exclude_tags = { Keep = "*" }"#);
    let world = World::new();
    let server = world.server(&["gp3"]);
    let ours = scripted(&world, &server, 5, &[("CreatedBy", "old-script")]);
    let kept = scripted(&world, &server, 5, &[("CreatedBy", "old-script"), ("Keep", "")]);
    let others = scripted(&world, &server, 5, &[("CreatedBy", "somebody")]);
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"; 3]);
    assert!(world.has(&ours[..3]) && world.has(&kept) && world.has(&others));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn without_adopt_a_manual_snapshot_is_never_touched() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    let manual = scripted(&world, &server, 40, &[]);
    for _ in 0..3 {
        world.cycle(DAILY).await;
        world.wait(TimeDelta::days(30));
    }
    assert!(world.has(&manual));
}
