//! More than a year of daily runs with the configuration that is shipped.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Months, TimeDelta, Utc};
use snapkeep::domain::inventory::InstanceState;
use snapkeep::domain::region::Region;
use snapkeep::plan::model::slot_text;

use super::world::{Server, World, eu, t, us, words};

/// The slots of `server` that are there, and checks that each is whole.
fn slots(world: &World, region: &Region, server: &Server) -> BTreeSet<String> {
    let of_server = |source: &str| source.ends_with(&server.id.to_string());
    let slots = world.slots(region).into_iter().filter(|((source, _), _)| of_server(source));
    slots
        .map(|((_, slot), n)| {
            assert_eq!(n, server.volumes.len(), "{slot}");
            slot
        })
        .collect()
}

/// Which of these daily slots are wanted at `now`: each for a month, and the first of each month
/// that there is for seven months. Written from the configuration's own words.
fn wanted(made: &[DateTime<Utc>], now: DateTime<Utc>) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    let mut months = BTreeSet::new();
    for slot in made {
        let is_first = months.insert((slot.year(), slot.month()));
        let span = if is_first { Months::new(7) } else { Months::new(1) };
        // A point's time is when the run began it, a little after its slot.
        if now < *slot + TimeDelta::minutes(5) + span || slot == made.last().unwrap() {
            wanted.insert(slot_text(*slot));
        }
    }
    wanted
}

/// The shipped configuration, for the two regions of the test and for the calendar of UTC.
fn shipped() -> String {
    let shipped = include_str!("../../../config/snapkeep.toml");
    let lines = shipped.lines().map(|line| match line.split_once(" = ") {
        Some(("regions", _)) => r#"regions = ["eu-west-1", "us-east-1"]"#,
        Some(("timezone", _)) => r#"timezone = "UTC""#,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn fourteen_months_of_daily_runs_leave_exactly_what_the_shipped_policy_wants() {
    let config = shipped();
    let world = World::at("2026-01-17 03:05:00");
    let servers = [world.server(&["gp3", "gp3"]), world.server_in(&us(), &["st1"])];
    let ends = world.server(&["gp3"]);
    let end = t("2026-09-10 12:00:00");
    // Nothing runs on these days: some firsts, and a few in a row.
    let missed = ["2026-11-01", "2027-01-30", "2027-01-31", "2027-02-01", "2027-02-02"];
    let (mut made, mut made_of_ended) = (Vec::new(), Vec::new());
    let mut slot = t("2026-01-17 03:00:00");
    let report = loop {
        if !missed.contains(&slot.format("%F").to_string().as_str()) {
            world.sandbox.time().advance_to(slot + TimeDelta::minutes(5));
            if end < slot {
                world.sandbox.set_instance_state(&eu(), ends.id, InstanceState::Terminated);
                world.sandbox.remove_volume(&eu(), ends.volumes[0]);
            } else {
                made_of_ended.push(slot);
            }
            let report = world.cycle(&config).await;
            assert!(words(&report).iter().all(|word| *word == "done"));
            made.push(slot);
            if slot == t("2027-03-17 03:00:00") {
                break report;
            }
        }
        slot += TimeDelta::days(1);
    };
    world.assert_nothing_left(&config, &report).await;

    for server in &servers {
        assert_eq!(slots(&world, &server.region, server), wanted(&made, world.now()));
    }
    assert_eq!(slots(&world, &eu(), &ends), wanted(&made_of_ended, world.now()));
    assert!(slots(&world, &eu(), &ends).contains("2026-09-10T03:00:00Z"), "its last stays");
}
