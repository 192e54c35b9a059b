//! Sources: what a policy protects in a region, and with which request EC2 can make its point.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::RegionalPolicy;
use crate::config::select::Resource;
use crate::domain::ids::{InstanceId, VolumeId};
use crate::domain::inventory::{Instance, RegionInventory, Volume};
use crate::domain::source::Source;

/// CreateSnapshots takes at most this many ExcludeDataVolumeIds (EC2 API reference).
const EXCLUDED_VOLUMES_MAX: usize = 40;
/// CreateSnapshots takes at most this many volumes, the root volume included.
const SET_VOLUMES_MAX: usize = 128;

/// A source that a policy selects.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The source.
    pub source: Source,
    /// The instance; none if the source is a volume.
    pub instance: Option<&'a Instance>,
    /// The volumes that are protected, by id; may be empty.
    pub volumes: Vec<&'a Volume>,
    /// Attached volumes that nothing was read of, so that nobody knows whether to protect them.
    pub unseen: Vec<VolumeId>,
}

/// One request to EC2.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// CreateSnapshots.
    Set {
        /// The instance.
        instance_id: InstanceId,
        /// Leaves out the root volume.
        exclude_boot_volume: bool,
        /// Leaves out these; the root volume may not be named.
        exclude_data_volume_ids: Vec<VolumeId>,
    },
    /// CreateSnapshot.
    One(&'a Volume),
}

/// Returns the sources that `policy` selects, by id.
pub fn candidates<'a>(policy: &RegionalPolicy, region: &'a RegionInventory) -> Vec<Candidate<'a>> {
    let mut candidates: Vec<Candidate<'a>> = match policy.select.resource {
        Resource::Volume => {
            let volumes = region.volumes.iter().filter(|v| policy.select.matches_volume(v));
            // EC2 makes no snapshots of these, ever.
            let can_be = |v: &&Volume| !matches!(&*v.state, "error" | "deleting" | "deleted");
            volumes.filter(can_be).map(Candidate::of_volume).collect()
        }
        // Made elsewhere.
        Resource::Image => Vec::new(),
        Resource::Instance => {
            let by_id = region.volumes.iter().map(|volume| (volume.id, volume)).collect();
            let instances = region.instances.iter().filter(|i| policy.select.matches_instance(i));
            instances.map(|instance| Candidate::of_instance(policy, &by_id, instance)).collect()
        }
    };
    candidates.sort_by_key(|candidate| candidate.source);
    candidates
}

impl<'a> Candidate<'a> {
    fn of_volume(volume: &'a Volume) -> Self {
        let source = Source::Volume(volume.id);
        Self { source, instance: None, volumes: vec![volume], unseen: vec![] }
    }

    fn of_instance(
        policy: &RegionalPolicy,
        by_id: &HashMap<VolumeId, &'a Volume>,
        instance: &'a Instance,
    ) -> Self {
        let mut volumes = Vec::new();
        let mut unseen = Vec::new();
        for attached in &instance.volumes {
            let is_root = Some(&attached.device) == instance.root_device.as_ref();
            match by_id.get(&attached.volume_id) {
                Some(volume) if policy.volumes.includes(volume, is_root) => volumes.push(*volume),
                Some(_) => {}
                None => unseen.push(attached.volume_id),
            }
        }
        volumes.sort_by_key(|volume| volume.id);
        let source = Source::Instance(instance.id);
        Self { source, instance: Some(instance), volumes, unseen }
    }

    /// Returns true if EC2 has no request for exactly these volumes at once.
    pub fn is_one_by_one(&self) -> bool {
        self.set_request().is_none()
    }

    /// Returns the device of one of the instance's volumes.
    pub fn device(&self, volume_id: VolumeId) -> Option<&'a Arc<str>> {
        let attached = &self.instance?.volumes;
        attached.iter().find(|a| a.volume_id == volume_id).map(|a| &a.device)
    }

    /// Returns the request for one set of all chosen volumes, if EC2 can express it.
    fn set_request(&self) -> Option<Request<'a>> {
        let instance = self.instance?;
        let is_chosen = |id| self.volumes.iter().any(|volume| volume.id == id);
        let mut exclude_boot_volume = false;
        let mut exclude_data_volume_ids = Vec::new();
        for attached in instance.volumes.iter().filter(|a| !is_chosen(a.volume_id)) {
            if Some(&attached.device) == instance.root_device.as_ref() {
                exclude_boot_volume = true;
            } else {
                exclude_data_volume_ids.push(attached.volume_id);
            }
        }
        exclude_data_volume_ids.sort();
        let fits = exclude_data_volume_ids.len() <= EXCLUDED_VOLUMES_MAX
            && self.volumes.len() <= SET_VOLUMES_MAX;
        let instance_id = instance.id;
        fits.then_some(Request::Set { instance_id, exclude_boot_volume, exclude_data_volume_ids })
    }
}

/// Returns the requests that make the point of `candidate`, or its missing members `volumes`.
pub fn requests<'a>(
    candidate: &Candidate<'a>,
    volumes: &[&'a Volume],
    is_repair: bool,
) -> Vec<Request<'a>> {
    match candidate.set_request().filter(|_| !is_repair) {
        Some(set) => vec![set],
        None => volumes.iter().map(|volume| Request::One(volume)).collect(),
    }
}
