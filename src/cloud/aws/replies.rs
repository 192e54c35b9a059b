//! Looks at every reply of EC2: how far the local clock is from EC2's, and whether the reply is whole.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
};
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::Now;

/// What the replies so far have told. Clones share it.
#[derive(Clone)]
pub(super) struct Replies {
    now: Now,
    clock_skew: Arc<Mutex<Option<TimeDelta>>>,
}

/// A reply ended before its last tag.
#[derive(Debug, thiserror::Error)]
#[error("it is cut off or not from EC2")]
pub(super) struct CutOff;

impl Replies {
    pub(super) fn new(now: Now) -> Self {
        Self { now, clock_skew: Arc::default() }
    }

    /// Returns the local clock minus EC2's, by the newest reply that had a `Date`.
    ///
    /// The SDK signs with EC2's time once it has noticed a difference, so that calls work all the
    /// same; this is measured apart from that, since it decides what may be deleted.
    pub(super) fn clock_skew(&self) -> Option<TimeDelta> {
        *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Replies {
    fn name(&self) -> &'static str {
        "Replies"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(theirs) = context.response().headers().get("date").and_then(parse_date) {
            let skew = (self.now)() - theirs;
            *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
        }
        Ok(())
    }

    // The SDK's XML reader takes the end of the text for the end of the document: a listing that
    // lost its end would be read as a shorter listing without a further page.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_success = context.output_or_error().is_ok();
        let is_whole = context.response().body().bytes().is_some_and(ends_with_its_root);
        if is_success && !is_whole { Err(CutOff.into()) } else { Ok(()) }
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("clock_skew", &self.clock_skew()).finish_non_exhaustive()
    }
}

/// Reads a date such as `Tue, 15 Nov 1994 08:12:31 GMT` (RFC 9110, section 5.6.7).
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc))
}

/// Returns true if the text ends with an end tag whose name ends in `Response`, as every reply of
/// EC2 does ("Response structure", EC2 API developer guide).
fn ends_with_its_root(body: &[u8]) -> bool {
    let Some(body) = body.trim_ascii_end().strip_suffix(b">") else { return false };
    let body = body.trim_ascii_end();
    body.ends_with(b"Response")
        && body.iter().rposition(|b| *b == b'<').is_some_and(|at| body.get(at + 1) == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::{ends_with_its_root, parse_date};

    #[test]
    fn a_reply_is_whole_once_its_root_is_closed() {
        assert!(ends_with_its_root(b"<AResponse><b>1</b></AResponse>\n"));
        for cut in
            ["", "<AResponse>", "<AResponse><b>1</b>", "<AResponse></AResponse", "<AResponse/"]
        {
            assert!(!ends_with_its_root(cut.as_bytes()), "{cut}");
        }
    }

    #[test]
    fn the_date_of_a_reply_is_read() {
        let date = parse_date("Fri, 20 Nov 2026 03:00:00 GMT").unwrap();
        assert_eq!(date.to_rfc3339(), "2026-11-20T03:00:00+00:00");
        assert_eq!(parse_date("soon"), None);
    }
}
