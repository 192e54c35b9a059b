//! Keys: KMS is asked in JSON, and what it answers is an error in the port's words.

use snapbox::str;

use super::replay::{Answer, Replay, check, region};
use crate::cloud::{Cloud as _, CloudError, ErrorKind};
use crate::domain::inventory::Key;

async fn describe(answer: Answer) -> Result<Key, CloudError> {
    let replay = Replay::new([answer]);
    replay.cloud().await.describe_key(&region(), "alias/backup").await
}

#[tokio::test]
async fn a_key_is_asked_of_kms_in_its_region() {
    let replay = Replay::new([Answer::file(200, "describe_key.json")]);
    let cloud = replay.cloud().await;
    let key = cloud.describe_key(&region(), "alias/backup").await.unwrap();
    let arn = "arn:aws:kms:ap-northeast-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!(key, Key { arn: arn.into(), is_enabled: true, is_symmetric: true });
    check(
        &replay,
        str![[r#"
https://kms.ap-northeast-2.amazonaws.com/
{"KeyId":"alias/backup"}

"#]],
    );
}

#[tokio::test]
async fn a_key_that_ebs_cannot_use_is_told_apart() {
    let key = describe(Answer::file(200, "describe_key_asymmetric.json")).await.unwrap();
    assert_eq!((key.is_enabled, key.is_symmetric), (false, false));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_says_why() {
    for (answer, kind, expected) in [
        (
            Answer::file(400, "error_key_not_found.json"),
            ErrorKind::NotFound,
            "DescribeKey in ap-northeast-2: NotFoundException: Alias \
             arn:aws:kms:ap-northeast-2:123456789012:alias/backup is not found.",
        ),
        (
            Answer::file(400, "error_key_denied.json"),
            ErrorKind::Denied,
            "DescribeKey in ap-northeast-2: AccessDeniedException: User: \
             arn:aws:iam::123456789012:user/backup is not authorized to perform: kms:DescribeKey \
             on this resource because no identity-based policy allows the kms:DescribeKey action",
        ),
        (
            Answer::file(403, "error_403_proxy.html"),
            ErrorKind::Refused,
            "DescribeKey in ap-northeast-2: Http403: HTTP status 403",
        ),
        (
            Answer::text(200, "{}"),
            ErrorKind::Refused,
            "DescribeKey in ap-northeast-2: UnreadableItem: the reply does not say what the key \
             `alias/backup` is",
        ),
    ] {
        let err = describe(answer).await.unwrap_err();
        assert_eq!(err.kind, kind, "{err}");
        assert!(err.to_string().starts_with(expected), "{err}");
    }
}

#[tokio::test]
async fn a_reply_of_kms_that_is_cut_off_is_an_error() {
    let Answer::Reply { body, .. } = Answer::file(200, "describe_key.json") else { panic!() };
    for end in ["}", "\"MultiRegion\"", "\"Enabled\"", "KeyMetadata"] {
        let cut = &body[..body.find(end).unwrap()];
        let replay = Replay::new(std::iter::repeat_with(|| Answer::text(200, cut)).take(3));
        let cloud = replay.cloud().await;
        let err = cloud.describe_key(&region(), "alias/backup").await.unwrap_err();
        assert_eq!((err.kind, &*err.code), (ErrorKind::Ambiguous, "UnreadableReply"), "{err}");
    }
}

#[tokio::test]
async fn how_ebs_encrypts_by_default_takes_two_calls() {
    let replay = Replay::new([
        Answer::file(200, "ebs_encryption_by_default.xml"),
        Answer::file(200, "ebs_default_kms_key_id.xml"),
    ]);
    let default = replay.cloud().await.ebs_encryption(&region()).await.unwrap();
    assert!(default.is_by_default);
    assert_eq!(
        default.kms_key_id,
        "arn:aws:kms:ap-northeast-2:123456789012:key/0ea3fef3-80a7-4778-9d8c-1c0c6EXAMPLE"
    );
    assert_eq!(replay.requests_count(), 2);
}
