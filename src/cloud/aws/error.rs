//! From the SDK's errors to [`CloudError`].
//!
//! EC2's API model names no errors, so the SDK has one variant for all of them and prints it as
//! "service error". The code, the message and the HTTP status tell what happened.

use std::error::Error;
use std::fmt::Write as _;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use super::Call;
use super::credentials::NoCredentials;
use super::replies::CutOff;
use crate::cloud::{CloudError, ErrorKind};
use crate::domain::printable::is_harmful;

/// How much of an unreadable reply is shown.
const EXCERPT_CHARS_MAX: usize = 120;
/// What the SDK prints for layers that have nothing to say.
const EMPTY_WORDS: [&str; 5] =
    ["service error", "response error", "dispatch failure", "unhandled error", "Error"];

impl Call<'_> {
    /// Turns an error of the SDK into one of the port.
    pub(super) fn failed<E>(self, err: &SdkError<E, HttpResponse>) -> CloudError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if has_no_credentials(err) {
            return self.error(ErrorKind::Credentials, "NoCredentials", &causes(err));
        }
        match err {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                match service.err().code() {
                    Some(code) => {
                        self.refused(code, service.err().message().unwrap_or_default(), status)
                    }
                    None => self.unreadable(service.raw(), &causes(err)),
                }
            }
            SdkError::ResponseError(response) => self.unreadable(response.raw(), &causes(err)),
            SdkError::TimeoutError(_) => self.error(ErrorKind::Ambiguous, "Timeout", &causes(err)),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                self.error(ErrorKind::Ambiguous, "Timeout", &causes(err))
            }
            // Also where the connection was never made: that nothing was sent is not for certain
            // to be told from the error.
            SdkError::DispatchFailure(_) => {
                self.error(ErrorKind::Ambiguous, "ConnectionBroken", &causes(err))
            }
            SdkError::ConstructionFailure(_) => {
                self.error(ErrorKind::Refused, "NotSent", &causes(err))
            }
            _ => self.error(ErrorKind::Ambiguous, "Unknown", &causes(err)),
        }
    }

    /// Reports that there are no credentials to sign with.
    pub(super) fn no_credentials(self, err: &NoCredentials) -> CloudError {
        self.error(ErrorKind::Credentials, "NoCredentials", &causes(err))
    }

    /// Reports a call that could not even be sent.
    pub(super) fn not_sent(self, message: &str) -> CloudError {
        self.error(ErrorKind::Refused, "NotSent", message)
    }

    /// Reports an item of a listing that cannot be read; the whole listing is a gap then.
    pub(super) fn bad_item(self, message: &str) -> CloudError {
        self.error(ErrorKind::Refused, "UnreadableItem", message)
    }

    /// Reports a call that succeeded without a readable answer: it happened, and nobody knows what.
    pub(super) fn bad_answer(self, message: &str) -> CloudError {
        self.error(ErrorKind::Ambiguous, "UnreadableReply", message)
    }

    fn refused(self, code: &str, message: &str, status: u16) -> CloudError {
        let kind = match code {
            // KMS has names of its own (AWS KMS API reference, DescribeKey and "Common errors"), and
            // so has SNS (API reference, Publish).
            "NotFoundException" | "NotFound" => ErrorKind::NotFound,
            "AccessDeniedException" | "AuthorizationError" => ErrorKind::Denied,
            _ => ErrorKind::of(code, message, status),
        };
        // EC2 answers with these two in a region that the account has not enabled ("Error codes
        // for the Amazon EC2 API"), where a right or a key is not what is missing.
        if matches!(code, "AuthFailure" | "OptInRequired") {
            let hint = "the region may not be enabled for the account";
            return self.error(kind, code, &format!("{message} ({hint})"));
        }
        self.error(kind, code, message)
    }

    /// A reply without EC2's words: of a proxy, a load balancer, or cut off.
    fn unreadable(self, raw: &HttpResponse, causes: &str) -> CloudError {
        let status = raw.status().as_u16();
        let text = String::from_utf8_lossy(raw.body().bytes().unwrap_or_default());
        let excerpt: String = text.trim().chars().take(EXCERPT_CHARS_MAX).collect();
        let causes = if causes.is_empty() { "no error of EC2 in it" } else { causes };
        let message = format!("HTTP status {status}, {causes}; the reply begins `{excerpt}`");
        // Only a status of 4xx says for certain that the call was turned away, and of those 408
        // is a time-out.
        if (400..500).contains(&status) && status != 408 {
            let kind = ErrorKind::of("", &message, status);
            return self.error(kind, &format!("Http{status}"), &message);
        }
        self.error(ErrorKind::Ambiguous, "UnreadableReply", &message)
    }

    fn error(self, kind: ErrorKind, code: &str, message: &str) -> CloudError {
        CloudError {
            kind,
            operation: self.operation,
            region: *self.region,
            code: one_line(code),
            message: one_line(message),
        }
    }
}

fn has_no_credentials(err: &(dyn Error + 'static)) -> bool {
    chain(err).any(<dyn Error>::is::<NoCredentials>)
}

/// Returns the error and its causes, outermost first.
fn chain<'a>(err: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(err);
    std::iter::from_fn(move || {
        let err = next?;
        next = err.source();
        Some(err)
    })
}

/// Returns the messages of an error and of its causes; where one of them is ours, from that on.
fn causes(err: &(dyn Error + 'static)) -> String {
    let mut chain: Vec<_> = chain(err).collect();
    let is_ours = |err: &&(dyn Error + 'static)| err.is::<NoCredentials>() || err.is::<CutOff>();
    if let Some(at) = chain.iter().position(is_ours) {
        chain.drain(..at);
    }
    let mut res = String::new();
    for err in chain {
        // The SDK lists the members of a chain on lines of their own.
        let message = err.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        // Wrappers often repeat what they wrap, or say nothing.
        if res.ends_with(&message) || EMPTY_WORDS.contains(&message.as_str()) {
            continue;
        }
        if !res.is_empty() {
            res.push_str(": ");
        }
        res.push_str(&message);
    }
    res
}

/// Escapes what could break a line or steer a terminal: the text is somebody else's.
fn one_line(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            let _ = write!(res, "{}", c.escape_default());
        } else {
            res.push(c);
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn messages_stay_on_one_line_and_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\nb\tc\u{1b}[31m ü"), r"a\nb\tc\u{1b}[31m ü");
    }
}
