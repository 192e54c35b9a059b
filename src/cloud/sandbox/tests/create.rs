use chrono::TimeDelta;

use super::{DATA, ROOT, code, region, sandbox, set, single, snapshots, start, volume};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CreateSnapshots, Created};
use crate::domain::ids::VolumeId;
use crate::domain::inventory::{InstanceState, Snapshot, Volume};

fn n_tags(n: usize) -> Vec<(String, String)> {
    (0..n).map(|n| (n.to_string(), String::new())).collect()
}

#[tokio::test]
async fn a_set_covers_the_volumes_that_are_left_in() {
    let ids =
        |ids: &[&str]| -> Vec<VolumeId> { ids.iter().map(|id| id.parse().unwrap()).collect() };
    let many: Vec<VolumeId> = (0..41).map(|n| format!("vol-{n:08x}").parse().unwrap()).collect();
    for (exclude_boot_volume, exclude_data_volume_ids, expected) in [
        (false, vec![], Ok(ids(&[ROOT, DATA]))),
        (true, vec![], Ok(ids(&[DATA]))),
        (false, ids(&[DATA]), Ok(ids(&[ROOT]))),
        (false, ids(&[ROOT]), Err("InvalidParameterValue")),
        (true, ids(&[DATA]), Err("InvalidParameterValue")),
        (false, ids(&["vol-00000009"]), Err("InvalidParameterValue")),
        (false, many, Err("InvalidParameterValue")),
    ] {
        let sandbox = sandbox();
        let request = CreateSnapshots { exclude_boot_volume, exclude_data_volume_ids, ..set() };
        let res = sandbox.create_snapshots(&region(), &request).await;
        let volumes = |created: Vec<Created>| {
            created.into_iter().map(|c| c.volume_id.unwrap()).collect::<Vec<_>>()
        };
        let res = res.map(volumes).map_err(|err| err.code);
        assert_eq!(res, expected.map_err(str::to_owned), "{request:?}");
    }
}

#[tokio::test]
async fn a_creation_names_what_exists_and_is_ready() {
    for (change, expected) in [
        (None::<fn(&Sandbox)>, "ok"),
        (Some(|s| s.remove_instance(&region(), set().instance_id)), "InvalidInstanceID.NotFound"),
        (
            Some(|s| {
                s.set_instance_state(&region(), set().instance_id, InstanceState::Terminated);
            }),
            "IncorrectState",
        ),
        (Some(|s| s.remove_volume(&region(), DATA.parse().unwrap())), "InvalidVolume.NotFound"),
        (
            Some(|s| {
                let volume = Volume { state: "creating".into(), ..volume(DATA, "gp3") };
                s.add_volume(&region(), volume);
            }),
            "IncorrectState",
        ),
    ] {
        let sandbox = sandbox();
        if let Some(change) = change {
            change(&sandbox);
        }
        let res = sandbox.create_snapshots(&region(), &set()).await;
        assert_eq!(code(res), expected);
        let n_made = if expected == "ok" { 2 } else { 0 };
        assert_eq!(snapshots(&sandbox).len(), 1 + n_made, "all or nothing");
    }
}

#[tokio::test]
async fn tags_keep_to_the_limits_of_ec2() {
    let tag = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    for (tags, copy_tags_from_volume, expected) in [
        (n_tags(50), false, "ok"),
        (n_tags(51), false, "TagLimitExceeded"),
        (n_tags(49), true, "ok"),
        (n_tags(50), true, "TagLimitExceeded"),
        (tag(&"ä".repeat(127), &"ä".repeat(256)), false, "ok"),
        (tag(&"k".repeat(128), ""), false, "InvalidParameterValue"),
        (tag("", ""), false, "InvalidParameterValue"),
        (tag("k", &"v".repeat(257)), false, "InvalidParameterValue"),
        (tag("aws:k", ""), false, "InvalidParameterValue"),
        ([tag("k", "1"), tag("k", "2")].concat(), false, "InvalidParameterValue"),
    ] {
        let request = CreateSnapshots { tags, copy_tags_from_volume, ..set() };
        let res = sandbox().create_snapshots(&region(), &request).await;
        assert_eq!(code(res), expected, "{request:?}");
    }
}

#[tokio::test]
async fn tags_of_the_volume_come_on_top() {
    let sandbox = sandbox();
    let tags = vec![("Name".to_owned(), "asked".to_owned()), ("k".to_owned(), "v".to_owned())];
    let request = CreateSnapshots { tags, ..set() };
    sandbox.create_snapshots(&region(), &request).await.unwrap();
    sandbox.time().advance_to(start() + TimeDelta::minutes(1));
    let request = CreateSnapshots { copy_tags_from_volume: true, ..set() };
    sandbox.create_snapshots(&region(), &request).await.unwrap();
    let mut made: Vec<_> = snapshots(&sandbox).into_iter().skip(1).collect();
    made.sort_by_key(|s| s.started_at);
    let tags = |s: &Snapshot| format!("{:?}", s.tags.iter().collect::<Vec<_>>());
    assert_eq!(tags(&made[0]), r#"[("Name", "asked"), ("k", "v")]"#);
    assert_eq!(tags(&made[3]), r#"[("Name", "data")]"#);
}

#[tokio::test]
async fn snapshots_complete_over_time_or_fail() {
    let sandbox = sandbox();
    sandbox.encrypt_volume(&region(), ROOT.parse().unwrap());
    sandbox.fail(Rule::next("CreateSnapshots"), Fault::SnapshotsFail);
    sandbox.create_snapshots(&region(), &set()).await.unwrap();
    sandbox.time().advance_to(start() + TimeDelta::seconds(15));
    let good = sandbox.create_snapshot(&region(), &single(ROOT)).await.unwrap();
    let states = || {
        let found = snapshots(&sandbox).into_iter().skip(1);
        let mut states: Vec<_> = found.map(|s| s.state.name()).collect();
        states.sort_unstable();
        states
    };
    assert_eq!(states(), ["pending"; 3]);
    sandbox.time().advance_to(start() + TimeDelta::minutes(5));
    assert_eq!(states(), ["completed", "error", "error"]);
    let found = snapshots(&sandbox);
    let good = found.iter().find(|s| s.id == good.snapshot_id).unwrap();
    assert_eq!((good.started_at, good.is_encrypted), (start() + TimeDelta::seconds(15), true));
}

#[tokio::test]
async fn a_volume_takes_as_many_snapshots_at_a_time_as_ec2_allows() {
    for (volume_type, is_failing, expected) in
        [("gp3", false, 5), ("io2", true, 5), ("st1", false, 1), ("sc1", true, 1)]
    {
        let sandbox = sandbox();
        sandbox.add_volume(&region(), Volume { size_gib: 1000, ..volume(DATA, volume_type) });
        if is_failing {
            sandbox.fail(Rule::every("CreateSnapshot"), Fault::SnapshotsFail);
        }
        let mut n_made = 0;
        let refused = loop {
            match sandbox.create_snapshot(&region(), &single(DATA)).await {
                Ok(_) => n_made += 1,
                Err(err) => break err.code,
            }
            let time = sandbox.time();
            // Failed ones count until they are deleted; pending ones until they are complete.
            let pause = if is_failing { TimeDelta::hours(1) } else { TimeDelta::seconds(15) };
            time.advance_to(time.now() + pause);
        };
        assert_eq!((n_made, refused.as_str()), (expected, "ConcurrentSnapshotLimitExceeded"));
    }
}

#[tokio::test]
async fn snapshots_of_a_volume_are_fifteen_seconds_apart() {
    let sandbox = sandbox();
    let volume: VolumeId = DATA.parse().unwrap();
    for (seconds, expected) in [
        (0, "ok"),
        (14, "SnapshotCreationPerVolumeRateExceeded"),
        (15, "ok"),
        (29, "SnapshotCreationPerVolumeRateExceeded"),
        (30, "ok"),
    ] {
        sandbox.time().advance_to(start() + TimeDelta::seconds(seconds));
        let res = sandbox.create_snapshot(&region(), &single(&volume.to_string())).await;
        assert_eq!(code(res), expected, "after {seconds} s");
    }
}
