//! Two more regions: images and snapshots with copies elsewhere, some of which are still to come.
//!
//! Everything here was made by the same calls as later, only in the past, so that EC2's part of it
//! is as EC2 leaves it. `config/samples/disaster-recovery.toml` is the configuration behind it; the
//! shipped one looks at other regions.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Days, Months, SecondsFormat, TimeDelta, Utc};

use super::{ACCOUNT, Demo, devices, slot_tag};
use crate::cloud::sandbox::create::{Maker, create_snapshots};
use crate::cloud::sandbox::ids::Ids;
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{Regions, State};
use crate::cloud::sandbox::{copy, copy_image, image};
use crate::cloud::{CopyImage, CopySnapshot, CreateImage, CreateSnapshots, Created};
use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{AttachedVolume, Image, Instance, InstanceState, Snapshot, Volume};
use crate::domain::region::Region;
use crate::domain::tags::{self, Tags};

/// The key of both regions.
const KEY: &str = "alias/backup";
/// With whom Packer's images are shared in the second region.
const PARTNER: &str = "210987654321";
/// For how many days and months there are points at home.
const AT_HOME: (u64, u32) = (7, 3);
/// For how many days and months there are copies in the second region.
const AWAY: (u64, u32) = (14, 12);

type Pairs = Vec<(String, String)>;

/// The home region, and the one to fall back on.
struct Recovery<'a> {
    demo: &'a Demo<'a>,
    home: Region,
    away: Region,
    home_key: Arc<str>,
}

/// What is protected: an instance with its volumes.
struct Source {
    policy: &'static str,
    id: InstanceId,
    tags: Tags,
    volumes: Vec<(&'static str, Volume)>,
}

impl Demo<'_> {
    pub(super) fn recovery(&self) {
        let (Some(home), Some(away)) = (self.region("eu-west-2"), self.region("eu-west-3")) else {
            return;
        };
        // Ids of their own, so that nothing else gets others because of these regions.
        let ids = std::mem::replace(&mut self.sandbox.lock().ids, Ids::new(2));
        let home_key = self.sandbox.add_key(&home, KEY, true, true);
        self.sandbox.add_key(&away, KEY, true, true);
        let recovery = Recovery { demo: self, home, away, home_key };
        // A demonstration that EC2 refuses is not worth a panic; tests see what is missing.
        let _ = recovery.fill();
        recovery.forget_tokens();
        self.sandbox.lock().ids = ids;
    }
}

impl Recovery<'_> {
    fn fill(&self) -> Option<()> {
        let base = self.packer()?;
        let shop = [("/dev/xvda", "gp3", 8), ("/dev/sdf", "gp3", 40)];
        let shop = self.source("shop", "shop-a", "shop", &shop, Some(base));
        self.shop(&shop)?;
        let database = [("/dev/xvda", "gp3", 8), ("/dev/sdf", "io2", 200)];
        let database = self.source("database", "orders", "database", &database, None);
        self.database(&database)?;
        let new_shop = [("/dev/xvda", "gp3", 8), ("/dev/sdf", "gp3", 500)];
        let new_shop = self.source("shop", "shop-b", "shop", &new_shop, None);
        self.new_shop(&new_shop)
    }

    /// Images of a server that is not encrypted, each with its encrypted form and a copy of that.
    fn shop(&self, source: &Source) -> Option<()> {
        let mut lost = None;
        for slot in self.slots() {
            let original = self.create_image(source, slot)?;
            let encrypted = self.encrypt(source, original, slot, slot + TimeDelta::hours(2))?;
            let copy = self.copy_image(source, encrypted, slot, slot + TimeDelta::hours(4))?;
            // The copy of yesterday's has only just come to its end: the original is still there.
            if slot < self.slot_before(1) {
                self.deregister(&self.home, original);
            }
            if !self.is_kept(slot, AT_HOME) {
                self.deregister(&self.home, encrypted);
            }
            if slot == self.slot_before(4) {
                lost = Some(copy);
            }
        }
        // Somebody was tidying up this morning: before, it would have made the next copy a full one.
        self.deregister(&self.away, lost?);
        Some(())
    }

    /// A server that is new: its first copy is under way, and what comes after waits for it.
    fn new_shop(&self, source: &Source) -> Option<()> {
        let now = self.demo.sandbox.time().now();
        let slot = self.slot_before(2);
        let original = self.create_image(source, slot)?;
        let encrypted = self.encrypt(source, original, slot, slot + TimeDelta::hours(2))?;
        self.create_image(source, self.slot_before(1))?;
        self.copy_image(source, encrypted, slot, now)?;
        Some(())
    }

    /// Snapshots of encrypted volumes; those of yesterday have no copies yet.
    fn database(&self, source: &Source) -> Option<()> {
        for slot in self.slots() {
            let made = self.create_set(source, slot)?;
            for snapshot_id in made.iter().map(|created| created.snapshot_id) {
                if slot < self.slot_before(1) {
                    self.copy_snapshot(source, snapshot_id, slot)?;
                }
                if !self.is_kept(slot, AT_HOME) {
                    self.demo.sandbox.remove_snapshot(&self.home, snapshot_id);
                }
            }
        }
        Some(())
    }

    /// Images that Packer makes every other week; returns the one that servers were launched from.
    fn packer(&self) -> Option<ImageId> {
        let mut made = Vec::new();
        for age in [58, 44, 30, 16, 2] {
            let at = self.slot_before(age) - TimeDelta::hours(5);
            made.push(self.build(at)?);
        }
        let [oldest, old, _, shared, _] = made[..] else { return None };
        let sandbox = self.demo.sandbox;
        sandbox.add_launch_template(&self.home, "lt-0a6b1c2d3e4f50617", old);
        let at = self.slot_before(16);
        let copy = self.copy_packers(shared, at)?;
        sandbox.share(&self.away, copy.into(), PARTNER);
        sandbox.change_image(&self.away, copy, |image| {
            let shared = (tags::SHARED_WITH, PARTNER);
            image.tags = image.tags.iter().chain([shared]).collect();
        });
        Some(oldest)
    }

    /// Makes an image as Packer does: of an instance that is terminated afterwards.
    fn build(&self, at: DateTime<Utc>) -> Option<ImageId> {
        let name = format!("golden-base-{}", at.format("%Y%m%d"));
        let root = [("/dev/xvda", "gp3", 8)];
        // Packer launches it from an image of the distribution, which is not the account's own.
        let parent = self.demo.sandbox.new_image_id();
        let builder = self.source("", "Packer Builder", "build", &root, Some(parent));
        let root = builder.volumes.first().map(|(_, volume)| volume.id)?;
        self.demo.sandbox.encrypt_volume_with(&self.home, root, &self.home_key);
        let tags = owned([("Name", "golden-base"), ("Family", "base"), ("Builder", "packer")]);
        let request = CreateImage {
            instance_id: builder.id,
            name,
            description: String::new(),
            no_reboot: false,
            left_out_devices: Vec::new(),
            image_tags: tags.clone(),
            snapshot_tags: tags,
        };
        let made = self.make(self.home, at, |regions, maker| {
            image::create_image(regions.entry(maker.here).or_default(), maker, &request)
        });
        self.demo.sandbox.remove_instance(&self.home, builder.id);
        self.demo.sandbox.remove_volume(&self.home, root);
        self.demo.sandbox.change(&self.home, |state| {
            state.encrypted_volumes.remove(&root);
            state.n_reboots.remove(&builder.id);
        });
        made
    }

    /// Adds an instance with its volumes.
    fn source(
        &self,
        policy: &'static str,
        name: &str,
        role: &str,
        devices: &[(&'static str, &str, u32)],
        image_id: Option<ImageId>,
    ) -> Source {
        let sandbox = self.demo.sandbox;
        let volumes = devices.iter().map(|(device, volume_type, size_gib)| {
            let volume = Volume {
                id: sandbox.new_volume_id(),
                state: "in-use".into(),
                volume_type: (*volume_type).into(),
                size_gib: *size_gib,
                created_at: None,
                tags: [("Name", name)].into_iter().collect(),
            };
            sandbox.add_volume(&self.home, volume.clone());
            if policy == "database" {
                sandbox.encrypt_volume_with(&self.home, volume.id, &self.home_key);
            }
            (*device, volume)
        });
        let volumes: Vec<_> = volumes.collect();
        let attached = volumes.iter().map(|(device, volume)| AttachedVolume {
            device: (*device).into(),
            volume_id: volume.id,
            attached_at: None,
        });
        let (id, tags) = (sandbox.new_instance_id(), [("Name", name), ("Role", role)]);
        let tags: Tags = tags.into_iter().collect();
        let instance = Instance {
            id,
            owner_id: Some(ACCOUNT.into()),
            state: InstanceState::Running,
            root_device: volumes.first().map(|(device, _)| (*device).into()),
            is_instance_store: false,
            image_id,
            launched_at: None,
            volumes: attached.collect(),
            tags: tags.clone(),
        };
        sandbox.add_instance(&self.home, instance);
        Source { policy, id, tags, volumes }
    }

    fn create_image(&self, source: &Source, slot: DateTime<Utc>) -> Option<ImageId> {
        let ours = self.tags_of_point(source, slot);
        let name = format!("snapkeep {} {} {}", source.policy, source.id, slot_tag(slot));
        let request = CreateImage {
            instance_id: source.id,
            // EC2 takes no colons here.
            name: name.replace(':', "."),
            description: format!("snapkeep {} {} {}", source.policy, source.id, slot_tag(slot)),
            no_reboot: true,
            left_out_devices: Vec::new(),
            image_tags: with(ours.clone(), &source.tags),
            snapshot_tags: with(ours, &source.volumes.first()?.1.tags),
        };
        self.make(self.home, slot + TimeDelta::seconds(4), |regions, maker| {
            image::create_image(regions.entry(maker.here).or_default(), maker, &request)
        })
    }

    fn create_set(&self, source: &Source, slot: DateTime<Utc>) -> Option<Vec<Created>> {
        let request = CreateSnapshots {
            instance_id: source.id,
            exclude_boot_volume: false,
            exclude_data_volume_ids: Vec::new(),
            description: format!("snapkeep {} {} {}", source.policy, source.id, slot_tag(slot)),
            tags: self.tags_of_point(source, slot),
            copy_tags_from_volume: true,
        };
        self.make(self.home, slot + TimeDelta::seconds(4), |regions, maker| {
            create_snapshots(regions.entry(maker.here).or_default(), maker, &request)
        })
    }

    fn encrypt(
        &self,
        source: &Source,
        original: ImageId,
        slot: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Option<ImageId> {
        let parent = self.image(original, at)?;
        let name = format!("{} encrypted", parent.name);
        self.copy_to(&self.home, source, &parent, Some(slot), &name, at)
    }

    fn copy_image(
        &self,
        source: &Source,
        encrypted: ImageId,
        slot: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Option<ImageId> {
        let parent = self.image(encrypted, at)?;
        let name = Arc::clone(&parent.name);
        self.copy_to(&self.away, source, &parent, Some(slot), &name, at)
    }

    fn copy_to(
        &self,
        to: &Region,
        source: &Source,
        parent: &Image,
        slot: Option<DateTime<Utc>>,
        name: &str,
        at: DateTime<Utc>,
    ) -> Option<ImageId> {
        let mut ours = self.tags_of_copy(source.policy, &parent.tags, parent.id.into());
        let time = slot.map(|slot| slot + TimeDelta::seconds(4)).or(parent.created_at)?;
        ours.push((tags::TIME.to_owned(), time_text(time)));
        ours.push(match slot {
            Some(_) => (tags::SOURCE.to_owned(), format!("{}/{}", self.home, source.id)),
            None => (tags::SOURCE.to_owned(), format!("{}/family:base", self.home)),
        });
        let request = CopyImage {
            source_region: self.home,
            source_image_id: parent.id,
            name: name.to_owned(),
            description: self.copy_description(source.policy, parent.id.into()),
            encrypted: true,
            kms_key_id: Some(KEY.to_owned()),
            completion_minutes: None,
            client_token: format!("{} {}", parent.id, to),
            image_tags: with(ours.clone(), &parent.tags),
            snapshot_tags: ours,
        };
        self.make(*to, at, |regions, maker| copy_image::copy_image(regions, maker, &request))
    }

    /// Copies an image of Packer's, which has no slot and is encrypted already.
    fn copy_packers(&self, id: ImageId, at: DateTime<Utc>) -> Option<ImageId> {
        let parent = self.image(id, at)?;
        let source = Source {
            policy: "golden",
            id: self.demo.sandbox.new_instance_id(),
            tags: Tags::default(),
            volumes: Vec::new(),
        };
        let name = Arc::clone(&parent.name);
        self.copy_to(&self.away, &source, &parent, None, &name, at)
    }

    fn copy_snapshot(
        &self,
        source: &Source,
        id: SnapshotId,
        slot: DateTime<Utc>,
    ) -> Option<SnapshotId> {
        let at = slot + TimeDelta::hours(2);
        let parent = self.snapshot(id, at)?;
        let mut ours = self.tags_of_copy(source.policy, &parent.tags, id.into());
        ours.push((tags::SOURCE.to_owned(), format!("{}/{}", self.home, source.id)));
        ours.push((tags::TIME.to_owned(), time_text(parent.started_at)));
        ours.push((tags::VOLUME.to_owned(), parent.volume_id?.to_string()));
        let request = CopySnapshot {
            source_region: self.home,
            source_snapshot_id: id,
            is_source_encrypted: parent.is_encrypted,
            description: self.copy_description(source.policy, id.into()),
            encrypted: true,
            kms_key_id: Some(KEY.to_owned()),
            completion_minutes: None,
            tags: with(ours, &parent.tags),
        };
        self.make(self.away, at, |regions, maker| copy::copy_snapshot(regions, maker, &request))
    }

    /// Returns our tags of a new point.
    fn tags_of_point(&self, source: &Source, slot: DateTime<Utc>) -> Pairs {
        let volumes = source.volumes.iter().map(|(device, volume)| (*device, volume.id));
        let volumes: Vec<(&str, VolumeId)> = volumes.collect();
        owned([
            (tags::OWNER, "main"),
            (tags::POLICY, source.policy),
            (tags::SLOT, &slot_tag(slot)),
            (tags::SOURCE, &format!("{}/{}", self.home, source.id)),
            (tags::MEMBERS, &volumes.len().to_string()),
            (tags::DEVICES, &devices(&volumes)),
        ])
    }

    /// Returns our tags of a copy, but for those that come from elsewhere than its parent.
    fn tags_of_copy(&self, policy: &str, parent: &Tags, id: ResourceId) -> Pairs {
        let parent_text = format!("{}/{id}", self.home);
        let origin = parent.get(tags::ORIGIN).unwrap_or(&parent_text);
        let mut ours = owned([
            (tags::OWNER, "main"),
            (tags::POLICY, policy),
            (tags::COPY_OF, &parent_text),
            (tags::ORIGIN, origin),
        ]);
        for key in [tags::SLOT, tags::MEMBERS, tags::DEVICES] {
            ours.extend(parent.get(key).map(|value| (key.to_owned(), value.to_owned())));
        }
        ours
    }

    fn copy_description(&self, policy: &str, parent: ResourceId) -> String {
        format!("snapkeep {policy} copy of {}/{parent}", self.home)
    }

    /// Makes one call at an instant of the past.
    fn make<T>(
        &self,
        here: Region,
        at: DateTime<Utc>,
        call: impl FnOnce(&mut Regions, &mut Maker<'_>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let State { account, regions, ids, texts, .. } = &mut *self.demo.sandbox.lock();
        for region in regions.values_mut() {
            region.settle(at);
        }
        let mut maker = Maker {
            now: at,
            here,
            account: Arc::clone(account),
            snapshot_ids: &mut ids.snapshots,
            image_ids: &mut ids.images,
            texts,
            visible_from: at,
            is_failing: false,
        };
        call(regions, &mut maker).ok()
    }

    /// Returns an image of the home region as it is at an instant.
    fn image(&self, id: ImageId, at: DateTime<Utc>) -> Option<Image> {
        let regions = &mut self.demo.sandbox.lock().regions;
        let home = regions.get_mut(&self.home)?;
        home.settle(at);
        home.images.get(&id).map(|stored| stored.image.clone())
    }

    /// Returns a snapshot of the home region as it is at an instant.
    fn snapshot(&self, id: SnapshotId, at: DateTime<Utc>) -> Option<Snapshot> {
        let regions = &mut self.demo.sandbox.lock().regions;
        let home = regions.get_mut(&self.home)?;
        home.settle(at);
        home.snapshots.get(&id).map(|stored| stored.snapshot.clone())
    }

    /// Deregisters an image and deletes its snapshots.
    fn deregister(&self, region: &Region, id: ImageId) {
        let now = self.demo.sandbox.time().now();
        self.demo.sandbox.change(region, |state| {
            state.settle(now);
            let backing = state.images.get(&id).map(|stored| stored.backing.clone());
            state.remove_image(id);
            backing.into_iter().flatten().for_each(|id| state.remove_snapshot(id));
        });
    }

    /// The tokens that EC2 would remember are not the ones that made all this.
    fn forget_tokens(&self) {
        for region in [self.home, self.away] {
            self.demo.sandbox.change(&region, |state| state.client_tokens.clear());
        }
    }

    /// Returns the slots of which something is left somewhere, oldest first.
    fn slots(&self) -> Vec<DateTime<Utc>> {
        let slots = (1..=400).map(|n| self.slot_before(n));
        let mut slots: Vec<_> = slots.filter(|slot| self.is_kept(*slot, AWAY)).collect();
        slots.sort_unstable();
        slots
    }

    /// Returns true if the run of yesterday has left the point of a slot.
    fn is_kept(&self, slot: DateTime<Utc>, (days, months): (u64, u32)) -> bool {
        let last_run = self.slot_before(1) + TimeDelta::minutes(10);
        last_run < slot + Days::new(days)
            || (slot.day() == 1 && last_run < slot + Months::new(months))
    }

    fn slot_before(&self, days: u64) -> DateTime<Utc> {
        self.demo.latest_slot - Days::new(days)
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> Pairs {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

/// Returns our tags with those that are carried along.
fn with(mut ours: Pairs, carried: &Tags) -> Pairs {
    let theirs = carried.iter().filter(|(key, _)| !key.starts_with(tags::PREFIX));
    ours.extend(theirs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    ours
}

fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
