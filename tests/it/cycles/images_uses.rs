//! What stands in the way of deregistering an image.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::{ImageId, SnapshotId};
use snapkeep::domain::inventory::{ImageState, Instance, InstanceState};
use snapkeep::domain::tags;
use snapkeep::plan::{KeepReason, Plan};

use super::world::{IMAGES, World, ended, eu, notes, us, words};

const ADOPTING: &str = "adopt = { all = true }\n";

/// An account whose policy made six daily images, three of which are too old by now; the ids of the
/// oldest and its two snapshots.
async fn aged() -> (World, ImageId, Vec<SnapshotId>) {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    let month = IMAGES.replace("3 days", "1 month");
    world.days(&month, 6).await;
    let oldest = world.images(&eu()).remove(0);
    (world, oldest.id, oldest.snapshot_ids)
}

/// Why an image stays although no rule keeps it.
fn veto(plan: &Plan, id: ImageId) -> Option<String> {
    let keep = plan.keeps.iter().find(|keep| keep.resource == id.into())?;
    match &keep.reason {
        KeepReason::Vetoed(vetoed) => Some(vetoed.1.cause.to_string()),
        _ => None,
    }
}

fn launch(world: &World, image_id: ImageId, state: InstanceState) {
    let server = world.server(&["gp3"]);
    let instances = world.sandbox.inventory().regions.remove(&eu()).unwrap().instances;
    let instance = instances.into_iter().find(|i| i.id == server.id).unwrap();
    let image_id = Some(image_id);
    world.sandbox.add_instance(&eu(), Instance { image_id, state, ..instance });
}

#[tokio::test]
async fn what_stands_in_the_way_keeps_an_image_and_its_snapshots_and_is_told() {
    type Way = (&'static str, fn(&World, ImageId, SnapshotId));
    let ways: [Way; 11] = [
        ("used by instance", |w, id, _| launch(w, id, InstanceState::Running)),
        ("used by instance", |w, id, _| launch(w, id, InstanceState::Stopped)),
        ("used by instance", |w, id, _| launch(w, id, InstanceState::Pending)),
        ("used by launch template lt-1", |w, id, _| {
            w.sandbox.add_launch_template(&eu(), "lt-1", id);
        }),
        ("used by SSM parameter /golden", |w, id, _| {
            w.sandbox.add_ssm_parameter(&eu(), "/golden", id);
        }),
        ("protected", |w, id, _| w.sandbox.change_image(&eu(), id, |i| i.is_protected = true)),
        ("held", |w, id, _| {
            w.sandbox.change_image(&eu(), id, |image| {
                image.tags = image.tags.iter().chain([(tags::HOLD, "")]).collect();
            });
        }),
        ("held", |w, _, snapshot| w.sandbox.tag_snapshot(&eu(), snapshot, tags::HOLD, "")),
        ("locked", |w, _, snapshot| w.sandbox.lock_snapshot(&eu(), snapshot)),
        ("managed by AWS Backup", |w, _, snapshot| {
            w.sandbox.tag_snapshot(&eu(), snapshot, "aws:backup:source-resource", "x");
        }),
        ("managed by Data Lifecycle Manager", |w, _, snapshot| {
            w.sandbox.tag_snapshot(&eu(), snapshot, "aws:dlm:managed", "true");
        }),
    ];
    for (why, stand) in ways {
        let (world, oldest, snapshots) = aged().await;
        stand(&world, oldest, snapshots[1]);
        let report = world.cycle(IMAGES).await;
        assert!(!words(&report).contains(&"failed"), "{why}: {:?}", ended(&report));
        assert!(world.find_image(&eu(), oldest).is_some() && world.has(&snapshots), "{why}");
        let told = veto(&report.plan, oldest).unwrap_or_default();
        assert!(told.starts_with(why), "{told}");
        // The others go.
        let n_gone = ended(&report).iter().filter(|e| **e == ("DeregisterImage", "done")).count();
        assert_eq!(n_gone, 3, "{why}: {:?}", ended(&report));
        world.assert_nothing_left(IMAGES, &report).await;
    }
}

#[tokio::test]
async fn what_looks_like_a_use_but_is_none_keeps_nothing() {
    let (world, oldest, snapshots) = aged().await;
    // EC2 shows an instance for a while after its end, and names no state among references.
    launch(&world, oldest, InstanceState::Terminated);
    world.cycle(IMAGES).await;
    world.sandbox.inventory().regions[&eu()].instances.iter().for_each(|instance| {
        if instance.state == InstanceState::Terminated {
            world.sandbox.remove_instance(&eu(), instance.id);
        }
    });
    let report = world.cycle(IMAGES).await;
    assert!(world.find_image(&eu(), oldest).is_none() && !world.has(&snapshots));
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn disabled_and_deprecated_images_of_ours_expire_like_others() {
    let (world, oldest, snapshots) = aged().await;
    let deprecated = world.images(&eu())[1].id;
    world.sandbox.change_image(&eu(), oldest, |image| image.state = ImageState::Disabled);
    let at = Some(world.now() - TimeDelta::days(1));
    world.sandbox.change_image(&eu(), deprecated, |image| image.deprecated_at = at);
    for _ in 0..3 {
        let report = world.cycle(IMAGES).await;
        world.assert_nothing_left(IMAGES, &report).await;
        world.wait(TimeDelta::days(1));
    }
    assert!(world.find_image(&eu(), oldest).is_none() && !world.has(&snapshots));
    assert!(world.find_image(&eu(), deprecated).is_none());
}

#[tokio::test]
async fn a_disabled_image_keeps_its_slot_and_does_not_count_as_the_newest() {
    let world = World::new();
    world.server(&["gp3"]);
    world.days(IMAGES, 2).await;
    let images = world.images(&eu());
    world.sandbox.change_image(&eu(), images[1].id, |image| image.state = ImageState::Disabled);
    let server = world.sandbox.inventory().regions[&eu()].instances[0].id;
    world.sandbox.set_instance_state(&eu(), server, InstanceState::Stopped);
    world.wait(TimeDelta::days(30));
    let report = world.cycle(IMAGES).await;
    assert!(report.plan.actions.iter().all(|action| action.as_creation().is_none()));
    assert!(world.find_image(&eu(), images[0].id).is_some(), "the newest that can be launched");
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn without_describe_image_references_ours_are_checked_and_adopted_ones_stay() {
    let config = format!("{IMAGES}{ADOPTING}");
    let (world, oldest, _) = aged().await;
    let ours: Vec<ImageId> = world.images(&eu()).iter().map(|image| image.id).collect();
    world.sandbox.add_launch_template(&eu(), "lt-1", oldest);
    let (adopted, snapshot) =
        world.made_elsewhere("old", world.now() - TimeDelta::days(90), &[("Made", "by hand")]);
    world.made_elsewhere("new", world.now() - TimeDelta::hours(2), &[]);
    world.sandbox.fail(Rule::every("DescribeImageReferences"), Fault::Denied);
    let report = world.cycle(&config).await;
    assert!(notes(&report.plan).contains("DescribeImageReferences"), "{}", notes(&report.plan));
    assert!(world.find_image(&eu(), oldest).is_some(), "a launch template names it");
    assert!(world.find_image(&eu(), ours[1]).is_none(), "nothing uses it");
    assert!(world.find_image(&eu(), adopted).is_some() && world.has(&[snapshot]));
    assert_eq!(veto(&report.plan, adopted).as_deref(), Some("what uses the image is not known"));
    world.assert_nothing_left(&config, &report).await;

    world.sandbox.clear_faults();
    let report = world.cycle(&config).await;
    assert!(world.find_image(&eu(), adopted).is_none() && !world.has(&[snapshot]));
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn where_nobody_may_say_what_uses_images_none_is_deregistered() {
    for second in ["DescribeLaunchTemplateVersions", "DescribeInstances"] {
        for fault in [Fault::Denied, Fault::ErrorBefore] {
            let (world, _, _) = aged().await;
            world.sandbox.fail(Rule::every("DescribeImageReferences"), fault.clone());
            world.sandbox.fail(Rule::every(second), fault.clone());
            let report = world.cycle(IMAGES).await;
            let is_gone = |action: &&snapkeep::plan::Action| action.as_delete().is_some();
            assert_eq!(report.plan.actions.iter().filter(is_gone).count(), 0, "{second}");
            assert!(notes(&report.plan).contains("not known"), "{}", notes(&report.plan));
            assert!(world.images(&eu()).len() >= 6);
        }
    }
}

#[tokio::test]
async fn an_adopted_image_of_which_permissions_are_not_known_stays() {
    let config = format!("{IMAGES}{ADOPTING}");
    let world = World::new();
    world.server(&["gp3"]);
    let (adopted, _) = world.made_elsewhere("old", world.now() - TimeDelta::days(90), &[]);
    world.made_elsewhere("new", world.now() - TimeDelta::hours(2), &[]);
    world.sandbox.fail(Rule::every("DescribeImageAttribute"), Fault::Denied);
    let report = world.cycle(&config).await;
    assert!(world.find_image(&eu(), adopted).is_some());
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn an_image_younger_than_min_age_stays_wherever_it_is() {
    let young = IMAGES.replace("kind = \"images\"", "kind = \"images\"\nmin_age = \"10 days\"");
    let copying = format!(
        "{young}\n[[policy.copy]]\nto = \"us-east-1\"\nretention = {{ daily = \"2 days\" }}\n"
    );
    let world = World::new();
    world.server(&["gp3"]);
    for day in 1..=14_usize {
        for _ in 0..3 {
            world.cycle(&copying).await;
            world.wait(TimeDelta::hours(1));
        }
        assert_eq!(world.images(&eu()).len(), day.min(10), "day {day}");
        assert_eq!(world.images(&us()).len(), day.min(10), "copies on day {day}");
        world.wait(TimeDelta::hours(21));
    }
}

#[tokio::test]
async fn deprecate_after_sets_the_time_once() {
    let config =
        IMAGES.replace("kind = \"images\"", "kind = \"images\"\ndeprecate_after = \"2 days\"");
    let world = World::new();
    world.server(&["gp3"]);
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(5));
    let made = world.images(&eu()).remove(0);
    let report = world.cycle(&config).await;
    assert_eq!(ended(&report), [("EnableImageDeprecation", "done")]);
    let at = made.created_at.unwrap() + TimeDelta::days(2);
    assert_eq!(world.images(&eu())[0].deprecated_at, Some(at));
    world.assert_nothing_left(&config, &report).await;
    // What a person sets instead stays.
    let later = Some(at + TimeDelta::days(1));
    world.sandbox.change_image(&eu(), made.id, |image| image.deprecated_at = later);
    let report = world.cycle(&config).await;
    assert!(report.plan.actions.is_empty());
    assert_eq!(world.images(&eu())[0].deprecated_at, later);
}
