//! What an invocation of the function ends in, and what the shipped template sets up.

use serde_json::json;
use snapkeep::domain::failure::Failure;
use snapkeep::domain::ids::SnapshotId;
use snapkeep::lambda::answer::{Retry, of_runs};
use snapkeep::plan::{Action, Note, Op, PlanGap, TagPurpose, Tagging};
use snapkeep::run::{Outcome, Plan, Report, Severity};

#[cfg(feature = "aws")]
mod template;

fn action(n: u32) -> Action {
    let id: SnapshotId = format!("snap-{n:08x}").parse().unwrap();
    Action {
        policy: "servers".into(),
        region: "eu-west-1".parse().unwrap(),
        op: Op::CreateTags(Tagging {
            resource: id.into(),
            source: "vol-00000001".parse().unwrap(),
            point_time: "2026-11-20T03:00:00Z".parse().unwrap(),
            tags: Vec::new(),
            purpose: TagPurpose::Shared,
        }),
    }
}

fn report(outcomes: Vec<Outcome>, gaps: Vec<Failure>, is_refused: bool) -> Report {
    let gaps =
        gaps.into_iter().map(|error| PlanGap { region: None, operation: "DescribeRegions", error });
    let fatal = Note {
        severity: Severity::Fatal,
        region: None,
        message: "deletes the newest point".to_owned(),
    };
    let plan = Plan {
        actions: (0..).zip(&outcomes).map(|(n, _)| action(n)).collect(),
        gaps: gaps.collect(),
        notes: is_refused.then_some(fatal).into_iter().collect(),
        ..Plan::default()
    };
    Report { plan, outcomes, ..Report::default() }
}

/// Returns the exit codes of the answer, or the kind of the error.
fn check(reports: &[Report]) -> Result<Vec<u64>, &'static str> {
    let answer = of_runs(reports).map_err(|Retry { kind, .. }| kind)?;
    let codes = answer["exit_codes"].as_array().unwrap().iter();
    Ok(codes.map(|code| code.as_u64().unwrap()).collect())
}

#[test]
fn only_what_may_go_better_by_itself_is_repeated() {
    let (passing, lasting) = (Failure::passing("503"), Failure::lasting("no"));
    let done = || Outcome::Done(Vec::new());
    let failed = |failure: &Failure| Outcome::Failed(failure.clone());
    let not_started = || Outcome::NotStarted("interrupted".to_owned());
    let skipped = || Outcome::Skipped("it has a hold".to_owned());
    let waits = || Outcome::Waits("too many copies".to_owned());
    for (outcomes, gaps, is_refused, expected) in [
        (vec![], vec![], false, Ok(vec![0])),
        (vec![done(), skipped(), waits()], vec![], false, Ok(vec![0])),
        (vec![done(), not_started()], vec![], false, Ok(vec![1])),
        (vec![not_started()], vec![], true, Ok(vec![1])),
        (vec![failed(&lasting)], vec![], false, Ok(vec![1])),
        (vec![done()], vec![lasting.clone()], false, Ok(vec![4])),
        (vec![failed(&lasting)], vec![lasting.clone()], false, Ok(vec![1, 4])),
        (vec![failed(&lasting), failed(&passing)], vec![], false, Err("Failed")),
        (vec![done()], vec![lasting.clone(), passing.clone()], false, Err("Incomplete")),
        (vec![failed(&passing)], vec![passing.clone()], true, Err("Incomplete")),
    ] {
        let report = report(outcomes, gaps, is_refused);
        assert_eq!(check(std::slice::from_ref(&report)), expected, "{report:?}");
    }
}

#[test]
fn one_account_that_may_go_better_repeats_all() {
    let well = || report(vec![], vec![], false);
    let gap = || report(vec![], vec![Failure::passing("503")], false);
    assert_eq!(check(&[well(), gap()]), Err("Incomplete"));
    assert_eq!(check(&[well(), report(vec![], vec![], true)]), Ok(vec![1]));
    let answer = of_runs(&[well(), well()]).unwrap();
    assert_eq!(
        (&answer["format"], &answer["exit_codes"]),
        (&json!("snapkeep.runs/1"), &json!([0]))
    );
}
