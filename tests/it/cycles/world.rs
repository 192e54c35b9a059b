//! A small account, and whole cycles over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use snapkeep::cloud::sandbox::{ACCOUNT, Sandbox};
use snapkeep::config::Config;
use snapkeep::domain::ids::{ImageId, InstanceId, SnapshotId, VolumeId};
use snapkeep::domain::inventory::{
    AttachedVolume, Image, ImageState, Instance, InstanceState, Snapshot, SnapshotState, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::{self, Tags};
use snapkeep::execute::{Outcome, Progress, Stop, execute};
use snapkeep::plan::model::slot_text;
use snapkeep::plan::{Action, Plan, Request, plan};
use snapkeep::report::ExitCode;
use snapkeep::run::{self, Report, SandboxClock};

/// All instances of one region, daily at 03:00, kept for three days.
pub(super) const DAILY: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
"#;

/// Like [`DAILY`], in two regions.
pub(super) const TWO_REGIONS: &str = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
"#;

/// An image of each instance of one region, daily at 03:00, kept for three days.
pub(super) const IMAGES: &str = r#"
version = 1
[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
"#;

/// When most tests begin: five minutes after a slot.
pub(super) const START: &str = "2026-11-20 03:05:00";

pub(super) fn t(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%F %T").unwrap().and_utc()
}

pub(super) fn eu() -> Region {
    "eu-west-1".parse().unwrap()
}

pub(super) fn us() -> Region {
    "us-east-1".parse().unwrap()
}

pub(super) fn config(text: &str) -> Config {
    match snapkeep::config::parse(&[("test.toml".to_owned(), text.to_owned())]) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// An instance and its volumes, the root volume first.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) region: Region,
    pub(super) id: InstanceId,
    pub(super) volumes: Vec<VolumeId>,
}

pub(super) struct World {
    pub(super) sandbox: Sandbox,
}

impl World {
    /// An account whose clock shows [`START`].
    pub(super) fn new() -> Self {
        Self::at(START)
    }

    pub(super) fn at(now: &str) -> Self {
        let sandbox = Sandbox::new(t(now));
        sandbox.add_region(&eu());
        sandbox.add_region(&us());
        Self { sandbox }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.sandbox.time().now()
    }

    pub(super) fn wait(&self, span: TimeDelta) {
        self.sandbox.time().advance_to(self.now() + span);
    }

    pub(super) fn wait_until(&self, at: &str) {
        assert!(self.now() <= t(at), "{at} has passed");
        self.sandbox.time().advance_to(t(at));
    }

    pub(super) fn volume(&self, region: &Region, kind: &str) -> VolumeId {
        let id = self.sandbox.new_volume_id();
        let size_gib = if matches!(kind, "st1" | "sc1") { 500 } else { 8 };
        let volume = Volume {
            id,
            state: "in-use".into(),
            volume_type: kind.into(),
            size_gib,
            created_at: None,
            tags: Tags::default(),
        };
        self.sandbox.add_volume(region, volume);
        id
    }

    pub(super) fn tag_volume(&self, region: &Region, id: VolumeId, tags: &[(&str, &str)]) {
        let volumes = self.sandbox.inventory().regions.remove(region).unwrap().volumes;
        let volume = volumes.into_iter().find(|volume| volume.id == id).unwrap();
        let tags = tags.iter().copied().collect();
        self.sandbox.add_volume(region, Volume { tags, ..volume });
    }

    /// A running instance in `eu-west-1` with a volume of each of these types.
    pub(super) fn server(&self, kinds: &[&str]) -> Server {
        self.server_in(&eu(), kinds)
    }

    pub(super) fn server_in(&self, region: &Region, kinds: &[&str]) -> Server {
        let id = self.sandbox.new_instance_id();
        let volumes: Vec<VolumeId> = kinds.iter().map(|kind| self.volume(region, kind)).collect();
        let instance = Instance {
            id,
            owner_id: Some(ACCOUNT.into()),
            state: InstanceState::Running,
            root_device: Some(device(0)),
            is_instance_store: false,
            image_id: None,
            launched_at: None,
            volumes: volumes.iter().enumerate().map(|(n, id)| attached(n, *id)).collect(),
            tags: Tags::default(),
        };
        self.sandbox.add_instance(region, instance);
        Server { region: *region, id, volumes }
    }

    /// Attaches one more volume to `server`.
    pub(super) fn attach(&self, server: &Server, kind: &str) {
        let volume_id = self.volume(&server.region, kind);
        let instances = self.sandbox.inventory().regions.remove(&server.region).unwrap().instances;
        let mut instance = instances.into_iter().find(|i| i.id == server.id).unwrap();
        instance.volumes.push(attached(instance.volumes.len(), volume_id));
        self.sandbox.add_instance(&server.region, instance);
    }

    /// A completed snapshot that has nothing to do with snapkeep.
    pub(super) fn snapshot(
        &self,
        region: &Region,
        volume_id: VolumeId,
        started_at: DateTime<Utc>,
        tags: &[(&str, &str)],
    ) -> SnapshotId {
        let id = self.sandbox.new_snapshot_id();
        let value = |key| tags.iter().find(|(k, _)| *k == key).map_or("", |(_, value)| *value);
        let source = value(tags::SOURCE).rsplit('/').next().unwrap_or_default();
        let described = [value(tags::POLICY), source, value(tags::SLOT)];
        let snapshot = Snapshot {
            id,
            volume_id: Some(volume_id),
            owner_id: Some(ACCOUNT.into()),
            state: SnapshotState::Completed,
            state_message: None,
            started_at,
            volume_size_gib: 8,
            full_size_bytes: None,
            is_encrypted: false,
            kms_key_id: None,
            // As snapkeep describes its own.
            description: match described {
                ["", ..] => "".into(),
                [policy, source, slot] => format!("snapkeep {policy} {source} {slot}").into(),
            },
            tags: tags.iter().copied().collect(),
        };
        self.sandbox.add_snapshot(region, snapshot);
        id
    }

    /// A snapshot that somebody made and put these tags on.
    pub(super) fn by_hand(
        &self,
        region: &Region,
        volume_id: VolumeId,
        started_at: DateTime<Utc>,
        tags: &[(&str, &str)],
    ) -> SnapshotId {
        let id = self.snapshot(region, volume_id, started_at, tags);
        let snapshot = self.find(region, id).unwrap();
        self.sandbox.add_snapshot(region, Snapshot { description: "by hand".into(), ..snapshot });
        id
    }

    /// A snapshot of another tool that takes five minutes from `started_at` on.
    pub(super) fn pending(
        &self,
        region: &Region,
        volume_id: VolumeId,
        started_at: DateTime<Utc>,
    ) -> SnapshotId {
        let id = self.snapshot(region, volume_id, started_at, &[]);
        let snapshot = self.find(region, id).unwrap();
        let (state, volume_size_gib) = (SnapshotState::Pending, 560);
        self.sandbox.add_snapshot(region, Snapshot { state, volume_size_gib, ..snapshot });
        id
    }

    /// A complete point of `server`, as snapkeep would have made it at `slot`.
    pub(super) fn point(&self, server: &Server, policy: &str, slot: &str) -> Vec<SnapshotId> {
        self.point_at(server, policy, t(slot), t(slot))
    }

    pub(super) fn point_at(
        &self,
        server: &Server,
        policy: &str,
        slot: DateTime<Utc>,
        started_at: DateTime<Utc>,
    ) -> Vec<SnapshotId> {
        let (slot, members) = (slot_text(slot), server.volumes.len().to_string());
        let source = format!("{}/{}", server.region, server.id);
        let devices = server.volumes.iter().enumerate();
        let devices: Vec<String> = devices.map(|(n, id)| format!("{}={id}", device(n))).collect();
        let devices = devices.join(" ");
        let tags = [
            (tags::OWNER, "main"),
            (tags::POLICY, policy),
            (tags::SLOT, &slot),
            (tags::SOURCE, &source),
            (tags::MEMBERS, &members),
            (tags::DEVICES, &devices),
        ];
        let made = server.volumes.iter();
        made.map(|id| self.snapshot(&server.region, *id, started_at, &tags)).collect()
    }

    /// Complete points of the latest `n` daily slots, the newest first.
    pub(super) fn history(&self, server: &Server, n: i64) -> Vec<Vec<SnapshotId>> {
        let three = TimeDelta::hours(3);
        let latest = (self.now() - three).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let slots = (0..n).map(|n| latest + three - TimeDelta::days(n));
        slots.map(|slot| self.point_at(server, "servers", slot, slot)).collect()
    }

    pub(super) fn image(&self, region: &Region, snapshot_ids: &[SnapshotId]) -> ImageId {
        let id = self.sandbox.new_image_id();
        let image = Image {
            state: ImageState::Disabled,
            snapshot_ids: snapshot_ids.to_vec(),
            ..Image::plain(id, "golden")
        };
        self.sandbox.add_image(region, image);
        id
    }

    /// Runs a cycle on each of the next `n` days, and leaves a day after the last.
    pub(super) async fn days(&self, config_text: &str, n: usize) {
        for _ in 0..n {
            self.cycle(config_text).await;
            self.wait(TimeDelta::days(1));
        }
    }

    /// Registers an image as a person or another tool would, with a snapshot of its own.
    pub(super) fn made_elsewhere(
        &self,
        name: &str,
        created_at: DateTime<Utc>,
        tags: &[(&str, &str)],
    ) -> (ImageId, SnapshotId) {
        let (id, volume_id) = (self.sandbox.new_image_id(), self.sandbox.new_volume_id());
        let snapshot_id = self.snapshot(&eu(), volume_id, created_at, &[]);
        let image = Image {
            created_at: Some(created_at),
            snapshot_ids: vec![snapshot_id],
            tags: tags.iter().copied().collect(),
            ..Image::plain(id, name)
        };
        self.sandbox.add_image(&eu(), image);
        (id, snapshot_id)
    }

    pub(super) fn snapshots(&self, region: &Region) -> Vec<Snapshot> {
        let mut snapshots = self.sandbox.inventory().regions.remove(region).unwrap().snapshots;
        snapshots.sort_by_key(|snapshot| (snapshot.started_at, snapshot.id));
        snapshots
    }

    pub(super) fn images(&self, region: &Region) -> Vec<Image> {
        let mut images = self.sandbox.inventory().regions.remove(region).unwrap().images;
        images.sort_by_key(|image| (image.created_at, image.id));
        images
    }

    pub(super) fn find_image(&self, region: &Region, id: ImageId) -> Option<Image> {
        self.images(region).into_iter().find(|image| image.id == id)
    }

    pub(super) fn find(&self, region: &Region, id: SnapshotId) -> Option<Snapshot> {
        self.snapshots(region).into_iter().find(|snapshot| snapshot.id == id)
    }

    pub(super) fn has(&self, ids: &[SnapshotId]) -> bool {
        let regions = self.sandbox.inventory().regions;
        let all: Vec<SnapshotId> =
            regions.values().flat_map(|region| &region.snapshots).map(|s| s.id).collect();
        let n_there = ids.iter().filter(|id| all.contains(id)).count();
        assert!(n_there == 0 || n_there == ids.len(), "{n_there} of {} are there", ids.len());
        n_there == ids.len()
    }

    /// How many snapshots each slot of each source in `region` has.
    pub(super) fn slots(&self, region: &Region) -> BTreeMap<(String, String), usize> {
        let mut slots = BTreeMap::new();
        for snapshot in self.snapshots(region) {
            let tag = |key| snapshot.tags.get(key).unwrap_or_default().to_owned();
            *slots.entry((tag(tags::SOURCE), tag(tags::SLOT))).or_default() += 1;
        }
        slots
    }

    /// Runs one cycle now.
    pub(super) async fn cycle(&self, config_text: &str) -> Report {
        self.cycle_with(config_text, |_| ()).await
    }

    pub(super) async fn cycle_with(
        &self,
        config_text: &str,
        change: impl FnOnce(&mut Request),
    ) -> Report {
        let mut request = Request::at(self.now());
        change(&mut request);
        let (_sender, stop) = Stop::new();
        let cycle = self.uncontrolled(&config(config_text), &request, &stop, &()).await;
        assert!(!is_refused(&cycle.plan), "{:#?}", cycle.plan.notes);
        cycle
    }

    async fn uncontrolled(
        &self,
        config: &Config,
        request: &Request,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Report {
        let clock = SandboxClock(self.sandbox.time().clone());
        let cycle = run::run(&self.sandbox, &clock, config, request, stop, progress);
        self.sandbox.time().drive(cycle).await
    }

    /// Observes and plans, and does nothing.
    pub(super) async fn plan(&self, config_text: &str) -> Plan {
        self.plan_at(config_text, self.now()).await
    }

    pub(super) async fn plan_at(&self, config_text: &str, now: DateTime<Utc>) -> Plan {
        let config = config(config_text);
        let request = Request::at(now);
        let observing = run::observe(&self.sandbox, &config, &request);
        let inventory = self.sandbox.time().drive(observing).await;
        let plan = plan(&config, &inventory, &request);
        assert!(!is_refused(&plan), "{:#?}", plan.notes);
        plan
    }

    /// Carries out a plan.
    pub(super) async fn execute(&self, plan: Plan) -> Report {
        let (_sender, stop) = Stop::new();
        self.execute_until(plan, &stop, &()).await
    }

    pub(super) async fn execute_until(
        &self,
        plan: Plan,
        stop: &Stop,
        progress: &dyn Progress,
    ) -> Report {
        let clock = SandboxClock(self.sandbox.time().clone());
        let executing = execute(&self.sandbox, &clock, &plan, 1.0, stop, progress);
        let outcomes = self.sandbox.time().drive(executing).await;
        Report { plan, outcomes, ..Report::default() }
    }

    /// Plans again for the instant of `report` and finds nothing to do.
    pub(super) async fn assert_nothing_left(&self, config_text: &str, report: &Report) {
        let again = self.plan_at(config_text, report.plan.now).await;
        let left: Vec<String> = again.actions.iter().map(Action::id).collect();
        assert!(left.is_empty(), "left: {left:#?}");
    }
}

fn attached(n: usize, volume_id: VolumeId) -> AttachedVolume {
    AttachedVolume { device: device(n), volume_id, attached_at: None }
}

fn device(n: usize) -> Arc<str> {
    if n == 0 { "/dev/xvda".into() } else { format!("/dev/sd{n}").into() }
}

fn is_refused(plan: &Plan) -> bool {
    ExitCode::of_plan(plan, false).contains(&ExitCode::Failed)
}

/// One word for each outcome, in order.
pub(super) fn words(report: &Report) -> Vec<&'static str> {
    report.outcomes.iter().map(Outcome::word).collect()
}

/// EC2's name of each action, with one word for its outcome, in order.
pub(super) fn ended(report: &Report) -> Vec<(&'static str, &'static str)> {
    let actions = report.plan.actions.iter().map(Action::operation);
    actions.zip(words(report)).collect()
}

/// What the process would exit with.
pub(super) fn exit_code(report: &Report) -> ExitCode {
    ExitCode::of_run(&report.plan, &report.outcomes)[0]
}

/// The snapshots that the plan deletes, in order, with what became of each.
pub(super) fn deletions(report: &Report) -> Vec<(SnapshotId, &Outcome)> {
    let pairs = report.plan.actions.iter().zip(&report.outcomes);
    let snapshot = |action: &Action| action.as_delete()?.resource.snapshot();
    pairs.filter_map(|(action, outcome)| Some((snapshot(action)?, outcome))).collect()
}

/// The outcome of the deletion of `id`.
pub(super) fn outcome_of(report: &Report, id: SnapshotId) -> Outcome {
    let found = deletions(report).into_iter().find(|(deleted, _)| *deleted == id);
    found.map_or_else(|| panic!("{id} was not to be deleted"), |(_, outcome)| outcome.clone())
}

/// All notes of a plan, one a line.
pub(super) fn notes(plan: &Plan) -> String {
    plan.notes.iter().map(|note| note.message.as_str()).collect::<Vec<_>>().join("\n")
}

/// The tags of a snapshot that are snapkeep's, but for the prefix.
pub(super) fn tag<'s>(snapshot: &'s Snapshot, key: &str) -> Option<&'s str> {
    snapshot.tags.get(&format!("{}{key}", tags::PREFIX))
}
