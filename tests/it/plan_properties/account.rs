//! Random accounts over three regions: originals, images, copies and encrypted forms, with every
//! kind of wrong tag and bad luck; and what becomes of them when plans are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use proptest::prelude::*;
use snapkeep::config::{Config, parse};
use snapkeep::domain::ids::{ImageId, RegionalId, ResourceId, SnapshotId, VolumeId};
use snapkeep::domain::inventory::{
    AttachedVolume, Image, ImageState, ImageUse, Instance, InstanceState, Inventory,
    RegionInventory, Snapshot, SnapshotState, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::{self, Tags};
use snapkeep::plan::{Plan, Request, plan};

mod acting;

/// Every kind of copy rule once: of sets, of volumes, of images; all, one tier, old ones too;
/// spans, counts, the last of a period; encrypted with and without retiring.
const CONFIG: &str = r#"
version = 1

[regions."us-east-1"]
kms_key = "alias/us"

[defaults]
regions = ["eu-west-1"]
limits = { max_deletes = 1000, max_delete_percent = 100 }

[[policy]]
name = "servers"
renamed_from = ["hosts"]
regions = ["eu-west-1", "us-east-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Keep = "set" } }
retention = { keep_last = 2, daily = "10 days", weekly = 3, orphans = "expire" }
[[policy.copy]]
to = "ap-northeast-2"
existing = true
share_with = ["210987654321"]
retention = { daily = "5 days", monthly = { for = "3 months", take = "last" } }
[policy.override."us-east-1"]
copy = [{ to = "eu-west-1", only = "weekly", retention = { keep_last = 2, weekly = 4 } }]

[[policy]]
name = "golden"
kind = "images"
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Keep = "image" } }
retention = { daily = "7 days" }
deprecate_after = "30 days"
encrypt = { retire_unencrypted = true }
[[policy.copy]]
to = "us-east-1"
encrypted = true
retention = { daily = 4, orphans = "expire" }
[[policy.copy]]
to = "ap-northeast-2"
encrypted = true
existing = true
only = "daily"
retention = { weekly = { for = "6 weeks", take = "last" } }

[[policy]]
name = "base"
kind = "images"
family_tag = "Family"
select = { resource = "image", name = "base*" }
retention = { keep_last = 2, weekly = "4 weeks" }
adopt = { tags = { By = "packer" } }
encrypt = { retire_unencrypted = true }
[[policy.copy]]
to = "us-east-1"
existing = true
retention = { every = "20 days" }

[[policy]]
name = "disks"
regions = ["us-east-1"]
schedule = "0 3 * * *"
select = { resource = "volume", tags = { Disk = "on" } }
retention = { daily = { for = "6 days", take = "last" } }
encrypt = { kms_key = "alias/disks" }
[[policy.copy]]
to = "eu-west-1"
encrypted = true
existing = true
retention = { daily = "3 days", weekly = { for = "5 weeks", take = "first-day" } }

[[policy]]
name = "cleanup"
create = false
select = { resource = "volume", tags = { None = "here" } }
retention = { keep_last = 2, daily = "5 days" }
adopt = { description = "old*" }

[[policy]]
name = "sweep"
kind = "images"
create = false
select = { resource = "instance", tags = { None = "here" } }
retention = { weekly = 2 }
adopt = { tags = { By = "packer" } }
"#;

pub(crate) fn config() -> Config {
    match parse(&[("wide.toml".to_owned(), CONFIG.to_owned())]) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// Ten minutes after a slot.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-20T03:10:00Z".parse().unwrap()
}

pub(crate) fn regions() -> [Region; 3] {
    ["eu-west-1", "us-east-1", "ap-northeast-2"].map(|name| name.parse().unwrap())
}

/// One original as chance has it, with what was made of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seed {
    /// What it is of; see [`KINDS`].
    pub(crate) kind: usize,
    pub(crate) days: i64,
    pub(crate) minutes: i64,
    pub(crate) state: u8,
    pub(crate) mark: u8,
    pub(crate) wrong: u8,
    pub(crate) attempt: u32,
    pub(crate) is_encrypted: bool,
    /// Whether the original itself is gone, and only copies are left.
    pub(crate) is_gone: bool,
    pub(crate) copies: Vec<CopySeed>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct CopySeed {
    /// 0 is the encrypted form, else a region.
    pub(crate) to: usize,
    pub(crate) hours: i64,
    pub(crate) state: u8,
    pub(crate) mark: u8,
    pub(crate) wrong: u8,
    pub(crate) attempt: u32,
    /// Of a set, which member; beyond, all.
    pub(crate) member: usize,
}

/// Policy, source, home (index of [`regions`]), volumes; no volumes: an image.
const KINDS: [(&str, &str, usize, &[u32]); 9] = [
    ("servers", "i-00000000000000001", 0, &[1, 2]),
    ("servers", "i-00000000000000004", 1, &[5]),
    ("golden", "i-00000000000000002", 0, &[]),
    ("golden", "i-00000000000000002", 0, &[]),
    ("disks", "vol-00000000000000006", 1, &[6]),
    ("base", "family:web", 0, &[]),
    ("base", "family:web", 0, &[]),
    ("base", "family:*", 0, &[]),
    ("", "old", 0, &[1]),
];

pub(crate) fn any_seeds(n_most: usize) -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec(any_seed(), 0..n_most)
}

fn any_seed() -> impl Strategy<Value = Seed> {
    let what = (0..KINDS.len(), 0_i64..120, 0_i64..200);
    let luck = (0_u8..14, 0_u8..30, 0_u8..30, 1_u32..4, any::<bool>(), 0_u8..8);
    (what, luck, prop::collection::vec(any_copy(), 0..4)).prop_map(|(what, luck, copies)| {
        let (kind, days, minutes) = what;
        let (state, mark, wrong, attempt, is_encrypted, gone) = luck;
        // Close to now more often than far from it.
        let days = if days < 90 { days % 15 } else { days };
        let minutes = if minutes < 150 { minutes % 10 } else { minutes };
        let is_gone = gone == 0;
        let attempt = if state == 1 { attempt } else { 1 };
        let is_encrypted = is_encrypted && mark.is_multiple_of(2);
        Seed { kind, days, minutes, state, mark, wrong, attempt, is_encrypted, is_gone, copies }
    })
}

fn any_copy() -> impl Strategy<Value = CopySeed> {
    (0_usize..4, 0_i64..60, 0_u8..14, 0_u8..30, 0_u8..40, 1_u32..4, 0_usize..6).prop_map(
        |(to, hours, state, mark, wrong, attempt, member)| {
            let attempt = if state == 1 { attempt } else { 1 };
            CopySeed { to, hours, state, mark, wrong, attempt, member }
        },
    )
}

/// An account with what nobody may delete, and why.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) inventory: Inventory,
    pub(crate) untouchable: BTreeMap<RegionalId, &'static str>,
    /// What bears our tags, or those of a family, and is not ours for another reason.
    pub(crate) foreign: BTreeSet<RegionalId>,
    /// Snapshots of images that do not list them yet.
    backing: BTreeMap<ImageId, Vec<SnapshotId>>,
    n_ids: u64,
}

pub(crate) fn snapshot_id(n: u64) -> SnapshotId {
    format!("snap-{n:017x}").parse().unwrap()
}

fn image_id(n: u64) -> ImageId {
    format!("ami-{n:017x}").parse().unwrap()
}

fn volume_id(n: u32) -> VolumeId {
    format!("vol-{n:017x}").parse().unwrap()
}

fn slot_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

type Pair = (Arc<str>, Arc<str>);

fn pair(key: &str, value: impl AsRef<str>) -> Pair {
    (key.into(), value.as_ref().into())
}

/// What an original and its copies share.
struct Origin<'s> {
    seed: &'s Seed,
    policy: &'static str,
    source: String,
    home: Region,
    slot: Option<DateTime<Utc>>,
    time: DateTime<Utc>,
    /// Each with its volume; none for an image.
    members: Vec<(ResourceId, Option<u32>)>,
    n_members: usize,
    /// What the tag of devices says; points of one slot with other devices are other requests.
    devices: Option<&'static str>,
}

impl Account {
    pub(crate) fn new(seeds: &[Seed], has_sources: bool) -> Self {
        let mut account = Self {
            inventory: empty(has_sources),
            untouchable: BTreeMap::new(),
            foreign: BTreeSet::new(),
            backing: BTreeMap::new(),
            n_ids: 0,
        };
        for seed in seeds {
            let origin = account.original(seed);
            for copy in &seed.copies {
                account.copy(&origin, copy);
            }
        }
        account.answer();
        account
    }

    pub(crate) fn region(&mut self, region: Region) -> &mut RegionInventory {
        self.inventory.regions.get_mut(&region).unwrap()
    }

    fn next_id(&mut self) -> u64 {
        self.n_ids += 1;
        // Not in the order in which they are made, as EC2 draws them at random.
        self.n_ids + (self.n_ids * 7919 % 1000) * 1_000_000
    }

    fn original<'s>(&mut self, seed: &'s Seed) -> Origin<'s> {
        let (policy, source, home, volumes) = KINDS[seed.kind];
        let home = regions()[home];
        let slot = start() - TimeDelta::minutes(10) - TimeDelta::days(seed.days);
        let time = slot + TimeDelta::minutes(seed.minutes);
        let is_ours = source.starts_with(['i', 'v']);
        let has_slot = is_ours && seed.wrong != 0;
        let mut origin = Origin {
            seed,
            policy,
            source: format!("{home}/{source}"),
            home,
            slot: has_slot.then_some(slot),
            time,
            members: Vec::new(),
            n_members: volumes.len().max(1),
            devices: matches!(seed.wrong, 8 | 9).then_some("/dev/sda=vol-00000000000000001"),
        };
        let policy_tag = if seed.wrong == 1 && policy == "servers" { "hosts" } else { policy };
        let mut ours = vec![];
        if is_ours {
            ours = vec![
                pair(tags::OWNER, if seed.wrong == 2 { "another" } else { "main" }),
                pair(tags::POLICY, policy_tag),
                pair(tags::SOURCE, &origin.source),
                pair(tags::MEMBERS, origin.n_members.to_string()),
            ];
            ours.extend(origin.slot.map(|slot| pair(tags::SLOT, slot_text(slot))));
            ours.extend(origin.devices.map(|text| pair(tags::DEVICES, text)));
            if 1 < seed.attempt {
                ours.push(pair(tags::ATTEMPT, seed.attempt.to_string()));
            }
        }
        let mut description = format!("snapkeep {policy_tag} {source} {}", slot_text(slot));
        if seed.wrong == 3 {
            description = "made by hand, tags copied".to_owned();
        }
        let is_foreign = is_ours && matches!(seed.wrong, 2 | 3);
        if volumes.is_empty() {
            let id = self.next_id();
            let mut image = Image { created_at: Some(time), ..Image::plain(image_id(id), "") };
            if is_ours {
                image.name = format!("golden {id}").into();
                image.description = description.into();
                image.source_instance_id = source.parse().ok();
            } else {
                let name = if seed.wrong < 6 { "other" } else { "base" };
                image.name = format!("{name} {id}").into();
                let family = source.strip_prefix("family:").filter(|name| *name != "*");
                ours.extend(family.map(|name| pair("Family", name)));
                if seed.wrong.is_multiple_of(3) {
                    let id = RegionalId { region: home, id: image.id.into() };
                    self.untouchable.insert(id, "nobody adopted it");
                } else {
                    ours.push(pair("By", "packer"));
                }
                image.is_public = seed.wrong == 7;
            }
            image.is_encrypted = seed.is_encrypted;
            let made = self.image(home, image, &ours, seed.state, seed.mark, seed.is_gone, is_ours);
            origin.members.push((made.into(), None));
            if is_foreign {
                self.is_foreign(home, made.into());
            }
            if !is_ours && seed.wrong == 7 {
                let id = RegionalId { region: home, id: made.into() };
                self.untouchable.insert(id, "is public");
            }
            return origin;
        }
        for (n, volume) in volumes.iter().enumerate() {
            let id = snapshot_id(self.next_id());
            origin.members.push((id.into(), Some(*volume)));
            // A member may be missing, and may fail alone.
            if n == 1 && seed.wrong == 4 {
                continue;
            }
            let state = if n == 1 && seed.wrong == 5 { 1 } else { seed.state };
            let snapshot = Snapshot {
                id,
                volume_id: Some(volume_id(*volume)),
                owner_id: Some("123456789012".into()),
                state: SnapshotState::Completed,
                state_message: None,
                started_at: time,
                volume_size_gib: 8,
                full_size_bytes: None,
                is_encrypted: seed.is_encrypted,
                kms_key_id: None,
                description: match (policy, seed.wrong) {
                    ("", 5..) => "old script".into(),
                    ("", _) => "".into(),
                    _ => description.as_str().into(),
                },
                tags: Tags::default(),
            };
            self.snapshot(home, snapshot, &ours, state, seed.mark, seed.is_gone);
            if is_foreign || (policy.is_empty() && seed.wrong < 5) {
                self.is_foreign(home, id.into());
            }
        }
        origin
    }

    fn copy(&mut self, origin: &Origin<'_>, seed: &CopySeed) {
        let is_form = seed.to == 0;
        let to = if is_form { origin.home } else { regions()[seed.to - 1] };
        // Copies made for nobody's things are nobody's; nor does anything of ours copy home. EC2
        // copies nothing that is not complete.
        let is_whole = origin.seed.is_gone || !matches!(origin.seed.state, 0..=2);
        if origin.policy.is_empty() || (!is_form && to == origin.home) || !is_whole {
            return;
        }
        for (n, (original, volume)) in origin.members.iter().enumerate() {
            let has_failed = n == 1 && matches!(origin.seed.wrong, 4 | 5);
            if has_failed || (n != seed.member && origin.members.len() <= seed.member + n) {
                continue;
            }
            let first = RegionalId { region: origin.home, id: *original };
            let mut ours = vec![
                pair(tags::OWNER, if seed.wrong == 0 { "another" } else { "main" }),
                pair(tags::POLICY, origin.policy),
                pair(tags::SOURCE, &origin.source),
                pair(tags::COPY_OF, first.to_string()),
                pair(tags::TIME, slot_text(origin.time)),
                pair(tags::MEMBERS, origin.n_members.to_string()),
            ];
            ours.extend(origin.devices.map(|text| pair(tags::DEVICES, text)));
            if seed.wrong != 1 {
                ours.push(pair(tags::ORIGIN, first.to_string()));
            }
            let slot = origin.slot.filter(|_| seed.wrong != 2);
            ours.extend(slot.map(|slot| pair(tags::SLOT, slot_text(slot))));
            if let Some(volume) = volume.filter(|_| seed.wrong != 3) {
                ours.push(pair(tags::VOLUME, volume_id(volume).to_string()));
            }
            if 1 < seed.attempt {
                ours.push(pair(tags::ATTEMPT, seed.attempt.to_string()));
            }
            let description = match seed.wrong {
                4 => "somebody's copy".to_owned(),
                _ => format!("snapkeep {} copy of {first}", origin.policy),
            };
            let begun_at = (origin.time + TimeDelta::hours(seed.hours)).min(start());
            let is_encrypted = is_form || seed.wrong.is_multiple_of(2);
            let id = self.next_id();
            let made: ResourceId = match original {
                ResourceId::Image(parent) => {
                    let other = image_id(1);
                    let image = Image {
                        created_at: Some(begun_at),
                        description: description.into(),
                        source_image_id: Some(if seed.wrong == 5 { other } else { *parent }),
                        source_image_region: Some(origin.home),
                        is_encrypted,
                        ..Image::plain(image_id(id), &format!("copy {id}"))
                    };
                    self.image(to, image, &ours, seed.state, seed.mark, false, true).into()
                }
                ResourceId::Snapshot(_) => {
                    let snapshot = Snapshot {
                        id: snapshot_id(id),
                        volume_id: Some("vol-ffffffff".parse().unwrap()),
                        owner_id: Some("123456789012".into()),
                        state: SnapshotState::Completed,
                        state_message: None,
                        started_at: begun_at,
                        volume_size_gib: 8,
                        full_size_bytes: None,
                        is_encrypted,
                        kms_key_id: None,
                        description: description.into(),
                        tags: Tags::default(),
                    };
                    self.snapshot(to, snapshot, &ours, seed.state, seed.mark, false);
                    snapshot_id(id).into()
                }
            };
            let is_other_image = seed.wrong == 5 && volume.is_none();
            if matches!(seed.wrong, 0 | 4) || is_other_image || origin.seed.kind == 8 {
                self.is_foreign(to, made);
            }
        }
    }

    fn is_foreign(&mut self, region: Region, id: ResourceId) {
        self.foreign.insert(RegionalId { region, id });
        self.untouchable.insert(RegionalId { region, id }, "is foreign");
    }

    fn snapshot(
        &mut self,
        region: Region,
        mut snapshot: Snapshot,
        ours: &[Pair],
        state: u8,
        mark: u8,
        is_gone: bool,
    ) {
        if is_gone {
            return;
        }
        let id = RegionalId { region, id: snapshot.id.into() };
        let mut pairs = ours.to_vec();
        match mark {
            0 => pairs.push(pair(tags::HOLD, "yes")),
            1 => pairs.push(pair("aws:backup:source-resource", "vol")),
            2 => {
                self.region(region).locked.insert(snapshot.id);
            }
            3 => {
                let n = self.next_id();
                let snapshot_ids = vec![snapshot.id];
                let image = Image { snapshot_ids, ..Image::plain(image_id(n), &format!("{n}")) };
                self.untouchable.insert(RegionalId { region, id: image.id.into() }, "a stranger");
                self.region(region).images.push(image);
            }
            _ => {}
        }
        if mark < 4 {
            self.untouchable.insert(id, "held, managed, locked, or backs an image");
        }
        if mark == 1 {
            self.foreign.insert(id);
        }
        snapshot.tags = pairs.into_iter().collect();
        snapshot.state = match state {
            0 => SnapshotState::Pending,
            1 => SnapshotState::Error,
            _ => SnapshotState::Completed,
        };
        if state == 0 {
            self.untouchable.insert(id, "is pending");
        }
        self.region(region).snapshots.push(snapshot);
    }

    /// Adds an image with two snapshots, or only these.
    #[expect(clippy::too_many_arguments, reason = "one for each kind of luck")]
    fn image(
        &mut self,
        region: Region,
        mut image: Image,
        ours: &[Pair],
        state: u8,
        mark: u8,
        is_gone: bool,
        is_ours: bool,
    ) -> ImageId {
        let id = RegionalId { region, id: image.id.into() };
        let has_leftovers = is_gone && mark.is_multiple_of(2);
        if !is_gone || has_leftovers {
            let backing = self.backing_of(region, &image, if is_ours { ours } else { &[] });
            if mark == 2 {
                self.region(region).locked.insert(backing[0]);
            }
            if state == 0 {
                self.backing.insert(image.id, backing);
            } else {
                image.snapshot_ids = backing;
            }
        }
        let image_id = image.id;
        if is_gone {
            return image_id;
        }
        let mut pairs = ours.to_vec();
        match mark {
            0 => pairs.push(pair(tags::HOLD, "yes")),
            1 => pairs.push(pair("aws:backup:source-resource", "i")),
            3 => image.is_protected = true,
            4 => {
                let used_by = vec!["launch template lt-1".into()];
                let answer = ImageUse { used_by, ..nobody() };
                self.region(region).image_uses.insert(image.id, answer);
            }
            5 if !is_ours => {
                let answer = ImageUse { shared_with: Some(vec!["1".into()]), ..nobody() };
                self.region(region).image_uses.insert(image.id, answer);
            }
            6 => image.has_product_codes = true,
            // Another image over one of its snapshots.
            7 => {
                let n = self.next_id();
                let snapshot_ids = image.snapshot_ids.iter().take(1).copied().collect();
                let id = format!("ami-{n:017x}").parse().unwrap();
                let other = Image { snapshot_ids, ..Image::plain(id, &format!("{n}")) };
                self.untouchable.insert(RegionalId { region, id: id.into() }, "a stranger");
                self.region(region).images.push(other);
            }
            _ => {}
        }
        let is_failed = state == 1;
        if mark < 4 || (mark < 6 && !is_failed && (mark == 4 || !is_ours)) {
            self.untouchable.insert(id, "held, managed, locked, protected, used or shared");
        }
        if mark == 1 {
            self.foreign.insert(id);
        }
        image.tags = pairs.into_iter().collect();
        image.state = match state {
            0 => ImageState::Pending,
            1 => ImageState::Failed,
            2 => ImageState::Disabled,
            _ => ImageState::Available,
        };
        if state == 0 {
            self.untouchable.insert(id, "is pending");
        }
        self.region(region).images.push(image);
        image_id
    }

    /// Adds the two snapshots of an image, as EC2 describes them.
    fn backing_of(&mut self, region: Region, image: &Image, tags: &[Pair]) -> Vec<SnapshotId> {
        let is_pending = image.state == ImageState::Pending;
        let description = match (image.source_instance_id, image.source_image_id) {
            (Some(id), _) => format!("Created by CreateImage({id}) for {}", image.id),
            (None, Some(id)) => {
                format!("Copied for DestinationAmi {} from SourceAmi {id} for S.", image.id)
            }
            (None, None) => "by packer".to_owned(),
        };
        let mut ids = Vec::new();
        for n in [11, 12] {
            let snapshot = Snapshot {
                id: snapshot_id(self.next_id()),
                volume_id: Some(volume_id(n)),
                owner_id: Some("123456789012".into()),
                state: if is_pending { SnapshotState::Pending } else { SnapshotState::Completed },
                state_message: None,
                started_at: image.created_at.unwrap_or_default(),
                volume_size_gib: 8,
                full_size_bytes: None,
                is_encrypted: image.is_encrypted,
                kms_key_id: None,
                description: description.as_str().into(),
                tags: tags.iter().cloned().collect(),
            };
            ids.push(snapshot.id);
            self.region(region).snapshots.push(snapshot);
        }
        ids
    }

    /// Says of every image that was not asked about that nothing uses it.
    fn answer(&mut self) {
        for observed in self.inventory.regions.values_mut() {
            for image in &observed.images {
                observed.image_uses.entry(image.id).or_insert_with(nobody);
            }
        }
    }

    pub(crate) fn plan(&self, config: &Config, now: DateTime<Utc>) -> Plan {
        plan(config, &self.inventory, &Request::at(now))
    }
}

fn nobody() -> ImageUse {
    ImageUse { used_by: vec![], shared_with: Some(vec![]), is_complete: true }
}

fn empty(has_sources: bool) -> Inventory {
    let mut inventory = Inventory { account: Some("123456789012".into()), ..Inventory::default() };
    for region in regions() {
        inventory.regions.insert(region, RegionInventory::default());
    }
    let servers = [(0, 1, "set", &[1, 2][..]), (0, 2, "image", &[3]), (1, 4, "set", &[5])];
    for (home, n, keep, volumes) in servers {
        let observed = inventory.regions.get_mut(&regions()[home]).unwrap();
        let instance = Instance {
            id: format!("i-{n:017x}").parse().unwrap(),
            owner_id: Some("123456789012".into()),
            state: InstanceState::Running,
            root_device: Some("/dev/sda".into()),
            is_instance_store: false,
            image_id: None,
            launched_at: None,
            volumes: volumes
                .iter()
                .enumerate()
                .map(|(at, n)| AttachedVolume {
                    device: if at == 0 { "/dev/sda" } else { "/dev/sdb" }.into(),
                    volume_id: volume_id(*n),
                    attached_at: None,
                })
                .collect(),
            tags: [("Keep", keep)].into_iter().collect(),
        };
        if has_sources {
            observed.instances.push(instance);
        } else {
            observed.gone.insert(format!("i-{n:017x}").parse().unwrap());
        }
        for n in volumes {
            observed.volumes.push(volume(*n, "off"));
        }
    }
    inventory.regions.get_mut(&regions()[1]).unwrap().volumes.push(volume(6, "on"));
    inventory
}

fn volume(n: u32, disk: &str) -> Volume {
    Volume {
        id: volume_id(n),
        state: "in-use".into(),
        volume_type: "gp3".into(),
        size_gib: 8,
        created_at: None,
        tags: [("Disk", disk)].into_iter().collect(),
    }
}
