//! How EC2 writes an instance, a volume, a snapshot and an image.
//!
//! What the sandbox does not know, such as an instance's type, is left out: clients have it as
//! absent. Names are those of the EC2 API's model.

use std::sync::Arc;

use crate::cloud::sandbox::query::xml::{Xml, written};
use crate::cloud::sandbox::state::RegionState;
use crate::domain::inventory::{Image, ImageState, Instance, InstanceState, Snapshot, Volume};
use crate::domain::region::Region;
use crate::domain::tags::Tags;

pub(super) fn instance(xml: &mut Xml, instance: &Instance, account: &str, zone: &str) {
    xml.text("reservationId", instance.id.to_string().replacen("i-", "r-", 1));
    xml.text("ownerId", instance.owner_id.as_deref().unwrap_or(account));
    xml.element("groupSet", |_| ());
    xml.list("instancesSet", [instance], |xml, instance| {
        xml.text("instanceId", instance.id);
        xml.optional("imageId", instance.image_id);
        xml.element("instanceState", |xml| {
            xml.text("code", state_code(instance.state)).text("name", instance.state.name());
        });
        xml.optional("launchTime", instance.launched_at.map(written));
        xml.element("placement", |xml| _ = xml.text("availabilityZone", zone));
        let kind = if instance.is_instance_store { "instance-store" } else { "ebs" };
        xml.text("rootDeviceType", kind);
        xml.optional("rootDeviceName", instance.root_device.as_ref());
        xml.list("blockDeviceMapping", &instance.volumes, |xml, volume| {
            xml.text("deviceName", &volume.device);
            xml.element("ebs", |xml| {
                xml.text("volumeId", volume.volume_id).text("status", "attached");
                xml.optional("attachTime", volume.attached_at.map(written));
            });
        });
        tags(xml, &instance.tags);
    });
}

/// EC2 API reference, InstanceState: the low byte of `code`.
fn state_code(state: InstanceState) -> u8 {
    match state {
        InstanceState::Pending => 0,
        InstanceState::Running => 16,
        InstanceState::ShuttingDown => 32,
        InstanceState::Terminated => 48,
        InstanceState::Stopping => 64,
        InstanceState::Stopped => 80,
    }
}

/// Writes a volume of `state`; `default_key` is what EBS takes where nobody names a key.
pub(super) fn volume(
    xml: &mut Xml,
    volume: &Volume,
    state: &RegionState,
    default_key: &Arc<str>,
    zone: &str,
) {
    xml.text("volumeId", volume.id).text("size", volume.size_gib).text("availabilityZone", zone);
    xml.text("status", &volume.state);
    xml.optional("createTime", volume.created_at.map(written));
    let attached = state.instances.values().flat_map(|instance| {
        let here = instance.volumes.iter().filter(|attached| attached.volume_id == volume.id);
        here.map(|attached| (instance.id, attached))
    });
    xml.list("attachmentSet", attached, |xml, (instance_id, attached)| {
        xml.text("volumeId", volume.id).text("instanceId", instance_id);
        xml.text("device", &attached.device).text("status", "attached");
        xml.optional("attachTime", attached.attached_at.map(written));
    });
    xml.text("volumeType", &volume.volume_type);
    let key = state.encrypted_volumes.get(&volume.id);
    xml.text("encrypted", key.is_some());
    xml.optional("kmsKeyId", key.map(|key| key.as_ref().unwrap_or(default_key)));
    tags(xml, &volume.tags);
}

pub(super) fn snapshot(xml: &mut Xml, snapshot: &Snapshot, account: &str) {
    xml.text("snapshotId", snapshot.id);
    xml.optional("volumeId", snapshot.volume_id);
    xml.text("status", snapshot.state.name());
    xml.optional("statusMessage", snapshot.state_message.as_ref());
    snapshot_facts(xml, snapshot, account);
}

/// Writes a snapshot of a set as CreateSnapshots does, which calls the state otherwise.
pub(super) fn snapshot_of_set(xml: &mut Xml, snapshot: &Snapshot, account: &str) {
    xml.text("snapshotId", snapshot.id);
    xml.optional("volumeId", snapshot.volume_id);
    xml.text("state", snapshot.state.name());
    snapshot_facts(xml, snapshot, account);
}

fn snapshot_facts(xml: &mut Xml, snapshot: &Snapshot, account: &str) {
    xml.instant("startTime", snapshot.started_at);
    let is_whole = snapshot.state.name() == "completed";
    xml.text("progress", if is_whole { "100%" } else { "" });
    xml.text("ownerId", snapshot.owner_id.as_deref().unwrap_or(account));
    xml.text("volumeSize", snapshot.volume_size_gib);
    xml.text("description", &snapshot.description);
    xml.text("encrypted", snapshot.is_encrypted);
    xml.optional("kmsKeyId", snapshot.kms_key_id.as_ref());
    xml.text("storageTier", "standard");
    tags(xml, &snapshot.tags);
}

pub(super) fn image(xml: &mut Xml, image: &Image, state: &RegionState, account: &str) {
    xml.text("imageId", image.id).text("imageLocation", format!("{account}/{}", image.name));
    xml.text("imageState", image.state.name()).text("imageOwnerId", account);
    xml.text("isPublic", image.is_public);
    xml.optional("creationDate", image.created_at.map(written));
    xml.optional("deprecationTime", image.deprecated_at.map(written));
    xml.text("name", &image.name).text("description", &image.description);
    let kind = if image.is_instance_store { "instance-store" } else { "ebs" };
    xml.text("rootDeviceType", kind);
    if let Some(message) = &image.state_message {
        xml.element("stateReason", |xml| {
            xml.text("code", "Client.InternalError").text("message", message);
        });
    }
    if image.has_product_codes {
        xml.list("productCodes", ["774F4FF8"], |xml, code| {
            xml.text("productCode", code).text("type", "marketplace");
        });
    }
    xml.optional("sourceInstanceId", image.source_instance_id);
    xml.optional("sourceImageId", image.source_image_id);
    xml.optional("sourceImageRegion", image.source_image_region.as_ref().map(Region::as_str));
    let protection = if image.is_protected { "enabled" } else { "disabled" };
    xml.text("deregistrationProtection", protection);
    devices(xml, image, state);
    tags(xml, &image.tags);
}

/// Writes the block devices. The sandbox knows no names of an image's devices; one without a
/// snapshot is what its snapshots do not account for, as of a pending image.
fn devices(xml: &mut Xml, image: &Image, state: &RegionState) {
    let found = image.snapshot_ids.iter().map(|id| (Some(*id), state.snapshots.get(id)));
    let mut devices: Vec<_> = found
        .map(|(id, stored)| {
            let size = stored.map_or(0, |stored| stored.snapshot.volume_size_gib);
            let is_encrypted = stored.is_some_and(|stored| stored.snapshot.is_encrypted);
            (id, size, image.is_encrypted || is_encrypted)
        })
        .collect();
    let known: u32 = devices.iter().map(|(_, size, _)| size).sum();
    match image.size_gib.checked_sub(known) {
        None | Some(0) => {}
        Some(rest) if image.state != ImageState::Pending && !devices.is_empty() => {
            devices[0].1 += rest;
        }
        Some(rest) => devices.push((None, rest, image.is_encrypted)),
    }
    let numbered = devices.into_iter().enumerate();
    xml.list("blockDeviceMapping", numbered, |xml, (n, (snapshot_id, size, is_encrypted))| {
        xml.text("deviceName", format!("/dev/xvd{n}"));
        xml.element("ebs", |xml| {
            xml.optional("snapshotId", snapshot_id);
            xml.text("volumeSize", size).text("encrypted", is_encrypted);
        });
    });
}

fn tags(xml: &mut Xml, tags: &Tags) {
    xml.list("tagSet", tags.iter(), |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
}
