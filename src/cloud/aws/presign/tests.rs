//! Signatures against two sources that share nothing with the signing code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{CopyUrl, Signer, presigned};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", SECRET, token.map(str::to_owned), None, "tests")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Returns the parameters of a URL as they are written, by name.
fn query(url: &str) -> BTreeMap<&str, &str> {
    let (_, query) = url.split_once('?').unwrap();
    query.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}

/// AWS publishes a test suite for signers (`aws-signing-test-suite/v4`, which the repositories of
/// its SDKs carry). These are its cases `get-vanilla-query-order-encoded` and
/// `get-vanilla-with-session-token`: `request.txt` and `context.json` lead to
/// `query-signed-request.txt`.
#[test]
fn urls_are_signed_as_in_the_test_suite_of_aws() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    for (url, token, expected) in [
        (
            "https://example.amazonaws.com/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            None,
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600\
             &X-Amz-Signature=c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
        ),
        (
            "https://example.amazonaws.com/",
            Some(token),
            "/?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600\
             &X-Amz-Security-Token=6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267\
             &X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
        ),
    ] {
        let at = at("2015-08-30T12:36:00Z");
        let signed = presigned(url, "us-east-1", "service", &credentials(token), at).unwrap();
        assert!(signed.starts_with(url), "{signed}");
        assert_eq!(query(&signed), query(expected));
    }
}

#[test]
fn the_url_of_a_copy_is_for_its_source_and_names_its_destination() {
    let (source, destination) = ("us-east-1".parse().unwrap(), "eu-west-1".parse().unwrap());
    let url = CopyUrl {
        source_region: &source,
        source_snapshot_id: "snap-066877671789bd71b".parse().unwrap(),
        destination_region: &destination,
    };
    // A token as STS gives it has characters that must be escaped.
    let credentials = credentials(Some("IQoJb3JpZ2luX2VjE//+abc=="));
    let at = at("2026-11-20T03:10:00Z");
    for (endpoint, host) in [
        ("https://ec2.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
    ] {
        let signed = url.signed(endpoint, &credentials, at).unwrap();
        let parameters = query(&signed);
        for (name, value) in [
            ("Action", "CopySnapshot"),
            ("Version", "2016-11-15"),
            ("SourceRegion", "us-east-1"),
            ("SourceSnapshotId", "snap-066877671789bd71b"),
            ("DestinationRegion", "eu-west-1"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "AKIDEXAMPLE%2F20261120%2Fus-east-1%2Fec2%2Faws4_request"),
            ("X-Amz-Date", "20261120T031000Z"),
            ("X-Amz-Expires", "3600"),
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-Security-Token", "IQoJb3JpZ2luX2VjE%2F%2F%2Babc%3D%3D"),
        ] {
            assert_eq!(parameters.get(name), Some(&value), "{name} in {signed}");
        }
        assert_eq!(parameters.len(), 12);
        assert!(signed.starts_with(&format!("{}/?", endpoint.trim_end_matches('/'))), "{signed}");
        assert_eq!(parameters["X-Amz-Signature"], signature(parameters.clone(), host));
    }
}

/// Computes the signature by hand, as "Create a signed AWS API request" (IAM user guide) says:
/// canonical request, string to sign, signing key.
fn signature(mut parameters: BTreeMap<&str, &str>, host: &str) -> String {
    parameters.remove("X-Amz-Signature");
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // The hash of nothing: a GET has no body.
    let no_body = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let request = format!("GET\n/\n{}\nhost:{host}\n\nhost\n{no_body}", query.join("&"));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n20261120T031000Z\n20261120/us-east-1/ec2/aws4_request\n{}",
        hex(&Sha256::digest(request))
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in ["20261120", "us-east-1", "ec2", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, to_sign.as_bytes()))
}

/// HMAC-SHA-256 of a key of at most one block (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut res, byte| {
        let _ = write!(res, "{byte:02x}");
        res
    })
}

/// RFC 4231, test case 2.
#[test]
fn the_hmac_of_these_tests_is_right() {
    let mac = hmac(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[tokio::test]
async fn credentials_are_asked_for_anew_before_they_expire() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    let n_asked = Arc::new(AtomicI64::new(0));
    let counter = Arc::clone(&n_asked);
    let provider = aws_credential_types::credential_fn::provide_credentials_fn(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
        // The first expire at 04:00, the second at 05:00, then there are no more.
        let expiry = at("2026-11-20T03:00:00Z") + chrono::TimeDelta::hours(n);
        let key = format!("AKID{n}");
        async move {
            if n <= 2 {
                Ok(Credentials::new(key, SECRET, None, Some(expiry.into()), "tests"))
            } else {
                Err(CredentialsError::not_loaded("signed out"))
            }
        }
    });
    let signer = Signer::new(Some(SharedCredentialsProvider::new(provider)), None);
    for (now, key) in [("03:00:00", "AKID1"), ("03:54:59", "AKID1"), ("03:55:00", "AKID2")] {
        let now = at(&format!("2026-11-20T{now}Z"));
        assert_eq!(signer.credentials(now).await.unwrap().access_key_id(), key);
    }
    assert_eq!(n_asked.load(Ordering::Relaxed), 2);
    let later = at("2026-11-20T04:55:00Z");
    let err = signer.credentials(later).await.unwrap_err();
    assert!(err.to_string().contains("no AWS credentials found"), "{err}");
    assert!(Signer::new(None, None).credentials(later).await.is_err());
}
