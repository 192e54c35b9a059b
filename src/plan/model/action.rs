//! Actions: one call to EC2 each, under EC2's own names.
//!
//! What a call is made with stands in `params` and `delete`.

use std::sync::Arc;

use crate::domain::ids::ResourceId;
use crate::domain::region::Region;
use crate::domain::tags;
use crate::plan::model::{
    Copy, CreateImage, CreateOne, CreateSet, Delete, Deprecation, NewPoint, Share, TagPurpose,
    Tagging, slot_text,
};

/// One call to EC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// For which policy.
    pub policy: Arc<str>,
    /// Where.
    pub region: Region,
    /// What.
    pub op: Op,
}

/// The operations, under EC2's own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// One crash-consistent set of an instance's volumes.
    CreateSnapshots(CreateSet),
    /// One volume, by itself or as a member of its instance's point.
    CreateSnapshot(CreateOne),
    /// An image of an instance.
    CreateImage(CreateImage),
    /// A snapshot copied to another region, or to the same one and encrypted.
    CopySnapshot(Copy),
    /// An image copied to another region, or to the same one and encrypted.
    CopyImage(Copy),
    /// Accounts may use a copy of a snapshot, or may not any more.
    ModifySnapshotAttribute(Share),
    /// Accounts may use a copy of an image, or may not any more.
    ModifyImageAttribute(Share),
    /// An image gets the instant from which on it is deprecated.
    EnableImageDeprecation(Deprecation),
    /// Tags are written on what is there already.
    CreateTags(Tagging),
    /// One image deregistered; its snapshots are deletions of their own.
    DeregisterImage(Delete),
    /// One snapshot deleted.
    DeleteSnapshot(Delete),
}

impl Action {
    /// Returns an id that the same action has in every plan.
    pub fn id(&self) -> String {
        let Self { policy, region, op } = self;
        match op {
            Op::CreateSnapshots(set) => {
                let slot = slot_text(set.point.slot);
                format!("CreateSnapshots/{region}/{policy}/{}/{slot}", set.instance_id)
            }
            Op::CreateSnapshot(one) => {
                let slot = slot_text(one.point.slot);
                format!("CreateSnapshot/{region}/{policy}/{}/{slot}", one.volume.volume_id)
            }
            Op::CreateImage(image) => {
                let slot = slot_text(image.point.slot);
                format!("CreateImage/{region}/{policy}/{}/{slot}", image.instance_id)
            }
            Op::CopySnapshot(copy) | Op::CopyImage(copy) => {
                format!("{}/{region}/{policy}/{}", self.operation(), copy.parent)
            }
            Op::ModifySnapshotAttribute(Share { resource, .. })
            | Op::ModifyImageAttribute(Share { resource, .. })
            | Op::CreateTags(Tagging { resource, .. })
            | Op::DeregisterImage(Delete { resource, .. })
            | Op::DeleteSnapshot(Delete { resource, .. }) => {
                format!("{}/{region}/{resource}", self.operation())
            }
            Op::EnableImageDeprecation(deprecation) => {
                format!("EnableImageDeprecation/{region}/{}", deprecation.image_id)
            }
        }
    }

    /// Returns EC2's name of the call.
    pub fn operation(&self) -> &'static str {
        match &self.op {
            Op::CreateSnapshots(_) => "CreateSnapshots",
            Op::CreateSnapshot(_) => "CreateSnapshot",
            Op::CreateImage(_) => "CreateImage",
            Op::CopySnapshot(_) => "CopySnapshot",
            Op::CopyImage(_) => "CopyImage",
            Op::ModifySnapshotAttribute(_) => "ModifySnapshotAttribute",
            Op::ModifyImageAttribute(_) => "ModifyImageAttribute",
            Op::EnableImageDeprecation(_) => "EnableImageDeprecation",
            Op::CreateTags(_) => "CreateTags",
            Op::DeregisterImage(_) => "DeregisterImage",
            Op::DeleteSnapshot(_) => "DeleteSnapshot",
        }
    }

    /// Returns the ids of actions in the same region without which this one is not begun.
    pub fn after(&self) -> Vec<String> {
        let region = &self.region;
        match &self.op {
            Op::CreateSnapshots(_) | Op::CreateSnapshot(_) | Op::CreateImage(_) => {
                let after = self.as_creation().map_or(&[][..], |point| &point.after);
                after.iter().map(|id| format!("DeleteSnapshot/{region}/{id}")).collect()
            }
            Op::CreateTags(Tagging { resource, purpose: TagPurpose::Shared, .. }) => {
                let op = match resource {
                    ResourceId::Snapshot(_) => "ModifySnapshotAttribute",
                    ResourceId::Image(_) => "ModifyImageAttribute",
                };
                vec![format!("{op}/{region}/{resource}")]
            }
            Op::DeregisterImage(delete) => {
                let after = delete.after.iter();
                after.map(|id| format!("CreateTags/{region}/{id}")).collect()
            }
            Op::DeleteSnapshot(Delete { backs: Some(image_id), .. }) => {
                vec![format!("DeregisterImage/{region}/{image_id}")]
            }
            Op::CopySnapshot(_)
            | Op::CopyImage(_)
            | Op::ModifySnapshotAttribute(_)
            | Op::ModifyImageAttribute(_)
            | Op::EnableImageDeprecation(_)
            | Op::CreateTags(_)
            | Op::DeleteSnapshot(_) => Vec::new(),
        }
    }

    /// Returns the deletion or deregistration, if it is one.
    pub fn as_delete(&self) -> Option<&Delete> {
        match &self.op {
            Op::DeleteSnapshot(delete) | Op::DeregisterImage(delete) => Some(delete),
            _ => None,
        }
    }

    /// Tells whether two deletions are of one recovery point: members of one slot, or an image and
    /// what backs it. In a plan they follow each other.
    pub fn goes_with(&self, other: &Self) -> bool {
        let (Some(a), Some(b)) = (self.as_delete(), other.as_delete()) else { return false };
        let is_one_slot = self.policy == other.policy
            && a.point_time == b.point_time
            && a.tags.get(tags::SLOT).is_some()
            && a.tags.get(tags::SLOT) == b.tags.get(tags::SLOT)
            && a.tags.get(tags::SOURCE) == b.tags.get(tags::SOURCE);
        let image_of = |delete: &Delete| delete.backs.or(delete.resource.image());
        self.region == other.region
            && (is_one_slot || (image_of(a).is_some() && image_of(a) == image_of(b)))
    }

    /// Returns the copy, if it is one.
    pub fn as_copy(&self) -> Option<&Copy> {
        match &self.op {
            Op::CopySnapshot(copy) | Op::CopyImage(copy) => Some(copy),
            _ => None,
        }
    }

    /// Returns the point to be made, if it is a creation.
    pub fn as_creation(&self) -> Option<&NewPoint> {
        match &self.op {
            Op::CreateSnapshots(set) => Some(&set.point),
            Op::CreateSnapshot(one) => Some(&one.point),
            Op::CreateImage(image) => Some(&image.point),
            _ => None,
        }
    }
}
