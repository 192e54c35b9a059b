//! One call to EC2, as JSON.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::tags;
use crate::plan::{
    Action, Copy, Delete, Deprecation, NewPoint, Op, Share, TagPurpose, Tagging, Withheld,
};
use crate::report::json::keep::source_of;
use crate::report::json::params::{ParamsJson, tag};
use crate::report::json::time;

/// One call to EC2.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ActionJson {
    /// The same for the same action in every plan.
    id: String,
    /// EC2's own name of the operation.
    op: &'static str,
    /// For which policy.
    policy: String,
    /// Where.
    region: String,
    /// What is made a snapshot or image of, changed or deleted; what is copied, with its region.
    resource: String,
    /// The instance of a set or image, or the family of images; of one snapshot its volume.
    source: Option<String>,
    /// The slot of what is made; the instant of the recovery point that is copied, changed or goes.
    point_time: String,
    /// Why.
    reason: String,
    /// Ids of actions that are done before.
    after: Vec<String>,
    /// What the call is made with, and what must still hold then.
    params: ParamsJson,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WithheldJson {
    /// Which limit.
    limit: String,
    action: ActionJson,
}

/// What is about each operation.
pub(in crate::report) struct About {
    pub(in crate::report) resource: String,
    pub(in crate::report) source: Option<String>,
    pub(in crate::report) point_time: DateTime<Utc>,
    pub(in crate::report) reason: String,
    params: ParamsJson,
}

impl WithheldJson {
    pub(super) fn new(withheld: &Withheld) -> Self {
        Self { limit: withheld.limit.to_string(), action: ActionJson::new(&withheld.action) }
    }
}

impl ActionJson {
    pub(super) fn new(action: &Action) -> Self {
        let About { resource, source, point_time, reason, params } = About::new(action);
        Self {
            id: action.id(),
            op: action.operation(),
            policy: action.policy.to_string(),
            region: action.region.to_string(),
            resource,
            source,
            point_time: time(point_time),
            reason,
            after: action.after(),
            params,
        }
    }
}

impl About {
    pub(in crate::report) fn new(action: &Action) -> Self {
        match &action.op {
            Op::CreateSnapshots(set) => {
                let params = ParamsJson::create_set(set);
                Self::creation(set.instance_id.to_string(), &set.point, params)
            }
            Op::CreateSnapshot(one) => {
                let params = ParamsJson::create_one(one);
                Self::creation(one.volume.volume_id.to_string(), &one.point, params)
            }
            Op::CreateImage(image) => {
                let params = ParamsJson::create_image(image);
                Self::creation(image.instance_id.to_string(), &image.point, params)
            }
            Op::CopySnapshot(copy) | Op::CopyImage(copy) => Self::copy(action, copy),
            Op::ModifySnapshotAttribute(share) | Op::ModifyImageAttribute(share) => {
                Self::share(share)
            }
            Op::EnableImageDeprecation(deprecation) => Self::deprecation(deprecation),
            Op::CreateTags(tagging) => Self::tagging(tagging),
            Op::DeregisterImage(delete) | Op::DeleteSnapshot(delete) => Self::deletion(delete),
        }
    }

    fn creation(resource: String, point: &NewPoint, params: ParamsJson) -> Self {
        Self {
            source: Some(resource.clone()),
            resource,
            point_time: point.slot,
            reason: format!("the slot {} is due", time(point.slot)),
            params,
        }
    }

    fn copy(action: &Action, copy: &Copy) -> Self {
        let of_volume = tag(&copy.tags, tags::VOLUME).map(str::to_owned);
        let region = &action.region;
        let reason = if copy.is_encryption(region) {
            "its encrypted form is missing".to_owned()
        } else {
            format!("its copy in {region} is missing")
        };
        Self {
            resource: copy.parent.to_string(),
            source: of_volume.or_else(|| Some(copy.source.to_string())),
            point_time: copy.point_time,
            reason,
            params: ParamsJson::copy(copy),
        }
    }

    fn share(share: &Share) -> Self {
        Self {
            resource: share.resource.to_string(),
            source: Some(share.source.to_string()),
            point_time: share.point_time,
            reason: "it is shared with other accounts than the policy says".to_owned(),
            params: ParamsJson::share(share),
        }
    }

    fn deprecation(deprecation: &Deprecation) -> Self {
        Self {
            resource: deprecation.image_id.to_string(),
            source: Some(deprecation.source.to_string()),
            point_time: deprecation.point_time,
            reason: "the policy says when it is deprecated".to_owned(),
            params: ParamsJson::deprecation(deprecation),
        }
    }

    fn tagging(tagging: &Tagging) -> Self {
        let reason = match tagging.purpose {
            TagPurpose::Shared => "remembers with whom it is shared".to_owned(),
            TagPurpose::Backs(id) => format!("tells its image once {id} is deregistered"),
        };
        Self {
            resource: tagging.resource.to_string(),
            source: Some(tagging.source.to_string()),
            point_time: tagging.point_time,
            reason,
            params: ParamsJson::tagging(tagging),
        }
    }

    fn deletion(delete: &Delete) -> Self {
        Self {
            resource: delete.resource.to_string(),
            source: source_of(delete.resource, delete.volume_id, delete.source),
            point_time: delete.point_time,
            reason: delete.reason.to_string(),
            params: ParamsJson::delete(delete),
        }
    }
}
