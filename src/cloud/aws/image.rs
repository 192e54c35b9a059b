//! Images: which there are, and making, deregistering and deprecating them.
//!
//! Deregistering never deletes the snapshots of an image: they are deleted one by one, each after
//! its own check.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_image::builders::CreateImageFluentBuilder;
use aws_sdk_ec2::operation::deregister_image::builders::DeregisterImageFluentBuilder;
use aws_sdk_ec2::operation::enable_image_deprecation::builders::EnableImageDeprecationFluentBuilder;
use aws_sdk_ec2::primitives::DateTime as SdkDateTime;
use aws_sdk_ec2::types::{self, BlockDeviceMapping, DeviceType, ResourceType};
use chrono::{DateTime, Utc};

use super::Call;
use super::convert::{self, BadItem};
use super::read::{ids_filter, page, tags_filters};
use super::write::{once, tag_specifications};
use crate::cloud::{CloudError, CreateImage, ImageFilter, PAGE_ITEMS_MAX, Page};
use crate::domain::ids::ImageId;
use crate::domain::intern::Interner;
use crate::domain::inventory::{Image, ImageState};
use crate::domain::region::Region;

pub(super) async fn list(
    client: &Client,
    region: &Region,
    filter: &ImageFilter,
    token: Option<String>,
) -> Result<Page<Image>, CloudError> {
    let call = Call { operation: "DescribeImages", region };
    let filters = match filter {
        ImageFilter::All => None,
        // None of them exists; and a filter without values is an error of EC2.
        ImageFilter::Ids(ids) if ids.is_empty() => {
            return Ok(Page { items: Vec::new(), next_token: None });
        }
        ImageFilter::Ids(ids) => ids_filter("image-id", ids),
        ImageFilter::Tags(tags) => Some(tags_filters(tags)),
    };
    let reply = client
        .describe_images()
        // Without it EC2 lists every image that one may launch, public ones too.
        .owners("self")
        // EC2 leaves disabled images out unless asked, yet their snapshots are still in use.
        .include_disabled(true)
        .include_deprecated(true)
        .max_results(PAGE_ITEMS_MAX)
        .set_filters(filters)
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let mut interner = Interner::default();
    let items = reply.images().iter().map(|item| image(item, &mut interner));
    page(call, items, reply.next_token())
}

pub(super) async fn create(
    client: &Client,
    region: &Region,
    request: &CreateImage,
) -> Result<ImageId, CloudError> {
    let call = Call { operation: "CreateImage", region };
    let call_once = create_request(client, request).customize().config_override(once());
    let reply = call_once.send().await.map_err(|err| call.failed(&err))?;
    convert::required_id("image", "ImageId", reply.image_id())
        .map_err(|BadItem(why)| call.bad_answer(&why))
}

/// Returns the request for an image. A device that is left out is named with an empty `NoDevice`:
/// "To omit the device from the block device mapping, specify an empty string" (EC2 API reference,
/// `BlockDeviceMapping`).
pub(super) fn create_request(client: &Client, request: &CreateImage) -> CreateImageFluentBuilder {
    let left_out = |device: &String| {
        BlockDeviceMapping::builder().device_name(device).no_device(String::new()).build()
    };
    let mappings: Vec<_> = request.left_out_devices.iter().map(left_out).collect();
    client
        .create_image()
        .instance_id(request.instance_id.to_string())
        .name(&request.name)
        .description(&request.description)
        // Never left to EC2, whose default reboots the instance.
        .no_reboot(request.no_reboot)
        .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
        .set_tag_specifications(tag_specifications(&[
            (ResourceType::Image, &request.image_tags),
            (ResourceType::Snapshot, &request.snapshot_tags),
        ]))
}

pub(super) async fn deregister(
    client: &Client,
    region: &Region,
    image_id: ImageId,
) -> Result<(), CloudError> {
    let call = Call { operation: "DeregisterImage", region };
    let call_once = deregister_request(client, image_id).customize().config_override(once());
    call_once.send().await.map_err(|err| call.failed(&err))?;
    Ok(())
}

pub(super) fn deregister_request(
    client: &Client,
    image_id: ImageId,
) -> DeregisterImageFluentBuilder {
    client.deregister_image().image_id(image_id.to_string())
}

pub(super) async fn deprecate(
    client: &Client,
    region: &Region,
    image_id: ImageId,
    at: DateTime<Utc>,
) -> Result<(), CloudError> {
    let call = Call { operation: "EnableImageDeprecation", region };
    let call_once = deprecate_request(client, image_id, at).customize().config_override(once());
    call_once.send().await.map_err(|err| call.failed(&err))?;
    Ok(())
}

pub(super) fn deprecate_request(
    client: &Client,
    image_id: ImageId,
    at: DateTime<Utc>,
) -> EnableImageDeprecationFluentBuilder {
    let deprecate_at = SdkDateTime::from_secs(at.timestamp());
    client.enable_image_deprecation().image_id(image_id.to_string()).deprecate_at(deprecate_at)
}

/// What the block device mappings of an image say of it.
#[derive(Debug, Default)]
struct Devices {
    snapshot_ids: Vec<crate::domain::ids::SnapshotId>,
    size_gib: u32,
    n_encrypted: usize,
}

/// Reads one image.
fn image(item: &types::Image, interner: &mut Interner) -> Result<Image, BadItem> {
    let id = convert::required("image", "ImageId", item.image_id())?;
    let state = item.state().map(types::ImageState::as_str);
    let devices = devices(id, item.block_device_mappings())?;
    let reason = item.state_reason().and_then(types::StateReason::message);
    Ok(Image {
        id: convert::parse_id("image", id)?,
        name: interner.share(item.name().unwrap_or_default()),
        description: interner.share(item.description().unwrap_or_default()),
        state: state.and_then(ImageState::from_name).ok_or_else(|| {
            let state = state.unwrap_or_default();
            BadItem(format!("image `{id}` has no readable state (`{state}`)"))
        })?,
        state_message: reason.map(|text| interner.share(text)),
        created_at: convert::written_instant(item.creation_date()),
        size_gib: devices.size_gib,
        is_encrypted: !devices.snapshot_ids.is_empty()
            && devices.n_encrypted == devices.snapshot_ids.len(),
        snapshot_ids: devices.snapshot_ids,
        source_instance_id: convert::parsed(item.source_instance_id()),
        source_image_id: convert::parsed(item.source_image_id()),
        source_image_region: convert::parsed(item.source_image_region()),
        is_public: item.public().unwrap_or_default(),
        is_instance_store: item.root_device_type() == Some(&DeviceType::InstanceStore),
        has_product_codes: !item.product_codes().is_empty(),
        // EC2 knows several kinds of protection, and may know more one day.
        is_protected: !matches!(item.deregistration_protection(), None | Some("" | "disabled")),
        deprecated_at: convert::written_instant(item.deprecation_time()),
        tags: convert::tags(item.tags(), interner),
    })
}

fn devices(id: &str, mappings: &[BlockDeviceMapping]) -> Result<Devices, BadItem> {
    let mut devices = Devices::default();
    // A mapping without an EBS part names an instance store.
    for ebs in mappings.iter().filter_map(BlockDeviceMapping::ebs) {
        devices.size_gib += convert::gib(ebs.volume_size());
        // It may be an empty volume.
        let Some(backing) = ebs.snapshot_id() else { continue };
        devices.n_encrypted += usize::from(ebs.encrypted().unwrap_or_default());
        // A snapshot that backs an image must not be overlooked: whoever reads this protects it.
        devices.snapshot_ids.push(
            backing.parse().map_err(|err| BadItem(format!("image `{id}` is backed by {err}")))?,
        );
    }
    Ok(devices)
}
