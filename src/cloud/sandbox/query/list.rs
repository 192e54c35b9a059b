//! The calls that only read.

use std::fmt::Display;

use crate::cloud::sandbox::calls::Effect;
use crate::cloud::sandbox::query::filter::Filters;
use crate::cloud::sandbox::query::form::Form;
use crate::cloud::sandbox::query::paging::{Paging, check_ids, is_of};
use crate::cloud::sandbox::query::xml::{Xml, written};
use crate::cloud::sandbox::query::{Problem, invalid_action, items, permissions, would_succeed};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::{Sandbox, listing};
use crate::cloud::{Cloud as _, ImageReference, Page};
use crate::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::ImageState;
use crate::domain::region::Region;

const INSTANCE_FILTERS: &[&str] = &[
    "block-device-mapping.volume-id",
    "image-id",
    "instance-id",
    "instance-state-name",
    "owner-id",
    "root-device-name",
];
const VOLUME_FILTERS: &[&str] =
    &["attachment.instance-id", "encrypted", "size", "status", "volume-id", "volume-type"];
const SNAPSHOT_FILTERS: &[&str] = &[
    "description",
    "encrypted",
    "owner-id",
    "snapshot-id",
    "start-time",
    "status",
    "volume-id",
    "volume-size",
];
const IMAGE_FILTERS: &[&str] = &[
    "block-device-mapping.snapshot-id",
    "description",
    "image-id",
    "is-public",
    "name",
    "source-instance-id",
    "state",
];

/// Answers an action; returns the elements of the answer.
pub(super) async fn answer(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    form: Form,
) -> Result<Xml, Problem> {
    match operation {
        "DescribeRegions" => regions(sandbox, form).await,
        "DescribeInstances" => instances(sandbox, region, form).await,
        "DescribeVolumes" => volumes(sandbox, region, form).await,
        "DescribeSnapshots" => snapshots(sandbox, region, form).await,
        "DescribeImages" => images(sandbox, region, form).await,
        "DescribeLockedSnapshots" => locked_snapshots(sandbox, region, form).await,
        "DescribeImageReferences" => image_references(sandbox, region, form).await,
        "DescribeLaunchTemplateVersions" => template_versions(sandbox, region, form).await,
        "DescribeImageAttribute" => permissions::of_image(sandbox, region, form).await,
        "GetEbsEncryptionByDefault" | "GetEbsDefaultKmsKeyId" => {
            ebs_encryption(sandbox, region, operation, form).await
        }
        _ => Err(invalid_action(operation).into()),
    }
}

/// Makes a listing's call, or asks whether it is allowed.
async fn list(
    sandbox: &Sandbox,
    region: Region,
    operation: &'static str,
    form: Form,
    effect: impl FnOnce(Effect<'_>) -> Result<Page<Xml>, Refusal> + Send,
) -> Result<Page<Xml>, Problem> {
    if form.end_of_request()? {
        sandbox.try_call(operation, &region, "").await?;
        return Err(would_succeed().into());
    }
    Ok(sandbox.call(operation, &region, String::new(), effect).await?)
}

fn listed(name: &str, page: Page<Xml>) -> Xml {
    let mut xml = Xml::new();
    xml.list(name, &page.items, |xml, item| _ = xml.written(item));
    xml.optional("nextToken", page.next_token);
    xml
}

fn zone_of(region: Region) -> String {
    format!("{region}a")
}

async fn regions(sandbox: &Sandbox, mut form: Form) -> Result<Xml, Problem> {
    let names = form.list("RegionName");
    let filters = Filters::read(&mut form, &["region-name", "endpoint"])?;
    // All that there are here are enabled.
    form.flag("AllRegions")?;
    if form.end_of_request()? {
        return Err(would_succeed().into());
    }
    let endpoint = |region: &Region| format!("ec2.{region}.amazonaws.com");
    let mut regions = sandbox.describe_regions().await?;
    check_ids(&names, "InvalidParameterValue", |n| regions.iter().any(|r| r.as_str() == *n))?;
    regions.retain(|region| {
        let is_named = names.is_empty() || names.iter().any(|name| name == region.as_str());
        let of = |filter: &str| match filter {
            "endpoint" => vec![endpoint(region)],
            _ => vec![region.to_string()],
        };
        is_named && filters.let_through(&crate::domain::tags::Tags::default(), of)
    });
    let mut xml = Xml::new();
    xml.list("regionInfo", regions, |xml, region| {
        xml.text("regionName", region).text("regionEndpoint", endpoint(&region));
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}

async fn instances(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let ids: Vec<InstanceId> = form.parsed_list("InstanceId", "InvalidInstanceID.Malformed")?;
    let filters = Filters::read(&mut form, INSTANCE_FILTERS)?;
    let paging = Paging::read(&mut form, !ids.is_empty())?;
    // Nothing here is hidden because another service manages it.
    form.flag("IncludeManagedResources")?;
    let page = list(sandbox, region, "DescribeInstances", form, |mut effect| {
        let account = effect.maker.account.clone();
        let zone = zone_of(region);
        let (state, settings) = effect.listing();
        check_ids(&ids, "InvalidInstanceID.NotFound", |id| state.instances.contains_key(id))?;
        let token = paging.token.as_deref();
        listing::page(&state.instances, &ids, token, &paging.settings(settings), |instance| {
            let of = |filter: &str| match filter {
                "block-device-mapping.volume-id" => {
                    instance.volumes.iter().map(|v| v.volume_id.to_string()).collect()
                }
                "image-id" => one(instance.image_id),
                "instance-state-name" => one(Some(instance.state.name())),
                "owner-id" => one(instance.owner_id.as_ref().or(Some(&account))),
                "root-device-name" => one(instance.root_device.as_ref()),
                _ => one(Some(instance.id)),
            };
            let is_wanted = filters.let_through(&instance.tags, of);
            is_wanted.then(|| made(|xml| items::instance(xml, instance, &account, &zone)))
        })
    });
    Ok(listed("reservationSet", page.await?))
}

async fn volumes(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let ids: Vec<VolumeId> = form.parsed_list("VolumeId", "InvalidVolumeID.Malformed")?;
    let filters = Filters::read(&mut form, VOLUME_FILTERS)?;
    let paging = Paging::read(&mut form, !ids.is_empty())?;
    form.flag("IncludeManagedResources")?;
    let page = list(sandbox, region, "DescribeVolumes", form, |mut effect| {
        let account = effect.maker.account.clone();
        let zone = zone_of(region);
        let (state, settings) = effect.listing();
        let default_key = state.keys.default_arn(region, &account);
        check_ids(&ids, "InvalidVolume.NotFound", |id| state.volumes.contains_key(id))?;
        let token = paging.token.as_deref();
        listing::page(&state.volumes, &ids, token, &paging.settings(settings), |volume| {
            let of = |filter: &str| match filter {
                "attachment.instance-id" => {
                    let attached = state.instances.values();
                    let attached =
                        attached.filter(|i| i.volumes.iter().any(|v| v.volume_id == volume.id));
                    attached.map(|instance| instance.id.to_string()).collect()
                }
                "encrypted" => one(Some(state.encrypted_volumes.contains_key(&volume.id))),
                "size" => one(Some(volume.size_gib)),
                "status" => one(Some(&volume.state)),
                "volume-type" => one(Some(&volume.volume_type)),
                _ => one(Some(volume.id)),
            };
            let is_wanted = filters.let_through(&volume.tags, of);
            is_wanted.then(|| made(|xml| items::volume(xml, volume, state, &default_key, &zone)))
        })
    });
    Ok(listed("volumeSet", page.await?))
}

async fn snapshots(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let ids: Vec<SnapshotId> = form.parsed_list("SnapshotId", "InvalidSnapshotID.Malformed")?;
    let owners = form.list("Owner");
    let filters = Filters::read(&mut form, SNAPSHOT_FILTERS)?;
    let paging = Paging::read(&mut form, !ids.is_empty())?;
    let page = list(sandbox, region, "DescribeSnapshots", form, |mut effect| {
        let (now, account) = (effect.maker.now, effect.maker.account.clone());
        let (state, settings) = effect.listing();
        let is_seen = |id: &SnapshotId| {
            state.snapshots.get(id).is_some_and(|stored| stored.visible_from <= now)
        };
        check_ids(&ids, "InvalidSnapshot.NotFound", is_seen)?;
        let token = paging.token.as_deref();
        listing::page(&state.snapshots, &ids, token, &paging.settings(settings), |stored| {
            let snapshot = &stored.snapshot;
            let owner = snapshot.owner_id.as_ref().unwrap_or(&account);
            let of = |filter: &str| match filter {
                "description" => one(Some(&snapshot.description)),
                "encrypted" => one(Some(snapshot.is_encrypted)),
                "owner-id" => one(Some(owner)),
                "start-time" => one(Some(written(snapshot.started_at))),
                "status" => one(Some(snapshot.state.name())),
                "volume-id" => one(snapshot.volume_id),
                "volume-size" => one(Some(snapshot.volume_size_gib)),
                _ => one(Some(snapshot.id)),
            };
            let is_wanted = stored.visible_from <= now
                && is_of(&owners, owner, &account)
                && filters.let_through(&snapshot.tags, of);
            is_wanted.then(|| made(|xml| items::snapshot(xml, snapshot, &account)))
        })
    });
    Ok(listed("snapshotSet", page.await?))
}

async fn images(sandbox: &Sandbox, region: Region, mut form: Form) -> Result<Xml, Problem> {
    let ids: Vec<ImageId> = form.parsed_list("ImageId", "InvalidAMIID.Malformed")?;
    let owners = form.list("Owner");
    let filters = Filters::read(&mut form, IMAGE_FILTERS)?;
    let paging = Paging::read(&mut form, !ids.is_empty())?;
    // "By default, no disabled AMIs are included in the response" (EC2 API reference). Who owns a
    // deprecated one sees it anyway.
    let has_disabled = form.flag("IncludeDisabled")?.unwrap_or_default();
    form.flag("IncludeDeprecated")?;
    let page = list(sandbox, region, "DescribeImages", form, |mut effect| {
        let (now, account) = (effect.maker.now, effect.maker.account.clone());
        let (state, settings) = effect.listing();
        let is_seen =
            |id: &ImageId| state.images.get(id).is_some_and(|stored| stored.visible_from <= now);
        check_ids(&ids, "InvalidAMIID.NotFound", is_seen)?;
        let token = paging.token.as_deref();
        listing::page(&state.images, &ids, token, &paging.settings(settings), |stored| {
            let image = &stored.image;
            let of = |filter: &str| match filter {
                "block-device-mapping.snapshot-id" => {
                    image.snapshot_ids.iter().map(ToString::to_string).collect()
                }
                "description" => one(Some(&image.description)),
                "is-public" => one(Some(image.is_public)),
                "name" => one(Some(&image.name)),
                "source-instance-id" => one(image.source_instance_id),
                "state" => one(Some(image.state.name())),
                _ => one(Some(image.id)),
            };
            let is_wanted = stored.visible_from <= now
                && (has_disabled || image.state != ImageState::Disabled)
                && is_of(&owners, &account, &account)
                && filters.let_through(&image.tags, of);
            is_wanted.then(|| made(|xml| items::image(xml, image, state, &account)))
        })
    });
    Ok(listed("imagesSet", page.await?))
}

async fn locked_snapshots(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let ids: Vec<SnapshotId> = form.parsed_list("SnapshotId", "InvalidSnapshotID.Malformed")?;
    let paging = Paging::read(&mut form, !ids.is_empty())?;
    let page = list(sandbox, region, "DescribeLockedSnapshots", form, |mut effect| {
        let account = effect.maker.account.clone();
        let (state, settings) = effect.listing();
        let all = state.locked.iter().map(|id| (*id, *id)).collect();
        listing::page(&all, &ids, paging.token.as_deref(), &paging.settings(settings), |id| {
            Some(made(|xml| {
                xml.text("ownerId", &account).text("snapshotId", id);
                xml.text("lockState", "governance");
            }))
        })
    });
    Ok(listed("snapshotSet", page.await?))
}

async fn image_references(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    let ids: Vec<ImageId> = form.parsed_list("ImageId", "InvalidAMIID.Malformed")?;
    let paging = Paging::read(&mut form, false)?;
    if !form.flag("IncludeAllResourceTypes")?.unwrap_or_default() {
        // ResourceType.N would narrow it down; nobody here asks so.
        let message = "The request must contain the parameter IncludeAllResourceTypes";
        return Err(Refusal::new("MissingParameter", message).into());
    }
    if form.end_of_request()? {
        sandbox.try_call("DescribeImageReferences", &region, "").await?;
        return Err(would_succeed().into());
    }
    let account = sandbox.account();
    let page = sandbox.describe_image_references(&region, &ids, paging.token).await?;
    let mut xml = Xml::new();
    xml.list("imageReferenceSet", page.items, |xml, ImageReference { image_id, by }| {
        let (kind, id) = by.rsplit_once(' ').unwrap_or(("", &by));
        let (kind, arn) = match kind {
            "instance" => ("ec2:Instance", format!("ec2:{region}:{account}:instance/{id}")),
            "launch template" => {
                ("ec2:LaunchTemplate", format!("ec2:{region}:{account}:launch-template/{id}"))
            }
            _ => {
                let name = id.trim_start_matches('/');
                ("ssm:Parameter", format!("ssm:{region}:{account}:parameter/{name}"))
            }
        };
        xml.text("imageId", image_id).text("resourceType", kind);
        xml.text("arn", format!("arn:aws:{arn}"));
    });
    xml.optional("nextToken", page.next_token);
    Ok(xml)
}

async fn template_versions(
    sandbox: &Sandbox,
    region: Region,
    mut form: Form,
) -> Result<Xml, Problem> {
    // One version each is all that there is.
    for version in form.list("LaunchTemplateVersion") {
        if !matches!(version.as_str(), "$Latest" | "$Default") {
            return Err(super::form::bad_value("LaunchTemplateVersion", &version).into());
        }
    }
    let paging = Paging::read(&mut form, false)?;
    if form.end_of_request()? {
        sandbox.try_call("DescribeLaunchTemplateVersions", &region, "").await?;
        return Err(would_succeed().into());
    }
    let page = sandbox.describe_launch_template_images(&region, paging.token).await?;
    let mut xml = Xml::new();
    xml.list("launchTemplateVersionSet", page.items, |xml, ImageReference { image_id, by }| {
        let id = by.rsplit(' ').next().unwrap_or_default();
        xml.text("launchTemplateId", id).text("launchTemplateName", id);
        xml.text("versionNumber", 1).text("defaultVersion", true);
        xml.element("launchTemplateData", |xml| _ = xml.text("imageId", image_id));
    });
    xml.optional("nextToken", page.next_token);
    Ok(xml)
}

async fn ebs_encryption(
    sandbox: &Sandbox,
    region: Region,
    operation: &str,
    form: Form,
) -> Result<Xml, Problem> {
    let is_default_key = operation == "GetEbsDefaultKmsKeyId";
    let operation =
        if is_default_key { "GetEbsDefaultKmsKeyId" } else { "GetEbsEncryptionByDefault" };
    if form.end_of_request()? {
        sandbox.try_call(operation, &region, "").await?;
        return Err(would_succeed().into());
    }
    let read = |mut effect: Effect<'_>| Ok(effect.region().keys.ebs_encryption());
    let encryption = sandbox.call(operation, &region, String::new(), read).await?;
    let mut xml = Xml::new();
    if is_default_key {
        xml.text("kmsKeyId", encryption.kms_key_id);
    } else {
        xml.text("ebsEncryptionByDefault", encryption.is_by_default);
    }
    Ok(xml)
}

fn one(value: Option<impl Display>) -> Vec<String> {
    value.map(|value| value.to_string()).into_iter().collect()
}

fn made(fill: impl FnOnce(&mut Xml)) -> Xml {
    let mut xml = Xml::new();
    fill(&mut xml);
    xml
}
