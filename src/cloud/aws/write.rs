//! The calls that change something. Each sends exactly one request.
//!
//! None of them has a client token: a repetition after a lost reply would make a second set of
//! snapshots. So the SDK's retries are off here, and whoever calls looks first.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{
    CopyTagsFromSource, InstanceSpecification, ResourceType, Tag, TagSpecification,
};

use super::Call;
use super::convert::{self, BadItem};
use crate::cloud::{CloudError, CreateSnapshot, CreateSnapshots, Created};
use crate::domain::ids::SnapshotId;
use crate::domain::region::Region;

pub(super) async fn create_snapshots(
    client: &Client,
    region: &Region,
    request: &CreateSnapshots,
) -> Result<Vec<Created>, CloudError> {
    let call = Call { operation: "CreateSnapshots", region };
    let excluded = request.exclude_data_volume_ids.iter().map(ToString::to_string).collect();
    let instance = InstanceSpecification::builder()
        .instance_id(request.instance_id.to_string())
        .exclude_boot_volume(request.exclude_boot_volume)
        .set_exclude_data_volume_ids(Some(excluded))
        .build();
    let reply = client
        .create_snapshots()
        .instance_specification(instance)
        .description(&request.description)
        .set_tag_specifications(snapshot_tags(&request.tags))
        .set_copy_tags_from_source(
            request.copy_tags_from_volume.then_some(CopyTagsFromSource::Volume),
        )
        .customize()
        .config_override(once())
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    if reply.snapshots().is_empty() {
        return Err(call.bad_answer("the reply names no snapshot"));
    }
    let items = reply.snapshots().iter();
    items
        .map(|item| convert::created(item.snapshot_id(), item.volume_id(), item.start_time()))
        .collect::<Result<_, _>>()
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

pub(super) async fn create_snapshot(
    client: &Client,
    region: &Region,
    request: &CreateSnapshot,
) -> Result<Created, CloudError> {
    let call = Call { operation: "CreateSnapshot", region };
    let reply = client
        .create_snapshot()
        .volume_id(request.volume_id.to_string())
        .description(&request.description)
        .set_tag_specifications(snapshot_tags(&request.tags))
        .customize()
        .config_override(once())
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    convert::created(reply.snapshot_id(), reply.volume_id(), reply.start_time())
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

pub(super) async fn delete_snapshot(
    client: &Client,
    region: &Region,
    snapshot_id: SnapshotId,
) -> Result<(), CloudError> {
    let call = Call { operation: "DeleteSnapshot", region };
    client
        .delete_snapshot()
        .snapshot_id(snapshot_id.to_string())
        .customize()
        .config_override(once())
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    Ok(())
}

fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

/// Returns the tags of the snapshots to be made. EC2 refuses a specification without any tag.
fn snapshot_tags(tags: &[(String, String)]) -> Option<Vec<TagSpecification>> {
    let tags: Vec<Tag> =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let specification = TagSpecification::builder()
        .resource_type(ResourceType::Snapshot)
        .set_tags(Some(tags.clone()))
        .build();
    (!tags.is_empty()).then(|| vec![specification])
}
