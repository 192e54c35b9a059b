//! Which points may go: small histories, each with what would be lost.

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::{Config, parse};
use snapkeep::domain::ids::{ImageId, VolumeId};
use snapkeep::domain::inventory::{
    Image, ImageState, Inventory, RegionInventory, Snapshot, SnapshotState,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::Source;
use snapkeep::domain::tags::{self, Tags};
use snapkeep::plan::{
    Action, Delete, ExpireReason, Op, Plan, Request, ResourceState, check::check,
};

/// `one` keeps the newest point, `two` the newest two; both keep as many copies.
const CONFIG: &str = r#"
version = 1
[defaults]
regions = ["us-east-1"]
limits = { max_deletes = 1000, max_delete_percent = 100 }

[[policy]]
name = "one"
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Keep = "one" } }
retention = { keep_last = 1 }
[[policy.copy]]
to = "eu-west-1"
retention = { keep_last = 1, daily = 1 }

[[policy]]
name = "two"
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Keep = "two" } }
retention = { keep_last = 2 }

[[policy]]
name = "builds"
kind = "images"
select = { resource = "image", name = "base*" }
retention = { keep_last = 2 }
encrypt = {}

[[policy]]
name = "old"
create = false
select = { resource = "volume", tags = { None = "here" } }
retention = { keep_last = 1 }
adopt = { description = "old*" }

[[policy]]
name = "lapsing"
create = false
select = { resource = "volume", tags = { None = "there" } }
retention = { keep_last = 1, orphans = "expire" }
adopt = { description = "lapsing*" }
"#;

fn here() -> Region {
    "us-east-1".parse().unwrap()
}

fn there() -> Region {
    "eu-west-1".parse().unwrap()
}

/// The slot of a day.
fn at(day: i64) -> DateTime<Utc> {
    let first: DateTime<Utc> = "2026-11-01T03:00:00Z".parse().unwrap();
    first + TimeDelta::days(day - 1)
}

fn slot(day: i64) -> String {
    at(day).format("%FT%TZ").to_string()
}

fn volume(n: i64) -> VolumeId {
    format!("vol-{n:017x}").parse().unwrap()
}

fn with(tags: &Tags, key: &str, value: &str) -> Tags {
    without(tags, key).iter().chain([(key, value)]).collect()
}

fn without(tags: &Tags, key: &str) -> Tags {
    tags.iter().filter(|(k, _)| *k != key).collect()
}

/// What somebody made of a volume on a day.
fn plain(day: i64, n: i64) -> Snapshot {
    Snapshot {
        id: format!("snap-{:017x}", 1000 * day + n).parse().unwrap(),
        volume_id: Some(volume(n)),
        owner_id: None,
        state: SnapshotState::Completed,
        state_message: None,
        started_at: at(day),
        volume_size_gib: 8,
        full_size_bytes: None,
        is_encrypted: false,
        kms_key_id: None,
        description: "by hand".into(),
        tags: Tags::default(),
    }
}

/// The point of a day.
fn point(policy: &str, day: i64) -> Snapshot {
    let slot = slot(day);
    let ours = [
        (tags::OWNER, "main"),
        (tags::POLICY, policy),
        (tags::SOURCE, "us-east-1/i-0000000000000000a"),
        (tags::SLOT, &slot),
    ];
    Snapshot {
        description: format!("snapkeep {policy} i-0000000000000000a {slot}").into(),
        tags: ours.into_iter().collect(),
        ..plain(day, 1)
    }
}

/// Of the point of a day, which is of two volumes, the one of volume `n`.
fn member(day: i64, n: i64) -> Snapshot {
    let member = point("one", day);
    let tags = with(&member.tags, tags::MEMBERS, "2");
    Snapshot { tags, id: plain(day, n).id, volume_id: Some(volume(n)), ..member }
}

fn both(day: i64) -> [Snapshot; 2] {
    [member(day, 1), member(day, 2)]
}

/// The copy of the point of a day, made on another; EC2 shows an arbitrary volume on it.
fn copy(day: i64, made_on: i64, shown: VolumeId) -> Snapshot {
    let original = point("one", day);
    let parent = format!("us-east-1/{}", original.id);
    let mut tags = original.tags.clone();
    let (time, of) = (slot(day), volume(1).to_string());
    for (key, value) in [
        (tags::COPY_OF, &parent),
        (tags::ORIGIN, &parent),
        (tags::TIME, &time),
        (tags::VOLUME, &of),
    ] {
        tags = with(&tags, key, value);
    }
    Snapshot {
        volume_id: Some(shown),
        started_at: at(made_on),
        description: format!("snapkeep one copy of {parent}").into(),
        tags,
        ..original
    }
}

fn build_id(day: i64) -> ImageId {
    format!("ami-{day:017x}").parse().unwrap()
}

/// The image that somebody built on a day.
fn build(day: i64) -> Image {
    Image { created_at: Some(at(day)), ..Image::plain(build_id(day), &format!("base {day}")) }
}

/// The encrypted form of the image of a day.
fn form(day: i64) -> Image {
    let parent = format!("us-east-1/{}", build_id(day));
    let time = slot(day);
    let ours = [
        (tags::OWNER, "main"),
        (tags::POLICY, "builds"),
        (tags::SOURCE, "us-east-1/family:*"),
        (tags::COPY_OF, &parent),
        (tags::ORIGIN, &parent),
        (tags::TIME, &time),
    ];
    Image {
        created_at: Some(at(day) + TimeDelta::hours(1)),
        description: format!("snapkeep builds copy of {parent}").into(),
        source_image_id: Some(build_id(day)),
        is_encrypted: true,
        tags: ours.into_iter().collect(),
        ..Image::plain(build_id(1000 + day), &format!("base {day} encrypted"))
    }
}

/// What is in one region, of which a planner gone wrong deletes something.
#[derive(Default)]
struct History {
    observed: RegionInventory,
    actions: Vec<Action>,
}

impl History {
    fn of(stays: impl IntoIterator<Item = Snapshot>) -> Self {
        let snapshots = stays.into_iter().collect();
        Self { observed: RegionInventory { snapshots, ..Default::default() }, actions: vec![] }
    }

    fn of_images(stays: impl IntoIterator<Item = Image>) -> Self {
        let images = stays.into_iter().collect();
        Self { observed: RegionInventory { images, ..Default::default() }, actions: vec![] }
    }

    fn losing(self, policy: &str, goes: impl IntoIterator<Item = Snapshot>) -> Self {
        self.losing_as(ExpireReason::Surplus, policy, goes)
    }

    fn losing_as(
        mut self,
        reason: ExpireReason,
        policy: &str,
        goes: impl IntoIterator<Item = Snapshot>,
    ) -> Self {
        for snapshot in goes {
            let source = snapshot.volume_id.map(Source::Volume).unwrap();
            let delete = Delete {
                resource: snapshot.id.into(),
                volume_id: snapshot.volume_id,
                source,
                size_gib: 8,
                started_at: Some(snapshot.started_at),
                state: ResourceState::Snapshot(snapshot.state),
                tags: snapshot.tags.clone(),
                point_time: snapshot.started_at,
                reason,
                stays: [].into(),
                stays_elsewhere: [].into(),
                after: vec![],
                backs: None,
            };
            let op = Op::DeleteSnapshot(delete);
            self.actions.push(Action { policy: policy.into(), region: here(), op });
            self.observed.snapshots.push(snapshot);
        }
        self
    }

    fn losing_image(mut self, policy: &str, image: Image) -> Self {
        let delete = Delete {
            resource: image.id.into(),
            volume_id: None,
            source: "family:*".parse().unwrap(),
            size_gib: 8,
            started_at: image.created_at,
            state: ResourceState::Image(image.state),
            tags: image.tags.clone(),
            point_time: image.created_at.unwrap(),
            reason: ExpireReason::Surplus,
            stays: [].into(),
            stays_elsewhere: [].into(),
            after: vec![],
            backs: None,
        };
        let op = Op::DeregisterImage(delete);
        self.actions.push(Action { policy: policy.into(), region: here(), op });
        self.observed.images.push(image);
        self
    }

    /// Returns what the check says of it, played in `region`.
    fn broken_in(mut self, region: Region) -> Vec<String> {
        for action in &mut self.actions {
            action.region = region;
        }
        let mut inventory = Inventory::default();
        inventory.regions.insert(here(), RegionInventory::default());
        inventory.regions.insert(region, self.observed);
        let plan = Plan { actions: self.actions, ..Plan::default() };
        let notes = check(&config(), &inventory, &Request::at(at(30)), &plan);
        notes.into_iter().map(|note| note.message).collect()
    }

    fn assert(self, what: &str, expected: &[&str]) {
        assert_eq!(self.broken_in(here()), expected, "{what}");
    }
}

fn config() -> Config {
    match parse(&[("points.toml".to_owned(), CONFIG.to_owned())]) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

const LOST_ONE: &str = "`one` would lose 1 of the newest 1 points of us-east-1/i-0000000000000000a";
const LOST_OF_TWO: &str =
    "`two` would lose 1 of the newest 2 points of us-east-1/i-0000000000000000a";

#[test]
fn as_many_newer_complete_points_stay_as_the_policy_keeps() {
    let stays = |points: &[i64]| {
        let points: Vec<_> = points.iter().map(|day| point("one", *day)).collect();
        History::of(points)
    };
    stays(&[2]).losing("one", [point("one", 1)]).assert("the older one goes", &[]);
    stays(&[1]).losing("one", [point("one", 2)]).assert("the newest goes", &[LOST_ONE]);
    let two = |points: [i64; 2]| History::of(points.map(|day| point("two", day)));
    two([2, 3]).losing("two", [point("two", 1)]).assert("the oldest of three goes", &[]);
    two([1, 3]).losing("two", [point("two", 2)]).assert("one newer stays", &[LOST_OF_TWO]);
}

#[test]
fn what_is_not_completed_does_not_stand_for_what_goes() {
    for state in [SnapshotState::Pending, SnapshotState::Error, SnapshotState::Recoverable] {
        let newer = Snapshot { state, ..point("one", 3) };
        let history = History::of([newer, point("one", 1)]);
        history.losing("one", [point("one", 2)]).assert(&format!("{state:?}"), &[LOST_ONE]);
    }
}

#[test]
fn part_of_a_set_does_not_stand_for_a_whole_one() {
    let old = || both(1).into_iter();
    old_and(old(), vec![member(3, 1)]).assert("a volume is missing", &[LOST_ONE]);
    let twin = Snapshot { id: plain(3, 9).id, ..member(3, 1) };
    old_and(old(), vec![member(3, 1), twin]).assert("a volume is there twice", &[LOST_ONE]);
    // Without slots nobody knows which of them belong together.
    let untold = [member(3, 1), member(4, 2)]
        .map(|one| Snapshot { tags: without(&one.tags, tags::SLOT), ..one });
    old_and(old(), untold.to_vec()).assert("parts of two points", &[LOST_ONE]);
    old_and(old(), both(3).to_vec()).assert("a whole one", &[]);
}

/// Loses the whole set of the second day.
fn old_and(old: impl Iterator<Item = Snapshot>, newer: Vec<Snapshot>) -> History {
    History::of(old.chain(newer)).losing("one", both(2))
}

#[test]
fn copies_are_as_new_as_what_they_are_copies_of() {
    let placeholder: VolumeId = "vol-ffffffff".parse().unwrap();
    for shown in [placeholder, volume(7)] {
        let late = copy(1, 5, shown);
        let history = History::of([late]).losing("one", [copy(2, 2, shown)]);
        assert_eq!(history.broken_in(there()), [LOST_ONE], "{shown}");
        let early = History::of([copy(2, 2, shown)]).losing("one", [copy(1, 5, shown)]);
        assert_eq!(early.broken_in(there()), [] as [&str; 0], "{shown}");
    }
}

#[test]
fn a_snapshot_of_an_image_that_is_gone_is_no_point() {
    let leftover = point("one", 2);
    let backed = format!("{}/{}", build_id(2), leftover.id);
    let leftover = Snapshot { tags: with(&leftover.tags, tags::BACKED, &backed), ..leftover };
    let reason = ExpireReason::LeftOver(build_id(2));
    let going = |stays: Snapshot| History::of([stays]).losing_as(reason, "one", [leftover.clone()]);
    going(point("one", 1)).assert("it may go, though it is the newest", &[]);
    let both = going(point("one", 0)).losing("one", [point("one", 1)]);
    both.assert("it does not stand for an older one", &[LOST_ONE]);
}

#[test]
fn an_image_stands_for_its_encrypted_form_and_both_are_one_point() {
    let lost = |history: History| {
        let broken = history.broken_in(here());
        broken.into_iter().filter(|text| text.contains("would lose")).collect::<Vec<_>>()
    };
    let expected = ["`builds` would lose 1 of the newest 2 points of us-east-1/family:*"];
    let going = |stays: Vec<Image>| History::of_images(stays).losing_image("builds", form(2));
    assert_eq!(lost(going(vec![form(3), build(3), build(1)])), expected, "one point twice");
    assert_eq!(lost(going(vec![form(3), build(4)])), [] as [&str; 0], "two newer ones");
    for state in [ImageState::Pending, ImageState::Failed, ImageState::Disabled] {
        let unusable = Image { state, ..build(4) };
        assert_eq!(lost(going(vec![form(3), unusable])), expected, "{state:?}");
    }
}

/// What the policies `old` and `lapsing` adopt.
fn adopted(policy: &str, day: i64, n: i64) -> Snapshot {
    let description = format!("{policy} {day}").into();
    Snapshot { description, id: plain(n, 1).id, ..plain(day, 1) }
}

#[test]
fn of_adopted_snapshots_one_as_new_as_the_newest_that_goes_stays() {
    let expected = format!("the newest adopted snapshot of {} would be deleted", volume(1));
    // Whatever the order in which they are looked at.
    for ids in [[1, 2, 3], [3, 2, 1], [2, 1, 3], [3, 1, 2]] {
        let [a, b, c] = ids;
        let (first, second) = (adopted("old", 1, a), adopted("old", 2, b));
        let third = adopted("old", 3, c);
        let between = History::of([second.clone()]);
        between.losing("old", [first.clone(), third.clone()]).assert("between", &[&expected]);
        let newest = History::of([third]).losing("old", [first, second]);
        newest.assert("the newest stays", &[]);
    }
}

#[test]
fn the_newest_adopted_snapshot_goes_only_with_its_volume_and_by_leave() {
    let expected = format!("the newest adopted snapshot of {} would be deleted", volume(1));
    for (policy, is_gone, may_go) in [
        ("old", false, false),
        ("old", true, false),
        ("lapsing", false, false),
        ("lapsing", true, true),
    ] {
        let mut history = History::default().losing(policy, [adopted(policy, 1, 1)]);
        if is_gone {
            history.observed.gone.insert(Source::Volume(volume(1)));
        }
        let expected: &[&str] = if may_go { &[] } else { &[&expected] };
        history.assert(&format!("{policy}, gone: {is_gone}"), expected);
    }
}

#[test]
fn what_bears_a_tag_of_ours_is_not_adopted() {
    for key in [tags::POLICY, tags::SLOT, tags::OWNER] {
        let plain = adopted("old", 1, 1);
        let marked = Snapshot { tags: with(&plain.tags, key, "another"), ..plain };
        let expected = format!("{} is neither ours nor adopted and is to be deleted", marked.id);
        let history = History::of([adopted("old", 2, 2)]).losing("old", [marked]);
        history.assert(key, &[&expected]);
    }
}
