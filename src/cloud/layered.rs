//! Something around every call to an EC2: what counts them, or lets them fail.
//!
//! One place has the shape of the port, so that whoever wants to see calls need not. Only reads that
//! an adapter repeats by itself are not seen here.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    Created, EbsEncryption, ErrorKind, ImageFilter, ImageReference, Page, Permissions, Probe,
    Publish, SnapshotFilter,
};
use crate::domain::api_calls::{ApiCalls, CallEnd};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Key, Snapshot, Volume};
use crate::domain::region::Region;

/// What goes around every call.
pub trait Layer: Send + Sync {
    /// Makes one call by awaiting `answer`, or does not.
    fn around<T: Send>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T, CloudError>> + Send,
    ) -> impl Future<Output = Result<T, CloudError>> + Send;
}

/// Which call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// EC2's name of it.
    pub operation: &'static str,
    /// Where it goes; none where it is of no region.
    pub region: Option<Region>,
    /// Whether it is a page of a whole listing: all instances, volumes, snapshots or images.
    pub is_whole: bool,
}

impl Call {
    fn to(region: &Region, operation: &'static str) -> Self {
        Self { operation, region: Some(*region), is_whole: false }
    }
}

/// An EC2 with something around it.
#[derive(Debug)]
pub struct Layered<'c, C, L> {
    cloud: &'c C,
    layer: L,
}

impl<'c, C, L> Layered<'c, C, L> {
    /// Puts `layer` around `cloud`.
    pub fn new(cloud: &'c C, layer: L) -> Self {
        Self { cloud, layer }
    }

    /// Returns what is around it.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

/// Counts calls by region and operation, and how they ended. Changes nothing about them.
#[derive(Debug, Default)]
pub struct Counts(Mutex<ApiCalls>);

impl Layer for Counts {
    async fn around<T: Send>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T, CloudError>> + Send,
    ) -> Result<T, CloudError> {
        let res = answer.await;
        let end = match &res {
            Ok(_) => CallEnd::Answered,
            Err(err) if err.kind == ErrorKind::Throttled => CallEnd::Throttled,
            Err(_) => CallEnd::Failed,
        };
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.count(call.region, call.operation, end);
        res
    }
}

impl<'c, C> Layered<'c, C, Counts> {
    /// Counts what goes through it to `cloud`, from none on.
    pub fn counted(cloud: &'c C) -> Self {
        Self::new(cloud, Counts::default())
    }

    /// Returns what was counted.
    pub fn into_calls(self) -> ApiCalls {
        self.layer.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Cloud, L: Layer> Cloud for Layered<'_, C, L> {
    async fn describe_regions(&self) -> Result<Vec<Region>, CloudError> {
        self.layer
            .around(
                Call { operation: "DescribeRegions", region: None, is_whole: true },
                self.cloud.describe_regions(),
            )
            .await
    }

    async fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> Result<Page<Instance>, CloudError> {
        let call = Call { is_whole: ids.is_empty(), ..Call::to(region, "DescribeInstances") };
        self.layer.around(call, self.cloud.describe_instances(region, ids, token)).await
    }

    async fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> Result<Page<Volume>, CloudError> {
        let call = Call { is_whole: ids.is_empty(), ..Call::to(region, "DescribeVolumes") };
        self.layer.around(call, self.cloud.describe_volumes(region, ids, token)).await
    }

    async fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> Result<Page<Snapshot>, CloudError> {
        let call = Call {
            is_whole: *filter == SnapshotFilter::All,
            ..Call::to(region, "DescribeSnapshots")
        };
        self.layer.around(call, self.cloud.describe_snapshots(region, filter, token)).await
    }

    async fn describe_images(
        &self,
        region: &Region,
        filter: &ImageFilter,
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        let call =
            Call { is_whole: *filter == ImageFilter::All, ..Call::to(region, "DescribeImages") };
        self.layer.around(call, self.cloud.describe_images(region, filter, token)).await
    }

    async fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<SnapshotId>, CloudError> {
        self.layer
            .around(
                Call::to(region, "DescribeLockedSnapshots"),
                self.cloud.describe_locked_snapshots(region, token),
            )
            .await
    }

    async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Vec<Created>, CloudError> {
        self.layer
            .around(
                Call::to(region, "CreateSnapshots"),
                self.cloud.create_snapshots(region, request),
            )
            .await
    }

    async fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> Result<Created, CloudError> {
        self.layer
            .around(Call::to(region, "CreateSnapshot"), self.cloud.create_snapshot(region, request))
            .await
    }

    async fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> Result<(), CloudError> {
        self.layer
            .around(
                Call::to(region, "DeleteSnapshot"),
                self.cloud.delete_snapshot(region, snapshot_id),
            )
            .await
    }

    async fn create_image(
        &self,
        region: &Region,
        request: &CreateImage,
    ) -> Result<ImageId, CloudError> {
        self.layer
            .around(Call::to(region, "CreateImage"), self.cloud.create_image(region, request))
            .await
    }

    async fn copy_snapshot(
        &self,
        region: &Region,
        request: &CopySnapshot,
    ) -> Result<SnapshotId, CloudError> {
        self.layer
            .around(Call::to(region, "CopySnapshot"), self.cloud.copy_snapshot(region, request))
            .await
    }

    async fn copy_image(
        &self,
        region: &Region,
        request: &CopyImage,
    ) -> Result<ImageId, CloudError> {
        self.layer
            .around(Call::to(region, "CopyImage"), self.cloud.copy_image(region, request))
            .await
    }

    async fn deregister_image(&self, region: &Region, image_id: ImageId) -> Result<(), CloudError> {
        self.layer
            .around(
                Call::to(region, "DeregisterImage"),
                self.cloud.deregister_image(region, image_id),
            )
            .await
    }

    async fn create_tags(
        &self,
        region: &Region,
        id: ResourceId,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        self.layer
            .around(Call::to(region, "CreateTags"), self.cloud.create_tags(region, id, tags))
            .await
    }

    async fn modify_permissions(
        &self,
        region: &Region,
        id: ResourceId,
        permissions: &Permissions,
    ) -> Result<(), CloudError> {
        self.layer
            .around(
                Call::to(region, Probe::ModifyPermissions(id).operation()),
                self.cloud.modify_permissions(region, id, permissions),
            )
            .await
    }

    async fn enable_image_deprecation(
        &self,
        region: &Region,
        image_id: ImageId,
        at: DateTime<Utc>,
    ) -> Result<(), CloudError> {
        self.layer
            .around(
                Call::to(region, "EnableImageDeprecation"),
                self.cloud.enable_image_deprecation(region, image_id, at),
            )
            .await
    }

    async fn publish(&self, region: &Region, request: &Publish) -> Result<(), CloudError> {
        self.layer.around(Call::to(region, "Publish"), self.cloud.publish(region, request)).await
    }

    async fn describe_image_references(
        &self,
        region: &Region,
        image_ids: &[ImageId],
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        self.layer
            .around(
                Call::to(region, "DescribeImageReferences"),
                self.cloud.describe_image_references(region, image_ids, token),
            )
            .await
    }

    async fn describe_launch_template_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        self.layer
            .around(
                Call::to(region, "DescribeLaunchTemplateVersions"),
                self.cloud.describe_launch_template_images(region, token),
            )
            .await
    }

    async fn describe_launch_permissions(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> Result<Vec<String>, CloudError> {
        self.layer
            .around(
                Call::to(region, "DescribeImageAttribute"),
                self.cloud.describe_launch_permissions(region, image_id),
            )
            .await
    }

    async fn describe_key(&self, region: &Region, key: &str) -> Result<Key, CloudError> {
        self.layer
            .around(Call::to(region, "DescribeKey"), self.cloud.describe_key(region, key))
            .await
    }

    async fn dry_run(&self, region: &Region, probe: &Probe) -> Result<(), CloudError> {
        self.layer
            .around(Call::to(region, probe.operation()), self.cloud.dry_run(region, probe))
            .await
    }

    async fn ebs_encryption(&self, region: &Region) -> Result<EbsEncryption, CloudError> {
        // The first of two requests, without whose answer there is no second.
        self.layer
            .around(
                Call::to(region, "GetEbsEncryptionByDefault"),
                self.cloud.ebs_encryption(region),
            )
            .await
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.cloud.clock_skew()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::Layered;
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
        let counted = Layered::counted(&sandbox);
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
