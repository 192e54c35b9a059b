//! An account by chance: at most 20 sources in at most 4 regions.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::{ACCOUNT, Sandbox};
use snapkeep::domain::ids::{InstanceId, VolumeId};
use snapkeep::domain::inventory::{
    AttachedVolume, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::Tags;

use crate::chance::Chance;
use crate::spec::{KEY, KindSpec, PolicySpec, Spec};

const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "ap-northeast-2", "sa-east-1"];
const SOURCES_MAX: usize = 20;

/// What there is at the start.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) regions: Vec<String>,
    pub(crate) spec: Spec,
    /// Source by source, so that a shorter script can leave some out.
    pub(crate) sources: Vec<SourceSpec>,
}

/// One source.
#[derive(Debug, Clone)]
pub(crate) struct SourceSpec {
    pub(crate) mark: String,
    pub(crate) kind: KindSpec,
    pub(crate) region: String,
    volume_types: Vec<&'static str>,
    is_encrypted: bool,
    /// How many nightly snapshots of a script there are.
    n_nightly: i64,
}

impl World {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "world");
        let n_regions = chance.weighted(&[(2, 1), (4, 2), (2, 3), (1, 4)]);
        let regions: Vec<String> =
            REGIONS.iter().take(n_regions).map(|&name| name.to_owned()).collect();
        let spec = Spec::draw(&mut Chance::of(seed, "spec"), &regions);
        let n = chance.weighted(&[(3, 2), (4, 4), (3, 7), (1, 12), (1, SOURCES_MAX)]);
        let sources = (0..n).map(|_| SourceSpec::draw(&mut chance, &spec)).collect();
        let begun_at: DateTime<Utc> = "2026-01-01T02:00:00Z".parse().unwrap();
        let begun_at = begun_at + TimeDelta::days(chance.within(0, 364));
        Self { begun_at, regions, spec, sources }
    }

    pub(crate) fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::new(self.begun_at);
        for region in &self.regions {
            let region = region.parse().unwrap();
            sandbox.add_region(&region);
            sandbox.add_key(&region, KEY, true, true);
        }
        for source in &self.sources {
            source.add(&sandbox);
        }
        sandbox.keep_journal();
        sandbox
    }
}

impl SourceSpec {
    pub(crate) fn draw(chance: &mut Chance, spec: &Spec) -> Self {
        let policy: &PolicySpec = chance.one_of(&spec.policies);
        let n_volumes = match policy.kind {
            KindSpec::Sets => chance.weighted(&[(3, 1), (4, 2), (1, 4)]),
            KindSpec::Volumes | KindSpec::Images => chance.weighted(&[(5, 1), (1, 2)]),
        };
        let types = [(6, "gp3"), (1, "st1")];
        Self {
            mark: policy.mark.clone(),
            kind: policy.kind,
            region: chance.one_of(&policy.regions).clone(),
            volume_types: (0..n_volumes).map(|_| chance.weighted(&types)).collect(),
            is_encrypted: chance.happens(0.2),
            n_nightly: if policy.adopts { chance.within(0, 40) } else { 0 },
        }
    }

    /// Adds it to the account.
    pub(crate) fn add(&self, sandbox: &Sandbox) {
        let region: Region = self.region.parse().unwrap();
        let marked: Tags = [("Backup", self.mark.as_str()), ("Team", "a")].into_iter().collect();
        let of_volume =
            if self.kind == KindSpec::Volumes { marked.clone() } else { Tags::default() };
        let volumes: Vec<VolumeId> = (self.volume_types.iter())
            .map(|kind| add_volume(sandbox, &region, kind, of_volume.clone()))
            .collect();
        if self.is_encrypted {
            for id in &volumes {
                sandbox.encrypt_volume(&region, *id);
            }
        }
        for (id, days) in volumes.iter().flat_map(|id| (0..self.n_nightly).map(move |n| (id, n))) {
            self.add_nightly(sandbox, &region, *id, days);
        }
        if self.kind != KindSpec::Volumes {
            add_instance(sandbox, &region, &volumes, marked);
        }
    }

    fn add_nightly(&self, sandbox: &Sandbox, region: &Region, volume_id: VolumeId, days: i64) {
        let started_at = sandbox.time().now() - TimeDelta::days(days) - TimeDelta::minutes(30);
        let snapshot = Snapshot {
            description: format!("nightly {} of {volume_id}", self.mark).into(),
            ..plain_snapshot(sandbox, volume_id, started_at)
        };
        sandbox.add_snapshot(region, snapshot);
    }
}

pub(crate) fn plain_snapshot(
    sandbox: &Sandbox,
    volume_id: VolumeId,
    started_at: DateTime<Utc>,
) -> Snapshot {
    Snapshot {
        id: sandbox.new_snapshot_id(),
        volume_id: Some(volume_id),
        owner_id: Some(ACCOUNT.into()),
        state: SnapshotState::Completed,
        state_message: None,
        started_at,
        volume_size_gib: 8,
        full_size_bytes: None,
        is_encrypted: false,
        kms_key_id: None,
        description: "by hand".into(),
        tags: Tags::default(),
    }
}

pub(crate) fn add_volume(sandbox: &Sandbox, region: &Region, kind: &str, tags: Tags) -> VolumeId {
    let id = sandbox.new_volume_id();
    let size_gib = if kind == "st1" { 500 } else { 8 };
    let (state, volume_type) = ("in-use".into(), kind.into());
    let volume = Volume { id, state, volume_type, size_gib, created_at: None, tags };
    sandbox.add_volume(region, volume);
    id
}

fn add_instance(
    sandbox: &Sandbox,
    region: &Region,
    volumes: &[VolumeId],
    tags: Tags,
) -> InstanceId {
    let id = sandbox.new_instance_id();
    let attached = volumes.iter().enumerate().map(|(n, volume_id)| AttachedVolume {
        device: device(n),
        volume_id: *volume_id,
        attached_at: None,
    });
    let instance = Instance {
        id,
        owner_id: Some(ACCOUNT.into()),
        state: InstanceState::Running,
        root_device: Some(device(0)),
        is_instance_store: false,
        image_id: None,
        launched_at: None,
        volumes: attached.collect(),
        tags,
    };
    sandbox.add_instance(region, instance);
    id
}

pub(crate) fn device(n: usize) -> Arc<str> {
    if n == 0 { "/dev/xvda".into() } else { format!("/dev/sd{n}").into() }
}
