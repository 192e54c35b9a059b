//! CreateImage, DeregisterImage and EnableImageDeprecation.

use chrono::{DateTime, Utc};

use crate::cloud::CreateImage;
use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::create::{Maker, checked_description, make, ready_volume};
use crate::cloud::sandbox::ids::next_id;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::RegionState;
use crate::cloud::sandbox::tagging::checked_tags;
use crate::domain::ids::{ImageId, InstanceId, SnapshotId};
use crate::domain::inventory::{Image, ImageState, Instance, InstanceState, Snapshot, Volume};
use crate::domain::region::Region;

/// Makes an image of an instance with a snapshot of each volume that is left in, or nothing.
pub(super) fn create_image(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    request: &CreateImage,
) -> Result<ImageId, Refusal> {
    let instance_id = request.instance_id;
    let instance = ready_instance(region, instance_id)?;
    // EC2 user guide, "AMI ancestry": of what CreateImage made, the image below the instance.
    let source_image_id = instance.image_id;
    let volumes = wanted_volumes(region, instance, request, maker.now)?;
    check_name(region, &request.name)?;
    checked_description(&request.description)?;
    let image_tags = checked_tags(&request.image_tags, None, maker.texts)?;
    let snapshot_tags = checked_tags(&request.snapshot_tags, None, maker.texts)?;

    let id = new_image_id(region, maker);
    let description = format!("Created by CreateImage({instance_id}) for {id}");
    let made = volumes
        .iter()
        .map(|volume| make(region, maker, volume, &description, snapshot_tags.clone()).snapshot_id);
    let backing = made.collect();
    let image = Image {
        description: request.description.as_str().into(),
        state: ImageState::Pending,
        created_at: Some(maker.now),
        size_gib: volumes.iter().map(|volume| volume.size_gib).sum(),
        source_instance_id: Some(instance_id),
        source_image_id,
        source_image_region: source_image_id.map(|_| maker.here),
        tags: image_tags,
        ..Image::plain(id, &request.name)
    };
    region.add_image(image, backing, maker.visible_from);
    if !request.no_reboot {
        *region.n_reboots.entry(instance_id).or_default() += 1;
    }
    Ok(id)
}

/// Returns the instance if EC2 would make an image of it.
fn ready_instance(region: &RegionState, id: InstanceId) -> Result<&Instance, Refusal> {
    let instance = region.instances.get(&id).ok_or_else(|| {
        Refusal::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
    })?;
    if matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown) {
        let message = format!("The instance '{id}' is in state '{}'.", instance.state.name());
        return Err(Refusal::new("IncorrectInstanceState", message));
    }
    // EC2 API reference, CreateImage: "Creates an Amazon EBS-backed AMI".
    if instance.is_instance_store {
        let message = format!("The instance '{id}' does not have an EBS root device.");
        return Err(Refusal::invalid_parameter(message));
    }
    Ok(instance)
}

/// Returns the volumes that the request leaves in.
fn wanted_volumes(
    region: &RegionState,
    instance: &Instance,
    request: &CreateImage,
    now: DateTime<Utc>,
) -> Result<Vec<Volume>, Refusal> {
    let left_out = &request.left_out_devices;
    let refuse = |message| Err(Refusal::new("InvalidBlockDeviceMapping", message));
    let root = instance.root_device.as_deref();
    // EC2 user guide, "Create an AMI": the root volume is always part of it.
    if let Some(root) = root.filter(|root| left_out.iter().any(|device| device == root)) {
        return refuse(format!("The root device '{root}' cannot be suppressed"));
    }
    // Not documented; the stricter guess shows a stale request.
    let is_attached = |device: &&String| instance.volumes.iter().any(|v| *v.device == ***device);
    if let Some(device) = left_out.iter().find(|device| !is_attached(device)) {
        return refuse(format!("The device '{device}' is not in use on '{}'", instance.id));
    }
    let attached = instance.volumes.iter();
    let wanted = attached.filter(|v| left_out.iter().all(|device| **device != *v.device));
    wanted.map(|v| ready_volume(region, v.volume_id, now).cloned()).collect()
}

/// Returns what backs an image that was observed. A pending one does not list it, but the
/// descriptions that EC2 gives its snapshots name the image.
pub(super) fn backing_of(image: &Image, snapshots: &[Snapshot]) -> Vec<SnapshotId> {
    if image.state != ImageState::Pending || !image.snapshot_ids.is_empty() {
        return image.snapshot_ids.clone();
    }
    let created = format!(" for {}", image.id);
    let copied = format!("Copied for DestinationAmi {} ", image.id);
    let backing = snapshots.iter().filter(|s| {
        let is_created = s.description.starts_with("Created by CreateImage(");
        is_created && s.description.ends_with(&created) || s.description.starts_with(&copied)
    });
    backing.map(|s| s.id).collect()
}

/// Checks an image's name, which no other registered image may bear.
///
/// EC2 API reference, CreateImage: "3-128 alphanumeric characters, parentheses (()), square
/// brackets ([]), spaces ( ), periods (.), slashes (/), dashes (-), single quotes ('), at-signs
/// (@), or underscores(_)".
pub(super) fn check_name(region: &RegionState, name: &str) -> Result<(), Refusal> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(is_allowed) {
        let message = "AMI names must be between 3 and 128 characters long, and may contain \
                       letters, numbers, '(', ')', '.', '-', '/', '[', ']', ' ', ''', '@' and '_'";
        return Err(Refusal::new("InvalidAMIName.Malformed", message));
    }
    if let Some(other) = region.images.values().find(|stored| *stored.image.name == *name) {
        let id = other.image.id;
        let message = format!("AMI name {name} is already in use by AMI {id}");
        return Err(Refusal::new("InvalidAMIName.Duplicate", message));
    }
    Ok(())
}

pub(super) fn new_image_id(region: &RegionState, maker: &mut Maker<'_>) -> ImageId {
    // An account made from an inventory may hold what this stream has handed out before.
    loop {
        let id = next_id(maker.image_ids, "ami-");
        if !region.images.contains_key(&id) {
            return id;
        }
    }
}

/// Deregisters an image; its snapshots stay.
pub(super) fn deregister_image(
    region: &mut RegionState,
    id: ImageId,
    lingers_until: DateTime<Utc>,
) -> Result<(), Refusal> {
    let image = &region.image_mut(id)?.image;
    if image.state == ImageState::Pending {
        let message = format!("The image {id} is in state 'pending'.");
        return Err(Refusal::new("InvalidAMIID.Unavailable", message));
    }
    if image.tags.iter().any(|(key, _)| key.starts_with("aws:backup:")) {
        return Err(Refusal::invalid_parameter(
            "This image is managed by the AWS Backup service and cannot be deleted via EC2 APIs. \
             If you wish to delete this image, please do so via the Backup console.",
        ));
    }
    if image.is_protected {
        let message = format!("The image {id} is protected against deregistration.");
        return Err(Refusal::new("OperationNotPermitted", message));
    }
    region.linger_image(id, lingers_until);
    region.remove_image(id);
    Ok(())
}

/// Sets when an image is deprecated.
pub(super) fn enable_deprecation(
    region: &mut RegionState,
    id: ImageId,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let image = &mut region.image_mut(id)?.image;
    // EC2 API reference, EnableImageDeprecation: "You can't specify a date in the past."
    if at <= now {
        return Err(Refusal::invalid_parameter("DeprecateAt is in the past"));
    }
    image.deprecated_at = Some(at);
    Ok(())
}

impl Sandbox {
    /// Returns how often CreateImage rebooted an instance.
    pub fn n_reboots(&self, id: InstanceId) -> usize {
        self.lock().regions.values().filter_map(|region| region.n_reboots.get(&id)).sum()
    }

    /// Marks an image as one of AWS Backup, of the Marketplace or whatever `change` makes of it.
    pub fn change_image(&self, region: &Region, id: ImageId, change: impl FnOnce(&mut Image)) {
        self.change(region, |state| {
            if let Some(stored) = state.images.get_mut(&id) {
                change(&mut stored.image);
            }
        });
    }
}
