//! Clients: the standard AWS configuration, and the clients of each region made of it.
//!
//! Nothing here asks for credentials; the first call does, so that their absence is an error of
//! that call and commands that need none work without any.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{Builder, IdentityCache};
use aws_sdk_kms::config as kms;
use aws_sdk_sns::config as sns;
use chrono::{DateTime, Utc};

use super::Call;
use super::credentials::{CredentialsGate, OfRole};
use super::endpoint::{self, Rehearsal, Rehearsed};
use super::presign::{CopyUrl, Signer};
use super::replies::Replies;
use super::role::AssumeRole;
use crate::cloud::{CloudError, Now};
use crate::domain::region::{InvalidRegion, Region};

/// How long one attempt may take; a page of 1000 snapshots with 50 tags each takes seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the account is asked for its regions if the configuration names none.
pub(super) const FALLBACK_REGION: &str = "us-east-1";

/// The standard AWS configuration is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The region that is configured cannot be one.
    #[error("the AWS configuration names a default region that is none")]
    Region(#[from] InvalidRegion),
    /// The endpoint that is configured cannot be one.
    #[error(
        "the AWS configuration names the endpoint `{url}`, which is no URL (expected one such as \
         `http://127.0.0.1:5000`; it comes from AWS_ENDPOINT_URL, {variable} or a profile)"
    )]
    Endpoint {
        /// What is configured.
        url: String,
        /// The environment variable for this service alone.
        variable: &'static str,
    },
}

/// The standard AWS configuration: environment, profiles, SSO, IMDS.
#[derive(Debug, Clone)]
pub struct Defaults(SdkConfig);

impl Defaults {
    /// Reads it. Needs no credentials yet.
    pub async fn load() -> Self {
        // A version that is named does not change what retries, time-outs and proxies do when
        // the SDK is upgraded.
        Self(aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await)
    }
}

/// The real EC2, in all its regions, KMS as far as EC2 needs it, and SNS for messages.
pub struct AwsCloud {
    config: Builder,
    kms_config: kms::Builder,
    sns_config: sns::Builder,
    clients: Mutex<BTreeMap<Region, Client>>,
    replies: Replies,
    signer: Signer,
    now: Now,
    default_region: Option<Region>,
    home: Region,
    ec2: Rehearsed,
    kms_endpoint: Option<String>,
    sns_endpoint: Option<String>,
}

impl AwsCloud {
    /// Makes the clients for the account of the credentials, or for that of a role. Sends no
    /// request to EC2 and needs no credentials yet.
    ///
    /// `now` reads the wall clock; it is compared with the `Date` of every reply.
    pub async fn connect(
        defaults: &Defaults,
        role: Option<&AssumeRole>,
        now: Now,
    ) -> Result<Self, ConnectError> {
        let Defaults(sdk_config) = defaults;
        match role {
            Some(role) => Self::new(&role.over(sdk_config).await, Some(role), now).await,
            None => Self::new(sdk_config, None, now).await,
        }
    }

    /// Makes the clients of a configuration that is already read; for tests and unusual set-ups.
    pub async fn from_config(sdk_config: &SdkConfig, now: Now) -> Result<Self, ConnectError> {
        Self::new(sdk_config, None, now).await
    }

    async fn new(
        sdk_config: &SdkConfig,
        role: Option<&AssumeRole>,
        now: Now,
    ) -> Result<Self, ConnectError> {
        let default_region: Option<Region> =
            sdk_config.region().map(|region| region.as_ref().parse()).transpose()?;
        let fallback = role.map_or(FALLBACK_REGION, AssumeRole::home);
        let home = default_region.map_or_else(|| fallback.parse(), Ok)?;
        let of_role: OfRole = role.map(|role| role.arn.as_str().into());
        let replies = Replies::new(now.clone());
        let timeouts = timeouts(sdk_config);
        let mut config =
            Builder::from(sdk_config).timeout_config(timeouts.clone()).interceptor(replies.clone());
        // Its replies are JSON, of which a part is an error for the SDK; `replies` knows XML.
        let mut kms_config = kms::Builder::from(sdk_config).timeout_config(timeouts.clone());
        let mut sns_config = sns::Builder::from(sdk_config).timeout_config(timeouts);
        let identities =
            sdk_config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
        config.set_identity_cache(CredentialsGate::new(identities.clone(), of_role.clone()));
        kms_config.set_identity_cache(CredentialsGate::new(identities.clone(), of_role.clone()));
        sns_config.set_identity_cache(CredentialsGate::new(identities, of_role.clone()));

        let ec2 = Rehearsal::of_ec2(config.clone()).await;
        checked(ec2.endpoint.as_ref(), "AWS_ENDPOINT_URL_EC2")?;
        let kms_endpoint = Rehearsal::of_kms(kms_config.clone()).await.endpoint;
        checked(kms_endpoint.as_ref(), "AWS_ENDPOINT_URL_KMS")?;
        let sns_endpoint = Rehearsal::of_sns(sns_config.clone()).await.endpoint;
        checked(sns_endpoint.as_ref(), "AWS_ENDPOINT_URL_SNS")?;
        config.set_http_client(ec2.http_client.clone());
        kms_config.set_http_client(ec2.http_client.clone());
        sns_config.set_http_client(ec2.http_client.clone());
        Ok(Self {
            config,
            kms_config,
            sns_config,
            clients: Mutex::default(),
            replies,
            signer: Signer::new(sdk_config.credentials_provider(), of_role),
            now,
            default_region,
            home,
            ec2,
            kms_endpoint,
            sns_endpoint,
        })
    }

    /// Returns true if all requests go to this machine, as to a server for tests.
    ///
    /// That is so only if the configuration names an endpoint of EC2 and that is an address of
    /// loopback, or `localhost`; and if it names one of KMS or SNS, that too. If it names none of
    /// them, nothing is sent to them then.
    pub fn endpoint_is_loopback(&self) -> bool {
        let others = [&self.kms_endpoint, &self.sns_endpoint];
        self.ec2_is_loopback() && others.into_iter().flatten().all(|url| endpoint::is_loopback(url))
    }

    fn ec2_is_loopback(&self) -> bool {
        self.ec2.endpoint.as_deref().is_some_and(endpoint::is_loopback)
    }

    /// Returns the region that the AWS configuration names.
    pub fn default_region(&self) -> Option<Region> {
        self.default_region
    }

    /// Where questions about the account as a whole are asked.
    pub(super) fn home(&self) -> &Region {
        &self.home
    }

    pub(super) fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Returns the client of `region`.
    ///
    /// Each region has its own, because the SDK keeps its retry budget and the clock of the
    /// service per client; connections and credentials are shared.
    pub(super) fn client(&self, region: &Region) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(*region).or_insert_with(|| {
            let name = aws_sdk_ec2::config::Region::new(region.as_str().to_owned());
            Client::from_conf(self.config.clone().region(name).build())
        });
        client.clone()
    }

    /// Returns the client of KMS in `region`, or why there is none.
    pub(super) fn kms_client(&self, region: &Region) -> Result<aws_sdk_kms::Client, &'static str> {
        if self.ec2_is_loopback() && self.kms_endpoint.is_none() {
            return Err("EC2's endpoint is on this machine and KMS's is not configured \
                        (set AWS_ENDPOINT_URL_KMS)");
        }
        let name = kms::Region::new(region.as_str().to_owned());
        Ok(aws_sdk_kms::Client::from_conf(self.kms_config.clone().region(name).build()))
    }

    /// Returns the client of SNS in `region`, or why there is none.
    pub(super) fn sns_client(&self, region: &Region) -> Result<aws_sdk_sns::Client, &'static str> {
        if self.ec2_is_loopback() && self.sns_endpoint.is_none() {
            return Err("EC2's endpoint is on this machine and SNS's is not configured \
                        (set AWS_ENDPOINT_URL_SNS)");
        }
        let name = sns::Region::new(region.as_str().to_owned());
        Ok(aws_sdk_sns::Client::from_conf(self.sns_config.clone().region(name).build()))
    }

    /// Returns the instant that EC2 would say it is, so that what depends on it is right although
    /// the local clock may not be.
    pub(super) fn ec2_now(&self) -> DateTime<Utc> {
        (self.now)() - self.replies.clock_skew().unwrap_or_default()
    }

    /// Returns a signed URL with which `call` proves that it may read its source.
    pub(super) async fn presigned(
        &self,
        call: Call<'_>,
        url: &CopyUrl<'_>,
    ) -> Result<String, CloudError> {
        let now = self.ec2_now();
        let credentials =
            self.signer.credentials(now).await.map_err(|err| call.no_credentials(&err))?;
        let endpoint = self.ec2.url_in(url.source_region).await;
        endpoint
            .and_then(|endpoint| url.signed(&endpoint, &credentials, now))
            .map_err(|err| call.not_sent(&format!("its source cannot be signed for: {err}")))
    }
}

impl fmt::Debug for AwsCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCloud")
            .field("default_region", &self.default_region)
            .field("endpoint", &self.ec2.endpoint)
            .field("kms_endpoint", &self.kms_endpoint)
            .field("sns_endpoint", &self.sns_endpoint)
            .finish_non_exhaustive()
    }
}

pub(super) fn timeouts(sdk_config: &SdkConfig) -> TimeoutConfig {
    let mut timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    if let Some(configured) = sdk_config.timeout_config() {
        timeouts.take_defaults_from(configured);
    }
    timeouts
}

fn checked(endpoint: Option<&String>, variable: &'static str) -> Result<(), ConnectError> {
    match endpoint {
        Some(url) if !endpoint::is_url(url) => {
            Err(ConnectError::Endpoint { url: url.clone(), variable })
        }
        _ => Ok(()),
    }
}

impl Rehearsal {
    /// Makes a request that is never sent, and returns what the SDK would have sent it with.
    async fn of_ec2(config: Builder) -> Rehearsed {
        let rehearsal = Self::default();
        let region = aws_sdk_ec2::config::Region::new(FALLBACK_REGION);
        let client = Client::from_conf(config.region(region).build());
        let request = client.describe_regions().customize().interceptor(rehearsal.clone());
        // The rehearsal always ends in the error that stops it.
        let _ = request.send().await;
        rehearsal.take()
    }

    /// The same for KMS.
    async fn of_kms(config: kms::Builder) -> Rehearsed {
        let rehearsal = Self::default();
        let region = kms::Region::new(FALLBACK_REGION);
        let client = aws_sdk_kms::Client::from_conf(config.region(region).build());
        let request = client.describe_key().key_id("alias/aws/ebs");
        let _ = request.customize().interceptor(rehearsal.clone()).send().await;
        rehearsal.take()
    }

    async fn of_sns(config: sns::Builder) -> Rehearsed {
        let rehearsal = Self::default();
        let region = sns::Region::new(FALLBACK_REGION);
        let client = aws_sdk_sns::Client::from_conf(config.region(region).build());
        let request = client.publish().message("never sent");
        let _ = request.customize().interceptor(rehearsal.clone()).send().await;
        rehearsal.take()
    }
}
