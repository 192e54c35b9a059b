//! Copies to another region, or with another key. Each call goes to the destination.
//!
//! EC2 answers before it has looked at the key or the signature of the source: what is wrong with
//! those is seen later, as the state of the copy. Nothing here waits for that.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder;
use aws_sdk_ec2::operation::copy_snapshot::builders::CopySnapshotFluentBuilder;
use aws_sdk_ec2::types::ResourceType;

use super::convert::{self, BadItem};
use super::presign::CopyUrl;
use super::write::{once, tag_specifications};
use super::{AwsCloud, Call};
use crate::cloud::{CloudError, CopyImage, CopySnapshot};
use crate::domain::ids::{ImageId, SnapshotId};
use crate::domain::region::Region;

pub(super) async fn snapshot(
    cloud: &AwsCloud,
    region: &Region,
    request: &CopySnapshot,
) -> Result<SnapshotId, CloudError> {
    let call = Call { operation: "CopySnapshot", region };
    let builder = snapshot_request(cloud, call, request).await?;
    let call_once = builder.customize().config_override(once());
    let reply = call_once.send().await.map_err(|err| call.failed(&err))?;
    convert::required_id("snapshot", "SnapshotId", reply.snapshot_id())
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

/// Returns the request for a copy of a snapshot, with a presigned URL where EC2 wants one.
///
/// "When you copy an encrypted source snapshot using the Amazon EC2 Query API, you must supply a
/// pre-signed URL. This parameter is optional for unencrypted snapshots" (EC2 API reference,
/// CopySnapshot).
pub(super) async fn snapshot_request(
    cloud: &AwsCloud,
    call: Call<'_>,
    request: &CopySnapshot,
) -> Result<CopySnapshotFluentBuilder, CloudError> {
    let minutes = request.completion_minutes.and_then(|minutes| minutes.try_into().ok());
    let builder = cloud
        .client(call.region)
        .copy_snapshot()
        .source_region(request.source_region.as_str())
        .source_snapshot_id(request.source_snapshot_id.to_string())
        .destination_region(call.region.as_str())
        .description(&request.description)
        // "You cannot set this parameter to false" (EC2 API reference, CopySnapshot).
        .set_encrypted(request.encrypted.then_some(true))
        .set_kms_key_id(request.kms_key_id.clone())
        .set_completion_duration_minutes(minutes)
        .set_tag_specifications(tag_specifications(&[(ResourceType::Snapshot, &request.tags)]));
    if !request.is_source_encrypted {
        return Ok(builder);
    }
    let url = CopyUrl {
        source_region: &request.source_region,
        source_snapshot_id: request.source_snapshot_id,
        destination_region: call.region,
    };
    Ok(builder.presigned_url(cloud.presigned(call, &url).await?))
}

pub(super) async fn image(
    client: &Client,
    region: &Region,
    request: &CopyImage,
) -> Result<ImageId, CloudError> {
    let call = Call { operation: "CopyImage", region };
    let call_once = image_request(client, request).customize().config_override(once());
    let reply = call_once.send().await.map_err(|err| call.failed(&err))?;
    convert::required_id("image", "ImageId", reply.image_id())
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

/// Returns the request for a copy of an image. The source's tags are not asked for: the copy bears
/// exactly those of the request.
pub(super) fn image_request(client: &Client, request: &CopyImage) -> CopyImageFluentBuilder {
    client
        .copy_image()
        .source_region(request.source_region.as_str())
        .source_image_id(request.source_image_id.to_string())
        .name(&request.name)
        .description(&request.description)
        .client_token(&request.client_token)
        .set_encrypted(request.encrypted.then_some(true))
        .set_kms_key_id(request.kms_key_id.clone())
        .set_snapshot_copy_completion_duration_minutes(request.completion_minutes.map(i64::from))
        .set_tag_specifications(tag_specifications(&[
            (ResourceType::Image, &request.image_tags),
            (ResourceType::Snapshot, &request.snapshot_tags),
        ]))
}
