//! A large account: ten regions, 20,000 volumes, and a year of recovery points as snapkeep tags them.

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use snapkeep::config::{self, Config, Policy, Regions};
use snapkeep::domain::ids::{SnapshotId, VolumeId};
use snapkeep::domain::intern::Interner;
use snapkeep::domain::inventory::{
    AttachedVolume, Instance, InstanceState, Inventory, RegionInventory, Snapshot, SnapshotState,
    Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::{RegionalSource, Source};
use snapkeep::domain::tags;

/// Volumes in all regions together.
pub(crate) const N_VOLUMES: usize = 20_000;

/// How much there is in each region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) n_instances: usize,
    pub(crate) n_volumes: usize,
}

/// A tenth of [`N_VOLUMES`] in each of ten regions.
const LARGE: Scale = Scale { n_instances: 300, n_volumes: N_VOLUMES / 10 };

const VOLUMES_PER_INSTANCE: usize = 3;
/// Slots before the due one that `daily` holds.
const N_DAILY: usize = 40;
/// Slots after those that expire, unless they are the first of a month.
const N_EXPIRING: usize = 2;
/// Slots before those in which to find firsts of a month that `monthly` holds.
const N_MONTHLY: usize = 225;

/// Two policies in zones of their own; most points are held by `daily`, the older by `monthly`.
const CONFIG: &str = r#"
version = 1
[defaults]
regions = [
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "eu-central-1",
    "eu-west-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-2",
]
schedule = "0 3 * * *"
retention = { daily = "41 days", monthly = "9 months" }
limits = { max_deletes = 10000 }

[[policy]]
name = "servers"
timezone = "Europe/Berlin"
select = { resource = "instance" }

[[policy]]
name = "databases"
timezone = "Asia/Seoul"
select = { resource = "volume", tags = { Backup = "daily" } }
"#;

/// Returns the configuration.
pub(crate) fn config() -> Result<Config, Box<dyn Error>> {
    config::parse(&[("bench.toml".to_owned(), CONFIG.to_owned())])
        .map_err(|problems| format!("{problems:?}").into())
}

/// Builds the inventory: `per_volume` snapshots (at most 50) of each volume, one in 25 of which is to
/// expire. Everything is due.
pub(crate) fn inventory(
    config: &Config,
    per_volume: usize,
    now: DateTime<Utc>,
) -> Option<Inventory> {
    scaled(config, LARGE, per_volume, now)
}

/// Builds the same, of another size.
pub(crate) fn scaled(
    config: &Config,
    scale: Scale,
    per_volume: usize,
    now: DateTime<Utc>,
) -> Option<Inventory> {
    let [servers, databases] = &config.policies[..] else { return None };
    let Regions::Named(regions) = &servers.regions else { return None };
    let mut random = Random(7);
    let mut inventory = Inventory::default();
    for region in regions {
        let mut build = Build {
            region,
            random: &mut random,
            interner: Interner::default(),
            found: RegionInventory::default(),
            points: Vec::new(),
        };
        let mut slots = Slots::new(servers, per_volume, now)?;
        for n in 0..scale.n_instances {
            let made = build.instance(n)?;
            build.points(servers, slots.choose(), made);
        }
        let mut slots = Slots::new(databases, per_volume, now)?;
        for n in scale.n_instances * VOLUMES_PER_INSTANCE..scale.n_volumes {
            let made = build.database(n)?;
            build.points(databases, slots.choose(), made);
        }
        inventory.regions.insert(*region, build.snapshots()?);
    }
    Some(inventory)
}

/// The slots of a policy up to an instant, newest first.
struct Slots {
    recent: Vec<DateTime<Utc>>,
    firsts: Vec<DateTime<Utc>>,
    per_volume: usize,
    n_sources: usize,
}

impl Slots {
    fn new(policy: &Policy, per_volume: usize, now: DateTime<Utc>) -> Option<Self> {
        let schedule = policy.base.schedule.as_ref()?;
        // The newest slot is due and has no point yet.
        let due = schedule.slot_at(now)?;
        let before = |at: &DateTime<Utc>| schedule.slot_at(*at - TimeDelta::seconds(1));
        let mut slots = std::iter::successors(before(&due), before);
        let recent = slots.by_ref().take(N_DAILY + N_EXPIRING).collect();
        let is_first = |at: &DateTime<Utc>| at.with_timezone(&policy.base.timezone).day() == 1;
        let firsts = slots.take(N_MONTHLY).filter(is_first).collect();
        Some(Self { recent, firsts, per_volume, n_sources: 0 })
    }

    /// Chooses the slots of one source's points.
    fn choose(&mut self) -> Vec<DateTime<Utc>> {
        // One point in 25 is to expire, spread evenly over the sources.
        let n_expiring_before = self.n_sources * self.per_volume / 25;
        self.n_sources += 1;
        let n_expiring = self.n_sources * self.per_volume / 25 - n_expiring_before;
        let n_firsts = (self.per_volume / 5).min(self.firsts.len());
        let (daily, expiring) = self.recent.split_at(N_DAILY);
        let daily = daily[..self.per_volume - n_firsts - n_expiring].iter();
        let expiring = expiring[..n_expiring].iter();
        daily.chain(expiring).chain(&self.firsts[..n_firsts]).copied().collect()
    }
}

/// One region while it is being built.
struct Build<'b> {
    region: &'b Region,
    random: &'b mut Random,
    interner: Interner,
    found: RegionInventory,
    points: Vec<Point<'b>>,
}

/// A recovery point that has been made.
struct Point<'b> {
    policy: &'b Policy,
    source: Source,
    name: String,
    volumes: Vec<AttachedVolume>,
    slot: DateTime<Utc>,
    started_at: DateTime<Utc>,
}

fn attached(device: Arc<str>, volume_id: VolumeId) -> AttachedVolume {
    AttachedVolume { device, volume_id, attached_at: None }
}

impl<'b> Build<'b> {
    fn instance(&mut self, n: usize) -> Option<(Source, String, Vec<AttachedVolume>)> {
        let devices = ["/dev/xvda", "/dev/sdf", "/dev/sdg"];
        let name = format!("server-{n:04}");
        let mut volumes = Vec::new();
        for device in devices {
            let volume_id = self.volume(&name)?;
            volumes.push(attached(self.interner.share(device), volume_id));
        }
        let instance = Instance {
            id: self.random.id("i-").parse().ok()?,
            owner_id: Some(self.interner.share("123456789012")),
            state: InstanceState::Running,
            root_device: Some(self.interner.share(devices[0])),
            is_instance_store: false,
            image_id: None,
            launched_at: None,
            volumes: volumes.clone(),
            tags: self.user_tags(&name).into_iter().collect(),
        };
        let source = Source::Instance(instance.id);
        self.found.instances.push(instance);
        Some((source, name, volumes))
    }

    fn database(&mut self, n: usize) -> Option<(Source, String, Vec<AttachedVolume>)> {
        let name = format!("database-{n:04}");
        let volume_id = self.volume(&name)?;
        let volumes = vec![attached(self.interner.share(""), volume_id)];
        Some((Source::Volume(volume_id), name, volumes))
    }

    fn volume(&mut self, name: &str) -> Option<VolumeId> {
        let id = self.random.id("vol-").parse().ok()?;
        let tags = self.user_tags(name).into_iter().collect();
        let (state, volume_type) = (self.interner.share("in-use"), self.interner.share("gp3"));
        self.found.volumes.push(Volume {
            id,
            state,
            volume_type,
            size_gib: 100,
            created_at: None,
            tags,
        });
        Some(id)
    }

    fn points(
        &mut self,
        policy: &'b Policy,
        slots: Vec<DateTime<Utc>>,
        (source, name, volumes): (Source, String, Vec<AttachedVolume>),
    ) {
        for slot in slots {
            let seconds = (self.random.next() % 60).cast_signed();
            let started_at = slot + TimeDelta::seconds(seconds);
            let (name, volumes) = (name.clone(), volumes.clone());
            self.points.push(Point { policy, source, name, volumes, slot, started_at });
        }
    }

    /// Makes the snapshots of all points, in the order of their ids: EC2 lists in none that a
    /// planner could use, and they lie in memory as they are listed.
    fn snapshots(mut self) -> Option<RegionInventory> {
        let points = std::mem::take(&mut self.points);
        let mut listed = Vec::new();
        for point in &points {
            for attached in &point.volumes {
                let id: SnapshotId = self.random.id("snap-").parse().ok()?;
                listed.push((id, attached.volume_id, point));
            }
        }
        listed.sort_by_key(|(id, ..)| *id);
        self.found.snapshots.reserve_exact(listed.len());
        for (id, volume_id, point) in listed {
            let snapshot = self.snapshot(id, volume_id, point);
            self.found.snapshots.push(snapshot);
        }
        Some(self.found)
    }

    fn snapshot(&mut self, id: SnapshotId, volume_id: VolumeId, point: &Point<'_>) -> Snapshot {
        let Point { policy, source, name, volumes, slot, started_at } = point;
        let regional = RegionalSource { region: *self.region, source: *source }.to_string();
        let parts = volumes.iter().map(|v| format!("{}={}", v.device, v.volume_id));
        let devices = parts.collect::<Vec<_>>().join(" ");
        let slot = slot.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let n_members = volumes.len().to_string();
        let mut pairs = vec![
            (tags::OWNER, policy.base.owner.as_ref()),
            (tags::POLICY, policy.name.as_ref()),
            (tags::SLOT, &slot),
            (tags::SOURCE, &regional),
            (tags::MEMBERS, &n_members),
        ];
        if matches!(source, Source::Instance(_)) {
            pairs.push((tags::DEVICES, &devices));
        }
        let mut pairs = self.share(&pairs);
        pairs.extend(self.user_tags(name));
        Snapshot {
            id,
            volume_id: Some(volume_id),
            owner_id: Some(self.interner.share("123456789012")),
            state: SnapshotState::Completed,
            state_message: None,
            started_at: *started_at,
            volume_size_gib: 100,
            full_size_bytes: None,
            is_encrypted: true,
            kms_key_id: None,
            description: self.interner.share(&format!("snapkeep {} {source} {slot}", policy.name)),
            tags: pairs.into_iter().collect(),
        }
    }

    fn user_tags(&mut self, name: &str) -> Vec<(Arc<str>, Arc<str>)> {
        let backup = if name.starts_with("database") { "daily" } else { "no" };
        self.share(&[("Name", name), ("Backup", backup), ("Team", "platform")])
    }

    fn share(&mut self, pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        let shared = pairs.iter().map(|(k, v)| (self.interner.share(k), self.interner.share(v)));
        shared.collect()
    }
}

/// SplitMix64: the same account in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}0{:016x}", self.next())
    }
}
