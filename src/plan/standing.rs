//! Whose a snapshot is: ours, adopted, or nobody's business. Images are in `image_standing`.
//!
//! Tags alone do not make a thing ours, since people and tools copy them along. What is not
//! plainly ours or plainly adopted is never touched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{Config, Kind, Policy, RegionalPolicy};
use crate::domain::id_map::IdMap;
use crate::domain::ids::{ImageId, RegionalId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, ImageState, RegionInventory, Snapshot};
use crate::domain::region::Region;
use crate::domain::source::{RegionalSource, Source};
use crate::domain::tags::{OurTags, Tags};
use crate::plan::point_tags::{is_copy_described, is_described};

/// Whose a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Made by us for a policy that is still there.
    Ours(Mark),
    /// Made by others, and these policies may expire it; by index, at least one.
    Adopted(Box<[usize]>),
    /// Made by this installation for a policy of this name, which is not there any more.
    Unowned(Arc<str>),
    /// A copy made by this installation for a policy of this name, which has no rule for it.
    RuleGone(Arc<str>),
    /// Another service manages it.
    Managed(&'static str),
    /// Backs an image and goes with it.
    BacksImage(ImageId),
    /// Made by this installation with an image, for the policy of this index, if it is there; and
    /// which image that was.
    OfImage(Option<usize>, ImageId),
    /// Bears our tags but is not ours.
    Foreign(ForeignReason),
    /// A policy would adopt it, but it must never be.
    Unadoptable(UnadoptableReason),
    /// Nothing to do with us.
    Stranger,
}

/// What our tags say on a snapshot of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The policy, by index.
    pub policy: usize,
    /// What it protects.
    pub source: Source,
    /// The slot it fills; none if somebody removed the tag.
    pub slot: Option<DateTime<Utc>>,
    /// How many snapshots its point was asked for.
    pub members: u32,
    /// Which attempt made it.
    pub attempt: u32,
    /// What it is a copy of, if it is one.
    pub copy: Option<CopyMark>,
}

/// What our tags say on a copy of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyMark {
    /// The region of the first original.
    pub from: Region,
    /// Whether that is the copy's own region: then it is the encrypted form of its original.
    pub is_encrypted_form: bool,
    /// The instant of the data.
    pub time: DateTime<Utc>,
    /// The volume that the first original was made of; none for images.
    pub volume_id: Option<VolumeId>,
}

/// Why something with our tags is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignReason {
    /// Another installation's owner tag.
    OtherOwner,
    /// It has no volume of its own: a copy or an import, made by others.
    NoVolume,
    /// Its tags name another source than it was made of.
    OtherSource,
    /// Its description is not the one that we give: somebody copied our tags onto it.
    OtherMaker,
    /// Owner, policy or source is missing or unreadable.
    Incomplete,
    /// Its tags call it an original, but EC2 says that it is a copy.
    Copy,
    /// Its tags call it a copy of another image than EC2 does.
    OtherParent,
}

/// Why something is never adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnadoptableReason {
    /// It has no volume of its own: a copy or an import.
    NoVolume,
    /// It bears tags in AWS's own name space.
    AwsTags,
    /// It bears the marks of a service or driver that manages it.
    ServiceMarks(&'static str),
    /// It is an image that others may launch.
    Shared,
}

/// Keys of tags by which services know their own snapshots; a key ending in `/` is a prefix.
///
/// Elastic Disaster Recovery and Application Migration Service: their user guides' managed
/// policies condition on these. EBS CSI driver: docs/tagging.md of the driver.
const SERVICE_MARKS: [(&str, &str); 5] = [
    ("AWSElasticDisasterRecoveryManaged", "Elastic Disaster Recovery"),
    ("AWSApplicationMigrationServiceManaged", "Application Migration Service"),
    ("CSIVolumeSnapshotName", "the EBS CSI driver"),
    ("ebs.csi.aws.com/", "the EBS CSI driver"),
    ("dlm:managed", "Data Lifecycle Manager"),
];

/// Returns the service that manages what bears `tags`, by tags that only AWS can write.
///
/// Tags that anyone can write do not count here: a volume's are carried along to our own
/// snapshots, which must not become unjudged by that.
pub fn managing_service(tags: &Tags) -> Option<&'static str> {
    tags.iter().find_map(|(key, _)| {
        let name = key.strip_prefix("aws:")?;
        match name.split_once(':')?.0 {
            "backup" => Some("AWS Backup"),
            "dlm" => Some("Data Lifecycle Manager"),
            _ => None,
        }
    })
}

/// All that is needed to tell the standing of one region's snapshots.
#[derive(Debug)]
pub struct Judge<'a> {
    pub(super) config: &'a Config,
    pub(super) region: Region,
    pub(super) policies: Vec<Option<&'a RegionalPolicy>>,
    by_name: BTreeMap<&'a str, usize>,
    owners: BTreeSet<&'a str>,
    backing: IdMap<SnapshotId, ImageId>,
    backing_snapshots: IdMap<SnapshotId, &'a Snapshot>,
}

impl<'a> Judge<'a> {
    /// Prepares for the snapshots of `region`.
    pub fn new(config: &'a Config, region: &Region, inventory: &'a RegionInventory) -> Self {
        let variant = |n: usize| {
            let policy = &config.policies[n];
            policy.applies_in(region).then(|| policy.in_region(region))
        };
        let mut by_name = BTreeMap::new();
        for (n, policy) in config.policies.iter().enumerate() {
            for name in policy.renamed_from.iter().chain([&policy.name]) {
                by_name.insert(name.as_ref(), n);
            }
        }
        // Copies bear the owner of the region that they came from.
        let variants = config.policies.iter().flat_map(Policy::variants);
        let owners: BTreeSet<&str> = variants.map(|variant| variant.owner.as_ref()).collect();
        // Of several images over one snapshot the smallest id, whatever order they came in.
        let is_registered = |image: &&Image| image.state != ImageState::Deregistered;
        let mut images: Vec<&Image> = inventory.images.iter().filter(is_registered).collect();
        images.sort_by_key(|image| Reverse(image.id));
        let backing: IdMap<SnapshotId, ImageId> = images
            .into_iter()
            .flat_map(|image| image.snapshot_ids.iter().map(|id| (*id, image.id)))
            .collect();
        let snapshots = inventory.snapshots.iter().filter(|_| !backing.is_empty());
        let backing_snapshots = snapshots
            .filter(|snapshot| backing.contains_key(&snapshot.id))
            .map(|snapshot| (snapshot.id, snapshot))
            .collect();
        let policies = (0..config.policies.len()).map(variant).collect();
        Self { config, region: *region, policies, by_name, owners, backing, backing_snapshots }
    }

    /// Returns the image that `snapshot_id` backs; one of them, if several.
    pub fn image_of(&self, snapshot_id: SnapshotId) -> Option<ImageId> {
        self.backing.get(&snapshot_id).copied()
    }

    /// Returns the snapshots that back `image`, as far as they are listed.
    pub fn snapshots_of<'s>(
        &'s self,
        image: &'s Image,
    ) -> impl Iterator<Item = &'a Snapshot> + use<'s, 'a> {
        image.snapshot_ids.iter().filter_map(|id| self.backing_snapshots.get(id).copied())
    }

    /// Returns what policy `index` says in this region, if it applies here.
    pub fn policy(&self, index: usize) -> Option<&'a RegionalPolicy> {
        self.policies[index]
    }

    /// Tells whose `snapshot` is.
    pub fn standing(&self, snapshot: &Snapshot) -> Standing {
        if let Some(service) = managing_service(&snapshot.tags) {
            return Standing::Managed(service);
        }
        if let Some(tags) = OurTags::of(&snapshot.tags) {
            if let Some(image_id) = self.made_with(snapshot, &tags) {
                return self.of_image(&tags, image_id, snapshot.started_at);
            }
            return match self.mark(snapshot, &tags) {
                Ok(Some(mark)) => Standing::Ours(mark),
                Ok(None) if self.has_lost_its_rule(&tags) => {
                    Standing::RuleGone(tags.policy.unwrap_or_default().into())
                }
                Ok(None) => Standing::Unowned(tags.policy.unwrap_or_default().into()),
                Err(reason) => Standing::Foreign(reason),
            };
        }
        if let Some(image_id) = self.image_of(snapshot.id) {
            return Standing::BacksImage(image_id);
        }
        self.adoption(snapshot)
    }

    /// Reads our tags; none if the policy is not there any more.
    fn mark(&self, snapshot: &Snapshot, tags: &OurTags<'_>) -> Result<Option<Mark>, ForeignReason> {
        let name = self.name(tags)?;
        if tags.copy_of.is_some() {
            if !is_copy_described(&snapshot.description, tags) {
                return Err(ForeignReason::OtherMaker);
            }
            return self.copy_mark(tags, snapshot.started_at);
        }
        let source = self.source(tags.source.ok_or(ForeignReason::Incomplete)?)?;
        made_of(snapshot, source, tags)?;
        self.original_mark(tags, name, source)
    }

    /// Returns the policy's name, if the owner is one of this installation's.
    pub(super) fn name<'t>(&self, tags: &OurTags<'t>) -> Result<&'t str, ForeignReason> {
        let owner = tags.owner.ok_or(ForeignReason::Incomplete)?;
        if !self.owners.contains(owner) {
            return Err(ForeignReason::OtherOwner);
        }
        tags.policy.ok_or(ForeignReason::Incomplete)
    }

    /// Returns the mark of an original; none if its policy is not here any more.
    pub(super) fn original_mark(
        &self,
        tags: &OurTags<'_>,
        name: &str,
        source: Source,
    ) -> Result<Option<Mark>, ForeignReason> {
        let owner = tags.owner.unwrap_or_default();
        let Some(policy) = self.by_name.get(name).copied() else { return Ok(None) };
        match self.policies[policy] {
            None => return Ok(None),
            Some(regional) if regional.owner.as_ref() != owner => {
                return Err(ForeignReason::OtherOwner);
            }
            Some(_) => {}
        }
        Ok(Some(mark(policy, source, tags, None)))
    }

    /// Returns the mark of a copy; none if no policy has a rule for it any more.
    pub(super) fn copy_mark(
        &self,
        tags: &OurTags<'_>,
        started_at: DateTime<Utc>,
    ) -> Result<Option<Mark>, ForeignReason> {
        let (owner, name) = (tags.owner.unwrap_or_default(), tags.policy.unwrap_or_default());
        let source = tags.source.and_then(|text| text.parse::<RegionalSource>().ok());
        let RegionalSource { region: from, source } = source.ok_or(ForeignReason::Incomplete)?;
        let Some(policy) = self.by_name.get(name).copied() else { return Ok(None) };
        let policies = &self.config.policies;
        let variant = policies[policy].in_region(&from);
        if variant.owner.as_ref() != owner {
            return Err(ForeignReason::OtherOwner);
        }
        let is_encrypted_form = from == self.region;
        let has_rule = is_encrypted_form || variant.copy_rule(&from, &self.region).is_some();
        if !policies[policy].applies_in(&from) || !has_rule {
            return Ok(None);
        }
        let time = tags.time.and_then(parse_slot).or(tags.slot.and_then(parse_slot));
        let copy = CopyMark {
            from,
            is_encrypted_form,
            time: time.unwrap_or(started_at),
            volume_id: tags.volume.and_then(|text| text.parse().ok()),
        };
        Ok(Some(mark(policy, source, tags, Some(copy))))
    }

    /// Returns true if these are the tags of a copy whose policy is there.
    pub(super) fn has_lost_its_rule(&self, tags: &OurTags<'_>) -> bool {
        tags.copy_of.is_some() && tags.policy.is_some_and(|name| self.by_name.contains_key(name))
    }

    /// Returns the image with which EC2 made `snapshot`, as EC2's own description says or our tag
    /// does.
    ///
    /// What CreateImage and CopyImage write there is in no reference, but has been the same for
    /// years; should it change, such a snapshot is nobody's and stays. People copy descriptions
    /// with the tags, so the rest must fit: an original has a volume, and its source is here; a
    /// copy was made of the image that our tag says.
    fn made_with(&self, snapshot: &Snapshot, tags: &OurTags<'_>) -> Option<ImageId> {
        if let Some((image_id, id)) = tags.backed.and_then(|text| text.split_once('/')) {
            return image_id.parse().ok().filter(|_| id.parse() == Ok(snapshot.id));
        }
        let text = snapshot.description.as_ref();
        let first_id = |text: &str| text.split([' ', '.']).next()?.parse::<ImageId>().ok();
        if let Some(rest) = text.strip_prefix("Copied for DestinationAmi ") {
            let parent = first_id(rest.split_once(" from SourceAmi ")?.1)?;
            let copy_of = RegionalId::parse(tags.copy_of?)?;
            return first_id(rest).filter(|_| copy_of.id.image() == Some(parent));
        }
        let rest = text.strip_prefix("Created by CreateImage(")?.split_once(") for ")?.1;
        let is_original = tags.copy_of.is_none() && real_volume(snapshot).is_some();
        let is_of_here = tags.source.is_some_and(|source| self.source(source).is_ok());
        first_id(rest).filter(|_| is_original && is_of_here)
    }

    fn of_image(
        &self,
        tags: &OurTags<'_>,
        image_id: ImageId,
        started_at: DateTime<Utc>,
    ) -> Standing {
        let policy = self.name(tags).and_then(|name| {
            if tags.copy_of.is_some() {
                return Ok(self.copy_mark(tags, started_at)?.map(|mark| mark.policy));
            }
            let policy = self.by_name.get(name).copied();
            let is_here = |policy: &usize| {
                let variant = self.policies[*policy];
                variant.is_some_and(|variant| Some(variant.owner.as_ref()) == tags.owner)
            };
            Ok(policy.filter(is_here))
        });
        match policy {
            Ok(policy) => Standing::OfImage(policy, image_id),
            Err(reason) => Standing::Foreign(reason),
        }
    }

    pub(super) fn source(&self, text: &str) -> Result<Source, ForeignReason> {
        let here = text.strip_prefix(self.region.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match here.map(str::parse) {
            Some(Ok(source)) => Ok(source),
            // Another region's: the tags came here on a copy that we did not make.
            None if text.parse::<RegionalSource>().is_ok() => Err(ForeignReason::OtherSource),
            None | Some(Err(_)) => Err(ForeignReason::Incomplete),
        }
    }

    fn adoption(&self, snapshot: &Snapshot) -> Standing {
        let adopting: Vec<usize> = (0..self.policies.len())
            .filter(|n| {
                let of_snapshots = self.policies[*n].filter(|p| p.kind == Kind::Snapshots);
                let adopt = of_snapshots.and_then(|policy| policy.adopt.as_ref());
                adopt.is_some_and(|adopt| adopt.matches(snapshot))
            })
            .collect();
        if adopting.is_empty() {
            return Standing::Stranger;
        }
        match unadoptable(snapshot) {
            Some(reason) => Standing::Unadoptable(reason),
            None => Standing::Adopted(adopting.into()),
        }
    }
}

fn mark(policy: usize, source: Source, tags: &OurTags<'_>, copy: Option<CopyMark>) -> Mark {
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    Mark {
        policy,
        source,
        slot: tags.slot.and_then(parse_slot),
        members: number(tags.members).unwrap_or(1).max(1),
        attempt: number(tags.attempt).unwrap_or(1).max(1),
        copy,
    }
}

/// Checks that we made `snapshot`, and of `source`, as far as EC2 tells.
fn made_of(snapshot: &Snapshot, source: Source, tags: &OurTags<'_>) -> Result<(), ForeignReason> {
    let volume_id = real_volume(snapshot).ok_or(ForeignReason::NoVolume)?;
    if matches!(source, Source::Volume(id) if id != volume_id) {
        return Err(ForeignReason::OtherSource);
    }
    // People and tools copy tags along, but not descriptions, which nobody can change later. So
    // the description also tells a member of a set: its volume may have been attached after the
    // plan, and the tag that names volumes has no room for many.
    let source = tags.source.and_then(|text| text.split_once('/')).map_or("", |(_, id)| id);
    let is_described =
        is_described(&snapshot.description, tags.policy.unwrap_or_default(), source, tags.slot);
    if is_described { Ok(()) } else { Err(ForeignReason::OtherMaker) }
}

/// Returns the volume that `snapshot` was made of, if EC2 says one that means something.
fn real_volume(snapshot: &Snapshot) -> Option<VolumeId> {
    snapshot.volume_id.filter(|id| !id.is_placeholder())
}

fn unadoptable(snapshot: &Snapshot) -> Option<UnadoptableReason> {
    if real_volume(snapshot).is_none() {
        return Some(UnadoptableReason::NoVolume);
    }
    marked_by_others(&snapshot.tags)
}

/// Returns why what bears these tags is never adopted.
pub(super) fn marked_by_others(tags: &Tags) -> Option<UnadoptableReason> {
    for (key, _) in tags.iter() {
        if key.starts_with("aws:") {
            return Some(UnadoptableReason::AwsTags);
        }
        let is_mark = |mark: &str| key == mark || (mark.ends_with('/') && key.starts_with(mark));
        if let Some((_, service)) = SERVICE_MARKS.iter().find(|(mark, _)| is_mark(mark)) {
            return Some(UnadoptableReason::ServiceMarks(service));
        }
    }
    None
}

fn parse_slot(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|slot| slot.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use crate::domain::inventory::RegionInventory;
    use crate::domain::source::Source;
    use crate::domain::tags::Tags;

    use super::{ForeignReason, Judge, managing_service};

    #[test]
    fn a_service_is_known_by_tags_that_only_aws_can_write() {
        for (key, expected) in [
            ("aws:backup:source-resource", Some("AWS Backup")),
            ("aws:dlm:lifecycle-policy-id", Some("Data Lifecycle Manager")),
            ("aws:cloudformation:stack-name", None),
            ("aws:backup", None),
            ("backup:source-resource", None),
            ("dlm:managed", None),
        ] {
            let tags: Tags = [("Name", "db"), (key, "1")].into_iter().collect();
            assert_eq!(managing_service(&tags), expected, "{key}");
        }
    }

    #[test]
    fn a_source_of_another_region_is_told_from_what_is_none() {
        let text = "version = 1\n[[policy]]\nname = \"servers\"\nregions = [\"eu-west-1\"]\n\
                    create = false\nselect = { resource = \"instance\" }\n\
                    retention = { daily = 3 }";
        let config = parse(&[("test.toml".to_owned(), text.to_owned())]).unwrap();
        let inventory = RegionInventory::default();
        let judge = Judge::new(&config, &"eu-west-1".parse().unwrap(), &inventory);
        let id = "i-0123456789abcdef0";
        for (text, expected) in [
            (format!("eu-west-1/{id}"), Ok(Source::Instance(id.parse().unwrap()))),
            (format!("us-east-1/{id}"), Err(ForeignReason::OtherSource)),
            ("eu-west-1/db".to_owned(), Err(ForeignReason::Incomplete)),
            ("db".to_owned(), Err(ForeignReason::Incomplete)),
        ] {
            assert_eq!(judge.source(&text), expected, "{text}");
        }
    }
}
