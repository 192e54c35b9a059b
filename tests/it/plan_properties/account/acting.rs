//! What becomes of an account when a plan is carried out, and when what was begun comes to its end.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use snapkeep::domain::ids::{ResourceId, SnapshotId, VolumeId};
use snapkeep::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::Tags;
use snapkeep::plan::{Action, Copy, NewPoint, Op, Pairs, TagPurpose};

use super::{Account, Pair, image_id, pair, snapshot_id};

impl Account {
    /// Does what `actions` say, as EC2 would: what is made is pending at first.
    pub(crate) fn carry_out(&mut self, actions: &[Action], now: DateTime<Utc>) {
        for action in actions {
            self.act(action, now);
        }
        self.answer();
    }

    fn act(&mut self, action: &Action, now: DateTime<Utc>) {
        let region = action.region;
        match &action.op {
            Op::CreateSnapshots(set) => {
                for volume in &set.volumes {
                    let point = &set.point;
                    self.make_snapshot(region, volume.volume_id, point, now);
                }
            }
            Op::CreateSnapshot(one) => {
                self.make_snapshot(region, one.volume.volume_id, &one.point, now);
            }
            Op::CreateImage(create) => {
                let image = Image {
                    description: create.point.description.as_str().into(),
                    created_at: Some(now),
                    state: ImageState::Pending,
                    source_instance_id: Some(create.instance_id),
                    tags: create.point.tags.iter().cloned().collect(),
                    ..Image::plain(image_id(self.next_id()), &create.name)
                };
                self.register(region, image, &create.snapshot_tags);
            }
            Op::CopySnapshot(copy) => {
                let parent = copy.parent.id.snapshot().unwrap();
                let there = &self.inventory.regions[&copy.parent.region].snapshots;
                let parent = there.iter().find(|s| s.id == parent).unwrap().clone();
                assert_eq!(parent.state, SnapshotState::Completed, "EC2 refuses");
                let id = snapshot_id(self.next_id());
                self.region(region).snapshots.push(Snapshot {
                    id,
                    volume_id: Some("vol-ffffffff".parse().unwrap()),
                    state: SnapshotState::Pending,
                    started_at: now,
                    is_encrypted: copy.encrypted || parent.is_encrypted,
                    description: copy.description.as_str().into(),
                    tags: copy.tags.iter().cloned().collect(),
                    ..parent
                });
            }
            Op::CopyImage(copy) => self.copy_image(region, copy, now),
            Op::ModifySnapshotAttribute(_) | Op::ModifyImageAttribute(_) => {}
            Op::EnableImageDeprecation(deprecation) => {
                let mut images = self.region(region).images.iter_mut();
                let image = images.find(|image| image.id == deprecation.image_id).unwrap();
                image.deprecated_at = Some(deprecation.at);
            }
            Op::CreateTags(tagging) => {
                self.tag(region, tagging.resource, &tagging.tags);
                assert!(matches!(tagging.purpose, TagPurpose::Shared | TagPurpose::Backs(_)));
            }
            Op::DeregisterImage(delete) => {
                let images = &mut self.region(region).images;
                let n = images.len();
                images.retain(|image| ResourceId::from(image.id) != delete.resource);
                assert_eq!(n, images.len() + 1, "no such image");
            }
            Op::DeleteSnapshot(delete) => {
                let observed = self.region(region);
                let id = delete.resource.snapshot().unwrap();
                let is_in_use = observed.images.iter().any(|i| i.snapshot_ids.contains(&id));
                assert!(!is_in_use, "EC2 refuses: {id} is in use");
                let n = observed.snapshots.len();
                observed.snapshots.retain(|snapshot| snapshot.id != id);
                assert_eq!(n, observed.snapshots.len() + 1, "no such snapshot");
            }
        }
    }

    fn make_snapshot(
        &mut self,
        region: Region,
        volume_id: VolumeId,
        point: &NewPoint,
        now: DateTime<Utc>,
    ) {
        let id = snapshot_id(self.next_id());
        self.region(region).snapshots.push(Snapshot {
            id,
            volume_id: Some(volume_id),
            owner_id: Some("123456789012".into()),
            state: SnapshotState::Pending,
            state_message: None,
            started_at: now,
            volume_size_gib: 8,
            full_size_bytes: None,
            is_encrypted: false,
            kms_key_id: None,
            description: point.description.as_str().into(),
            tags: point.tags.iter().cloned().collect(),
        });
    }

    fn copy_image(&mut self, region: Region, copy: &Copy, now: DateTime<Utc>) {
        let parent = copy.parent.id.image().unwrap();
        let there = &self.inventory.regions[&copy.parent.region].images;
        let parent = there.iter().find(|image| image.id == parent).unwrap();
        assert_eq!(parent.state, ImageState::Available, "EC2 refuses");
        assert!(!parent.has_product_codes, "EC2 refuses");
        let (parent_id, is_encrypted) = (parent.id, copy.encrypted || parent.is_encrypted);
        let of_image = copy.image.as_ref().unwrap();
        let image = Image {
            description: copy.description.as_str().into(),
            created_at: Some(now),
            state: ImageState::Pending,
            source_image_id: Some(parent_id),
            source_image_region: Some(copy.parent.region),
            is_encrypted,
            tags: copy.tags.iter().cloned().collect(),
            ..Image::plain(image_id(self.next_id()), &of_image.name)
        };
        self.register(region, image, &of_image.snapshot_tags);
    }

    fn register(&mut self, region: Region, image: Image, snapshot_tags: &Pairs) {
        let is_taken = self.region(region).images.iter().any(|i| i.name == image.name);
        assert!(!is_taken, "EC2 refuses: the name {} is taken", image.name);
        let backing = self.backing_of(region, &image, snapshot_tags);
        self.backing.insert(image.id, backing);
        self.region(region).images.push(image);
    }

    fn tag(&mut self, region: Region, id: ResourceId, pairs: &Pairs) {
        let observed = self.region(region);
        let mut snapshots = observed.snapshots.iter_mut().map(|s| (s.id.into(), &mut s.tags));
        let mut images = observed.images.iter_mut().map(|i| (i.id.into(), &mut i.tags));
        let is_it = |(other, _): &(ResourceId, &mut Tags)| *other == id;
        let (_, old) = snapshots.find(is_it).or_else(|| images.find(is_it)).unwrap();
        let is_new = |key: &str| pairs.iter().all(|(k, _)| k.as_ref() != key);
        let stays = old.iter().filter(|(key, _)| is_new(key)).map(|(k, v)| pair(k, v));
        let all: Vec<Pair> = stays.chain(pairs.iter().cloned()).collect();
        *old = all.into_iter().collect();
    }

    /// Completes what is pending; every `one_in`-th of it fails instead.
    pub(crate) fn settle(&mut self, one_in: Option<usize>) {
        let mut n = 0;
        let mut fails = || {
            n += 1;
            one_in.is_some_and(|one_in| n % one_in == 0)
        };
        let backing: BTreeSet<SnapshotId> = self.backing.values().flatten().copied().collect();
        for observed in self.inventory.regions.values_mut() {
            for image in &mut observed.images {
                if image.state == ImageState::Pending {
                    let failed = fails();
                    image.state = if failed { ImageState::Failed } else { ImageState::Available };
                    let ids = self.backing.remove(&image.id).unwrap_or_default();
                    image.snapshot_ids = if failed { vec![] } else { ids };
                }
            }
            for snapshot in &mut observed.snapshots {
                if snapshot.state == SnapshotState::Pending {
                    let failed = !backing.contains(&snapshot.id) && fails();
                    snapshot.state =
                        if failed { SnapshotState::Error } else { SnapshotState::Completed };
                }
            }
        }
        self.untouchable.retain(|_, why| *why != "is pending");
    }
}
