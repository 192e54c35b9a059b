//! Images: how they are listed and read, made, deregistered and deprecated.

use snapbox::str;

use super::replay::{Answer, Replay, check, pairs, region};
use crate::cloud::{Cloud as _, CreateImage, ErrorKind, ImageFilter};
use crate::domain::ids::ImageId;
use crate::domain::inventory::ImageState;

fn image_id() -> ImageId {
    "ami-0abcdef1234567890".parse().unwrap()
}

#[tokio::test]
async fn images_are_listed_with_disabled_and_deprecated_ones() {
    let replay = Replay::new([Answer::file(200, "images_page.xml")]);
    let token = Some("t".to_owned());
    replay.cloud().await.describe_images(&region(), &ImageFilter::All, token).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeImages
Version=2016-11-15
Owner.1=self
IncludeDeprecated=true
IncludeDisabled=true
MaxResults=1000
NextToken=t

"#]],
    );
}

#[tokio::test]
async fn images_are_asked_for_by_filter_so_that_a_vanished_one_fails_nothing() {
    let replay = Replay::new([Answer::file(200, "images_page.xml")]);
    let filter = ImageFilter::Ids(vec![image_id(), "ami-00000001".parse().unwrap()]);
    replay.cloud().await.describe_images(&region(), &filter, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeImages
Version=2016-11-15
Owner.1=self
IncludeDeprecated=true
IncludeDisabled=true
MaxResults=1000
Filter.1.Name=image-id
Filter.1.Value.1=ami-0abcdef1234567890
Filter.1.Value.2=ami-00000001

"#]],
    );
}

#[tokio::test]
async fn no_ids_are_no_images_and_no_request() {
    let replay = Replay::new([]);
    let filter = ImageFilter::Ids(Vec::new());
    let page = replay.cloud().await.describe_images(&region(), &filter, None).await.unwrap();
    assert!(page.items.is_empty() && page.next_token.is_none());
}

#[tokio::test]
async fn tags_of_images_are_matched_literally() {
    let replay = Replay::new([Answer::file(200, "images_page.xml")]);
    let filter = ImageFilter::Tags(pairs(&[("snapkeep:policy", "web*"), ("snapkeep:slot", "a")]));
    replay.cloud().await.describe_images(&region(), &filter, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeImages
Version=2016-11-15
Owner.1=self
IncludeDeprecated=true
IncludeDisabled=true
MaxResults=1000
Filter.1.Name=tag:snapkeep:policy
Filter.1.Value.1=web\*
Filter.2.Name=tag:snapkeep:slot
Filter.2.Value.1=a

"#]],
    );
}

#[tokio::test]
async fn a_page_of_images_is_read() {
    let replay = Replay::new([Answer::file(200, "images_page.xml")]);
    let cloud = replay.cloud().await;
    let page = cloud.describe_images(&region(), &ImageFilter::All, None).await.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("more"));
    let [golden, copy, failed] = &page.items[..] else { panic!("{page:?}") };

    assert_eq!(golden.id, image_id());
    assert_eq!((&*golden.name, &*golden.description), ("golden", "made by hand"));
    assert_eq!(golden.state, ImageState::Disabled);
    assert_eq!(golden.created_at.unwrap().to_rfc3339(), "2026-01-01T10:44:09+00:00");
    assert_eq!(golden.deprecated_at.unwrap().to_rfc3339(), "2026-06-01T00:00:00+00:00");
    assert_eq!(golden.snapshot_ids, ["snap-0123456789abcdef0".parse().unwrap()]);
    assert_eq!(golden.size_gib, 130);
    assert!(golden.has_product_codes && golden.is_protected);
    assert!(!golden.is_encrypted && !golden.is_public && !golden.is_instance_store);
    assert_eq!((golden.source_image_id, golden.source_image_region), (None, None));
    assert_eq!(golden.tags.get("Team"), Some("web"));

    assert_eq!((copy.state, copy.size_gib), (ImageState::Available, 508));
    assert_eq!(copy.snapshot_ids.len(), 2);
    assert_eq!(copy.source_image_id, Some("ami-0fedcba9876543210".parse().unwrap()));
    assert_eq!(copy.source_image_region, Some("us-east-1".parse().unwrap()));
    assert!(copy.is_encrypted && copy.is_public && copy.deprecated_at.is_none());
    assert!(!copy.has_product_codes && !copy.is_protected);

    assert_eq!(failed.state, ImageState::Failed);
    assert_eq!(failed.state_message.as_deref(), Some("Client error on launch"));
    assert!(failed.is_instance_store && !failed.is_encrypted && failed.created_at.is_none());
}

#[tokio::test]
async fn a_state_that_is_not_known_fails_the_listing_and_is_named() {
    let replay = Replay::new([Answer::file(200, "images_new_state.xml")]);
    let cloud = replay.cloud().await;
    let err = cloud.describe_images(&region(), &ImageFilter::All, None).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Refused, "UnreadableItem"));
    assert_eq!(err.message, "image `ami-0abcdef1234567890` has no readable state (`archived`)");
}

fn an_image() -> CreateImage {
    CreateImage {
        instance_id: "i-1234567890abcdef0".parse().unwrap(),
        name: "web-20261120".to_owned(),
        description: "snapkeep web".to_owned(),
        no_reboot: true,
        left_out_devices: vec!["/dev/sdg".to_owned(), "/dev/sdh".to_owned()],
        image_tags: pairs(&[("snapkeep:policy", "web"), ("snapkeep:slot", "a")]),
        snapshot_tags: pairs(&[("snapkeep:policy", "web")]),
    }
}

#[tokio::test]
async fn an_image_is_made_with_its_tags_and_without_what_is_left_out() {
    let replay = Replay::new([Answer::file(200, "create_image.xml")]);
    let made = replay.cloud().await.create_image(&region(), &an_image()).await.unwrap();
    assert_eq!(made, image_id());
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateImage
Version=2016-11-15
TagSpecification.1.ResourceType=image
TagSpecification.1.Tag.1.Key=snapkeep:policy
TagSpecification.1.Tag.1.Value=web
TagSpecification.1.Tag.2.Key=snapkeep:slot
TagSpecification.1.Tag.2.Value=a
TagSpecification.2.ResourceType=snapshot
TagSpecification.2.Tag.1.Key=snapkeep:policy
TagSpecification.2.Tag.1.Value=web
InstanceId=i-1234567890abcdef0
Name=web-20261120
Description=snapkeep web
NoReboot=true
BlockDeviceMapping.1.NoDevice=
BlockDeviceMapping.1.DeviceName=/dev/sdg
BlockDeviceMapping.2.NoDevice=
BlockDeviceMapping.2.DeviceName=/dev/sdh

"#]],
    );
}

#[tokio::test]
async fn whether_an_instance_reboots_is_never_left_to_ec2() {
    let replay = Replay::new([Answer::file(200, "create_image.xml")]);
    let request = CreateImage {
        no_reboot: false,
        left_out_devices: Vec::new(),
        image_tags: Vec::new(),
        snapshot_tags: Vec::new(),
        ..an_image()
    };
    replay.cloud().await.create_image(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateImage
Version=2016-11-15
InstanceId=i-1234567890abcdef0
Name=web-20261120
Description=snapkeep web
NoReboot=false

"#]],
    );
}

#[tokio::test]
async fn an_image_is_asked_for_once_whatever_fails() {
    for (answer, kind, code) in [
        (Answer::file(400, "error_image_name.xml"), ErrorKind::Refused, "InvalidAMIName.Duplicate"),
        (Answer::file(503, "error_throttled.xml"), ErrorKind::Throttled, "RequestLimitExceeded"),
        (Answer::ConnectionBroken, ErrorKind::Ambiguous, "ConnectionBroken"),
        (
            Answer::text(200, "<CreateImageResponse></CreateImageResponse>"),
            ErrorKind::Ambiguous,
            "UnreadableReply",
        ),
    ] {
        let replay = Replay::new([answer]);
        let err = replay.cloud().await.create_image(&region(), &an_image()).await.unwrap_err();
        assert_eq!((err.kind, &*err.code), (kind, code), "{err}");
        assert_eq!(replay.requests_count(), 1);
    }
}

#[tokio::test]
async fn an_image_is_deregistered_and_its_snapshots_stay() {
    let replay = Replay::new([Answer::file(200, "deregister_image.xml")]);
    replay.cloud().await.deregister_image(&region(), image_id()).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DeregisterImage
Version=2016-11-15
ImageId=ami-0abcdef1234567890

"#]],
    );
}

#[tokio::test]
async fn an_image_is_deprecated_at_an_instant() {
    let replay = Replay::new([Answer::file(200, "enable_image_deprecation.xml")]);
    let at = "2026-12-20T03:00:00Z".parse().unwrap();
    replay.cloud().await.enable_image_deprecation(&region(), image_id(), at).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=EnableImageDeprecation
Version=2016-11-15
ImageId=ami-0abcdef1234567890
DeprecateAt=2026-12-20T03:00:00Z

"#]],
    );
}
