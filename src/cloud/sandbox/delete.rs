//! DeleteSnapshot: what stands in its way.

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::sandbox::copy::fail_copies_of;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::Regions;
use crate::domain::ids::SnapshotId;
use crate::domain::region::Region;

/// Deletes a snapshot; a pending one once it is complete. Running copies of it fail.
pub(super) fn delete_snapshot(
    regions: &mut Regions,
    here: Region,
    id: SnapshotId,
    now: DateTime<Utc>,
    lingers_for: TimeDelta,
) -> Result<(), Refusal> {
    let region = regions.entry(here).or_default();
    region.snapshot_mut(id)?;
    if let Some(image_id) = region.image_of(id) {
        let message = format!("The snapshot {id} is currently in use by {image_id}");
        return Err(Refusal::new("InvalidSnapshot.InUse", message));
    }
    let is_locked = region.locked.contains(&id);
    let stored = region.snapshot_mut(id)?;
    if stored.snapshot.tags.has("aws:backup:source-resource") {
        return Err(Refusal::invalid_parameter(
            "This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 \
             APIs. If you wish to delete this snapshot, please do so via the Backup console.",
        ));
    }
    if is_locked {
        let message = format!("The snapshot {id} is locked and can't be deleted.");
        return Err(Refusal::new("OperationNotPermitted", message));
    }
    if stored.end.is_some() {
        stored.is_deletion_asked = true;
    } else {
        region.linger_snapshot(id, now + lingers_for);
        region.remove_snapshot(id);
        fail_copies_of(regions, here, id, now);
    }
    Ok(())
}
