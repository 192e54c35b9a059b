//! The demonstration account: a year in the life of five regions, ending now.
//!
//! A policy `servers` (daily at 03:00 UTC) has made points all year, and something like what
//! every account collects has come up beside them. Images, encryption and copies are in two regions
//! of their own. The same `now` gives the same account.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, SecondsFormat, TimeDelta, Utc};

use crate::cloud::sandbox::{ACCOUNT, Sandbox};
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::inventory::{
    AttachedVolume, Image, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use crate::domain::region::Region;
use crate::domain::tags::{self, VALUE_CHARS_MAX};

mod oddities;
mod recovery;

/// For how many days back there is a point of every slot.
const DAYS: u64 = 45;
/// For how many months back there is a point of the first.
const MONTHS: u32 = 12;
/// How many months ago the first was missed, and the second has to do.
const MONTHS_TO_MISS: u32 = 4;

impl Sandbox {
    /// Makes the demonstration account, whose clock shows `now`.
    pub fn demo(now: DateTime<Utc>) -> Self {
        let sandbox = Self::new(now);
        Demo { sandbox: &sandbox, latest_slot: latest_slot(now) }.fill();
        sandbox
    }
}

/// Returns the latest 03:00 UTC that is not after `now`.
fn latest_slot(now: DateTime<Utc>) -> DateTime<Utc> {
    let three = TimeDelta::hours(3);
    let day = (now - three).date_naive();
    at_three(day)
}

fn at_three(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(3)
}

struct Demo<'a> {
    sandbox: &'a Sandbox,
    /// Not made yet, but for one point that is pending: the first plan has something to create.
    latest_slot: DateTime<Utc>,
}

/// An instance with what its snapshots will say.
#[derive(Clone)]
struct Server {
    region: Region,
    name: &'static str,
    id: InstanceId,
    volumes: Vec<(&'static str, Volume)>,
    is_encrypted: bool,
}

impl Server {
    fn volume_ids(&self) -> Vec<(&'static str, VolumeId)> {
        self.volumes.iter().map(|(device, volume)| (*device, volume.id)).collect()
    }
}

impl Demo<'_> {
    fn fill(&self) {
        let us_east_1 = self.region("us-east-1");
        let eu_west_1 = self.region("eu-west-1");
        let ap_northeast_2 = self.region("ap-northeast-2");
        let (Some(us), Some(eu), Some(ap)) = (us_east_1, eu_west_1, ap_northeast_2) else {
            return;
        };

        let xvda = ("/dev/xvda", "gp3", 8);
        let web = self.server(&us, "web", &[xvda], InstanceState::Running, "on");
        let db = [xvda, ("/dev/sdf", "io2", 200), ("/dev/sdg", "gp3", 100)];
        let db = self.server(&us, "db", &db, InstanceState::Running, "on");
        self.server(&us, "scratch", &[xvda], InstanceState::Running, "off");
        let app = self.server(&eu, "app", &[xvda], InstanceState::Running, "on");
        let report = self.server(&eu, "report", &[xvda], InstanceState::Running, "on");
        let legacy = [("/dev/sda1", "gp2", 30)];
        let legacy = self.server(&ap, "legacy", &legacy, InstanceState::Stopped, "on");

        for server in [&web, &db, &app, &report, &legacy] {
            self.history(server);
        }
        self.oddities(&oddities::Cast { web, db, app, report, legacy });
        self.recovery();
    }

    fn region(&self, name: &str) -> Option<Region> {
        let region = name.parse().ok()?;
        self.sandbox.add_region(&region);
        Some(region)
    }

    fn server(
        &self,
        region: &Region,
        name: &'static str,
        devices: &[(&'static str, &str, u32)],
        state: InstanceState,
        backup: &str,
    ) -> Server {
        let is_encrypted = name == "db";
        let mut volumes = Vec::new();
        for (device, volume_type, size_gib) in devices {
            let volume = Volume {
                id: self.sandbox.new_volume_id(),
                state: "in-use".into(),
                volume_type: (*volume_type).into(),
                size_gib: *size_gib,
                created_at: None,
                tags: [("Name", name)].into_iter().collect(),
            };
            self.sandbox.add_volume(region, volume.clone());
            if is_encrypted {
                self.sandbox.encrypt_volume(region, volume.id);
            }
            volumes.push((*device, volume));
        }
        let attached = volumes.iter().map(|(device, volume)| AttachedVolume {
            device: (*device).into(),
            volume_id: volume.id,
            attached_at: None,
        });
        let id = self.sandbox.new_instance_id();
        let instance = Instance {
            id,
            owner_id: Some(ACCOUNT.into()),
            state,
            root_device: volumes.first().map(|(device, _)| (*device).into()),
            is_instance_store: false,
            image_id: None,
            launched_at: None,
            volumes: attached.collect(),
            tags: [("Name", name), ("Backup", backup)].into_iter().collect(),
        };
        self.sandbox.add_instance(region, instance);
        Server { region: *region, name, id, volumes, is_encrypted }
    }

    /// Makes the points of a year: the firsts of the months, and the last days one by one.
    fn history(&self, server: &Server) {
        for slot in self.slots() {
            self.point(server, slot);
        }
    }

    /// Returns the slots that have points, oldest first.
    fn slots(&self) -> Vec<DateTime<Utc>> {
        let latest = self.latest_slot.date_naive();
        let days = (1..=DAYS).filter_map(|n| latest.checked_sub_days(Days::new(n)));
        let this_month = latest.with_day(1).unwrap_or(latest);
        let firsts = (0..=MONTHS).filter_map(|n| {
            let first = this_month.checked_sub_months(Months::new(n))?;
            if n == MONTHS_TO_MISS { first.succ_opt() } else { Some(first) }
        });
        let mut days: Vec<NaiveDate> = days.chain(firsts).filter(|day| *day < latest).collect();
        days.sort_unstable();
        days.dedup();
        days.into_iter().map(at_three).collect()
    }

    /// Makes the point of one slot as snapkeep would have.
    fn point(&self, server: &Server, slot: DateTime<Utc>) {
        for (_, volume) in &server.volumes {
            self.sandbox.add_snapshot(&server.region, self.of_policy(server, volume, slot));
        }
    }

    /// Returns a completed snapshot that bears snapkeep's tags; it is not added yet.
    fn of_policy(&self, server: &Server, volume: &Volume, slot: DateTime<Utc>) -> Snapshot {
        let tags: [(&str, String); 7] = [
            ("Name", server.name.to_owned()),
            (tags::OWNER, "main".to_owned()),
            (tags::POLICY, "servers".to_owned()),
            (tags::SLOT, slot_tag(slot)),
            (tags::SOURCE, format!("{}/{}", server.region, server.id)),
            (tags::MEMBERS, server.volumes.len().to_string()),
            (tags::DEVICES, devices(&server.volume_ids())),
        ];
        Snapshot {
            is_encrypted: server.is_encrypted,
            tags: tags.into_iter().collect(),
            description: format!("snapkeep servers {} {}", server.id, slot_tag(slot)).into(),
            ..self.of_volume(volume.id, volume.size_gib, slot + TimeDelta::seconds(4))
        }
    }

    /// Returns a completed snapshot without tags; it is not added yet.
    fn of_volume(&self, volume_id: VolumeId, size: u32, started_at: DateTime<Utc>) -> Snapshot {
        Snapshot {
            id: self.sandbox.new_snapshot_id(),
            volume_id: Some(volume_id),
            owner_id: Some(ACCOUNT.into()),
            state: SnapshotState::Completed,
            state_message: None,
            started_at,
            volume_size_gib: size,
            full_size_bytes: None,
            is_encrypted: false,
            kms_key_id: None,
            description: Arc::from(""),
            tags: tags::Tags::default(),
        }
    }

    fn image(&self, region: &Region, name: &str, snapshot_id: SnapshotId) {
        let image = Image {
            snapshot_ids: vec![snapshot_id],
            ..Image::plain(self.sandbox.new_image_id(), name)
        };
        self.sandbox.add_image(region, image);
    }
}

fn slot_tag(slot: DateTime<Utc>) -> String {
    slot.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Returns which volume was which device, as far as a tag has room.
fn devices(volumes: &[(&str, VolumeId)]) -> String {
    let mut text = String::new();
    for (device, id) in volumes {
        let next = format!("{}{device}={id}", if text.is_empty() { "" } else { " " });
        if text.len() + next.len() <= VALUE_CHARS_MAX {
            text += &next;
        }
    }
    text
}

#[cfg(test)]
mod tests;
