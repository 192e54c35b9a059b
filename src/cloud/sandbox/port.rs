//! The sandbox as an adapter: which call does what.

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::calls::Effect;
use crate::cloud::sandbox::{
    Sandbox, copy, copy_image, create, delete, image, listing, permissions, references, tagging,
};
use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    Created, EbsEncryption, ImageFilter, ImageReference, Page, Permissions, Probe, Publish,
    SnapshotFilter,
};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Key, Snapshot, Volume};
use crate::domain::region::Region;

impl Cloud for Sandbox {
    async fn describe_regions(&self) -> Result<Vec<Region>, CloudError> {
        let regions: Vec<Region> = self.lock().regions.keys().copied().collect();
        // As with EC2, the call itself goes to some region.
        let Some(first) = regions.first().copied() else { return Ok(regions) };
        self.call("DescribeRegions", &first, String::new(), |_| Ok(regions)).await
    }

    async fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Instance>, CloudError> {
        self.call("DescribeInstances", region, String::new(), |mut effect| {
            let (region, settings) = effect.listing();
            listing::page(&region.instances, ids, token.as_deref(), settings, |i| Some(i.clone()))
        })
        .await
    }

    async fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> Result<Page<Volume>, CloudError> {
        self.call("DescribeVolumes", region, String::new(), |mut effect| {
            let (region, settings) = effect.listing();
            listing::page(&region.volumes, ids, token.as_deref(), settings, |v| Some(v.clone()))
        })
        .await
    }

    async fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> Result<Page<Snapshot>, CloudError> {
        self.call("DescribeSnapshots", region, String::new(), |mut effect| {
            let (now, account) = (effect.maker.now, effect.maker.account.clone());
            let (region, settings) = effect.listing();
            listing::snapshots(region, filter, token.as_deref(), settings, now, &account)
        })
        .await
    }

    async fn describe_images(
        &self,
        region: &Region,
        filter: &ImageFilter,
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        self.call("DescribeImages", region, String::new(), |mut effect| {
            let now = effect.maker.now;
            let (region, settings) = effect.listing();
            listing::images(region, filter, token.as_deref(), settings, now)
        })
        .await
    }

    async fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<SnapshotId>, CloudError> {
        self.call("DescribeLockedSnapshots", region, String::new(), |mut effect| {
            let (region, settings) = effect.listing();
            let all = region.locked.iter().map(|id| (*id, *id)).collect();
            listing::page(&all, &[], token.as_deref(), settings, |id| Some(*id))
        })
        .await
    }

    async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Vec<Created>, CloudError> {
        self.call("CreateSnapshots", region, request.instance_id.to_string(), |mut effect| {
            let (region, maker) = effect.making();
            create::create_snapshots(region, maker, request)
        })
        .await
    }

    async fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> Result<Created, CloudError> {
        self.call("CreateSnapshot", region, request.volume_id.to_string(), |mut effect| {
            let (region, maker) = effect.making();
            create::create_snapshot(region, maker, request)
        })
        .await
    }

    async fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> Result<(), CloudError> {
        self.call("DeleteSnapshot", region, snapshot_id.to_string(), |effect| {
            let Effect { regions, settings, maker } = effect;
            delete::delete_snapshot(regions, *region, snapshot_id, maker.now, settings.lingers_for)
        })
        .await
    }

    async fn create_image(
        &self,
        region: &Region,
        request: &CreateImage,
    ) -> Result<ImageId, CloudError> {
        self.call("CreateImage", region, request.instance_id.to_string(), |mut effect| {
            let (region, maker) = effect.making();
            image::create_image(region, maker, request)
        })
        .await
    }

    async fn copy_snapshot(
        &self,
        region: &Region,
        request: &CopySnapshot,
    ) -> Result<SnapshotId, CloudError> {
        self.call("CopySnapshot", region, request.source_snapshot_id.to_string(), |mut effect| {
            copy::copy_snapshot(effect.regions, &mut effect.maker, request)
        })
        .await
    }

    async fn copy_image(
        &self,
        region: &Region,
        request: &CopyImage,
    ) -> Result<ImageId, CloudError> {
        self.call("CopyImage", region, request.source_image_id.to_string(), |mut effect| {
            copy_image::copy_image(effect.regions, &mut effect.maker, request)
        })
        .await
    }

    async fn deregister_image(&self, region: &Region, image_id: ImageId) -> Result<(), CloudError> {
        self.call("DeregisterImage", region, image_id.to_string(), |mut effect| {
            let lingers_until = effect.maker.now + effect.settings.lingers_for;
            image::deregister_image(effect.region(), image_id, lingers_until)
        })
        .await
    }

    async fn create_tags(
        &self,
        region: &Region,
        id: ResourceId,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        self.call("CreateTags", region, id.to_string(), |mut effect| {
            tagging::create_tags(effect.region(), id, tags)
        })
        .await
    }

    async fn modify_permissions(
        &self,
        region: &Region,
        id: ResourceId,
        asked: &Permissions,
    ) -> Result<(), CloudError> {
        let operation = Probe::ModifyPermissions(id).operation();
        self.call(operation, region, id.to_string(), |mut effect| {
            let (region, maker) = effect.making();
            permissions::modify(region, maker.here, &maker.account, id, asked)
        })
        .await
    }

    async fn enable_image_deprecation(
        &self,
        region: &Region,
        image_id: ImageId,
        at: DateTime<Utc>,
    ) -> Result<(), CloudError> {
        self.call("EnableImageDeprecation", region, image_id.to_string(), |mut effect| {
            let (region, maker) = effect.making();
            image::enable_deprecation(region, image_id, at, maker.now)
        })
        .await
    }

    async fn describe_image_references(
        &self,
        region: &Region,
        image_ids: &[ImageId],
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        self.call("DescribeImageReferences", region, String::new(), |mut effect| {
            let (region, settings) = effect.listing();
            references::of_images(region, image_ids, token.as_deref(), settings)
        })
        .await
    }

    async fn describe_launch_template_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        self.call("DescribeLaunchTemplateVersions", region, String::new(), |mut effect| {
            let (region, settings) = effect.listing();
            references::of_launch_templates(region, token.as_deref(), settings)
        })
        .await
    }

    async fn describe_launch_permissions(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> Result<Vec<String>, CloudError> {
        self.call("DescribeImageAttribute", region, image_id.to_string(), |mut effect| {
            permissions::of_image(effect.region(), image_id)
        })
        .await
    }

    async fn describe_key(&self, region: &Region, key: &str) -> Result<Key, CloudError> {
        self.call("DescribeKey", region, key.to_owned(), |mut effect| {
            let (region, maker) = effect.making();
            region.keys.describe(maker.here, &maker.account, key)
        })
        .await
    }

    async fn ebs_encryption(&self, region: &Region) -> Result<EbsEncryption, CloudError> {
        let ask = async |operation| {
            let encryption = |mut effect: Effect<'_>| Ok(effect.region().keys.ebs_encryption());
            self.call(operation, region, String::new(), encryption).await
        };
        let EbsEncryption { is_by_default, .. } = ask("GetEbsEncryptionByDefault").await?;
        let EbsEncryption { kms_key_id, .. } = ask("GetEbsDefaultKmsKeyId").await?;
        Ok(EbsEncryption { is_by_default, kms_key_id })
    }

    async fn publish(&self, region: &Region, request: &Publish) -> Result<(), CloudError> {
        self.keep_message(region, request).await
    }

    async fn dry_run(&self, region: &Region, probe: &Probe) -> Result<(), CloudError> {
        let resource = match probe {
            Probe::CreateSnapshots(CreateSnapshots { instance_id, .. })
            | Probe::CreateImage(CreateImage { instance_id, .. }) => instance_id.to_string(),
            Probe::CreateSnapshot(request) => request.volume_id.to_string(),
            Probe::CopySnapshot(request) => request.source_snapshot_id.to_string(),
            Probe::CopyImage(request) => request.source_image_id.to_string(),
            Probe::DeleteSnapshot(id) => id.to_string(),
            Probe::DeregisterImage(id) | Probe::EnableImageDeprecation(id) => id.to_string(),
            Probe::CreateTags(id) | Probe::ModifyPermissions(id) => id.to_string(),
        };
        self.try_call(probe.operation(), region, &resource).await
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.lock().settings.clock_skew
    }
}
