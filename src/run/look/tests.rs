use chrono::{DateTime, TimeDelta, Utc};

use super::{Looks, PAUSE_MIN, Pauses, next_look};
use crate::domain::failure::Failure;
use crate::domain::ids::SnapshotId;
use crate::execute::Outcome;
use crate::plan::{Action, Op, Plan, PlanGap, TagPurpose, Tagging, Waiting};
use crate::run::cycle::Report;

pub(in crate::run) fn t(text: &str) -> DateTime<Utc> {
    format!("2026-11-20T{text}Z").parse().unwrap()
}

/// An action on the snapshot of this number.
pub(in crate::run) fn action(n: u32) -> Action {
    let id: SnapshotId = format!("snap-{n:08x}").parse().unwrap();
    Action {
        policy: "servers".into(),
        region: "eu-west-1".parse().unwrap(),
        op: Op::CreateTags(Tagging {
            resource: id.into(),
            source: "vol-00000001".parse().unwrap(),
            point_time: t("03:00:00"),
            tags: Vec::new(),
            purpose: TagPurpose::Shared,
        }),
    }
}

pub(in crate::run) fn report(ended: &[(u32, Outcome)]) -> Report {
    let plan = Plan { actions: ended.iter().map(|(n, _)| action(*n)).collect(), ..Plan::default() };
    let outcomes = ended.iter().map(|(_, outcome)| outcome.clone()).collect();
    Report { plan, outcomes, ..Report::default() }
}

pub(in crate::run) fn waits_until(mut report: Report, instants: &[Option<&str>]) -> Report {
    let waiting = instants.iter().map(|not_before| Waiting {
        policy: "servers".into(),
        region: "eu-west-1".parse().unwrap(),
        resource: "vol-00000001".to_owned(),
        reason: "its last attempt failed".to_owned(),
        since: None,
        not_before: not_before.map(t),
        ends_by_itself: true,
    });
    report.plan.waiting = waiting.collect();
    report
}

fn with_gap(mut report: Report) -> Report {
    let error = "could not be reached".to_owned();
    let region = Some("eu-west-1".parse().unwrap());
    report.plan.gaps.push(PlanGap {
        region,
        operation: "DescribeSnapshots",
        error: Failure::passing(error),
    });
    report
}

pub(in crate::run) fn done() -> Outcome {
    Outcome::Done(Vec::new())
}

pub(in crate::run) fn failed(why: &str) -> Outcome {
    Outcome::Failed(Failure::lasting(why))
}

pub(in crate::run) fn waiting() -> Outcome {
    Outcome::Waits("too many copies".to_owned())
}

#[test]
fn the_next_look_is_no_earlier_than_anything_can_change() {
    let at = t("03:00:15");
    for (report, expected) in [
        (report(&[]), at),
        (waits_until(report(&[]), &[Some("04:00:00"), Some("03:30:00")]), t("03:30:00")),
        (waits_until(report(&[]), &[Some("03:00:05")]), at),
        (waits_until(report(&[]), &[Some("04:00:00"), None]), at),
        (waits_until(report(&[(1, failed("no"))]), &[Some("04:00:00")]), t("04:00:00")),
        // What was begun now, or waits for a place, has no such instant.
        (waits_until(report(&[(1, done())]), &[Some("04:00:00")]), at),
        (waits_until(report(&[(1, waiting())]), &[Some("04:00:00")]), at),
    ] {
        assert_eq!(next_look(&report, at), expected, "{report:?}");
    }
}

#[test]
fn pauses_double_up_to_the_longest() {
    let mut pauses = Pauses::up_to(TimeDelta::minutes(5));
    let mut seconds = || pauses.after(&report(&[]), false).num_seconds();
    assert_eq!([(); 7].map(|()| seconds()), [15, 30, 60, 120, 240, 300, 300]);
    assert_eq!(pauses.after(&report(&[(1, done())]), true), PAUSE_MIN);
}

#[test]
fn a_service_looks_again_while_anything_may_change() {
    let unsettled = || waits_until(report(&[]), &[None]);
    let known = || waits_until(report(&[]), &[Some("04:00:00")]);
    let mut stuck = unsettled();
    stuck.plan.waiting[0].ends_by_itself = false;
    for (cycles, expected) in [
        (vec![report(&[])], vec![None]),
        // What only a person can help is not looked at before the next slot.
        (vec![stuck], vec![None]),
        (vec![report(&[(1, done())]), report(&[])], vec![Some("03:00:15"), None]),
        // The same again settles nothing.
        (vec![report(&[(1, done())]), report(&[(1, done())])], vec![Some("03:00:15"), None]),
        (vec![unsettled(), unsettled()], vec![Some("03:00:15"), Some("03:00:30")]),
        (vec![known()], vec![Some("04:00:00")]),
        // A failure, a refusal or a gap may be over sooner than what has an instant.
        (
            vec![waits_until(report(&[(1, failed("no"))]), &[Some("04:00:00")])],
            vec![Some("03:00:15")],
        ),
        (vec![with_gap(known()), with_gap(known())], vec![Some("03:00:15"), Some("03:00:30")]),
        // Elsewhere something was done: a region that is down delays no look at that.
        (
            vec![with_gap(report(&[])), with_gap(report(&[])), with_gap(report(&[(1, done())]))],
            vec![Some("03:00:15"), Some("03:00:30"), Some("03:00:15")],
        ),
    ] {
        let mut looks = Looks::up_to(TimeDelta::minutes(15));
        let at: Vec<_> = cycles.iter().map(|cycle| looks.next(cycle, t("03:00:00"))).collect();
        let expected: Vec<_> = expected.into_iter().map(|at: Option<&str>| at.map(t)).collect();
        assert_eq!(at, expected, "{cycles:?}");
    }
}

#[test]
fn a_region_that_is_down_for_a_day_is_looked_at_every_quarter_of_an_hour() {
    let mut looks = Looks::up_to(TimeDelta::minutes(15));
    let (mut now, end) = (t("00:00:00"), t("00:00:00") + TimeDelta::days(1));
    let mut pauses = Vec::new();
    while now < end {
        let next = looks.next(&with_gap(report(&[])), now).unwrap();
        pauses.push((next - now).num_seconds());
        now = next;
    }
    assert_eq!(pauses[..8], [15, 30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(pauses.len(), 101);
    // Once it is back, the pauses are short again.
    assert_eq!(looks.next(&report(&[]), now), None);
    assert_eq!(looks.after_failure(now), now + PAUSE_MIN);
}
