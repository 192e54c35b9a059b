//! Aftercare: what copies and images get once they are complete.
//!
//! Accounts that may use a copy, and the instant from which on an image is deprecated: neither can
//! be asked for in the call that makes it. With whom a copy is shared stands in a tag, so that
//! nobody has to ask for the permissions of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Kind;
use crate::domain::ids::ResourceId;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::expire::Emitted;
use crate::plan::lineage::{LineageKind, Role};
use crate::plan::model::{
    Action, Deprecation, Note, Op, Plan, Severity, Share, TagPurpose, Tagging,
};
use crate::plan::point::{Member, Point};
use crate::plan::scene::{Scene, World};
use crate::plan::verdict::{JudgedLineage, Verdict};

/// Plans what a region's complete copies and images lack.
pub fn aftercare(world: &World<'_>, scene: &Scene<'_>, emitted: &mut Emitted, plan: &mut Plan) {
    for lineage in scene.lineages.iter().filter(|lineage| !lineage.key.is_adopted()) {
        let policy = &world.config.policies[lineage.key.policy];
        let name = &policy.name;
        // Only copies are shared, and only images deprecated.
        let is_subject = lineage.key.kind == LineageKind::Copies
            || policy.in_region(&scene.region).kind == Kind::Images;
        if !is_subject || !world.request.covers(name, &scene.region) {
            continue;
        }
        let mut pass = Pass { world, scene, lineage, name, emitted, unsharable: 0 };
        for (point, verdict) in lineage.judged() {
            if matches!(verdict, Verdict::Keep(..)) {
                point.all().filter(|member| member.is_complete()).for_each(|member| {
                    pass.share(point, member);
                    pass.deprecate(point, member);
                });
            }
        }
        let n = pass.unsharable;
        if 0 < n {
            let message = format!(
                "`{name}`: copies that cannot be shared, as they are encrypted with the region's \
                 default key: {n}; give the copy a `kms_key`"
            );
            let region = Some(scene.region);
            plan.notes.push(Note { severity: Severity::Warning, region, message });
        }
    }
}

struct Pass<'p, 'a> {
    world: &'p World<'a>,
    scene: &'p Scene<'a>,
    lineage: &'p JudgedLineage<'a>,
    name: &'p Arc<str>,
    emitted: &'p mut Emitted,
    unsharable: usize,
}

impl Pass<'_, '_> {
    fn share(&mut self, point: &Point<'_>, member: &Member<'_>) {
        let Some(from) = self.lineage.key.from.filter(|_| member.role == Role::Copy) else {
            return;
        };
        let policy = self.world.config.policies[self.lineage.key.policy].in_region(&from);
        let Some(rule) = policy.copy_rule(&from, &self.scene.region) else { return };
        let text = member.thing.tags().get(tags::SHARED_WITH).unwrap_or_default();
        let shared: BTreeSet<&str> = text.split_whitespace().collect();
        let wanted: BTreeSet<&str> = rule.share_with.iter().map(AsRef::as_ref).collect();
        if shared == wanted {
            return;
        }
        if member.thing.is_encrypted() && rule.kms_key.is_none() && !wanted.is_empty() {
            self.unsharable += 1;
            return;
        }
        let add = wanted.difference(&shared).map(|account| Arc::from(*account)).collect();
        let remove = shared.difference(&wanted).map(|account| Arc::from(*account)).collect();
        let (resource, source, point_time) = (member.id(), self.lineage.key.source, point.time);
        let share = Share { resource, source, point_time, add, remove };
        let op = match resource {
            ResourceId::Snapshot(_) => Op::ModifySnapshotAttribute(share),
            ResourceId::Image(_) => Op::ModifyImageAttribute(share),
        };
        self.push(op);
        let accounts = wanted.into_iter().collect::<Vec<_>>().join(" ");
        let tags = vec![(tags::SHARED_WITH.into(), accounts.into())];
        let purpose = TagPurpose::Shared;
        self.push(Op::CreateTags(Tagging { resource, source, point_time, tags, purpose }));
    }

    fn deprecate(&mut self, point: &Point<'_>, member: &Member<'_>) {
        let Some(image) = member.thing.image().filter(|image| image.deprecated_at.is_none()) else {
            return;
        };
        // Of what others made, when it is deprecated is for them to say.
        let is_of_family = matches!(self.lineage.key.source, Source::Family(_));
        let is_made_here = matches!(member.role, Role::Copy | Role::Encrypted);
        if is_of_family && !is_made_here {
            return;
        }
        let from = self.lineage.key.from.unwrap_or(self.scene.region);
        let policy = self.world.config.policies[self.lineage.key.policy].in_region(&from);
        let Some(span) = policy.images.deprecate_after else { return };
        let at = span.end(point.time, policy.timezone);
        // EC2 takes no instant in the past (EC2 API reference, EnableImageDeprecation).
        if at <= self.world.request.now {
            return;
        }
        let (source, point_time) = (self.lineage.key.source, point.time);
        self.push(Op::EnableImageDeprecation(Deprecation {
            image_id: image.id,
            source,
            point_time,
            at,
        }));
    }

    fn push(&mut self, op: Op) {
        let (policy, region) = (Arc::clone(self.name), self.scene.region);
        self.emitted.changes.push(Action { policy, region, op });
    }
}
