//! Who may launch an image or make volumes of a snapshot.

use crate::cloud::Permissions;
use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::RegionState;
use crate::domain::ids::{ImageId, ResourceId, SnapshotId};
use crate::domain::inventory::ImageState;
use crate::domain::region::Region;

/// Changes with whom a snapshot or image is shared.
pub(super) fn modify(
    state: &mut RegionState,
    here: Region,
    account: &str,
    id: ResourceId,
    asked: &Permissions,
) -> Result<(), Refusal> {
    let snapshot_ids = match id {
        ResourceId::Snapshot(id) => vec![state.snapshot_mut(id)?.snapshot.id],
        ResourceId::Image(id) => {
            let image = &state.image_mut(id)?.image;
            if image.state != ImageState::Available {
                let message = format!("The image {id} is in state '{}'.", image.state.name());
                return Err(Refusal::new("InvalidAMIID.Unavailable", message));
            }
            image.snapshot_ids.clone()
        }
    };
    let is_account = |a: &&String| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit());
    if let Some(bad) = asked.add.iter().chain(&asked.remove).find(|a| !is_account(a)) {
        return Err(Refusal::invalid_parameter(format!("'{bad}' is not an account id")));
    }
    // EBS user guide, "Share an Amazon EBS snapshot": what AWS's own key encrypts cannot be.
    let is_unshareable = |id: &SnapshotId| {
        state.snapshots.get(id).is_some_and(|stored| {
            let key = stored.snapshot.kms_key_id.as_deref();
            stored.snapshot.is_encrypted && state.keys.is_aws_managed(here, account, key)
        })
    };
    if !asked.add.is_empty() && snapshot_ids.iter().any(is_unshareable) {
        let message = "Encrypted snapshots with EBS default key cannot be shared";
        return Err(Refusal::invalid_parameter(message));
    }
    let accounts = state.permissions.entry(id).or_default();
    accounts.extend(asked.add.iter().cloned());
    asked.remove.iter().for_each(|account| _ = accounts.remove(account));
    if accounts.is_empty() {
        state.permissions.remove(&id);
    }
    Ok(())
}

/// Returns with whom an image is shared; a public one with the group `all`, as `group all`.
pub(super) fn of_image(state: &mut RegionState, id: ImageId) -> Result<Vec<String>, Refusal> {
    let is_public = state.image_mut(id)?.image.is_public;
    let accounts = state.permissions.get(&ResourceId::Image(id));
    let accounts = accounts.into_iter().flatten().cloned();
    Ok(accounts.chain(is_public.then(|| "group all".to_owned())).collect())
}

impl Sandbox {
    /// Returns the accounts that a snapshot or image is shared with, in order.
    pub fn shared_with(&self, region: &Region, id: ResourceId) -> Vec<String> {
        let state = self.lock();
        let accounts = state.regions.get(region).and_then(|region| region.permissions.get(&id));
        accounts.into_iter().flatten().cloned().collect()
    }

    /// Shares a snapshot or image with an account as if somebody else had; nothing is checked.
    pub fn share(&self, region: &Region, id: ResourceId, account: &str) {
        self.change(region, |state| {
            state.permissions.entry(id).or_default().insert(account.to_owned());
        });
    }
}
