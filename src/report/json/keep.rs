//! What stays, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::source::Source;
use crate::plan::{Keep, KeepReason};
use crate::report::json::time;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeepJson {
    policy: String,
    region: String,
    /// The snapshot or image.
    resource: String,
    /// The snapshot's volume; the image's instance or family.
    source: Option<String>,
    /// The instant of its recovery point.
    point_time: String,
    /// The tiers that hold it.
    tiers: Vec<&'static str>,
    /// When the last of them ends; null where newer points decide.
    expires_at: Option<String>,
    reason: String,
    /// What forbids its deletion, where retention would let it go.
    veto: Option<String>,
}

impl KeepJson {
    pub(super) fn new(keep: &Keep) -> Self {
        let veto = match &keep.reason {
            KeepReason::Vetoed(vetoed) => Some(vetoed.1.cause.to_string()),
            KeepReason::Held(_) | KeepReason::Failed => None,
        };
        Self {
            policy: keep.policy.to_string(),
            region: keep.region.to_string(),
            resource: keep.resource.to_string(),
            source: source_of(keep.resource, keep.volume_id, keep.source),
            point_time: time(keep.point_time),
            tiers: keep.tier_names(),
            expires_at: keep.until.map(time),
            reason: keep.why(),
            veto,
        }
    }
}

/// Returns a snapshot's volume, where EC2 tells one; of an image what its point protects.
pub(super) fn source_of(
    resource: ResourceId,
    volume_id: Option<VolumeId>,
    source: Source,
) -> Option<String> {
    match resource {
        ResourceId::Snapshot(_) => volume_id.map(|id| id.to_string()),
        ResourceId::Image(_) => Some(source.to_string()),
    }
}
