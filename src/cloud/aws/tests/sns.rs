//! Messages to topics: what is sent, and what SNS answers.

use snapbox::str;

use super::replay::{Answer, Replay, check, region};
use super::settings::configured;
use crate::cloud::{Cloud as _, CloudError, ErrorKind, Publish};

fn message() -> Publish {
    Publish {
        topic_arn: "arn:aws:sns:ap-northeast-2:123456789012:snapkeep".to_owned(),
        subject: "snapkeep failure: 2 listings not read".to_owned(),
        text: "Nothing yet.\n\n서울 & more\n".to_owned(),
    }
}

async fn publish(answer: Answer) -> Result<(), CloudError> {
    Replay::new([answer]).cloud().await.publish(&region(), &message()).await
}

#[tokio::test]
async fn a_message_goes_to_the_topic_in_its_region() {
    let replay = Replay::new([Answer::file(200, "publish.xml")]);
    replay.cloud().await.publish(&region(), &message()).await.unwrap();
    check(
        &replay,
        str![[r#"
https://sns.ap-northeast-2.amazonaws.com/
Action=Publish
Version=2010-03-31
TopicArn=arn:aws:sns:ap-northeast-2:123456789012:snapkeep
Message=Nothing yet.

서울 & more

Subject=snapkeep failure: 2 listings not read

"#]],
    );
}

#[tokio::test]
async fn a_message_that_is_refused_says_why() {
    for (answer, kind, expected) in [
        (
            Answer::file(403, "error_publish_denied.xml"),
            ErrorKind::Denied,
            "Publish in ap-northeast-2: AuthorizationError: User: \
             arn:aws:iam::123456789012:user/backup is not authorized to perform: SNS:Publish",
        ),
        (
            Answer::file(404, "error_publish_not_found.xml"),
            ErrorKind::NotFound,
            "Publish in ap-northeast-2: NotFound: Topic does not exist",
        ),
        (
            Answer::text(200, "<PublishResponse><PublishResult/></PublishResponse>"),
            ErrorKind::Ambiguous,
            "Publish in ap-northeast-2: UnreadableReply: the reply names no message",
        ),
    ] {
        let err = publish(answer).await.unwrap_err();
        assert_eq!(err.kind, kind, "{err}");
        assert!(err.to_string().starts_with(expected), "{err}");
    }
}

#[tokio::test]
async fn nothing_leaves_this_machine_for_sns_where_only_ec2_is_on_it() {
    let profile = "[default]\nregion = eu-west-1\nservices = here\n\
                   [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000";
    let cloud = configured(profile, &Replay::new([])).await.unwrap();
    let err = cloud.publish(&region(), &message()).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Refused, "NotSent"));
    assert!(err.message.contains("AWS_ENDPOINT_URL_SNS"), "{err}");
}
