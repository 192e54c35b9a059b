use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::config::{Orphans, Retention, Take, Tier, TierRule, Window};
use crate::domain::span::Span;

use super::{Candidate, Hold, Judgement, Rules, judge};

fn at(text: &str) -> DateTime<Utc> {
    // `2026-03-10 03` is an hour, in UTC.
    let text = format!("{}:00:00Z", text.replace(' ', "T"));
    text.parse().unwrap()
}

fn rule(tier: Tier, window: &str) -> TierRule {
    take(tier, window, Take::First)
}

fn take(tier: Tier, window: &str, take: Take) -> TierRule {
    let window = match window.parse() {
        Ok(count) => Window::Count(count),
        Err(_) => Window::For(window.parse::<Span>().unwrap()),
    };
    TierRule { tier, window, take }
}

fn retention(keep_last: u32, tiers: &[TierRule]) -> Retention {
    let tiers = tiers.to_vec();
    Retention { keep_last, orphans: Orphans::KeepLast, tiers, forever: false }
}

/// The rule of the shipped default.
fn shipped() -> Retention {
    retention(1, &[rule(Tier::Daily, "1 month"), rule(Tier::Monthly, "7 months")])
}

fn complete(times: &[DateTime<Utc>]) -> Vec<Candidate> {
    let mut times = times.to_vec();
    times.sort();
    times.into_iter().map(|time| Candidate { time, is_complete: true }).collect()
}

fn judged(
    retention: &Retention,
    zone: Tz,
    now: DateTime<Utc>,
    candidates: &[Candidate],
) -> Vec<Judgement> {
    judge(Rules { retention, zone, now, keep_last_holds: true, is_settled_only: false }, candidates)
}

/// Judges complete points, or incomplete ones where the time ends in `?`; newest first.
fn check(retention: &Retention, zone: &str, now: &str, times: &[&str]) -> String {
    let zone: Tz = zone.parse().unwrap();
    let mut candidates: Vec<Candidate> = times
        .iter()
        .map(|text| Candidate {
            time: at(text.trim_end_matches('?')),
            is_complete: !text.ends_with('?'),
        })
        .collect();
    candidates.sort_by_key(|candidate| candidate.time);
    let judgements = judged(retention, zone, at(now), &candidates);
    let mut out = String::new();
    for (candidate, judgement) in candidates.iter().zip(judgements).rev() {
        let time = candidate.time.format("%F %H");
        let holds: Vec<String> = judgement.holds.iter().map(|hold| hold.to_string()).collect();
        if holds.is_empty() {
            writeln!(out, "{time}  goes: {}", judgement.lapse).unwrap();
        } else {
            let until = judgement.until.map(|at| format!(" until {}", at.format("%F %H")));
            let until = until.unwrap_or_default();
            writeln!(out, "{time}  {}{until}", holds.join(", ")).unwrap();
        }
    }
    out
}

#[test]
fn each_day_keeps_its_first_point_for_the_span() {
    let times =
        ["2026-03-10 03", "2026-03-09 21", "2026-03-09 03", "2026-03-08 03", "2026-03-07 03"];
    assert_data_eq!(
        check(&retention(1, &[rule(Tier::Daily, "2 days")]), "UTC", "2026-03-10 06", &times),
        str![[r#"
2026-03-10 03  daily, keep_last until 2026-03-12 03
2026-03-09 21  goes: no tier takes it
2026-03-09 03  daily until 2026-03-11 03
2026-03-08 03  goes: daily ended 2026-03-10 03:00Z
2026-03-07 03  goes: daily ended 2026-03-09 03:00Z

"#]]
    );
}

#[test]
fn the_first_of_the_month_that_failed_is_replaced_by_the_second() {
    let times =
        ["2026-03-02 03", "2026-03-03 03", "2026-02-01 03", "2026-02-02 03", "2026-05-20 03"];
    assert_data_eq!(
        check(&shipped(), "UTC", "2026-05-20 06", &times),
        str![[r#"
2026-05-20 03  daily, monthly, keep_last until 2026-12-20 03
2026-03-03 03  goes: daily ended 2026-04-03 03:00Z
2026-03-02 03  monthly until 2026-10-02 03
2026-02-02 03  goes: daily ended 2026-03-02 03:00Z
2026-02-01 03  monthly until 2026-09-01 03

"#]]
    );
}

#[test]
fn first_day_keeps_nothing_of_a_month_whose_first_failed() {
    let script = retention(
        1,
        &[rule(Tier::Every, "1 month"), take(Tier::Monthly, "7 months", Take::FirstDay)],
    );
    let times = ["2026-03-02 03", "2026-02-01 03", "2026-02-02 03", "2026-05-20 03"];
    assert_data_eq!(
        check(&script, "UTC", "2026-05-20 06", &times),
        str![[r#"
2026-05-20 03  every, keep_last until 2026-06-20 03
2026-03-02 03  goes: every ended 2026-04-02 03:00Z
2026-02-02 03  goes: every ended 2026-03-02 03:00Z
2026-02-01 03  monthly until 2026-09-01 03

"#]]
    );
}

#[test]
fn the_first_is_the_zones_own() {
    let script = retention(1, &[take(Tier::Monthly, "7 months", Take::FirstDay)]);
    // 18:00 UTC on 31 January is 03:00 on 1 February in Seoul.
    let times = ["2026-01-31 18", "2026-02-01 18", "2026-03-15 18"];
    assert_data_eq!(
        check(&script, "Asia/Seoul", "2026-03-16 00", &times),
        str![[r#"
2026-03-15 18  keep_last
2026-02-01 18  goes: no tier takes it
2026-01-31 18  monthly until 2026-08-31 18

"#]]
    );
}

#[test]
fn take_last_prefers_the_newest_and_names_no_date_before_the_period_is_over() {
    let last = retention(1, &[take(Tier::Daily, "3 days", Take::Last)]);
    let times = ["2026-03-09 03", "2026-03-09 21", "2026-03-10 03", "2026-03-10 04"];
    assert_data_eq!(
        check(&last, "UTC", "2026-03-10 06", &times),
        str![[r#"
2026-03-10 04  daily, keep_last
2026-03-10 03  goes: no tier takes it
2026-03-09 21  daily until 2026-03-12 21
2026-03-09 03  goes: no tier takes it

"#]]
    );
}

#[test]
fn a_count_is_of_periods_that_have_a_point() {
    let weekly = retention(1, &[rule(Tier::Weekly, "2")]);
    let times = ["2026-03-09 03", "2026-02-02 03", "2026-02-04 03", "2026-01-05 03"];
    assert_data_eq!(
        check(&weekly, "UTC", "2026-06-01 00", &times),
        str![[r#"
2026-03-09 03  weekly, keep_last
2026-02-04 03  goes: no tier takes it
2026-02-02 03  weekly
2026-01-05 03  goes: past newest 2 weekly

"#]]
    );
}

#[test]
fn an_incomplete_point_stands_in_only_where_no_complete_one_does() {
    let daily = retention(1, &[rule(Tier::Daily, "30 days")]);
    let times = [
        "2026-03-12 03?",
        "2026-03-11 03?",
        "2026-03-11 09",
        "2026-03-10 03?",
        "2026-03-09 03",
        "2026-03-09 02?",
    ];
    assert_data_eq!(
        check(&daily, "UTC", "2026-03-12 06", &times),
        str![[r#"
2026-03-12 03  daily, incomplete, none newer is complete until 2026-04-11 03
2026-03-11 09  daily, keep_last until 2026-04-10 09
2026-03-11 03  goes: no tier takes it
2026-03-10 03  daily until 2026-04-09 03
2026-03-09 03  daily until 2026-04-08 03
2026-03-09 02  goes: no tier takes it

"#]]
    );
}

#[test]
fn keep_last_counts_complete_points_only_and_never_the_future() {
    let last = retention(2, &[rule(Tier::Daily, "1 day")]);
    let times = [
        "2027-01-01 00",
        "2026-03-08 03?",
        "2026-03-07 03",
        "2026-03-06 03?",
        "2026-03-05 03",
        "2026-03-04 03",
    ];
    assert_data_eq!(
        check(&last, "UTC", "2026-06-01 00", &times),
        str![[r#"
2027-01-01 00  of the future
2026-03-08 03  incomplete, none newer is complete
2026-03-07 03  keep_last
2026-03-06 03  goes: daily ended 2026-03-07 03:00Z
2026-03-05 03  keep_last
2026-03-04 03  goes: daily ended 2026-03-05 03:00Z

"#]]
    );
}

#[test]
fn month_ends_and_leap_days_follow_the_calendar() {
    let month = retention(1, &[rule(Tier::Every, "1 month")]);
    let times = ["2024-01-31 03", "2024-01-30 03", "2024-02-29 03"];
    assert_data_eq!(
        check(&month, "UTC", "2024-02-29 02", &times[..2]),
        str![[r#"
2024-01-31 03  every, keep_last until 2024-02-29 03
2024-01-30 03  every until 2024-02-29 03

"#]]
    );
    assert_data_eq!(
        check(&month, "UTC", "2024-03-01 00", &times),
        str![[r#"
2024-02-29 03  every, keep_last until 2024-03-29 03
2024-01-31 03  goes: every ended 2024-02-29 03:00Z
2024-01-30 03  goes: every ended 2024-02-29 03:00Z

"#]]
    );
}

#[test]
fn the_hour_that_autumn_repeats_keeps_two_points() {
    let hourly = retention(1, &[rule(Tier::Hourly, "12 hours")]);
    let times = ["2026-11-01 04", "2026-11-01 05", "2026-11-01 06", "2026-11-01 07"];
    assert_data_eq!(
        check(&hourly, "America/New_York", "2026-11-01 08", &times),
        str![[r#"
2026-11-01 07  hourly, keep_last until 2026-11-01 19
2026-11-01 06  hourly until 2026-11-01 18
2026-11-01 05  hourly until 2026-11-01 17
2026-11-01 04  hourly until 2026-11-01 16

"#]]
    );
}

#[test]
fn a_lapsed_keep_last_leaves_only_the_tiers() {
    let candidates = complete(&[at("2026-01-01 03"), at("2026-03-01 03")]);
    let retention = retention(1, &[rule(Tier::Daily, "1 month")]);
    let rules = Rules {
        retention: &retention,
        zone: Tz::UTC,
        now: at("2026-06-01 00"),
        keep_last_holds: false,
        is_settled_only: false,
    };
    assert!(judge(rules, &candidates).iter().all(|judgement| judgement.holds.is_empty()));
}

#[test]
fn what_is_not_settled_yet_is_not_held_but_counts() {
    let candidates = complete(&[at("2026-03-08 03"), at("2026-03-09 03"), at("2026-03-10 03")]);
    for (taken, is_settled_only, held) in [
        (Take::Last, false, [false, true, true]),
        (Take::Last, true, [false, true, false]),
        (Take::First, true, [false, true, true]),
    ] {
        let retention = retention(1, &[take(Tier::Daily, "2", taken)]);
        let rules = Rules {
            retention: &retention,
            zone: Tz::UTC,
            now: at("2026-03-10 06"),
            keep_last_holds: false,
            is_settled_only,
        };
        let judgements = judge(rules, &candidates);
        let holds: Vec<bool> = judgements.iter().map(|j| !j.holds.is_empty()).collect();
        assert_eq!(holds, held, "{taken:?} {is_settled_only}");
    }
}

#[test]
fn what_stands_for_the_period_is_named_as_what_stays_instead() {
    let candidates = complete(&[at("2026-03-09 03"), at("2026-03-09 04"), at("2026-03-10 03")]);
    let daily = retention(1, &[rule(Tier::Daily, "30 days")]);
    let judgements = judged(&daily, Tz::UTC, at("2026-03-10 06"), &candidates);
    assert_eq!(judgements[1].instead, [0]);
}

fn any_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Tz::UTC,
        Tz::Asia__Seoul,
        Tz::Asia__Kolkata,
        Tz::America__New_York,
        Tz::America__St_Johns,
        Tz::Australia__Lord_Howe,
        Tz::Pacific__Kiritimati,
        Tz::Pacific__Pago_Pago,
        Tz::Africa__Casablanca,
    ])
}

fn any_rule() -> impl Strategy<Value = TierRule> {
    let window = prop_oneof![
        (1_u32..12).prop_map(|n| n.to_string()),
        (1_u32..60).prop_map(|n| format!("{n} days")),
        (1_u32..8).prop_map(|n| format!("{n} months")),
        (1_u32..100).prop_map(|n| format!("{n} hours")),
    ];
    let tier = prop::sample::select(Tier::ALL.to_vec());
    let taken = prop::sample::select(Take::ALL.to_vec());
    (tier, window, taken).prop_map(|((tier, _), window, (taken, _))| match tier {
        Tier::Every if window.parse::<u32>().is_ok() => rule(tier, "9 days"),
        Tier::Every => rule(tier, &window),
        _ => take(tier, &window, taken),
    })
}

fn any_retention() -> impl Strategy<Value = Retention> {
    (1_u32..5, prop::collection::vec(any_rule(), 0..4)).prop_map(|(keep_last, mut tiers)| {
        tiers.sort_by_key(|rule| rule.tier);
        tiers.dedup_by_key(|rule| rule.tier);
        retention(keep_last, &tiers)
    })
}

fn any_points() -> impl Strategy<Value = Vec<Candidate>> {
    // Minutes before the first of May 2026: a year with both clock changes.
    prop::collection::vec((0_i64..525_600, prop::bool::weighted(0.9)), 0..80).prop_map(|points| {
        let mut candidates: Vec<Candidate> = points
            .into_iter()
            .map(|(minutes, is_complete)| Candidate {
                time: at("2026-05-01 00") - TimeDelta::minutes(minutes),
                is_complete,
            })
            .collect();
        candidates.sort_by_key(|candidate| candidate.time);
        candidates
    })
}

fn kept(
    retention: &Retention,
    zone: Tz,
    now: DateTime<Utc>,
    candidates: Vec<Candidate>,
) -> Vec<Candidate> {
    let judgements = judged(retention, zone, now, &candidates);
    let pairs = candidates.into_iter().zip(judgements);
    pairs.filter(|(_, judgement)| !judgement.holds.is_empty()).map(|(c, _)| c).collect()
}

/// Makes a point every `hours` up to `now`, and judges at each `step`-th of them.
fn operate(
    retention: &Retention,
    zone: Tz,
    hours: i64,
    n_points: i64,
    step: i64,
) -> Vec<Candidate> {
    let start = at("2025-01-20 03");
    let mut points = Vec::new();
    for n in 0..n_points {
        let time = start + TimeDelta::hours(n * hours);
        points.push(Candidate { time, is_complete: true });
        if n % step == step - 1 || n == n_points - 1 {
            points = kept(retention, zone, time, points);
        }
    }
    points
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn planning_again_after_executing_finds_nothing_to_do(
        retention in any_retention(), zone in any_zone(), points in any_points(),
    ) {
        let now = at("2026-05-01 00");
        let once = kept(&retention, zone, now, points);
        prop_assert_eq!(kept(&retention, zone, now, once.clone()), once);
    }

    #[test]
    fn the_newest_keep_last_complete_points_always_stay(
        retention in any_retention(), zone in any_zone(), points in any_points(),
    ) {
        let newest: Vec<Candidate> = points
            .iter()
            .filter(|candidate| candidate.is_complete)
            .rev()
            .take(retention.keep_last as usize)
            .copied()
            .collect();
        let kept = kept(&retention, zone, at("2026-05-01 00"), points);
        prop_assert!(newest.iter().all(|candidate| kept.contains(candidate)));
    }

    #[test]
    fn a_date_of_expiry_is_kept_to_the_second(
        retention in any_retention(), zone in any_zone(), points in any_points(),
    ) {
        let now = at("2026-05-01 00");
        for (n, judgement) in judged(&retention, zone, now, &points).into_iter().enumerate() {
            let Some(until) = judgement.until else { continue };
            prop_assert!(now < until);
            let rules = Rules { retention: &retention, zone, now: until, keep_last_holds: false, is_settled_only: false };
            let then = &judge(rules, &points)[n];
            // A tier with a count may hold it longer; one with a span may not.
            prop_assert!(then.until.is_none());
            let just_before = Rules { now: until - TimeDelta::seconds(1), ..rules };
            prop_assert!(judge(just_before, &points)[n].holds.tiers().next().is_some());
        }
    }

    #[test]
    fn daily_runs_keep_at_least_what_one_run_at_the_end_keeps(
        retention in any_retention(), zone in any_zone(), hours in 5_i64..30, n_points in 1_i64..120,
    ) {
        let daily = operate(&retention, zone, hours, n_points, (24 / hours).max(1));
        let once = operate(&retention, zone, hours, n_points, n_points);
        for point in once {
            prop_assert!(daily.contains(&point), "{} is missing", point.time);
        }
    }

    #[test]
    fn daily_runs_of_the_shipped_default_keep_just_what_one_run_keeps(
        zone in any_zone(), hours in 3_i64..40, n_points in 1_i64..300,
    ) {
        let daily = operate(&shipped(), zone, hours, n_points, 1);
        prop_assert_eq!(daily, operate(&shipped(), zone, hours, n_points, n_points));
    }

    #[test]
    fn forever_keeps_everything(zone in any_zone(), points in any_points()) {
        let forever = Retention { forever: true, ..retention(1, &[]) };
        prop_assert_eq!(kept(&forever, zone, at("2026-05-01 00"), points.clone()), points);
    }
}

#[test]
fn holds_are_listed_tiers_first() {
    let mut holds = super::Holds::default();
    holds.insert(Hold::Last);
    holds.insert(Hold::Tier(Tier::Yearly));
    holds.insert(Hold::Tier(Tier::Every));
    let listed: Vec<Hold> = holds.iter().collect();
    assert_eq!(listed, [Hold::Tier(Tier::Every), Hold::Tier(Tier::Yearly), Hold::Last]);
}
