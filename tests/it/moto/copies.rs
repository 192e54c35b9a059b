//! Copies between two regions, each with a key of its own.

use serde_json::{Value, json};
use snapkeep::cloud::{
    Cloud as _, CopyImage, CopySnapshot, CreateImage, ErrorKind, ImageFilter, Probe, SnapshotFilter,
};
use snapkeep::domain::inventory::{ImageState, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;

use super::{counts, images_of, pairs, region, snapshots, us};
use crate::support::moto::Moto;

const KEY_THERE: &str =
    "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-00000000000e";

fn scene() -> Value {
    json!({ "now": "2026-11-20T03:00:02Z", "regions": {
        "us-east-1": {
            "keys": [
                { "id": "1234abcd-12ab-34cd-56ef-00000000000a", "alias": "alias/backup" },
                { "alias": "alias/off", "enabled": false },
                { "alias": "alias/rsa", "spec": "RSA_2048" },
            ],
            "instances": [{ "id": "i-00000001", "volumes": [
                { "id": "vol-00000001", "device": "/dev/xvda" },
                { "id": "vol-00000002", "device": "/dev/sdf", "size": 500 },
                { "id": "vol-00000003", "device": "/dev/sdg" },
            ] }],
            "snapshots": [
                { "id": "snap-00000001", "size": 30 },
                { "id": "snap-00000002", "encrypted": true, "key": "alias/backup" },
                { "id": "snap-00000003", "state": "pending" },
            ],
        },
        "eu-west-1": {
            "keys": [
                { "id": "1234abcd-12ab-34cd-56ef-00000000000e", "alias": "alias/backup",
                  "is_ebs_default": true },
            ],
            "ebs_encryption_by_default": true,
        },
        "ap-south-1": {},
    } })
}

fn a_copy(source: &str, is_encrypted: bool) -> CopySnapshot {
    CopySnapshot {
        source_region: us(),
        source_snapshot_id: source.parse().unwrap(),
        is_source_encrypted: is_encrypted,
        description: "snapkeep servers".to_owned(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        tags: pairs(&[("snapkeep:copy-of", &format!("us-east-1/{source}"))]),
    }
}

/// Makes a copy and returns it.
async fn copied(moto: &Moto, to: &Region, request: &CopySnapshot) -> Snapshot {
    let id = moto.cloud().await.copy_snapshot(to, request).await.unwrap();
    snapshots(moto, to, SnapshotFilter::Ids(vec![id])).await.remove(0)
}

#[tokio::test]
async fn a_plain_snapshot_is_copied_plain_or_with_a_key() {
    let (moto, there) = (Moto::start(&scene()), region("ap-south-1"));
    let plain = copied(&moto, &there, &a_copy("snap-00000001", false)).await;
    assert_eq!((plain.state, plain.volume_size_gib), (SnapshotState::Completed, 30));
    assert!(!plain.is_encrypted && plain.kms_key_id.is_none());
    assert!(plain.volume_id.unwrap().is_placeholder());
    assert_eq!(&*plain.description, "snapkeep servers");
    assert_eq!(plain.tags.get("snapkeep:copy-of"), Some("us-east-1/snap-00000001"));
    assert_eq!(plain.started_at.to_rfc3339(), "2026-11-20T03:00:02+00:00");

    let there = region("eu-west-1");
    let key = Some("alias/backup".to_owned());
    let request =
        CopySnapshot { encrypted: true, kms_key_id: key, ..a_copy("snap-00000001", false) };
    let encrypted = copied(&moto, &there, &request).await;
    assert!(encrypted.is_encrypted);
    assert_eq!(encrypted.kms_key_id.as_deref(), Some(KEY_THERE));
    let copies = moto.calls().into_iter().filter(|call| call.action == "CopySnapshot");
    assert!(copies.into_iter().all(|call| !call.params.contains_key("PresignedUrl")));
}

#[tokio::test]
async fn an_encrypted_snapshot_is_copied_with_a_url_whose_signature_botocore_confirms() {
    let (moto, there) = (Moto::start(&scene()), region("eu-west-1"));
    let copy = copied(&moto, &there, &a_copy("snap-00000002", true)).await;
    assert_eq!((copy.state, copy.state_message.as_deref()), (SnapshotState::Completed, None));
    assert_eq!(copy.kms_key_id.as_deref(), Some(KEY_THERE));

    let call = moto.calls().into_iter().find(|call| call.action == "CopySnapshot").unwrap();
    assert_eq!((&*call.region, &*call.params["DestinationRegion"]), ("eu-west-1", "eu-west-1"));
    assert!(!call.params.contains_key("Encrypted"));
    let url = &call.params["PresignedUrl"];
    assert!(url.starts_with(&format!("{}/?Action=CopySnapshot&", moto.url())), "{url}");
    for part in [
        "&SourceRegion=us-east-1&",
        "&SourceSnapshotId=snap-00000002&",
        "&DestinationRegion=eu-west-1&",
        "%2Fus-east-1%2Fec2%2Faws4_request&",
        "&X-Amz-Expires=3600&",
    ] {
        assert!(url.contains(part), "{part} in {url}");
    }

    // Without one it fails, but only later.
    let copy = copied(&moto, &there, &a_copy("snap-00000002", false)).await;
    assert_eq!(copy.state, SnapshotState::Error);
}

#[tokio::test]
async fn what_cannot_be_copied_is_told_at_once_or_later() {
    let (moto, there) = (Moto::start(&scene()), region("eu-west-1"));
    let key = Some("alias/missing".to_owned());
    let request =
        CopySnapshot { encrypted: true, kms_key_id: key, ..a_copy("snap-00000001", false) };
    let copy = copied(&moto, &there, &request).await;
    assert_eq!(copy.state, SnapshotState::Error);
    assert_eq!(copy.state_message.as_deref(), Some("Given key ID is not accessible"));

    let cloud = moto.cloud().await;
    for (source, kind) in
        [("snap-0000dead", ErrorKind::NotFound), ("snap-00000003", ErrorKind::Busy)]
    {
        let err = cloud.copy_snapshot(&there, &a_copy(source, false)).await.unwrap_err();
        assert_eq!(err.kind, kind, "{err}");
    }
    let probe = Probe::CopySnapshot(a_copy("snap-00000002", true));
    cloud.dry_run(&there, &probe).await.unwrap();
    assert_eq!(snapshots(&moto, &there, SnapshotFilter::All).await.len(), 1);
}

#[tokio::test]
async fn an_image_is_copied_encrypted_once_for_one_token() {
    let (moto, there) = (Moto::start(&scene()), region("eu-west-1"));
    let cloud = moto.cloud().await;
    let request = CreateImage {
        instance_id: "i-00000001".parse().unwrap(),
        name: "web-20261120".to_owned(),
        description: "snapkeep web".to_owned(),
        no_reboot: true,
        left_out_devices: vec!["/dev/sdg".to_owned()],
        image_tags: pairs(&[("snapkeep:policy", "web")]),
        snapshot_tags: Vec::new(),
    };
    let source = cloud.create_image(&us(), &request).await.unwrap();
    let mut request = CopyImage {
        source_region: us(),
        source_image_id: source,
        name: "web-20261120".to_owned(),
        description: "a copy".to_owned(),
        encrypted: true,
        kms_key_id: Some("alias/backup".to_owned()),
        completion_minutes: Some(60),
        client_token: "token-1".to_owned(),
        image_tags: pairs(&[("snapkeep:copy-of", &format!("us-east-1/{source}"))]),
        snapshot_tags: pairs(&[("snapkeep:part-of", "web")]),
    };
    cloud.dry_run(&there, &Probe::CopyImage(request.clone())).await.unwrap();
    let id = cloud.copy_image(&there, &request).await.unwrap();
    assert_eq!(cloud.copy_image(&there, &request).await.unwrap(), id);

    let images = images_of(&moto, &there, ImageFilter::All).await;
    let [copy] = &images[..] else { panic!("{images:?}") };
    assert_eq!((copy.id, copy.state, copy.size_gib), (id, ImageState::Available, 508));
    assert_eq!((&*copy.name, &*copy.description), ("web-20261120", "a copy"));
    assert_eq!((copy.source_image_id, copy.source_image_region), (Some(source), Some(us())));
    assert!(copy.is_encrypted);
    assert_eq!(copy.tags.iter().count(), 1, "the source's tags are not copied");
    let backing = snapshots(&moto, &there, SnapshotFilter::Ids(copy.snapshot_ids.clone())).await;
    assert_eq!(backing.len(), 2);
    for snapshot in &backing {
        assert!(snapshot.volume_id.unwrap().is_placeholder());
        assert_eq!(snapshot.kms_key_id.as_deref(), Some(KEY_THERE));
        assert_eq!(snapshot.tags.get("snapkeep:part-of"), Some("web"));
        assert!(snapshot.description.contains(&source.to_string()), "{}", snapshot.description);
    }

    request.client_token = "token-2".to_owned();
    let err = cloud.copy_image(&there, &request).await.unwrap_err();
    assert_eq!(&*err.code, "InvalidAMIName.Duplicate");
    request.client_token = "token-3".to_owned();
    request.name = "web-bad-key".to_owned();
    request.kms_key_id = Some("alias/missing".to_owned());
    let failed = cloud.copy_image(&there, &request).await.unwrap();
    let failed = images_of(&moto, &there, ImageFilter::Ids(vec![failed])).await.remove(0);
    assert_eq!(failed.state, ImageState::Failed);
    assert_eq!(failed.state_message.as_deref(), Some("Given key ID is not accessible"));
    assert_eq!(counts(&moto)["eu-west-1 CopyImage"], 5);
}

#[tokio::test]
async fn keys_are_described_in_their_region() {
    let moto = Moto::start(&scene());
    let (cloud, there) = (moto.cloud().await, region("eu-west-1"));
    for name in ["alias/backup", "1234abcd-12ab-34cd-56ef-00000000000e", KEY_THERE] {
        let key = cloud.describe_key(&there, name).await.unwrap();
        assert_eq!(&*key.arn, KEY_THERE);
        assert!(key.is_enabled && key.is_symmetric);
    }
    assert!(!cloud.describe_key(&us(), "alias/off").await.unwrap().is_enabled);
    assert!(!cloud.describe_key(&us(), "alias/rsa").await.unwrap().is_symmetric);
    let err = cloud.describe_key(&there, "alias/off").await.unwrap_err();
    assert_eq!((err.kind, err.operation), (ErrorKind::NotFound, "DescribeKey"));
    assert_eq!(counts(&moto)["eu-west-1 DescribeKey"], 4);

    let default = cloud.ebs_encryption(&there).await.unwrap();
    assert_eq!((default.is_by_default, &*default.kms_key_id), (true, KEY_THERE));
    let default = cloud.ebs_encryption(&us()).await.unwrap();
    assert_eq!((default.is_by_default, &*default.kms_key_id), (false, "alias/aws/ebs"));
}

#[tokio::test]
async fn a_key_that_may_not_be_described_is_denied() {
    let mut scene = scene();
    let message = "User: backup is not authorized to perform: kms:DescribeKey";
    scene["refuse"] = json!([{ "region": "us-east-1", "action": "DescribeKey",
                               "code": "AccessDeniedException", "message": message }]);
    let moto = Moto::start(&scene);
    let err = moto.cloud().await.describe_key(&us(), "alias/backup").await.unwrap_err();
    assert_eq!((err.kind, &*err.message), (ErrorKind::Denied, message));
}
