use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{Files, ask_for_sources, save};
use crate::domain::inventory::{Image, ImageState, Inventory, Listing};
use crate::domain::region::Region;
use crate::domain::source::Source;

const INSTANCES: &str = r#"{
    "Reservations": [
        {
            "Groups": [],
            "Instances": [
                {
                    "InstanceId": "i-0123456789abcdef0",
                    "State": { "Code": 16, "Name": "running" },
                    "ImageId": "ami-00000001",
                    "LaunchTime": "2024-05-02T00:00:00+00:00",
                    "RootDeviceName": "/dev/xvda",
                    "RootDeviceType": "ebs",
                    "BlockDeviceMappings": [
                        {
                            "DeviceName": "/dev/xvda",
                            "Ebs": { "AttachTime": "2024-05-01T00:00:00+00:00", "VolumeId": "vol-00000001" }
                        }
                    ],
                    "Tags": [ { "Key": "Name", "Value": "web" } ]
                }
            ],
            "OwnerId": "123456789012"
        },
        {
            "Instances": [
                { "InstanceId": "i-00000002", "State": { "Name": "terminated" },
                  "RootDeviceType": "instance-store", "BlockDeviceMappings": [] }
            ],
            "OwnerId": "123456789012"
        }
    ]
}"#;

const VOLUMES: &str = r#"{ "Volumes": [
    { "VolumeId": "vol-00000001", "State": "in-use", "VolumeType": "gp3", "Size": 8, "Iops": 3000,
      "CreateTime": "2024-04-30T23:59:59.123000+00:00" }
] }"#;

const SNAPSHOTS: &str = r#"{ "Snapshots": [
    { "SnapshotId": "snap-00000001", "VolumeId": "vol-00000001", "OwnerId": "123456789012",
      "State": "completed", "StartTime": "2024-05-01T03:00:04.123000+00:00", "VolumeSize": 8,
      "Encrypted": true, "KmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1",
      "Description": "nightly", "Tags": [ { "Key": "a", "Value": "b" } ] },
    { "SnapshotId": "snap-00000002", "OwnerId": "123456789012", "State": "error",
      "StateMessage": "Given key ID is not accessible", "StartTime": "2024-05-02T03:00:00Z" }
] }"#;

const IMAGES: &str = r#"{ "Images": [
    { "ImageId": "ami-00000001", "Name": "golden", "State": "disabled", "BlockDeviceMappings": [
        { "DeviceName": "/dev/xvda", "Ebs": { "SnapshotId": "snap-00000001", "VolumeSize": 8 } },
        { "DeviceName": "/dev/sdb", "VirtualName": "ephemeral0" } ] },
    { "ImageId": "ami-00000002", "Name": "copy", "State": "failed", "Description": "of golden",
      "StateReason": { "Code": "Client.X", "Message": "Given key ID is not accessible" },
      "CreationDate": "2026-11-20T03:00:04.000Z", "Public": true, "RootDeviceType": "ebs",
      "SourceInstanceId": "i-00000001", "SourceImageId": "ami-00000001", "SourceImageRegion": "us-east-1",
      "ProductCodes": [ { "ProductCodeId": "abc", "ProductCodeType": "marketplace" } ],
      "DeregistrationProtection": "enabled-with-cooldown",
      "DeprecationTime": "2027-11-20T03:00:04.000Z", "BlockDeviceMappings": [
        { "Ebs": { "SnapshotId": "snap-00000001", "VolumeSize": 8, "Encrypted": true } },
        { "Ebs": { "VolumeSize": 20, "Encrypted": false } },
        { "Ebs": { "SnapshotId": "snap-00000002", "VolumeSize": 100, "Encrypted": true } } ] },
    { "ImageId": "ami-00000003", "State": "pending", "RootDeviceType": "instance-store",
      "CreationDate": "yesterday", "DeregistrationProtection": "disabled" }
] }"#;

const IMAGE_USES: &str = r#"{ "ImageUses": [
    { "ImageId": "ami-00000001", "UsedBy": ["instance i-0123456789abcdef0"], "SharedWith": ["1"],
      "IsComplete": true },
    { "ImageId": "ami-00000002", "UsedBy": [], "SharedWith": null, "IsComplete": false }
] }"#;

const KEYS: &str = r#"{ "Keys": [
    { "Name": "alias/backup", "Key": { "Arn": "arn:1", "IsEnabled": true, "IsSymmetric": true } },
    { "Name": "alias/gone", "Error": "NotFoundException: gone" }
] }"#;

const LOCKED: &str = r#"{ "Snapshots": [
    { "SnapshotId": "snap-00000001", "LockState": "compliance" },
    { "SnapshotId": "snap-00000002", "LockState": "expired" }
] }"#;

/// Loads the region eu-west-1 whose files are the usual ones but for `changes`; none: no file.
fn check(changes: &[(&str, Option<&str>)]) -> Inventory {
    let dir = tempfile::tempdir().unwrap();
    let region = dir.path().join("eu-west-1");
    fs::create_dir(&region).unwrap();
    let usual = [
        ("instances.json", INSTANCES),
        ("volumes.json", VOLUMES),
        ("snapshots.json", SNAPSHOTS),
        ("images.json", IMAGES),
        ("locked-snapshots.json", LOCKED),
        ("image-uses.json", IMAGE_USES),
        ("keys.json", KEYS),
    ];
    let mut files: BTreeMap<&str, Option<&str>> =
        usual.into_iter().map(|(name, text)| (name, Some(text))).collect();
    files.extend(changes.iter().copied());
    for (name, text) in files {
        if let Some(text) = text {
            fs::write(region.join(name), text).unwrap();
        }
    }
    Files::open(dir.path()).unwrap().load()
}

/// Returns the gaps and notes, without the directory.
fn gaps(inventory: &Inventory) -> Vec<String> {
    let region = inventory.regions.values().next().unwrap();
    let gaps = region.gaps.iter().map(ToString::to_string);
    let all = gaps.chain(region.notes.iter().cloned());
    let without_dir = |text: String| match (text.find('`'), text.find("eu-west-1/")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..=from], &text[to..]),
        _ => text,
    };
    all.map(without_dir).collect()
}

#[test]
fn what_the_aws_cli_prints_is_read() {
    let inventory = check(&[]);
    assert_eq!(gaps(&inventory), Vec::<String>::new());
    assert_eq!(inventory.account.as_deref(), Some("123456789012"));
    let region = &inventory.regions[&"eu-west-1".parse().unwrap()];

    let [web, terminated] = &region.instances[..] else { panic!("{:?}", region.instances) };
    assert_eq!(web.id.to_string(), "i-0123456789abcdef0");
    assert_eq!((web.state.name(), terminated.state.name()), ("running", "terminated"));
    assert_eq!((web.is_instance_store, terminated.is_instance_store), (false, true));
    assert_eq!(web.image_id, "ami-00000001".parse().ok());
    assert_eq!(web.volumes[0].device.as_ref(), "/dev/xvda");
    assert_eq!(web.tags.get("Name"), Some("web"));
    let web_times = [web.launched_at, web.volumes[0].attached_at, web.known_since()];
    let days = web_times.map(|at| at.unwrap().format("%F").to_string());
    assert_eq!(days, ["2024-05-02", "2024-05-01", "2024-05-01"]);
    assert_eq!((terminated.launched_at, terminated.known_since()), (None, None));
    let created_at = region.volumes[0].created_at.unwrap();
    assert_eq!(created_at.to_rfc3339(), "2024-04-30T23:59:59.123+00:00");
    assert_eq!((region.volumes[0].size_gib, &*region.volumes[0].volume_type), (8, "gp3"));

    let [good, failed] = &region.snapshots[..] else { panic!("{:?}", region.snapshots) };
    assert_eq!(good.started_at.to_rfc3339(), "2024-05-01T03:00:04.123+00:00");
    assert_eq!((good.is_encrypted, &*good.description), (true, "nightly"));
    assert!(good.kms_key_id.as_deref().unwrap().ends_with("key/1") && failed.kms_key_id.is_none());
    assert_eq!((failed.volume_id, failed.state.name()), (None, "error"));
    assert_eq!(failed.state_message.as_deref(), Some("Given key ID is not accessible"));

    assert_eq!(region.locked, BTreeSet::from([good.id]));
}

#[test]
fn every_field_of_an_image_is_read() {
    let inventory = check(&[]);
    let region = &inventory.regions[&"eu-west-1".parse().unwrap()];
    let id = |n: u32| format!("ami-{n:08x}").parse().unwrap();
    let snapshot = |n: u32| format!("snap-{n:08x}").parse().unwrap();
    assert_eq!(
        region.images,
        [
            Image {
                state: ImageState::Disabled,
                snapshot_ids: vec![snapshot(1)],
                size_gib: 8,
                ..Image::plain(id(1), "golden")
            },
            Image {
                description: "of golden".into(),
                state: ImageState::Failed,
                state_message: Some("Given key ID is not accessible".into()),
                created_at: "2026-11-20T03:00:04Z".parse().ok(),
                snapshot_ids: vec![snapshot(1), snapshot(2)],
                size_gib: 128,
                is_encrypted: true,
                source_instance_id: "i-00000001".parse().ok(),
                source_image_id: Some(id(1)),
                source_image_region: "us-east-1".parse().ok(),
                is_public: true,
                has_product_codes: true,
                is_protected: true,
                deprecated_at: "2027-11-20T03:00:04Z".parse().ok(),
                ..Image::plain(id(2), "copy")
            },
            Image {
                state: ImageState::Pending,
                is_instance_store: true,
                ..Image::plain(id(3), "")
            },
        ]
    );
}

#[test]
fn what_was_asked_about_images_and_keys_is_read() {
    let inventory = check(&[]);
    let region = &inventory.regions[&"eu-west-1".parse().unwrap()];
    let used = &region.image_uses[&"ami-00000001".parse().unwrap()];
    assert_eq!(used.used_by, ["instance i-0123456789abcdef0".into()]);
    assert_eq!((used.shared_with.as_deref(), used.is_complete), (Some(&["1".into()][..]), true));
    let unknown = &region.image_uses[&"ami-00000002".parse().unwrap()];
    assert_eq!((&unknown.shared_with, unknown.is_complete), (&None, false));
    assert_eq!(
        format!("{:?}", region.keys),
        r#"{"alias/backup": Known(Key { arn: "arn:1", is_enabled: true, is_symmetric: true }), "alias/gone": Missing("NotFoundException: gone")}"#
    );
    let inventory = check(&[("image-uses.json", None), ("keys.json", None)]);
    let region = inventory.regions.values().next().unwrap();
    assert!(region.image_uses.is_empty() && region.keys.is_empty());
    assert_eq!(gaps(&inventory), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_is_a_gap_of_its_listing_only() {
    for (file, text, expected) in [
        ("images.json", None, "DescribeImages: `eu-west-1/images.json` does not exist"),
        (
            "volumes.json",
            Some("{ \"Volumes\": [\n{ \"VolumeId\": \"vol-00000001\" },\n{ \"Volu"),
            "DescribeVolumes: `eu-west-1/volumes.json`: EOF while parsing a string at line 3 column 7",
        ),
        (
            "volumes.json",
            Some("{ \"Snapshots\": [] }"),
            "DescribeVolumes: `eu-west-1/volumes.json`: missing field `Volumes` at line 1 column 19",
        ),
        (
            "volumes.json",
            Some("[]"),
            "DescribeVolumes: `eu-west-1/volumes.json`: invalid type: sequence, expected an object with the key `Volumes` at line 1 column 1",
        ),
        (
            "volumes.json",
            Some(""),
            "DescribeVolumes: `eu-west-1/volumes.json`: EOF while parsing a value at line 1 column 0",
        ),
        (
            "volumes.json",
            Some("{ \"Volumes\": [] } {"),
            "DescribeVolumes: `eu-west-1/volumes.json`: trailing characters at line 1 column 19",
        ),
        (
            "volumes.json",
            Some("{ \"Volumes\": [], \"NextToken\": \"abc\" }"),
            "DescribeVolumes: `eu-west-1/volumes.json`: the listing was cut short: it has a NextToken",
        ),
        (
            "instances.json",
            Some(
                r#"{ "Reservations": [ { "OwnerId": "123456789012", "Instances": [
                { "InstanceId": "i-00000001", "State": { "Name": "asleep" } } ] } ] }"#,
            ),
            "DescribeInstances: `eu-west-1/instances.json`: i-00000001: `asleep` is no state that snapkeep knows",
        ),
        (
            "images.json",
            Some(r#"{ "Images": [ { "ImageId": "ami-00000001", "State": "asleep" } ] }"#),
            "DescribeImages: `eu-west-1/images.json`: ami-00000001: `asleep` is no state that snapkeep knows",
        ),
        (
            "image-uses.json",
            Some(r#"{ "ImageUses": [ { "ImageId": "ami-1" } ] }"#),
            "`eu-west-1/image-uses.json`: missing field `UsedBy` at line 1 column 39",
        ),
        (
            "keys.json",
            Some(r#"{ "Keys": [ { "Name": "alias/backup" } ] }"#),
            "`eu-west-1/keys.json`: alias/backup: expected either `Key` or `Error`",
        ),
        (
            "locked-snapshots.json",
            Some("{"),
            "`eu-west-1/locked-snapshots.json`: EOF while parsing an object at line 1 column 1",
        ),
    ] {
        assert_eq!(gaps(&check(&[(file, text)])), [expected], "{file} {text:?}");
    }
}

#[test]
fn what_stands_beside_an_unreadable_item_is_kept() {
    let text = SNAPSHOTS.replacen("snap-00000001", "snap-xyz", 1);
    let inventory = check(&[("snapshots.json", Some(&text))]);
    assert_eq!(
        gaps(&inventory),
        ["DescribeSnapshots: `eu-west-1/snapshots.json`: `snap-xyz` is not a snapshot id \
          (expected `snap-` and 8 or 17 hex digits)"]
    );
    let region = inventory.regions.values().next().unwrap();
    assert_eq!(region.snapshots.len(), 1);

    let cut = SNAPSHOTS.len() - 60;
    let inventory = check(&[("snapshots.json", Some(&SNAPSHOTS[..cut]))]);
    assert_eq!(inventory.regions.values().next().unwrap().snapshots.len(), 1);
}

#[test]
fn what_is_saved_reads_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let saved = check(&[]);
    save(&saved, dir.path()).unwrap();
    let loaded = Files::open(dir.path()).unwrap().load();
    assert_eq!(format!("{loaded:?}"), format!("{saved:?}"));

    let err = save(&saved, dir.path()).unwrap_err();
    assert_eq!(err.kind(), std::io::ErrorKind::AlreadyExists, "{err}");
}

#[test]
fn a_gap_survives_saving() {
    let dir = tempfile::tempdir().unwrap();
    save(&check(&[("images.json", Some("{"))]), dir.path()).unwrap();
    let loaded = Files::open(dir.path()).unwrap().load();
    let region = loaded.regions.values().next().unwrap();
    assert!(region.has_gap(Listing::Images) && !region.has_gap(Listing::Snapshots));
}

#[test]
fn directories_that_hold_no_inventory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| Files::open(path).unwrap_err().to_string();
    assert!(open(&dir.path().join("missing")).contains("cannot read"));
    assert!(open(dir.path()).contains("holds no inventory"));
    fs::create_dir(dir.path().join("eu-west-1a")).unwrap();
    assert!(open(dir.path()).contains("eu-west-1a` is not a region"));
}

#[test]
fn a_source_is_gone_if_its_whole_listing_does_not_show_it() {
    let region: Region = "eu-west-1".parse().unwrap();
    let sources: BTreeSet<Source> =
        ["i-0123456789abcdef0", "i-00000002", "i-00000009", "vol-00000001", "vol-00000009"]
            .map(|id| id.parse().unwrap())
            .into();
    let questions = BTreeMap::from([(region, sources)]);
    for (changes, expected) in [
        (&[][..], &["i-00000002", "i-00000009", "vol-00000009"][..]),
        (&[("volumes.json", None)], &["i-00000002", "i-00000009"]),
        (&[("instances.json", Some("{"))], &["vol-00000009"]),
    ] {
        let mut inventory = check(changes);
        ask_for_sources(&mut inventory, &questions);
        let gone: Vec<String> =
            inventory.regions[&region].gone.iter().map(ToString::to_string).collect();
        assert_eq!(gone, expected, "{changes:?}");
    }
}
