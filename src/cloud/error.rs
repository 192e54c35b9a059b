//! How calls to EC2 fail, and what a caller should make of it.

use crate::domain::failure::Failure;
use crate::domain::region::Region;

/// What a caller should make of a failed call. The message is for people, this is for branching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The bucket of API requests is empty. Nothing happened; go slower and try again.
    Throttled,
    /// Less than 15 seconds since the last snapshot of this volume. Nothing happened.
    VolumeRate,
    /// The volume has as many pending or failed snapshots as EC2 allows, the instance as many images
    /// in the making, or the thing is on its way to another state. Nothing happened; later it may.
    Busy,
    /// A limit of the account is reached. Nothing happened, and nothing more will.
    AccountLimit,
    /// The thing does not exist, or not any more.
    NotFound,
    /// Something depends on it, such as an image on its snapshot.
    InUse,
    /// It is protected: locked, or managed by another service.
    Protected,
    /// The right is missing, or the region is not enabled for the account.
    Denied,
    /// No usable credentials: none found, expired, or refused.
    Credentials,
    /// The endpoint does not know the call.
    Unsupported,
    /// Time-out, broken connection or 5xx: nobody knows whether it happened.
    Ambiguous,
    /// Anything else: EC2 refused the request as it is.
    Refused,
}

impl ErrorKind {
    /// Returns true if the same call may succeed later although nobody changes anything.
    ///
    /// Credentials count: they expire, and come from a service that may be down.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Throttled
            | Self::VolumeRate
            | Self::Busy
            | Self::Credentials
            | Self::Ambiguous => true,
            Self::AccountLimit
            | Self::NotFound
            | Self::InUse
            | Self::Protected
            | Self::Denied
            | Self::Unsupported
            | Self::Refused => false,
        }
    }

    /// Returns the kind for an EC2 error code, its message and the status of the HTTP reply.
    ///
    /// Codes as in the EC2 API reference, "Error codes for the Amazon EC2 API".
    pub fn of(code: &str, message: &str, http_status: u16) -> Self {
        match code {
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "RequestThrottled"
            // Somebody else tags the same resource; the next moment it may go.
            | "ConcurrentTagAccess"
            | "TooManyRequestsException" => Self::Throttled,
            "SnapshotCreationPerVolumeRateExceeded" => Self::VolumeRate,
            "ConcurrentSnapshotLimitExceeded"
            | "ConcurrentCreateImageNoRebootLimitExceeded"
            | "InvalidAMIID.Unavailable"
            | "IncorrectState"
            | "IncorrectInstanceState"
            | "InvalidState" => Self::Busy,
            "PendingSnapshotLimitExceeded" | "SnapshotLimitExceeded" | "ResourceLimitExceeded" => {
                Self::AccountLimit
            }
            "InvalidSnapshot.InUse" => Self::InUse,
            "OperationNotPermitted" => Self::Protected,
            // AWS Backup's snapshots are refused with a code that says nothing by itself.
            "InvalidParameterValue" if message.contains("managed by the AWS Backup") => {
                Self::Protected
            }
            "UnauthorizedOperation" | "OptInRequired" | "AccessDenied" | "Blocked" => Self::Denied,
            // EC2 answers AuthFailure both for bad keys and in a region that is not enabled.
            "AuthFailure"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "RequestExpired"
            | "ExpiredTokenException"
            | "UnrecognizedClientException" => Self::Credentials,
            "InvalidAction"
            | "UnknownOperation"
            | "UnsupportedOperation"
            | "NotImplementedException" => Self::Unsupported,
            "InternalError" | "InternalFailure" | "Unavailable" | "ServiceUnavailable" => {
                Self::Ambiguous
            }
            // KMS says it without naming what.
            "NotFoundException" => Self::NotFound,
            _ if code.ends_with(".NotFound") => Self::NotFound,
            _ if 500 <= http_status => Self::Ambiguous,
            _ => Self::Refused,
        }
    }
}

/// A call to EC2 failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} in {region}: {code}: {message}")]
pub struct CloudError {
    /// What to make of it.
    pub kind: ErrorKind,
    /// EC2's name of the call, such as `DeleteSnapshot`.
    pub operation: &'static str,
    /// Where the call went.
    pub region: Region,
    /// EC2's error code, or a word of ours where no reply came.
    pub code: String,
    /// EC2's own words.
    pub message: String,
}

impl CloudError {
    /// Returns code and message, and whether a later try may succeed.
    pub fn failure(&self) -> Failure {
        Failure { why: self.reason(), may_pass: self.kind.may_pass() }
    }

    /// Returns code and message, for where operation and region are known.
    pub fn reason(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn codes_lead_to_what_the_caller_does() {
        for (code, message, status, expected) in [
            ("RequestLimitExceeded", "", 503, ErrorKind::Throttled),
            ("InvalidSnapshot.NotFound", "", 400, ErrorKind::NotFound),
            ("InvalidSnapshot.InUse", "", 400, ErrorKind::InUse),
            (
                "InvalidParameterValue",
                "is managed by the AWS Backup service",
                400,
                ErrorKind::Protected,
            ),
            ("InvalidParameterValue", "bad", 400, ErrorKind::Refused),
            ("", "<html>", 502, ErrorKind::Ambiguous),
            ("IncorrectState", "", 400, ErrorKind::Busy),
            ("InvalidAMIID.Unavailable", "", 400, ErrorKind::Busy),
            ("InvalidAMIID.NotFound", "", 400, ErrorKind::NotFound),
            ("NotFoundException", "", 400, ErrorKind::NotFound),
            ("ConcurrentCreateImageNoRebootLimitExceeded", "", 400, ErrorKind::Busy),
            ("ConcurrentTagAccess", "", 400, ErrorKind::Throttled),
            ("InvalidAMIName.Duplicate", "", 400, ErrorKind::Refused),
            ("IdempotentParameterMismatch", "", 400, ErrorKind::Refused),
        ] {
            assert_eq!(ErrorKind::of(code, message, status), expected, "{code} {message}");
        }
    }
}
