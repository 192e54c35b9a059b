//! The plan as data: what would be done, what is kept, what is waited for, and why.
//!
//! Every action names its ids and what it was planned against, so that carrying it out needs no
//! choice. Nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::failure::Failure;
use crate::domain::ids::{ResourceId, VolumeId};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::plan::guard::Veto;
use crate::plan::retention::Holds;

mod action;
mod delete;
mod params;
mod protection;

pub use action::{Action, Op};
pub use delete::{Delete, ExpireReason, ResourceState};
pub use params::{
    ChosenVolume, Copy, CreateImage, CreateOne, CreateSet, Deprecation, ImageCopy, NewPoint, Pairs,
    Share, TagPurpose, Tagging,
};
pub use protection::{Protection, ProtectionState};

/// What a run would do now.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Plan {
    /// The instant of judgement.
    pub now: DateTime<Utc>,
    /// The account, as far as the inventory knew it.
    pub account: Option<Arc<str>>,
    /// What the configuration calls the account; none is the own one.
    pub account_name: Option<Arc<str>>,
    /// The digest of the configuration.
    pub config_digest: String,
    /// What would be done: creations and copies first, then changes to what is there, then
    /// deletions; each by region, policy, source and time.
    pub actions: Vec<Action>,
    /// Deletions that a limit forbids in this run.
    pub withheld: Vec<Withheld>,
    /// Every snapshot and image that stays although a policy judges it.
    pub keeps: Vec<Keep>,
    /// What is not decided yet.
    pub waiting: Vec<Waiting>,
    /// What else a person should know.
    pub notes: Vec<Note>,
    /// What could not be observed.
    pub gaps: Vec<PlanGap>,
    /// Recovery points of each policy and region before now, whatever becomes of them.
    pub n_points: BTreeMap<(Arc<str>, Region), u32>,
    /// What every selected source has in each place, against what is asked of it: by its region,
    /// policy and source, copies after what they are of.
    pub protection: Vec<Protection>,
}

/// A deletion that a limit forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The deletion.
    pub action: Action,
    /// Which limit, in words.
    pub limit: Arc<str>,
}

/// A snapshot or image that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// By which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// The snapshot or image.
    pub resource: ResourceId,
    /// What its recovery point protects.
    pub source: Source,
    /// Its volume.
    pub volume_id: Option<VolumeId>,
    /// The instant of its recovery point.
    pub point_time: DateTime<Utc>,
    /// Why.
    pub reason: KeepReason,
    /// When the last tier that holds it ends; none where newer points decide.
    pub until: Option<DateTime<Utc>>,
}

/// Why a snapshot or image stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepReason {
    /// Retention holds its point.
    Held(Holds),
    /// It would go, but something forbids it.
    Vetoed(Box<(ExpireReason, Veto)>),
    /// It failed; it goes 24 hours after its start, or once a later attempt is complete.
    Failed,
}

/// Something that is not decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// The id of what is waited for.
    pub resource: String,
    /// What for.
    pub reason: String,
    /// Since when, where known.
    pub since: Option<DateTime<Utc>>,
    /// Nothing will change before, where that is known.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it ends without anybody's help: it is on its way, or is due at a known instant.
    pub ends_by_itself: bool,
}

/// Something that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanGap {
    /// Where; none if the regions themselves are not known.
    pub region: Option<Region>,
    /// EC2's name of the call.
    pub operation: &'static str,
    /// Why it failed.
    pub error: Failure,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// The plan contradicts an invariant and must not be executed, in the note's region or at all.
    Fatal,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub severity: Severity,
    /// Where, if in one region.
    pub region: Option<Region>,
    /// What.
    pub message: String,
}

impl Plan {
    /// Returns true if a fatal note stands in the way of `action`.
    pub fn refuses(&self, action: &Action) -> bool {
        self.notes.iter().any(|note| {
            let is_here = note.region.as_ref().is_none_or(|region| *region == action.region);
            note.severity == Severity::Fatal && is_here
        })
    }
}

/// Returns how a slot stands in its tag: RFC 3339 in UTC, whole seconds.
pub fn slot_text(slot: DateTime<Utc>) -> String {
    slot.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::{Action, Deprecation, Note, Op, Plan, Severity};
    use crate::domain::source::{Family, Source};

    #[test]
    fn a_fatal_note_refuses_what_is_in_its_region_or_everything() {
        let action = |region: &str| Action {
            policy: "golden".into(),
            region: region.parse().unwrap(),
            op: Op::EnableImageDeprecation(Deprecation {
                image_id: "ami-00000001".parse().unwrap(),
                source: Source::Family(Family::whole()),
                point_time: chrono::DateTime::default(),
                at: chrono::DateTime::default(),
            }),
        };
        for (severity, region, expected) in [
            (Severity::Fatal, Some("eu-west-1"), [true, false]),
            (Severity::Fatal, None, [true, true]),
            (Severity::Warning, Some("eu-west-1"), [false, false]),
            (Severity::Warning, None, [false, false]),
        ] {
            let region = region.map(|name| name.parse().unwrap());
            let note = Note { severity, region, message: String::new() };
            let plan = Plan { notes: vec![note], ..Plan::default() };
            let refuses = ["eu-west-1", "us-east-1"].map(|region| plan.refuses(&action(region)));
            assert_eq!(refuses, expected, "{:?}", plan.notes);
        }
    }
}
