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
            let (first, _) = world.made_elsewhere("web-1", world.now() - TimeDelta::hours(2), TEAM);
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
async fn a_twin_that_completes_late_does_not_replace_the_one_that_is_encrypted_already() {
    for encrypt in [ENCRYPT, RETIRE] {
        let config = format!("{}{encrypt}", DAILY.replace("3 days", "9 days"));
        let world = world_with_key();
        let server = world.server(&["gp3"]);
        let slot = t("2026-11-20 03:00:00");
        let first = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(10));
        let second = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
        set_pending(&world, first[0], 5600);
        // Every day adds a point with its form.
        every(&world, &config, TimeDelta::hours(1), 24 * 4).await;
        let of_slot = world.snapshots(&eu()).into_iter();
        let of_slot = of_slot.filter(|s| tag(s, "slot") == Some("2026-11-20T03:00:00Z"));
        let of_slot: Vec<Snapshot> = of_slot.collect();
        assert!(of_slot.iter().all(|s| s.id != first[0]), "{of_slot:?}");
        let form: Vec<&Snapshot> = of_slot.iter().filter(|s| s.is_encrypted).collect();
        assert_eq!(form.len(), 1);
        assert_eq!(tag(form[0], "origin"), Some(format!("eu-west-1/{}", second[0]).as_str()));
        // One for each of four slots.
        assert_eq!(world.sandbox.n_calls("CopySnapshot"), 4);
    }
}

#[tokio::test]
async fn twins_that_complete_one_after_the_other_stop_no_later_point() {
    for gib in [560, 1500, 5600] {
        let config = format!("{}{ENCRYPT}", DAILY.replace("3 days", "30 days"));
        let world = world_with_key();
        let server = world.server(&["gp3", "gp3"]);
        let slot = t("2026-11-20 03:00:00");
        let first = world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(270));
        world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(290));
        set_pending(&world, first[1], gib);
        every(&world, &config, TimeDelta::minutes(20), 72 * 5).await;
        let n_left = world.snapshots(&eu()).len();
        assert_eq!(n_left, 5 * 4, "five slots of two volumes, plain and encrypted");
    }
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
async fn a_failed_member_is_made_again_once_although_the_policy_was_renamed() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let point = world.point(&server, "servers", "2026-11-20 03:00:00");
    world.sandbox.fail_snapshot(&eu(), point[1], "no room");
    let renamed =
        DAILY.replace("name = \"servers\"", "name = \"web\"\nrenamed_from = [\"servers\"]");
    every(&world, &renamed, TimeDelta::hours(2), 5).await;
    let snapshots = world.snapshots(&eu());
    let of_second = snapshots.iter().filter(|s| s.volume_id == Some(server.volumes[1]));
    let of_second: Vec<&Snapshot> =
        of_second.filter(|s| s.state == SnapshotState::Completed).collect();
    assert_eq!(of_second.len(), 1);
    assert_eq!(tag(of_second[0], "policy"), Some("servers"), "as the other member of its point");
    // It expires like any other.
    every(&world, &renamed, TimeDelta::days(1), 6).await;
    assert!(world.find(&eu(), of_second[0].id).is_none());
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

#[tokio::test]
async fn twins_of_different_volumes_are_copied_once_each() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    let copy = "[[policy.copy]]\nto = \"us-east-1\"\nretention = { every = \"30 days\" }\n";
    let config = format!("{DAILY}{copy}");
    every(&world, &config, TimeDelta::hours(1), 5).await;
    world.wait_until("2026-11-21 03:05:00");
    let slot = t("2026-11-21 03:00:00");
    let one = Server { volumes: vec![server.volumes[0]], ..server.clone() };
    world.point_at(&one, "servers", slot, slot);
    world.point_at(&server, "servers", slot, slot + TimeDelta::seconds(40));
    every(&world, &config, TimeDelta::hours(1), 5).await;
    let copies = world.snapshots(&us()).into_iter();
    let copies = copies.filter(|s| tag(s, "slot") == Some("2026-11-21T03:00:00Z"));
    let mut volumes: Vec<String> =
        copies.filter_map(|s| tag(&s, "volume").map(str::to_owned)).collect();
    volumes.sort();
    let mut expected: Vec<String> = server.volumes.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(volumes, expected);
}

#[tokio::test]
async fn an_adopted_image_whose_snapshot_has_no_room_for_tags_goes_all_the_same() {
    for n_tags in [46, 47, 50] {
        let world = World::new();
        let (old, now) = (world.now() - TimeDelta::days(9), world.now());
        let (image_id, snapshot_id) = world.made_elsewhere("web-1", old, TEAM);
        world.made_elsewhere("web-2", now - TimeDelta::hours(2), TEAM);
        for n in 0..n_tags {
            world.sandbox.tag_snapshot(&eu(), snapshot_id, &format!("k{n}"), "v");
        }
        let report = world.cycle(&format!("{FAMILY}{ADOPT}")).await;
        assert!(words(&report).iter().all(|word| *word == "done"), "{:?}", words(&report));
        outcome_of(&report, snapshot_id);
        assert!(world.find_image(&eu(), image_id).is_none());
        assert!(world.find(&eu(), snapshot_id).is_none());
        let is_tagged = 0 < world.sandbox.n_calls("CreateTags");
        assert_eq!(is_tagged, n_tags == 46);
    }
}
