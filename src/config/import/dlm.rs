//! A policy of Amazon Data Lifecycle Manager, as `aws dlm get-lifecycle-policy` prints it.
//!
//! What has no equivalent is said; a key that is not known is, too.

mod eventbridge;
mod object;
mod schedule;
mod simplified;
mod write;

use serde_json::Value;

use crate::config::import::draft::quoted;
use crate::config::import::{ImportError, Imported};
use crate::config::policy::Kind;
use crate::config::select::Resource;
use crate::domain::region::Region;

use object::Object;
use schedule::Schedule;

/// What is expected, for messages.
const EXPECTED: &str = "expected what `aws dlm get-lifecycle-policy --policy-id ID --output json` \
                        prints";

/// A tag that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    key: String,
    value: String,
}

/// A lifecycle policy, as far as snapkeep has an equivalent, and what is to be said about the rest.
#[derive(Debug)]
struct Lifecycle {
    id: String,
    description: String,
    region: Region,
    state: String,
    kind: Kind,
    resource: Resource,
    /// A source has any of these; none is every source.
    any_tags: Vec<Tag>,
    exclude_tags: Vec<Tag>,
    excludes_boot: bool,
    exclude_volume_tags: Vec<Tag>,
    reboots: bool,
    schedules: Vec<Schedule>,
    expires_orphans: bool,
    remarks: Vec<String>,
}

/// Makes a configuration of a lifecycle policy.
///
/// # Errors
///
/// If the text is something else, or a policy that snapkeep has nothing like.
pub fn from_dlm(text: &str) -> Result<Imported, ImportError> {
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|err| unexpected(format!("is not JSON ({err}); {EXPECTED}")))?;
    let mut root = Object::new(value);
    if root.take("Policies").is_some() {
        let message = "lists policies without their details; run `aws dlm get-lifecycle-policy \
                       --policy-id ID --output json` for each";
        return Err(unexpected(message));
    }
    let policy = root.object("Policy").unwrap_or(root);
    write::write(&read(policy)?)
}

fn unexpected(message: impl Into<String>) -> ImportError {
    ImportError::Unexpected(message.into())
}

fn no_equivalent(message: impl Into<String>) -> ImportError {
    ImportError::NoEquivalent(message.into())
}

fn read(mut policy: Object) -> Result<Lifecycle, ImportError> {
    let Some(mut details) = policy.object("PolicyDetails") else {
        return Err(unexpected(format!("has no `PolicyDetails`; {EXPECTED}")));
    };
    let arn = policy.text("PolicyArn").unwrap_or_default();
    let region = arn.split(':').nth(3).and_then(|name| name.parse::<Region>().ok());
    let region = region.ok_or_else(|| {
        unexpected(format!("names no region: it stands in `PolicyArn`, which is {}", quoted(&arn)))
    })?;
    let policy_type = details.text("PolicyType");
    let makes_images = match policy_type.as_deref() {
        None | Some("EBS_SNAPSHOT_MANAGEMENT") => false,
        Some("IMAGE_MANAGEMENT") => true,
        Some("EVENT_BASED_POLICY") => {
            return Err(no_equivalent(
                "is an event-based policy: it copies snapshots that other accounts share. snapkeep \
                 has no equivalent; it copies only what the account itself has made",
            ));
        }
        Some(other) => {
            return Err(no_equivalent(format!("has a type that is not known: {}", quoted(other))));
        }
    };
    refuse_other_places(&details)?;
    let language = details.text("PolicyLanguage");
    let is_simplified = policy.flag("DefaultPolicy") || language.as_deref() == Some("SIMPLIFIED");
    let mut types = details.texts("ResourceTypes");
    types.extend(details.text("ResourceType"));
    types.dedup();
    let resource = match types.as_slice() {
        [one] if one == "VOLUME" => Resource::Volume,
        [one] if one == "INSTANCE" => Resource::Instance,
        [] if makes_images => Resource::Instance,
        _ => {
            let types = quoted(&types.join(", "));
            return Err(no_equivalent(format!("protects neither volumes nor instances: {types}")));
        }
    };
    // Default policies for instances make images, even without saying so.
    let makes_images = makes_images || is_simplified && resource == Resource::Instance;
    if makes_images && resource == Resource::Volume {
        return Err(no_equivalent("makes images of volumes, which have none"));
    }
    let mut lifecycle = Lifecycle {
        id: policy.text("PolicyId").filter(|id| is_id(id)).unwrap_or_else(|| "ID".to_owned()),
        description: policy.text("Description").unwrap_or_default(),
        region,
        state: policy.text("State").unwrap_or_default(),
        kind: if makes_images { Kind::Images } else { Kind::Snapshots },
        resource,
        any_tags: Vec::new(),
        exclude_tags: Vec::new(),
        excludes_boot: false,
        exclude_volume_tags: Vec::new(),
        reboots: false,
        schedules: Vec::new(),
        expires_orphans: false,
        remarks: Vec::new(),
    };
    lifecycle.parameters(&mut details);
    if is_simplified {
        lifecycle.simplified(&mut details);
    } else {
        lifecycle.custom(&mut details)?;
    }
    if let Some(message) = policy.text("StatusMessage").filter(|_| lifecycle.state == "ERROR") {
        lifecycle.remarks.push(format!("its state is ERROR: {}", quoted(&message)));
    }
    for known in ["ExecutionRoleArn", "DateCreated", "DateModified", "Tags", "StatusMessage"] {
        policy.take(known);
    }
    let unknown = policy.rest().into_iter().chain(details.rest());
    let unknown = unknown.map(|said| format!("{} is not known, and not taken over", quoted(&said)));
    lifecycle.remarks.extend(unknown);
    Ok(lifecycle)
}

/// Returns true for what may stand in a command that people copy.
fn is_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Snapshots that must not leave an Outpost or a Local Zone would do so here.
fn refuse_other_places(details: &Object) -> Result<(), ImportError> {
    let mut details = details.clone();
    let mut places = details.texts("ResourceLocations");
    for mut schedule in details.objects("Schedules") {
        places.extend(schedule.object("CreateRule").and_then(|mut rule| rule.text("Location")));
    }
    match places.iter().find(|place| *place != "CLOUD") {
        Some(place) => Err(no_equivalent(format!(
            "is about {}; snapkeep makes snapshots in regions only",
            quoted(place)
        ))),
        None => Ok(()),
    }
}

impl Lifecycle {
    fn parameters(&mut self, details: &mut Object) {
        details.take("ResourceLocations");
        let mut parameters = details.object("Parameters").unwrap_or_default();
        let reboots = parameters.take("NoReboot") == Some(false.into());
        self.reboots = self.kind == Kind::Images && reboots;
        self.excludes_boot = parameters.flag("ExcludeBootVolume");
        let has_volumes = self.kind == Kind::Snapshots && self.resource == Resource::Instance;
        if self.excludes_boot && !has_volumes {
            self.excludes_boot = false;
            let message = "leaving the boot volume out has no equivalent here";
            self.remarks.push(message.to_owned());
        }
        let excluded = parameters.objects("ExcludeDataVolumeTags");
        let excluded = tags(excluded, &mut self.remarks);
        match self.resource {
            Resource::Volume => self.exclude_tags = excluded,
            Resource::Instance | Resource::Image => self.exclude_volume_tags = excluded,
        }
        let unknown = parameters.rest().into_iter();
        let unknown =
            unknown.map(|said| format!("{} is not known, and not taken over", quoted(&said)));
        self.remarks.extend(unknown);
    }

    fn simplified(&mut self, details: &mut Object) {
        let simplified::Simplified { schedule, exclude_tags, expires_orphans } =
            simplified::read(details, &self.region);
        self.schedules = vec![schedule];
        self.exclude_tags = exclude_tags;
        self.expires_orphans = expires_orphans;
    }

    fn custom(&mut self, details: &mut Object) -> Result<(), ImportError> {
        for mut tag in details.objects("TargetTags") {
            let Some(key) = tag.text("Key") else { continue };
            let tag = Tag { key, value: tag.text("Value").unwrap_or_default() };
            if !self.any_tags.contains(&tag) {
                self.any_tags.push(tag);
            }
        }
        if self.any_tags.is_empty() {
            return Err(no_equivalent("has no `TargetTags`, so what it protects is not known"));
        }
        let schedules = details.objects("Schedules").into_iter();
        self.schedules = schedules.map(|schedule| Schedule::read(schedule, &self.region)).collect();
        if self.schedules.is_empty() {
            return Err(no_equivalent("has no `Schedules`, so when it acts is not known"));
        }
        Ok(())
    }
}

/// Reads tags of which none may match; of each key there can be one.
fn tags(objects: Vec<Object>, remarks: &mut Vec<String>) -> Vec<Tag> {
    let mut res: Vec<Tag> = Vec::new();
    for mut object in objects {
        let Some(key) = object.text("Key") else { continue };
        let tag = Tag { key, value: object.text("Value").unwrap_or_default() };
        if res.iter().any(|other| other.key == tag.key) {
            let shown = quoted(&format!("{}={}", tag.key, tag.value));
            remarks.push(format!("{shown} cannot be left out, too: a key has one value"));
        } else {
            res.push(tag);
        }
    }
    res
}
