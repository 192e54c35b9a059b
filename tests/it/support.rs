//! What several tests share.

#[cfg(feature = "aws")]
use std::collections::HashMap;
#[cfg(feature = "aws")]
use std::sync::Arc;

#[cfg(feature = "aws")]
use aws_config::{BehaviorVersion, Region};
#[cfg(feature = "aws")]
use aws_sdk_ec2::config::Credentials;
#[cfg(feature = "aws")]
use chrono::{DateTime, Utc};
#[cfg(feature = "aws")]
use snapkeep::cloud::aws::AwsCloud;

pub(crate) mod account;
#[cfg(feature = "aws")]
pub(crate) mod ec2;
#[cfg(feature = "aws")]
pub(crate) mod moto;
#[cfg(feature = "aws")]
pub(crate) mod python;
#[cfg(feature = "aws")]
pub(crate) mod runtime_api;
pub(crate) mod scene;

/// Returns the environment in which a program of AWS talks to the endpoint `url` and nothing else.
#[cfg(feature = "aws")]
pub(crate) fn aws_env(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        // A proxy of the machine would be asked for 127.0.0.1 too.
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ]
}

/// Returns the adapter, configured for the endpoint `url`.
#[cfg(feature = "aws")]
pub(crate) async fn cloud_at(url: &str) -> AwsCloud {
    let env: HashMap<_, _> = aws_env(url).into_iter().collect();
    let [key, secret] =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].clone());
    let sdk_config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .endpoint_url(&env["AWS_ENDPOINT_URL"])
        .region(Region::new(env["AWS_REGION"].clone()))
        .credentials_provider(Credentials::new(key, secret, None, None, "tests"))
        .load()
        .await;
    AwsCloud::from_config(&sdk_config, Arc::new(wall_clock)).await.unwrap()
}

/// The servers' replies bear the real time.
#[cfg(feature = "aws")]
#[expect(clippy::disallowed_methods, reason = "there is no clock of ours in a test's process")]
pub(crate) fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}
