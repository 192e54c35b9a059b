//! Copies are made once, whatever befalls the call that makes them.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::tags;
use snapkeep::report::ExitCode;

use super::{KINDS, Kind, complete, copies, hourly, ops, settle, things, waits};
use crate::cycles::world::{World, eu, exit_code, us, words};

#[tokio::test]
async fn a_point_is_copied_once_it_is_complete_and_never_again() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        let report = world.cycle(&config).await;
        assert!(ops(&report.plan).keys().all(|op| op.starts_with("Create")), "{kind:?}");
        let report = world.cycle(&config).await;
        assert!(report.plan.actions.is_empty(), "its source is pending");
        assert!(waits(&report.plan).contains("pending"), "{}", waits(&report.plan));
        assert_eq!(exit_code(&report), ExitCode::Done);

        world.wait(TimeDelta::minutes(30));
        let report = world.cycle(&config).await;
        assert_eq!(ops(&report.plan).get(kind.call()), Some(&kind.n()), "{kind:?}");
        world.assert_nothing_left(&config, &report).await;
        assert!(copies(&world, &us()).iter().all(|copy| !copy.state.is_complete()));
        let report = world.cycle(&config).await;
        assert!(report.plan.actions.is_empty(), "it is under way");
        assert!(waits(&report.plan).contains("us-east-1"), "{}", waits(&report.plan));

        let report = hourly(&world, &config, 20).await;
        assert_eq!(waits(&report.plan), "");
        assert_eq!(world.sandbox.n_calls(kind.call()), kind.n(), "{kind:?}");
        assert_eq!(complete(&copies(&world, &us())), kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn every_tag_that_a_copy_is_known_by_is_in_the_call_that_makes_it() {
    for kind in KINDS {
        let world = World::new();
        let server = kind.source(&world);
        for (n, id) in server.volumes.iter().enumerate() {
            world.tag_volume(&eu(), *id, &[("Disk", &n.to_string())]);
        }
        let config = kind.to_us();
        settle(&world, &config).await;
        assert_eq!(world.sandbox.n_calls("CreateTags"), 0, "{kind:?}");
        let originals = things(&world, &eu());
        for copy in copies(&world, &us()) {
            let same = |key| originals.iter().any(|original| original.tag(key) == copy.tag(key));
            for key in [tags::OWNER, tags::POLICY, tags::SLOT, tags::SOURCE] {
                assert!(same(key), "{kind:?} {key}");
            }
            let parent = copy.tag(tags::COPY_OF);
            let parent =
                originals.iter().find(|o| format!("eu-west-1/{}", o.id) == parent).unwrap();
            assert_eq!(copy.tag(tags::ORIGIN), copy.tag(tags::COPY_OF));
            assert_eq!(copy.tag("Disk"), parent.tag("Disk"));
            assert!(!copy.tag(tags::TIME).is_empty());
            assert_eq!(copy.tag(tags::VOLUME).is_empty(), kind == Kind::Image);
        }
    }
}

#[tokio::test]
async fn a_copy_whose_answer_was_lost_is_found_and_made_no_second_time() {
    for kind in KINDS {
        for invisible_for in [0, 20, 55] {
            let world = World::new();
            kind.source(&world);
            let config = kind.to_us();
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(30));
            world.sandbox.set(|s| s.invisible_for = TimeDelta::seconds(invisible_for));
            world.sandbox.fail(Rule::next(kind.call()), Fault::LostReply);
            let report = world.cycle(&config).await;
            assert!(!words(&report).contains(&"failed"), "{kind:?}: {:#?}", report.outcomes);
            world.wait(TimeDelta::minutes(1));
            settle(&world, &config).await;
            assert_eq!(copies(&world, &us()).len(), kind.n(), "{kind:?} {invisible_for}");
        }
    }
}

#[tokio::test]
async fn a_runner_that_dies_before_the_answer_leaves_a_copy_that_the_next_one_knows() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        world.cycle(&config).await;
        world.wait(TimeDelta::minutes(30));
        // The answer is lost, and so is every listing afterwards: nothing is learnt.
        world.sandbox.set(|s| s.invisible_for = TimeDelta::minutes(10));
        world.sandbox.fail(Rule::every(kind.call()), Fault::LostReply);
        let report = world.cycle(&config).await;
        assert_eq!(report.outcomes.len(), kind.n());
        world.sandbox.clear_faults();
        world.wait(TimeDelta::minutes(10));
        settle(&world, &config).await;
        assert_eq!(copies(&world, &us()).len(), kind.n(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_copy_that_ec2_never_began_is_made_by_the_next_cycle() {
    for kind in KINDS {
        for fault in [Fault::ErrorBefore, Fault::Denied] {
            let world = World::new();
            kind.source(&world);
            let config = kind.to_us();
            world.cycle(&config).await;
            world.wait(TimeDelta::minutes(30));
            world.sandbox.fail(Rule::every(kind.call()), fault.clone());
            let report = world.cycle(&config).await;
            assert_eq!(words(&report), vec!["failed"; kind.n()], "{kind:?} {fault:?}");
            assert_eq!(exit_code(&report), ExitCode::Failed);
            assert!(copies(&world, &us()).is_empty());
            world.sandbox.clear_faults();
            settle(&world, &config).await;
            assert_eq!(complete(&copies(&world, &us())), kind.n());
        }
    }
}

#[tokio::test]
async fn of_a_set_only_the_copies_that_are_missing_are_made() {
    let world = World::new();
    world.server(&["gp3", "gp3", "gp3"]);
    let config = Kind::Set.to_us();
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    world.sandbox.fail(Rule::next("CopySnapshot").after(1), Fault::Denied);
    let report = world.cycle(&config).await;
    let failed = words(&report).iter().filter(|word| **word == "failed").count();
    assert_eq!((report.outcomes.len(), failed), (3, 1));
    let report = world.cycle(&config).await;
    assert_eq!(ops(&report.plan)["CopySnapshot"], 1);
    settle(&world, &config).await;
    assert_eq!((copies(&world, &us()).len(), world.sandbox.n_calls("CopySnapshot")), (3, 4));
}

#[tokio::test]
async fn a_copy_that_somebody_deleted_is_made_again_while_its_tier_wants_it() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let config = kind.to_us();
        for _ in 0..3 {
            settle(&world, &config).await;
            world.wait(TimeDelta::hours(20));
        }
        // EC2 remembers the token of a CopyImage for a day, so not the newest.
        let second = super::slots(&copies(&world, &us())).remove(1);
        for copy in copies(&world, &us()).iter().filter(|copy| copy.name().starts_with(&second)) {
            super::lose(&world, &us(), copy.id);
        }
        settle(&world, &config).await;
        assert_eq!(complete(&copies(&world, &us())), 4 * kind.n(), "{kind:?}");
    }
}
