//! Everything about one snapshot or image: whose it is, what becomes of it and why, what stands in
//! the way, and where else its data is.
//!
//! Asks the same passes as the plan does; decides nothing of its own. A snapshot that backs an
//! image is explained as part of the image's recovery point.

use crate::config::Config;
use crate::domain::ids::{ImageId, ResourceId, VolumeId};
use crate::domain::inventory::{Image, ImageState, Inventory};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::Request;
use crate::plan::bystanders::bystander_text;
use crate::plan::image_standing::ImageStanding;
use crate::plan::lineage::{Role, Thing};
use crate::plan::point::Member;
use crate::plan::scene::{Scene, World};
use crate::plan::standing::Standing;

mod fate;
mod judged;
mod obstacle;
mod relative;
mod rules;

use fate::Fates;
use judged::Found;
pub use judged::JudgedBy;
pub use obstacle::Obstacle;
pub use relative::{Relative, Relatives};

/// All that is known about one snapshot or image.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// Where it is.
    pub region: Region,
    /// What EC2 says of it.
    pub thing: Thing<'a>,
    /// The volume whose data it is: of a copy that of the original, where known.
    pub volume_id: Option<VolumeId>,
    /// Of a snapshot, the image with which it is judged.
    pub of_image: Option<&'a Image>,
    /// Of an image, its snapshots that are listed.
    pub backing: Vec<Thing<'a>>,
    /// Whose it is, in words.
    pub standing: String,
    /// What each judging policy makes of it; more than one only for what several select or adopt.
    pub judged_by: Vec<JudgedBy>,
    /// Everything that forbids its deletion, on itself or on its point.
    pub obstacles: Vec<Obstacle>,
    /// What it is a copy of, and its copies.
    pub relatives: Relatives,
    /// What its recovery point is restored from: of each volume this one, or what stands for it.
    pub restorable: Vec<Member<'a>>,
}

/// Explains `id`, in `region` if that is given; none if the inventory does not have it.
pub fn explain<'a>(
    config: &'a Config,
    inventory: &'a Inventory,
    request: &'a Request,
    region: Option<Region>,
    id: ResourceId,
) -> Option<Explanation<'a>> {
    let world = World::new(config, inventory, request);
    let mut scenes = world.scenes.values().filter(|s| region.is_none_or(|r| r == s.region));
    let (scene, thing) = scenes.find_map(|scene| Some((scene, thing(scene, id)?)))?;
    let plan = super::plan(config, inventory, request);
    let fates = Fates::of(&plan);
    let subject = Subject::new(&world, scene, thing);
    let mut obstacles = obstacle::of_region(&subject);
    let mut relatives = Relatives::default();
    let mut judged_by = Vec::new();
    let mut restorable = subject.itself();
    let mut volume_id = None;
    for lineage in &scene.lineages {
        let Some(found) = Found::of(&subject, lineage) else { continue };
        obstacle::of_point(&found, &plan, &mut obstacles);
        relatives.add(&found, &plan);
        judged_by.extend(found.judged(&fates));
        volume_id = volume_id.or(found.volume_id());
        restorable = subject.restorable(&found);
    }
    judged_by.extend(judged::leftover(&subject, &fates));
    relatives.add_parents(&subject);
    obstacle::of_itself(&subject, judged_by.is_empty(), &mut obstacles);
    Some(Explanation {
        region: scene.region,
        thing,
        volume_id: volume_id.or(subject.own_volume()),
        of_image: subject.of_image.filter(|_| !judged_by.is_empty()),
        backing: subject.backing(),
        standing: subject.standing(!judged_by.is_empty()),
        judged_by,
        obstacles,
        relatives,
        restorable,
    })
}

fn thing<'a>(scene: &Scene<'a>, id: ResourceId) -> Option<Thing<'a>> {
    match id {
        ResourceId::Snapshot(id) => {
            scene.observed.snapshots.iter().find(|s| s.id == id).map(Thing::Snapshot)
        }
        ResourceId::Image(id) => {
            scene.observed.images.iter().find(|i| i.id == id).map(Thing::Image)
        }
    }
}

/// What is explained, and where it is.
#[derive(Clone, Copy)]
struct Subject<'p, 'a> {
    world: &'p World<'a>,
    scene: &'p Scene<'a>,
    thing: Thing<'a>,
    /// The image that it backs or was made with, if that is there and judges it.
    of_image: Option<&'a Image>,
}

impl<'p, 'a> Subject<'p, 'a> {
    fn new(world: &'p World<'a>, scene: &'p Scene<'a>, thing: Thing<'a>) -> Self {
        let image_id = match thing {
            Thing::Image(_) => None,
            Thing::Snapshot(snapshot) => match scene.judge.standing(snapshot) {
                Standing::BacksImage(id) => Some(id),
                // It may back another image by now.
                Standing::OfImage(_, id) => Some(scene.judge.image_of(snapshot.id).unwrap_or(id)),
                _ => None,
            },
        };
        let is_there = |image: &&Image| image.state != ImageState::Deregistered;
        let mut images = scene.observed.images.iter().filter(is_there);
        let of_image = image_id.and_then(|id| images.find(|image| image.id == id));
        Self { world, scene, thing, of_image }
    }

    fn id(&self) -> ResourceId {
        self.thing.id()
    }

    /// Returns the id by which its point has it.
    fn member_id(&self) -> ResourceId {
        self.of_image.map_or_else(|| self.id(), |image| image.id.into())
    }

    fn own_volume(&self) -> Option<VolumeId> {
        match self.thing {
            Thing::Snapshot(snapshot) => snapshot.volume_id,
            Thing::Image(_) => None,
        }
    }

    fn itself(&self) -> Vec<Member<'a>> {
        let is_usable = self.thing.state().is_complete() || is_disabled(self.thing);
        let (thing, volume_id) = (self.thing, self.own_volume());
        Vec::from_iter(is_usable.then_some(Member::new(thing, volume_id, Role::Original)))
    }

    /// Returns what the point is restored from, with the subject before all that could stand for
    /// it.
    fn restorable(&self, found: &Found<'_, 'p, 'a>) -> Vec<Member<'a>> {
        let Some(point) = found.point() else { return self.itself() };
        let itself = point.all().find(|member| member.id() == self.id());
        let stands = point.representatives();
        let others = stands.filter(|m| itself.is_none_or(|it| it.volume_id != m.volume_id));
        let mut all: Vec<Member<'a>> = itself.into_iter().chain(others).copied().collect();
        all.retain(|member| member.is_complete() || is_disabled(member.thing));
        all.sort_by_key(|member| (member.thing.started_at(), member.id()));
        if self.of_image.is_some() {
            all.extend(self.itself());
        }
        all
    }

    fn backing(&self) -> Vec<Thing<'a>> {
        let Thing::Image(image) = self.thing else { return Vec::new() };
        // The list knows those of registered images only.
        let listed = self.scene.judge.snapshots_of(image);
        listed.map(Thing::Snapshot).collect()
    }

    /// Returns whose it is, in words.
    fn standing(&self, is_judged: bool) -> String {
        match self.thing {
            Thing::Snapshot(snapshot) => {
                self.snapshot_standing(&self.scene.judge.standing(snapshot), is_judged)
            }
            Thing::Image(image) => self.image_standing(&self.scene.judge.image_standing(image)),
        }
    }

    fn snapshot_standing(&self, standing: &Standing, is_judged: bool) -> String {
        match standing {
            Standing::Ours(mark) if mark.copy.is_some() => OUR_COPY.to_owned(),
            Standing::Ours(_) => OURS.to_owned(),
            Standing::Adopted(_) => "made by others and adopted".to_owned(),
            Standing::OfImage(Some(_), image_id) => self.made_with(*image_id),
            Standing::BacksImage(image_id) if is_judged => {
                format!("made by others; backs {image_id} and goes with it")
            }
            Standing::Stranger => {
                "made by others; no policy adopts it, so it is never touched".to_owned()
            }
            other => bystander_text(other)
                .map_or_else(String::new, |text| format!("never touched: {text}")),
        }
    }

    fn made_with(&self, image_id: ImageId) -> String {
        match self.of_image {
            Some(image) if image.id == image_id => {
                format!("{OURS} with {image_id}; goes with it")
            }
            Some(image) => format!(
                "{OURS} with {image_id}, which is gone; now backs {} and goes with it",
                image.id
            ),
            None => format!("{OURS} with {image_id}, which is gone"),
        }
    }

    fn image_standing(&self, standing: &ImageStanding) -> String {
        let claims = match standing {
            ImageStanding::Ours(mark) if mark.copy.is_some() => return OUR_COPY.to_owned(),
            ImageStanding::Ours(_) => return OURS.to_owned(),
            ImageStanding::Stranger => {
                let text = "made by others; no policy selects or adopts it, so it is never touched";
                return text.to_owned();
            }
            ImageStanding::Others(claims) => claims,
            other => {
                let text = other.bystander_text().unwrap_or_default();
                return format!("never touched: {text}");
            }
        };
        let texts = claims.iter().map(|claim| {
            let name = &self.world.config.policies[claim.policy].name;
            let verb = if claim.is_adopted { "adopted" } else { "selected, not adopted," };
            format!("{verb} by `{name}` as one of {}", Source::Family(claim.family))
        });
        format!("made by others; {}", texts.collect::<Vec<_>>().join("; "))
    }
}

const OURS: &str = "made by this installation of snapkeep";
const OUR_COPY: &str = "copied by this installation of snapkeep";

/// Returns true if it is an image that can be launched again once it is enabled.
fn is_disabled(thing: Thing<'_>) -> bool {
    thing.image().is_some_and(|image| image.state == ImageState::Disabled)
}
