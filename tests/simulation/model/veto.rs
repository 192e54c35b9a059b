//! What must not be deleted whatever retention says: DESIGN section 2, invariants 4 and 6, and
//! README, "What it never deletes".

use std::collections::BTreeMap;

use chrono::TimeDelta;
use snapkeep::config::{Config, RegionalPolicy};
use snapkeep::domain::ids::{RegionalId, ResourceId, SnapshotId};
use snapkeep::domain::inventory::{Image, InstanceState};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::OurTags;

use super::adoption::adopters;
use super::claim::{Claim, claim, rules};
use super::lineage::Lineages;
use super::point::Member;
use super::thing::{Body, Life, Thing, find, images_on, things};
use super::{Gone, Truth};

/// How far the clock of a runner that deletes may be from EC2's, and something over.
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(10);

/// What stands in the way of deletions in one account, where images of `gone` have been deregistered
/// since: then what backed them may go if they might.
///
/// What all answers need is gathered once.
pub(crate) struct Vetoes<'v, 't> {
    truth: &'v Truth<'t>,
    config: &'v Config,
    gone: &'v Gone,
    /// What is being copied, and one of its unfinished copies.
    being_copied: BTreeMap<RegionalId, RegionalId>,
    lineages: &'v Lineages<'t>,
}

impl<'v, 't> Vetoes<'v, 't> {
    /// Gathers what is there; `lineages` are all of them.
    pub(crate) fn new(
        truth: &'v Truth<'t>,
        config: &'v Config,
        gone: &'v Gone,
        lineages: &'v Lineages<'t>,
    ) -> Self {
        let mut being_copied = BTreeMap::new();
        for thing in things(truth).filter(|thing| thing.life() == Life::Pending) {
            for parent in parents(&thing) {
                being_copied.entry(parent).or_insert(thing.at);
            }
        }
        Self { truth, config, gone, being_copied, lineages }
    }

    /// Returns why snapkeep must not delete or deregister `id` now, whatever retention says.
    pub(crate) fn forbidden(&self, id: RegionalId) -> Option<String> {
        let Self { truth, config, .. } = *self;
        let thing = find(truth, id)?;
        if let Some(reason) = self.in_the_way(&thing) {
            return Some(reason);
        }
        let backed =
            id.id.snapshot().into_iter().flat_map(|snapshot| images_on(truth, id.region, snapshot));
        let may_go = |image: &Thing<'_>| !adopters(truth, config, image).is_empty();
        let backed: Vec<Thing<'_>> = backed.collect();
        let claim = claim(&thing, config);
        if claim.is_err() && !backed.is_empty() {
            // Everything else that it backs would be in the way.
            let reason = "backed an image that nobody adopts";
            return (!backed.iter().any(may_go)).then(|| reason.to_owned());
        }
        match claim {
            Ok(claim) => self.of_ours(&thing, &claim),
            Err(reason) => {
                let adopters = adopters(truth, config, &thing);
                if adopters.is_empty() {
                    return Some(format!("{reason}, and nobody adopts it"));
                }
                let is_young = |i: &usize| {
                    is_too_young(truth, &thing, config.policies[*i].in_region(&id.region))
                };
                adopters.iter().any(is_young).then(|| "younger than min_age".to_owned())
            }
        }
    }

    /// Returns what stands in the way of deleting this one thing, whosever it is.
    pub(super) fn in_the_way(&self, thing: &Thing<'_>) -> Option<String> {
        if thing.is_held() {
            return Some("held".to_owned());
        }
        if thing.is_managed() {
            return Some("managed by another service".to_owned());
        }
        if let Some(copy) = self.being_copied.get(&thing.at) {
            return Some(format!("source of the unfinished copy {copy}"));
        }
        let region = thing.at.region;
        match thing.body {
            Body::Snapshot(snapshot) => {
                if is_locked(self.truth, region, snapshot.id) {
                    return Some("locked".to_owned());
                }
                let mut images = images_on(self.truth, region, snapshot.id);
                let image = images.find(|image| !self.gone.contains(&image.at))?;
                Some(format!("backs the registered image {}", image.at.id))
            }
            Body::Image(image) => of_image(self.truth, region, image),
        }
    }

    /// Returns what stands in the way of deleting a thing of ours.
    fn of_ours(&self, thing: &Thing<'_>, claim: &Claim) -> Option<String> {
        if thing.life() == Life::Failed {
            // It goes before its 24 hours where it is in the way of the next attempt.
            return None;
        }
        let here = rules(self.config, claim.policy, claim.source.region).here;
        if is_too_young(self.truth, thing, here) {
            return Some("younger than min_age".to_owned());
        }
        let lineage = self.lineages.get(&(claim.policy, claim.source, thing.at.region))?;
        let point = lineage.point(claim.key)?;
        let own = point.members.iter().find(|m| m.thing.at == thing.at)?;
        let may_need = |m: &&Member<'_>| {
            m.thing.is_image()
                && m.thing.life() == Life::Pending
                && m.claim.copy_of == own.claim.copy_of
                // What was there before it is of an earlier one.
                && m.thing.started_at() <= own.thing.started_at().map(|at| at + CLOCK_SKEW_MAX)
        };
        if own.is_leftover && point.members.iter().any(|m| may_need(&m)) {
            return Some("may back an image that is being made".to_owned());
        }
        let siblings = point.members.iter().filter(|m| is_sibling(own, m, &point.members));
        siblings.filter(|m| m.thing.life() != Life::Failed).find_map(|member| {
            let reason = self.in_the_way(&member.thing)?;
            Some(format!("{} of the same point: {reason}", member.thing.at))
        })
    }
}

/// Returns what `thing` is being copied from, as far as tags and EC2 tell.
fn parents(thing: &Thing<'_>) -> impl Iterator<Item = RegionalId> + use<> {
    let parent = OurTags::of(thing.tags()).and_then(|ours| ours.copy_of);
    let by_ec2 = match thing.body {
        Body::Image(image) if image.source_instance_id.is_none() => {
            let region = image.source_image_region.unwrap_or(thing.at.region);
            image.source_image_id.map(|id| RegionalId { region, id: ResourceId::Image(id) })
        }
        _ => None,
    };
    parent.and_then(RegionalId::parse).into_iter().chain(by_ec2)
}

fn is_locked(truth: &Truth<'_>, region: Region, id: SnapshotId) -> bool {
    truth.inventory.regions.get(&region).is_some_and(|found| found.locked.contains(&id))
}

fn of_image(truth: &Truth<'_>, region: Region, image: &Image) -> Option<String> {
    if image.is_protected {
        return Some("protected against deregistration".to_owned());
    }
    let found = truth.inventory.regions.get(&region)?;
    let uses = |state| !matches!(state, InstanceState::Terminated | InstanceState::ShuttingDown);
    let user = found.instances.iter().find(|i| i.image_id == Some(image.id) && uses(i.state));
    if let Some(instance) = user {
        return Some(format!("used by instance {}", instance.id));
    }
    // They are members of one point, and a veto on one is a veto on all.
    let is_vetoed = |id: &&SnapshotId| {
        let at = RegionalId { region, id: ResourceId::Snapshot(**id) };
        let is_tagged = find(truth, at).is_some_and(|s| s.is_held() || s.is_managed());
        is_tagged || is_locked(truth, region, **id)
    };
    let vetoed = image.snapshot_ids.iter().find(is_vetoed)?;
    Some(format!("its snapshot {vetoed} is held, locked or managed by another service"))
}

fn is_too_young(truth: &Truth<'_>, thing: &Thing<'_>, here: &RegionalPolicy) -> bool {
    let (Some(min_age), Some(at)) = (here.images.min_age, thing.started_at()) else { return false };
    thing.is_image() && truth.at < min_age.end(at, here.timezone) - CLOCK_SKEW_MAX
}

/// Returns true if both are parts of what was made at one time: of two sets of one slot each is a
/// point of its own, and what is superseded does not hang on what stands in its place.
fn is_sibling(one: &Member<'_>, other: &Member<'_>, all: &[Member<'_>]) -> bool {
    let is_alike = |m: &&Member<'_>| {
        m.claim.copy_of.is_some() == one.claim.copy_of.is_some()
            && m.is_leftover == one.is_leftover
            && m.thing.life() != Life::Failed
    };
    if !is_alike(&other) {
        return false;
    }
    if one.is_leftover {
        // What one image left behind was begun together.
        let starts = one.thing.started_at().zip(other.thing.started_at());
        return one.claim.copy_of == other.claim.copy_of
            && starts.is_some_and(|(one, other)| (one - other).abs() < TimeDelta::minutes(2));
    }
    let mut parts: Vec<_> = all.iter().filter(is_alike).map(Member::part).collect();
    let n_things = parts.len();
    parts.sort_unstable();
    parts.dedup();
    let is_repeated = parts.len() < n_things;
    !is_repeated || (one.claim.copy_of.is_none() && one.call.is_some() && one.call == other.call)
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    const POLICIES: &str = r#"
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "7 days" }
adopt = { tags = { By = "script" } }
[[policy.copy]]
to = "eu-west-3"

[[policy]]
name = "images"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "7 days" }
min_age = "2 days"
adopt = { tags = { By = "packer" } }
"#;

    fn check(account: &str, expected: &str) {
        let scene = Scene::new(POLICIES, "2026-03-10T12:00", account);
        assert_eq!(scene.forbidden("snap1").unwrap_or_default(), expected, "{account}");
    }

    #[test]
    fn a_snapshot_may_go_if_it_is_ours_or_adopted() {
        let old = "snap1 vol=1 at=2026-01-01T03:00";
        let of_ours = "tag:snapkeep:owner=main tag:snapkeep:source=eu-west-1/i-00000001 \
                       tag:snapkeep:slot=2026-01-01T03:00:00Z";
        let no_policy = "unowned: no policy of that name, and nobody adopts it";
        for (line, expected) in [
            ("ours=servers/i1", ""),
            ("", "not ours: bears none of our tags, and nobody adopts it"),
            ("tag:By=script", ""),
            ("tag:By=packer", "not ours: bears none of our tags, and nobody adopts it"),
            ("tag:By=script tag:snapkeep:hold=", "held"),
            ("tag:By=script locked", "locked"),
            ("tag:By=script tag:aws:backup:source-resource=x", "managed by another service"),
            (
                "tag:By=script tag:ebs.csi.aws.com/cluster=true",
                "not ours: bears none of our tags, and nobody adopts it",
            ),
            (
                "tag:By=script tag:snapkeep:slot=x",
                "not ours: bears no owner tag, and nobody adopts it",
            ),
            (of_ours, "not ours: bears no policy tag, and nobody adopts it"),
            ("ours=formers/i1", no_policy),
            (
                "ours=servers/i1 @eu-west-2",
                "not ours: has our tags, but is not where its source is, and nobody adopts it",
            ),
            (
                "ours=servers/i1 @eu-west-2 copy=2@eu-west-1",
                "unowned: no rule for copies to its region, and nobody adopts it",
            ),
            ("ours=servers/i1 @eu-west-3 copy=2@eu-west-1", ""),
            ("ours=servers/i1 state=error at=2026-03-10T01:00", ""),
            ("ours=servers/i1 state=error at=2026-03-09T01:00", ""),
        ] {
            check(&format!("{old} {line}"), expected);
        }
        // A copy of the placeholder's volume that carries our tags along.
        check(
            "snap1 at=2026-01-01T03:00 ours=servers/i1",
            "not ours: has our tags, but no volume, and says not what it is a copy of, and nobody \
             adopts it",
        );
        check(
            "snap1 at=2026-01-01T03:00 tag:By=script",
            "not ours: bears none of our tags, and nobody adopts it",
        );
    }

    #[test]
    fn a_veto_on_one_member_is_one_on_the_point() {
        let one = "snap1 ours=servers/i1 vol=1 members=2 at=2026-01-01T03:00 call=1\n";
        for (other, expected) in [
            ("snap2 ours=servers/i1 vol=2 members=2 at=2026-01-01T03:00 call=1", ""),
            (
                "snap2 ours=servers/i1 vol=2 members=2 at=2026-01-01T03:00 call=1 locked",
                "eu-west-1/snap-00000002 of the same point: locked",
            ),
            (
                "snap2 ours=servers/i1 vol=2 members=2 at=2026-01-01T03:00 call=1 tag:snapkeep:hold=x",
                "eu-west-1/snap-00000002 of the same point: held",
            ),
            // Of another point.
            ("snap2 ours=servers/i1 vol=2 members=2 at=2026-01-02T03:00 call=2 locked", ""),
            // Of another set of the same slot.
            (
                "snap2 ours=servers/i1 vol=2 members=2 at=2026-01-01T03:00 call=1
                 snap3 ours=servers/i1 vol=1 members=2 slot=2026-01-01T03:00 at=2026-01-01T03:20 call=2
                 snap4 ours=servers/i1 vol=2 members=2 slot=2026-01-01T03:00 at=2026-01-01T03:20 call=2 locked",
                "",
            ),
            (
                "snap2 ours=servers/i1 vol=2 members=2 at=2026-01-01T03:00 call=1
                 snap3 @eu-west-3 ours=servers/i1 vol=2 copy=2@eu-west-1 time=2026-01-01T03:00 at=2026-01-01T04:00 state=pending",
                "eu-west-1/snap-00000002 of the same point: source of the unfinished copy \
                 eu-west-3/snap-00000003",
            ),
            (
                "image9 at=2026-02-01T00:00 backed=1",
                "backs the registered image ami-00000009",
            ),
            (
                "image9 at=2026-02-01T00:00 backed=1 state=disabled",
                "backs the registered image ami-00000009",
            ),
            ("image9 at=2026-02-01T00:00 backed=1 state=deregistered", ""),
        ] {
            check(&format!("{one}{other}"), expected);
        }
    }

    #[test]
    fn an_image_may_go_if_nothing_needs_it() {
        let old = "image1 backed=1 at=2026-01-01T03:00";
        for (line, expected) in [
            ("ours=images/i1", ""),
            ("tag:By=packer", ""),
            ("tag:By=packer public", "not ours: bears none of our tags, and nobody adopts it"),
            ("ours=images/i1 protected", "protected against deregistration"),
            ("ours=images/i1 at=2026-03-09T00:00", "younger than min_age"),
            ("tag:By=packer at=2026-03-09T00:00", "younger than min_age"),
            ("ours=servers/i1", "unowned: its policy makes no images, and nobody adopts it"),
            ("ours=images/i1\ninstance7 from=1", "used by instance i-00000007"),
            ("ours=images/i1\ninstance7 from=1 state=terminated", ""),
            (
                "ours=images/i1\nsnap1 vol=1 at=2026-01-01T03:00 locked",
                "its snapshot snap-00000001 is held, locked or managed by another service",
            ),
        ] {
            let scene = Scene::new(POLICIES, "2026-03-10T12:00", &format!("{old} {line}"));
            assert_eq!(scene.forbidden("image1").unwrap_or_default(), expected, "{line}");
        }
    }

    #[test]
    fn what_backed_an_adopted_image_may_go_once_that_is_deregistered() {
        let snapshot = "snap1 vol=1 at=2026-01-01T03:00";
        let backed = |own: &str| format!("{snapshot} tag:snapkeep:backed=ami-00000001/{own}");
        check(&backed("snap-00000001"), "");
        check(&backed("snap-00000002"), "not ours: bears no owner tag, and nobody adopts it");
        for (by, expected) in
            [("packer", None), ("hand", Some("backed an image that nobody adopts"))]
        {
            let account = format!("{snapshot}\nimage1 at=2026-01-01T03:00 backed=1 tag:By={by}");
            let scene = Scene::new(POLICIES, "2026-03-10T12:00", &account);
            assert_eq!(
                scene.forbidden("snap1").unwrap(),
                "backs the registered image ami-00000001"
            );
            assert_eq!(scene.forbidden_after("snap1", "image1").as_deref(), expected);
        }
        let image = "image1 at=2026-01-01T03:00 tag:By=packer";
        check(
            &format!("{}\n{image}", backed("snap-00000001")),
            "not ours: bears no owner tag, and nobody adopts it",
        );
    }
}
