//! An HTTP connector that gives recorded replies and keeps what was sent.
//!
//! Not `aws-smithy-mocks`: it turns on a feature of the SDK that compiles all of it again.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ec2::config::http::{HttpRequest, HttpResponse};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_ec2::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::body::SdkBody;
use chrono::DateTime;
use snapbox::data::Inline;
use snapbox::{IntoData as _, assert_data_eq};

use crate::cloud::Now;
use crate::cloud::aws::AwsCloud;
use crate::domain::region::Region;

/// The region that the tests ask.
pub(super) fn region() -> Region {
    "ap-northeast-2".parse().unwrap()
}

/// Returns tags as the port takes them.
pub(super) fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Checks the only request that was made.
#[track_caller]
pub(super) fn check(replay: &Replay, sent: Inline) {
    // Raw: otherwise a backslash would pass for a slash.
    assert_data_eq!(replay.only_request(), sent.raw());
}

/// What the connector answers.
#[derive(Debug)]
pub(super) enum Answer {
    Reply { status: u16, body: String, date: Option<&'static str> },
    ConnectionBroken,
    TimedOut,
}

impl Answer {
    pub(super) fn file(status: u16, name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name);
        Self::text(status, &std::fs::read_to_string(path).unwrap())
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self::Reply { status, body: body.to_owned(), date: None }
    }
}

/// Gives the answers in turn; a request without an answer fails the test.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Replay {
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, requests: Arc::default() }
    }

    /// Returns the adapter on top of this connector, with the SDK's usual three attempts.
    pub(super) async fn cloud(&self) -> AwsCloud {
        AwsCloud::from_config(&self.sdk_config(), now()).await.unwrap()
    }

    pub(super) fn sdk_config(&self) -> SdkConfig {
        let keys = Credentials::new("AKIDEXAMPLE", "example", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .http_client(self.http_client())
            .build()
    }

    pub(super) fn http_client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// Returns the host and the form of the only request, one parameter a line.
    pub(super) fn only_request(&self) -> String {
        assert_eq!(self.requests_count(), 1);
        self.last_request()
    }

    /// The same of the last request.
    pub(super) fn last_request(&self) -> String {
        let requests = self.requests.lock().unwrap();
        let (uri, body) = requests.last().unwrap();
        let lines = body.split('&').map(|pair| format!("{}\n", unescape(pair)));
        format!("{uri}\n{}", lines.collect::<String>())
    }

    pub(super) fn requests_count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        self.requests.lock().unwrap().push((request.uri().to_owned(), body));
        let answer = self.answers.lock().unwrap().pop_front().expect("one request too many");
        HttpConnectorFuture::ready(match answer {
            Answer::Reply { status, body, date } => {
                let mut res =
                    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.as_str()));
                if let Some(date) = date {
                    res.headers_mut().insert("date", date);
                }
                Ok(res)
            }
            Answer::ConnectionBroken => Err(ConnectorError::io("reset by\npeer".into())),
            Answer::TimedOut => Err(ConnectorError::timeout("no reply".into())),
        })
    }
}

/// A clock that stands at 2026-11-20T03:10:00Z.
pub(super) fn now() -> Now {
    Arc::new(|| DateTime::from_timestamp(1_795_144_200, 0).unwrap())
}

fn unescape(form: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = form.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
