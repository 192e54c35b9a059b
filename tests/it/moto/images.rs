//! Images of instances, and what is asked about images.

use serde_json::{Value, json};
use snapkeep::cloud::{
    Cloud as _, CreateImage, CreateSnapshot, ErrorKind, ImageFilter, Permissions, Probe,
    SnapshotFilter,
};
use snapkeep::domain::ids::ImageId;
use snapkeep::domain::inventory::ImageState;

use super::{all, counts, images_of, pairs, region, snapshots, us};
use crate::support::moto::Moto;

/// An instance with an encrypted volume and one that is to be left out, and images of all kinds.
fn scene() -> Value {
    json!({ "page_items_max": 2, "now": "2026-11-20T03:00:02Z", "regions": {
        "us-east-1": {
            "keys": [{ "alias": "alias/backup" }],
            "instances": [
                { "id": "i-00000001", "image": "ami-00000002", "volumes": [
                    { "id": "vol-00000001", "device": "/dev/xvda", "size": 8 },
                    { "id": "vol-00000002", "device": "/dev/sdf", "size": 500, "encrypted": true,
                      "key": "alias/backup" },
                    { "id": "vol-00000003", "device": "/dev/sdg" },
                ] },
            ],
            "snapshots": [
                { "id": "snap-00000001", "size": 30 },
                { "id": "snap-00000002", "size": 10, "encrypted": true },
                { "id": "snap-00000003" },
            ],
            "images": [
                { "id": "ami-00000001", "name": "golden", "description": "made by hand",
                  "state": "disabled", "snapshots": ["snap-00000001", "snap-00000002"],
                  "creation_date": "2026-01-01T03:00:00Z",
                  "deprecation_time": "2026-06-01T00:00:00.000Z",
                  "product_codes": ["774F4FF8"], "protection": "enabled-with-cooldown",
                  "tags": { "Team": "web", "snapkeep:slot": "a" } },
                { "id": "ami-00000002", "name": "copied", "snapshots": ["snap-00000002"],
                  "source_image": "ami-0000beef", "source_region": "eu-west-1",
                  "public": true, "shared_with": ["111122223333"] },
                { "id": "ami-00000003", "name": "broken", "state": "failed",
                  "state_message": "Given key ID is not accessible",
                  "root_device_type": "instance-store" },
                { "id": "ami-00000004", "name": "another's", "owner": "999999999999" },
            ],
            "launch_templates": [
                { "id": "lt-00000001", "images": ["ami-00000001", "ami-00000002"] },
                { "id": "lt-00000002", "images": ["resolve:ssm:golden"] },
            ],
            "references": [
                { "image": "ami-00000001", "type": "ssm:Parameter",
                  "arn": "arn:aws:ssm:us-east-1:123456789012:parameter/golden/latest" },
            ],
        },
    } })
}

fn image_id(text: &str) -> ImageId {
    text.parse().unwrap()
}

fn an_image() -> CreateImage {
    CreateImage {
        instance_id: "i-00000001".parse().unwrap(),
        name: "web-20261120".to_owned(),
        description: "snapkeep web".to_owned(),
        no_reboot: true,
        left_out_devices: vec!["/dev/sdg".to_owned()],
        image_tags: pairs(&[("snapkeep:policy", "web"), ("snapkeep:slot", "b")]),
        snapshot_tags: pairs(&[("snapkeep:part-of", "web")]),
    }
}

#[tokio::test]
async fn own_images_are_listed_over_several_pages_with_all_that_ec2_says() {
    let moto = Moto::start(&scene());
    let images = images_of(&moto, &us(), ImageFilter::All).await;
    assert_eq!(counts(&moto)["us-east-1 DescribeImages"], 2);
    let [golden, copied, broken] = &images[..] else { panic!("{images:?}") };

    assert_eq!((&*golden.name, &*golden.description), ("golden", "made by hand"));
    assert_eq!((golden.state, golden.size_gib), (ImageState::Disabled, 40));
    assert_eq!(golden.created_at.unwrap().to_rfc3339(), "2026-01-01T03:00:00+00:00");
    assert_eq!(golden.deprecated_at.unwrap().to_rfc3339(), "2026-06-01T00:00:00+00:00");
    assert!(golden.has_product_codes && golden.is_protected && !golden.is_encrypted);
    assert_eq!(golden.snapshot_ids.len(), 2);

    assert_eq!(copied.source_image_id, Some(image_id("ami-0000beef")));
    assert_eq!(copied.source_image_region, Some(region("eu-west-1")));
    assert!(copied.is_encrypted && copied.is_public && !copied.is_protected);
    assert!(!copied.has_product_codes && !copied.is_instance_store);

    assert_eq!(broken.state, ImageState::Failed);
    assert_eq!(broken.state_message.as_deref(), Some("Given key ID is not accessible"));
    assert!(broken.is_instance_store && broken.snapshot_ids.is_empty());
}

#[tokio::test]
async fn images_are_found_by_ids_and_by_tags() {
    let moto = Moto::start(&scene());
    let wanted = ["ami-00000001", "ami-0000dead"].map(image_id).to_vec();
    let found = images_of(&moto, &us(), ImageFilter::Ids(wanted)).await;
    assert_eq!(found.iter().map(|i| i.id).collect::<Vec<_>>(), [image_id("ami-00000001")]);
    let tags = [("Team", "web"), ("snapkeep:slot", "a")];
    let found = images_of(&moto, &us(), ImageFilter::Tags(pairs(&tags))).await;
    assert_eq!(found.len(), 1);
    let pattern = ImageFilter::Tags(pairs(&[("Team", "w*")]));
    assert!(images_of(&moto, &us(), pattern).await.is_empty());
}

#[tokio::test]
async fn an_image_is_made_without_what_is_left_out_and_goes_with_its_snapshots() {
    let moto = Moto::start(&scene());
    let cloud = moto.cloud().await;
    let id = cloud.create_image(&us(), &an_image()).await.unwrap();

    let made = images_of(&moto, &us(), ImageFilter::Ids(vec![id])).await.remove(0);
    assert_eq!((&*made.name, &*made.description), ("web-20261120", "snapkeep web"));
    assert_eq!((made.state, made.size_gib), (ImageState::Available, 508));
    assert_eq!(made.created_at.unwrap().to_rfc3339(), "2026-11-20T03:00:02+00:00");
    assert!(!made.is_encrypted, "one of its devices is not");
    assert_eq!(made.source_instance_id, Some(an_image().instance_id));
    // What the instance was launched from.
    assert_eq!(made.source_image_id, Some(image_id("ami-00000002")));
    assert_eq!(made.source_image_region, Some(us()));
    let tags: Vec<_> = made.tags.iter().collect();
    assert_eq!(tags, [("snapkeep:policy", "web"), ("snapkeep:slot", "b")]);
    let ids = SnapshotFilter::Ids(made.snapshot_ids.clone());
    let backing = snapshots(&moto, &us(), ids).await;
    let [root, data] = &backing[..] else { panic!("{backing:?}") };
    assert_eq!(&*root.description, format!("Created by CreateImage(i-00000001) for {id}"));
    assert_eq!(root.tags.get("snapkeep:part-of"), Some("web"));
    assert_eq!((data.volume_size_gib, data.is_encrypted), (500, true));
    let key = cloud.describe_key(&us(), "alias/backup").await.unwrap();
    assert_eq!(data.kms_key_id, Some(key.arn));

    let err = cloud.create_image(&us(), &an_image()).await.unwrap_err();
    assert_eq!(&*err.code, "InvalidAMIName.Duplicate");
    assert!(err.message.contains(&id.to_string()), "{err}");

    let err = cloud.delete_snapshot(&us(), root.id).await.unwrap_err();
    assert_eq!(err.kind, ErrorKind::InUse);
    cloud.deregister_image(&us(), id).await.unwrap();
    assert!(images_of(&moto, &us(), ImageFilter::Ids(vec![id])).await.is_empty());
    for snapshot in backing {
        cloud.delete_snapshot(&us(), snapshot.id).await.unwrap();
    }
    let err = cloud.deregister_image(&us(), id).await.unwrap_err();
    assert_eq!(&*err.code, "InvalidAMIID.Unavailable");
    let err = cloud.deregister_image(&us(), image_id("ami-00000001")).await.unwrap_err();
    assert_eq!(err.kind, ErrorKind::Protected);
}

#[tokio::test]
async fn what_refers_to_images_is_listed() {
    let moto = Moto::start(&scene());
    let (us, cloud) = (us(), moto.cloud().await);
    let ids = ["ami-00000001", "ami-00000002", "ami-00000003"].map(image_id);
    let found = all(|token| cloud.describe_image_references(&us, &ids, token)).await;
    let mut lines: Vec<_> = found.iter().map(|r| format!("{} {}", r.image_id, r.by)).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "ami-00000001 SSM parameter /golden/latest",
            "ami-00000001 launch template lt-00000001",
            "ami-00000002 instance i-00000001",
            "ami-00000002 launch template lt-00000001",
        ]
    );
    let found = all(|token| cloud.describe_launch_template_images(&us, token)).await;
    let mut lines: Vec<_> = found.iter().map(|r| format!("{} {}", r.image_id, r.by)).collect();
    lines.sort();
    let [first, second] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(first, "ami-00000001 launch template lt-00000001");
    assert_eq!(second, "ami-00000002 launch template lt-00000001");
}

#[tokio::test]
async fn permissions_tags_and_deprecation_are_changed() {
    let moto = Moto::start(&scene());
    let (us, cloud) = (us(), moto.cloud().await);
    let image = image_id("ami-00000002");
    let shared = cloud.describe_launch_permissions(&us, image).await.unwrap();
    assert_eq!(shared, ["111122223333", "group all"]);
    let changes = Permissions {
        add: vec!["444455556666".to_owned()],
        remove: vec!["111122223333".to_owned()],
    };
    // Doing it twice is harmless.
    for _ in 0..2 {
        cloud.modify_permissions(&us, image.into(), &changes).await.unwrap();
        let snapshot: snapkeep::domain::ids::SnapshotId = "snap-00000003".parse().unwrap();
        cloud.modify_permissions(&us, snapshot.into(), &changes).await.unwrap();
    }
    let shared = cloud.describe_launch_permissions(&us, image).await.unwrap();
    assert_eq!(shared, ["group all", "444455556666"]);

    let tags = pairs(&[("snapkeep:hold", "audit")]);
    cloud.create_tags(&us, image.into(), &tags).await.unwrap();
    let at = "2026-12-20T03:00:00Z".parse().unwrap();
    cloud.enable_image_deprecation(&us, image, at).await.unwrap();
    let found = images_of(&moto, &us, ImageFilter::Tags(tags)).await;
    assert_eq!((found[0].id, found[0].deprecated_at), (image, Some(at)));
    let past = "2026-11-19T03:00:00Z".parse().unwrap();
    let err = cloud.enable_image_deprecation(&us, image, past).await.unwrap_err();
    assert_eq!(err.kind, ErrorKind::Refused);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_is_denied() {
    let mut scene = scene();
    scene["refuse"] = json!([
        { "region": "us-east-1", "action": "CreateImage", "code": "UnauthorizedOperation" },
    ]);
    let moto = Moto::start(&scene);
    let (us, cloud) = (us(), moto.cloud().await);
    let err = cloud.dry_run(&us, &Probe::CreateImage(an_image())).await.unwrap_err();
    assert_eq!((err.kind, err.operation), (ErrorKind::Denied, "CreateImage"));
    let before = images_of(&moto, &us, ImageFilter::All).await;
    let (image, snapshot) = (image_id("ami-00000002"), "snap-00000003".parse().unwrap());
    for probe in [
        Probe::CreateSnapshot(CreateSnapshot {
            volume_id: "vol-00000001".parse().unwrap(),
            description: String::new(),
            tags: Vec::new(),
        }),
        Probe::DeregisterImage(image),
        Probe::DeleteSnapshot(snapshot),
        Probe::CreateTags(image.into()),
        Probe::ModifyPermissions(image.into()),
        Probe::ModifyPermissions(snapshot.into()),
        Probe::EnableImageDeprecation(image),
    ] {
        cloud.dry_run(&us, &probe).await.unwrap_or_else(|err| panic!("{probe:?}: {err}"));
    }
    assert_eq!(images_of(&moto, &us, ImageFilter::All).await, before);
    assert_eq!(snapshots(&moto, &us, SnapshotFilter::All).await.len(), 3);
}
