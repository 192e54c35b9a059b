//! What people and other tools do to an account meanwhile.

use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use snapkeep::domain::inventory::{
    AttachedVolume, Image, InstanceState, RegionInventory, Snapshot, SnapshotState,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::{self, Tags};

use crate::chance::Chance;
use crate::spec::{KEY, Spec};
use crate::world::{self, SourceSpec};

/// What was done: its kind, and to what.
pub(crate) type Deed = (&'static str, String);

/// The name of images that people register from our snapshots.
const BY_HAND: &str = "made by hand";

/// Does something in `region`, drawn from `seed`. What cannot be done there is not.
pub(crate) fn act(sandbox: &Sandbox, region: &Region, seed: u64, spec: &Spec) -> Deed {
    let mut chance = Chance::of(seed, "people");
    let Some(observed) = sandbox.inventory().regions.remove(region) else {
        return ("nothing", String::new());
    };
    let scene = &Scene { sandbox, region, observed: &observed };
    let chance = &mut chance;
    let done = match chance.below(17) {
        0 => scene.delete_snapshot(chance),
        1 => scene.deregister(chance),
        2 => scene.hold(chance),
        3 => scene.release(chance),
        4 => scene.untag(chance),
        5 => scene.lock(chance),
        6 => scene.register(chance),
        7 => scene.deregister_own(chance),
        8 => scene.terminate(chance),
        9 => scene.stop_or_start(chance),
        10 => scene.delete_volume(chance),
        11 => scene.attach(chance),
        12 => scene.new_source(chance, spec),
        13 => scene.look_alike(chance),
        14 => scene.key(false),
        15 => scene.key(true),
        _ => scene.deselect(chance),
    };
    done.unwrap_or(("nothing", String::new()))
}

/// Holds all snapshots of a volume in `region`: also those that are about to go.
pub(crate) fn hold_volume(sandbox: &Sandbox, region: &Region, seed: u64) -> Deed {
    let observed = sandbox.inventory().regions.remove(region).unwrap_or_default();
    let scene = &Scene { sandbox, region, observed: &observed };
    let done = scene.hold_volume(&mut Chance::of(seed, "people"));
    done.unwrap_or(("nothing", String::new()))
}

struct Scene<'s> {
    sandbox: &'s Sandbox,
    region: &'s Region,
    observed: &'s RegionInventory,
}

impl Scene<'_> {
    fn any<'a, T>(chance: &mut Chance, all: &'a [T], fits: impl Fn(&T) -> bool) -> Option<&'a T> {
        let all: Vec<&T> = all.iter().filter(|one| fits(one)).collect();
        (!all.is_empty()).then(|| *chance.one_of(&all))
    }

    fn any_snapshot(
        &self,
        chance: &mut Chance,
        fits: impl Fn(&Snapshot) -> bool,
    ) -> Option<&Snapshot> {
        let is_completed = |s: &Snapshot| s.state == SnapshotState::Completed;
        Self::any(chance, &self.observed.snapshots, |s| is_completed(s) && fits(s))
    }

    fn image_of(&self, id: SnapshotId) -> Option<ImageId> {
        let mut images = self.observed.images.iter();
        images.find(|image| image.snapshot_ids.contains(&id)).map(|image| image.id)
    }

    fn delete_snapshot(&self, chance: &mut Chance) -> Option<Deed> {
        let is_free =
            |s: &Snapshot| self.image_of(s.id).is_none() && !self.observed.locked.contains(&s.id);
        let id = self.any_snapshot(chance, is_free)?.id;
        self.sandbox.remove_snapshot(self.region, id);
        Some(("deletes a snapshot", id.to_string()))
    }

    fn deregister(&self, chance: &mut Chance) -> Option<Deed> {
        let id = Self::any(chance, &self.observed.images, |_| true)?.id;
        self.sandbox.remove_image(self.region, id);
        Some(("deregisters an image", id.to_string()))
    }

    fn hold(&self, chance: &mut Chance) -> Option<Deed> {
        if let Some(image) = Self::any(chance, &self.observed.images, |_| true)
            && chance.happens(0.3)
        {
            let held = image.tags.iter().chain([(tags::HOLD, "legal")]).collect();
            self.tag_image(image.id, held);
            return Some(("holds", image.id.to_string()));
        }
        let id = self.any_snapshot(chance, |_| true)?.id;
        self.sandbox.tag_snapshot(self.region, id, tags::HOLD, "legal");
        Some(("holds", id.to_string()))
    }

    fn hold_volume(&self, chance: &mut Chance) -> Option<Deed> {
        let volume_id = self.any_snapshot(chance, |_| true)?.volume_id?;
        // What failed would be in the way of the next attempt for as long as it is held.
        let is_complete = |s: &&Snapshot| s.state == SnapshotState::Completed;
        for snapshot in self.snapshots_of(volume_id).filter(is_complete) {
            self.sandbox.tag_snapshot(self.region, snapshot.id, tags::HOLD, "legal");
        }
        Some(("holds a volume", volume_id.to_string()))
    }

    fn release(&self, chance: &mut Chance) -> Option<Deed> {
        let volume_id = self.any_snapshot(chance, |s| s.tags.has(tags::HOLD))?.volume_id?;
        for snapshot in self.snapshots_of(volume_id) {
            self.untag_snapshot(snapshot.id, |key| key != tags::HOLD);
        }
        Some(("releases a volume", volume_id.to_string()))
    }

    fn snapshots_of(&self, volume_id: VolumeId) -> impl Iterator<Item = &Snapshot> {
        self.observed.snapshots.iter().filter(move |s| s.volume_id == Some(volume_id))
    }

    fn untag(&self, chance: &mut Chance) -> Option<Deed> {
        let is_ours = |s: &Snapshot| s.tags.has(tags::OWNER) && self.image_of(s.id).is_none();
        let id = self.any_snapshot(chance, is_ours)?.id;
        let what = chance.weighted(&[(1, tags::OWNER), (1, tags::POLICY), (1, tags::PREFIX)]);
        self.untag_snapshot(id, |key| !key.starts_with(what));
        Some(("removes tags", format!("{what} of {id}")))
    }

    fn lock(&self, chance: &mut Chance) -> Option<Deed> {
        let id = self.any_snapshot(chance, |_| true)?.id;
        self.sandbox.lock_snapshot(self.region, id);
        Some(("locks", id.to_string()))
    }

    fn register(&self, chance: &mut Chance) -> Option<Deed> {
        let snapshot = self.any_snapshot(chance, |s| s.tags.has(tags::OWNER))?;
        let id = self.sandbox.new_image_id();
        let image = Image { snapshot_ids: vec![snapshot.id], ..Image::plain(id, BY_HAND) };
        self.sandbox.add_image(self.region, image);
        Some(("registers an image", format!("{id} from {}", snapshot.id)))
    }

    fn deregister_own(&self, chance: &mut Chance) -> Option<Deed> {
        let is_own = |image: &Image| *image.name == *BY_HAND;
        let id = Self::any(chance, &self.observed.images, is_own)?.id;
        self.sandbox.remove_image(self.region, id);
        Some(("deregisters what it registered", id.to_string()))
    }

    fn terminate(&self, chance: &mut Chance) -> Option<Deed> {
        let is_there = |i: &_| is_in(i, &[InstanceState::Running, InstanceState::Stopped]);
        let instance = Self::any(chance, &self.observed.instances, is_there)?;
        for attached in instance.volumes.iter().filter(|_| chance.happens(0.8)) {
            self.sandbox.remove_volume(self.region, attached.volume_id);
        }
        let id: InstanceId = instance.id;
        if chance.happens(0.5) {
            self.sandbox.remove_instance(self.region, id);
        } else {
            self.sandbox.set_instance_state(self.region, id, InstanceState::Terminated);
        }
        Some(("terminates an instance", id.to_string()))
    }

    fn stop_or_start(&self, chance: &mut Chance) -> Option<Deed> {
        let is_there = |i: &_| is_in(i, &[InstanceState::Running, InstanceState::Stopped]);
        let instance = Self::any(chance, &self.observed.instances, is_there)?;
        let to = match instance.state {
            InstanceState::Running => InstanceState::Stopped,
            _ => InstanceState::Running,
        };
        self.sandbox.set_instance_state(self.region, instance.id, to);
        Some(("stops or starts an instance", instance.id.to_string()))
    }

    fn delete_volume(&self, chance: &mut Chance) -> Option<Deed> {
        let is_attached = |id: VolumeId| {
            let mut instances = self.observed.instances.iter();
            instances.any(|i| i.volumes.iter().any(|attached| attached.volume_id == id))
        };
        let id = Self::any(chance, &self.observed.volumes, |v| !is_attached(v.id))?.id;
        self.sandbox.remove_volume(self.region, id);
        Some(("deletes a volume", id.to_string()))
    }

    fn attach(&self, chance: &mut Chance) -> Option<Deed> {
        let is_there = |i: &_| is_in(i, &[InstanceState::Running]);
        let mut instance = Self::any(chance, &self.observed.instances, is_there)?.clone();
        let volume_id = world::add_volume(self.sandbox, self.region, "gp3", Tags::default());
        let device = world::device(instance.volumes.len());
        instance.volumes.push(AttachedVolume { device, volume_id, attached_at: None });
        let text = format!("{volume_id} to {}", instance.id);
        self.sandbox.add_instance(self.region, instance);
        Some(("attaches a volume", text))
    }

    fn new_source(&self, chance: &mut Chance, spec: &Spec) -> Option<Deed> {
        // As many as a world may have, with those that are gone again.
        let n = self.observed.instances.len() + self.observed.volumes.len();
        if 12 < n {
            return None;
        }
        let source = SourceSpec::draw(chance, spec);
        source.add(self.sandbox);
        Some(("adds a source", format!("{source:?}")))
    }

    fn look_alike(&self, chance: &mut Chance) -> Option<Deed> {
        let is_original = |s: &Snapshot| s.tags.has(tags::OWNER) && !s.tags.has(tags::COPY_OF);
        let ours = self.any_snapshot(chance, is_original)?;
        let id = self.sandbox.new_snapshot_id();
        let description = "made by hand with the tags of another".into();
        let started_at = self.sandbox.time().now();
        let snapshot = Snapshot { id, description, started_at, ..ours.clone() };
        self.sandbox.add_snapshot(self.region, snapshot);
        Some(("copies tags", format!("of {} to {id}", ours.id)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the others")]
    fn key(&self, is_enabled: bool) -> Option<Deed> {
        self.sandbox.add_key(self.region, KEY, is_enabled, true);
        Some((if is_enabled { "enables a key" } else { "disables a key" }, KEY.to_owned()))
    }

    fn deselect(&self, chance: &mut Chance) -> Option<Deed> {
        let is_there = |i: &_| is_in(i, &[InstanceState::Running]);
        let mut instance = Self::any(chance, &self.observed.instances, is_there)?.clone();
        instance.tags = instance.tags.iter().filter(|(key, _)| *key != "Backup").collect();
        let text = instance.id.to_string();
        self.sandbox.add_instance(self.region, instance);
        Some(("takes a source out of the backup", text))
    }

    fn tag_image(&self, id: ImageId, tags: Tags) {
        self.sandbox.change_image(self.region, id, |image| image.tags = tags);
    }

    fn untag_snapshot(&self, id: SnapshotId, stays: impl Fn(&str) -> bool) {
        self.sandbox.change_snapshot(self.region, id, |snapshot| {
            snapshot.tags = snapshot.tags.iter().filter(|(key, _)| stays(key)).collect();
        });
    }
}

fn is_in(instance: &snapkeep::domain::inventory::Instance, states: &[InstanceState]) -> bool {
    states.contains(&instance.state)
}
