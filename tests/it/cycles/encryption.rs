//! Unencrypted points are replaced by encrypted copies in their own region, and never lost.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::inventory::Image;
use snapkeep::domain::tags;
use snapkeep::execute::Outcome;

use super::copies::{
    KINDS, Kind, TO_US, Thing, complete, copies, deleted, hourly, lose, ops, planned, settle,
    slots, things, waits,
};
use super::world::{World, eu, t, us, words};

const RETIRE: &str = "encrypt = { kms_key = \"alias/backup\", retire_unencrypted = true }";
const KEEP: &str = "encrypt = { kms_key = \"alias/backup\" }";

fn world() -> World {
    let world = World::new();
    world.sandbox.add_key(&eu(), "alias/backup", true, true);
    world
}

fn plain(world: &World) -> Vec<Thing> {
    // What an image is encrypted with shows once it is complete.
    let is_plain = |thing: &Thing| {
        let is_copy = thing.is_copy();
        assert!(!is_copy || thing.is_encrypted || !thing.state.is_complete(), "{thing:#?}");
        !thing.is_encrypted && !is_copy
    };
    things(world, &eu()).into_iter().filter(is_plain).collect()
}

fn forms(world: &World) -> Vec<Thing> {
    copies(world, &eu())
}

/// A day after a day, so many times.
async fn days(world: &World, config: &str, n: usize) {
    for _ in 0..n {
        hourly(world, config, 4).await;
        world.wait(TimeDelta::hours(20));
    }
}

#[tokio::test]
async fn every_point_gets_one_encrypted_form_and_the_original_goes_only_then() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(RETIRE, "");
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        let report = world.cycle(&config).await;
        assert_eq!(ops(&report.plan).get(kind.call()), Some(&kind.n()), "{kind:?}");
        assert!(planned(&report.plan).iter().all(|copy| copy.is_encryption(&eu())));
        let report = world.cycle(&config).await;
        assert!(report.plan.actions.is_empty(), "its form is under way");
        assert_eq!(plain(&world).len(), kind.n());
        settle(&world, &config).await;
        assert!(plain(&world).is_empty(), "{kind:?}");
        assert_eq!(
            (complete(&forms(&world)), world.sandbox.n_calls(kind.call())),
            (kind.n(), kind.n())
        );
        // Nothing is left of an image but what backs its form.
        let n_snapshots = if kind == Kind::Volume { 1 } else { 2 };
        assert_eq!(world.snapshots(&eu()).len(), n_snapshots, "{kind:?}");
        days(&world, &config, 6).await;
        assert_eq!(slots(&forms(&world)).len(), 3, "{kind:?}: and it expires");
        assert!(plain(&world).is_empty());
    }
}

#[tokio::test]
async fn without_retire_both_forms_share_the_verdict_and_expire_together() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(KEEP, "");
        for _ in 0..6 {
            settle(&world, &config).await;
            let originals: Vec<Thing> =
                things(&world, &eu()).into_iter().filter(|thing| !thing.is_copy()).collect();
            assert_eq!(slots(&originals), slots(&forms(&world)), "{kind:?}");
            world.wait(TimeDelta::hours(20));
        }
        assert_eq!(plain(&world).len(), 3 * kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn the_original_stays_until_every_copy_elsewhere_is_complete() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(RETIRE, TO_US);
        world.sandbox.fail(Rule::every(kind.call()).in_region(&us()), Fault::Denied);
        hourly(&world, &config, 6).await;
        assert_eq!((plain(&world).len(), complete(&forms(&world))), (kind.n(), kind.n()));
        world.sandbox.clear_faults();
        world.cycle(&config).await;
        let made = copies(&world, &us());
        assert_eq!(made.len(), kind.n(), "{kind:?}");
        // Copies elsewhere are made of the form, and know the first original.
        for copy in &made {
            let form = |form: &Thing| format!("eu-west-1/{}", form.id) == copy.tag(tags::COPY_OF);
            assert!(forms(&world).iter().any(form), "{kind:?}");
            let original =
                |thing: &Thing| format!("eu-west-1/{}", thing.id) == copy.tag(tags::ORIGIN);
            assert!(plain(&world).iter().any(original), "{kind:?}");
        }
        assert_eq!(plain(&world).len(), kind.n(), "the copy is under way");
        settle(&world, &config).await;
        assert!(plain(&world).is_empty(), "{kind:?}");
        assert!(copies(&world, &us()).iter().all(|copy| copy.is_encrypted));
        days(&world, &config, 4).await;
        assert_eq!(copies(&world, &us()).len(), 4 * kind.n(), "{kind:?}: none is made twice");
    }
}

#[tokio::test]
async fn while_a_destination_is_a_gap_originals_stay() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(RETIRE, TO_US);
        settle(&world, &config).await;
        world.sandbox.fail(Rule::every("DescribeSnapshots").in_region(&us()), Fault::ErrorBefore);
        world.wait(TimeDelta::hours(20));
        days(&world, &config, 6).await;
        let there = slots(&plain(&world));
        assert_eq!(there.len(), 6, "{kind:?}: {there:?}");
        world.sandbox.clear_faults();
        hourly(&world, &config, 8).await;
        assert!(plain(&world).is_empty(), "{kind:?}");
        assert!(copies(&world, &us()).len() >= 6 * kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn points_that_were_there_before_are_encrypted_and_replaced_too() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        days(&world, &kind.policy("retention = { daily = \"9 days\" }", TO_US), 3).await;
        let n_copied = copies(&world, &us()).len();
        let config = kind.policy(&format!("retention = {{ daily = \"9 days\" }}\n{RETIRE}"), TO_US);
        hourly(&world, &config, 8).await;
        assert!(plain(&world).is_empty(), "{kind:?}");
        assert_eq!(slots(&forms(&world)).len(), 4, "{kind:?}");
        // What was copied of the originals is known again.
        assert_eq!(copies(&world, &us()).len(), n_copied + kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn of_a_mixed_set_only_what_is_plain_is_encrypted() {
    for config in [Kind::Set.policy(RETIRE, TO_US), Kind::Set.policy(KEEP, TO_US)] {
        let world = world();
        let server = world.server(&["gp3", "gp3", "gp3"]);
        world.sandbox.encrypt_volume(&eu(), server.volumes[1]);
        days(&world, &config, 5).await;
        let encrypted = things(&world, &eu());
        let n_encrypted = encrypted.iter().filter(|thing| thing.is_encrypted).count();
        let n_plain = plain(&world).len();
        let is_retired = config.contains("retire");
        assert_eq!((n_encrypted, n_plain), (9, if is_retired { 0 } else { 6 }));
        assert_eq!(copies(&world, &us()).len(), 15, "five days of three volumes");
        assert!(copies(&world, &us()).iter().all(|copy| copy.is_encrypted));
    }
}

#[tokio::test]
async fn a_crash_between_copy_and_retirement_is_finished_by_the_next_cycle() {
    for kind in KINDS {
        for n_first in 0..3 {
            let world = world();
            kind.source(&world);
            let config = kind.policy(RETIRE, TO_US);
            world.sandbox.fail(Rule::every("DeleteSnapshot").after(n_first), Fault::Denied);
            hourly(&world, &config, 4).await;
            assert_eq!(complete(&copies(&world, &us())), kind.n(), "{kind:?} {n_first}");
            world.sandbox.clear_faults();
            // Leftovers of an image are told only a day later.
            hourly(&world, &config, 26).await;
            assert!(plain(&world).is_empty(), "{kind:?} {n_first}");
            assert!(world.snapshots(&eu()).iter().all(|s| s.is_encrypted), "{kind:?} {n_first}");
            assert_eq!(world.sandbox.n_calls(kind.call()), 4 * kind.n(), "{kind:?} {n_first}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_form() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(RETIRE, "");
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        world.sandbox.fail(Rule::every(kind.call()).times(2), Fault::LostReply);
        let report = world.cycle(&config).await;
        assert!(!words(&report).contains(&"failed"), "{kind:?}");
        settle(&world, &config).await;
        assert_eq!(forms(&world).len(), kind.n(), "{kind:?}");
        assert!(plain(&world).is_empty());
    }
}

#[tokio::test]
async fn where_a_call_is_not_answered_the_point_is_found_and_not_its_encrypted_form() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(KEEP, "");
        let late = world.plan(&config).await;
        settle(&world, &config).await;
        assert_eq!(forms(&world).len(), kind.n(), "{kind:?}");
        let call = late.actions[0].operation();
        world.sandbox.fail(Rule::next(call), Fault::ErrorBefore);
        let report = world.execute(late).await;
        let made = plain(&world).iter().map(|thing| thing.id).collect();
        assert_eq!(report.outcomes, [Outcome::Found(made)], "{kind:?}");
    }
}

#[tokio::test]
async fn held_and_locked_originals_stay_with_all_of_their_point() {
    for kind in KINDS {
        for is_lock in [false, true] {
            let world = world();
            kind.source(&world);
            let config = kind.policy(RETIRE, "");
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(30));
            let first = world.snapshots(&eu()).remove(0).id;
            if is_lock {
                world.sandbox.lock_snapshot(&eu(), first);
            } else {
                world.sandbox.tag_snapshot(&eu(), first, tags::HOLD, "");
            }
            settle(&world, &config).await;
            assert_eq!(plain(&world).len(), kind.n(), "{kind:?} {is_lock}");
            assert_eq!(complete(&forms(&world)), kind.n());
            assert!(forms(&world).iter().all(|form| !form.tags.has(tags::HOLD)));
        }
    }
}

#[tokio::test]
async fn what_is_to_stay_vanishes_before_the_retirement_which_is_skipped() {
    for kind in KINDS {
        for region in [eu(), us()] {
            let world = world();
            kind.source(&world);
            let config = kind.policy(RETIRE, TO_US);
            world.sandbox.fail(Rule::every("DeleteSnapshot"), Fault::Denied);
            world.sandbox.fail(Rule::every("DeregisterImage"), Fault::Denied);
            hourly(&world, &config, 4).await;
            world.sandbox.clear_faults();
            let plan = world.plan(&config).await;
            assert!(!deleted(&plan, &eu()).is_empty(), "{kind:?}");
            let lost: Vec<ResourceId> =
                copies(&world, &region).iter().map(|copy| copy.id).collect();
            for id in lost {
                lose(&world, &region, id);
            }
            let report = world.execute(plan).await;
            assert!(
                words(&report).iter().all(|w| ["skipped", "not started"].contains(w)),
                "{kind:?} {:?}",
                words(&report)
            );
            assert_eq!(complete(&plain(&world)), kind.n(), "{kind:?} {region}");
        }
    }
}

#[tokio::test]
async fn a_destination_that_cannot_be_read_again_stops_the_retirement() {
    let world = world();
    Kind::Set.source(&world);
    let config = Kind::Set.policy(RETIRE, TO_US);
    world.sandbox.fail(Rule::every("DeleteSnapshot"), Fault::Denied);
    hourly(&world, &config, 4).await;
    world.sandbox.clear_faults();
    let plan = world.plan(&config).await;
    world.sandbox.fail(Rule::every("DescribeSnapshots").in_region(&us()), Fault::Denied);
    let report = world.execute(plan).await;
    assert_eq!(words(&report), ["failed", "failed"]);
    let why = report.outcomes[0].reason().unwrap_or_default();
    assert!(why.starts_with("could not be read again in us-east-1: Unauthorized"), "{why}");
    assert_eq!(plain(&world).len(), 2);
}

#[tokio::test]
async fn a_key_that_fails_leaves_the_original_and_is_told() {
    for kind in KINDS {
        let world = World::new();
        // Nobody may ask for keys, so that only the form shows it.
        world.sandbox.fail(Rule::every("DescribeKey"), Fault::Denied);
        kind.source(&world);
        let config = kind.policy(RETIRE, TO_US);
        let report = hourly(&world, &config, 3).await;
        assert!(waits(&report.plan).contains("Given key ID is not accessible"), "{kind:?}");
        assert!(waits(&report.plan).contains("its encrypted form in eu-west-1 comes first"));
        hourly(&world, &config, 60).await;
        let there = slots(&plain(&world));
        assert_eq!(there[0], "11-20T03:00", "{kind:?}");
        world.sandbox.add_key(&eu(), "alias/backup", true, true);
        days(&world, &config, 7).await;
        let late = plain(&world);
        assert!(late.iter().all(|thing| thing.tag(tags::SLOT) < "2026-11-23"), "{kind:?}");
        assert!(complete(&forms(&world)) >= 3 * kind.n());
    }
}

#[tokio::test]
async fn an_image_that_others_made_is_encrypted_and_replaced_only_if_it_is_adopted() {
    for is_adopted in [true, false] {
        let world = world();
        let adopt = if is_adopted { "adopt = { tags = { Role = \"golden\" } }" } else { "" };
        let config = format!(
            "version = 1\n[[policy]]\nname = \"golden\"\nkind = \"images\"\n\
             regions = [\"eu-west-1\"]\nretention = {{ daily = \"30 days\" }}\n\
             select = {{ resource = \"image\", tags = {{ Role = \"golden\" }} }}\n{RETIRE}\n{adopt}\n{TO_US}"
        );
        let snapshot =
            world.snapshot(&eu(), world.volume(&eu(), "gp3"), t("2026-11-19 10:00:00"), &[]);
        let id = world.sandbox.new_image_id();
        let image = Image {
            snapshot_ids: vec![snapshot],
            created_at: Some(t("2026-11-19 10:00:00")),
            tags: [("Role", "golden")].into_iter().collect(),
            size_gib: 8,
            ..Image::plain(id, "golden")
        };
        world.sandbox.add_image(&eu(), image);
        hourly(&world, &config, 5).await;
        assert_eq!(complete(&forms(&world)), 1);
        assert_eq!(complete(&copies(&world, &us())), 1);
        let is_there = things(&world, &eu()).iter().any(|thing| thing.id == id.into());
        assert_eq!(is_there, !is_adopted);
        hourly(&world, &config, 30).await;
        assert_eq!((forms(&world).len(), copies(&world, &us()).len()), (1, 1));
        assert_eq!(world.sandbox.n_calls("CopyImage"), 2);
    }
}

#[tokio::test]
async fn what_is_over_but_still_to_be_copied_gets_its_encrypted_form_all_the_same() {
    for kind in KINDS {
        let world = world();
        kind.source(&world);
        let config = kind.policy(KEEP, TO_US);
        settle(&world, &config).await;
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        world.wait(TimeDelta::hours(20));
        days(&world, &config, 4).await;
        assert_eq!(slots(&plain(&world))[0], "11-21T03:00", "{kind:?}: its copy is to come");
        assert!(forms(&world).is_empty(), "{kind:?}");
        world.sandbox.clear_faults();
        hourly(&world, &config, 10).await;
        let made = slots(&copies(&world, &us()));
        assert_eq!(made.len(), 6, "{kind:?}: {made:?}");
    }
}
