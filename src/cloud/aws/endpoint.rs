//! Where requests go: what the SDK made of `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_EC2`,
//! `AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL_SNS`, profiles and the setting that ignores them all.
//!
//! The SDK does not show what it resolved, and repeating its rules would be a guess. So one
//! request is prepared and stopped before anything leaves; on the way it shows both the endpoint
//! and the HTTP client, which all regions then share.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sdk_ec2::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents, SharedHttpClient};
use aws_sdk_ec2::error::BoxError;
use aws_sdk_kms::config::endpoint as kms;
use aws_sdk_sns::config::endpoint as sns;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

use crate::domain::region::Region;

/// What a request would have been sent with.
#[derive(Debug, Default)]
pub(super) struct Rehearsed {
    /// The endpoint that the configuration names; none for the service's own.
    pub(super) endpoint: Option<String>,
    /// What EC2's endpoint is found by; none in a rehearsal for another service.
    params: Option<Params>,
    /// The connections.
    pub(super) http_client: Option<SharedHttpClient>,
}

impl Rehearsed {
    /// Returns the URL that requests to EC2 in `region` go to.
    pub(super) async fn url_in(&self, region: &Region) -> Result<String, BoxError> {
        let seen = self.params.as_ref();
        let params = Params::builder()
            .region(region.as_str())
            .set_use_fips(seen.and_then(Params::use_fips))
            .set_use_dual_stack(seen.and_then(Params::use_dual_stack))
            .set_endpoint(self.endpoint.clone())
            .build()?;
        Ok(DefaultResolver::new().resolve_endpoint(&params).await?.url().to_owned())
    }
}

/// Notes what a request would be sent with, and stops it. Clones share the note.
#[derive(Debug, Default, Clone)]
pub(super) struct Rehearsal {
    seen: Arc<Mutex<Rehearsed>>,
}

impl Rehearsal {
    pub(super) fn take(&self) -> Rehearsed {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Rehearsal {
    fn name(&self) -> &'static str {
        "Rehearsal"
    }

    // The first hook after the parameters of the endpoint are known, and the last before the
    // SDK asks for credentials.
    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let params = cfg.load::<EndpointResolverParams>();
        let ec2 = params.and_then(|params| params.get::<Params>());
        let kms = params.and_then(|params| params.get::<kms::Params>());
        let sns = params.and_then(|params| params.get::<sns::Params>());
        let endpoint = ec2
            .and_then(Params::endpoint)
            .or(kms.and_then(kms::Params::endpoint))
            .or(sns.and_then(sns::Params::endpoint));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Rehearsed {
            endpoint: endpoint.map(str::to_owned),
            params: ec2.cloned(),
            http_client: runtime_components.http_client(),
        };
        Err("a rehearsal is not sent".into())
    }
}

/// Returns true if requests can be sent to `url`: it is http or https and names a host.
///
/// The SDK would say so with each request, and print that whole.
pub(super) fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_http
        && !rest.is_empty()
        && !rest.starts_with('/')
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

/// Returns true if `url` is http or https on 127.0.0.0/8, `[::1]` or `localhost`.
///
/// Strict on purpose: a URL with a user name, or with anything else that two parsers could read
/// differently, is not on loopback.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let has_port = |end: &str| {
        end.is_empty() || end.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    if let Some((ip, end)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return has_port(end) && ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback());
    }
    let (host, end) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    has_port(end)
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, is_url};

    #[test]
    fn an_endpoint_has_a_scheme_and_a_host() {
        for url in ["http://127.0.0.1:5000", "https://ec2.eu-west-1.amazonaws.com/", "HTTP://[::1]"]
        {
            assert!(is_url(url), "{url}");
        }
        for url in ["", "not a url", "localhost:5000", "http://", "http:///x", "http://a b"] {
            assert!(!is_url(url), "{url}");
        }
    }

    #[test]
    fn only_what_is_surely_this_machine_is_loopback() {
        for url in [
            "http://127.0.0.1:5000",
            "http://127.8.9.10",
            "https://localhost/",
            "HTTP://LocalHost:80/x",
            "http://[::1]:5000",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "",
            "localhost",
            "https://ec2.eu-west-1.amazonaws.com",
            "http://localhost.example.com",
            "http://localhost:80@example.com",
            "http://localhost@example.com",
            "http://localhost\\@example.com",
            "http://example.com/?http://localhost",
            "http://127.0.0.1.example.com",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::ffff:10.0.0.1]",
            "ftp://127.0.0.1",
            "unix://localhost",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
