//! The adapter against an EC2 API server that others wrote.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use snapkeep::cloud::{
    Cloud as _, CloudError, CreateSnapshot, CreateSnapshots, ErrorKind, ImageFilter, Page,
    SnapshotFilter,
};
use snapkeep::domain::inventory::{Image, ImageState, InstanceState, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;

use crate::support::moto::Moto;

mod copies;
mod images;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn us() -> Region {
    region("us-east-1")
}

/// An instance with three volumes, and snapshots that are not all alike.
fn scene() -> Value {
    json!({ "page_items_max": 2, "regions": {
        "us-east-1": {
            "instances": [
                { "id": "i-00000001", "tags": { "Backup": "on" }, "volumes": [
                    { "id": "vol-00000001", "device": "/dev/xvda", "tags": { "Name": "root" } },
                    { "id": "vol-00000002", "device": "/dev/sdf", "type": "st1", "size": 500,
                      "tags": { "Name": "data", "Team": "web" } },
                    { "id": "vol-00000003", "device": "/dev/sdg" },
                ] },
                { "id": "i-00000002", "state": "stopped" },
                { "id": "i-00000003", "state": "terminated" },
            ],
            "volumes": [{ "id": "vol-00000004" }],
            "snapshots": [
                { "id": "snap-00000001", "volume": "vol-00000001",
                  "start_time": "2026-01-01T03:00:00Z", "description": "nightly",
                  "tags": { "snapkeep:policy": "servers", "snapkeep:slot": "a" } },
                { "id": "snap-00000002", "volume": "vol-00000009", "state": "pending" },
                { "id": "snap-00000003", "volume": "vol-00000002", "state": "error",
                  "state_message": "Given key ID is not accessible" },
                { "id": "snap-00000004", "owner": "999999999999" },
                { "id": "snap-00000005", "encrypted": true },
                { "id": "snap-00000006",
                  "tags": { "snapkeep:policy": "serve*", "snapkeep:slot": "a" } },
            ],
            "images": [
                { "id": "ami-00000001", "name": "golden", "state": "disabled",
                  "snapshots": ["snap-00000005"], "tags": { "Team": "web" } },
            ],
        },
        "eu-west-1": { "snapshots": [{ "id": "snap-00000011" }] },
    } })
}

/// Follows a listing to its end.
async fn all<T, F>(mut page: impl FnMut(Option<String>) -> F) -> Vec<T>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let next = page(token).await.unwrap();
        items.extend(next.items);
        token = next.next_token;
        if token.is_none() {
            return items;
        }
    }
}

async fn snapshots(moto: &Moto, region: &Region, filter: SnapshotFilter) -> Vec<Snapshot> {
    let cloud = moto.cloud().await;
    all(|token| cloud.describe_snapshots(region, &filter, token)).await
}

async fn images_of(moto: &Moto, region: &Region, filter: ImageFilter) -> Vec<Image> {
    let cloud = moto.cloud().await;
    all(|token| cloud.describe_images(region, &filter, token)).await
}

fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn ids(snapshots: &[Snapshot]) -> Vec<String> {
    snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect()
}

fn counts(moto: &Moto) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in moto.calls() {
        *counts.entry(format!("{} {}", call.region, call.action)).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn own_snapshots_are_listed_over_several_pages_in_two_regions() {
    let moto = Moto::start(&scene());
    let there = region("eu-west-1");
    assert_eq!(ids(&snapshots(&moto, &there, SnapshotFilter::All).await), ["snap-00000011"]);
    let here = snapshots(&moto, &us(), SnapshotFilter::All).await;
    assert_eq!(
        ids(&here),
        ["snap-00000001", "snap-00000002", "snap-00000003", "snap-00000005", "snap-00000006"]
    );

    assert_eq!(here[0].started_at.to_rfc3339(), "2026-01-01T03:00:00+00:00");
    assert_eq!(here[0].volume_id, Some("vol-00000001".parse().unwrap()));
    assert_eq!(&*here[0].description, "nightly");
    assert_eq!(here[0].tags.get("snapkeep:policy"), Some("servers"));
    assert_eq!(here[0].owner_id.as_deref(), Some("123456789012"));
    assert_eq!(here[1].state, SnapshotState::Pending);
    assert_eq!(here[2].state, SnapshotState::Error);
    assert_eq!(here[2].state_message.as_deref(), Some("Given key ID is not accessible"));
    assert!(here[3].is_encrypted && here[3].volume_id.unwrap().is_placeholder());
    let expected =
        [("eu-west-1 DescribeSnapshots".to_owned(), 1), ("us-east-1 DescribeSnapshots".into(), 3)];
    assert_eq!(counts(&moto), BTreeMap::from(expected));
}

#[tokio::test]
async fn snapshots_are_found_by_ids_and_by_tags() {
    let moto = Moto::start(&scene());
    let wanted = ["snap-00000001", "snap-0000dead", "snap-00000003"];
    let by_ids = SnapshotFilter::Ids(wanted.iter().map(|id| id.parse().unwrap()).collect());
    assert_eq!(ids(&snapshots(&moto, &us(), by_ids).await), ["snap-00000001", "snap-00000003"]);
    for (policy, expected) in [("servers", "snap-00000001"), ("serve*", "snap-00000006")] {
        let by_tags = SnapshotFilter::Tags(vec![
            ("snapkeep:policy".to_owned(), policy.to_owned()),
            ("snapkeep:slot".to_owned(), "a".to_owned()),
        ]);
        assert_eq!(ids(&snapshots(&moto, &us(), by_tags).await), [expected]);
    }
}

#[tokio::test]
async fn instances_volumes_images_and_locks_are_listed() {
    let moto = Moto::start(&scene());
    let (us, cloud) = (us(), moto.cloud().await);
    let instances = all(|token| cloud.describe_instances(&us, &[], token)).await;
    let states: Vec<_> = instances.iter().map(|i| (i.id.to_string(), i.state)).collect();
    assert_eq!(
        states,
        [
            ("i-00000001".to_owned(), InstanceState::Running),
            ("i-00000002".to_owned(), InstanceState::Stopped),
            ("i-00000003".to_owned(), InstanceState::Terminated),
        ]
    );
    assert_eq!(instances[0].root_device.as_deref(), Some("/dev/xvda"));
    assert_eq!(instances[0].volumes.len(), 3);
    assert_eq!(instances[0].tags.get("Backup"), Some("on"));
    let gone = ["i-00000002".parse().unwrap(), "i-0000dead".parse().unwrap()];
    let found = all(|token| cloud.describe_instances(&us, &gone, token)).await;
    assert_eq!(found.len(), 1);

    let volumes = all(|token| cloud.describe_volumes(&us, &[], token)).await;
    assert_eq!(volumes.len(), 4);
    assert_eq!((&*volumes[1].volume_type, volumes[1].size_gib), ("st1", 500));
    assert_eq!((&*volumes[1].state, &*volumes[3].state), ("in-use", "available"));
    let gone = ["vol-00000004".parse().unwrap(), "vol-0000dead".parse().unwrap()];
    assert_eq!(all(|token| cloud.describe_volumes(&us, &gone, token)).await.len(), 1);

    let images = images_of(&moto, &us, ImageFilter::All).await;
    assert_eq!(images.len(), 1);
    assert_eq!((&*images[0].name, images[0].state), ("golden", ImageState::Disabled));
    assert_eq!(images[0].snapshot_ids, ["snap-00000005".parse().unwrap()]);
    assert!(all(|token| cloud.describe_locked_snapshots(&us, token)).await.is_empty());
}

#[tokio::test]
async fn the_regions_of_the_account_are_listed() {
    let moto = Moto::start(&json!({}));
    let cloud = moto.cloud().await;
    let regions = cloud.describe_regions().await.unwrap();
    assert!(regions.contains(&us()) && regions.contains(&region("eu-west-1")), "{regions:?}");
    assert!(cloud.endpoint_is_loopback());
    assert_eq!(cloud.default_region(), Some(us()));
    assert!(cloud.clock_skew().unwrap().abs() < chrono::TimeDelta::minutes(5));
}

#[tokio::test]
async fn a_set_is_made_of_what_is_not_excluded_and_bears_both_kinds_of_tags() {
    let moto = Moto::start(&scene());
    let cloud = moto.cloud().await;
    let mut request = CreateSnapshots {
        instance_id: "i-00000001".parse().unwrap(),
        exclude_boot_volume: false,
        exclude_data_volume_ids: vec!["vol-00000003".parse().unwrap()],
        description: "snapkeep servers".to_owned(),
        tags: vec![("snapkeep:slot".to_owned(), "b".to_owned())],
        copy_tags_from_volume: true,
    };
    let created = cloud.create_snapshots(&us(), &request).await.unwrap();
    let volumes: Vec<_> = created.iter().map(|c| c.volume_id.unwrap().to_string()).collect();
    assert_eq!(volumes, ["vol-00000001", "vol-00000002"]);

    let filter = SnapshotFilter::Tags(request.tags.clone());
    let made = snapshots(&moto, &us(), filter).await;
    let made_ids: Vec<_> = made.iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(made_ids, created.iter().map(|c| c.snapshot_id).collect::<Vec<_>>());
    assert_eq!(made[1].tags.get("Team"), Some("web"));
    assert_eq!(&*made[1].description, "snapkeep servers");

    request.exclude_boot_volume = true;
    request.copy_tags_from_volume = false;
    let created = cloud.create_snapshots(&us(), &request).await.unwrap();
    assert_eq!(created.len(), 1);
    let filter = SnapshotFilter::Ids(vec![created[0].snapshot_id]);
    let made = snapshots(&moto, &us(), filter).await;
    assert_eq!(made[0].tags.iter().collect::<Vec<_>>(), [("snapkeep:slot", "b")]);
    assert_eq!(counts(&moto)["us-east-1 CreateSnapshots"], 2);
}

#[tokio::test]
async fn a_snapshot_of_one_volume_is_made_and_deleted() {
    let moto = Moto::start(&scene());
    let cloud = moto.cloud().await;
    let request = CreateSnapshot {
        volume_id: "vol-00000004".parse().unwrap(),
        description: "snapkeep disks".to_owned(),
        tags: vec![("snapkeep:slot".to_owned(), "c".to_owned())],
    };
    let created = cloud.create_snapshot(&us(), &request).await.unwrap();
    let by_tags = || SnapshotFilter::Tags(request.tags.clone());
    let made = snapshots(&moto, &us(), by_tags()).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].id, created.snapshot_id);
    assert_eq!(made[0].volume_id, Some(request.volume_id));

    cloud.delete_snapshot(&us(), created.snapshot_id).await.unwrap();
    assert!(snapshots(&moto, &us(), by_tags()).await.is_empty());
    let err = cloud.delete_snapshot(&us(), created.snapshot_id).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::NotFound, "InvalidSnapshot.NotFound"));
    assert_eq!(counts(&moto)["us-east-1 DeleteSnapshot"], 2);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_once_with_its_reason() {
    let moto = Moto::start(&scene());
    let cloud = moto.cloud().await;
    let err = cloud.delete_snapshot(&us(), "snap-00000005".parse().unwrap()).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::InUse, "InvalidSnapshot.InUse"));
    assert!(err.message.contains("ami-00000001"), "{err}");

    let request = CreateSnapshot {
        volume_id: "vol-0000dead".parse().unwrap(),
        description: String::new(),
        tags: Vec::new(),
    };
    let err = cloud.create_snapshot(&us(), &request).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::NotFound, "InvalidVolume.NotFound"));
    let expected =
        [("us-east-1 CreateSnapshot".to_owned(), 1), ("us-east-1 DeleteSnapshot".to_owned(), 1)];
    assert_eq!(counts(&moto), BTreeMap::from(expected));
}
