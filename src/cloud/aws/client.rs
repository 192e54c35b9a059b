//! Clients: the standard AWS configuration, and one client per region made of it.
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

use super::credentials::CredentialsGate;
use super::endpoint::{self, Rehearsal, Rehearsed};
use super::replies::Replies;
use crate::cloud::Now;
use crate::domain::region::{InvalidRegion, Region};

/// How long one attempt may take; a page of 1000 snapshots with 50 tags each takes seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the account is asked for its regions if the configuration names none.
const FALLBACK_REGION: &str = "us-east-1";

/// The standard AWS configuration is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The region that is configured cannot be one.
    #[error("the AWS configuration names a default region that is none: {0}")]
    Region(#[from] InvalidRegion),
    /// The endpoint that is configured cannot be one.
    #[error(
        "the AWS configuration names the endpoint `{0}`, which is no URL (expected one such as \
         `http://127.0.0.1:5000`; it comes from AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_EC2 or a profile)"
    )]
    Endpoint(String),
}

/// The real EC2, in all its regions.
pub struct AwsCloud {
    config: Builder,
    clients: Mutex<BTreeMap<Region, Client>>,
    replies: Replies,
    default_region: Option<Region>,
    home: Region,
    endpoint: Option<String>,
}

impl AwsCloud {
    /// Reads the standard AWS configuration: environment, profiles, SSO, IMDS. Sends no request
    /// to EC2 and needs no credentials yet.
    ///
    /// `now` reads the wall clock; it is compared with the `Date` of every reply.
    pub async fn connect(now: Now) -> Result<Self, ConnectError> {
        // A version that is named does not change what retries, time-outs and proxies do when
        // the SDK is upgraded.
        Self::from_config(&aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await, now)
            .await
    }

    /// Makes the clients of a configuration that is already read; for tests and unusual set-ups.
    pub async fn from_config(sdk_config: &SdkConfig, now: Now) -> Result<Self, ConnectError> {
        let default_region: Option<Region> =
            sdk_config.region().map(|region| region.as_ref().parse()).transpose()?;
        let home = default_region.clone().map_or_else(|| FALLBACK_REGION.parse(), Ok)?;
        let replies = Replies::new(now);
        let mut config = Builder::from(sdk_config)
            .timeout_config(timeouts(sdk_config))
            .interceptor(replies.clone());
        let identities =
            sdk_config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
        config.set_identity_cache(CredentialsGate::new(identities));

        let rehearsed = Rehearsal::run(config.clone()).await;
        if let Some(url) = rehearsed.endpoint.as_ref().filter(|url| !endpoint::is_url(url)) {
            return Err(ConnectError::Endpoint(url.clone()));
        }
        config.set_http_client(rehearsed.http_client);
        Ok(Self {
            config,
            clients: Mutex::default(),
            replies,
            default_region,
            home,
            endpoint: rehearsed.endpoint,
        })
    }

    /// Returns true if requests to EC2 go to this machine, as to a server for tests.
    ///
    /// That is so only if the configuration names an endpoint of its own and that is an address
    /// of loopback, or `localhost`.
    pub fn endpoint_is_loopback(&self) -> bool {
        self.endpoint.as_deref().is_some_and(endpoint::is_loopback)
    }

    /// Returns the region that the AWS configuration names.
    pub fn default_region(&self) -> Option<Region> {
        self.default_region.clone()
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
        let client = clients.entry(region.clone()).or_insert_with(|| {
            let name = aws_sdk_ec2::config::Region::new(region.as_str().to_owned());
            Client::from_conf(self.config.clone().region(name).build())
        });
        client.clone()
    }
}

impl fmt::Debug for AwsCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCloud")
            .field("default_region", &self.default_region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

fn timeouts(sdk_config: &SdkConfig) -> TimeoutConfig {
    let mut timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    if let Some(configured) = sdk_config.timeout_config() {
        timeouts.take_defaults_from(configured);
    }
    timeouts
}

impl Rehearsal {
    /// Makes a request that is never sent, and returns what the SDK would have sent it with.
    async fn run(config: Builder) -> Rehearsed {
        let rehearsal = Self::default();
        let region = aws_sdk_ec2::config::Region::new(FALLBACK_REGION);
        let client = Client::from_conf(config.region(region).build());
        let request = client.describe_regions().customize().interceptor(rehearsal.clone());
        // The rehearsal always ends in the error that stops it.
        let _ = request.send().await;
        rehearsal.take()
    }
}
