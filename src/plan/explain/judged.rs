//! What one policy makes of the snapshot or image: its point, the verdict, and the lineage around.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::region::Region;
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags;
use crate::plan::explain::fate::{Fate, Fates};
use crate::plan::explain::{Subject, rules};
use crate::plan::lineage::{Entry, Role};
use crate::plan::point::{Member, Point, PointState};
use crate::plan::reason::held;
use crate::plan::verdict::{FAILED_FOR, JudgedLineage, Verdict};

/// What one policy makes of a snapshot or image.
#[derive(Debug, Clone)]
pub struct JudgedBy {
    /// The policy.
    pub policy: Arc<str>,
    /// Its source.
    pub source: Source,
    /// Of copies, the region of the source.
    pub from: Option<Region>,
    /// The slot of its point.
    pub slot: Option<DateTime<Utc>>,
    /// Its point, in words.
    pub point: String,
    /// What becomes of it, in words.
    pub verdict: String,
    /// When it goes as things stand; none if newer points decide, or it goes at once.
    pub expires_at: Option<DateTime<Utc>>,
    /// Each rule of the policy, and what it says.
    pub rules: Vec<String>,
    /// The lineage around it, by time: instant, state, what becomes of it, whether it is this one.
    pub lineage: Vec<(DateTime<Utc>, &'static str, String, bool)>,
}

/// A lineage that has the subject, and where.
pub(super) struct Found<'f, 'p, 'a> {
    pub(super) subject: &'f Subject<'p, 'a>,
    pub(super) lineage: &'p JudgedLineage<'a>,
    place: At<'p, 'a>,
}

/// Where in its lineage a thing is.
#[derive(Clone, Copy)]
enum At<'p, 'a> {
    Point(&'p Point<'a>, &'p Verdict),
    Failed(&'p Entry<'a>, bool),
}

impl<'f, 'p, 'a> Found<'f, 'p, 'a> {
    /// Looks for the subject in a lineage.
    pub(super) fn of(subject: &'f Subject<'p, 'a>, lineage: &'p JudgedLineage<'a>) -> Option<Self> {
        let id = subject.member_id();
        let has = |(point, _): &(&Point<'a>, &Verdict)| point.ids().any(|other| other == id);
        let failed = || lineage.failed.iter().find(|(entry, _)| entry.id == id);
        let place = match lineage.judged().find(has) {
            Some((point, verdict)) => At::Point(point, verdict),
            None => failed().map(|(entry, goes)| At::Failed(entry, *goes))?,
        };
        Some(Self { subject, lineage, place })
    }

    /// Returns its point, if it did not fail.
    pub(super) fn point(&self) -> Option<&'p Point<'a>> {
        match self.place {
            At::Point(point, _) => Some(point),
            At::Failed(..) => None,
        }
    }

    /// Returns the point's verdict, if it did not fail.
    pub(super) fn verdict(&self) -> Option<&'p Verdict> {
        match self.place {
            At::Point(_, verdict) => Some(verdict),
            At::Failed(..) => None,
        }
    }

    /// Returns everything that goes and stays with it.
    pub(super) fn members(&self) -> Vec<Member<'a>> {
        match self.place {
            At::Point(point, _) => point.all().copied().collect(),
            At::Failed(entry, _) => {
                let Entry { thing, volume_id, role, .. } = *entry;
                vec![Member::new(thing, volume_id, role)]
            }
        }
    }

    /// Returns itself as a member of its point.
    pub(super) fn member(&self) -> Option<Member<'a>> {
        let id = self.subject.member_id();
        self.members().into_iter().find(|member| member.id() == id)
    }

    /// Returns the volume whose data it is.
    pub(super) fn volume_id(&self) -> Option<VolumeId> {
        self.member().and_then(|member| member.volume_id)
    }

    /// Returns what the policy makes of it.
    pub(super) fn judged(&self, fates: &Fates) -> Option<JudgedBy> {
        let Subject { world, scene, .. } = *self.subject;
        let key = self.lineage.key;
        let terms = scene.terms(world.inventory, key)?;
        let home = key.from.map_or(Some(scene), |from| world.scenes.get(&from));
        let observed = home.map(|scene| scene.observed);
        let (slot, point, fate, expires_at) = match self.place {
            At::Point(point, verdict) => {
                let fate = self.fate(fates, point, verdict, Some(self.subject.id()));
                let until = match verdict {
                    Verdict::Keep(_, until) if !fate.goes => *until,
                    Verdict::Keep(..) | Verdict::Expire(..) | Verdict::Waiting => None,
                };
                (point.slot(), point_text(point), fate, until)
            }
            At::Failed(entry, goes) => {
                let point = format!("attempt {} failed; fills no slot", entry.attempt);
                let ends_at = entry.started_at + FAILED_FOR;
                let until = (world.request.now < ends_at).then_some(ends_at);
                (entry.slot, point, self.failed_fate(fates, goes), until)
            }
        };
        let rules = rules::rules(self, &terms, world.request.now, observed);
        let lineage = self.lineage.judged().map(|(point, verdict)| {
            let is_it = self.point().is_some_and(|it| std::ptr::eq(it, point));
            let text = self.fate(fates, point, verdict, None).text;
            (point.time, state_text(point.state), text, is_it)
        });
        Some(JudgedBy {
            policy: Arc::clone(&world.config.policies[key.policy].name),
            source: key.source,
            from: key.from,
            slot,
            point,
            verdict: fate.text,
            expires_at,
            rules,
            lineage: lineage.collect(),
        })
    }

    /// What becomes of a point, or of `id` in it: as the plan says, or, where it says nothing, by
    /// its verdict.
    fn fate(
        &self,
        fates: &Fates,
        point: &Point<'_>,
        verdict: &Verdict,
        id: Option<ResourceId>,
    ) -> Fate {
        let itself = id.into_iter().chain(id.map(|_| self.subject.member_id()));
        let ids = itself.chain(point.standing_ids()).chain(point.ids());
        if let Some(fate) = fates.first(self.subject.scene.region, ids) {
            return fate.clone();
        }
        let is_selected = point.members().all(|member| member.role == Role::Selected);
        let text = match verdict {
            Verdict::Waiting => "waiting for it to complete".to_owned(),
            Verdict::Keep(holds, until) => format!("stays: {}", held(*holds, *until)),
            Verdict::Expire(reason, _) if is_selected => {
                format!("stays, as nobody has adopted it; would go: {reason}")
            }
            Verdict::Expire(reason, _) => format!("left to another policy; {reason}"),
        };
        Fate { goes: false, text }
    }

    fn failed_fate(&self, fates: &Fates, goes: bool) -> Fate {
        let found = fates.first(self.subject.scene.region, [self.subject.member_id()]);
        found.cloned().unwrap_or_else(|| {
            let text = if goes { "left to another policy, or to who made it" } else { "" };
            Fate { goes: false, text: text.to_owned() }
        })
    }
}

fn point_text(point: &Point<'_>) -> String {
    let state = state_text(point.state);
    let images: Vec<String> = point.members().filter_map(image_text).collect();
    let ids: Vec<String> = point.members().map(|m| m.id().to_string()).collect();
    let text = if images.is_empty() {
        format!("{state}, {} of {} snapshots: {}", ids.len(), point.wanted, ids.join(" "))
    } else {
        format!("{state}: {}", images.join("; "))
    };
    let forms = point.forms.iter().map(|form| {
        let image = image_text(form).unwrap_or_else(|| form.id().to_string());
        format!("encrypted form {image} ({})", form.state().name())
    });
    [text].into_iter().chain(forms).collect::<Vec<_>>().join("; ")
}

/// Returns an image with its snapshots; none for a snapshot.
fn image_text(member: &Member<'_>) -> Option<String> {
    let image = member.thing.image()?;
    let snapshots: Vec<String> = image.snapshot_ids.iter().map(ToString::to_string).collect();
    Some(match snapshots.len() {
        0 => format!("{} without snapshots", image.id),
        _ => format!("{} with {}", image.id, snapshots.join(" ")),
    })
}

fn state_text(state: PointState) -> &'static str {
    match state {
        PointState::Complete => "complete",
        PointState::Incomplete => "incomplete",
        PointState::Pending => "pending",
    }
}

/// Returns what becomes of a snapshot whose image is gone; none if it is nothing of the kind.
pub(super) fn leftover(subject: &Subject<'_, '_>, fates: &Fates) -> Option<JudgedBy> {
    let ResourceId::Snapshot(id) = subject.id() else { return None };
    let of_images = &subject.scene.of_images;
    let (policy, image_id, _) = of_images.iter().find(|(.., snapshot)| snapshot.id == id)?;
    if subject.of_image.is_some() {
        return None;
    }
    let source: RegionalSource = subject.thing.tags().get(tags::SOURCE)?.parse().ok()?;
    let fate = fates.first(subject.scene.region, [subject.id()]);
    let verdict = fate.map_or_else(
        || "stays while it is under 24 hours old, or an image of its slot is there".to_owned(),
        |fate| fate.text.clone(),
    );
    Some(JudgedBy {
        policy: Arc::clone(&subject.world.config.policies[*policy].name),
        source: source.source,
        from: Some(source.region).filter(|region| *region != subject.scene.region),
        slot: None,
        point: format!("none: left over of {image_id}"),
        verdict,
        expires_at: None,
        rules: Vec::new(),
        lineage: Vec::new(),
    })
}
