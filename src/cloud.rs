//! The port to EC2: the few calls that snapkeep makes, and how they fail.
//!
//! Adapters implement [`Cloud`]; nothing else talks to AWS. `aws` is the real one, `sandbox` an
//! EC2 in memory, `files` reads a saved inventory. Nothing here knows a policy.

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{ImageId, InstanceId, ResourceId, SnapshotId, VolumeId};
use crate::domain::inventory::{Image, Instance, Key, Snapshot, Volume};
use crate::domain::region::Region;

mod error;
pub mod files;
pub mod layered;
pub mod observe;
pub mod sandbox;

#[cfg(feature = "aws")]
pub mod aws;

pub use error::{CloudError, ErrorKind};

/// EC2 returns at most this many items a page; asking for more returns as many.
pub const PAGE_ITEMS_MAX: i32 = 1000;
/// EC2 takes at most this many values in one filter.
pub const FILTER_VALUES_MAX: usize = 200;

/// EC2 takes at most this many images in DescribeImageReferences.
pub const REFERENCED_IMAGES_MAX: usize = 10;

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items; may be empty although more pages follow.
    pub items: Vec<T>,
    /// Where the next page starts; none on the last.
    pub next_token: Option<String>,
}

/// Which of the account's own snapshots to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotFilter {
    /// All of them.
    All,
    /// Those of these ids that exist: the filter `snapshot-id`, so that a vanished one fails nothing.
    /// At most [`FILTER_VALUES_MAX`].
    Ids(Vec<SnapshotId>),
    /// Those that bear all these tags with exactly these values (wildcards are escaped).
    Tags(Vec<(String, String)>),
}

/// Which of the account's own images to list; disabled and deprecated ones are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageFilter {
    /// All of them.
    All,
    /// Those of these ids that exist: the filter `image-id`. At most [`FILTER_VALUES_MAX`].
    Ids(Vec<ImageId>),
    /// Those that bear all these tags with exactly these values (wildcards are escaped).
    Tags(Vec<(String, String)>),
}

/// What CreateSnapshots is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// The instance.
    pub instance_id: InstanceId,
    /// ExcludeBootVolume.
    pub exclude_boot_volume: bool,
    /// ExcludeDataVolumeIds; never the root volume.
    pub exclude_data_volume_ids: Vec<VolumeId>,
    /// Description of every snapshot.
    pub description: String,
    /// Tags of every snapshot; the volumes' own come on top with `copy_tags_from_volume`.
    pub tags: Vec<(String, String)>,
    /// CopyTagsFromSource=volume.
    pub copy_tags_from_volume: bool,
}

/// What CreateSnapshot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The volume.
    pub volume_id: VolumeId,
    /// Its description.
    pub description: String,
    /// All its tags.
    pub tags: Vec<(String, String)>,
}

/// A snapshot that a creating call has just returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// Its volume.
    pub volume_id: Option<VolumeId>,
    /// EC2's StartTime.
    pub started_at: Option<DateTime<Utc>>,
}

/// What CreateImage is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateImage {
    /// The instance.
    pub instance_id: InstanceId,
    /// The image's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// NoReboot; EC2's own default is false.
    pub no_reboot: bool,
    /// Devices that are left out: a block device mapping with NoDevice each.
    pub left_out_devices: Vec<String>,
    /// Tags of the image.
    pub image_tags: Vec<(String, String)>,
    /// Tags of every snapshot of it.
    pub snapshot_tags: Vec<(String, String)>,
}

/// What CopySnapshot is asked for; the call goes to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySnapshot {
    /// Where the source is.
    pub source_region: Region,
    /// The source.
    pub source_snapshot_id: SnapshotId,
    /// Whether the source is encrypted: then EC2 wants a presigned URL.
    pub is_source_encrypted: bool,
    /// The copy's description.
    pub description: String,
    /// Encrypted; never sent as false, which EC2 refuses.
    pub encrypted: bool,
    /// KmsKeyId; none is the destination's default. EC2 checks it only after its answer.
    pub kms_key_id: Option<String>,
    /// CompletionDurationMinutes.
    pub completion_minutes: Option<u32>,
    /// All tags of the copy.
    pub tags: Vec<(String, String)>,
}

/// What CopyImage is asked for; the call goes to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyImage {
    /// Where the source is.
    pub source_region: Region,
    /// The source.
    pub source_image_id: ImageId,
    /// The copy's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Encrypted.
    pub encrypted: bool,
    /// KmsKeyId; none is the destination's default. EC2 checks it only after its answer.
    pub kms_key_id: Option<String>,
    /// SnapshotCopyCompletionDurationMinutes.
    pub completion_minutes: Option<u32>,
    /// ClientToken: a second call with the same one returns the first one's image.
    pub client_token: String,
    /// Tags of the image.
    pub image_tags: Vec<(String, String)>,
    /// Tags of every snapshot of it.
    pub snapshot_tags: Vec<(String, String)>,
}

/// Changes to who may launch an image, or make volumes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Accounts that are to be added.
    pub add: Vec<String>,
    /// Accounts that are to be removed.
    pub remove: Vec<String>,
}

/// Something that refers to an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    /// The image.
    pub image_id: ImageId,
    /// What does, such as `instance i-…` or `launch template lt-…`.
    pub by: String,
}

/// How EBS encrypts in a region when nobody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EbsEncryption {
    /// Whether new volumes and snapshot copies are encrypted by default.
    pub is_by_default: bool,
    /// The default key, as EC2 names it.
    pub kms_key_id: String,
}

/// What SNS is asked to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// TopicArn.
    pub topic_arn: String,
    /// Subject: of e-mail, where subscribers get that.
    pub subject: String,
    /// Message.
    pub text: String,
}

/// A call that is asked for with `DryRun`, to learn whether it is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// CreateSnapshots.
    CreateSnapshots(CreateSnapshots),
    /// CreateSnapshot.
    CreateSnapshot(CreateSnapshot),
    /// CreateImage.
    CreateImage(CreateImage),
    /// CopySnapshot.
    CopySnapshot(CopySnapshot),
    /// CopyImage.
    CopyImage(CopyImage),
    /// DeleteSnapshot.
    DeleteSnapshot(SnapshotId),
    /// DeregisterImage.
    DeregisterImage(ImageId),
    /// CreateTags on these.
    CreateTags(ResourceId),
    /// ModifySnapshotAttribute or ModifyImageAttribute.
    ModifyPermissions(ResourceId),
    /// EnableImageDeprecation.
    EnableImageDeprecation(ImageId),
}

impl Probe {
    /// Returns EC2's name of the call.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::CreateSnapshots(_) => "CreateSnapshots",
            Self::CreateSnapshot(_) => "CreateSnapshot",
            Self::CreateImage(_) => "CreateImage",
            Self::CopySnapshot(_) => "CopySnapshot",
            Self::CopyImage(_) => "CopyImage",
            Self::DeleteSnapshot(_) => "DeleteSnapshot",
            Self::DeregisterImage(_) => "DeregisterImage",
            Self::CreateTags(_) => "CreateTags",
            Self::ModifyPermissions(ResourceId::Snapshot(_)) => "ModifySnapshotAttribute",
            Self::ModifyPermissions(ResourceId::Image(_)) => "ModifyImageAttribute",
            Self::EnableImageDeprecation(_) => "EnableImageDeprecation",
        }
    }
}

/// The EC2 calls that snapkeep makes. One method is one request: pages, pace and retries are the
/// caller's, except that an adapter may retry what only reads.
pub trait Cloud: Send + Sync {
    /// Lists the regions that are enabled for the account (DescribeRegions).
    fn describe_regions(&self) -> impl Future<Output = Result<Vec<Region>, CloudError>> + Send;

    /// Lists instances; those of `ids` (filter `instance-id`), or all if `ids` is empty.
    fn describe_instances(
        &self,
        region: &Region,
        ids: &[InstanceId],
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Instance>, CloudError>> + Send;

    /// Lists volumes; those of `ids` (filter `volume-id`), or all if `ids` is empty.
    fn describe_volumes(
        &self,
        region: &Region,
        ids: &[VolumeId],
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Volume>, CloudError>> + Send;

    /// Lists snapshots that the account owns.
    fn describe_snapshots(
        &self,
        region: &Region,
        filter: &SnapshotFilter,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Snapshot>, CloudError>> + Send;

    /// Lists images that the account owns.
    fn describe_images(
        &self,
        region: &Region,
        filter: &ImageFilter,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Image>, CloudError>> + Send;

    /// Lists snapshots that are locked.
    fn describe_locked_snapshots(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<SnapshotId>, CloudError>> + Send;

    /// Makes one crash-consistent set of snapshots of an instance's volumes. Has no client token.
    fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> impl Future<Output = Result<Vec<Created>, CloudError>> + Send;

    /// Makes a snapshot of one volume. Has no client token.
    fn create_snapshot(
        &self,
        region: &Region,
        request: &CreateSnapshot,
    ) -> impl Future<Output = Result<Created, CloudError>> + Send;

    /// Deletes one snapshot.
    fn delete_snapshot(
        &self,
        region: &Region,
        snapshot_id: SnapshotId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Makes an image of an instance. Has no client token.
    fn create_image(
        &self,
        region: &Region,
        request: &CreateImage,
    ) -> impl Future<Output = Result<ImageId, CloudError>> + Send;

    /// Copies a snapshot to `region`. Has no client token.
    fn copy_snapshot(
        &self,
        region: &Region,
        request: &CopySnapshot,
    ) -> impl Future<Output = Result<SnapshotId, CloudError>> + Send;

    /// Copies an image to `region`; the same client token never makes a second one.
    fn copy_image(
        &self,
        region: &Region,
        request: &CopyImage,
    ) -> impl Future<Output = Result<ImageId, CloudError>> + Send;

    /// Deregisters an image; its snapshots stay.
    fn deregister_image(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Adds tags to a snapshot or image, or changes their values (CreateTags).
    fn create_tags(
        &self,
        region: &Region,
        id: ResourceId,
        tags: &[(String, String)],
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Changes who may use a snapshot or image (ModifySnapshotAttribute, ModifyImageAttribute).
    /// Doing it twice is harmless.
    fn modify_permissions(
        &self,
        region: &Region,
        id: ResourceId,
        permissions: &Permissions,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Sets when an image is deprecated; EC2 refuses an instant in the past.
    fn enable_image_deprecation(
        &self,
        region: &Region,
        image_id: ImageId,
        at: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Lists what refers to images, 1 to [`REFERENCED_IMAGES_MAX`] of them: instances, launch
    /// templates, SSM parameters and Image Builder recipes (DescribeImageReferences).
    fn describe_image_references(
        &self,
        region: &Region,
        image_ids: &[ImageId],
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<ImageReference>, CloudError>> + Send;

    /// Lists the images that the default and latest versions of launch templates name
    /// (DescribeLaunchTemplateVersions).
    fn describe_launch_template_images(
        &self,
        region: &Region,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<ImageReference>, CloudError>> + Send;

    /// Returns with whom an image is shared: accounts, groups, organisations
    /// (DescribeImageAttribute, launchPermission).
    fn describe_launch_permissions(
        &self,
        region: &Region,
        image_id: ImageId,
    ) -> impl Future<Output = Result<Vec<String>, CloudError>> + Send;

    /// Returns what a key is: by id, ARN or alias (kms:DescribeKey).
    fn describe_key(
        &self,
        region: &Region,
        key: &str,
    ) -> impl Future<Output = Result<Key, CloudError>> + Send;

    /// Returns how EBS encrypts by default (GetEbsEncryptionByDefault, GetEbsDefaultKmsKeyId).
    fn ebs_encryption(
        &self,
        region: &Region,
    ) -> impl Future<Output = Result<EbsEncryption, CloudError>> + Send;

    /// Sends a message to the subscribers of a topic (sns:Publish). Has no client token.
    fn publish(
        &self,
        region: &Region,
        request: &Publish,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Asks whether a call is allowed, without making it: `Ok` if it is.
    fn dry_run(
        &self,
        region: &Region,
        probe: &Probe,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Returns the local clock minus EC2's by the newest reply; none if no reply told.
    fn clock_skew(&self) -> Option<TimeDelta>;
}

/// Reads the wall clock; handed to adapters that must know when a reply came.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
