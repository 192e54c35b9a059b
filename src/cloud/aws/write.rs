//! The calls that change snapshots and tags. Each sends exactly one request.
//!
//! The creating ones have no client token: a repetition after a lost reply would make a second set
//! of snapshots. So the SDK's retries are off for all that change something, and whoever calls
//! looks first.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::operation::create_snapshot::builders::CreateSnapshotFluentBuilder;
use aws_sdk_ec2::operation::create_snapshots::builders::CreateSnapshotsFluentBuilder;
use aws_sdk_ec2::operation::create_tags::builders::CreateTagsFluentBuilder;
use aws_sdk_ec2::operation::delete_snapshot::builders::DeleteSnapshotFluentBuilder;
use aws_sdk_ec2::types::{
    CopyTagsFromSource, InstanceSpecification, ResourceType, Tag, TagSpecification,
};

use super::Call;
use super::convert::{self, BadItem};
use crate::cloud::{CloudError, CreateSnapshot, CreateSnapshots, Created};
use crate::domain::ids::{ResourceId, SnapshotId};
use crate::domain::region::Region;

pub(super) async fn create_snapshots(
    client: &Client,
    region: &Region,
    request: &CreateSnapshots,
) -> Result<Vec<Created>, CloudError> {
    let call = Call { operation: "CreateSnapshots", region };
    let call_once = create_snapshots_request(client, request).customize().config_override(once());
    let reply = call_once.send().await.map_err(|err| call.failed(&err))?;
    if reply.snapshots().is_empty() {
        return Err(call.bad_answer("the reply names no snapshot"));
    }
    let items = reply.snapshots().iter();
    items
        .map(|item| convert::created(item.snapshot_id(), item.volume_id(), item.start_time()))
        .collect::<Result<_, _>>()
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

pub(super) fn create_snapshots_request(
    client: &Client,
    request: &CreateSnapshots,
) -> CreateSnapshotsFluentBuilder {
    let excluded = request.exclude_data_volume_ids.iter().map(ToString::to_string).collect();
    let instance = InstanceSpecification::builder()
        .instance_id(request.instance_id.to_string())
        .exclude_boot_volume(request.exclude_boot_volume)
        .set_exclude_data_volume_ids(Some(excluded))
        .build();
    client
        .create_snapshots()
        .instance_specification(instance)
        .description(&request.description)
        .set_tag_specifications(tag_specifications(&[(ResourceType::Snapshot, &request.tags)]))
        .set_copy_tags_from_source(
            request.copy_tags_from_volume.then_some(CopyTagsFromSource::Volume),
        )
}

pub(super) async fn create_snapshot(
    client: &Client,
    region: &Region,
    request: &CreateSnapshot,
) -> Result<Created, CloudError> {
    let call = Call { operation: "CreateSnapshot", region };
    let call_once = create_snapshot_request(client, request).customize().config_override(once());
    let reply = call_once.send().await.map_err(|err| call.failed(&err))?;
    convert::created(reply.snapshot_id(), reply.volume_id(), reply.start_time())
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

pub(super) fn create_snapshot_request(
    client: &Client,
    request: &CreateSnapshot,
) -> CreateSnapshotFluentBuilder {
    client
        .create_snapshot()
        .volume_id(request.volume_id.to_string())
        .description(&request.description)
        .set_tag_specifications(tag_specifications(&[(ResourceType::Snapshot, &request.tags)]))
}

pub(super) async fn delete_snapshot(
    client: &Client,
    region: &Region,
    snapshot_id: SnapshotId,
) -> Result<(), CloudError> {
    let call = Call { operation: "DeleteSnapshot", region };
    let call_once = delete_snapshot_request(client, snapshot_id).customize();
    let reply = call_once.config_override(once()).send().await;
    reply.map(drop).map_err(|err| call.failed(&err))
}

pub(super) fn delete_snapshot_request(
    client: &Client,
    snapshot_id: SnapshotId,
) -> DeleteSnapshotFluentBuilder {
    client.delete_snapshot().snapshot_id(snapshot_id.to_string())
}

pub(super) async fn create_tags(
    client: &Client,
    region: &Region,
    id: ResourceId,
    tags: &[(String, String)],
) -> Result<(), CloudError> {
    let call = Call { operation: "CreateTags", region };
    let call_once = create_tags_request(client, id, tags).customize();
    let reply = call_once.config_override(once()).send().await;
    reply.map(drop).map_err(|err| call.failed(&err))
}

pub(super) fn create_tags_request(
    client: &Client,
    id: ResourceId,
    tags: &[(String, String)],
) -> CreateTagsFluentBuilder {
    client.create_tags().resources(id.to_string()).set_tags(Some(sdk_tags(tags)))
}

/// Returns the settings of a call that is never repeated.
pub(super) fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

/// Returns the tags of what is to be made, by its kind. EC2 refuses a specification without any
/// tag.
pub(super) fn tag_specifications(
    wanted: &[(ResourceType, &Vec<(String, String)>)],
) -> Option<Vec<TagSpecification>> {
    let tagged = wanted.iter().filter(|(_, tags)| !tags.is_empty());
    let specifications: Vec<_> = tagged
        .map(|(kind, tags)| {
            TagSpecification::builder()
                .resource_type(kind.clone())
                .set_tags(Some(sdk_tags(tags)))
                .build()
        })
        .collect();
    (!specifications.is_empty()).then_some(specifications)
}

fn sdk_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
