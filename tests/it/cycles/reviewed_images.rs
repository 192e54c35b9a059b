//! What a review found about images, families, copies and encrypted forms: most of it failed once.
//!
//! A cycle whose plan is refused fails its test.

use chrono::TimeDelta;
use snapkeep::domain::ids::SnapshotId;
use snapkeep::domain::inventory::{Snapshot, SnapshotState};
use snapkeep::domain::tags::{self, Tags};

use super::world::{DAILY, IMAGES, Server, TWO_REGIONS, World, eu, outcome_of, t, tag, us, words};

/// Images of others, selected by name, kept for three days and encrypted.
const FAMILY: &str = r#"
version = 1
[[policy]]
name = "enc"
kind = "images"
regions = ["eu-west-1"]
select = { resource = "image", name = "web-*" }
retention = { every = "3 days" }
"#;
const ADOPT: &str = "adopt = { tags = { Team = \"x\" } }\n";
const TEAM: &[(&str, &str)] = &[("Team", "x")];
const ENCRYPT: &str = "encrypt = { kms_key = \"alias/k\" }\n";
const RETIRE: &str = "encrypt = { kms_key = \"alias/k\", retire_unencrypted = true }\n";

fn world_with_key() -> World {
    let world = World::new();
    world.sandbox.add_key(&eu(), "alias/k", true, true);
    world
}

async fn every(world: &World, config: &str, span: TimeDelta, n: usize) {
    for _ in 0..n {
        world.cycle(config).await;
        world.wait(span);
    }
}

fn set_pending(world: &World, id: SnapshotId, volume_size_gib: u32) {
    let snapshot = world.find(&eu(), id).unwrap();
    let state = SnapshotState::Pending;
    world.sandbox.add_snapshot(&eu(), Snapshot { state, volume_size_gib, ..snapshot });
}

#[tokio::test]
async fn a_family_with_encrypted_forms_goes_on_when_a_newer_image_comes() {
    for encrypt in [ENCRYPT, RETIRE] {
        for adopt in [ADOPT, ""] {
            let config = format!("{FAMILY}{adopt}{encrypt}");
            let world = world_with_key();
            let (first, _) =
                world.made_elsewhere("web-1", world.now() - TimeDelta::hours(2), TEAM);
            every(&world, &config, TimeDelta::hours(3), 40).await;
            world.made_elsewhere("web-2", world.now() - TimeDelta::hours(2), TEAM);
            every(&world, &config, TimeDelta::hours(3), 24).await;
            let images = world.images(&eu());
            let is_first_there = images.iter().any(|image| image.id == first);
            assert_eq!(is_first_there, adopt.is_empty(), "{config}");
            let n_forms = images.iter().filter(|image| image.is_encrypted).count();
            assert_eq!(n_forms, 1, "{config}");
        }
    }
}

#[tokio::test]
async fn an_encrypted_form_of_a_selected_image_expires_once_a_newer_image_is_there() {
    let world = world_with_key();
    world.made_elsewhere("web-1", world.now() - TimeDelta::hours(2), &[]);
    every(&world, &format!("{FAMILY}{ENCRYPT}"), TimeDelta::hours(12), 2).await;
    assert_eq!(world.images(&eu()).len(), 2);
    world.made_elsewhere("web-2", world.now() - TimeDelta::hours(2), &[]);
    every(&world, FAMILY, TimeDelta::days(1), 6).await;
    let left: Vec<_> = world.images(&eu()).into_iter().map(|image| image.name).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(world.images(&eu()).iter().all(|image| !image.is_encrypted));
}

#[tokio::test]
async fn images_and_their_copies_expire_although_the_policy_makes_snapshots_now() {
    let copy = "[[policy.copy]]\nto = \"us-east-1\"\nretention = { daily = \"3 days\" }\n";
    let images = format!("{IMAGES}{copy}");
    let world = World::new();
    world.server(&["gp3"]);
    every(&world, &images, TimeDelta::hours(6), 12).await;
    assert!(!world.images(&eu()).is_empty() && !world.images(&us()).is_empty());
    let snapshots = images.replace("kind = \"images\"", "kind = \"snapshots\"");
    every(&world, &snapshots, TimeDelta::hours(6), 40).await;
    assert_eq!((world.images(&eu()).len(), world.images(&us()).len()), (0, 0));
}

#[tokio::test]
async fn what_another_installation_or_a_rule_that_is_gone_still_copies_stays() {
    for owner in ["other", "main"] {
        let world = World::new();
        let server = world.server(&["gp3"]);
        let points = world.history(&server, 5);
        let expired = points[4][0];
        let of = format!("eu-west-1/{expired}");
        let source = format!("eu-west-1/{}", server.id);
        let copy_tags: Tags = [
            (tags::OWNER, owner),
            (tags::POLICY, "servers"),
            (tags::SOURCE, &source),
            (tags::COPY_OF, &of),
        ]
        .into_iter()
        .collect();
        let copy = world.snapshot(&us(), world.sandbox.new_volume_id(), world.now(), &[]);
        let snapshot = world.find(&us(), copy).unwrap();
        let pending = Snapshot {
            volume_id: "vol-ffffffff".parse().ok(),
            state: SnapshotState::Pending,
            volume_size_gib: 3000,
            description: format!("snapkeep servers copy of {of}").into(),
            tags: copy_tags,
            ..snapshot.clone()
        };
        world.sandbox.add_snapshot(&us(), pending.clone());
        world.cycle(TWO_REGIONS).await;
        assert!(world.has(&points[4]), "of {owner}");
        let done = Snapshot { state: SnapshotState::Completed, volume_size_gib: 8, ..pending };
        world.sandbox.add_snapshot(&us(), done);
        world.cycle(TWO_REGIONS).await;
        assert!(!world.has(&points[4]));
        assert!(world.find(&us(), copy).is_some(), "a copy of {owner} is not ours to delete");
    }
}
