//! A large account: ten regions, 20,000 volumes, and a year of recovery points as snapkeep tags them.

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use snapkeep::config::{self, Config, Policy, Regions};
use snapkeep::domain::ids::VolumeId;
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

const INSTANCES_PER_REGION: usize = 300;
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
    let [servers, databases] = &config.policies[..] else { return None };
    let Regions::Named(regions) = &servers.regions else { return None };
    let mut random = Random(7);
    let mut inventory = Inventory::default();
    for region in regions {
        let mut build = Build {
            region: region.clone(),
            slots: Slots::new(servers, now)?,
            per_volume,
            random: &mut random,
            interner: Interner::default(),
            found: RegionInventory::default(),
            n_sources: 0,
        };
        for n in 0..INSTANCES_PER_REGION {
            build.instance(servers, n)?;
        }
        build.slots = Slots::new(databases, now)?;
        let n_attached = INSTANCES_PER_REGION * VOLUMES_PER_INSTANCE;
        for n in n_attached..N_VOLUMES / 10 {
            build.database(databases, n)?;
        }
        let mut found = build.found;
        // EC2 lists in no order that a planner could use.
        found.snapshots.sort_by_key(|snapshot| snapshot.id);
        found.snapshots.shrink_to_fit();
        inventory.regions.insert(region.clone(), found);
    }
    Some(inventory)
}

/// The slots of a policy up to an instant, newest first.
struct Slots {
    recent: Vec<DateTime<Utc>>,
    firsts: Vec<DateTime<Utc>>,
}

impl Slots {
    fn new(policy: &Policy, now: DateTime<Utc>) -> Option<Self> {
        let schedule = policy.base.schedule.as_ref()?;
        // The newest slot is due and has no point yet.
        let due = schedule.slot_at(now)?;
        let before = |at: &DateTime<Utc>| schedule.slot_at(*at - TimeDelta::seconds(1));
        let mut slots = std::iter::successors(before(&due), before);
        let recent = slots.by_ref().take(N_DAILY + N_EXPIRING).collect();
        let is_first = |at: &DateTime<Utc>| at.with_timezone(&policy.base.timezone).day() == 1;
        Some(Self { recent, firsts: slots.take(N_MONTHLY).filter(is_first).collect() })
    }

    /// Chooses `n` slots, of which `n_expiring` are held by nothing.
    fn choose(&self, n: usize, n_expiring: usize) -> Vec<DateTime<Utc>> {
        let n_firsts = (n / 5).min(self.firsts.len());
        let (daily, expiring) = self.recent.split_at(N_DAILY);
        let daily = daily[..n - n_firsts - n_expiring].iter();
        let expiring = expiring[..n_expiring].iter();
        daily.chain(expiring).chain(&self.firsts[..n_firsts]).copied().collect()
    }
}

/// One region while it is being built.
struct Build<'b> {
    region: Region,
    slots: Slots,
    per_volume: usize,
    random: &'b mut Random,
    interner: Interner,
    found: RegionInventory,
    n_sources: usize,
}

impl Build<'_> {
    fn instance(&mut self, policy: &Policy, n: usize) -> Option<()> {
        let devices = ["/dev/xvda", "/dev/sdf", "/dev/sdg"];
        let name = format!("server-{n:04}");
        let mut attached = Vec::new();
        for device in devices {
            let volume_id = self.volume(&name, "no")?;
            attached.push(AttachedVolume { device: self.interner.share(device), volume_id });
        }
        let instance = Instance {
            id: self.random.id("i-").parse().ok()?,
            owner_id: Some(self.interner.share("123456789012")),
            state: InstanceState::Running,
            root_device: Some(self.interner.share(devices[0])),
            volumes: attached,
            tags: self.user_tags(&name, "no").into_iter().collect(),
        };
        self.points(policy, Source::Instance(instance.id), &instance.volumes, &name, "no")?;
        self.found.instances.push(instance);
        Some(())
    }

    fn database(&mut self, policy: &Policy, n: usize) -> Option<()> {
        let name = format!("database-{n:04}");
        let volume_id = self.volume(&name, "daily")?;
        let volumes = [AttachedVolume { device: "".into(), volume_id }];
        self.points(policy, Source::Volume(volume_id), &volumes, &name, "daily")
    }

    fn volume(&mut self, name: &str, backup: &str) -> Option<VolumeId> {
        let id = self.random.id("vol-").parse().ok()?;
        let tags = self.user_tags(name, backup).into_iter().collect();
        self.found.volumes.push(Volume {
            id,
            state: self.interner.share("in-use"),
            volume_type: self.interner.share("gp3"),
            size_gib: 100,
            tags,
        });
        Some(id)
    }

    fn points(
        &mut self,
        policy: &Policy,
        source: Source,
        volumes: &[AttachedVolume],
        name: &str,
        backup: &str,
    ) -> Option<()> {
        // One snapshot in 25, spread evenly over the sources.
        let n_before = self.n_sources * self.per_volume / 25;
        self.n_sources += 1;
        let n_expiring = self.n_sources * self.per_volume / 25 - n_before;
        let regional = RegionalSource { region: self.region.clone(), source }.to_string();
        let parts = volumes.iter().map(|v| format!("{}={}", v.device, v.volume_id));
        let devices = parts.collect::<Vec<_>>().join(" ");
        for slot in self.slots.choose(self.per_volume, n_expiring) {
            let slot_text = slot.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let description = format!("snapkeep {} {source} {slot_text}", policy.name);
            let n_members = volumes.len().to_string();
            let mut pairs = vec![
                (tags::OWNER, policy.base.owner.as_ref()),
                (tags::POLICY, policy.name.as_ref()),
                (tags::SLOT, slot_text.as_str()),
                (tags::SOURCE, regional.as_str()),
                (tags::MEMBERS, n_members.as_str()),
            ];
            if matches!(source, Source::Instance(_)) {
                pairs.push((tags::DEVICES, devices.as_str()));
            }
            let mut own: Vec<_> = self.share(&pairs);
            own.extend(self.user_tags(name, backup));
            let seconds = i64::try_from(self.random.next() % 60).ok()?;
            let started_at = slot + TimeDelta::seconds(seconds);
            for attached in volumes {
                self.found.snapshots.push(Snapshot {
                    id: self.random.id("snap-").parse().ok()?,
                    volume_id: Some(attached.volume_id),
                    owner_id: Some(self.interner.share("123456789012")),
                    state: SnapshotState::Completed,
                    state_message: None,
                    started_at,
                    volume_size_gib: 100,
                    is_encrypted: true,
                    description: self.interner.share(&description),
                    tags: own.iter().cloned().collect(),
                });
            }
        }
        Some(())
    }

    fn user_tags(&mut self, name: &str, backup: &str) -> Vec<(Arc<str>, Arc<str>)> {
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
