//! The calls that change something.

use chrono::DateTime;

use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::query::form::{Form, bad_value, decode};
use crate::cloud::sandbox::query::xml::Xml;
use crate::cloud::sandbox::query::{Problem, invalid_action, items, permissions, would_succeed};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::{
    Cloud as _, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots, Probe,
};
use crate::domain::ids::{ResourceId, SnapshotId};
use crate::domain::inventory::Snapshot;
use crate::domain::region::Region;

const BAD_SNAPSHOT: &str = "InvalidSnapshotID.Malformed";
const BAD_IMAGE: &str = "InvalidAMIID.Malformed";
const BAD_INSTANCE: &str = "InvalidInstanceID.Malformed";
const BAD_VOLUME: &str = "InvalidVolumeID.Malformed";
/// EC2 API reference, CreateTags: "You can specify up to 1000 resources".
const TAGGED_MAX: usize = 1000;

/// Answers an action; returns the elements of the answer.
pub(super) async fn answer(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    form: Form,
) -> Result<Xml, Problem> {
    match operation {
        "CreateSnapshots" => create_snapshots(sandbox, region, form).await,
        "CreateSnapshot" => create_snapshot(sandbox, region, form).await,
        "CopySnapshot" => copy_snapshot(sandbox, region, form).await,
        "DeleteSnapshot" => delete_snapshot(sandbox, region, form).await,
        "CreateImage" => create_image(sandbox, region, form).await,
        "CopyImage" => copy_image(sandbox, region, form).await,
        "DeregisterImage" => deregister_image(sandbox, region, form).await,
        "CreateTags" => create_tags(sandbox, region, form).await,
        "ModifySnapshotAttribute" | "ModifyImageAttribute" => {
            modify_permissions(sandbox, region, operation, form).await
        }
        "EnableImageDeprecation" => enable_image_deprecation(sandbox, region, form).await,
        _ => Err(invalid_action(operation).into()),
    }
}

/// Ends the reading of a request; one with DryRun ends here, with what EC2 says to it.
async fn begin(
    sandbox: &Sandbox,
    region: Region,
    form: Form,
    probe: impl FnOnce() -> Probe,
) -> Result<(), Problem> {
    if form.end_of_request()? {
        sandbox.dry_run(&region, &probe()).await?;
        return Err(would_succeed().into());
    }
    Ok(())
}

async fn create_snapshots(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let mut instance = form.part("InstanceSpecification");
    let copied = form.take("CopyTagsFromSource");
    if let Some(other) = copied.as_ref().filter(|from| *from != "volume") {
        return Err(bad_value("CopyTagsFromSource", other).into());
    }
    let request = CreateSnapshots {
        instance_id: instance.parsed("InstanceId", BAD_INSTANCE)?,
        exclude_boot_volume: instance.flag("ExcludeBootVolume")?.unwrap_or_default(),
        exclude_data_volume_ids: instance.parsed_list("ExcludeDataVolumeId", BAD_VOLUME)?,
        description: form.take("Description").unwrap_or_default(),
        tags: snapshot_tags(&mut form)?,
        copy_tags_from_volume: copied.is_some(),
    };
    instance.end()?;
    begin(sandbox, region, form, || Probe::CreateSnapshots(request.clone())).await?;
    let created = sandbox.create_snapshots(&region, &request).await?;
    let made = created.iter().filter_map(|created| made(sandbox, region, created.snapshot_id));
    let account = sandbox.account();
    let mut xml = Xml::new();
    xml.list("snapshotSet", made, |xml, snapshot| {
        items::snapshot_of_set(xml, &snapshot, &account);
    });
    Ok(xml)
}

async fn create_snapshot(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let request = CreateSnapshot {
        volume_id: form.parsed("VolumeId", BAD_VOLUME)?,
        description: form.take("Description").unwrap_or_default(),
        tags: snapshot_tags(&mut form)?,
    };
    begin(sandbox, region, form, || Probe::CreateSnapshot(request.clone())).await?;
    let created = sandbox.create_snapshot(&region, &request).await?;
    let mut xml = Xml::new();
    if let Some(snapshot) = made(sandbox, region, created.snapshot_id) {
        items::snapshot(&mut xml, &snapshot, &sandbox.account());
    }
    Ok(xml)
}

async fn copy_snapshot(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let source_region: Region = form.parsed("SourceRegion", "InvalidParameterValue")?;
    let source_snapshot_id: SnapshotId = form.parsed("SourceSnapshotId", BAD_SNAPSHOT)?;
    // Regional endpoints know where they are; it only has to be no other region.
    let destination = form.take("DestinationRegion").filter(|named| named != region.as_str());
    if let Some(other) = destination {
        return Err(bad_value("DestinationRegion", &other).into());
    }
    // "You cannot set this parameter to false" (EC2 API reference, CopySnapshot).
    let encrypted = form.flag("Encrypted")?;
    if encrypted == Some(false) {
        return Err(bad_value("Encrypted", "false").into());
    }
    let url = form.take("PresignedUrl");
    let request = CopySnapshot {
        source_region,
        source_snapshot_id,
        is_source_encrypted: url
            .is_some_and(|url| is_signed_for(&url, source_region, source_snapshot_id, region)),
        description: form.take("Description").unwrap_or_default(),
        encrypted: encrypted.unwrap_or_default(),
        kms_key_id: form.take("KmsKeyId"),
        completion_minutes: form.number("CompletionDurationMinutes")?,
        tags: snapshot_tags(&mut form)?,
    };
    begin(sandbox, region, form, || Probe::CopySnapshot(request.clone())).await?;
    let id = sandbox.copy_snapshot(&region, &request).await?;
    let mut xml = Xml::new();
    xml.text("snapshotId", id);
    xml.list("tagSet", &request.tags, |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
    Ok(xml)
}

/// Returns true if a URL is signed for this copy. EC2 finds out only after its answer, so that one
/// that is not lets the copy fail. The signature itself is not checked.
fn is_signed_for(url: &str, from: Region, id: SnapshotId, to: Region) -> bool {
    let params = url.split_once('?').map(|(_, query)| decode(query)).unwrap_or_default();
    let is = |name: &str, value: &str| params.get(name).is_some_and(|given| given == value);
    is("Action", "CopySnapshot")
        && is("SourceRegion", from.as_str())
        && is("SourceSnapshotId", &id.to_string())
        && is("DestinationRegion", to.as_str())
        && params.contains_key("X-Amz-Signature")
}

async fn delete_snapshot(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let id = form.parsed("SnapshotId", BAD_SNAPSHOT)?;
    begin(sandbox, region, form, || Probe::DeleteSnapshot(id)).await?;
    sandbox.delete_snapshot(&region, id).await?;
    Ok(done())
}

async fn create_image(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let mut left_out_devices = Vec::new();
    for mut mapping in form.items("BlockDeviceMapping") {
        let device = mapping.need("DeviceName")?;
        // Other changes to devices are not played.
        mapping.need("NoDevice")?;
        mapping.end()?;
        left_out_devices.push(device);
    }
    let mut tags = form.tag_specifications(&["image", "snapshot"])?;
    let request = CreateImage {
        instance_id: form.parsed("InstanceId", BAD_INSTANCE)?,
        name: form.need("Name")?,
        description: form.take("Description").unwrap_or_default(),
        no_reboot: form.flag("NoReboot")?.unwrap_or_default(),
        left_out_devices,
        image_tags: tags.remove("image").unwrap_or_default(),
        snapshot_tags: tags.remove("snapshot").unwrap_or_default(),
    };
    begin(sandbox, region, form, || Probe::CreateImage(request.clone())).await?;
    let id = sandbox.create_image(&region, &request).await?;
    let mut xml = Xml::new();
    xml.text("imageId", id);
    Ok(xml)
}

async fn copy_image(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    // The source's tags are never copied here.
    if form.flag("CopyImageTags")? == Some(true) {
        return Err(bad_value("CopyImageTags", "true").into());
    }
    let mut tags = form.tag_specifications(&["image", "snapshot"])?;
    let client_token = form.take("ClientToken").filter(|token| !token.is_empty());
    let request = CopyImage {
        source_region: form.parsed("SourceRegion", "InvalidParameterValue")?,
        source_image_id: form.parsed("SourceImageId", BAD_IMAGE)?,
        name: form.need("Name")?,
        description: form.take("Description").unwrap_or_default(),
        encrypted: form.flag("Encrypted")?.unwrap_or_default(),
        kms_key_id: form.take("KmsKeyId"),
        completion_minutes: form.number("SnapshotCopyCompletionDurationMinutes")?,
        // Each call without one is another call.
        client_token: client_token.unwrap_or_else(|| {
            let n_calls = sandbox.n_calls("CopyImage");
            format!("none of the client's {n_calls}")
        }),
        image_tags: tags.remove("image").unwrap_or_default(),
        snapshot_tags: tags.remove("snapshot").unwrap_or_default(),
    };
    begin(sandbox, region, form, || Probe::CopyImage(request.clone())).await?;
    let id = sandbox.copy_image(&region, &request).await?;
    let mut xml = Xml::new();
    xml.text("imageId", id);
    Ok(xml)
}

async fn deregister_image(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let id = form.parsed("ImageId", BAD_IMAGE)?;
    // Snapshots are never deleted along with it here.
    if form.flag("DeleteAssociatedSnapshots")? == Some(true) {
        return Err(bad_value("DeleteAssociatedSnapshots", "true").into());
    }
    begin(sandbox, region, form, || Probe::DeregisterImage(id)).await?;
    sandbox.deregister_image(&region, id).await?;
    Ok(done())
}

async fn create_tags(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let ids: Vec<ResourceId> = form.parsed_list("ResourceId", "InvalidID")?;
    let tags = form.tags("Tag")?;
    let Some(first) = ids.first().copied() else {
        let message = "The request must contain the parameter resourceIdSet";
        return Err(Refusal::new("MissingParameter", message).into());
    };
    if TAGGED_MAX < ids.len() {
        let message = "A request takes at most 1000 resources";
        return Err(Refusal::invalid_parameter(message).into());
    }
    begin(sandbox, region, form, || Probe::CreateTags(first)).await?;
    // One that does not exist leaves all as they are.
    if let Some(state) = sandbox.lock().regions.get_mut(&region) {
        ids.iter().try_for_each(|id| match id {
            ResourceId::Snapshot(id) => state.snapshot_mut(*id).map(drop),
            ResourceId::Image(id) => state.image_mut(*id).map(drop),
        })?;
    }
    for id in ids {
        sandbox.create_tags(&region, id, &tags).await?;
    }
    Ok(done())
}

async fn modify_permissions(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    mut form: Form,
) -> Result<Xml, Problem> {
    let (id, asked) = if operation == "ModifyImageAttribute" {
        let id = ResourceId::Image(form.parsed("ImageId", BAD_IMAGE)?);
        (id, permissions::read(&mut form, "launchPermission", "LaunchPermission")?)
    } else {
        let id = ResourceId::Snapshot(form.parsed("SnapshotId", BAD_SNAPSHOT)?);
        (id, permissions::read(&mut form, "createVolumePermission", "CreateVolumePermission")?)
    };
    begin(sandbox, region, form, || Probe::ModifyPermissions(id)).await?;
    sandbox.modify_permissions(&region, id, &asked).await?;
    Ok(done())
}

async fn enable_image_deprecation(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let id = form.parsed("ImageId", BAD_IMAGE)?;
    let text = form.need("DeprecateAt")?;
    let at = DateTime::parse_from_rfc3339(&text).map_err(|_| bad_value("DeprecateAt", &text))?;
    begin(sandbox, region, form, || Probe::EnableImageDeprecation(id)).await?;
    sandbox.enable_image_deprecation(&region, id, at.to_utc()).await?;
    Ok(done())
}

fn snapshot_tags(form: &mut Form) -> Result<Vec<(String, String)>, Refusal> {
    let mut tags = form.tag_specifications(&["snapshot"])?;
    Ok(tags.remove("snapshot").unwrap_or_default())
}

/// Returns a snapshot that has just been made.
fn made(sandbox: &Sandbox, region: Region, id: SnapshotId) -> Option<Snapshot> {
    let state = sandbox.lock();
    let stored = state.regions.get(&region)?.snapshots.get(&id)?;
    Some(stored.snapshot.clone())
}

fn done() -> Xml {
    let mut xml = Xml::new();
    xml.text("return", true);
    xml
}
