//! Copies: begun at their destination, and left to EC2 to finish.
//!
//! CopySnapshot has no client token and is looked up by its tags when its answer is lost. CopyImage
//! has one, so it is made again first. Nothing here waits for a copy to be complete.

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{self, Cloud, CloudError, ErrorKind};
use crate::domain::failure::Failure;
use crate::domain::ids::{ImageId, ResourceId, SnapshotId};
use crate::execute::clock::Clock;
use crate::execute::create::NAME_IS_TAKEN;
use crate::execute::look::{Look, Wanted, not_found};
use crate::execute::outcome::Outcome;
use crate::execute::region::{CallEnd, RegionRun, pairs};
use crate::plan::{Action, Copy, ImageCopy};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 8;
/// What EC2 says where the client token was used for a copy that was planned otherwise.
const TOKEN_IS_TAKEN: &str = "IdempotentParameterMismatch";

/// What EC2 says of an image that has been deregistered, or is not ready: only those that were available
/// are planned to be copied ("Error codes for the Amazon EC2 API").
const SOURCE_IS_UNAVAILABLE: &str = "InvalidAMIID.Unavailable";

/// Carries out copies, begun in the order in which they stand, several at a time. Once EC2 says that as
/// many are under way as it allows, the others wait.
pub(super) async fn copy_all<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    copies: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    stream::iter(copies)
        .map(|(n, action)| async move {
            let why_not = run.why_not().map(Outcome::NotStarted);
            let outcome = match why_not.or_else(|| run.why_no_copies().map(Outcome::Waits)) {
                Some(outcome) => outcome,
                None => copy(run, action).await,
            };
            run.ended(action, &outcome);
            (n, outcome)
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .collect()
        .await
}

async fn copy<C: Cloud, K: Clock>(run: &RegionRun<'_, C, K>, action: &Action) -> Outcome {
    let planned = action.as_copy().and_then(|copy| Some((copy, Call::of(copy)?)));
    let Some((copy, call)) = planned else {
        let why = format!("{} has nothing to copy", action.operation());
        return Outcome::Failed(Failure::lasting(why));
    };
    match call.make(run).await {
        Ok(id) => Outcome::Done(vec![id]),
        Err(CallEnd::Interrupted) => Outcome::NotStarted("interrupted".to_owned()),
        Err(CallEnd::Error(err)) => after_error(run, copy, &err).await,
    }
}

/// Decides what an error means for the copy: first whether it is there all the same, since another
/// runner, or an earlier call that was not answered, may have made it.
async fn after_error<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    copy: &Copy,
    err: &CloudError,
) -> Outcome {
    let may_be_there = match err.kind {
        ErrorKind::AccountLimit => {
            run.is_full_of_copies(err.reason());
            true
        }
        ErrorKind::Refused => matches!(err.code.as_str(), NAME_IS_TAKEN | TOKEN_IS_TAKEN),
        kind => matches!(kind, ErrorKind::Ambiguous | ErrorKind::Busy),
    };
    let wanted = Wanted::copy(copy);
    let look = match err.kind {
        ErrorKind::Ambiguous => wanted.look_long(run).await,
        _ if may_be_there => wanted.look(run).await,
        _ => Look::Nothing,
    };
    match (err.kind, look) {
        (_, Look::Found(ids)) => Outcome::Found(ids),
        (ErrorKind::Ambiguous, Look::Nothing) => Outcome::Failed(not_found(err, None)),
        (ErrorKind::Ambiguous, Look::Unknown(why)) => Outcome::Failed(not_found(err, Some(why))),
        (ErrorKind::Busy, _) if err.code == SOURCE_IS_UNAVAILABLE => {
            Outcome::Skipped(format!("its source is not available any more: {}", err.reason()))
        }
        (ErrorKind::AccountLimit | ErrorKind::Busy, _) => Outcome::Waits(err.reason()),
        (ErrorKind::NotFound, _) if is_of_source(err) => {
            Outcome::Skipped(format!("its source is gone: {}", err.reason()))
        }
        _ => Outcome::Failed(err.failure()),
    }
}

/// Tells whether it is the source that was not found, and not the key.
fn is_of_source(err: &CloudError) -> bool {
    ["InvalidSnapshot", "InvalidAMI"].iter().any(|prefix| err.code.starts_with(prefix))
}

/// A copying call.
enum Call {
    Snapshot(cloud::CopySnapshot),
    Image(cloud::CopyImage),
}

impl Call {
    fn of(copy: &Copy) -> Option<Self> {
        match (copy.parent.id, &copy.image) {
            (ResourceId::Snapshot(id), None) => Some(Self::Snapshot(snapshot_request(copy, id))),
            (ResourceId::Image(id), Some(image)) => {
                Some(Self::Image(image_request(copy, id, image)))
            }
            _ => None,
        }
    }

    async fn make<C: Cloud, K: Clock>(
        &self,
        run: &RegionRun<'_, C, K>,
    ) -> Result<ResourceId, CallEnd> {
        let (cloud, region) = (run.cloud, run.region);
        match self {
            Self::Snapshot(request) => {
                let call = || cloud.copy_snapshot(region, request);
                run.call("CopySnapshot", call).await.map(ResourceId::from)
            }
            // Its client token makes a second call harmless.
            Self::Image(request) => {
                let call = || cloud.copy_image(region, request);
                run.call_again("CopyImage", call).await.map(ResourceId::from)
            }
        }
    }
}

fn snapshot_request(copy: &Copy, id: SnapshotId) -> cloud::CopySnapshot {
    cloud::CopySnapshot {
        source_region: copy.parent.region,
        source_snapshot_id: id,
        is_source_encrypted: copy.is_parent_encrypted,
        description: copy.description.clone(),
        encrypted: copy.encrypted,
        kms_key_id: copy.kms_key.as_deref().map(str::to_owned),
        completion_minutes: copy.completion_minutes,
        tags: pairs(&copy.tags),
    }
}

fn image_request(copy: &Copy, id: ImageId, image: &ImageCopy) -> cloud::CopyImage {
    cloud::CopyImage {
        source_region: copy.parent.region,
        source_image_id: id,
        name: image.name.clone(),
        description: copy.description.clone(),
        encrypted: copy.encrypted,
        kms_key_id: copy.kms_key.as_deref().map(str::to_owned),
        completion_minutes: copy.completion_minutes,
        client_token: image.client_token.clone(),
        image_tags: pairs(&copy.tags),
        snapshot_tags: pairs(&image.snapshot_tags),
    }
}
