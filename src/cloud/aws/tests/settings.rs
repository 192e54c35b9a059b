//! What the standard configuration leads to, and what replies tell of the clock.

use aws_config::BehaviorVersion;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, profile_file};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use chrono::TimeDelta;

use super::replay::{Answer, Replay, now, region};
use crate::cloud::aws::{AwsCloud, ConnectError};
use crate::cloud::{Cloud as _, ErrorKind, ImageFilter};

/// A chain that finds nothing.
pub(super) fn no_credentials() -> SharedCredentialsProvider {
    let nowhere = ProviderConfig::empty();
    let profile = ProfileFileCredentialsProvider::builder().configure(&nowhere).build();
    SharedCredentialsProvider::new(CredentialsProviderChain::first_try("Profile", profile))
}

/// Reads a configuration as a person writes it.
#[expect(deprecated, reason = "the new names are in a crate that only the SDK depends on")]
pub(super) async fn configured(profile: &str, replay: &Replay) -> Result<AwsCloud, ConnectError> {
    let files = profile_file::ProfileFiles::builder()
        .with_contents(profile_file::ProfileFileKind::Config, profile)
        .build();
    let sdk_config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .profile_files(files)
        .http_client(replay.http_client())
        .load()
        .await;
    AwsCloud::from_config(&sdk_config, now()).await
}

/// A connector that fails the test at any request.
fn none() -> Replay {
    Replay::new([])
}

#[tokio::test]
async fn an_endpoint_on_this_machine_is_recognised_wherever_it_is_configured() {
    for (profile, is_loopback) in [
        ("", false),
        ("endpoint_url = http://127.0.0.1:5000", true),
        ("endpoint_url = http://localhost:5000", true),
        ("endpoint_url = https://ec2.example.com", false),
        (
            "endpoint_url = https://example.com\nservices = here\n\
             [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000",
            // KMS is elsewhere.
            false,
        ),
        (
            "endpoint_url = https://example.com\nservices = here\n\
             [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000\n\
             kms =\n  endpoint_url = http://127.0.0.1:5000",
            // SNS is elsewhere.
            false,
        ),
        (
            "endpoint_url = https://example.com\nservices = here\n\
             [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000\n\
             kms =\n  endpoint_url = http://127.0.0.1:5000\n\
             sns =\n  endpoint_url = http://127.0.0.1:5000",
            true,
        ),
        (
            "services = here\n\
             [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000",
            // Nothing is sent to KMS then.
            true,
        ),
        (
            "services = here\n\
             [services here]\nkms =\n  endpoint_url = http://127.0.0.1:5000",
            false,
        ),
        (
            "endpoint_url = http://127.0.0.1:5000\nservices = there\n\
             [services there]\nec2 =\n  endpoint_url = https://example.com",
            false,
        ),
        (
            "endpoint_url = http://127.0.0.1:5000\n\
             ignore_configured_endpoint_urls = true",
            false,
        ),
    ] {
        let cloud = configured(&format!("[default]\nregion = eu-west-1\n{profile}"), &none())
            .await
            .unwrap();
        assert_eq!(cloud.endpoint_is_loopback(), is_loopback, "{profile}");
    }
}

#[tokio::test]
async fn nothing_leaves_this_machine_for_kms_where_only_ec2_is_on_it() {
    let profile = "[default]\nregion = eu-west-1\nservices = here\n\
                   [services here]\nec2 =\n  endpoint_url = http://127.0.0.1:5000";
    let cloud = configured(profile, &none()).await.unwrap();
    let err = cloud.describe_key(&region(), "alias/backup").await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Refused, "NotSent"));
    assert!(err.message.contains("AWS_ENDPOINT_URL_KMS"), "{err}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_named_with_where_it_may_come_from() {
    for (service, variable) in [
        ("ec2", "AWS_ENDPOINT_URL_EC2"),
        ("kms", "AWS_ENDPOINT_URL_KMS"),
        ("sns", "AWS_ENDPOINT_URL_SNS"),
    ] {
        let profile = format!(
            "[default]\nregion = eu-west-1\nservices = here\n\
             [services here]\n{service} =\n  endpoint_url = nowhere"
        );
        let err = configured(&profile, &none()).await.unwrap_err().to_string();
        assert!(err.contains("`nowhere`") && err.contains(variable), "{err}");
    }
}

#[tokio::test]
async fn the_default_region_is_the_one_that_is_configured() {
    let cloud = configured("[default]\nregion = eu-west-1", &none()).await.unwrap();
    assert_eq!(cloud.default_region(), Some("eu-west-1".parse().unwrap()));
    let err = configured("[default]\nregion = Frankfurt", &none()).await.unwrap_err();
    assert_eq!(
        format!("{:#}", anyhow::Error::new(err)),
        "the AWS configuration names a default region that is none: \
         `Frankfurt` cannot be a region (expected a name such as `eu-west-1`)"
    );
}

#[tokio::test]
async fn the_clock_is_compared_with_the_newest_reply() {
    let reply = |date| {
        let Answer::Reply { body, .. } = Answer::file(200, "regions.xml") else { panic!() };
        Answer::Reply { status: 200, body, date }
    };
    let replay = Replay::new([
        reply(None),
        reply(Some("Fri, 20 Nov 2026 03:00:00 GMT")),
        reply(Some("Fri, 20 Nov 2026 03:10:05 GMT")),
    ]);
    let cloud = replay.cloud().await;
    let mut skews = vec![cloud.clock_skew()];
    for _ in 0..3 {
        cloud.describe_regions().await.unwrap();
        skews.push(cloud.clock_skew());
    }
    assert_eq!(skews, [None, None, Some(TimeDelta::minutes(10)), Some(TimeDelta::seconds(-5))]);
}

#[tokio::test]
async fn an_error_reply_tells_the_time_too() {
    let Answer::Reply { body, .. } = Answer::file(400, "error_denied.xml") else { panic!() };
    let date = Some("Fri, 20 Nov 2026 02:10:00 GMT");
    let replay = Replay::new([Answer::Reply { status: 403, body, date }]);
    let cloud = replay.cloud().await;
    cloud.describe_images(&region(), &ImageFilter::All, None).await.unwrap_err();
    assert_eq!(cloud.clock_skew(), Some(TimeDelta::hours(1)));
}
