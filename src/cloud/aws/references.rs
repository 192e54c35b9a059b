//! What refers to images, so that they are not deregistered under somebody's feet.
//!
//! A reference that cannot be read fails the listing: an image would look unused without it.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, ImageReferenceResourceType as By, LaunchTemplateVersion};

use super::Call;
use super::convert::{self, BadItem};
use super::read::page;
use crate::cloud::{CloudError, ImageReference, PAGE_ITEMS_MAX, Page};
use crate::domain::ids::ImageId;
use crate::domain::region::Region;

/// "This value can be between 1 and 200" (EC2 API reference, DescribeLaunchTemplateVersions).
const TEMPLATE_VERSIONS_MAX: i32 = 200;

pub(super) async fn of_images(
    client: &Client,
    region: &Region,
    image_ids: &[ImageId],
    token: Option<String>,
) -> Result<Page<ImageReference>, CloudError> {
    let call = Call { operation: "DescribeImageReferences", region };
    let reply = client
        .describe_image_references()
        .set_image_ids(Some(image_ids.iter().map(ToString::to_string).collect()))
        .include_all_resource_types(true)
        .max_results(PAGE_ITEMS_MAX)
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let items = reply.image_references().iter().map(reference);
    page(call, items, reply.next_token())
}

pub(super) async fn of_launch_templates(
    client: &Client,
    region: &Region,
    token: Option<String>,
) -> Result<Page<ImageReference>, CloudError> {
    let call = Call { operation: "DescribeLaunchTemplateVersions", region };
    let reply = client
        .describe_launch_template_versions()
        // Without ids or names EC2 shows these versions of all launch templates.
        .versions("$Latest")
        .versions("$Default")
        .max_results(TEMPLATE_VERSIONS_MAX)
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let items = reply.launch_template_versions().iter().filter_map(template_image);
    let mut page = page(call, items, reply.next_token())?;
    // The default version often is the latest one.
    page.items.dedup();
    Ok(page)
}

/// Reads one reference, such as an instance's by its ARN.
fn reference(item: &types::ImageReference) -> Result<ImageReference, BadItem> {
    let image_id = convert::required_id("reference", "ImageId", item.image_id())?;
    let arn = convert::required("reference", "Arn", item.arn())?;
    // arn:partition:service:region:account:type/id
    let (_, id) = arn.split_once('/').unwrap_or(("", arn));
    let by = match item.resource_type() {
        Some(By::Ec2Instance) => format!("instance {id}"),
        Some(By::Ec2LaunchTemplate) => format!("launch template {id}"),
        // The ARN of a name that is a path has one slash for both ("Referencing parameters", AWS
        // Systems Manager user guide).
        Some(By::SsmParameter) if id.contains('/') => format!("SSM parameter /{id}"),
        Some(By::SsmParameter) => format!("SSM parameter {id}"),
        Some(By::ImageBuilderImageRecipe | By::ImageBuilderContainerRecipe) => {
            format!("Image Builder recipe {arn}")
        }
        Some(other) => format!("{} {arn}", other.as_str()),
        None => arn.to_owned(),
    };
    Ok(ImageReference { image_id, by })
}

/// Reads the image of a version; none if it names none, or by way of a parameter of SSM such as
/// `resolve:ssm:golden`.
fn template_image(version: &LaunchTemplateVersion) -> Option<Result<ImageReference, BadItem>> {
    let data = version.launch_template_data()?;
    let image_id = convert::parsed(data.image_id())?;
    let template = version.launch_template_id();
    let id = convert::required("launch template", "LaunchTemplateId", template);
    Some(id.map(|id| ImageReference { image_id, by: format!("launch template {id}") }))
}
