//! Whose an image is: what EC2 says of it counts, not the tags alone.

use chrono::TimeDelta;
use snapkeep::cloud::{Cloud, CopyImage};
use snapkeep::domain::ids::ImageId;
use snapkeep::domain::inventory::{Image, Instance, InstanceState, Snapshot};
use snapkeep::domain::tags;

use super::world::{DAILY, IMAGES, Server, World, eu, notes, us, words};

const ADOPTING: &str = "adopt = { all = true }\n";

fn launch(world: &World, server: &Server, image_id: ImageId) {
    let instances = world.sandbox.inventory().regions.remove(&eu()).unwrap().instances;
    let instance = instances.into_iter().find(|i| i.id == server.id).unwrap();
    world.sandbox.add_instance(&eu(), Instance { image_id: Some(image_id), ..instance });
}

/// Lets all that is ours expire, and returns whether the image and its snapshots are still there.
async fn survives(world: &World, config: &str, id: ImageId) -> bool {
    let snapshot_ids = world.find_image(&eu(), id).unwrap().snapshot_ids;
    for _ in 0..8 {
        world.wait(TimeDelta::days(1));
        let report = world.cycle(config).await;
        assert!(words(&report).iter().all(|word| *word == "done"), "{:?}", words(&report));
        world.assert_nothing_left(config, &report).await;
    }
    world.find_image(&eu(), id).is_some() && world.has(&snapshot_ids)
}

fn pairs(tags: &tags::Tags) -> Vec<(String, String)> {
    tags.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[tokio::test]
async fn an_image_of_an_instance_that_was_itself_launched_from_an_image_is_ours() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    // EC2 then says that the new image was made from the one below.
    launch(&world, &server, "ami-00000000000000abc".parse().unwrap());
    world.days(IMAGES, 6).await;
    assert!(world.images(&eu()).iter().all(|image| image.source_image_id.is_some()));
    assert_eq!((world.images(&eu()).len(), world.snapshots(&eu()).len()), (3, 3));
}

#[tokio::test]
async fn a_copy_that_a_person_makes_with_our_tags_is_never_deregistered() {
    for config in [IMAGES.to_owned(), format!("{IMAGES}{ADOPTING}")] {
        let world = World::new();
        world.server(&["gp3", "gp3"]);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(5));
        let ours = world.images(&eu()).remove(0);
        let request = CopyImage {
            source_region: eu(),
            source_image_id: ours.id,
            name: "by hand".to_owned(),
            description: ours.description.to_string(),
            encrypted: false,
            kms_key_id: None,
            image_tags: pairs(&ours.tags),
            snapshot_tags: pairs(&ours.tags),
            completion_minutes: None,
            client_token: "by hand".to_owned(),
        };
        let here = eu();
        let copying = world.sandbox.copy_image(&here, &request);
        let copy = world.sandbox.time().drive(copying).await.unwrap();
        world.wait(TimeDelta::minutes(5));
        let report = world.cycle(&config).await;
        assert!(notes(&report.plan).contains("left alone"), "{}", notes(&report.plan));
        assert!(survives(&world, &config, copy).await);
    }
}

#[tokio::test]
async fn snapshots_that_a_person_keeps_of_such_a_copy_are_not_ours_either() {
    for region in [eu(), us()] {
        let world = World::new();
        world.server(&["gp3"]);
        world.cycle(IMAGES).await;
        world.wait(TimeDelta::minutes(5));
        let ours = world.images(&eu()).remove(0);
        let tags = pairs(&ours.tags);
        let request = CopyImage {
            source_region: eu(),
            source_image_id: ours.id,
            name: "by hand".to_owned(),
            description: ours.description.to_string(),
            encrypted: false,
            kms_key_id: None,
            image_tags: tags.clone(),
            snapshot_tags: tags.clone(),
            completion_minutes: None,
            client_token: "by hand".to_owned(),
        };
        let copying = world.sandbox.copy_image(&region, &request);
        let copy = world.sandbox.time().drive(copying).await.unwrap();
        world.wait(TimeDelta::minutes(5));
        // The person needs the data, but the image no more.
        let kept = world.images(&region).into_iter().find(|i| i.id == copy).unwrap().snapshot_ids;
        world.sandbox.remove_image(&region, copy);
        let both = IMAGES.replace("[\"eu-west-1\"]", "[\"eu-west-1\", \"us-east-1\"]");
        for _ in 0..6 {
            world.wait(TimeDelta::days(1));
            world.cycle(&both).await;
        }
        assert!(world.has(&kept), "{region}");
    }
}

#[tokio::test]
async fn copied_snapshots_of_an_image_with_tags_and_description_are_not_ours() {
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::minutes(5));
    let made = world.snapshots(&eu()).remove(0);
    let placeholder = Some("vol-ffffffff".parse().unwrap());
    let copy_of = |region, volume_id| {
        let id = world.sandbox.new_snapshot_id();
        world.sandbox.add_snapshot(&region, Snapshot { id, volume_id, ..made.clone() });
        id
    };
    let copies = [copy_of(eu(), placeholder), copy_of(us(), placeholder)];
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Terminated);
    let both = IMAGES
        .replace("[\"eu-west-1\"]", "[\"eu-west-1\", \"us-east-1\"]")
        .replace("daily = \"3 days\"", "daily = \"3 days\", orphans = \"expire\"");
    world.wait(TimeDelta::days(9));
    for _ in 0..3 {
        world.cycle(&both).await;
    }
    assert!(world.images(&eu()).is_empty());
    assert!(world.find(&eu(), copies[0]).is_some(), "in its own region");
    assert!(world.find(&us(), copies[1]).is_some(), "in another region");
}

#[tokio::test]
async fn an_image_that_a_person_registers_with_our_tags_is_never_deregistered() {
    for config in [IMAGES.to_owned(), format!("{IMAGES}{ADOPTING}")] {
        let world = World::new();
        world.server(&["gp3"]);
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(5));
        let ours = world.images(&eu()).remove(0);
        let id = world.sandbox.new_image_id();
        let by_hand = Image {
            id,
            name: "restored".into(),
            description: "by hand".into(),
            source_instance_id: None,
            ..ours
        };
        world.sandbox.add_image(&eu(), by_hand);
        // It shares its snapshot with ours, which goes alone.
        assert!(survives(&world, &config, id).await);
    }
}

#[tokio::test]
async fn an_image_with_any_tag_of_ours_or_of_a_service_is_never_adopted() {
    let config = format!("{IMAGES}{ADOPTING}");
    let world = World::at("2026-11-20 03:05:00");
    world.server(&["gp3"]);
    let long_ago = world.now() - TimeDelta::days(400);
    let marked = [
        "aws:backup:source-resource",
        "aws:dlm:managed",
        "aws:anything",
        "dlm:managed",
        "AWSElasticDisasterRecoveryManaged",
        "AWSApplicationMigrationServiceManaged",
        "snapkeep:owner",
        "snapkeep:copy-of",
        "snapkeep:unheard-of",
        "snapkeep:hold",
    ]
    .map(|key| world.made_elsewhere(key, long_ago, &[(key, "x")]));
    let shared = world.made_elsewhere("shared", long_ago, &[]);
    world.sandbox.share(&eu(), shared.0.into(), "210987654321");
    let public = world.made_elsewhere("public", long_ago, &[]);
    world.sandbox.change_image(&eu(), public.0, |image| image.is_public = true);
    let held = world.made_elsewhere("held", long_ago, &[]);
    world.sandbox.tag_snapshot(&eu(), held.1, tags::HOLD, "");
    let backup = world.made_elsewhere("backup", long_ago, &[]);
    world.sandbox.tag_snapshot(&eu(), backup.1, "aws:backup:source-resource", "x");
    let plain = world.made_elsewhere("plain", long_ago, &[]);
    // The newest of the family.
    world.made_elsewhere("newest", world.now() - TimeDelta::hours(1), &[]);
    world.cycle(&config).await;
    let report = world.cycle(&config).await;
    world.assert_nothing_left(&config, &report).await;
    assert!(world.find_image(&eu(), plain.0).is_none() && !world.has(&[plain.1]));
    for (image, snapshot) in marked.into_iter().chain([shared, public, held, backup]) {
        let name = world.find_image(&eu(), image).map(|image| image.name);
        assert!(name.is_some() && world.has(&[snapshot]), "{image} {name:?}");
    }
}

#[tokio::test]
async fn a_policy_of_images_adopts_no_snapshots() {
    let config = format!("{IMAGES}{ADOPTING}");
    let world = World::new();
    let server = world.server(&["gp3"]);
    let night = world.now() - TimeDelta::days(40);
    let manual: Vec<_> = (0..5)
        .map(|n| world.snapshot(&eu(), server.volumes[0], night + TimeDelta::days(n), &[]))
        .collect();
    world.days(&config, 3).await;
    assert!(world.has(&manual));
}

#[tokio::test]
async fn a_point_of_ours_stays_when_an_adopted_image_above_it_goes() {
    // Images go after a day, points of snapshots after thirty.
    let config = format!(
        r#"{}
[[policy]]
name = "restores"
kind = "images"
regions = ["eu-west-1"]
select = {{ resource = "image" }}
retention = {{ every = "1 day" }}
adopt = {{ all = true }}
"#,
        DAILY.replace("3 days", "30 days")
    );
    let config = &config;
    let world = World::new();
    world.server(&["gp3"]);
    world.cycle(config).await;
    world.wait(TimeDelta::minutes(5));
    let point = world.snapshots(&eu()).remove(0).id;
    let id = world.sandbox.new_image_id();
    let created_at = Some(world.now());
    let image = Image { created_at, snapshot_ids: vec![point], ..Image::plain(id, "restore") };
    world.sandbox.add_image(&eu(), image);
    world.made_elsewhere("newer", world.now() + TimeDelta::minutes(1), &[]);
    world.wait(TimeDelta::days(2));
    world.cycle(config).await;
    let report = world.cycle(config).await;
    world.assert_nothing_left(config, &report).await;
    assert!(world.find_image(&eu(), id).is_none(), "{}", notes(&report.plan));
    assert!(world.has(&[point]));
}
