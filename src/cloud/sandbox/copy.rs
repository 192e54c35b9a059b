//! CopySnapshot: what EC2 checks at once, and what it finds out only after its answer.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::CopySnapshot;
use crate::cloud::sandbox::create::{Maker, checked_description, new_snapshot_id};
use crate::cloud::sandbox::keys::KEY_NOT_ACCESSIBLE;
use crate::cloud::sandbox::lineage::{CopyRecord, Lineage};
use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::state::{End, RegionState, Regions};
use crate::cloud::sandbox::tagging::checked_tags;
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::tags::Tags;

/// EBS quotas: "Concurrent snapshot copies per destination Region".
const COPIES_MAX: usize = 20;
/// What EC2 shows as the volume of every copy.
const PLACEHOLDER: &str = "vol-ffffffff";
/// How long it takes until EC2 notices that it cannot use a key. Not documented.
const NOTICED_AFTER: TimeDelta = TimeDelta::seconds(30);

/// A source that can be copied.
pub(super) struct Source {
    region: Region,
    snapshot: Snapshot,
    lineage: Lineage,
    /// Whether its own key can still be used.
    is_readable: bool,
}

/// How a copy is to be made.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) encrypted: bool,
    pub(super) kms_key_id: Option<&'a str>,
    pub(super) completion_minutes: Option<u32>,
    /// Whether the request had what reads an encrypted source: a presigned URL.
    pub(super) is_signed: bool,
}

/// Copies a snapshot to the region of `maker`.
pub(super) fn copy_snapshot(
    regions: &mut Regions,
    maker: &mut Maker<'_>,
    request: &CopySnapshot,
) -> Result<SnapshotId, Refusal> {
    check_minutes(request.completion_minutes)?;
    checked_description(&request.description)?;
    let source = find_source(regions, request.source_region, request.source_snapshot_id, maker)?;
    let region = regions.entry(maker.here).or_default();
    check_room(region, 1)?;
    let tags = checked_tags(&request.tags, None, maker.texts)?;
    let wish = Wish {
        encrypted: request.encrypted,
        kms_key_id: request.kms_key_id.as_deref(),
        completion_minutes: request.completion_minutes,
        is_signed: request.is_source_encrypted,
    };
    check_encryption(region, &source, wish)?;
    Ok(begin_copy(region, maker, &source, wish, &request.description, tags))
}

/// EBS user guide, "Time-based copies": 15 minutes to 48 hours, in steps of 15 minutes.
pub(super) fn check_minutes(minutes: Option<u32>) -> Result<(), Refusal> {
    match minutes {
        Some(n) if !(15..=2880).contains(&n) || n % 15 != 0 => {
            let message = format!(
                "CompletionDurationMinutes must be a multiple of 15 from 15 to 2880, not {n}"
            );
            Err(Refusal::invalid_parameter(message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the source if EC2 would begin to copy it.
pub(super) fn find_source(
    regions: &mut Regions,
    source_region: Region,
    id: SnapshotId,
    maker: &Maker<'_>,
) -> Result<Source, Refusal> {
    let region = regions.get_mut(&source_region).ok_or_else(|| {
        Refusal::invalid_parameter(format!("Invalid value '{source_region}' for SourceRegion"))
    })?;
    region.settle(maker.now);
    let snapshot = region.snapshot_mut(id)?.snapshot.clone();
    if snapshot.state != SnapshotState::Completed {
        let message = format!("The snapshot {id} is in state '{}'.", snapshot.state.name());
        return Err(Refusal::new("IncorrectState", message));
    }
    let lineage = region.lineage(source_region, &snapshot);
    let is_readable = !snapshot.kms_key_id.as_ref().is_some_and(|k| region.keys.is_disabled(k));
    Ok(Source { region: source_region, snapshot, lineage, is_readable })
}

/// Checks that `n` more copies to the region may begin.
///
/// An image of more snapshots than that is let through alone: else it could never be copied. Not
/// documented.
pub(super) fn check_room(region: &RegionState, n: usize) -> Result<(), Refusal> {
    let n_running = region.n_copies_running();
    if n_running == 0 || n_running + n <= COPIES_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        "ResourceLimitExceeded",
        "Too many snapshot copies in progress. The limit is 20 for this destination region.",
    ))
}

/// EC2 API reference, CopySnapshot: "If KmsKeyId is specified, the encrypted state must be true."
pub(super) fn check_encryption(
    region: &RegionState,
    source: &Source,
    wish: Wish<'_>,
) -> Result<(), Refusal> {
    if wish.kms_key_id.is_some() && !is_encrypted(region, source, wish) {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(Refusal::new("InvalidParameterDependency", message));
    }
    Ok(())
}

fn is_encrypted(region: &RegionState, source: &Source, wish: Wish<'_>) -> bool {
    wish.encrypted || source.snapshot.is_encrypted || region.keys.is_encrypted_by_default
}

/// Begins a copy that has passed all checks. Whether it has its keys shows later.
pub(super) fn begin_copy(
    region: &mut RegionState,
    maker: &mut Maker<'_>,
    source: &Source,
    wish: Wish<'_>,
    description: &str,
    tags: Tags,
) -> SnapshotId {
    let id = new_snapshot_id(region, maker);
    let is_encrypted = is_encrypted(region, source, wish);
    let key = is_encrypted.then(|| resolve_key(region, maker, wish.kms_key_id));
    let is_key_usable = key.as_ref().is_none_or(|(_, is_usable)| *is_usable);
    let key = key.map(|(arn, _)| arn);
    let has_access =
        is_key_usable && source.is_readable && (wish.is_signed || !source.snapshot.is_encrypted);
    // Same account, same region, same key: always (EBS user guide, "Copy an Amazon EBS snapshot").
    let is_incremental = if source.region == maker.here {
        source.snapshot.kms_key_id == key
    } else {
        region.would_be_incremental(source.lineage, key.as_ref())
    };
    let snapshot = Snapshot {
        id,
        volume_id: PLACEHOLDER.parse().ok(),
        owner_id: Some(Arc::clone(&maker.account)),
        state: SnapshotState::Pending,
        state_message: None,
        started_at: maker.now,
        volume_size_gib: source.snapshot.volume_size_gib,
        full_size_bytes: source.snapshot.full_size_bytes,
        is_encrypted,
        kms_key_id: key.clone(),
        description: description.into(),
        tags,
    };
    let duration = copy_duration(snapshot.volume_size_gib, is_incremental);
    let promised = wish.completion_minutes.map(|n| TimeDelta::minutes(n.into()));
    let at = maker.now + promised.map_or(duration, |promised| promised.min(duration));
    let end = if has_access {
        End { at, failure: maker.is_failing.then(|| "Internal error".into()) }
    } else {
        let at = at.min(maker.now + NOTICED_AFTER);
        End { at, failure: Some(KEY_NOT_ACCESSIBLE.into()) }
    };
    region.add_snapshot(snapshot, maker.visible_from);
    region.set_end(id, end);
    let (source_region, source_id) = (source.region, source.snapshot.id);
    let record =
        CopyRecord { lineage: source.lineage, source_region, source_id, key, is_incremental };
    region.copies.add(id, record);
    id
}

/// Returns the ARN of the key to encrypt with, and whether EBS can use it.
fn resolve_key(region: &RegionState, maker: &Maker<'_>, name: Option<&str>) -> (Arc<str>, bool) {
    let default = region.keys.default_arn(maker.here, &maker.account);
    let name = name.unwrap_or(&default);
    match region.keys.find(maker.here, &maker.account, name) {
        Some(key) => (key.arn, key.is_enabled && key.is_symmetric),
        None => (name.into(), false),
    }
}

/// Returns how long a copy takes.
///
/// Nothing is published but that it can be hours. A full one moves about 170 MiB a second here.
fn copy_duration(volume_size_gib: u32, is_incremental: bool) -> TimeDelta {
    let size = i64::from(volume_size_gib);
    TimeDelta::seconds(if is_incremental { 45 + size / 4 } else { 180 + 6 * size })
}

/// Lets the running copies of a snapshot fail that is there no more.
pub(super) fn fail_copies_of(
    regions: &mut Regions,
    source_region: Region,
    source_id: SnapshotId,
    now: DateTime<Utc>,
) {
    for region in regions.values_mut() {
        let is_of = |record: &CopyRecord| {
            record.source_id == source_id && record.source_region == source_region
        };
        let copies = &region.copies;
        let of_source = copies.unfinished().filter(|id| copies.get(*id).is_some_and(is_of));
        for id in of_source.collect::<Vec<_>>() {
            let end = region.snapshots.get(&id).and_then(|stored| stored.end.as_ref());
            // A copy whose last instant has passed was complete before.
            if end.is_some_and(|end| now < end.at) {
                let failure = Some("The source snapshot was deleted".into());
                region.set_end(id, End { at: now, failure });
            }
        }
    }
}
