//! The adapter to the real EC2, and the only place that names its SDK.
//!
//! It turns each call of the port into one request and each reply into nouns of the domain. It
//! decides nothing: pages, pace and the retries of what changes something are the caller's. An
//! answer that it cannot read is an error, never a shorter list.

use chrono::TimeDelta;

use crate::cloud::{
    Cloud, CloudError, CreateSnapshot, CreateSnapshots, Created, Page, SnapshotFilter,
};
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Snapshot, Volume};
use crate::domain::region::Region;

mod client;
mod convert;
mod credentials;
mod endpoint;
mod error;
mod read;
mod replies;
mod write;

pub use client::{AwsCloud, ConnectError};

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
        token: Option<String>,
    ) -> Result<Page<Image>, CloudError> {
        read::images(&self.client(region), region, token).await
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

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.replies().clock_skew()
    }
}

#[cfg(test)]
mod tests;
