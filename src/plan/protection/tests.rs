use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use snapbox::{assert_data_eq, str};

use crate::config::{self, Config};
use crate::domain::inventory::{
    AttachedVolume, Gap, Instance, InstanceState, Inventory, Listing, RegionInventory, Snapshot,
    SnapshotState, Volume,
};
use crate::domain::tags;
use crate::plan::model::slot_text;
use crate::plan::reason::minute;
use crate::plan::{Plan, ProtectionState, Request, plan};

/// What there is, beside the policy: a server since then, and its points.
#[derive(Clone, Copy)]
struct Facts<'f> {
    /// When its volume was attached.
    since: Option<&'f str>,
    /// When it was last started.
    launched: Option<&'f str>,
    /// Slots with states.
    points: &'f [(&'f str, SnapshotState)],
}

const NOBODY_KNOWS: Facts<'_> = Facts { since: None, launched: None, points: &[] };
const DONE: SnapshotState = SnapshotState::Completed;

fn at(text: &str) -> DateTime<Utc> {
    // `11-20 03:00` is of 2026, in UTC.
    format!("2026-{}:00Z", text.replace(' ', "T")).parse().unwrap()
}

fn config(policy: &str) -> Config {
    let text = format!(
        "version = 1\n[[policy]]\nname = \"servers\"\nregions = [\"eu-west-1\"]\n{policy}\n\
         retention = {{ daily = \"30 days\" }}\n"
    );
    config::parse(&[("test.toml".to_owned(), text)]).unwrap()
}

fn account(facts: Facts<'_>) -> Inventory {
    let volume_id = "vol-00000001".parse().unwrap();
    let instance = Instance {
        id: "i-00000001".parse().unwrap(),
        owner_id: None,
        state: InstanceState::Running,
        root_device: Some("/dev/xvda".into()),
        is_instance_store: false,
        image_id: None,
        launched_at: facts.launched.map(at),
        volumes: vec![AttachedVolume {
            device: "/dev/xvda".into(),
            volume_id,
            attached_at: facts.since.map(at),
        }],
        tags: tags::Tags::default(),
    };
    let volume = Volume {
        id: volume_id,
        state: "in-use".into(),
        volume_type: "gp3".into(),
        size_gib: 8,
        created_at: facts.since.map(at),
        tags: tags::Tags::default(),
    };
    let snapshots = facts.points.iter().zip(1..).map(|((slot, state), n)| {
        let slot = at(slot);
        let text = slot_text(slot);
        Snapshot {
            id: format!("snap-{n:08x}").parse().unwrap(),
            volume_id: Some(volume_id),
            owner_id: None,
            state: *state,
            state_message: None,
            started_at: slot,
            volume_size_gib: 8,
            full_size_bytes: None,
            is_encrypted: false,
            kms_key_id: None,
            description: format!("snapkeep servers i-00000001 {text}").into(),
            tags: [
                (tags::OWNER, "main"),
                (tags::POLICY, "servers"),
                (tags::SOURCE, "eu-west-1/i-00000001"),
                (tags::SLOT, &text),
                (tags::MEMBERS, "1"),
            ]
            .into_iter()
            .collect(),
        }
    });
    let observed = RegionInventory {
        instances: vec![instance],
        volumes: vec![volume],
        snapshots: snapshots.collect(),
        ..RegionInventory::default()
    };
    let regions = [("eu-west-1".parse().unwrap(), observed)].into();
    Inventory { regions, ..Inventory::default() }
}

fn lines(plan: &Plan) -> String {
    let mut out = String::new();
    for protection in &plan.protection {
        let time = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), minute);
        let detail = match &protection.state {
            ProtectionState::Protected => String::new(),
            ProtectionState::New { first_due } => time(*first_due),
            ProtectionState::Unprotected { since } => time(*since),
            ProtectionState::Unknown(why) => why.to_string(),
        };
        let source = protection.source.map_or_else(|| "-".to_owned(), |source| source.to_string());
        let (newest, due) = (time(protection.newest), time(protection.due));
        let state = protection.state.name();
        writeln!(out, "{source} newest {newest} due {due}: {state} {detail}").unwrap();
    }
    out
}

/// The one place that knows how protection is asked for.
fn check(policy: &str, facts: Facts<'_>, now: &str) -> String {
    let now = at(now);
    lines(&plan(&config(policy), &account(facts), &Request::at(now))).trim_end().to_owned()
}

const DAILY: &str = "schedule = \"0 3 * * *\"\nselect = { resource = \"instance\" }";

#[test]
fn a_point_is_asked_for_once_grace_is_over() {
    let points = &[("11-18 03:00", DONE), ("11-19 03:00", DONE)];
    let facts = Facts { points, ..NOBODY_KNOWS };
    let newest = "i-00000001 newest 2026-11-19 03:00Z due";
    for (grace, now, expected) in [
        ("6 hours", "11-19 08:59", "2026-11-18 03:00Z: protected"),
        ("6 hours", "11-19 09:00", "2026-11-19 03:00Z: protected"),
        ("6 hours", "11-20 08:59", "2026-11-19 03:00Z: protected"),
        ("6 hours", "11-20 09:00", "2026-11-20 03:00Z: unprotected 2026-11-20 09:00Z"),
        ("6 hours", "11-25 12:00", "2026-11-25 03:00Z: unprotected 2026-11-20 09:00Z"),
        ("1 hour", "11-20 04:00", "2026-11-20 03:00Z: unprotected 2026-11-20 04:00Z"),
        ("2 days", "11-22 02:59", "2026-11-19 03:00Z: protected"),
        ("2 days", "11-22 03:00", "2026-11-20 03:00Z: unprotected 2026-11-22 03:00Z"),
    ] {
        let policy = format!("{DAILY}\npoint_grace = \"{grace}\"");
        assert_eq!(check(&policy, facts, now), format!("{newest} {expected}"), "{grace} {now}");
    }
}

#[test]
fn only_complete_points_count() {
    use SnapshotState::{Completed, Error, Pending};
    for (newest, expected) in [
        (Completed, "newest 2026-11-20 03:00Z due 2026-11-20 03:00Z: protected"),
        (Pending, "newest 2026-11-19 03:00Z due 2026-11-20 03:00Z: unprotected 2026-11-20 09:00Z"),
        (Error, "newest 2026-11-19 03:00Z due 2026-11-20 03:00Z: unprotected 2026-11-20 09:00Z"),
    ] {
        let points = &[("11-19 03:00", DONE), ("11-20 03:00", newest)];
        let found = check(DAILY, Facts { points, ..NOBODY_KNOWS }, "11-20 09:30");
        assert_eq!(found, format!("i-00000001 {expected}"));
    }
    // What is of the future is a clock's mistake.
    let points = &[("11-19 03:00", DONE), ("12-20 03:00", DONE)];
    let found = check(DAILY, Facts { points, ..NOBODY_KNOWS }, "11-20 09:30");
    assert!(found.ends_with("unprotected 2026-11-20 09:00Z"), "{found}");
}

#[test]
fn a_slot_in_the_future_fills_nothing() {
    for (points, expected) in [
        (&[("08-01 03:00", DONE)][..], "newest - due 2026-11-21 03:00Z: unprotected -"),
        (
            &[("08-01 03:00", DONE), ("11-20 03:00", DONE)],
            "newest 2026-11-20 03:00Z due 2026-11-21 03:00Z: unprotected 2026-11-21 09:00Z",
        ),
        (
            &[("08-01 03:00", DONE), ("11-21 03:00", DONE)],
            "newest 2026-11-21 03:00Z due 2026-11-21 03:00Z: protected",
        ),
    ] {
        let mut account = account(Facts { points, ..NOBODY_KNOWS });
        // Made while a clock was a year ahead: EC2 tells the true start.
        let region = account.regions.values_mut().next().unwrap();
        let snapshot = &mut region.snapshots[0];
        let ahead = "2027-08-01T03:00:00Z";
        let kept = snapshot.tags.iter().filter(|(key, _)| *key != tags::SLOT);
        snapshot.tags = kept.chain([(tags::SLOT, ahead)]).collect();
        snapshot.description = format!("snapkeep servers i-00000001 {ahead}").into();
        let request = Request::at(at("11-21 09:30"));
        let found = lines(&plan(&config(DAILY), &account, &request));
        assert_eq!(found.trim_end(), format!("i-00000001 {expected}"));
    }
}

#[test]
fn what_was_made_since_is_new_until_its_first_slot_is_over() {
    let weekly = DAILY.replace("* * *", "* * mon");
    let no_schedule = "select = { resource = \"instance\" }";
    for (policy, since, now, expected) in [
        (DAILY, Some("11-20 02:00"), "11-20 08:00", "new 2026-11-20 09:00Z"),
        (DAILY, Some("11-20 02:00"), "11-20 09:00", "unprotected 2026-11-20 02:00Z"),
        (DAILY, Some("11-20 03:00"), "11-20 09:30", "unprotected 2026-11-20 03:00Z"),
        (DAILY, Some("11-20 04:00"), "11-21 08:00", "new 2026-11-21 09:00Z"),
        (DAILY, Some("11-20 04:00"), "11-21 09:00", "unprotected 2026-11-20 04:00Z"),
        (DAILY, None, "11-20 12:00", "unprotected -"),
        // 23 November is a Monday.
        (&weekly, Some("11-17 12:00"), "11-22 12:00", "new 2026-11-23 09:00Z"),
        (&weekly, Some("11-17 12:00"), "11-23 09:00", "unprotected 2026-11-17 12:00Z"),
        (no_schedule, Some("11-20 04:00"), "11-20 09:00", "new 2026-11-20 10:00Z"),
        (no_schedule, Some("11-20 04:00"), "11-20 10:00", "unprotected 2026-11-20 04:00Z"),
        (no_schedule, None, "11-20 10:00", "unprotected -"),
    ] {
        let found = check(policy, Facts { since, ..NOBODY_KNOWS }, now);
        assert!(found.ends_with(&format!(": {expected}")), "{policy} {since:?} {now}: {found}");
    }
}

#[test]
fn without_a_schedule_any_point_protects() {
    let points = &[("01-20 03:00", DONE)];
    let facts = Facts { points, ..NOBODY_KNOWS };
    let found = check("select = { resource = \"instance\" }", facts, "11-20 09:30");
    assert_eq!(found, "i-00000001 newest 2026-01-20 03:00Z due -: protected");
}

#[test]
fn a_start_makes_new_only_what_is_not_selected_while_stopped() {
    let running = DAILY.replace("\"instance\"", "\"instance\", states = [\"running\"]");
    let facts = Facts {
        since: Some("11-15 00:00"),
        launched: Some("11-20 08:00"),
        points: &[("11-16 03:00", DONE)],
    };
    for (policy, now, expected) in [
        (DAILY, "11-20 09:30", "unprotected 2026-11-17 09:00Z"),
        (&running, "11-20 09:30", "new 2026-11-20 14:00Z"),
        (&running, "11-20 14:00", "unprotected 2026-11-17 09:00Z"),
    ] {
        let found = check(policy, facts, now);
        assert!(found.ends_with(expected), "{policy} {now}: {found}");
        // Nor does it without any point: a start renews LaunchTime, not the attachment.
        let found = check(policy, Facts { points: &[], ..facts }, now);
        let expected = expected.replace("2026-11-17 09", "2026-11-15 00");
        assert!(found.ends_with(&expected), "{policy} {now}: {found}");
    }
}

#[test]
fn a_start_each_morning_does_not_hide_that_no_point_is_ever_made() {
    let running = DAILY.replace("\"instance\"", "\"instance\", states = [\"running\"]");
    let at_nine = |points, launched| {
        let facts = Facts { since: Some("01-01 00:00"), launched: Some(launched), points };
        check(&running, facts, &launched.replace("08:00", "09:30"))
    };
    for (points, launched, expected) in [
        (&[][..], "11-20 08:00", "unprotected 2026-01-01 00:00Z"),
        (&[("11-13 03:00", DONE)], "11-20 08:00", "new 2026-11-20 14:00Z"),
        (&[("11-13 03:00", DONE)], "11-21 08:00", "unprotected 2026-11-14 09:00Z"),
        (&[("01-12 03:00", DONE)], "11-20 08:00", "unprotected 2026-01-13 09:00Z"),
    ] {
        let found = at_nine(points, launched);
        assert!(found.ends_with(expected), "{points:?} {launched}: {found}");
    }
    // For a week it may have been stopped at each slot.
    let points = &[("11-13 03:00", DONE)];
    let facts = Facts { since: Some("01-01 00:00"), launched: Some("11-21 08:00"), points };
    for (now, expected) in
        [("11-21 08:59", "new 2026-11-21 14:00Z"), ("11-21 09:00", "unprotected 2026-11-14 09:00Z")]
    {
        let found = check(&running, facts, now);
        assert!(found.ends_with(expected), "{now}: {found}");
    }
}

#[test]
fn of_what_no_point_can_be_made_none_is_asked_for() {
    let images = format!("kind = \"images\"\n{DAILY}");
    let no_root = format!("{DAILY}\nvolumes = {{ boot = false }}");
    let copied = |policy: &str| {
        format!("{policy}\nretention = {{ daily = 3 }}\n[[policy.copy]]\nto = \"us-east-1\"")
    };
    let points = &[("11-20 03:00", DONE)];
    let (own, copy) = ("i-00000001 newest 2026-11-20", "i-00000001 newest -");
    for (policy, is_store, points, expected, warning) in [
        (&copied(DAILY), true, &points[..], &[own, copy][..], ""),
        (&copied(&images), false, points, &[own, copy], ""),
        (&copied(&images), true, points, &[copy], ""),
        (&copied(&images), true, &[], &[], "an instance store"),
        (&copied(&no_root), false, points, &[copy], "chooses none of its volumes"),
        (&no_root, false, points, &[], "chooses none of its volumes"),
        (&no_root, false, &[], &[], "chooses none of its volumes"),
    ] {
        let mut account = account(Facts { points, ..NOBODY_KNOWS });
        let observed = account.regions.values_mut().next().unwrap();
        observed.instances[0].is_instance_store = is_store;
        let plan = plan(&config(policy), &account, &Request::at(at("11-20 12:00")));
        let found = lines(&plan);
        let context = format!("{policy} {is_store} {points:?}:\n{found}");
        assert_eq!(found.lines().count(), expected.len(), "{context}");
        for (line, expected) in found.lines().zip(expected) {
            assert!(line.starts_with(expected), "{context}");
        }
        let mut notes = plan.notes.iter();
        assert!(warning.is_empty() || notes.any(|n| n.message.contains(warning)), "{context}");
    }
    // Of a volume that was not seen nobody knows whether it is chosen.
    let mut account = account(NOBODY_KNOWS);
    account.regions.values_mut().next().unwrap().volumes.clear();
    let plan = plan(&config(&no_root), &account, &Request::at(at("11-20 12:00")));
    assert_eq!(lines(&plan).trim_end(), "i-00000001 newest - due 2026-11-20 03:00Z: unprotected -");
}

#[test]
fn slots_and_grace_follow_the_local_clock_through_its_changes() {
    let of = |schedule: &str, grace: &str| {
        format!(
            "timezone = \"America/New_York\"\nschedule = \"{schedule}\"\n\
             point_grace = \"{grace}\"\nselect = {{ resource = \"instance\" }}"
        )
    };
    // On 8 March 02:30 does not exist: the slot is 03:00 EDT, 07:00Z. On 1 November 01:30 exists
    // twice: the slot is the first, 05:30Z.
    for (schedule, grace, point, now, expected) in [
        ("30 2 * * *", "6 hours", "03-07 07:30", "03-08 12:59", "2026-03-07 07:30Z: protected"),
        (
            "30 2 * * *",
            "6 hours",
            "03-07 07:30",
            "03-08 13:00",
            "2026-03-08 07:00Z: unprotected 2026-03-08 13:00Z",
        ),
        ("30 2 * * *", "1 day", "03-07 07:30", "03-09 06:59", "2026-03-07 07:30Z: protected"),
        (
            "30 2 * * *",
            "1 day",
            "03-07 07:30",
            "03-09 07:00",
            "2026-03-08 07:00Z: unprotected 2026-03-09 07:00Z",
        ),
        ("30 1 * * *", "6 hours", "10-31 05:30", "11-01 11:29", "2026-10-31 05:30Z: protected"),
        (
            "30 1 * * *",
            "6 hours",
            "10-31 05:30",
            "11-01 11:30",
            "2026-11-01 05:30Z: unprotected 2026-11-01 11:30Z",
        ),
        // A day after 31 October 01:30 is the second 01:30.
        ("30 1 * * *", "1 day", "10-30 05:30", "11-01 06:29", "2026-10-30 05:30Z: protected"),
        (
            "30 1 * * *",
            "1 day",
            "10-30 05:30",
            "11-01 06:30",
            "2026-10-31 05:30Z: unprotected 2026-11-01 06:30Z",
        ),
    ] {
        let facts = Facts { points: &[(point, DONE)], ..NOBODY_KNOWS };
        let found = check(&of(schedule, grace), facts, now);
        assert!(found.ends_with(expected), "{schedule} {grace} {now}: {found}");
    }
}

#[test]
fn behind_a_gap_nothing_is_protected_or_unprotected() {
    for listing in Listing::ALL {
        for points in [&[("11-20 03:00", DONE)][..], &[]] {
            let mut account = account(Facts { points, ..NOBODY_KNOWS });
            let observed = account.regions.values_mut().next().unwrap();
            observed
                .gaps
                .push(Gap { listing, error: crate::domain::failure::Failure::lasting("denied") });
            let plan = plan(&config(DAILY), &account, &Request::at(at("11-20 12:00")));
            let found = lines(&plan);
            let unknown = format!("unknown {}: denied", listing.operation());
            match listing {
                Listing::Snapshots | Listing::Images => assert_eq!(
                    found.trim_end(),
                    format!("i-00000001 newest - due 2026-11-20 03:00Z: {unknown}")
                ),
                // What was seen is there, but nobody knows what else is.
                Listing::Instances => {
                    assert!(
                        found.starts_with(&format!("- newest - due -: {unknown}\n")),
                        "{found}"
                    );
                    assert_eq!(found.lines().count(), 2, "{found}");
                }
                Listing::Volumes | Listing::LockedSnapshots => {
                    assert!(!found.contains("unknown"), "{found}");
                }
            }
        }
    }
}

#[test]
fn a_source_is_of_the_first_policy_that_selects_it_and_of_what_is_asked_about() {
    let second = format!(
        "{DAILY}\nretention = {{ daily = 3 }}\n[[policy]]\nname = \"second\"\n\
         regions = [\"eu-west-1\"]\nschedule = \"0 4 * * *\"\n\
         select = {{ resource = \"instance\", states = [\"running\"] }}"
    );
    let points = &[("11-20 03:00", DONE)];
    let account = account(Facts { points, ..NOBODY_KNOWS });
    let request = Request::at(at("11-20 12:00"));
    let all = plan(&config(&second), &account, &request);
    assert_data_eq!(
        lines(&all),
        str![[r#"
i-00000001 newest 2026-11-20 03:00Z due 2026-11-20 03:00Z: protected 

"#]]
    );
    let only = |policies: &[&str], regions: &[&str]| Request {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        regions: regions.iter().map(|name| name.parse().unwrap()).collect(),
        ..request.clone()
    };
    for (request, n) in [
        (only(&["servers"], &[]), 1),
        (only(&["second"], &[]), 0),
        (only(&[], &["eu-west-1"]), 1),
        (only(&[], &["us-east-1"]), 0),
    ] {
        assert_eq!(plan(&config(&second), &account, &request).protection.len(), n, "{request:?}");
    }
}
