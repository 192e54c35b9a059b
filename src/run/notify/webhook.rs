//! A webhook: one POST of JSON, bounded in time whatever the other side does.
//!
//! Its URL is a secret, and so is kept out of every error. What a refusal says is not even read: it
//! may repeat any part of the URL, in any spelling. No redirect is followed: it would make a GET of
//! the POST, or carry the message to somebody else.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::time::{Instant, timeout_at};

use super::{Patience, Secret};
use crate::report::text::printable;

/// An attempt failed.
struct Failure {
    why: String,
    /// How long to wait before another one, if another one may help.
    again_after: Option<Duration>,
}

/// Posts `body`; tries once more where that may help and there is time.
pub(super) async fn post(url: &Secret, body: &str, patience: Patience) -> Result<(), String> {
    let end = Instant::now() + patience.total;
    let mut first: Option<String> = None;
    let attempts = async {
        let (client, target) = prepare(url)?;
        let Err(failure) = attempt(&client, &target, body, patience).await else { return Ok(()) };
        let Some(pause) = failure.again_after else { return Err(failure.why) };
        // What the other side asks for may be longer than time itself.
        if Instant::now().checked_add(pause).is_none_or(|again_at| end <= again_at) {
            return Err(format!("{}; it asks to wait for {} s", failure.why, pause.as_secs()));
        }
        first = Some(failure.why);
        wait(pause).await;
        attempt(&client, &target, body, patience).await.map_err(|failure| failure.why)
    };
    let res = timeout_at(end, attempts).await;
    let late = || format!("no answer within {} s", patience.total.as_secs_f32());
    res.unwrap_or_else(|_| Err(first.map_or_else(late, |why| format!("{why}, then {}", late()))))
        .map_err(|why| url.hidden_in(&why))
}

fn prepare(url: &Secret) -> Result<(Client, Url), String> {
    let target: Url = url
        .reveal()
        .parse()
        .ok()
        .filter(|target: &Url| matches!(target.scheme(), "http" | "https") && target.has_host())
        .ok_or("its URL is none (expected one that begins with `https://`)")?;
    if target.scheme() == "https" && cfg!(not(feature = "aws")) {
        return Err("this build has no TLS (it was built without the feature `aws`)".to_owned());
    }
    let client = Client::builder()
        .redirect(Policy::none())
        .user_agent(concat!("snapkeep/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map(|client| (client, target)).map_err(|err| causes(&err.without_url()))
}

async fn attempt(
    client: &Client,
    target: &Url,
    body: &str,
    patience: Patience,
) -> Result<(), Failure> {
    let request =
        client.post(target.clone()).header(CONTENT_TYPE, "application/json").body(body.to_owned());
    let response = request.send().await.map_err(|err| Failure {
        // Nobody knows whether it arrived: twice is better than never.
        again_after: (err.is_connect() || err.is_request()).then_some(patience.pause),
        why: causes(&err.without_url()),
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let is_busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
    let again_after = is_busy.then(|| asked.unwrap_or(patience.pause));
    let mut why = format!("HTTP status {}", status.as_u16());
    if status.is_redirection() {
        why.push_str(", a redirect, which is not followed");
    }
    Err(Failure { why, again_after })
}

#[expect(clippy::disallowed_methods, reason = "the other side waits by the wall clock")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Returns the messages of an error and of its causes, of which some repeat each other.
fn causes(err: &dyn Error) -> String {
    let mut res = err.to_string();
    let mut next = err.source();
    while let Some(err) = next {
        let message = err.to_string();
        if !res.ends_with(&message) {
            res = format!("{res}: {message}");
        }
        next = err.source();
    }
    printable(&res).into_owned()
}
