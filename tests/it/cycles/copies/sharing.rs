//! What copies are given beside their data: permissions, keys, tags and a time to be done in.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::tags;

use super::{KINDS, Kind, TO_US, complete, copies, hourly, ops, planned, settle};
use crate::cycles::world::{World, eu, notes, us, words};

const SHARE: &str = "share_with = [\"111111111111\", \"222222222222\"]";

fn shared(world: &World) -> Vec<Vec<String>> {
    copies(world, &us()).iter().map(|copy| world.sandbox.shared_with(&us(), copy.id)).collect()
}

fn modifications(world: &World) -> usize {
    ["ModifySnapshotAttribute", "ModifyImageAttribute"]
        .iter()
        .map(|operation| world.sandbox.n_calls(operation))
        .sum()
}

#[tokio::test]
async fn a_complete_copy_is_shared_once_and_a_changed_list_adds_and_removes() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.policy("", &format!("{TO_US}\n{SHARE}"));
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let report = world.cycle(&config).await;
        assert_eq!(ops(&report.plan).len(), 1, "nothing is shared before it is complete");
        settle(&world, &config).await;
        assert_eq!(shared(&world), vec![["111111111111", "222222222222"]; kind.n()], "{kind:?}");
        assert_eq!(modifications(&world), kind.n());
        for copy in copies(&world, &us()) {
            assert_eq!(copy.tag(tags::SHARED_WITH), "111111111111 222222222222");
        }
        for (list, expected) in [
            (
                "share_with = [\"222222222222\", \"333333333333\"]",
                &["222222222222", "333333333333"][..],
            ),
            ("share_with = [\"222222222222\"]", &["222222222222"]),
            ("", &[]),
        ] {
            let config = kind.policy("", &format!("{TO_US}\n{list}"));
            let before = modifications(&world);
            hourly(&world, &config, 2).await;
            assert_eq!(shared(&world), vec![expected.to_vec(); kind.n()], "{kind:?} {list}");
            assert_eq!(modifications(&world), before + kind.n(), "{kind:?} {list}");
        }
    }
}

#[tokio::test]
async fn a_crash_before_permissions_are_remembered_sets_them_again() {
    for kind in KINDS {
        for operation in ["CreateTags", "ModifySnapshotAttribute", "ModifyImageAttribute"] {
            for fault in [Fault::Denied, Fault::LostReply, Fault::ErrorBefore] {
                let world = World::new();
                kind.source(&world);
                let config = kind.policy("", &format!("{TO_US}\n{SHARE}"));
                world.sandbox.fail(Rule::every(operation), fault.clone());
                hourly(&world, &config, 3).await;
                world.sandbox.clear_faults();
                hourly(&world, &config, 1).await;
                let wanted = vec![["111111111111", "222222222222"]; kind.n()];
                assert_eq!(shared(&world), wanted, "{kind:?} {operation} {fault:?}");
                let remembered = copies(&world, &us());
                assert!(remembered.iter().all(|copy| copy.tags.has(tags::SHARED_WITH)));
            }
        }
    }
}

#[tokio::test]
async fn what_the_default_key_encrypts_is_not_shared_and_a_note_says_so() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        server.volumes.iter().for_each(|id| world.sandbox.encrypt_volume(&eu(), *id));
        // Not asked to be encrypted, so that the configuration cannot know.
        let config = kind.policy("", &format!("{TO_US}\n{SHARE}"));
        let report = settle(&world, &config).await;
        assert!(notes(&report.plan).contains("cannot be shared"), "{}", notes(&report.plan));
        assert_eq!((complete(&copies(&world, &us())), modifications(&world)), (kind.n(), 0));
        // With a key it can be.
        let key = "encrypted = true\nkms_key = \"alias/dr\"";
        let config = kind.policy("", &format!("{TO_US}\n{SHARE}\n{key}"));
        let world = World::new();
        world.sandbox.add_key(&us(), "alias/dr", true, true);
        let server = kind.source(&world);
        server.volumes.iter().for_each(|id| world.sandbox.encrypt_volume(&eu(), *id));
        settle(&world, &config).await;
        assert_eq!(shared(&world), vec![["111111111111", "222222222222"]; kind.n()]);
    }
}

#[tokio::test]
async fn what_a_region_encrypts_by_default_is_told_and_does_not_fail_each_cycle() {
    for kind in KINDS {
        let world = World::new();
        world.sandbox.set_encryption_by_default(&us(), true);
        kind.source(&world);
        let config = kind.policy("", &format!("{TO_US}\n{SHARE}"));
        let report = settle(&world, &config).await;
        assert!(notes(&report.plan).contains("cannot be shared"), "{}", notes(&report.plan));
        assert_eq!((complete(&copies(&world, &us())), modifications(&world)), (kind.n(), 0));
    }
}

#[tokio::test]
async fn encrypted_sources_are_copied_and_stay_encrypted_whatever_the_rule_says() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        let arn = world.sandbox.add_key(&eu(), "alias/own", true, true);
        server.volumes.iter().for_each(|id| world.sandbox.encrypt_volume_with(&eu(), *id, &arn));
        settle(&world, &kind.to_us()).await;
        let made = copies(&world, &us());
        assert_eq!(complete(&made), kind.n(), "{kind:?}");
        assert!(made.iter().all(|copy| copy.is_encrypted));
    }
}

#[tokio::test]
async fn a_copy_may_be_asked_to_be_complete_within_a_time() {
    for kind in KINDS {
        for (asked, minutes) in [("4 hours", 240), ("1 hour", 60), ("2 days", 2880)] {
            let world = World::new();
            kind.source(&world);
            let config = kind.policy("", &format!("{TO_US}\ncomplete_within = \"{asked}\""));
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(30));
            let report = world.cycle(&config).await;
            let passed =
                planned(&report.plan).iter().all(|c| c.completion_minutes == Some(minutes));
            assert!(passed, "{kind:?} {asked}");
            settle(&world, &config).await;
            assert_eq!(complete(&copies(&world, &us())), kind.n());
        }
    }
}

#[tokio::test]
async fn as_many_tags_as_ec2_allows_are_carried_along_and_sharing_still_has_room() {
    let world = World::new();
    let server = Kind::Volume.source(&world);
    let names: Vec<String> = (0..50).map(|n| format!("Tag{n:02}")).collect();
    let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    world.tag_volume(&eu(), server.volumes[0], &tags);
    let config = Kind::Volume.policy("", &format!("{TO_US}\n{SHARE}"));
    let report = settle(&world, &config).await;
    assert!(!words(&report).contains(&"failed"), "{:#?}", report.outcomes);
    let copy = copies(&world, &us()).remove(0);
    assert!(copy.tags.has(tags::SHARED_WITH) && copy.tags.has(tags::VOLUME));
    assert_eq!(copy.tags.iter().count(), 50);
}
