//! What an answer to a question about permissions means.

use std::collections::BTreeSet;

use crate::cloud::{CloudError, ErrorKind};
use crate::plan::preflight::{Finding, Grant};
use crate::plan::rights::Purpose;

/// From here on a denial's message is of use only to a machine.
const ENCODED: &str = "Encoded authorization failure message";

/// Returns what it means that a question got no answer which is needed.
pub(super) fn unanswered(
    err: &CloudError,
    needed_for: &BTreeSet<String>,
    granted_by: Vec<Grant>,
) -> Finding {
    let why = words(err);
    match err.kind {
        ErrorKind::Throttled => Finding::NotTried(why),
        _ => Finding::Missing {
            why,
            needed_for: needed_for.clone(),
            granted_by: grants(err, granted_by),
        },
    }
}

/// Returns what a failed dry run means.
pub(super) fn refused(
    err: &CloudError,
    needed_for: &BTreeSet<String>,
    granted_by: Vec<Grant>,
) -> Finding {
    match err.kind {
        ErrorKind::Denied | ErrorKind::Credentials | ErrorKind::Ambiguous => {
            unanswered(err, needed_for, granted_by)
        }
        // EC2 looked at something else before the permission, or did not get to it.
        ErrorKind::NotFound
        | ErrorKind::Busy
        | ErrorKind::VolumeRate
        | ErrorKind::AccountLimit
        | ErrorKind::InUse
        | ErrorKind::Protected
        | ErrorKind::Refused
        | ErrorKind::Throttled
        | ErrorKind::Unsupported => {
            Finding::NotTried(format!("the answer is not about the permission: {}", words(err)))
        }
    }
}

/// Returns code and message as far as people can read them.
pub(super) fn words(err: &CloudError) -> String {
    let reason = err.reason();
    let end = reason.find(ENCODED).unwrap_or(reason.len());
    reason[..end].trim_end().to_owned()
}

/// Returns what would help of `granted_by`: nothing, if it is not a right that is missing.
pub(super) fn grants(err: &CloudError, granted_by: Vec<Grant>) -> Vec<Grant> {
    // "OptInRequired" and "Blocked" are no matter of policies.
    if err.kind != ErrorKind::Denied || matches!(err.code.as_str(), "OptInRequired" | "Blocked") {
        return Vec::new();
    }
    // A call that makes something and tags it is refused for either, and newer messages say for
    // which ("is not authorized to perform: ec2:CreateTags on resource …").
    let tags = Grant::Purpose(Purpose::TagWhatIsCreated);
    let is_about_tags = err.message.contains("ec2:CreateTags");
    let is_about_call = err.message.contains(&format!("ec2:{} ", err.operation));
    let is_it = |grant: &Grant| match (*grant == tags, is_about_tags, is_about_call) {
        (true, _, is_about_call) => !is_about_call,
        (false, is_about_tags, _) => !is_about_tags || err.operation == "CreateTags",
    };
    if granted_by.len() < 2 { granted_by } else { granted_by.into_iter().filter(is_it).collect() }
}
