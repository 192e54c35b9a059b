//! What becomes of EC2's answers.

use super::replay::{Answer, Replay, region};
use crate::cloud::{Cloud as _, CreateSnapshot, CreateSnapshots, ErrorKind, SnapshotFilter};
use crate::domain::inventory::{InstanceState, Snapshot, SnapshotState};

async fn snapshots_of(file: &str) -> Result<Vec<Snapshot>, crate::cloud::CloudError> {
    let replay = Replay::new([Answer::file(200, file)]);
    let cloud = replay.cloud().await;
    cloud.describe_snapshots(&region(), &SnapshotFilter::All, None).await.map(|page| page.items)
}

#[tokio::test]
async fn a_page_of_snapshots_is_read() {
    let replay = Replay::new([Answer::file(200, "snapshots_page.xml")]);
    let cloud = replay.cloud().await;
    let page = cloud.describe_snapshots(&region(), &SnapshotFilter::All, None).await.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("eyJ2IjoiMiIsImMiOiJhYmMrLz0ifQ=="));
    let [first, second] = &page.items[..] else { panic!("{page:?}") };

    assert_eq!(first.id.to_string(), "snap-0123456789abcdef0");
    assert_eq!(first.volume_id, Some("vol-049df61146c4d7901".parse().unwrap()));
    assert_eq!(first.owner_id.as_deref(), Some("123456789012"));
    assert_eq!(first.state, SnapshotState::Completed);
    assert_eq!(first.started_at.to_rfc3339(), "2026-11-19T03:00:01.234+00:00");
    assert_eq!(first.volume_size_gib, 30);
    assert!(first.is_encrypted);
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!(first.kms_key_id.as_deref(), Some(key));
    assert_eq!(&*first.description, r#"nightly & "quoted" <ü>"#);
    let tags: Vec<_> = first.tags.iter().collect();
    assert_eq!(tags, [("Name", ""), ("snapkeep:policy", "servers")]);

    assert!(second.volume_id.unwrap().is_placeholder());
    assert_eq!(second.state, SnapshotState::Error);
    assert_eq!(second.state_message.as_deref(), Some("Given key ID is not accessible"));
    assert!(second.description.is_empty() && second.tags.is_empty() && !second.is_encrypted);
}

#[tokio::test]
async fn an_empty_page_can_be_followed_by_another() {
    let replay = Replay::new([
        Answer::file(200, "snapshots_empty_page_with_token.xml"),
        Answer::file(200, "snapshots_empty_last_page.xml"),
    ]);
    let cloud = replay.cloud().await;
    let page = cloud.describe_snapshots(&region(), &SnapshotFilter::All, None).await.unwrap();
    assert_eq!((page.items.len(), page.next_token.as_deref()), (0, Some("more")));
    let page =
        cloud.describe_snapshots(&region(), &SnapshotFilter::All, page.next_token).await.unwrap();
    assert_eq!((page.items.len(), page.next_token), (0, None));
}

#[tokio::test]
async fn an_item_that_cannot_be_read_fails_the_listing_and_is_named() {
    for (file, expected) in [
        (
            "snapshots_bad_id.xml",
            "a snapshot cannot be read: `snap-XYZ` is not a snapshot id (expected `snap-` and 8 or 17 hex digits)",
        ),
        (
            "snapshots_no_start_time.xml",
            "snapshot `snap-0123456789abcdef0` has no readable start time",
        ),
        (
            "snapshots_new_state.xml",
            "snapshot `snap-0123456789abcdef0` has no readable state (`archiving`)",
        ),
    ] {
        let err = snapshots_of(file).await.unwrap_err();
        assert_eq!((err.kind, &*err.code), (ErrorKind::Refused, "UnreadableItem"));
        assert_eq!(err.message, expected);
    }
}

#[tokio::test]
async fn what_is_no_volume_id_is_none() {
    assert_eq!(snapshots_of("snapshots_odd_volume.xml").await.unwrap()[0].volume_id, None);
}

#[tokio::test]
async fn a_listing_that_is_cut_off_is_never_a_shorter_listing() {
    let Answer::Reply { body, .. } = Answer::file(200, "snapshots_page.xml") else { panic!() };
    for end in ["</DescribeSnapshotsResponse>", "</snapshotSet>", "</item>", "</tagSet>", "scribe"]
    {
        let cut = &body[..body.find(end).unwrap()];
        let replay = Replay::new(std::iter::repeat_with(|| Answer::text(200, cut)).take(3));
        let cloud = replay.cloud().await;
        let err =
            cloud.describe_snapshots(&region(), &SnapshotFilter::All, None).await.unwrap_err();
        assert_eq!((err.kind, &*err.code), (ErrorKind::Ambiguous, "UnreadableReply"), "{err}");
    }
}

#[tokio::test]
async fn a_page_of_instances_is_read() {
    let replay = Replay::new([Answer::file(200, "instances_page.xml")]);
    let page = replay.cloud().await.describe_instances(&region(), &[], None).await.unwrap();
    assert_eq!(page.next_token, None);
    let [running, terminated] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!(running.id.to_string(), "i-1234567890abcdef0");
    assert_eq!(running.owner_id.as_deref(), Some("123456789012"));
    assert_eq!(running.state, InstanceState::Running);
    assert_eq!(running.root_device.as_deref(), Some("/dev/xvda"));
    let volumes: Vec<_> =
        running.volumes.iter().map(|v| format!("{} {}", v.device, v.volume_id)).collect();
    assert_eq!(volumes, ["/dev/xvda vol-1234567890abcdef0", "/dev/sdf vol-049df61146c4d7901"]);
    assert_eq!(running.tags.get("Backup"), Some("on"));
    assert_eq!(terminated.state, InstanceState::Terminated);
    assert!(running.image_id.is_some() && !running.is_instance_store);
    assert!(terminated.volumes.is_empty() && terminated.root_device.is_none());
}

#[tokio::test]
async fn a_page_of_volumes_is_read() {
    let replay = Replay::new([Answer::file(200, "volumes_page.xml")]);
    let page = replay.cloud().await.describe_volumes(&region(), &[], None).await.unwrap();
    let [volume] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!(volume.id.to_string(), "vol-1234567890abcdef0");
    assert_eq!((&*volume.state, &*volume.volume_type, volume.size_gib), ("in-use", "st1", 80));
    assert_eq!(volume.tags.get("Scratch"), Some("yes"));
}

#[tokio::test]
async fn a_lock_that_has_expired_is_none() {
    let replay = Replay::new([Answer::file(200, "locked_snapshots_page.xml")]);
    let page = replay.cloud().await.describe_locked_snapshots(&region(), None).await.unwrap();
    assert_eq!(page.items, ["snap-0123456789abcdef0".parse().unwrap()]);
}

#[tokio::test]
async fn the_regions_are_read() {
    let replay = Replay::new([Answer::file(200, "regions.xml")]);
    let regions = replay.cloud().await.describe_regions().await.unwrap();
    assert_eq!(regions, ["us-east-1".parse().unwrap(), "ap-northeast-2".parse().unwrap()]);
}

#[tokio::test]
async fn what_was_created_is_read() {
    let replay = Replay::new([
        Answer::file(200, "create_snapshots.xml"),
        Answer::file(200, "create_snapshot.xml"),
    ]);
    let cloud = replay.cloud().await;
    let set = cloud.create_snapshots(&region(), &a_set()).await.unwrap();
    let [member] = &set[..] else { panic!("{set:?}") };
    assert_eq!(member.snapshot_id.to_string(), "snap-0123456789abcdef0");
    assert_eq!(member.volume_id, Some("vol-049df61146c4d7901".parse().unwrap()));
    assert_eq!(member.started_at.unwrap().to_rfc3339(), "2026-11-20T03:00:01+00:00");
    let request = CreateSnapshot {
        volume_id: "vol-1234567890abcdef0".parse().unwrap(),
        description: String::new(),
        tags: Vec::new(),
    };
    let created = cloud.create_snapshot(&region(), &request).await.unwrap();
    assert_eq!(created.snapshot_id.to_string(), "snap-066877671789bd71b");
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_not_nothing() {
    let empty = "<CreateSnapshotsResponse><snapshotSet/></CreateSnapshotsResponse>";
    for answer in [Answer::file(200, "create_snapshots_bad_id.xml"), Answer::text(200, empty)] {
        let replay = Replay::new([answer]);
        let err = replay.cloud().await.create_snapshots(&region(), &a_set()).await.unwrap_err();
        assert_eq!((err.kind, &*err.code), (ErrorKind::Ambiguous, "UnreadableReply"), "{err}");
    }
}

fn a_set() -> CreateSnapshots {
    CreateSnapshots {
        instance_id: "i-1234567890abcdef0".parse().unwrap(),
        exclude_boot_volume: false,
        exclude_data_volume_ids: Vec::new(),
        description: String::new(),
        tags: Vec::new(),
        copy_tags_from_volume: false,
    }
}
