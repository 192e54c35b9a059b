//! The promises about images, copies and encrypted forms.
//!
//! The account has gone through weeks of cycles over three regions, so that its plans hold
//! creations, copies, encryption, retirement and expiry of everything.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::Config;
use snapkeep::domain::failure::Failure;
use snapkeep::domain::ids::{ImageId, RegionalId, ResourceId};
use snapkeep::domain::inventory::{
    Gap, Image, ImageState, ImageUse, Instance, InstanceState, Listing, RegionInventory, Snapshot,
    SnapshotState,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::domain::tags::{self, Tags};
use snapkeep::plan::{
    Action, Copy, Delete, ExpireReason, Op, Plan, Request, ResourceState, Severity, check::check,
};

use crate::plan_properties::account::{Account, config, regions, start};

/// A right plan, and what it was made of.
#[derive(Clone)]
struct Scene {
    account: Account,
    now: DateTime<Utc>,
    plan: Plan,
}

/// The plans of the first round of a day, and of later ones in which originals are retired: our own,
/// and what was adopted.
struct Weeks {
    config: Config,
    first: Scene,
    retiring: Scene,
    retiring_adopted: Scene,
}

fn weeks() -> &'static Weeks {
    static WEEKS: OnceLock<Weeks> = OnceLock::new();
    WEEKS.get_or_init(|| {
        let config = config();
        let mut account = Account::new(&[], true);
        let mut scenes = Vec::new();
        let (mut first, mut retiring, mut adopted) = (None, None, None);
        for day in 0..18 {
            let now = start() + TimeDelta::days(day);
            let built_at = now - TimeDelta::hours(1);
            account.region(eu()).images.push(build(day, built_at));
            for round in 0..5 {
                let plan = account.plan(&config, now);
                let scene = Scene { account: account.clone(), now, plan };
                let fatal = scene.broken_by(&config);
                assert!(fatal.is_empty(), "day {day}, round {round}: {fatal:?}");
                account.carry_out(&scene.plan.actions, now);
                account.settle(None);
                scenes.push(scene);
            }
        }
        for scene in scenes.into_iter().rev() {
            let has = |policy: &str, is_retired: bool| {
                scene.plan.actions.iter().any(|action| {
                    let delete = action.as_delete().filter(|d| d.resource.image().is_some());
                    let is_it = |d: &Delete| (d.reason == ExpireReason::Retired) == is_retired;
                    action.policy.as_ref() == policy && delete.is_some_and(is_it)
                })
            };
            let place = if has("golden", true) {
                &mut retiring
            } else if has("base", true) {
                &mut adopted
            } else if has("golden", false) {
                &mut first
            } else {
                continue;
            };
            place.get_or_insert(scene);
        }
        let (first, retiring) = (first.unwrap(), retiring.unwrap());
        Weeks { config, first, retiring, retiring_adopted: adopted.unwrap() }
    })
}

/// An image that somebody builds every day.
fn build(day: i64, created_at: DateTime<Utc>) -> Image {
    let id = format!("ami-0000000b{day:09x}").parse().unwrap();
    Image {
        created_at: Some(created_at),
        tags: [("By", "packer"), ("Family", "web")].into_iter().collect(),
        ..Image::plain(id, &format!("base {day}"))
    }
}

fn eu() -> Region {
    regions()[0]
}

impl Scene {
    fn broken_by(&self, config: &Config) -> Vec<String> {
        let request = Request::at(self.now);
        let notes = check(config, &self.account.inventory, &request, &self.plan);
        assert!(notes.iter().all(|note| note.severity == Severity::Fatal));
        notes.into_iter().map(|note| note.message).collect()
    }

    fn assert_broken(&self, expected: &str) {
        let broken = self.broken_by(&weeks().config);
        assert!(broken.iter().any(|text| text.contains(expected)), "{expected}: {broken:?}");
    }

    fn observed(&mut self, region: Region) -> &mut RegionInventory {
        self.account.region(region)
    }

    fn image(&mut self, region: Region, id: ImageId) -> &mut Image {
        self.observed(region).images.iter_mut().find(|image| image.id == id).unwrap()
    }

    fn backing(&mut self, region: Region, id: ImageId) -> &mut Snapshot {
        let first = self.image(region, id).snapshot_ids[0];
        self.observed(region).snapshots.iter_mut().find(|s| s.id == first).unwrap()
    }

    /// Returns the first planned deletion that is of this kind.
    fn planned(&self, is_it: impl Fn(&str, &Delete) -> bool) -> (Region, Delete) {
        let deletes = self.plan.actions.iter();
        let mut deletes = deletes.filter_map(|a| Some((a.region, &a.policy, a.as_delete()?)));
        let (region, _, delete) = deletes.find(|(_, name, d)| is_it(name, d)).unwrap();
        (region, delete.clone())
    }

    /// Returns an image of ours that is to be deregistered, and where.
    fn going(&self) -> (Region, ImageId) {
        let (region, delete) =
            self.planned(|name, delete| name == "golden" && delete.resource.image().is_some());
        (region, delete.resource.image().unwrap())
    }

    fn copy(&self, is_it: impl Fn(&Action, &Copy) -> bool) -> (Action, Copy) {
        let copies = self.plan.actions.iter().filter_map(|a| Some((a, a.as_copy()?)));
        let (action, copy) = copies.into_iter().find(|(a, copy)| is_it(a, copy)).unwrap();
        (action.clone(), copy.clone())
    }

    /// Plans a deletion, as a planner gone wrong would.
    fn delete(&mut self, policy: &str, region: Region, id: ResourceId, reason: ExpireReason) {
        self.plan.keeps.retain(|keep| keep.resource != id);
        let observed = &self.account.inventory.regions[&region];
        let snapshot = observed.snapshots.iter().find(|s| id == s.id.into());
        let image = observed.images.iter().find(|image| id == image.id.into());
        let tags = snapshot.map(|s| &s.tags).or(image.map(|image| &image.tags)).unwrap();
        let state = match (snapshot, image) {
            (Some(snapshot), _) => ResourceState::Snapshot(snapshot.state),
            (None, image) => ResourceState::Image(image.unwrap().state),
        };
        let started_at = snapshot.map(|s| s.started_at).or(image.and_then(|i| i.created_at));
        let delete = Delete {
            resource: id,
            volume_id: None,
            source: "family:web".parse::<Source>().unwrap(),
            size_gib: 1,
            started_at,
            state,
            tags: tags.clone(),
            point_time: started_at.unwrap(),
            reason,
            stays: [].into(),
            stays_elsewhere: [].into(),
            after: vec![],
            backs: None,
        };
        let op = match id {
            ResourceId::Snapshot(_) => Op::DeleteSnapshot(delete),
            ResourceId::Image(_) => Op::DeregisterImage(delete),
        };
        self.plan.actions.push(Action { policy: policy.into(), region, op });
    }
}

fn first() -> Scene {
    weeks().first.clone()
}

fn with(tags: &Tags, key: &str, value: &str) -> Tags {
    tags.iter().filter(|(k, _)| *k != key).chain([(key, value)]).collect()
}

#[test]
fn the_plans_hold_something_of_everything() {
    let operations =
        |scene: &Scene| -> Vec<&str> { scene.plan.actions.iter().map(Action::operation).collect() };
    let first = operations(&weeks().first);
    for operation in ["CreateSnapshots", "CreateImage", "DeregisterImage", "DeleteSnapshot"] {
        assert!(first.contains(&operation), "{operation}: {first:?}");
    }
    let retiring = operations(&weeks().retiring);
    assert!(retiring.contains(&"DeregisterImage"), "{retiring:?}");
}

#[test]
fn deregistering_what_is_used_or_not_known_to_be_unused_is_found() {
    let (region, id) = first().going();
    let mut scene = first();
    let used_by = vec!["launch template lt-1".into()];
    let answer = ImageUse { used_by, shared_with: Some(vec![]), is_complete: true };
    scene.observed(region).image_uses.insert(id, answer);
    scene.assert_broken("is used, or nobody knows whether it is and is to be deregistered");

    let mut scene = first();
    scene.observed(region).image_uses.remove(&id);
    scene.assert_broken("is used, or nobody knows");

    let mut scene = first();
    let instance = Instance {
        id: "i-00000000000000099".parse().unwrap(),
        owner_id: None,
        state: InstanceState::Stopped,
        root_device: None,
        is_instance_store: false,
        image_id: Some(id),
        launched_at: None,
        volumes: vec![],
        tags: Tags::default(),
    };
    scene.observed(region).instances.push(instance);
    scene.assert_broken("is used, or nobody knows");
}

#[test]
fn deregistering_what_is_protected_held_locked_managed_or_pending_is_found() {
    let (region, id) = first().going();
    let mut scene = first();
    scene.image(region, id).is_protected = true;
    scene.assert_broken("is protected and is to be deregistered");

    let mut scene = first();
    let image = scene.image(region, id);
    image.tags = with(&image.tags, tags::HOLD, "");
    scene.assert_broken("is held and is to be deregistered");

    // A veto on a snapshot of the image is one on the image.
    let mut scene = first();
    let snapshot = scene.backing(region, id);
    snapshot.tags = with(&snapshot.tags, tags::HOLD, "");
    scene.assert_broken("is held and is to be deregistered");

    let mut scene = first();
    let locked = scene.backing(region, id).id;
    scene.observed(region).locked.insert(locked);
    scene.assert_broken("has a locked snapshot and is to be deregistered");

    let mut scene = first();
    let image = scene.image(region, id);
    image.tags = with(&image.tags, "aws:backup:source-resource", "i");
    scene.assert_broken("is managed by another service and is to be deregistered");

    for state in [ImageState::Pending, ImageState::Transient] {
        let mut scene = first();
        scene.image(region, id).state = state;
        scene.assert_broken("is on its way to another state and is to be deregistered");
    }
}

#[test]
fn deregistering_what_is_not_ours_is_found() {
    let (region, id) = first().going();
    let mut scene = first();
    scene.image(region, id).description = "made by hand, tags copied".into();
    scene.assert_broken("is neither ours nor adopted and is to be deregistered");

    let mut scene = first();
    let image = scene.image(region, id);
    image.tags = with(&image.tags, tags::OWNER, "another");
    scene.assert_broken("is neither ours nor adopted");

    // EC2 says that it is a copy of something else than its tags say.
    let mut scene = first();
    let image = scene.image(region, id);
    image.source_instance_id = None;
    image.source_image_id = Some("ami-00000000000000099".parse().unwrap());
    scene.assert_broken("is neither ours nor adopted");
}

#[test]
fn deregistering_adopted_images_that_others_may_use_is_found() {
    let scene = || weeks().retiring_adopted.clone();
    let (region, delete) = scene().planned(|name, _| name == "base");
    let id = delete.resource.image().unwrap();
    let unused = ImageUse { used_by: vec![], shared_with: Some(vec![]), is_complete: true };
    for answer in [
        ImageUse { shared_with: Some(vec!["210987654321".into()]), ..unused.clone() },
        ImageUse { shared_with: None, ..unused.clone() },
        ImageUse { is_complete: false, ..unused },
    ] {
        let mut scene = scene();
        scene.observed(region).image_uses.insert(id, answer);
        scene.assert_broken("may be used by others and is to be deregistered");
    }
    let mut public = scene();
    public.image(region, id).is_public = true;
    public.assert_broken("may be used by others");

    let mut unadopted = scene();
    unadopted.image(region, id).tags = [("Family", "web")].into_iter().collect();
    unadopted.assert_broken("is neither ours nor adopted");
}

#[test]
fn deleting_a_snapshot_without_its_image_is_found() {
    let (region, id) = first().going();
    let mut scene = first();
    let image_id = ResourceId::from(id);
    scene.plan.actions.retain(|a| a.as_delete().is_none_or(|d| d.resource != image_id));
    scene.assert_broken("does not go with its image and is to be deleted");
    scene.assert_broken(&format!("backs {id} and is to be deleted"));

    let mut scene = first();
    let snapshot_ids = vec![scene.backing(region, id).id];
    let other = "ami-00000000000000099".parse().unwrap();
    scene.observed(region).images.push(Image { snapshot_ids, ..Image::plain(other, "other") });
    scene.assert_broken("does not go with its image");
    scene.assert_broken("backs ami-00000000000000099 and is to be deleted");
}

#[test]
fn deleting_what_is_no_leftover_is_found() {
    let (region, id) = first().going();
    let mut scene = first();
    let leftover = scene.backing(region, id).id;
    scene.plan.actions.clear();
    scene.observed(region).images.retain(|image| image.id != id);
    scene.delete("golden", region, leftover.into(), ExpireReason::LeftOver(id));
    assert_eq!(scene.broken_by(&weeks().config), [] as [&str; 0]);

    // Of another image, or of one that is there under another id.
    let other: ImageId = "ami-00000000000000099".parse().unwrap();
    let mut wrong = scene.clone();
    wrong.plan.actions.clear();
    wrong.delete("golden", region, leftover.into(), ExpireReason::LeftOver(other));
    wrong.assert_broken("is no leftover and is to be deleted");

    let mut there = scene.clone();
    there.observed(region).images.push(Image::plain(id, "there again"));
    there.assert_broken("is no leftover");

    // Nobody knows whose it is.
    for key in [tags::OWNER, tags::POLICY] {
        let mut strange = scene.clone();
        let snapshots = &mut strange.observed(region).snapshots;
        let snapshot = snapshots.iter_mut().find(|s| s.id == leftover).unwrap();
        snapshot.tags = snapshot.tags.iter().filter(|(k, _)| *k != key).collect();
        strange.assert_broken("is no leftover");
    }
}

#[test]
fn making_what_is_there_already_is_found() {
    let planned = |operation: &str| {
        let mut actions = first().plan.actions.into_iter();
        actions.find(|action| action.operation() == operation).unwrap()
    };
    for operation in ["CreateSnapshots", "CreateSnapshot", "CreateImage"] {
        let mut scene = first();
        scene.account.carry_out(&[planned(operation)], scene.now);
        scene.assert_broken("is there already");
    }

    // What is gone or failed is made again.
    for state in [ImageState::Deregistered, ImageState::Failed] {
        let (mut scene, action) = (first(), planned("CreateImage"));
        scene.account.carry_out(std::slice::from_ref(&action), scene.now);
        scene.observed(action.region).images.last_mut().unwrap().state = state;
        assert_eq!(scene.broken_by(&weeks().config), [] as [&str; 0], "{state:?}");
    }

    // The policy made snapshots before it made images.
    let (mut scene, action) = (first(), planned("CreateImage"));
    let Op::CreateImage(image) = &action.op else { unreachable!() };
    let observed = scene.observed(action.region);
    let snapshot = Snapshot {
        id: "snap-00000000000000099".parse().unwrap(),
        volume_id: Some(image.volumes[0].volume_id),
        description: image.point.description.as_str().into(),
        tags: image.point.tags.iter().cloned().collect(),
        started_at: image.point.slot,
        ..observed.snapshots[0].clone()
    };
    observed.snapshots.push(snapshot);
    scene.assert_broken(&format!("{} is there already", action.id()));
}

/// The scene in which copies are planned.
fn copying() -> Scene {
    let mut scene = first();
    scene.account.carry_out(&scene.plan.actions, scene.now);
    scene.account.settle(None);
    scene.plan = scene.account.plan(&weeks().config, scene.now);
    assert_eq!(scene.broken_by(&weeks().config), [] as [&str; 0]);
    scene
}

#[test]
fn copying_what_is_there_already_is_found() {
    for is_image in [false, true] {
        let mut scene = copying();
        let (action, _) = scene.copy(|_, copy| copy.image.is_some() == is_image);
        scene.plan.actions.retain(|a| a.as_copy().is_some());
        scene.account.carry_out(&[action], scene.now);
        scene.assert_broken("is there already");
    }

    let mut twice = copying();
    let (action, _) = twice.copy(|_, _| true);
    twice.plan.actions.push(action);
    twice.assert_broken("is planned twice");
    twice.assert_broken("is there already");
}

#[test]
fn copying_onto_a_gap_or_without_tags_is_found() {
    let (action, _) = copying().copy(|_, _| true);
    for listing in [Listing::Snapshots, Listing::Images] {
        let mut scene = copying();
        let gap = Gap { listing, error: Failure::lasting("cut off") };
        scene.observed(action.region).gaps.push(gap);
        scene.assert_broken(&format!("copies although {} has a gap", listing.operation()));
    }
    for key in [tags::SOURCE, tags::COPY_OF, tags::POLICY] {
        let mut scene = copying();
        for action in &mut scene.plan.actions {
            if let Op::CopySnapshot(copy) | Op::CopyImage(copy) = &mut action.op {
                copy.tags.retain(|(k, _)| k.as_ref() != key);
            }
        }
        scene.assert_broken("has not all its tags");
    }
}

#[test]
fn copying_what_is_incomplete_is_found() {
    let mut scene = copying();
    let (_, copy) = scene.copy(|_, copy| copy.image.is_none());
    let snapshots = &mut scene.observed(copy.parent.region).snapshots;
    let parent = snapshots.iter_mut().find(|s| copy.parent.id == s.id.into()).unwrap();
    parent.state = SnapshotState::Pending;
    scene.assert_broken("is not of something complete");

    let mut scene = copying();
    let (_, copy) = scene.copy(|_, copy| copy.image.is_some());
    scene.image(copy.parent.region, copy.parent.id.image().unwrap()).state = ImageState::Disabled;
    scene.assert_broken("is not of something complete");
}

#[test]
fn deleting_what_is_being_copied_is_found() {
    let mut planned = copying();
    let (action, copy) = planned.copy(|_, _| true);
    let RegionalId { region, id } = copy.parent;
    planned.delete(&action.policy, region, id, ExpireReason::Surplus);
    planned.assert_broken(&format!("{id} is being copied and would go"));

    let mut begun = copying();
    begun.account.carry_out(std::slice::from_ref(&action), begun.now);
    begun.plan.actions.clear();
    begun.delete(&action.policy, region, id, ExpireReason::Surplus);
    begun.assert_broken(&format!("{id} is being copied and would go"));
}

#[test]
fn retiring_without_a_complete_encrypted_form_is_found() {
    let expected = "has no complete encrypted form and would go";
    let scene = || weeks().retiring.clone();
    let (region, delete) =
        scene().planned(|name, d| name == "golden" && d.reason == ExpireReason::Retired);
    let form = delete.stays[0].image().unwrap();

    let mut incomplete = scene();
    incomplete.image(region, form).state = ImageState::Pending;
    incomplete.assert_broken(expected);
    let mut plain = scene();
    plain.image(region, form).is_encrypted = false;
    plain.assert_broken(expected);
    let mut gone = scene();
    gone.observed(region).images.retain(|image| image.id != form);
    gone.assert_broken(expected);
    let mut going = scene();
    going.delete("golden", region, form.into(), ExpireReason::Surplus);
    going.assert_broken(expected);

    let mut none = scene();
    for action in &mut none.plan.actions {
        if let Op::DeregisterImage(delete) = &mut action.op {
            delete.stays = [].into();
        }
    }
    none.assert_broken(expected);

    // And the copies that were asked for are to be there.
    let elsewhere = delete.stays_elsewhere[0];
    let mut uncopied = scene();
    let images = &mut uncopied.observed(elsewhere.region).images;
    images.retain(|image| elsewhere.id != image.id.into());
    uncopied.assert_broken(expected);

    // So it is with snapshots, whatever else is encrypted.
    for is_encrypted in [false, true] {
        let mut scene = scene();
        let snapshots = &mut scene.observed(eu()).snapshots;
        let completed = snapshots.iter_mut().filter(|s| s.state == SnapshotState::Completed);
        let mut completed: Vec<&mut Snapshot> = completed.collect();
        let [original, form, other, ..] = &mut completed[..] else { unreachable!() };
        (original.is_encrypted, form.is_encrypted, other.is_encrypted) =
            (false, is_encrypted, true);
        let (original, form) = (original.id, form.id);
        scene.delete("golden", eu(), original.into(), ExpireReason::Retired);
        if let Op::DeleteSnapshot(delete) = &mut scene.plan.actions.last_mut().unwrap().op {
            delete.stays = [form.into()].into();
        }
        let broken = scene.broken_by(&weeks().config);
        let text = format!("{original} {expected}");
        assert_eq!(broken.contains(&text), !is_encrypted, "{broken:?}");
    }
}

#[test]
fn deleting_the_newest_copies_and_images_is_found() {
    let newest = |scene: &Scene, region: Region, policy: &str| -> ImageId {
        let images = scene.account.inventory.regions[&region].images.iter();
        let ours = images.filter(|image| image.tags.get(tags::POLICY) == Some(policy));
        let complete = ours.filter(|image| image.state == ImageState::Available);
        complete.max_by_key(|image| image.tags.get(tags::TIME).map(str::to_owned)).unwrap().id
    };
    for region in regions() {
        let mut scene = first();
        scene.plan.actions.clear();
        let id = newest(&scene, region, "golden");
        scene.delete("golden", region, id.into(), ExpireReason::Surplus);
        scene.assert_broken("`golden` would lose 1 of the newest 1 points of eu-west-1/i-");
    }
    // Copies of volumes are told by the volume of the original.
    let mut scene = first();
    scene.plan.actions.clear();
    let snapshots = scene.account.inventory.regions[&eu()].snapshots.clone();
    let is_copy =
        |s: &&Snapshot| s.tags.has(tags::COPY_OF) && s.tags.get(tags::POLICY) == Some("servers");
    let newest = snapshots.iter().filter(is_copy);
    let newest = newest.max_by_key(|s| s.tags.get(tags::TIME).map(str::to_owned)).unwrap();
    scene.delete("servers", eu(), newest.id.into(), ExpireReason::Surplus);
    scene.assert_broken("`servers` would lose 1 of the newest 2 points of us-east-1/i-");
}

#[test]
fn deregistering_the_newest_builds_of_a_family_is_found() {
    let mut scene = first();
    scene.plan.actions.clear();
    // Three builds of which there are no encrypted forms yet, and two of which are to stay.
    let images = &mut scene.observed(eu()).images;
    images.retain(|image| image.tags.get("Family") != Some("web"));
    images.extend((100..103).map(|day| build(day, start() + TimeDelta::hours(day - 100))));
    scene.account.carry_out(&[], start());
    let ids = [100, 101, 102].map(|day| build(day, start()).id);

    let mut oldest = scene.clone();
    oldest.delete("base", eu(), ids[0].into(), ExpireReason::Surplus);
    assert_eq!(oldest.broken_by(&weeks().config), [] as [&str; 0]);
    for id in &ids[1..] {
        let mut scene = scene.clone();
        scene.delete("base", eu(), (*id).into(), ExpireReason::Surplus);
        scene.assert_broken(&format!("{id} is among the newest 2 of its family and would go"));
    }
}
