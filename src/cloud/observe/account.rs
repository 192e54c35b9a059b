//! Whose account an inventory shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::failure::Failure;
use crate::domain::inventory::{Gap, Inventory, Listing};

/// Sets the account from the owners that resources name, and drops what other accounts own.
///
/// Without `--owner-ids self` DescribeSnapshots also lists what is shared or public. Instances
/// are always the account's own, so where there is one it decides; else snapshots of several
/// owners leave open whose account it is, and every region that has any gets a gap.
pub(in crate::cloud) fn settle_account(inventory: &mut Inventory) {
    let of_instances: BTreeSet<Arc<str>> = inventory
        .regions
        .values()
        .flat_map(|region| &region.instances)
        .filter_map(|instance| instance.owner_id.clone())
        .collect();
    let of_snapshots: BTreeSet<Arc<str>> = inventory
        .regions
        .values()
        .flat_map(|region| &region.snapshots)
        .filter_map(|snapshot| snapshot.owner_id.clone())
        .collect();
    match (only(&of_instances), only(&of_snapshots)) {
        (Some(account), _) => {
            drop_foreign_snapshots(inventory, &account);
            inventory.account = Some(account);
        }
        (None, Some(account)) if of_instances.is_empty() => inventory.account = Some(account),
        (None, _) if of_snapshots.is_empty() => {}
        (None, _) => mark_snapshots_as_mixed(inventory),
    }
}

fn only(owners: &BTreeSet<Arc<str>>) -> Option<Arc<str>> {
    owners.first().filter(|_| owners.len() == 1).cloned()
}

fn drop_foreign_snapshots(inventory: &mut Inventory, account: &Arc<str>) {
    for region in inventory.regions.values_mut() {
        let n_before = region.snapshots.len();
        region.snapshots.retain(|s| s.owner_id.as_ref().is_none_or(|owner| owner == account));
        let n_dropped = n_before - region.snapshots.len();
        if 0 < n_dropped {
            region.notes.push(format!("snapshots that other accounts own left out: {n_dropped}"));
        }
    }
}

fn mark_snapshots_as_mixed(inventory: &mut Inventory) {
    let with_snapshots = inventory.regions.values_mut().filter(|r| !r.snapshots.is_empty());
    for region in with_snapshots {
        region.gaps.push(Gap {
            listing: Listing::Snapshots,
            error: Failure::lasting(
                "resources of several accounts, and nothing says which is meant; \
                 save snapshots with `--owner-ids self`",
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::settle_account;
    use crate::domain::ids::SnapshotId;
    use crate::domain::inventory::{
        Instance, InstanceState, Inventory, RegionInventory, Snapshot, SnapshotState,
    };
    use crate::domain::tags::Tags;

    fn check(instance_owners: &[&str], snapshot_owners: &[&str]) -> (Option<String>, usize, usize) {
        let instances = instance_owners.iter().map(|owner| Instance {
            id: "i-00000001".parse().unwrap(),
            owner_id: Some((*owner).into()),
            state: InstanceState::Running,
            root_device: None,
            is_instance_store: false,
            image_id: None,
            launched_at: None,
            volumes: vec![],
            tags: Tags::default(),
        });
        let snapshots = snapshot_owners.iter().zip(1..).map(|(owner, n)| Snapshot {
            id: format!("snap-{n:08x}").parse::<SnapshotId>().unwrap(),
            volume_id: None,
            owner_id: Some((*owner).into()),
            state: SnapshotState::Completed,
            state_message: None,
            started_at: chrono::DateTime::UNIX_EPOCH,
            volume_size_gib: 1,
            full_size_bytes: None,
            is_encrypted: false,
            kms_key_id: None,
            description: "".into(),
            tags: Tags::default(),
        });
        let region = RegionInventory {
            instances: instances.collect(),
            snapshots: snapshots.collect(),
            ..RegionInventory::default()
        };
        let mut inventory = Inventory::default();
        inventory.regions.insert("eu-west-1".parse().unwrap(), region);
        settle_account(&mut inventory);
        let region = inventory.regions.values().next().unwrap();
        (inventory.account.as_deref().map(str::to_owned), region.snapshots.len(), region.gaps.len())
    }

    #[test]
    fn the_account_is_whose_resources_they_are() {
        for (instances, snapshots, account, n_snapshots, n_gaps) in [
            (&[][..], &[][..], None, 0, 0),
            (&["1"], &["1", "1"], Some("1"), 2, 0),
            (&[], &["1", "1"], Some("1"), 2, 0),
            (&["1"], &["1", "2"], Some("1"), 1, 0),
            (&[], &["1", "2"], None, 2, 1),
            (&["1", "2"], &["1"], None, 1, 1),
        ] {
            let expected = (account.map(str::to_owned), n_snapshots, n_gaps);
            assert_eq!(check(instances, snapshots), expected, "{instances:?} {snapshots:?}");
        }
    }
}
