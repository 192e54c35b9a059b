//! One region in a sandbox's file.
//!
//! What was added since the first format is optional: older files lack it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cloud::files::shapes::{
    ImageShape, KnownKeyShape, ReservationShape, SnapshotShape, VolumeShape,
};
use crate::cloud::sandbox::copy_image::Remembered;
use crate::cloud::sandbox::keys::Keys;
use crate::cloud::sandbox::lineage::CopyRecord;
use crate::cloud::sandbox::state::{End, RegionState};
use crate::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use crate::domain::intern::Interner;
use crate::domain::region::Region;

/// Keys and lists as the AWS CLI has them, so that one can be pasted here.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RegionShape<'a> {
    reservations: Vec<ReservationShape<'a>>,
    volumes: Vec<VolumeShape<'a>>,
    #[serde(default)]
    encrypted_volumes: Vec<VolumeId>,
    /// The keys of those that are not encrypted with the default one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    volume_keys: BTreeMap<VolumeId, String>,
    snapshots: Vec<SnapshotShape<'a>>,
    #[serde(default)]
    pending: Vec<PendingShape>,
    images: Vec<ImageShape<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending_images: Vec<PendingImageShape>,
    #[serde(default)]
    locked_snapshots: Vec<SnapshotId>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    copies: Vec<CopyShape>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    client_tokens: BTreeMap<String, TokenShape>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shared_with: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "KeysShape::is_plain")]
    keys: KeysShape<'a>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    launch_templates: BTreeMap<String, ImageId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ssm_parameters: BTreeMap<String, ImageId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reboots: BTreeMap<InstanceId, usize>,
}

/// What becomes of a pending snapshot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PendingShape {
    snapshot_id: SnapshotId,
    ends_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fails_with: Option<String>,
    #[serde(default)]
    is_deletion_asked: bool,
}

/// What a pending image waits for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PendingImageShape {
    image_id: ImageId,
    snapshot_ids: Vec<SnapshotId>,
}

/// What EC2 knows of a copy and does not show.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CopyShape {
    snapshot_id: SnapshotId,
    lineage: String,
    source_region: Region,
    source_snapshot_id: SnapshotId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    is_incremental: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TokenShape {
    image_id: ImageId,
    request: String,
    at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct KeysShape<'a> {
    #[serde(default)]
    stored: Vec<KeyShape<'a>>,
    #[serde(default)]
    is_encrypted_by_default: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyShape<'a> {
    name: String,
    key: KnownKeyShape<'a>,
}

impl KeysShape<'_> {
    fn is_plain(&self) -> bool {
        self.stored.is_empty() && !self.is_encrypted_by_default && self.default_key.is_none()
    }

    fn into_state(self, interner: &mut Interner) -> Keys {
        let mut keys = Keys {
            stored: Vec::new(),
            is_encrypted_by_default: self.is_encrypted_by_default,
            default_key: self.default_key.map(Into::into),
        };
        for KeyShape { name, key } in self.stored {
            keys.add(name.into(), key.into_domain(interner));
        }
        keys
    }
}

impl<'a> From<&'a Keys> for KeysShape<'a> {
    fn from(keys: &'a Keys) -> Self {
        let stored = keys.stored.iter();
        Self {
            stored: stored
                .map(|k| KeyShape { name: k.name.to_string(), key: (&k.key).into() })
                .collect(),
            is_encrypted_by_default: keys.is_encrypted_by_default,
            default_key: keys.default_key.as_deref().map(str::to_owned),
        }
    }
}

impl<'a> From<&'a RegionState> for RegionShape<'a> {
    fn from(state: &'a RegionState) -> Self {
        let shared = state.permissions.iter();
        let reservations = state.instances.values().map(ReservationShape::from);
        Self {
            reservations: reservations.collect(),
            volumes: state.volumes.values().map(VolumeShape::from).collect(),
            encrypted_volumes: state.encrypted_volumes.keys().copied().collect(),
            volume_keys: volume_keys(state),
            snapshots: state.snapshots.values().map(|s| SnapshotShape::from(&s.snapshot)).collect(),
            pending: pending(state),
            images: state.images.values().map(|i| ImageShape::from(&i.image)).collect(),
            pending_images: pending_images(state),
            locked_snapshots: state.locked.iter().copied().collect(),
            copies: copies(state),
            client_tokens: client_tokens(state),
            shared_with: shared
                .map(|(id, accounts)| (id.to_string(), accounts.iter().cloned().collect()))
                .collect(),
            keys: (&state.keys).into(),
            launch_templates: state.launch_templates.clone(),
            ssm_parameters: state.ssm_parameters.clone(),
            reboots: state.n_reboots.clone(),
        }
    }
}

fn volume_keys(state: &RegionState) -> BTreeMap<VolumeId, String> {
    let keys = state.encrypted_volumes.iter();
    keys.filter_map(|(id, key)| Some((*id, key.as_ref()?.to_string()))).collect()
}

fn pending(state: &RegionState) -> Vec<PendingShape> {
    let pending = state.snapshots.values().filter_map(|stored| {
        let end = stored.end.as_ref()?;
        Some(PendingShape {
            snapshot_id: stored.snapshot.id,
            ends_at: end.at,
            fails_with: end.failure.as_deref().map(str::to_owned),
            is_deletion_asked: stored.is_deletion_asked,
        })
    });
    pending.collect()
}

fn pending_images(state: &RegionState) -> Vec<PendingImageShape> {
    let found = state.pending_images.iter().filter_map(|id| state.images.get(id));
    let shapes = found.map(|stored| PendingImageShape {
        image_id: stored.image.id,
        snapshot_ids: stored.backing.clone(),
    });
    shapes.collect()
}

fn copies(state: &RegionState) -> Vec<CopyShape> {
    let shapes = state.copies.iter().map(|(id, record)| CopyShape {
        snapshot_id: id,
        lineage: record.lineage.to_string(),
        source_region: record.source_region,
        source_snapshot_id: record.source_id,
        kms_key_id: record.key.as_deref().map(str::to_owned),
        is_incremental: record.is_incremental,
    });
    shapes.collect()
}

fn client_tokens(state: &RegionState) -> BTreeMap<String, TokenShape> {
    let tokens = state.client_tokens.iter().map(|(token, known)| {
        let Remembered { image_id, request, at } = known.clone();
        (token.clone(), TokenShape { image_id, request, at })
    });
    tokens.collect()
}

impl RegionShape<'_> {
    pub(super) fn into_state(self) -> Result<RegionState, String> {
        let interner = &mut Interner::default();
        let mut state = RegionState::default();
        let mut instances = Vec::new();
        for reservation in self.reservations {
            reservation.into_domain(interner, &mut instances)?;
        }
        state.instances = instances.into_iter().map(|i| (i.id, i)).collect();
        for volume in self.volumes {
            let volume = volume.into_domain(interner)?;
            state.volumes.insert(volume.id, volume);
        }
        for snapshot in self.snapshots {
            state.add_snapshot(snapshot.into_domain(interner)?, DateTime::<Utc>::MIN_UTC);
        }
        self.pending.into_iter().try_for_each(|pending| pending.restore(&mut state))?;
        for image in self.images {
            let image = image.into_domain(interner)?;
            let backing = image.snapshot_ids.clone();
            state.add_image(image, backing, DateTime::<Utc>::MIN_UTC);
        }
        self.pending_images.into_iter().try_for_each(|pending| pending.restore(&mut state))?;
        self.copies.into_iter().try_for_each(|copy| copy.restore(&mut state))?;
        for (id, accounts) in self.shared_with {
            let id = id.parse().map_err(|err| format!("{err}"))?;
            state.permissions.insert(id, accounts.into_iter().collect());
        }
        let tokens = self.client_tokens.into_iter();
        state.client_tokens = tokens
            .map(|(token, TokenShape { image_id, request, at })| {
                (token, Remembered { image_id, request, at })
            })
            .collect();
        state.encrypted_volumes = self.encrypted_volumes.into_iter().map(|id| (id, None)).collect();
        let keys = self.volume_keys.into_iter().map(|(id, key)| (id, Some(key.into())));
        state.encrypted_volumes.extend(keys);
        state.locked = self.locked_snapshots.into_iter().collect();
        state.keys = self.keys.into_state(interner);
        state.launch_templates = self.launch_templates;
        state.ssm_parameters = self.ssm_parameters;
        state.n_reboots = self.reboots;
        Ok(state)
    }
}

impl PendingShape {
    fn restore(self, state: &mut RegionState) -> Result<(), String> {
        let stored = state.snapshots.get_mut(&self.snapshot_id);
        let stored = stored.filter(|stored| stored.end.is_some());
        let stored = stored.ok_or_else(|| format!("{} is not pending", self.snapshot_id))?;
        stored.is_deletion_asked = self.is_deletion_asked;
        let failure = self.fails_with.map(Into::into);
        state.set_end(self.snapshot_id, End { at: self.ends_at, failure });
        Ok(())
    }
}

impl PendingImageShape {
    fn restore(self, state: &mut RegionState) -> Result<(), String> {
        if !state.pending_images.contains(&self.image_id) {
            return Err(format!("{} is not pending", self.image_id));
        }
        state.set_backing(self.image_id, self.snapshot_ids);
        Ok(())
    }
}

impl CopyShape {
    fn restore(self, state: &mut RegionState) -> Result<(), String> {
        let record = CopyRecord {
            lineage: self.lineage.parse()?,
            source_region: self.source_region,
            source_id: self.source_snapshot_id,
            key: self.kms_key_id.map(Into::into),
            is_incremental: self.is_incremental,
        };
        state.copies.add(self.snapshot_id, record);
        Ok(())
    }
}
