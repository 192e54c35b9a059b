//! DeleteSnapshot: what stands in its way.

use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::RegionState;
use crate::domain::ids::SnapshotId;

/// Deletes a snapshot; a pending one once it is complete.
pub(super) fn delete_snapshot(region: &mut RegionState, id: SnapshotId) -> Result<(), Refusal> {
    let stored = region.snapshots.get_mut(&id).ok_or_else(|| {
        Refusal::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
    })?;
    // Disabled and deprecated images count: they are still registered.
    let mut images = region.images.values();
    if let Some(image) = images.find(|image| image.snapshot_ids.contains(&id)) {
        let message = format!("The snapshot {id} is currently in use by {}", image.id);
        return Err(Refusal::new("InvalidSnapshot.InUse", message));
    }
    if stored.snapshot.tags.has("aws:backup:source-resource") {
        return Err(Refusal::invalid_parameter(
            "This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 \
             APIs. If you wish to delete this snapshot, please do so via the Backup console.",
        ));
    }
    if region.locked.contains(&id) {
        let message = format!("The snapshot {id} is locked and can't be deleted.");
        return Err(Refusal::new("OperationNotPermitted", message));
    }
    if stored.end.is_some() {
        stored.is_deletion_asked = true;
    } else {
        region.remove_snapshot(id);
    }
    Ok(())
}
