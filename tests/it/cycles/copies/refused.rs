//! What EC2 answers to a copying call decides what becomes of the copy.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::execute::Outcome;

use super::{Kind, copies};
use crate::cycles::world::{World, us};

/// Carries out the plan of one copy while every copying call meets `fault`, and after another
/// runner has made the copy if `is_there`. Returns what became of it and how often it was looked for.
async fn copy(kind: Kind, fault: &Fault, is_there: bool, may_look: bool) -> (Outcome, usize) {
    let world = World::new();
    kind.source(&world);
    let config = kind.to_us();
    world.cycle(&config).await;
    world.wait(TimeDelta::minutes(30));
    let plan = world.plan(&config).await;
    if is_there {
        let _ = world.execute(plan.clone()).await;
    }
    let looks = if kind == Kind::Image { "DescribeImages" } else { "DescribeSnapshots" };
    let n_before = world.sandbox.n_calls(looks);
    world.sandbox.fail(Rule::every(kind.call()), fault.clone());
    if !may_look {
        world.sandbox.fail(Rule::every(looks), Fault::Denied);
    }
    let report = world.execute(plan).await;
    let [outcome] = &report.outcomes[..] else { panic!("{:#?}", report.outcomes) };
    if let Outcome::Found(ids) = outcome {
        assert_eq!(*ids, copies(&world, &us()).iter().map(|copy| copy.id).collect::<Vec<_>>());
    }
    (outcome.clone(), world.sandbox.n_calls(looks) - n_before)
}

fn refused(code: &'static str) -> Fault {
    Fault::Refused { code, message: "as the test has it" }
}

#[tokio::test]
async fn what_ec2_answers_is_told_or_waited_for() {
    const FOR_A_MINUTE: &str = "and nothing was found for a minute; the next run looks again";
    const NOT_READ: &str = "and looking for it failed: UnauthorizedOperation: ";
    let table = [
        (refused("ResourceLimitExceeded"), "waiting", "ResourceLimitExceeded: "),
        (refused("IncorrectState"), "waiting", "IncorrectState: "),
        (refused("InvalidAMIID.Unavailable"), "skipped", "its source is not available any more: "),
        (refused("InvalidAMIID.NotFound"), "skipped", "its source is gone: InvalidAMIID.NotFound"),
        (refused("InvalidSnapshot.NotFound"), "skipped", "its source is gone: InvalidSnapshot"),
        // That is what KMS says of a key.
        (refused("NotFoundException"), "failed", "NotFoundException: as the test has it"),
        (refused("InvalidAMIName.Duplicate"), "failed", "InvalidAMIName.Duplicate: "),
        (refused("IdempotentParameterMismatch"), "failed", "IdempotentParameterMismatch: "),
        (Fault::Denied, "failed", "UnauthorizedOperation: "),
        (Fault::ErrorBefore, "failed", FOR_A_MINUTE),
    ];
    for kind in [Kind::Volume, Kind::Image] {
        for (fault, word, why) in &table {
            let (outcome, _) = copy(kind, fault, false, true).await;
            assert_eq!(outcome.word(), *word, "{kind:?} {fault:?}: {outcome:?}");
            assert!(outcome.reason().is_some_and(|it| it.contains(why)), "{fault:?}: {outcome:?}");
        }
        let (outcome, _) = copy(kind, &Fault::ErrorBefore, false, false).await;
        assert_eq!(outcome.word(), "failed", "{kind:?}");
        assert!(outcome.reason().is_some_and(|why| why.contains(NOT_READ)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_copy_that_another_runner_made_is_looked_for_where_it_may_be_the_reason() {
    for (fault, word, n_looks) in [
        (refused("ResourceLimitExceeded"), "found", 1),
        (refused("IncorrectState"), "found", 1),
        (refused("InvalidAMIName.Duplicate"), "found", 1),
        (refused("IdempotentParameterMismatch"), "found", 1),
        (Fault::ErrorBefore, "found", 1),
        // Nothing of it says that somebody else was here.
        (refused("InvalidParameterValue"), "failed", 0),
        (Fault::Denied, "failed", 0),
    ] {
        for kind in [Kind::Volume, Kind::Image] {
            let (outcome, n) = copy(kind, &fault, true, true).await;
            assert_eq!((outcome.word(), n), (word, n_looks), "{kind:?} {fault:?}: {outcome:?}");
        }
    }
}
