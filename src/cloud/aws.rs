//! The adapter to the real EC2, KMS, SNS and Systems Manager, and the only place that names their
//! SDKs.
//!
//! It turns each call of the port into one request and each reply into nouns of the domain. It
//! decides nothing: pages, pace and the retries of what changes something are the caller's. An
//! answer that it cannot read is an error, never a shorter list.

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    Created, EbsEncryption, ImageFilter, ImageReference, Page, Permissions, Probe, Publish,
    SnapshotFilter,
};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Key, Snapshot, Volume};
use crate::domain::region::Region;

mod client;
mod convert;
mod copy;
mod credentials;
mod dry_run;
mod endpoint;
mod error;
mod image;
mod keys;
mod parameter;
mod permissions;
mod presign;
mod read;
mod references;
mod replies;
mod role;
mod sns;
mod write;

pub use client::{AwsCloud, ConnectError, Defaults};
pub use parameter::SsmParameter;
pub use role::AssumeRole;

/// What a call knows of itself, for its errors.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    operation: &'static str,
    region: &'a Region,
}

impl Cloud for AwsCloud {
    async fn describe_regions(&self) -> Result<Vec<Region>, CloudError> {
        read::regions(&self.client(self.home()), self.home()).await
    }

    async fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Instance>, CloudError> {
        read::instances(&self.client(region), region, ids, token).await
    }

    async fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> Result<Page<Volume>, CloudError> {
        read::volumes(&self.client(region), region, ids, token).await
    }

    async fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> Result<Page<Snapshot>, CloudError> {
        read::snapshots(&self.client(region), region, filter, token).await
    }

    async fn describe_images(
        &self,
        region: &Region,
        filter: &ImageFilter,
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        image::list(&self.client(region), region, filter, token).await
    }

    async fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<SnapshotId>, CloudError> {
        read::locked_snapshots(&self.client(region), region, token).await
    }

    async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Vec<Created>, CloudError> {
        write::create_snapshots(&self.client(region), region, request).await
    }

    async fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> Result<Created, CloudError> {
        write::create_snapshot(&self.client(region), region, request).await
    }

    async fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> Result<(), CloudError> {
        write::delete_snapshot(&self.client(region), region, snapshot_id).await
    }

    async fn create_image(
        &self,
        region: &Region,
        request: &CreateImage,
    ) -> Result<ImageId, CloudError> {
        image::create(&self.client(region), region, request).await
    }

    async fn copy_snapshot(
        &self,
        region: &Region,
        request: &CopySnapshot,
    ) -> Result<SnapshotId, CloudError> {
        copy::snapshot(self, region, request).await
    }

    async fn copy_image(
        &self,
        region: &Region,
        request: &CopyImage,
    ) -> Result<ImageId, CloudError> {
        copy::image(&self.client(region), region, request).await
    }

    async fn deregister_image(&self, region: &Region, image_id: ImageId) -> Result<(), CloudError> {
        image::deregister(&self.client(region), region, image_id).await
    }

    async fn create_tags(
        &self,
        region: &Region,
        id: ResourceId,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        write::create_tags(&self.client(region), region, id, tags).await
    }

    async fn modify_permissions(
        &self,
        region: &Region,
        id: ResourceId,
        permissions: &Permissions,
    ) -> Result<(), CloudError> {
        permissions::modify(&self.client(region), region, id, permissions).await
    }

    async fn enable_image_deprecation(
        &self,
        region: &Region,
        image_id: ImageId,
        at: DateTime<Utc>,
    ) -> Result<(), CloudError> {
        image::deprecate(&self.client(region), region, image_id, at).await
    }

    async fn describe_image_references(
        &self,
        region: &Region,
        image_ids: &[ImageId],
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        references::of_images(&self.client(region), region, image_ids, token).await
    }

    async fn describe_launch_template_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        references::of_launch_templates(&self.client(region), region, token).await
    }

    async fn describe_launch_permissions(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> Result<Vec<String>, CloudError> {
        permissions::of_image(&self.client(region), region, image_id).await
    }

    async fn describe_key(&self, region: &Region, key: &str) -> Result<Key, CloudError> {
        keys::describe(self, region, key).await
    }

    async fn ebs_encryption(&self, region: &Region) -> Result<EbsEncryption, CloudError> {
        keys::ebs_encryption(&self.client(region), region).await
    }

    async fn publish(&self, region: &Region, request: &Publish) -> Result<(), CloudError> {
        sns::publish(self, region, request).await
    }

    async fn dry_run(&self, region: &Region, probe: &Probe) -> Result<(), CloudError> {
        dry_run::ask(self, region, probe).await
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.replies().clock_skew()
    }
}

#[cfg(test)]
mod tests;
