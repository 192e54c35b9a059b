//! Parameters of Systems Manager: where a configuration may be kept.
//!
//! Only GetParameter is ever asked. The client is made when the first parameter is asked for, and
//! serves all that are in its region.

use aws_config::BehaviorVersion;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::{Builder, IdentityCache, Region as SdkRegion};
use tokio::sync::OnceCell;

use super::Call;
use super::client::{FALLBACK_REGION, timeouts};
use super::credentials::CredentialsGate;
use crate::domain::failure::Failure;
use crate::domain::region::{InvalidRegion, Region};

/// A parameter of the account, in the region that the AWS configuration or its own ARN names.
#[derive(Debug, Default)]
pub struct SsmParameter {
    connected: OnceCell<(Client, Region)>,
}

impl SsmParameter {
    /// Returns the value of the parameter of this name or ARN, decrypted. It must be the same one
    /// each time.
    pub async fn value(&self, name: &str) -> Result<String, Failure> {
        let connected = self.connected.get_or_try_init(|| connect(name)).await;
        let (client, region) = connected.map_err(|err| Failure::lasting(err.to_string()))?;
        let call = Call { operation: "GetParameter", region };
        let failure = |err: &crate::cloud::CloudError| err.failure().said(err.to_string());
        let reply = client.get_parameter().name(name).with_decryption(true).send().await;
        let reply = reply.map_err(|err| failure(&call.failed(&err)))?;
        let value = reply.parameter().and_then(|parameter| parameter.value());
        let value = value.map(str::to_owned);
        value.ok_or_else(|| failure(&call.bad_item("the reply has no value")))
    }
}

async fn connect(name: &str) -> Result<(Client, Region), InvalidRegion> {
    let sdk_config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let configured = sdk_config.region().map_or(FALLBACK_REGION, AsRef::as_ref);
    let region: Region = region_of(name).unwrap_or(configured).parse()?;
    let identities = sdk_config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
    let mut config = Builder::from(&sdk_config)
        .timeout_config(timeouts(&sdk_config))
        .region(SdkRegion::new(region.as_str()));
    config.set_identity_cache(CredentialsGate::new(identities, None));
    Ok((Client::from_conf(config.build()), region))
}

/// Returns the region in an ARN such as `arn:aws:ssm:eu-west-1:123456789012:parameter/name`.
fn region_of(name: &str) -> Option<&str> {
    let mut parts = name.strip_prefix("arn:")?.split(':');
    let (_partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    (service == "ssm" && !region.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::region_of;

    #[test]
    fn an_arn_names_its_region() {
        for (name, expected) in [
            ("/snapkeep/main", None),
            ("snapkeep", None),
            ("arn:aws:ssm:eu-west-1:123456789012:parameter/snapkeep/main", Some("eu-west-1")),
            ("arn:aws-cn:ssm:cn-north-1:123456789012:parameter/x", Some("cn-north-1")),
            ("arn:aws:ssm::123456789012:parameter/x", None),
            ("arn:aws:s3:::bucket", None),
            ("arn:", None),
        ] {
            assert_eq!(region_of(name), expected, "{name}");
        }
    }
}
