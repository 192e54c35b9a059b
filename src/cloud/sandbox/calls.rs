//! The sandbox as an adapter: one call after the other, with everything that may befall it.

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::create::{self, Maker};
use crate::cloud::sandbox::fault::Fault;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{RegionState, State};
use crate::cloud::sandbox::throttle::Bucket;
use crate::cloud::sandbox::{Sandbox, delete, listing};
use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    Created, EbsEncryption, ImageFilter, ImageReference, Page, Permissions, Probe, SnapshotFilter,
};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, InstanceState, Key, Snapshot, Volume};
use crate::domain::region::Region;

/// What a call is carried out on.
struct Effect<'a> {
    region: &'a mut RegionState,
    settings: &'a super::Settings,
    maker: Maker<'a>,
}

impl Effect<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.maker.now
    }
}

impl Sandbox {
    /// Carries out one call: on its way, arrived, done, and on its way back.
    async fn call<T>(
        &self,
        operation: &'static str,
        region: &Region,
        resource: String,
        effect: impl FnOnce(Effect<'_>) -> Result<T, Refusal> + Send,
    ) -> Result<T, CloudError> {
        let half = self.lock().settings.latency / 2;
        self.wait(half).await;
        let fault = self.arrive(operation, region, &resource);
        if let Some(Fault::Slow(delay)) = fault {
            self.wait(delay).await;
        }
        let res = self.carry_out(region, fault.as_ref(), &resource, effect);
        self.wait(half).await;
        res.map_err(|refusal| refusal.into_error(operation, region))
    }

    async fn wait(&self, delay: TimeDelta) {
        if TimeDelta::zero() < delay {
            self.time.sleep_until(self.time.now() + delay).await;
        }
    }

    /// Counts the call and returns what will befall it.
    fn arrive(&self, operation: &'static str, region: &Region, resource: &str) -> Option<Fault> {
        let now = self.time.now();
        let mut state = self.lock();
        *state.calls.entry((*region, operation)).or_default() += 1;
        let fault = state.faults.meet(operation, region, resource);
        let is_throttling = state.settings.is_throttling;
        let region = state.regions.get_mut(region).filter(|_| is_throttling);
        let is_throttled = region.is_some_and(|region| {
            let bucket = region.buckets.entry(operation);
            !bucket.or_insert_with(|| Bucket::full(operation, now)).take(operation, now)
        });
        if is_throttled { Some(Fault::Throttled) } else { fault }
    }

    fn carry_out<T>(
        &self,
        region: &Region,
        fault: Option<&Fault>,
        resource: &str,
        effect: impl FnOnce(Effect<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let internal =
            || Refusal::new("InternalError", "An internal error has occurred").with_status(500);
        match fault {
            Some(Fault::Throttled) => return Err(Refusal::throttled()),
            Some(Fault::Denied) => return Err(Refusal::denied()),
            Some(Fault::ErrorBefore) => return Err(internal()),
            Some(Fault::Refused { code, message }) => return Err(Refusal::new(code, *message)),
            Some(
                Fault::LostReply | Fault::Slow(_) | Fault::InstanceVanishes | Fault::SnapshotsFail,
            )
            | None => {}
        }
        let now = self.time.now();
        let state = &mut *self.lock();
        let State { regions, settings, ids, account, .. } = state;
        let region = regions.get_mut(region).ok_or_else(Refusal::no_such_region)?;
        region.settle(now);
        if fault == Some(&Fault::InstanceVanishes) {
            terminate(region, resource);
        }
        let maker = Maker {
            now,
            account: account.clone(),
            ids: &mut ids.snapshots,
            visible_from: now + settings.invisible_for,
            is_failing: fault == Some(&Fault::SnapshotsFail),
        };
        let res = effect(Effect { region, settings, maker });
        if fault == Some(&Fault::LostReply) { Err(internal()) } else { res }
    }
}

fn terminate(region: &mut RegionState, instance_id: &str) {
    let id = instance_id.parse::<InstanceId>().ok();
    if let Some(instance) = id.and_then(|id| region.instances.get_mut(&id)) {
        instance.state = InstanceState::Terminated;
    }
}

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
        self.call("DescribeInstances", region, String::new(), |effect| {
            let all = &effect.region.instances;
            listing::page(all, ids, token.as_deref(), effect.settings, |i| Some(i.clone()))
        })
        .await
    }

    async fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> Result<Page<Volume>, CloudError> {
        self.call("DescribeVolumes", region, String::new(), |effect| {
            let all = &effect.region.volumes;
            listing::page(all, ids, token.as_deref(), effect.settings, |v| Some(v.clone()))
        })
        .await
    }

    async fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> Result<Page<Snapshot>, CloudError> {
        self.call("DescribeSnapshots", region, String::new(), |effect| {
            let now = effect.now();
            listing::snapshots(effect.region, filter, token.as_deref(), effect.settings, now)
        })
        .await
    }

    async fn describe_images(
        &self,
        region: &Region,
        _filter: &ImageFilter,
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        self.call("DescribeImages", region, String::new(), |effect| {
            let all = &effect.region.images;
            listing::page(all, &[], token.as_deref(), effect.settings, |i| Some(i.clone()))
        })
        .await
    }

    async fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> Result<Page<SnapshotId>, CloudError> {
        self.call("DescribeLockedSnapshots", region, String::new(), |effect| {
            let all = effect.region.locked.iter().map(|id| (*id, *id)).collect();
            listing::page(&all, &[], token.as_deref(), effect.settings, |id| Some(*id))
        })
        .await
    }

    async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Vec<Created>, CloudError> {
        self.call("CreateSnapshots", region, request.instance_id.to_string(), |mut effect| {
            create::create_snapshots(effect.region, &mut effect.maker, request)
        })
        .await
    }

    async fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> Result<Created, CloudError> {
        self.call("CreateSnapshot", region, request.volume_id.to_string(), |mut effect| {
            create::create_snapshot(effect.region, &mut effect.maker, request)
        })
        .await
    }

    async fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> Result<(), CloudError> {
        self.call("DeleteSnapshot", region, snapshot_id.to_string(), |effect| {
            delete::delete_snapshot(effect.region, snapshot_id)
        })
        .await
    }

    async fn create_image(&self, region: &Region, _: &CreateImage) -> Result<ImageId, CloudError> {
        Err(unsupported("CreateImage", region))
    }
    async fn copy_snapshot(
        &self,
        region: &Region,
        _: &CopySnapshot,
    ) -> Result<SnapshotId, CloudError> {
        Err(unsupported("CopySnapshot", region))
    }
    async fn copy_image(&self, region: &Region, _: &CopyImage) -> Result<ImageId, CloudError> {
        Err(unsupported("CopyImage", region))
    }
    async fn deregister_image(&self, region: &Region, _: ImageId) -> Result<(), CloudError> {
        Err(unsupported("DeregisterImage", region))
    }
    async fn create_tags(
        &self,
        region: &Region,
        _: ResourceId,
        _: &[(String, String)],
    ) -> Result<(), CloudError> {
        Err(unsupported("CreateTags", region))
    }
    async fn modify_permissions(
        &self,
        region: &Region,
        _: ResourceId,
        _: &Permissions,
    ) -> Result<(), CloudError> {
        Err(unsupported("ModifyImageAttribute", region))
    }
    async fn enable_image_deprecation(
        &self,
        region: &Region,
        _: ImageId,
        _: DateTime<Utc>,
    ) -> Result<(), CloudError> {
        Err(unsupported("EnableImageDeprecation", region))
    }
    async fn describe_image_references(
        &self,
        region: &Region,
        _: &[ImageId],
        _: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        Err(unsupported("DescribeImageReferences", region))
    }
    async fn describe_launch_template_images(
        &self,
        region: &Region,
        _: Option<String>,
    ) -> Result<Page<ImageReference>, CloudError> {
        Err(unsupported("DescribeLaunchTemplateVersions", region))
    }
    async fn describe_launch_permissions(
        &self,
        region: &Region,
        _: ImageId,
    ) -> Result<Vec<String>, CloudError> {
        Err(unsupported("DescribeImageAttribute", region))
    }
    async fn describe_key(&self, region: &Region, _: &str) -> Result<Key, CloudError> {
        Err(unsupported("DescribeKey", region))
    }
    async fn ebs_encryption(&self, region: &Region) -> Result<EbsEncryption, CloudError> {
        Err(unsupported("GetEbsDefaultKmsKeyId", region))
    }
    async fn dry_run(&self, region: &Region, probe: &Probe) -> Result<(), CloudError> {
        Err(unsupported(probe.operation(), region))
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.lock().settings.clock_skew
    }
}

fn unsupported(operation: &'static str, region: &Region) -> CloudError {
    let (code, message) = ("UnsupportedOperation".to_owned(), String::new());
    CloudError {
        kind: crate::cloud::ErrorKind::Unsupported,
        operation,
        region: *region,
        code,
        message,
    }
}
