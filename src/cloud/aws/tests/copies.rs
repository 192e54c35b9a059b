//! Copies: what the destination is asked for.

use snapbox::str;

use super::replay::{Answer, Replay, check, now, pairs, region};
use super::settings::{configured, no_credentials};
use crate::cloud::aws::AwsCloud;
use crate::cloud::{Cloud as _, CopyImage, CopySnapshot, ErrorKind};

fn a_snapshot() -> CopySnapshot {
    CopySnapshot {
        source_region: "us-east-1".parse().unwrap(),
        source_snapshot_id: "snap-0123456789abcdef0".parse().unwrap(),
        is_source_encrypted: false,
        description: "snapkeep servers".to_owned(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        tags: pairs(&[("snapkeep:copy-of", "us-east-1/snap-0123456789abcdef0")]),
    }
}

fn an_image() -> CopyImage {
    CopyImage {
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: "ami-0abcdef1234567890".parse().unwrap(),
        name: "web-20261120".to_owned(),
        description: "snapkeep web".to_owned(),
        encrypted: true,
        kms_key_id: Some("alias/backup".to_owned()),
        completion_minutes: Some(90),
        client_token: "0f-token".to_owned(),
        image_tags: pairs(&[("snapkeep:policy", "web")]),
        snapshot_tags: pairs(&[("snapkeep:part-of", "web")]),
    }
}

#[tokio::test]
async fn a_plain_copy_is_asked_of_the_destination_and_never_says_that_it_is_not_encrypted() {
    let replay = Replay::new([Answer::file(200, "copy_snapshot.xml")]);
    let made = replay.cloud().await.copy_snapshot(&region(), &a_snapshot()).await.unwrap();
    assert_eq!(made.to_string(), "snap-066877671789bd71b");
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CopySnapshot
Version=2016-11-15
Description=snapkeep servers
DestinationRegion=ap-northeast-2
SourceRegion=us-east-1
SourceSnapshotId=snap-0123456789abcdef0
TagSpecification.1.ResourceType=snapshot
TagSpecification.1.Tag.1.Key=snapkeep:copy-of
TagSpecification.1.Tag.1.Value=us-east-1/snap-0123456789abcdef0

"#]],
    );
}

#[tokio::test]
async fn a_copy_with_a_key_names_it_and_how_long_it_may_take() {
    let replay = Replay::new([Answer::file(200, "copy_snapshot.xml")]);
    let request = CopySnapshot {
        encrypted: true,
        kms_key_id: Some("alias/backup".to_owned()),
        completion_minutes: Some(60),
        ..a_snapshot()
    };
    replay.cloud().await.copy_snapshot(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CopySnapshot
Version=2016-11-15
Description=snapkeep servers
DestinationRegion=ap-northeast-2
Encrypted=true
KmsKeyId=alias/backup
SourceRegion=us-east-1
SourceSnapshotId=snap-0123456789abcdef0
TagSpecification.1.ResourceType=snapshot
TagSpecification.1.Tag.1.Key=snapkeep:copy-of
TagSpecification.1.Tag.1.Value=us-east-1/snap-0123456789abcdef0
CompletionDurationMinutes=60

"#]],
    );
}

#[tokio::test]
async fn a_copy_of_what_is_encrypted_has_a_url_signed_for_the_source() {
    let replay = Replay::new([Answer::file(200, "copy_snapshot.xml")]);
    let request = CopySnapshot { is_source_encrypted: true, ..a_snapshot() };
    replay.cloud().await.copy_snapshot(&region(), &request).await.unwrap();
    // That the signature is right is shown where it is made.
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CopySnapshot
Version=2016-11-15
Description=snapkeep servers
DestinationRegion=ap-northeast-2
PresignedUrl=https://ec2.us-east-1.amazonaws.com/?Action=CopySnapshot&DestinationRegion=ap-northeast-2&SourceRegion=us-east-1&SourceSnapshotId=snap-0123456789abcdef0&Version=2016-11-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Fus-east-1%2Fec2%2Faws4_request&X-Amz-Date=20261120T031000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=8af158c7a23317b5a279469fa34e3365ceb57c112bd3200919bfeb9b51699c04
SourceRegion=us-east-1
SourceSnapshotId=snap-0123456789abcdef0
TagSpecification.1.ResourceType=snapshot
TagSpecification.1.Tag.1.Key=snapkeep:copy-of
TagSpecification.1.Tag.1.Value=us-east-1/snap-0123456789abcdef0

"#]],
    );
}

#[tokio::test]
async fn the_url_goes_to_where_the_sdk_would_send_a_request() {
    for (profile, source, expected) in [
        ("", "cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/?"),
        ("use_fips_endpoint = true", "us-east-1", "https://ec2-fips.us-east-1.amazonaws.com/?"),
        ("use_dualstack_endpoint = true", "us-east-1", "https://ec2.us-east-1.api.aws/?"),
        ("endpoint_url = http://127.0.0.1:5000", "us-east-1", "http://127.0.0.1:5000/?"),
    ] {
        let replay = Replay::new([Answer::file(200, "copy_snapshot.xml")]);
        let profile = format!(
            "[default]\nregion = eu-west-1\naws_access_key_id = AKIDEXAMPLE\n\
             aws_secret_access_key = example\n{profile}"
        );
        let cloud = configured(&profile, &replay).await.unwrap();
        let request = CopySnapshot {
            source_region: source.parse().unwrap(),
            is_source_encrypted: true,
            ..a_snapshot()
        };
        cloud.copy_snapshot(&region(), &request).await.unwrap();
        let sent = replay.only_request();
        assert!(sent.contains(&format!("\nPresignedUrl={expected}")), "{sent}");
        assert!(sent.contains(&format!("%2F{source}%2Fec2%2Faws4_request")), "{sent}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_signed_and_nothing_sent() {
    let replay = Replay::new([]);
    let sdk_config =
        replay.sdk_config().into_builder().credentials_provider(no_credentials()).build();
    let cloud = AwsCloud::from_config(&sdk_config, now()).await.unwrap();
    let request = CopySnapshot { is_source_encrypted: true, ..a_snapshot() };
    let err = cloud.copy_snapshot(&region(), &request).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Credentials, "NoCredentials"));
    assert!(err.message.starts_with("no AWS credentials found"), "{err}");
}

#[tokio::test]
async fn the_url_is_signed_at_the_time_that_ec2_says_it_is() {
    let Answer::Reply { body, .. } = Answer::file(200, "regions.xml") else { panic!() };
    let date = Some("Fri, 20 Nov 2026 03:30:00 GMT");
    let replay = Replay::new([
        Answer::Reply { status: 200, body, date },
        Answer::file(200, "copy_snapshot.xml"),
    ]);
    let cloud = replay.cloud().await;
    cloud.describe_regions().await.unwrap();
    let request = CopySnapshot { is_source_encrypted: true, ..a_snapshot() };
    cloud.copy_snapshot(&region(), &request).await.unwrap();
    // The local clock stands at 03:10.
    assert!(replay.last_request().contains("&X-Amz-Date=20261120T033000Z&"));
}

#[tokio::test]
async fn a_copy_of_an_image_is_asked_of_the_destination_with_its_token() {
    let replay = Replay::new([Answer::file(200, "copy_image.xml")]);
    let made = replay.cloud().await.copy_image(&region(), &an_image()).await.unwrap();
    assert_eq!(made.to_string(), "ami-1234567890abcdef0");
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CopyImage
Version=2016-11-15
ClientToken=0f-token
Description=snapkeep web
Encrypted=true
KmsKeyId=alias/backup
Name=web-20261120
SourceImageId=ami-0abcdef1234567890
SourceRegion=us-east-1
TagSpecification.1.ResourceType=image
TagSpecification.1.Tag.1.Key=snapkeep:policy
TagSpecification.1.Tag.1.Value=web
TagSpecification.2.ResourceType=snapshot
TagSpecification.2.Tag.1.Key=snapkeep:part-of
TagSpecification.2.Tag.1.Value=web
SnapshotCopyCompletionDurationMinutes=90

"#]],
    );
}

#[tokio::test]
async fn a_plain_copy_of_an_image_asks_for_nothing_else() {
    let replay = Replay::new([Answer::file(200, "copy_image.xml")]);
    let request = CopyImage {
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        image_tags: Vec::new(),
        snapshot_tags: Vec::new(),
        ..an_image()
    };
    replay.cloud().await.copy_image(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CopyImage
Version=2016-11-15
ClientToken=0f-token
Description=snapkeep web
Name=web-20261120
SourceImageId=ami-0abcdef1234567890
SourceRegion=us-east-1

"#]],
    );
}

#[tokio::test]
async fn a_copy_is_asked_for_once_whatever_fails() {
    for (answer, kind) in [
        (Answer::file(400, "error_copies_limit.xml"), ErrorKind::AccountLimit),
        (Answer::file(503, "error_throttled.xml"), ErrorKind::Throttled),
        (Answer::file(500, "error_500.html"), ErrorKind::Ambiguous),
        (Answer::TimedOut, ErrorKind::Ambiguous),
    ] {
        let replay = Replay::new([answer]);
        let err = replay.cloud().await.copy_snapshot(&region(), &a_snapshot()).await.unwrap_err();
        assert_eq!((err.kind, err.operation), (kind, "CopySnapshot"), "{err}");
        assert_eq!(replay.requests_count(), 1);
    }
    let replay = Replay::new([Answer::file(400, "error_image_name.xml")]);
    let err = replay.cloud().await.copy_image(&region(), &an_image()).await.unwrap_err();
    assert_eq!(
        err.reason(),
        "InvalidAMIName.Duplicate: AMI name web-20261120 is already in use by AMI \
         ami-0abcdef1234567890"
    );
}
