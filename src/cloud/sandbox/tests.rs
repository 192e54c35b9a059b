//! One test for each thing that EC2 is documented to do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::{Fault, Rule, Sandbox};
use crate::cloud::observe::{ask_for_sources, observe};
use crate::cloud::{Cloud as _, CloudError, CreateSnapshot, CreateSnapshots, SnapshotFilter};
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{
    AttachedVolume, Image, Instance, InstanceState, Listing, Snapshot, SnapshotState, Volume,
};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags::Tags;

const ROOT: &str = "vol-00000001";
const DATA: &str = "vol-00000002";

fn start() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

fn region() -> Region {
    "eu-west-1".parse().unwrap()
}

fn volume(id: &str, volume_type: &str) -> Volume {
    Volume {
        id: id.parse().unwrap(),
        state: "in-use".into(),
        volume_type: volume_type.into(),
        size_gib: 8,
        tags: [("Name", "data"), ("aws:system", "x")].into_iter().collect(),
    }
}

fn snapshot(id: &str, state: SnapshotState) -> Snapshot {
    Snapshot {
        id: id.parse().unwrap(),
        volume_id: Some(ROOT.parse().unwrap()),
        owner_id: Some(super::ACCOUNT.into()),
        state,
        state_message: None,
        started_at: start() - TimeDelta::seconds(20),
        volume_size_gib: 8,
        is_encrypted: false,
        description: "".into(),
        tags: Tags::default(),
    }
}

/// An account with one instance of two volumes, and a snapshot of the root.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(start());
    let instance = Instance {
        id: "i-00000001".parse().unwrap(),
        owner_id: Some(super::ACCOUNT.into()),
        state: InstanceState::Running,
        root_device: Some("/dev/xvda".into()),
        volumes: vec![
            AttachedVolume { device: "/dev/xvda".into(), volume_id: ROOT.parse().unwrap() },
            AttachedVolume { device: "/dev/sdf".into(), volume_id: DATA.parse().unwrap() },
        ],
        tags: Tags::default(),
    };
    sandbox.add_instance(&region(), instance);
    sandbox.add_volume(&region(), volume(ROOT, "gp3"));
    sandbox.add_volume(&region(), volume(DATA, "gp3"));
    sandbox.add_snapshot(&region(), snapshot("snap-00000001", SnapshotState::Completed));
    sandbox
}

fn set() -> CreateSnapshots {
    CreateSnapshots {
        instance_id: "i-00000001".parse().unwrap(),
        exclude_boot_volume: false,
        exclude_data_volume_ids: vec![],
        description: "d".to_owned(),
        tags: vec![],
        copy_tags_from_volume: false,
    }
}

fn single(volume_id: &str) -> CreateSnapshot {
    CreateSnapshot {
        volume_id: volume_id.parse().unwrap(),
        description: String::new(),
        tags: vec![],
    }
}

fn code<T: std::fmt::Debug>(res: Result<T, CloudError>) -> String {
    res.map_or_else(|err| err.code, |_| "ok".to_owned())
}

fn snapshots(sandbox: &Sandbox) -> Vec<Snapshot> {
    sandbox.inventory().regions.remove(&region()).unwrap().snapshots
}

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
        let volumes = |created: Vec<super::super::Created>| {
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

#[tokio::test]
async fn what_is_protected_is_not_deleted() {
    let id: SnapshotId = "snap-00000001".parse().unwrap();
    let image = |state: &str| Image {
        id: "ami-00000001".parse().unwrap(),
        name: "i".into(),
        state: state.into(),
        snapshot_ids: vec!["snap-00000001".parse().unwrap()],
        tags: Tags::default(),
    };
    let in_use =
        "InvalidSnapshot.InUse: The snapshot snap-00000001 is currently in use by ami-00000001";
    for (change, expected) in [
        (Box::new(|_: &_| ()) as Box<dyn Fn(&Sandbox)>, "ok"),
        (Box::new(|s| s.add_image(&region(), image("available"))), in_use),
        (Box::new(|s| s.add_image(&region(), image("disabled"))), in_use),
        (
            Box::new(|s| s.lock_snapshot(&region(), id)),
            "OperationNotPermitted: The snapshot snap-00000001 is locked and can't be deleted.",
        ),
        (
            Box::new(|s| s.tag_snapshot(&region(), id, "aws:backup:source-resource", "arn")),
            "InvalidParameterValue: This snapshot is managed by the AWS Backup service and cannot \
             be deleted via EC2 APIs. If you wish to delete this snapshot, please do so via the \
             Backup console.",
        ),
        (
            Box::new(|s| s.remove_snapshot(&region(), id)),
            "InvalidSnapshot.NotFound: The snapshot 'snap-00000001' does not exist.",
        ),
    ] {
        let sandbox = sandbox();
        change(&sandbox);
        let n_before = snapshots(&sandbox).len();
        let res = sandbox.delete_snapshot(&region(), id).await;
        let text = res.as_ref().map_or_else(CloudError::reason, |()| "ok".to_owned());
        assert_eq!(text, expected);
        assert_eq!(snapshots(&sandbox).len(), n_before - usize::from(res.is_ok()));
    }
}

#[tokio::test]
async fn a_pending_snapshot_is_deleted_once_it_is_complete() {
    let sandbox = sandbox();
    let made = sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    sandbox.delete_snapshot(&region(), made.snapshot_id).await.unwrap();
    assert_eq!(snapshots(&sandbox).len(), 2);
    sandbox.time().advance_to(start() + TimeDelta::minutes(5));
    assert_eq!(snapshots(&sandbox).len(), 1);
}

#[tokio::test]
async fn listings_filter_and_page() {
    let sandbox = sandbox();
    for n in 2..=7 {
        let id = format!("snap-{n:08x}");
        sandbox.add_snapshot(&region(), snapshot(&id, SnapshotState::Completed));
        sandbox.tag_snapshot(&region(), id.parse().unwrap(), "n", &(n % 2).to_string());
    }
    let tags = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        SnapshotFilter::Tags(tags.collect())
    };
    let ids = |ids: &[u32]| {
        let ids = ids.iter().map(|n| format!("snap-{n:08x}").parse().unwrap());
        SnapshotFilter::Ids(ids.collect())
    };
    for has_empty_pages in [false, true] {
        sandbox.set(|settings| {
            settings.page_items = 3;
            settings.has_empty_pages = has_empty_pages;
        });
        for (filter, expected) in [
            (SnapshotFilter::All, &[3, 3, 1][..]),
            (tags(&[("n", "0")]), &[3]),
            (tags(&[("n", "0"), ("m", "0")]), &[0]),
            (tags(&[("n", "*")]), &[0]),
            (ids(&[1, 2, 3, 4, 99]), &[3, 1]),
            (ids(&[99]), &[0]),
        ] {
            let mut sizes = Vec::new();
            let mut token = None;
            loop {
                let page = sandbox.describe_snapshots(&region(), &filter, token).await.unwrap();
                sizes.push(page.items.len());
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            let empty = has_empty_pages.then_some(0);
            let expected: Vec<usize> = empty.into_iter().chain(expected.iter().copied()).collect();
            assert_eq!(sizes, expected, "{filter:?}");
        }
    }
    let all = &SnapshotFilter::All;
    let res = sandbox.describe_snapshots(&region(), all, Some("x".to_owned())).await;
    assert_eq!(code(res), "InvalidNextToken");
    let too_many: Vec<u32> = (0..201).collect();
    let res = sandbox.describe_snapshots(&region(), &ids(&too_many), None).await;
    assert_eq!(code(res), "FilterLimitExceeded");
    assert_eq!(
        code(sandbox.describe_snapshots(&region(), &ids(&[]), None).await),
        "InvalidParameterValue"
    );
    let elsewhere = "us-east-1".parse().unwrap();
    assert_eq!(code(sandbox.describe_snapshots(&elsewhere, all, None).await), "AuthFailure");
}

#[tokio::test]
async fn a_new_snapshot_may_be_missing_from_listings_for_a_while() {
    let sandbox = sandbox();
    sandbox.set(|settings| settings.invisible_for = TimeDelta::seconds(3));
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    for (seconds, expected) in [(0, 1), (2, 1), (3, 2)] {
        sandbox.time().advance_to(start() + TimeDelta::seconds(seconds));
        let page = sandbox.describe_snapshots(&region(), &SnapshotFilter::All, None).await;
        assert_eq!(page.unwrap().items.len(), expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_reply_may_be_lost_before_or_after_the_effect() {
    for (fault, n_made) in
        [(Fault::ErrorBefore, 0), (Fault::LostReply, 2), (Fault::Throttled, 0), (Fault::Denied, 0)]
    {
        let sandbox = sandbox();
        sandbox.fail(Rule::next("CreateSnapshots"), fault.clone());
        let err = sandbox.create_snapshots(&region(), &set()).await.unwrap_err();
        let expected = match fault {
            Fault::Throttled => "Throttled",
            Fault::Denied => "Denied",
            _ => "Ambiguous",
        };
        assert_eq!(format!("{:?}", err.kind), expected);
        assert_eq!(snapshots(&sandbox).len(), 1 + n_made);
    }
}

#[tokio::test]
async fn an_instance_may_vanish_just_before_its_snapshots() {
    let sandbox = sandbox();
    sandbox.fail(Rule::next("CreateSnapshots"), Fault::InstanceVanishes);
    let res = sandbox.create_snapshots(&region(), &set()).await;
    assert_eq!(code(res), "IncorrectState");
}

#[tokio::test]
async fn requests_beyond_the_published_rate_are_refused() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.is_throttling = true);
    let id = "snap-00000009".parse().unwrap();
    let here = &region();
    let delete = |n: usize| async move {
        let calls = (0..n).map(|_| sandbox.delete_snapshot(here, id));
        let codes = join_all(calls).await.into_iter().map(code);
        codes.filter(|code| code == "RequestLimitExceeded").count()
    };
    assert_eq!(delete(120).await, 20);
    sandbox.time().advance_to(start() + TimeDelta::seconds(10));
    assert_eq!(delete(120).await, 70);
    assert_eq!(sandbox.n_calls("DeleteSnapshot"), 240);
}

#[tokio::test]
async fn calls_take_their_time_side_by_side() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.latency = TimeDelta::milliseconds(400));
    sandbox.fail(Rule::next("DescribeImages"), Fault::Slow(TimeDelta::seconds(7)));
    let inventory = sandbox.time().drive(observe(sandbox, &[region()])).await;
    assert!(inventory.regions[&region()].gaps.is_empty());
    assert_eq!(sandbox.time().now(), start() + TimeDelta::milliseconds(7400));
}

#[tokio::test]
async fn observing_takes_no_more_calls_than_pages() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.page_items = 5);
    for n in 2..=11 {
        let id = format!("snap-{n:08x}");
        sandbox.add_snapshot(&region(), snapshot(&id, SnapshotState::Completed));
    }
    sandbox.lock_snapshot(&region(), "snap-00000002".parse().unwrap());
    let other: Region = "us-east-1".parse().unwrap();
    sandbox.add_region(&other);
    let regions = sandbox.describe_regions().await.unwrap();
    let inventory = observe(sandbox, &regions).await;

    let expected = sandbox.inventory();
    assert_eq!(format!("{:?}", inventory.regions), format!("{:?}", expected.regions));
    assert_eq!(inventory.account.as_deref(), Some(super::ACCOUNT));
    assert_eq!(inventory.clock_skew, Some(TimeDelta::zero()));
    for (operation, n_here, n_elsewhere) in [
        ("DescribeInstances", 1, 1),
        ("DescribeVolumes", 1, 1),
        ("DescribeSnapshots", 3, 1),
        ("DescribeImages", 1, 1),
        ("DescribeLockedSnapshots", 1, 1),
    ] {
        let calls = sandbox.calls();
        assert_eq!(calls[&(region(), operation)], n_here, "{operation}");
        assert_eq!(calls[&(other.clone(), operation)], n_elsewhere, "{operation}");
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_a_gap_of_its_own() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.page_items = 1);
    sandbox.add_snapshot(&region(), snapshot("snap-00000002", SnapshotState::Completed));
    sandbox.fail(Rule::every("DescribeSnapshots").after(1), Fault::Throttled);
    sandbox.fail(Rule::every("DescribeLockedSnapshots"), Fault::Denied);
    let inventory = observe(sandbox, &[region()]).await;
    let found = &inventory.regions[&region()];
    assert_eq!((found.snapshots.len(), found.instances.len(), found.volumes.len()), (1, 1, 2));
    assert!(found.has_gap(Listing::Snapshots));
    assert_eq!(
        found.gaps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["DescribeSnapshots: RequestLimitExceeded: Request limit exceeded."]
    );
    assert_eq!(
        found.notes,
        ["DescribeLockedSnapshots: UnauthorizedOperation: \
          You are not authorized to perform this operation."]
    );
}

#[tokio::test]
async fn only_what_ec2_does_not_know_is_gone() {
    let instances: Vec<InstanceId> =
        (1..=201).map(|n| format!("i-{n:08x}").parse().unwrap()).collect();
    let mut sources: BTreeSet<Source> = instances.iter().copied().map(Source::Instance).collect();
    sources.insert(DATA.parse().unwrap());
    sources.insert("vol-00000009".parse().unwrap());
    let questions = BTreeMap::from([(region(), sources)]);
    for (fault_on, is_terminated, n_gone, n_notes) in [
        (None, false, 201, 0),
        (None, true, 202, 0),
        (Some("DescribeVolumes"), false, 200, 1),
        (Some("DescribeInstances"), false, 1, 2),
    ] {
        let sandbox = sandbox();
        let mut inventory = observe(&sandbox, &[region()]).await;
        if is_terminated {
            sandbox.set_instance_state(&region(), instances[0], InstanceState::Terminated);
        }
        if let Some(operation) = fault_on {
            sandbox.fail(Rule::every(operation), Fault::ErrorBefore);
        }
        ask_for_sources(&sandbox, &mut inventory, &questions).await;
        let found = &inventory.regions[&region()];
        assert_eq!((found.gone.len(), found.notes.len()), (n_gone, n_notes), "{fault_on:?}");
        assert_eq!(sandbox.n_calls("DescribeInstances"), 1 + 2);
        assert_eq!(sandbox.n_calls("DescribeVolumes"), 1 + 1);
    }
}

#[tokio::test]
async fn an_account_made_from_an_inventory_is_that_account() {
    let (demo, now) = (Sandbox::demo(start()), start());
    let copy = Sandbox::from_inventory(&demo.inventory(), now);
    assert_eq!(format!("{:?}", copy.inventory()), format!("{:?}", demo.inventory()));
    assert_ne!(copy.new_snapshot_id(), demo.new_snapshot_id());
}
