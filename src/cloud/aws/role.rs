//! Roles in other accounts: AssumeRole, with the credentials that snapkeep was started with.
//!
//! Nothing is sent until the first call needs credentials, and the role is assumed again before
//! they expire: that is the identity cache's business.

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::Region;

/// How the sessions are called in the other account's CloudTrail.
const SESSION_NAME: &str = "snapkeep";

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Its ARN.
    pub arn: String,
    /// ExternalId, if its trust policy asks for one.
    pub external_id: Option<String>,
}

impl AssumeRole {
    /// Returns `sdk_config` with the role's credentials in the place of its own.
    pub(super) async fn over(&self, sdk_config: &SdkConfig) -> SdkConfig {
        let mut provider = AssumeRoleProvider::builder(self.arn.as_str())
            .session_name(SESSION_NAME)
            .configure(sdk_config);
        if let Some(external_id) = &self.external_id {
            provider = provider.external_id(external_id.as_str());
        }
        if sdk_config.region().is_none() {
            provider = provider.region(Region::from_static(self.home()));
        }
        let credentials = SharedCredentialsProvider::new(provider.build().await);
        sdk_config.to_builder().credentials_provider(credentials).build()
    }

    /// Returns a region of the role's partition, where its account can be asked.
    pub(super) fn home(&self) -> &'static str {
        match self.arn.split(':').nth(1) {
            Some("aws-cn") => "cn-north-1",
            Some("aws-us-gov") => "us-gov-west-1",
            Some(_) | None => "us-east-1",
        }
    }
}
