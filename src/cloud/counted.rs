//! Counts the calls that go through it, by region and operation, and how they ended.
//!
//! Changes nothing about them. Only reads that an adapter repeats by itself are not seen here.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    Created, EbsEncryption, ErrorKind, ImageFilter, ImageReference, Page, Permissions, Probe,
    SnapshotFilter,
};
use crate::domain::api_calls::{ApiCalls, CallEnd};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Key, Snapshot, Volume};
use crate::domain::region::Region;

/// An EC2 whose calls are counted.
#[derive(Debug)]
pub struct Counted<'c, C> {
    cloud: &'c C,
    calls: Mutex<ApiCalls>,
}

impl<'c, C> Counted<'c, C> {
    /// Counts what goes through it to `cloud`, from none on.
    pub fn new(cloud: &'c C) -> Self {
        Self { cloud, calls: Mutex::default() }
    }

    /// Returns what was counted.
    pub fn into_calls(self) -> ApiCalls {
        self.calls.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn count<T>(
        &self,
        region: Option<&Region>,
        operation: &'static str,
        res: Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let end = match &res {
            Ok(_) => CallEnd::Answered,
            Err(err) if err.kind == ErrorKind::Throttled => CallEnd::Throttled,
            Err(_) => CallEnd::Failed,
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.count(region.copied(), operation, end);
        res
    }
}

impl<C: Cloud> Cloud for Counted<'_, C> {
    async fn describe_regions(&self) -> Result<Vec<Region>, CloudError> {
        self.count(None, "DescribeRegions", self.cloud.describe_regions().await)
    }

    async fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Instance>, CloudError> {
        let res = self.cloud.describe_instances(region, ids, token).await;
        self.count(Some(region), "DescribeInstances", res)
    }

    async fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> Result<Page<Volume>, CloudError> {
        let res = self.cloud.describe_volumes(region, ids, token).await;
        self.count(Some(region), "DescribeVolumes", res)
    }

    async fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> Result<Page<Snapshot>, CloudError> {
        let res = self.cloud.describe_snapshots(region, filter, token).await;
        self.count(Some(region), "DescribeSnapshots", res)
    }

    async fn describe_images(
        &self,
        region: &Region,
        filter: &ImageFilter,
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        let res = self.cloud.describe_images(region, filter, token).await;
        self.count(Some(region), "DescribeImages", res)
    }

    async fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<SnapshotId>, CloudError> {
        let res = self.cloud.describe_locked_snapshots(region, token).await;
        self.count(Some(region), "DescribeLockedSnapshots", res)
    }

    async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Vec<Created>, CloudError> {
        let res = self.cloud.create_snapshots(region, request).await;
        self.count(Some(region), "CreateSnapshots", res)
    }

    async fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> Result<Created, CloudError> {
        let res = self.cloud.create_snapshot(region, request).await;
        self.count(Some(region), "CreateSnapshot", res)
    }

    async fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> Result<(), CloudError> {
        let res = self.cloud.delete_snapshot(region, snapshot_id).await;
        self.count(Some(region), "DeleteSnapshot", res)
    }

    async fn create_image(
        &self,
        region: &Region,
        request: &CreateImage,
    ) -> Result<ImageId, CloudError> {
        let res = self.cloud.create_image(region, request).await;
        self.count(Some(region), "CreateImage", res)
    }

    async fn copy_snapshot(
        &self,
        region: &Region,
        request: &CopySnapshot,
    ) -> Result<SnapshotId, CloudError> {
        let res = self.cloud.copy_snapshot(region, request).await;
        self.count(Some(region), "CopySnapshot", res)
    }

    async fn copy_image(
        &self,
        region: &Region,
        request: &CopyImage,
    ) -> Result<ImageId, CloudError> {
        let res = self.cloud.copy_image(region, request).await;
        self.count(Some(region), "CopyImage", res)
    }

    async fn deregister_image(&self, region: &Region, image_id: ImageId) -> Result<(), CloudError> {
        let res = self.cloud.deregister_image(region, image_id).await;
        self.count(Some(region), "DeregisterImage", res)
    }

    async fn create_tags(
        &self,
        region: &Region,
        id: ResourceId,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let res = self.cloud.create_tags(region, id, tags).await;
        self.count(Some(region), "CreateTags", res)
    }

    async fn modify_permissions(
        &self,
        region: &Region,
        id: ResourceId,
        permissions: &Permissions,
    ) -> Result<(), CloudError> {
        let res = self.cloud.modify_permissions(region, id, permissions).await;
        self.count(Some(region), Probe::ModifyPermissions(id).operation(), res)
    }

    async fn enable_image_deprecation(
        &self,
        region: &Region,
        image_id: ImageId,
        at: DateTime<Utc>,
    ) -> Result<(), CloudError> {
        let res = self.cloud.enable_image_deprecation(region, image_id, at).await;
        self.count(Some(region), "EnableImageDeprecation", res)
    }

    async fn describe_image_references(
        &self,
        region: &Region,
        image_ids: &[ImageId],
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        let res = self.cloud.describe_image_references(region, image_ids, token).await;
        self.count(Some(region), "DescribeImageReferences", res)
    }

    async fn describe_launch_template_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        let res = self.cloud.describe_launch_template_images(region, token).await;
        self.count(Some(region), "DescribeLaunchTemplateVersions", res)
    }

    async fn describe_launch_permissions(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> Result<Vec<String>, CloudError> {
        let res = self.cloud.describe_launch_permissions(region, image_id).await;
        self.count(Some(region), "DescribeImageAttribute", res)
    }

    async fn describe_key(&self, region: &Region, key: &str) -> Result<Key, CloudError> {
        let res = self.cloud.describe_key(region, key).await;
        self.count(Some(region), "DescribeKey", res)
    }

    async fn dry_run(&self, region: &Region, probe: &Probe) -> Result<(), CloudError> {
        let res = self.cloud.dry_run(region, probe).await;
        self.count(Some(region), probe.operation(), res)
    }

    async fn ebs_encryption(&self, region: &Region) -> Result<EbsEncryption, CloudError> {
        // The first of two requests, without whose answer there is no second.
        let res = self.cloud.ebs_encryption(region).await;
        self.count(Some(region), "GetEbsEncryptionByDefault", res)
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.cloud.clock_skew()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::Counted;
    use crate::cloud::observe::observe;
    use crate::cloud::sandbox::{Fault, Rule, Sandbox};
    use crate::cloud::{Cloud as _, Page};
    use crate::domain::region::Region;

    #[tokio::test]
    async fn every_call_is_counted_once_with_its_end() {
        let sandbox = Sandbox::new(chrono::DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let regions: Vec<Region> =
            ["eu-west-1", "us-east-1"].map(|name| name.parse().unwrap()).into();
        for region in &regions {
            sandbox.add_region(region);
        }
        sandbox.fail(Rule::next("DescribeVolumes").in_region(&regions[0]), Fault::Throttled);
        sandbox.fail(Rule::next("DescribeImages").in_region(&regions[1]), Fault::Denied);
        let counted = Counted::new(&sandbox);
        let observed = sandbox.time().drive(observe(&counted, &regions)).await;
        assert_eq!(observed.regions.len(), 2);
        let Page { items, .. } = counted.describe_volumes(&regions[0], &[], None).await.unwrap();
        assert_eq!(items.len(), 0);
        assert_eq!(counted.describe_regions().await.unwrap().len(), 2);

        let calls = counted.into_calls();
        let n: Vec<_> = calls
            .iter()
            .map(|(region, operation, calls)| {
                let region = region.map_or_else(String::new, |region| region.to_string());
                (region, operation, (calls.all, calls.throttled, calls.failed))
            })
            .collect();
        let both = |n: usize, operation, counts| (regions[n].to_string(), operation, counts);
        assert_eq!(
            n,
            [
                (String::new(), "DescribeRegions", (1, 0, 0)),
                both(0, "DescribeImages", (1, 0, 0)),
                both(0, "DescribeInstances", (1, 0, 0)),
                both(0, "DescribeLockedSnapshots", (1, 0, 0)),
                both(0, "DescribeSnapshots", (1, 0, 0)),
                both(0, "DescribeVolumes", (2, 1, 0)),
                both(1, "DescribeImages", (1, 0, 1)),
                both(1, "DescribeInstances", (1, 0, 0)),
                both(1, "DescribeLockedSnapshots", (1, 0, 0)),
                both(1, "DescribeSnapshots", (1, 0, 0)),
                both(1, "DescribeVolumes", (1, 0, 0)),
            ]
        );
        // The sandbox counts too: nothing went by, nothing twice.
        for ((region, operation), n) in sandbox.calls() {
            let here = calls.iter().find(|(r, o, _)| *r == Some(region) && *o == operation);
            let n_counted = here.map_or(0, |(_, _, calls)| calls.all);
            assert!(operation == "DescribeRegions" || n_counted == n as u64, "{operation}");
        }
    }
}
