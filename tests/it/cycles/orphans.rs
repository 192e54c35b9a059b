//! Sources that are gone, and those that only look like it.

use chrono::TimeDelta;
use snapkeep::domain::inventory::InstanceState;

use super::world::{DAILY, World, eu, t, words};

fn policy(resource: &str, orphans: &str) -> String {
    format!(
        r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = {{ resource = "{resource}" }}
retention = {{ daily = "3 days", orphans = "{orphans}" }}
"#
    )
}

/// Makes three daily points, ends the source, and returns on which later day each went.
async fn days(resource: &str, orphans: &str, end: impl Fn(&World)) -> Vec<Option<i64>> {
    let config = policy(resource, orphans);
    let world = World::at("2026-11-18 03:00:00");
    let server = world.server(&["gp3"]);
    assert_eq!(server.volumes.len(), 1);
    for _ in 0..3 {
        assert_eq!(words(&world.cycle(&config).await), ["done"]);
        world.wait(TimeDelta::days(1));
    }
    let made: Vec<_> = world.snapshots(&eu()).iter().map(|snapshot| snapshot.id).collect();
    end(&world);
    let ended_at = t("2026-11-21 03:00:00");
    let mut gone = vec![None; 3];
    for day in 0..20 {
        world.sandbox.time().advance_to(ended_at + TimeDelta::days(day));
        let report = world.cycle(&config).await;
        world.assert_nothing_left(&config, &report).await;
        for (n, id) in made.iter().enumerate() {
            if gone[n].is_none() && !world.has(&[*id]) {
                gone[n] = Some(day);
            }
        }
    }
    gone
}

fn terminate(world: &World) {
    let instances = world.sandbox.inventory().regions.remove(&eu()).unwrap().instances;
    let id = instances[0].id;
    // EC2 deletes the volume and shows the instance for a while.
    world.sandbox.set_instance_state(&eu(), id, InstanceState::Terminated);
    delete_volumes(world);
}

fn delete_volumes(world: &World) {
    for volume in world.sandbox.inventory().regions.remove(&eu()).unwrap().volumes {
        world.sandbox.remove_volume(&eu(), volume.id);
    }
}

#[tokio::test]
async fn keep_last_outlives_the_source_unless_told_otherwise() {
    // Points of the 18th, 19th and 20th; the 21st is day 0, and a point lasts three days.
    for (orphans, expected) in [
        ("keep-last", [Some(0), Some(1), None]),
        ("expire", [Some(0), Some(1), Some(2)]),
        ("1 day", [Some(0), Some(1), Some(2)]),
        ("10 days", [Some(0), Some(1), Some(9)]),
    ] {
        assert_eq!(days("instance", orphans, terminate).await, expected, "{orphans}");
        assert_eq!(days("volume", orphans, delete_volumes).await, expected, "{orphans}");
    }
}

#[tokio::test]
async fn an_instance_that_ec2_shows_no_more_is_gone_too() {
    let remove = |world: &World| {
        let instances = world.sandbox.inventory().regions.remove(&eu()).unwrap().instances;
        world.sandbox.remove_instance(&eu(), instances[0].id);
    };
    assert_eq!(days("instance", "expire", remove).await, [Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn stopped_is_not_gone() {
    let config = DAILY.replace(r#"daily = "3 days""#, r#"daily = "3 days", orphans = "expire""#);
    let world = World::new();
    let server = world.server(&["gp3"]);
    let points = world.history(&server, 3);
    // The policy wants running ones only.
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    world.wait(TimeDelta::days(20));
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done", "done"], "its retention goes on");
    assert!(world.has(&points[0]));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn no_longer_selected_is_not_gone() {
    let config = policy("volume", "expire")
        .replace(r#"resource = "volume""#, r#"resource = "volume", tags = { Backup = "on" }"#);
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.tag_volume(&eu(), server.volumes[0], &[("Backup", "on")]);
    world.cycle(&config).await;
    let made = world.snapshots(&eu())[0].id;
    world.tag_volume(&eu(), server.volumes[0], &[("Backup", "off")]);
    world.wait(TimeDelta::days(20));
    let report = world.cycle(&config).await;
    assert!(report.plan.actions.is_empty());
    assert!(world.has(&[made]));
}

#[tokio::test]
async fn a_volume_that_leaves_its_instance_does_not_end_the_instances_points() {
    let config = DAILY.replace(r#"daily = "3 days""#, r#"daily = "3 days", orphans = "expire""#);
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let points = world.history(&server, 1);
    world.sandbox.remove_volume(&eu(), server.volumes[1]);
    world.wait(TimeDelta::days(20));
    let report = world.cycle(&config).await;
    assert!(report.plan.actions.is_empty());
    assert!(world.has(&points[0]));
}
