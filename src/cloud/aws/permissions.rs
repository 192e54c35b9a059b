//! Who may use a snapshot or an image.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::modify_image_attribute::builders::ModifyImageAttributeFluentBuilder;
use aws_sdk_ec2::operation::modify_snapshot_attribute::builders::ModifySnapshotAttributeFluentBuilder;
use aws_sdk_ec2::types::{
    CreateVolumePermission, CreateVolumePermissionModifications, ImageAttributeName,
    LaunchPermission, LaunchPermissionModifications,
};

use super::Call;
use super::write::once;
use crate::cloud::{CloudError, Permissions};
use crate::domain::ids::{ImageId, ResourceId, SnapshotId};
use crate::domain::region::Region;

pub(super) async fn modify(
    client: &Client,
    region: &Region,
    id: ResourceId,
    permissions: &Permissions,
) -> Result<(), CloudError> {
    match id {
        ResourceId::Snapshot(id) => {
            let call = Call { operation: "ModifySnapshotAttribute", region };
            let request = snapshot_request(client, id, permissions).customize();
            let reply = request.config_override(once()).send().await;
            reply.map(drop).map_err(|err| call.failed(&err))
        }
        ResourceId::Image(id) => {
            let call = Call { operation: "ModifyImageAttribute", region };
            let request = image_request(client, id, permissions).customize();
            let reply = request.config_override(once()).send().await;
            reply.map(drop).map_err(|err| call.failed(&err))
        }
    }
}

pub(super) fn snapshot_request(
    client: &Client,
    id: SnapshotId,
    permissions: &Permissions,
) -> ModifySnapshotAttributeFluentBuilder {
    let accounts = |accounts: &[String]| {
        let account = |id| CreateVolumePermission::builder().user_id(id).build();
        (!accounts.is_empty()).then(|| accounts.iter().map(account).collect())
    };
    let changes = CreateVolumePermissionModifications::builder()
        .set_add(accounts(&permissions.add))
        .set_remove(accounts(&permissions.remove))
        .build();
    client.modify_snapshot_attribute().snapshot_id(id.to_string()).create_volume_permission(changes)
}

pub(super) fn image_request(
    client: &Client,
    id: ImageId,
    permissions: &Permissions,
) -> ModifyImageAttributeFluentBuilder {
    let accounts = |accounts: &[String]| {
        let account = |id| LaunchPermission::builder().user_id(id).build();
        (!accounts.is_empty()).then(|| accounts.iter().map(account).collect())
    };
    let changes = LaunchPermissionModifications::builder()
        .set_add(accounts(&permissions.add))
        .set_remove(accounts(&permissions.remove))
        .build();
    client.modify_image_attribute().image_id(id.to_string()).launch_permission(changes)
}

/// Lists with whom an image is shared, each in a word or two.
pub(super) async fn of_image(
    client: &Client,
    region: &Region,
    image_id: ImageId,
) -> Result<Vec<String>, CloudError> {
    let call = Call { operation: "DescribeImageAttribute", region };
    let reply = client
        .describe_image_attribute()
        .image_id(image_id.to_string())
        .attribute(ImageAttributeName::LaunchPermission)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let permissions = reply.launch_permissions().iter();
    permissions
        .map(|item| {
            let group = item.group().map(|group| format!("group {}", group.as_str()));
            let named = item.user_id().or(item.organization_arn());
            let named = named.or(item.organizational_unit_arn()).map(str::to_owned);
            // What cannot be read is shared with somebody all the same.
            named.or(group).ok_or_else(|| call.bad_item("a launch permission names nobody"))
        })
        .collect()
}
