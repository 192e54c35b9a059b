//! Changes to what is there: permissions, tags, deprecation. Making one twice is harmless.
//!
//! Makes, copies and deletes nothing.

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{Cloud, ErrorKind, Permissions};
use crate::execute::clock::Clock;
use crate::execute::outcome::Outcome;
use crate::execute::region::{CallEnd, RegionRun, pairs};
use crate::plan::{Action, Op, Share};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 8;

/// Carries out changes: those that come after others once all others have ended.
pub(super) async fn change_all<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    changes: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    let (first, then): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|(_, action)| action.after().is_empty());
    let mut outcomes = Vec::with_capacity(first.len() + then.len());
    for changes in [first, then] {
        let ended = stream::iter(changes).map(|(n, action)| async move {
            let why_not = run.why_not().or_else(|| run.why_not_after(action));
            let outcome = match why_not {
                Some(why) => Outcome::NotStarted(why),
                None => change(run, action).await,
            };
            run.ended(action, &outcome);
            (n, outcome)
        });
        outcomes.extend(ended.buffer_unordered(CONCURRENT_CALLS).collect::<Vec<_>>().await);
    }
    outcomes
}

async fn change<C: Cloud, K: Clock>(run: &RegionRun<'_, C, K>, action: &Action) -> Outcome {
    let err = match make(run, action).await {
        Ok(()) => return Outcome::Done(Vec::new()),
        Err(CallEnd::Interrupted) => return Outcome::NotStarted("interrupted".to_owned()),
        Err(CallEnd::Error(err)) => err,
    };
    match err.kind {
        ErrorKind::NotFound => Outcome::Skipped(format!("it is gone: {}", err.reason())),
        ErrorKind::Protected => Outcome::Skipped(err.reason()),
        ErrorKind::Busy => Outcome::Waits(err.reason()),
        ErrorKind::Throttled
        | ErrorKind::VolumeRate
        | ErrorKind::AccountLimit
        | ErrorKind::InUse
        | ErrorKind::Denied
        | ErrorKind::Credentials
        | ErrorKind::Unsupported
        | ErrorKind::Ambiguous
        | ErrorKind::Refused => Outcome::Failed(err.failure()),
    }
}

async fn make<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    action: &Action,
) -> Result<(), CallEnd> {
    let (cloud, region) = (run.cloud, run.region);
    let operation = action.operation();
    match &action.op {
        Op::ModifySnapshotAttribute(share) | Op::ModifyImageAttribute(share) => {
            let permissions = &permissions(share);
            let call = || cloud.modify_permissions(region, share.resource, permissions);
            run.call_again(operation, call).await
        }
        Op::EnableImageDeprecation(deprecation) => {
            let call =
                || cloud.enable_image_deprecation(region, deprecation.image_id, deprecation.at);
            run.call_again(operation, call).await
        }
        Op::CreateTags(tagging) => {
            let tags = &pairs(&tagging.tags);
            let call = || cloud.create_tags(region, tagging.resource, tags);
            run.call_again(operation, call).await
        }
        // Carried out elsewhere; `execute` hands over none of these.
        Op::CreateSnapshots(_)
        | Op::CreateSnapshot(_)
        | Op::CreateImage(_)
        | Op::CopySnapshot(_)
        | Op::CopyImage(_)
        | Op::DeregisterImage(_)
        | Op::DeleteSnapshot(_) => Err(CallEnd::Interrupted),
    }
}

fn permissions(share: &Share) -> Permissions {
    let add = share.add.iter().map(ToString::to_string).collect();
    let remove = share.remove.iter().map(ToString::to_string).collect();
    Permissions { add, remove }
}
