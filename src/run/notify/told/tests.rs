use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{News, Repeat, Told};
use crate::domain::span::Span;

const DAY: Repeat = Repeat { span: Span::days(1), timezone: Tz::UTC };

fn start() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

/// Each letter is something that is wrong.
fn keys(letters: &str) -> BTreeSet<String> {
    letters.chars().filter(|c| *c != '-').map(String::from).collect()
}

/// Returns what is told of hourly cycles: `F` what is wrong, `A` that it is so again, `B` that it is
/// back, `R` that all is well.
fn hourly(cycles: &str) -> String {
    let mut told = Told::default();
    let cycles = cycles.split_whitespace().enumerate();
    let letters = cycles.map(|(n, wrong)| {
        let now = start() + TimeDelta::hours(i64::try_from(n).unwrap());
        let (news, next) = told.next(&keys(wrong), true, DAY, now);
        told = next;
        match news {
            News::None => '.',
            News::Trouble { recovered_at: Some(_), .. } => 'B',
            News::Trouble { since: Some(_), .. } => 'A',
            News::Trouble { .. } => 'F',
            News::Recovery { .. } => 'R',
        }
    });
    letters.collect()
}

#[test]
fn hours_are_told_as_they_should_be() {
    for (cycles, expected) in [
        // Nothing to say.
        ("- - -", "..."),
        // One failure, one recovery.
        ("- a a a - -", ".F..R."),
        // Something else is wrong as well, or instead.
        ("a ab ab b a -", "FA...R"),
        ("a b -", "FAR"),
        // It comes and goes: told twice, and as recovered once.
        ("a - a - a - a - -", "FRB......"),
        // Something else while the first is thought to be back.
        ("a - a b - -", "FRBA.."),
    ] {
        assert_eq!(hourly(cycles), expected, "{cycles}");
    }
}

#[test]
fn what_stays_wrong_is_told_again_after_a_day() {
    let expected: String = (0..50)
        .map(|n| {
            if n == 0 {
                'F'
            } else if n % 24 == 0 {
                'A'
            } else {
                '.'
            }
        })
        .collect();
    assert_eq!(hourly(&"a ".repeat(50)), expected);
    // What was gone long before is news again by then.
    let cycles = format!("ab {} ab", "a ".repeat(25));
    assert_eq!(hourly(&cycles), format!("F{}A.A", ".".repeat(23)));
}

#[test]
fn what_came_back_is_recovered_once_it_stayed_away_for_a_day() {
    let cycles = format!("a - a {}", "- ".repeat(26));
    assert_eq!(hourly(&cycles), format!("FRB{}R.", ".".repeat(24)));
    // After that day it is a trouble like any other.
    let cycles = format!("a - {} a -", "- ".repeat(24));
    assert_eq!(hourly(&cycles), format!("FR{}FR", ".".repeat(24)));
}

#[test]
fn a_cycle_that_saw_a_part_never_says_that_all_is_well() {
    let (news, told) = Told::default().next(&keys("a"), false, DAY, start());
    assert!(matches!(news, News::Trouble { .. }));
    let later = start() + TimeDelta::hours(1);
    let (news, same) = told.next(&keys(""), false, DAY, later);
    assert_eq!((news, &same), (News::None, &told));
    let (news, _) = told.next(&keys(""), true, DAY, later);
    let expected = News::Recovery { since: start(), keys: keys("a") };
    assert_eq!(news, expected);
}

#[test]
fn a_clock_that_was_wrong_silences_nothing() {
    let future = start() + TimeDelta::days(9000);
    let (_, told) = Told::default().next(&keys("a"), true, DAY, future);
    let (news, told) = told.next(&keys("a"), true, DAY, start());
    assert!(
        matches!(news, News::Trouble { since: Some(since), .. } if since == start()),
        "{news:?}"
    );
    let (news, _) = told.next(&keys("a"), true, DAY, start() + TimeDelta::hours(1));
    assert_eq!(news, News::None);
}

#[test]
fn summaries_are_told_once_a_slot_and_from_the_second_on() {
    let slots = [start(), start(), start() + TimeDelta::days(1), start() + TimeDelta::days(1)];
    let mut told = Told::default();
    let due = slots.map(|slot| {
        let (is_due, next) = told.summary(slot);
        told = next;
        is_due
    });
    assert_eq!(due, [false, false, true, false]);
}

#[test]
fn what_was_told_reads_back_as_it_was_written() {
    let (_, told) = Told::default().next(&keys("ab"), true, DAY, start());
    let (_, told) = told.next(&keys(""), true, DAY, start() + TimeDelta::hours(1));
    let (_, told) = told.next(&keys("a"), true, DAY, start() + TimeDelta::hours(2));
    let (_, told) = told.next(&keys(""), true, DAY, start() + TimeDelta::hours(3));
    let (_, told) = told.summary(start());
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    assert_eq!(serde_json::from_str::<Told>("{}").unwrap(), Told::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_told_too_often_or_wrongly(
        cycles in prop::collection::vec(("[abc]{0,3}", 1..20_i64), 1..200),
    ) {
        let mut told = Told::default();
        let mut now = start();
        let mut is_open = false;
        let mut recovered_at: Option<DateTime<Utc>> = None;
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut told_at = now;
        for (wrong, hours) in cycles {
            now += TimeDelta::hours(hours);
            let wrong = keys(&wrong);
            let (news, next) = told.next(&wrong, true, DAY, now);
            told = next;
            match news {
                News::None => {
                    // People know of all that is wrong, and were reminded in time.
                    if !wrong.is_empty() {
                        prop_assert!(is_open && wrong.is_subset(&known));
                        prop_assert!(now < told_at + TimeDelta::days(1));
                    }
                }
                News::Trouble { .. } => {
                    prop_assert!(!wrong.is_empty());
                    let is_reminder = is_open && told_at + TimeDelta::days(1) <= now;
                    prop_assert!(!is_open || is_reminder || !wrong.is_subset(&known));
                    if !is_open || is_reminder {
                        known.clear();
                    }
                    known.extend(wrong);
                    (is_open, told_at) = (true, now);
                }
                News::Recovery { .. } => {
                    prop_assert!(wrong.is_empty() && is_open);
                    prop_assert!(recovered_at.is_none_or(|at| at + TimeDelta::days(1) <= now));
                    (is_open, recovered_at) = (false, Some(now));
                }
            }
        }
    }
}
