//! What refers to images: instances, launch templates and SSM parameters.

use std::collections::BTreeMap;

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::listing::page;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::state::RegionState;
use crate::cloud::{ImageReference, Page, REFERENCED_IMAGES_MAX};
use crate::domain::ids::ImageId;
use crate::domain::region::Region;

const LAUNCH_TEMPLATE: &str = "launch template ";
const SSM_PARAMETER: &str = "SSM parameter ";

/// Lists what refers to these images. Image Builder's recipes are not played.
pub(super) fn of_images(
    region: &RegionState,
    image_ids: &[ImageId],
    token: Option<&str>,
    settings: &Settings,
) -> Result<Page<ImageReference>, Refusal> {
    if !(1..=REFERENCED_IMAGES_MAX).contains(&image_ids.len()) {
        let message = "The request must name 1 to 10 images";
        return Err(Refusal::invalid_parameter(message));
    }
    // Terminated ones too, while EC2 shows them: "state-name … Default: All states" (EC2 API
    // reference, ResourceTypeOption).
    let instances = region.instances.values();
    let instances = instances.filter_map(|i| Some((i.image_id?, format!("instance {}", i.id))));
    let parameters = region.ssm_parameters.iter();
    let parameters = parameters.map(|(name, id)| (*id, format!("{SSM_PARAMETER}{name}")));
    let all = instances.chain(launch_templates(region)).chain(parameters);
    let found = all.filter(|(image_id, _)| image_ids.contains(image_id));
    numbered(found, token, settings)
}

/// Lists the images that launch templates name.
pub(super) fn of_launch_templates(
    region: &RegionState,
    token: Option<&str>,
    settings: &Settings,
) -> Result<Page<ImageReference>, Refusal> {
    numbered(launch_templates(region), token, settings)
}

fn launch_templates(region: &RegionState) -> impl Iterator<Item = (ImageId, String)> {
    let templates = region.launch_templates.iter();
    templates.map(|(id, image_id)| (*image_id, format!("{LAUNCH_TEMPLATE}{id}")))
}

fn numbered(
    found: impl Iterator<Item = (ImageId, String)>,
    token: Option<&str>,
    settings: &Settings,
) -> Result<Page<ImageReference>, Refusal> {
    let found = found.map(|(image_id, by)| ImageReference { image_id, by });
    let rows: BTreeMap<usize, ImageReference> = found.enumerate().collect();
    page(&rows, &[], token, settings, |reference| Some(reference.clone()))
}

impl Sandbox {
    /// Adds a launch template (`lt-…`) whose latest version names an image, or changes its image.
    pub fn add_launch_template(&self, region: &Region, id: &str, image_id: ImageId) {
        self.change(region, |state| state.launch_templates.insert(id.to_owned(), image_id));
    }

    /// Adds an SSM parameter (`/…`) that names an image, or changes its image.
    pub fn add_ssm_parameter(&self, region: &Region, name: &str, image_id: ImageId) {
        self.change(region, |state| state.ssm_parameters.insert(name.to_owned(), image_id));
    }

    /// Adds what an inventory names as using an image. Instances are in the inventory themselves.
    pub(super) fn add_reference(&self, region: &Region, image_id: ImageId, by: &str) {
        if let Some(id) = by.strip_prefix(LAUNCH_TEMPLATE) {
            self.add_launch_template(region, id, image_id);
        } else if let Some(name) = by.strip_prefix(SSM_PARAMETER) {
            self.add_ssm_parameter(region, name, image_id);
        }
    }
}
