//! The `PresignedUrl` of CopySnapshot: proof for the source's region that whoever asks the
//! destination may read the source.
//!
//! Other SDKs of AWS make it by themselves, the one for Rust does not. "The PresignedUrl should use
//! the snapshot source endpoint, the CopySnapshot action, and include the SourceRegion,
//! SourceSnapshotId, and DestinationRegion parameters. […] An invalid or improperly signed
//! PresignedUrl will cause the copy operation to fail asynchronously" (EC2 API reference,
//! CopySnapshot). The URL is a credential: it must not be logged.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ec2::error::BoxError;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::credentials::{NoCredentials, OfRole};
use crate::domain::ids::SnapshotId;
use crate::domain::region::Region;

/// How long a URL can be used; it is used at once.
const EXPIRES_IN: Duration = Duration::from_hours(1);
/// Credentials that expire sooner are asked for anew: the copy may look at the URL a while later.
const CREDENTIALS_LEFT: TimeDelta = TimeDelta::minutes(5);
/// How long credentials that do not say when they expire are kept, as the SDK's own cache does.
const CREDENTIALS_KEPT: TimeDelta = TimeDelta::minutes(15);

/// What one URL allows.
#[derive(Debug)]
pub(super) struct CopyUrl<'a> {
    /// Where the source is: it signs for there.
    pub(super) source_region: &'a Region,
    /// The source.
    pub(super) source_snapshot_id: SnapshotId,
    /// Where the copy goes.
    pub(super) destination_region: &'a Region,
}

impl CopyUrl<'_> {
    /// Returns the URL on `endpoint`, the source's, signed as of `at`.
    pub(super) fn signed(
        &self,
        endpoint: &str,
        credentials: &Credentials,
        at: DateTime<Utc>,
    ) -> Result<String, BoxError> {
        let url = format!(
            "{}/?Action=CopySnapshot&DestinationRegion={}&SourceRegion={}&SourceSnapshotId={}\
             &Version=2016-11-15",
            endpoint.trim_end_matches('/'),
            self.destination_region,
            self.source_region,
            self.source_snapshot_id
        );
        presigned(&url, self.source_region.as_str(), "ec2", credentials, at)
    }
}

/// Returns `url` with a signature for GET in its query.
fn presigned(
    url: &str,
    region: &str,
    service: &str,
    credentials: &Credentials,
    at: DateTime<Utc>,
) -> Result<String, BoxError> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES_IN);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::from(at))
        .settings(settings)
        .build()?
        .into();
    // The empty body is signed as such, which is what boto3 does for EC2; "UNSIGNED-PAYLOAD" is
    // S3's own.
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::empty())?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let mut res = url.to_owned();
    for (name, value) in instructions.params() {
        res.push(if res.contains('?') { '&' } else { '?' });
        res.push_str(name);
        res.push('=');
        res.push_str(&escaped(value));
    }
    Ok(res)
}

/// Escapes all but RFC 3986's unreserved characters, as Signature Version 4 does.
fn escaped(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            res.push(char::from(byte));
        } else {
            let _ = write!(res, "%{byte:02X}");
        }
    }
    res
}

/// The credentials that URLs are signed with; kept, since asking for them may start a program or
/// go over the network.
#[derive(Debug)]
pub(super) struct Signer {
    provider: Option<SharedCredentialsProvider>,
    role: OfRole,
    kept: Mutex<Option<(Credentials, DateTime<Utc>)>>,
}

impl Signer {
    pub(super) fn new(provider: Option<SharedCredentialsProvider>, role: OfRole) -> Self {
        Self { provider, role, kept: Mutex::default() }
    }

    /// Returns credentials that are good for a while yet.
    pub(super) async fn credentials(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Credentials, NoCredentials> {
        let mut kept = self.kept.lock().await;
        if let Some((credentials, until)) = kept.as_ref()
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let none = || NoCredentials::new(&self.role, "the AWS configuration has none".into());
        let provider = self.provider.as_ref().ok_or_else(none)?;
        let asked = provider.provide_credentials().await;
        let credentials = asked.map_err(|err| NoCredentials::new(&self.role, err.into()))?;
        let until = credentials.expiry().map_or(now + CREDENTIALS_KEPT, |expiry| {
            DateTime::<Utc>::from(expiry) - CREDENTIALS_LEFT
        });
        *kept = Some((credentials.clone(), until));
        Ok(credentials)
    }
}

#[cfg(test)]
mod tests;
