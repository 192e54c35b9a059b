//! Questions whether a call is allowed: the call itself, with `DryRun`.
//!
//! "If you have the required permissions, the error response is DryRunOperation. Otherwise, it is
//! UnauthorizedOperation" (EC2 API reference). Nothing here changes anything, so the SDK may repeat
//! it.

use std::error::Error;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use chrono::TimeDelta;

use super::{AwsCloud, Call, copy, image, permissions, write};
use crate::cloud::{CloudError, Permissions, Probe};
use crate::domain::ids::ResourceId;
use crate::domain::region::Region;

/// What EC2 answers to a dry run that is allowed.
const ALLOWED: &str = "DryRunOperation";
/// The tag of the question whether tags can be set.
const PROBE_TAG: &str = "snapkeep:probe";
/// An account of AWS's documentation: taking it off a list that it is not on changes nothing.
const PROBE_ACCOUNT: &str = "111122223333";
/// When the image of a question would be deprecated: EC2 refuses an instant in the past.
const PROBE_DEPRECATION: TimeDelta = TimeDelta::days(365);

pub(super) async fn ask(
    cloud: &AwsCloud,
    region: &Region,
    probe: &Probe,
) -> Result<(), CloudError> {
    let call = Call { operation: probe.operation(), region };
    let client = &cloud.client(region);
    match probe {
        Probe::CreateSnapshots(request) => {
            let request = write::create_snapshots_request(client, request);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::CreateSnapshot(request) => {
            let request = write::create_snapshot_request(client, request);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::CreateImage(request) => {
            let request = image::create_request(client, request);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::CopySnapshot(request) => {
            let request = copy::snapshot_request(cloud, call, request).await?;
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::CopyImage(request) => {
            let request = copy::image_request(client, request);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::DeleteSnapshot(id) => {
            let request = write::delete_snapshot_request(client, *id);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::DeregisterImage(id) => {
            let request = image::deregister_request(client, *id);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::CreateTags(id) => {
            let tags = [(PROBE_TAG.to_owned(), String::new())];
            let request = write::create_tags_request(client, *id, &tags);
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::ModifyPermissions(ResourceId::Snapshot(id)) => {
            let request = permissions::snapshot_request(client, *id, &nobody());
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::ModifyPermissions(ResourceId::Image(id)) => {
            let request = permissions::image_request(client, *id, &nobody());
            verdict(call, request.dry_run(true).send().await)
        }
        Probe::EnableImageDeprecation(id) => {
            let at = cloud.ec2_now() + PROBE_DEPRECATION;
            let request = image::deprecate_request(client, *id, at);
            verdict(call, request.dry_run(true).send().await)
        }
    }
}

fn nobody() -> Permissions {
    Permissions { add: Vec::new(), remove: vec![PROBE_ACCOUNT.to_owned()] }
}

fn verdict<T, E>(
    call: Call<'_>,
    reply: Result<T, SdkError<E, HttpResponse>>,
) -> Result<(), CloudError>
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match reply {
        Err(err) if err.code() == Some(ALLOWED) => Ok(()),
        Err(err) => Err(call.failed(&err)),
        // EC2 never does that.
        Ok(_) => Err(call.bad_answer("a dry run was answered as if the call had been made")),
    }
}
