//! Scenes: accounts as they were at 3 in the morning of 20 November 2026.

use chrono::{Datelike as _, NaiveDate};
use serde_json::{Value, json};

/// What a command is told that the present instant is.
pub(super) const NOW: &str = "2026-11-20T03:00:10Z";
/// When what it creates starts, by EC2's clock.
const CREATED_AT: &str = "2026-11-20T03:00:10Z";

/// Every day for a month, the first point of a month for seven months.
pub(super) const SERVERS: &str = r#"
version = 1

[[policy]]
name = "servers"
regions = ["us-east-1", "eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "1 month", monthly = "7 months" }
"#;

/// Two regions with three servers that have had points for a year.
pub(super) fn year() -> Value {
    let in_us = [history("us-east-1", 1, 2), history("us-east-1", 2, 1)].concat();
    json!({
        "now": CREATED_AT,
        "page_items_max": 80,
        "regions": {
            "us-east-1": {
                "instances": [instance(1, 2), instance(2, 1)],
                "snapshots": in_us,
            },
            "eu-west-1": {
                "instances": [instance(3, 2)],
                "snapshots": history("eu-west-1", 3, 2),
            },
        },
    })
}

/// Two regions with one server and a handful of points each; two of them are over.
pub(super) fn few() -> Value {
    let points = |region: &str, instance| {
        let days = ["2026-10-01", "2026-10-18", "2026-10-19", "2026-11-18", "2026-11-19"];
        let days = days.iter().map(|day| day.parse::<NaiveDate>().unwrap());
        days.flat_map(|day| point(region, instance, 1, day)).collect::<Vec<_>>()
    };
    json!({ "now": CREATED_AT, "regions": {
        "us-east-1": { "instances": [instance(1, 1)], "snapshots": points("us-east-1", 1) },
        "eu-west-1": { "instances": [instance(3, 1)], "snapshots": points("eu-west-1", 3) },
    } })
}

/// Returns server `n` with so many volumes of 8 GiB.
pub(super) fn instance(n: u32, n_volumes: u32) -> Value {
    let volume =
        |v| json!({ "id": volume_id(n, v), "device": device(v), "tags": { "Team": "web" } });
    let volumes: Vec<Value> = (1..=n_volumes).map(volume).collect();
    json!({ "id": format!("i-{n:08}"), "tags": { "Backup": "on" }, "volumes": volumes })
}

/// Returns the snapshots of a year: a point on each first of a month but August's, and on each of
/// the last 33 days.
fn history(region: &str, instance: u32, n_volumes: u32) -> Vec<Value> {
    let now = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let missed = NaiveDate::from_ymd_opt(2026, 8, 1).unwrap();
    let made_up_for = missed.succ_opt().unwrap();
    let year = now.pred_opt().unwrap().iter_days().rev().take(364);
    let mut days: Vec<NaiveDate> = year.collect();
    days.retain(|day| {
        (day.day() == 1 || (now - *day).num_days() <= 33 || *day == made_up_for) && *day != missed
    });
    days.into_iter().rev().flat_map(|day| point(region, instance, n_volumes, day)).collect()
}

/// Returns the snapshots of one point as snapkeep makes them. An id tells server, volume and day:
/// `snap-12261101` is of server 1, volume 2, 1 November 2026.
pub(super) fn point(region: &str, instance: u32, n_volumes: u32, day: NaiveDate) -> Vec<Value> {
    let devices: Vec<String> =
        (1..=n_volumes).map(|v| format!("{}={}", device(v), volume_id(instance, v))).collect();
    let snapshot = |v| {
        json!({
            "id": format!("snap-{instance}{v}{}", day.format("%y%m%d")),
            "volume": volume_id(instance, v),
            "start_time": format!("{day}T03:00:10Z"),
            "description": format!("snapkeep servers i-{instance:08} {day}T03:00:00Z"),
            "tags": {
                "Team": "web",
                "snapkeep:owner": "main",
                "snapkeep:policy": "servers",
                "snapkeep:slot": format!("{day}T03:00:00Z"),
                "snapkeep:source": format!("{region}/i-{instance:08}"),
                "snapkeep:members": n_volumes.to_string(),
                "snapkeep:devices": devices.join(" "),
            },
        })
    };
    (1..=n_volumes).map(snapshot).collect()
}

fn volume_id(instance: u32, volume: u32) -> String {
    format!("vol-000000{instance}{volume}")
}

fn device(volume: u32) -> &'static str {
    ["/dev/xvda", "/dev/sdf", "/dev/sdg"][volume as usize - 1]
}
