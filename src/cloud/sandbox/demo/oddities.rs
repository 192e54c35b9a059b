//! What comes up in every account beside the daily points.

use chrono::{DateTime, Datelike as _, Days, Months, TimeDelta, Utc};

use super::{DAYS, Demo, MONTHS_TO_MISS, Server};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Snapshot, SnapshotState, Volume};
use crate::domain::tags::{self, Tags};

/// The servers that the oddities are about.
pub(super) struct Cast {
    pub(super) web: Server,
    pub(super) db: Server,
    pub(super) app: Server,
    pub(super) report: Server,
    pub(super) legacy: Server,
}

impl Demo<'_> {
    pub(super) fn oddities(&self, cast: &Cast) {
        self.orphans(cast);
        self.protected_points(cast);
        self.failed_and_pending(cast);
        self.other_services(cast);
        self.by_hand(cast);
    }

    /// An instance that was terminated two months ago with its volume; its points are left.
    fn orphans(&self, cast: &Cast) {
        let volume = Volume { id: self.sandbox.new_volume_id(), ..cast.app.volumes[0].1.clone() };
        let gone = Server {
            name: "gone",
            id: self.sandbox.new_instance_id(),
            volumes: vec![("/dev/xvda", volume)],
            ..cast.app.clone()
        };
        for n in 60..65 {
            self.point(&gone, self.latest_slot - Days::new(n));
        }
    }

    /// Points that are due to expire, and must not: in an image, held, locked.
    fn protected_points(&self, cast: &Cast) {
        let [of_image, held, locked] = self.expiring_slots();
        let Server { region, .. } = &cast.web;
        for id in self.made(&cast.web, of_image) {
            self.image(region, "web-before-upgrade", id);
        }
        for id in self.made(&cast.web, held) {
            self.sandbox.tag_snapshot(region, id, tags::HOLD, "audit");
        }
        for id in self.made(&cast.legacy, locked) {
            self.sandbox.lock_snapshot(&cast.legacy.region, id);
        }
    }

    /// Returns slots of more than a month ago that are not the first of their months.
    fn expiring_slots(&self) -> [DateTime<Utc>; 3] {
        let is_first_point = |slot: DateTime<Utc>| slot.day() <= 2;
        let mut days = (35..DAYS).map(|n| self.latest_slot - Days::new(n));
        // Ten days hold at most two that are passed over.
        [(); 3].map(|()| days.find(|slot| !is_first_point(*slot)).unwrap_or(self.latest_slot))
    }

    /// Returns the snapshots of a server that fill a slot.
    fn made(&self, server: &Server, slot: DateTime<Utc>) -> Vec<SnapshotId> {
        let found = self.sandbox.inventory().regions.remove(&server.region);
        let snapshots = found.into_iter().flat_map(|region| region.snapshots);
        let of_server = snapshots.filter(|s| {
            let is_of = |(_, volume): &(_, Volume)| Some(volume.id) == s.volume_id;
            server.volumes.iter().any(is_of)
        });
        let tag = super::slot_tag(slot);
        of_server.filter(|s| s.tags.get(tags::SLOT) == Some(&tag)).map(|s| s.id).collect()
    }

    /// A failed attempt of yesterday with the one after it, and a point that somebody's other run has just begun.
    fn failed_and_pending(&self, cast: &Cast) {
        let Server { region, volumes, .. } = &cast.report;
        let slot = self.latest_slot - Days::new(1);
        for id in self.made(&cast.report, slot) {
            self.sandbox.remove_snapshot(region, id);
        }
        for (_, volume) in volumes {
            let failed = self.of_policy(&cast.report, volume, slot);
            self.sandbox.add_snapshot(region, failed.clone());
            self.sandbox.fail_snapshot(region, failed.id, "Internal error");
            let retry = self.of_policy(&cast.report, volume, slot);
            let started_at = retry.started_at + TimeDelta::hours(1);
            self.sandbox.add_snapshot(region, Snapshot { started_at, ..retry.clone() });
            self.sandbox.tag_snapshot(region, retry.id, tags::ATTEMPT, "2");
        }
        let now = self.sandbox.time().now();
        for (_, volume) in &cast.app.volumes {
            let begun = self.of_policy(&cast.app, volume, self.latest_slot);
            self.sandbox.add_snapshot(
                &cast.app.region,
                Snapshot { state: SnapshotState::Pending, started_at: now, ..begun },
            );
        }
    }

    /// What AWS Backup and Data Lifecycle Manager made of the database's root volume.
    fn other_services(&self, cast: &Cast) {
        let Server { region, volumes, .. } = &cast.db;
        let root = &volumes[0].1;
        let started_at = self.latest_slot - Days::new(3) + TimeDelta::hours(2);
        let of_root = || self.of_volume(root.id, root.size_gib, started_at);
        let resource = format!("arn:aws:ec2:{region}:{}:volume/{}", super::ACCOUNT, root.id);
        let of_backup = [("aws:backup:source-resource", resource.as_str())];
        let of_dlm = [
            ("aws:dlm:managed", "true"),
            ("aws:dlm:lifecycle-policy-id", "policy-0123456789abcdef0"),
            ("aws:dlm:lifecycle-schedule-name", "Default Schedule"),
        ];
        for (description, tags) in [
            ("This snapshot is created by the AWS Backup service.", &of_backup[..]),
            ("Created for policy: policy-0123456789abcdef0 schedule: Default Schedule", &of_dlm),
        ] {
            let tags: Tags = tags.iter().copied().collect();
            let snapshot = Snapshot { description: description.into(), tags, ..of_root() };
            self.sandbox.add_snapshot(region, snapshot);
        }
    }

    /// What people and an old script made: by hand, a copy, and one a week that nobody deletes.
    fn by_hand(&self, cast: &Cast) {
        let (_, volume) = &cast.app.volumes[0];
        let of_app = |ago: u64| {
            let started_at = self.latest_slot - Days::new(ago) + TimeDelta::hours(7);
            self.of_volume(volume.id, volume.size_gib, started_at)
        };
        let add = |snapshot| self.sandbox.add_snapshot(&cast.app.region, snapshot);
        add(Snapshot { description: "before migration".into(), ..of_app(100) });
        for week in 8..14 {
            add(Snapshot {
                description: "nightly".into(),
                tags: [("CreatedBy", "old-script")].into_iter().collect(),
                ..of_app(7 * week)
            });
        }
        let original = self.latest_slot - Months::new(MONTHS_TO_MISS);
        add(Snapshot {
            // EC2 shows this volume on every copy.
            volume_id: "vol-ffffffff".parse().ok(),
            description: format!("[Copied of web from {}]", cast.web.region).into(),
            started_at: original,
            ..of_app(0)
        });
    }
}
