//! One test for each thing that EC2 is documented to do, on one small account.

use chrono::{DateTime, TimeDelta, Utc};

use super::{ACCOUNT, Sandbox};
use crate::cloud::{CloudError, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots};
use crate::domain::inventory::{
    AttachedVolume, Image, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use crate::domain::region::Region;
use crate::domain::tags::Tags;

mod calls;
mod copy;
mod copy_image;
mod create;
mod image;
mod others;

const ROOT: &str = "vol-00000001";
pub(in crate::cloud) const DATA: &str = "vol-00000002";

pub(in crate::cloud) fn start() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

pub(in crate::cloud) fn region() -> Region {
    "eu-west-1".parse().unwrap()
}

fn elsewhere() -> Region {
    "us-east-1".parse().unwrap()
}

fn volume(id: &str, volume_type: &str) -> Volume {
    Volume {
        id: id.parse().unwrap(),
        state: "in-use".into(),
        volume_type: volume_type.into(),
        size_gib: 8,
        created_at: None,
        tags: [("Name", "data"), ("aws:system", "x")].into_iter().collect(),
    }
}

fn attached(device: &str, volume_id: &str) -> AttachedVolume {
    let volume_id = volume_id.parse().unwrap();
    AttachedVolume { device: device.into(), volume_id, attached_at: None }
}

pub(in crate::cloud) fn snapshot(id: &str, state: SnapshotState) -> Snapshot {
    Snapshot {
        id: id.parse().unwrap(),
        volume_id: Some(ROOT.parse().unwrap()),
        owner_id: Some(ACCOUNT.into()),
        state,
        state_message: None,
        started_at: start() - TimeDelta::seconds(20),
        volume_size_gib: 8,
        full_size_bytes: None,
        is_encrypted: false,
        kms_key_id: None,
        description: "".into(),
        tags: Tags::default(),
    }
}

/// An account with one instance of two volumes, and a snapshot of the root.
pub(in crate::cloud) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(start());
    let instance = Instance {
        id: "i-00000001".parse().unwrap(),
        owner_id: Some(ACCOUNT.into()),
        state: InstanceState::Running,
        root_device: Some("/dev/xvda".into()),
        is_instance_store: false,
        image_id: None,
        launched_at: None,
        volumes: vec![attached("/dev/xvda", ROOT), attached("/dev/sdf", DATA)],
        tags: Tags::default(),
    };
    sandbox.add_instance(&region(), instance);
    sandbox.add_volume(&region(), volume(ROOT, "gp3"));
    sandbox.add_volume(&region(), volume(DATA, "gp3"));
    sandbox.add_snapshot(&region(), snapshot("snap-00000001", SnapshotState::Completed));
    sandbox
}

fn set() -> CreateSnapshots {
    CreateSnapshots {
        instance_id: "i-00000001".parse().unwrap(),
        exclude_boot_volume: false,
        exclude_data_volume_ids: vec![],
        description: "d".to_owned(),
        tags: vec![],
        copy_tags_from_volume: false,
    }
}

fn single(volume_id: &str) -> CreateSnapshot {
    CreateSnapshot {
        volume_id: volume_id.parse().unwrap(),
        description: String::new(),
        tags: vec![],
    }
}

pub(in crate::cloud) fn image_request() -> CreateImage {
    CreateImage {
        instance_id: "i-00000001".parse().unwrap(),
        name: "web-1".to_owned(),
        description: String::new(),
        no_reboot: true,
        left_out_devices: vec![],
        image_tags: vec![],
        snapshot_tags: vec![],
    }
}

fn copy_request() -> CopySnapshot {
    CopySnapshot {
        source_region: region(),
        source_snapshot_id: "snap-00000001".parse().unwrap(),
        is_source_encrypted: false,
        description: "a copy".to_owned(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        tags: vec![("k".to_owned(), "v".to_owned())],
    }
}

fn code<T: std::fmt::Debug>(res: Result<T, CloudError>) -> String {
    res.map_or_else(|err| err.code, |_| "ok".to_owned())
}

fn snapshots(sandbox: &Sandbox) -> Vec<Snapshot> {
    sandbox.inventory().regions.remove(&region()).unwrap().snapshots
}

fn images(sandbox: &Sandbox) -> Vec<Image> {
    sandbox.inventory().regions.remove(&region()).unwrap().images
}
