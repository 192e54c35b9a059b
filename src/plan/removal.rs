//! Removal: the calls that delete one snapshot, or one image with its snapshots.
//!
//! That it is to go has been decided; here only how, and what each call was planned against.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{ImageId, RegionalId, ResourceId};
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{self, Tags};
use crate::plan::expire::Emitted;
use crate::plan::guard::{Cause, Veto, image_vetoes, snapshot_vetoes};
use crate::plan::lineage::{LineageKey, Role, Thing};
use crate::plan::model::{
    Action, Delete, ExpireReason, Keep, KeepReason, Op, Pairs, Plan, ResourceState, TagPurpose,
    Tagging,
};
use crate::plan::point::Member;
use crate::plan::scene::Scene;
use crate::plan::standing::Standing;

/// Returns what forbids the removal of `member`, which is of the lineage `key`, by itself.
pub fn vetoes(
    scene: &Scene<'_>,
    key: LineageKey,
    member: &Member<'_>,
    now: DateTime<Utc>,
) -> Vec<Veto> {
    match member.thing {
        Thing::Snapshot(snapshot) => snapshot_vetoes(&scene.judge, scene.observed, snapshot),
        Thing::Image(image) => {
            // A copy is where its policy may not apply; what it says at the original holds.
            let home = key.from.unwrap_or(scene.region);
            let policy = scene.judge.config.policies[key.policy].in_region(&home);
            let is_adopted = member.role == Role::Original && !is_ours(image);
            image_vetoes(&scene.judge, scene.observed, policy, image, is_adopted, now)
        }
    }
}

fn is_ours(image: &Image) -> bool {
    image.tags.has(tags::OWNER)
}

/// One removal, for whatever it removes.
pub struct Removal<'p, 'a> {
    /// Where.
    pub scene: &'p Scene<'a>,
    /// For which policy, by index.
    pub policy: usize,
    /// What the recovery point protects.
    pub source: Source,
    /// The instant of the recovery point.
    pub point_time: DateTime<Utc>,
    /// Why.
    pub reason: ExpireReason,
    /// What must still be there.
    pub stays: Arc<[ResourceId]>,
    /// The same in other regions.
    pub stays_elsewhere: Arc<[RegionalId]>,
}

impl<'a> Removal<'_, 'a> {
    /// Plans the calls that remove `member`.
    pub fn emit(&self, member: &Member<'a>, emitted: &mut Emitted, plan: &mut Plan) {
        match member.thing {
            Thing::Snapshot(snapshot) => {
                let delete = self.snapshot(snapshot, member);
                emitted.deletions.push(self.action(Op::DeleteSnapshot(delete)));
            }
            Thing::Image(image) => self.image(image, emitted, plan),
        }
    }

    fn image(&self, image: &'a Image, emitted: &mut Emitted, plan: &mut Plan) {
        let mut after = Vec::new();
        let mut deletions = Vec::new();
        for snapshot in self.scene.judge.snapshots_of(image) {
            let (others_go, others_stay): (Vec<ImageId>, Vec<ImageId>) =
                self.sharing(snapshot, image.id).partition(|id| self.goes(*id, emitted));
            if let Some(other) = others_stay.first() {
                plan.keeps.push(self.shared(snapshot, *other));
                continue;
            }
            if !others_go.is_empty() {
                // The last of several images that go takes what they share; the first did not.
                plan.keeps.retain(|keep| {
                    keep.region != self.scene.region || keep.resource != snapshot.id.into()
                });
            }
            let thing = Thing::Snapshot(snapshot);
            let member = Member::new(thing, snapshot.volume_id, Role::Original);
            let mut delete = self.snapshot(snapshot, &member);
            delete.backs = Some(image.id);
            match self.scene.judge.standing(snapshot) {
                Standing::OfImage(..) => {}
                Standing::BacksImage(_) => {
                    let pairs = self.backed_tags(snapshot, image.id);
                    let tags = with(&snapshot.tags, &pairs);
                    // Without room for them the image goes all the same.
                    if fits(&tags) {
                        delete.tags = tags;
                        after.push(snapshot.id);
                        let tagging = self.tagging(snapshot, image.id, pairs);
                        emitted.changes.push(self.action(Op::CreateTags(tagging)));
                    }
                }
                // A point of its own, or somebody else's: it only loses the image above it.
                _ => continue,
            }
            deletions.push(self.action(Op::DeleteSnapshot(delete)));
        }
        emitted.deletions.push(self.action(Op::DeregisterImage(Delete {
            resource: image.id.into(),
            volume_id: None,
            source: self.source,
            size_gib: 0,
            started_at: image.created_at,
            state: ResourceState::Image(image.state),
            tags: image.tags.clone(),
            after,
            backs: None,
            point_time: self.point_time,
            reason: self.reason,
            stays: Arc::clone(&self.stays),
            stays_elsewhere: Arc::clone(&self.stays_elsewhere),
        })));
        emitted.deletions.extend(deletions);
    }

    fn snapshot(&self, snapshot: &Snapshot, member: &Member<'_>) -> Delete {
        Delete {
            resource: snapshot.id.into(),
            volume_id: member.volume_id,
            source: self.source,
            size_gib: snapshot.volume_size_gib,
            started_at: Some(snapshot.started_at),
            state: ResourceState::Snapshot(snapshot.state),
            tags: snapshot.tags.clone(),
            after: Vec::new(),
            backs: None,
            point_time: self.point_time,
            reason: self.reason,
            stays: Arc::clone(&self.stays),
            stays_elsewhere: Arc::clone(&self.stays_elsewhere),
        }
    }

    /// Returns the other images that the snapshot backs: EC2 would not delete it, and it is not
    /// ours alone.
    fn sharing(&self, snapshot: &Snapshot, image_id: ImageId) -> impl Iterator<Item = ImageId> {
        let others = self.scene.observed.images.iter().filter(move |i| i.id != image_id);
        others.filter(|i| i.snapshot_ids.contains(&snapshot.id)).map(|i| i.id)
    }

    /// Returns true if the same policy deregisters this image in the same run.
    fn goes(&self, image_id: ImageId, emitted: &Emitted) -> bool {
        let name = &self.scene.judge.config.policies[self.policy].name;
        emitted.deletions.iter().any(|action| {
            let resource = action.as_delete().map(|delete| delete.resource);
            action.policy == *name && resource == Some(image_id.into())
        })
    }

    fn shared(&self, snapshot: &Snapshot, other: ImageId) -> Keep {
        let veto = Veto { on: Some(snapshot.id.into()), cause: Cause::BacksImage(other) };
        Keep {
            policy: Arc::clone(&self.scene.judge.config.policies[self.policy].name),
            region: self.scene.region,
            resource: snapshot.id.into(),
            source: self.source,
            volume_id: snapshot.volume_id,
            point_time: self.point_time,
            reason: KeepReason::Vetoed(Box::new((self.reason, veto))),
            until: None,
        }
    }

    /// Returns the tags by which a snapshot is known again after its image is gone.
    fn backed_tags(&self, snapshot: &Snapshot, image_id: ImageId) -> Pairs {
        let policy = &self.scene.judge.config.policies[self.policy];
        let owner = &policy.in_region(&self.scene.region).owner;
        let source = RegionalSource { region: self.scene.region, source: self.source };
        vec![
            (tags::OWNER.into(), Arc::clone(owner)),
            (tags::POLICY.into(), Arc::clone(&policy.name)),
            (tags::SOURCE.into(), source.to_string().into()),
            (tags::BACKED.into(), format!("{image_id}/{}", snapshot.id).into()),
        ]
    }

    fn tagging(&self, snapshot: &Snapshot, image_id: ImageId, tags: Pairs) -> Tagging {
        Tagging {
            resource: snapshot.id.into(),
            source: self.source,
            point_time: self.point_time,
            tags,
            purpose: TagPurpose::Backs(image_id),
        }
    }

    fn action(&self, op: Op) -> Action {
        let policy = Arc::clone(&self.scene.judge.config.policies[self.policy].name);
        Action { policy, region: self.scene.region, op }
    }
}

/// Returns `tags` with `pairs` added.
fn with(tags: &Tags, pairs: &Pairs) -> Tags {
    let is_new = |key: &str| pairs.iter().all(|(k, _)| k.as_ref() != key);
    let old = tags.iter().filter(|(key, _)| is_new(key)).map(|(k, v)| (Arc::from(k), Arc::from(v)));
    let all: Vec<(Arc<str>, Arc<str>)> = old.chain(pairs.iter().cloned()).collect();
    all.into_iter().collect()
}

/// Returns true if EC2 takes so many tags; it does not count its own.
fn fits(tags: &Tags) -> bool {
    tags.iter().filter(|(key, _)| !key.starts_with("aws:")).count() <= tags::TAGS_MAX
}
