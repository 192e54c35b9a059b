//! What becomes of failures: a kind to branch on, and one line to read.

use snapbox::data::Inline;
use snapbox::{IntoData as _, assert_data_eq, str};

use super::replay::{Answer, Replay, now, region};
use crate::cloud::aws::AwsCloud;
use crate::cloud::{Cloud as _, CloudError, CreateSnapshot, ErrorKind, SnapshotFilter};
use crate::domain::ids::SnapshotId;

fn snapshot_id() -> SnapshotId {
    "snap-0123456789abcdef0".parse().unwrap()
}

async fn delete(answer: Answer) -> CloudError {
    let replay = Replay::new([answer]);
    let err = replay.cloud().await.delete_snapshot(&region(), snapshot_id()).await.unwrap_err();
    assert_eq!(replay.requests_count(), 1);
    err
}

async fn check(answer: Answer, expected: Inline) {
    let err = delete(answer).await;
    // Raw: otherwise a backslash would pass for a slash.
    assert_data_eq!(format!("{:?}\n{err}\n", err.kind), expected.raw());
}

#[tokio::test]
async fn a_throttled_deletion_is_sent_once() {
    check(
        Answer::file(503, "error_throttled.xml"),
        str![[r#"
Throttled
DeleteSnapshot in ap-northeast-2: RequestLimitExceeded: Request limit exceeded.

"#]],
    )
    .await;
}

#[tokio::test]
async fn a_snapshot_in_use_names_the_image() {
    check(Answer::file(400, "error_in_use.xml"), str![[r#"
InUse
DeleteSnapshot in ap-northeast-2: InvalidSnapshot.InUse: The snapshot snap-0123456789abcdef0 is currently in use by ami-0abcdef1234567890

"#]]).await;
}

#[tokio::test]
async fn what_aws_backup_manages_is_protected() {
    check(Answer::file(400, "error_backup.xml"), str![[r#"
Protected
DeleteSnapshot in ap-northeast-2: InvalidParameterValue: This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 APIs. If you wish to delete this snapshot, please do so via the Backup console.

"#]]).await;
}

#[tokio::test]
async fn a_snapshot_that_is_gone_is_not_found() {
    check(Answer::file(400, "error_not_found.xml"), str![[r#"
NotFound
DeleteSnapshot in ap-northeast-2: InvalidSnapshot.NotFound: The snapshot 'snap-0123456789abcdef0' does not exist.

"#]]).await;
}

#[tokio::test]
async fn a_region_that_may_not_be_enabled_is_named_as_a_cause() {
    check(Answer::file(401, "error_auth_failure.xml"), str![[r#"
Credentials
DeleteSnapshot in ap-northeast-2: AuthFailure: AWS was not able to validate the provided access credentials (the region may not be enabled for the account)

"#]]).await;
}

#[tokio::test]
async fn a_missing_right_is_denied() {
    check(Answer::file(403, "error_denied.xml"), str![[r#"
Denied
DeleteSnapshot in ap-northeast-2: UnauthorizedOperation: You are not authorized to perform this operation.

"#]]).await;
}

#[tokio::test]
async fn a_server_error_without_ec2s_words_is_ambiguous() {
    check(Answer::file(500, "error_500.html"), str![[r#"
Ambiguous
DeleteSnapshot in ap-northeast-2: UnreadableReply: HTTP status 500, no error of EC2 in it; the reply begins `<!DOCTYPE html>\n<html><head><title>500 Internal Server Error</title></head>\n<body><h1>Internal Server Error</h1></body><`

"#]]).await;
}

#[tokio::test]
async fn a_success_without_ec2s_words_is_ambiguous() {
    check(Answer::file(200, "error_500.html"), str![[r#"
Ambiguous
DeleteSnapshot in ap-northeast-2: UnreadableReply: HTTP status 200, it is cut off or not from EC2; the reply begins `<!DOCTYPE html>\n<html><head><title>500 Internal Server Error</title></head>\n<body><h1>Internal Server Error</h1></body><`

"#]]).await;
    check(Answer::text(200, ""), str![[r#"
Ambiguous
DeleteSnapshot in ap-northeast-2: UnreadableReply: HTTP status 200, it is cut off or not from EC2; the reply begins ``

"#]]).await;
}

#[tokio::test]
async fn what_a_proxy_turns_away_did_not_happen() {
    check(Answer::file(403, "error_403_proxy.html"), str![[r#"
Refused
DeleteSnapshot in ap-northeast-2: Http403: HTTP status 403, no error of EC2 in it; the reply begins `<html><body>Access to ec2.us-east-1.amazonaws.com is blocked by policy.</body></html>`

"#]]).await;
}

#[tokio::test]
async fn a_broken_connection_is_ambiguous() {
    check(
        Answer::ConnectionBroken,
        str![[r#"
Ambiguous
DeleteSnapshot in ap-northeast-2: ConnectionBroken: io error: reset by peer

"#]],
    )
    .await;
}

#[tokio::test]
async fn a_time_out_is_ambiguous() {
    check(
        Answer::TimedOut,
        str![[r#"
Ambiguous
DeleteSnapshot in ap-northeast-2: Timeout: timeout: no reply

"#]],
    )
    .await;
}

#[tokio::test]
async fn a_creation_is_sent_once_whatever_fails() {
    let request = CreateSnapshot {
        volume_id: "vol-1234567890abcdef0".parse().unwrap(),
        description: String::new(),
        tags: Vec::new(),
    };
    for (answer, kind) in [
        (Answer::file(503, "error_throttled.xml"), ErrorKind::Throttled),
        (Answer::file(500, "error_500.html"), ErrorKind::Ambiguous),
        (Answer::file(400, "error_volume_rate.xml"), ErrorKind::VolumeRate),
        (Answer::ConnectionBroken, ErrorKind::Ambiguous),
        (Answer::TimedOut, ErrorKind::Ambiguous),
    ] {
        let replay = Replay::new([answer]);
        let err = replay.cloud().await.create_snapshot(&region(), &request).await.unwrap_err();
        assert_eq!(err.kind, kind, "{err}");
        assert_eq!(replay.requests_count(), 1);
    }
}

#[tokio::test]
async fn what_only_reads_is_tried_again() {
    let replay = Replay::new([
        Answer::file(503, "error_throttled.xml"),
        Answer::ConnectionBroken,
        Answer::file(200, "snapshots_page.xml"),
    ]);
    let cloud = replay.cloud().await;
    let page = cloud.describe_snapshots(&region(), &SnapshotFilter::All, None).await.unwrap();
    assert_eq!((page.items.len(), replay.requests_count()), (2, 3));
}

#[tokio::test]
async fn missing_credentials_say_so_and_nothing_is_sent() {
    let replay = Replay::new([]);
    let sdk_config = replay
        .sdk_config()
        .into_builder()
        .credentials_provider(super::settings::no_credentials())
        .build();
    let cloud = AwsCloud::from_config(&sdk_config, now()).await.unwrap();
    let err = cloud.delete_snapshot(&region(), snapshot_id()).await.unwrap_err();
    assert_eq!(err.kind, ErrorKind::Credentials);
    assert_data_eq!(
        err.to_string(),
        str![
            "DeleteSnapshot in ap-northeast-2: NoCredentials: no AWS credentials found (set AWS_PROFILE, or run `aws configure`): the credential provider was not enabled: no credentials found in chain. Attempted: Profile: the credential provider was not enabled"
        ]
    );
    assert_eq!(replay.requests_count(), 0);
}
