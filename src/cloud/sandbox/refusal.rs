//! How EC2 says no.

use crate::cloud::{CloudError, ErrorKind};
use crate::domain::region::Region;

/// An answer of EC2 that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
    http_status: u16,
}

impl Refusal {
    /// Makes a refusal with status 400, as most are.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), http_status: 400 }
    }

    pub(super) fn with_status(self, http_status: u16) -> Self {
        Self { http_status, ..self }
    }

    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn throttled() -> Self {
        Self::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503)
    }

    pub(super) fn denied() -> Self {
        Self::new("UnauthorizedOperation", "You are not authorized to perform this operation.")
            .with_status(403)
    }

    /// What EC2 answers in a region that is not enabled for the account.
    pub(super) fn no_such_region() -> Self {
        let message = "AWS was not able to validate the provided access credentials";
        Self::new("AuthFailure", message).with_status(401)
    }

    /// Returns code and message.
    pub(super) fn into_words(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    pub(super) fn into_error(self, operation: &'static str, region: &Region) -> CloudError {
        CloudError {
            kind: ErrorKind::of(self.code, &self.message, self.http_status),
            operation,
            region: *region,
            code: self.code.to_owned(),
            message: self.message,
        }
    }
}
