use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use snapbox::{assert_data_eq, str};

use super::Schedule;
use crate::domain::calendar::{Repeated, instant};

/// Returns the next four slots after a UTC instant, and checks that going back finds them again.
fn slots(text: &str, zone: &str, start: &str) -> String {
    let schedule = Schedule::parse(text, zone.parse().unwrap()).unwrap();
    let mut now: DateTime<Utc> = start.parse().unwrap();
    let mut res = String::new();
    for _ in 0..4 {
        let slot = schedule.slot_after(now).unwrap();
        assert!(now < slot, "{slot} is after {now}");
        assert_eq!(schedule.slot_at(slot), Some(slot), "the slot itself counts");
        assert_eq!(schedule.slot_at(slot + TimeDelta::milliseconds(1500)), Some(slot));
        let just_before = schedule.slot_at(slot - TimeDelta::milliseconds(1));
        assert!(just_before < Some(slot), "{just_before:?} is before {slot}");
        let local = slot.with_timezone(&schedule.timezone());
        res.push_str(&local.format("%a %Y-%m-%d %H:%M %Z\n").to_string());
        now = slot;
    }
    res
}

fn error(text: &str) -> String {
    Schedule::parse(text, Tz::UTC).unwrap_err().to_string()
}

const NEW_YORK: &str = "America/New_York";

#[test]
fn a_time_that_spring_skips_fires_once_after_the_gap() {
    assert_data_eq!(
        slots("30 2 * * *", NEW_YORK, "2026-03-06T12:00:00Z"),
        str![[r#"
Sat 2026-03-07 02:30 EST
Sun 2026-03-08 03:00 EDT
Mon 2026-03-09 02:30 EDT
Tue 2026-03-10 02:30 EDT

"#]]
    );
}

#[test]
fn a_time_that_autumn_repeats_fires_once() {
    assert_data_eq!(
        slots("30 1 * * *", NEW_YORK, "2026-10-30T12:00:00Z"),
        str![[r#"
Sat 2026-10-31 01:30 EDT
Sun 2026-11-01 01:30 EDT
Mon 2026-11-02 01:30 EST
Tue 2026-11-03 01:30 EST

"#]]
    );
}

#[test]
fn an_hourly_schedule_fires_once_after_a_gap_and_once_in_a_repeated_hour() {
    assert_data_eq!(
        slots("@hourly", NEW_YORK, "2026-03-08T05:30:00Z"),
        str![[r#"
Sun 2026-03-08 01:00 EST
Sun 2026-03-08 03:00 EDT
Sun 2026-03-08 04:00 EDT
Sun 2026-03-08 05:00 EDT

"#]]
    );
    assert_data_eq!(
        slots("@hourly", NEW_YORK, "2026-11-01T03:30:00Z"),
        str![[r#"
Sun 2026-11-01 00:00 EDT
Sun 2026-11-01 01:00 EDT
Sun 2026-11-01 02:00 EST
Sun 2026-11-01 03:00 EST

"#]]
    );
}

#[test]
fn in_the_second_pass_of_an_hour_the_first_pass_is_over() {
    let schedule = Schedule::parse("*/15 * * * *", NEW_YORK.parse().unwrap()).unwrap();
    // 01:05 EST, after 01:45 EDT has fired.
    let now = "2026-11-01T06:05:00Z".parse().unwrap();
    assert_eq!(schedule.slot_at(now), Some("2026-11-01T05:45:00Z".parse().unwrap()));
    assert_eq!(schedule.slot_after(now), Some("2026-11-01T07:00:00Z".parse().unwrap()));
}

#[test]
fn months_end_where_they_end() {
    assert_data_eq!(
        slots("0 3 31 * *", "UTC", "2026-01-30T00:00:00Z"),
        str![[r#"
Sat 2026-01-31 03:00 UTC
Tue 2026-03-31 03:00 UTC
Sun 2026-05-31 03:00 UTC
Fri 2026-07-31 03:00 UTC

"#]]
    );
    assert_data_eq!(
        slots("0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z"),
        str![[r#"
Tue 2028-02-29 00:00 UTC
Sun 2032-02-29 00:00 UTC
Fri 2036-02-29 00:00 UTC
Wed 2040-02-29 00:00 UTC

"#]]
    );
}

#[test]
fn a_skipped_day_fires_when_the_next_begins() {
    // Samoa went from 29 to 31 December 2011.
    assert_data_eq!(
        slots("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z"),
        str![[r#"
Thu 2011-12-29 12:00 -10
Sat 2011-12-31 00:00 +14
Sat 2011-12-31 12:00 +14
Sun 2012-01-01 12:00 +14

"#]]
    );
}

#[test]
fn far_and_half_hour_zones_have_their_own_days() {
    assert_data_eq!(
        slots("0 0 1 * *", "Pacific/Kiritimati", "2026-01-31T09:59:59Z"),
        str![[r#"
Sun 2026-02-01 00:00 +14
Sun 2026-03-01 00:00 +14
Wed 2026-04-01 00:00 +14
Fri 2026-05-01 00:00 +14

"#]]
    );
    assert_data_eq!(
        slots("30 5 * * mon", "Asia/Kolkata", "2026-01-04T23:59:00Z"),
        str![[r#"
Mon 2026-01-05 05:30 IST
Mon 2026-01-12 05:30 IST
Mon 2026-01-19 05:30 IST
Mon 2026-01-26 05:30 IST

"#]]
    );
    assert_data_eq!(
        slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
        str![[r#"
Sat 2026-10-03 02:15 +1030
Sun 2026-10-04 02:30 +11
Mon 2026-10-05 02:15 +11
Tue 2026-10-06 02:15 +11

"#]]
    );
}

#[test]
fn either_day_field_matches_when_both_are_restricted() {
    assert_data_eq!(
        slots("0 0 13 * fri", "UTC", "2026-03-01T00:00:00Z"),
        str![[r#"
Fri 2026-03-06 00:00 UTC
Fri 2026-03-13 00:00 UTC
Fri 2026-03-20 00:00 UTC
Fri 2026-03-27 00:00 UTC

"#]]
    );
    // A field that begins with a star narrows the other one, as in Vixie's cron.
    assert_data_eq!(
        slots("0 0 */10 * fri", "UTC", "2026-05-01T00:00:00Z"),
        str![[r#"
Fri 2026-07-31 00:00 UTC
Fri 2026-08-21 00:00 UTC
Fri 2026-09-11 00:00 UTC
Fri 2026-12-11 00:00 UTC

"#]]
    );
}

#[test]
fn sunday_is_0_and_7_and_may_end_a_range() {
    for text in
        ["0 0 * * 0", "0 0 * * 7", "0 0 * * Sun", "0 0 * * 7-7", "0 0 * * sun-sun", "@weekly"]
    {
        assert!(slots(text, "UTC", "2026-03-02T00:00:00Z").starts_with("Sun 2026-03-08"), "{text}");
    }
    for text in ["0 0 * * 5-7", "0 0 * * fri-sun", "0 0 * * 5,6,0"] {
        let days: Vec<String> = slots(text, "UTC", "2026-03-02T00:00:00Z")
            .lines()
            .map(|line| line[..3].to_owned())
            .collect();
        assert_eq!(days, ["Fri", "Sat", "Sun", "Fri"], "{text}");
    }
}

#[test]
fn six_fields_begin_with_the_second() {
    let schedule = Schedule::parse("30  0 3 * * *", Tz::UTC).unwrap();
    let now = "2026-01-01T03:00:29Z".parse().unwrap();
    assert_eq!(schedule.slot_after(now), Some("2026-01-01T03:00:30Z".parse().unwrap()));
    assert_eq!(schedule.text(), "30 0 3 * * *");
    assert_eq!(schedule.to_string(), "30 0 3 * * * (UTC)");
}

#[test]
fn a_day_knows_whether_it_has_a_slot() {
    let schedule = Schedule::parse("30 23 * * sat", "Asia/Seoul".parse().unwrap()).unwrap();
    assert!(schedule.fires_on("2026-01-03".parse().unwrap()));
    assert!(!schedule.fires_on("2026-01-04".parse().unwrap()));
}

#[test]
fn bad_schedules_say_what_is_wrong() {
    for (text, expected) in [
        ("", "expected 5 fields (minute, hour, day of month, month, day of week), found 0"),
        ("0 3 * *", "expected 5 fields (minute, hour, day of month, month, day of week), found 4"),
        ("60 3 * * *", "`60` in the minute field is not a number from 0 to 59"),
        ("0 3 0 * *", "`0` in the day of month field is not a number from 1 to 31"),
        (
            "0 3 * * 8",
            "`8` in the day of week field is not a number from 0 to 7 or a name such as `sun`",
        ),
        (
            "0 3 * Foo *",
            "`Foo` in the month field is not a number from 1 to 12 or a name such as `jan`",
        ),
        ("0 3 L * *", "`L` in the day of month field is not a number from 1 to 31"),
        ("0 3 ? * *", "`?` in the day of month field is not a number from 1 to 31"),
        ("0 3 * * 5-1", "`5-1` in the day of week field runs backwards"),
        ("5/15 * * * *", "a step needs a range; write `5-59/15` in the minute field"),
        ("*/0 * * * *", "`0` in the minute field is not a step (1 or more)"),
        ("+5 * * * *", "`+5` in the minute field is not a number from 0 to 59"),
        ("1,,2 * * * *", "`` in the minute field is not a number from 0 to 59"),
        ("0 3 30 feb *", "it never fires; no date matches"),
        ("@reboot", "`@reboot` is no time of a calendar"),
    ] {
        assert_eq!(error(text), format!("`{text}` is not a schedule: {expected}"));
    }
    assert_data_eq!(
        error("@nightly"),
        str![
            "`@nightly` is not a schedule: `@nightly` is none of `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`"
        ]
    );
}

#[test]
fn outside_the_calendar_there_are_no_slots() {
    let schedule = Schedule::parse("@daily", Tz::UTC).unwrap();
    for (now, at, after) in [
        ("-0001-06-01T12:00:00Z", None, None),
        ("1900-06-01T12:00:00Z", None, None),
        ("1970-06-01T12:00:00Z", Some("1970-06-01T00:00:00Z"), Some("1970-06-02T00:00:00Z")),
        ("2100-12-31T12:00:00Z", Some("2100-12-31T00:00:00Z"), None),
    ] {
        let slots =
            [schedule.slot_at(now.parse().unwrap()), schedule.slot_after(now.parse().unwrap())];
        assert_eq!(slots, [at, after].map(|slot| slot.map(|slot| slot.parse().unwrap())), "{now}");
    }
}

/// A field of the model: its text and whether it matches a number.
#[derive(Debug, Clone)]
enum Part {
    Any,
    Every(u32),
    Range(u32, u32),
    List(Vec<u32>),
}

impl Part {
    fn text(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Every(step) => format!("*/{step}"),
            Self::Range(from, to) => format!("{from}-{to}"),
            Self::List(values) => values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        }
    }

    fn matches(&self, value: u32, min: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Every(step) => (value - min).is_multiple_of(*step),
            Self::Range(from, to) => (*from..=*to).contains(&value),
            Self::List(values) => values.contains(&value),
        }
    }

    fn is_star(&self) -> bool {
        matches!(self, Self::Any | Self::Every(_))
    }
}

fn part(min: u32, max: u32) -> impl Strategy<Value = Part> {
    prop_oneof![
        3 => Just(Part::Any),
        1 => (2..=max.max(2)).prop_map(Part::Every),
        1 => (min..=max, min..=max).prop_map(|(a, b)| Part::Range(a.min(b), a.max(b))),
        2 => prop::collection::vec(min..=max, 1..4).prop_map(Part::List),
    ]
}

/// Minute, hour, day of month, month, day of week.
type Parts = (Part, Part, Part, Part, Part);

fn model_matches((minute, hour, day, month, weekday): &Parts, wall: NaiveDateTime) -> bool {
    let is_day = day.matches(wall.day(), 1);
    let weekday_number = wall.weekday().num_days_from_sunday();
    let is_weekday = weekday.matches(weekday_number, 0);
    let is_date = if day.is_star() || weekday.is_star() {
        is_day && is_weekday
    } else {
        is_day || is_weekday
    };
    minute.matches(wall.minute(), 0)
        && hour.matches(wall.hour(), 0)
        && month.matches(wall.month(), 1)
        && is_date
}

/// Places and times at which clocks did something unusual.
const EDGES: [(&str, &str); 8] = [
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Kolkata", "2028-02-28T18:30:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tries every minute of five days of wall clock.
    #[test]
    fn slots_agree_with_a_minute_by_minute_model(
        parts in (part(0, 59), part(0, 23), part(1, 31), part(1, 12), part(0, 6)),
        edge in 0..EDGES.len(),
        offset_minutes in -1500_i64..1500,
    ) {
        let (zone, edge) = EDGES[edge];
        let zone: Tz = zone.parse().unwrap();
        let edge: DateTime<Utc> = edge.parse().unwrap();
        let now = edge + TimeDelta::minutes(offset_minutes);
        let (minute, hour, day, month, weekday) = &parts;
        let text = [minute, hour, day, month, weekday].map(Part::text).join(" ");
        let Ok(schedule) = Schedule::parse(&text, zone) else { return Ok(()) };

        let first = edge.with_timezone(&zone).naive_local() - TimeDelta::hours(60);
        let model: Vec<DateTime<Utc>> = (0..120 * 60)
            .map(|n| first + TimeDelta::minutes(n))
            .filter(|wall| model_matches(&parts, *wall))
            .map(|wall| instant(zone, wall, Repeated::Earlier))
            .collect();
        if let Some(slot) = model.iter().filter(|slot| **slot <= now).max() {
            prop_assert_eq!(schedule.slot_at(now), Some(*slot), "{} at {}", text, now);
        }
        if let Some(slot) = model.iter().filter(|slot| now < **slot).min() {
            prop_assert_eq!(schedule.slot_after(now), Some(*slot), "{} after {}", text, now);
        }
    }

    #[test]
    fn going_forward_and_back_agree(
        parts in (part(0, 59), part(0, 23), part(1, 31), part(1, 12), part(0, 6)),
        zone in 0..chrono_tz::TZ_VARIANTS.len(),
        seconds in 0_i64..4_000_000_000,
    ) {
        let zone = chrono_tz::TZ_VARIANTS[zone];
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        let (minute, hour, day, month, weekday) = &parts;
        let text = [minute, hour, day, month, weekday].map(Part::text).join(" ");
        let Ok(schedule) = Schedule::parse(&text, zone) else { return Ok(()) };
        let Some(next) = schedule.slot_after(now) else { return Ok(()) };
        prop_assert!(now < next);
        prop_assert_eq!(schedule.slot_at(next), Some(next));
        let before = schedule.slot_at(next - TimeDelta::seconds(1));
        prop_assert_eq!(before, schedule.slot_at(now), "nothing between {} and {}", now, next);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,30}|([0-9*/,@a-z-]{1,6} ?){4,6}") {
        let _ = Schedule::parse(&text, Tz::UTC);
    }
}
