//! Snapshots: which are the same data, what failed, what each rule says, and what is in the way.

use serde_json::{Map, Value, json};
use snapkeep::domain::failure::Failure;
use snapkeep::domain::inventory::{Gap, Listing, SnapshotState};

use super::check;
use crate::support::account::Account;

const DB: &str = r#"
version = 1
[[policy]]
name = "db"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "volume", tags = { Name = "db" } }
retention = { daily = "7 days", monthly = "3 months" }
encrypt = { retire_unencrypted = true }
[[policy.copy]]
to = "eu-central-1"
[[policy.copy]]
to = "us-east-1"
"#;

/// A snapshot of the volume that [`DB`] is about, made for `slot`.
fn original(id: &str, slot: &str) -> Value {
    json!({
        "id": id,
        "volume": "vol-00000001",
        "start_time": slot,
        "description": format!("snapkeep db vol-00000001 {slot}"),
        "tags": {
            "snapkeep:owner": "main",
            "snapkeep:policy": "db",
            "snapkeep:slot": slot,
            "snapkeep:source": "eu-west-1/vol-00000001",
        },
    })
}

/// A copy of `parent` in `eu-west-1`, which is what its slot made first.
fn copy(id: &str, parent: &str, slot: &str) -> Value {
    let parent = format!("eu-west-1/{parent}");
    let mut copy = original(id, slot);
    copy["volume"] = json!("vol-ffffffff");
    copy["encrypted"] = json!(true);
    copy["description"] = json!(format!("snapkeep db copy of {parent}"));
    for (key, value) in [
        ("snapkeep:copy-of", parent.as_str()),
        ("snapkeep:origin", parent.as_str()),
        ("snapkeep:time", slot),
        ("snapkeep:volume", "vol-00000001"),
    ] {
        copy["tags"][key] = json!(value);
    }
    copy
}

/// `snapshot` with `more`.
fn with(mut snapshot: Value, more: &Value) -> Value {
    let more: &Map<String, Value> = more.as_object().unwrap();
    for (key, value) in more {
        match value {
            Value::Object(tags) => {
                snapshot[key].as_object_mut().unwrap().extend(tags.clone());
            }
            _ => snapshot[key] = value.clone(),
        }
    }
    snapshot
}

/// Points of several days, each in another state.
fn account() -> Account {
    let [month, partly, whole, retired] = [
        "2026-10-01T03:00:00Z",
        "2026-11-15T03:00:00Z",
        "2026-11-15T15:00:00Z",
        "2026-11-16T03:00:00Z",
    ];
    let [failed, copying, due] =
        ["2026-11-18T03:00:00Z", "2026-11-19T03:00:00Z", "2026-11-20T03:00:00Z"];
    let error = |at: &str| json!({ "state": "error", "start_time": at });
    let scene = json!({
        "now": "2026-11-20T03:10:00Z",
        "regions": {
            "eu-west-1": {
                "volumes": [{ "id": "vol-00000001", "tags": { "Name": "db" } }],
                "snapshots": [
                    original("snap-00000001", month),
                    with(
                        original("snap-00000002", partly),
                        &json!({ "tags": { "snapkeep:members": "2" } }),
                    ),
                    original("snap-00000003", whole),
                    original("snap-00000011", retired),
                    copy("snap-00000012", "snap-00000011", retired),
                    original("snap-00000021", failed),
                    copy("snap-00000022", "snap-00000021", failed),
                    original("snap-00000031", copying),
                    copy("snap-00000032", "snap-00000031", copying),
                    original("snap-00000041", due),
                    copy("snap-00000042", "snap-00000041", due),
                    { "id": "snap-00000051", "volume": "vol-00000009" },
                ],
            },
            "eu-central-1": {
                "snapshots": [
                    copy("snap-00000014", "snap-00000011", retired),
                    with(
                        copy("snap-00000024", "snap-00000021", failed),
                        &error("2026-11-19T03:10:00Z"),
                    ),
                    copy("snap-00000034", "snap-00000031", copying),
                ],
            },
            "us-east-1": {
                "snapshots": [
                    copy("snap-00000013", "snap-00000011", retired),
                    with(
                        copy("snap-00000023", "snap-00000021", failed),
                        &error("2026-11-19T03:11:00Z"),
                    ),
                    copy("snap-00000033", "snap-00000031", copying),
                ],
            },
        },
    });
    let mut account = Account::new(DB, &scene);
    // The sandbox ends what is pending.
    let mut copies = account.region("eu-central-1").snapshots.iter_mut();
    let pending = copies.find(|snapshot| snapshot.id.to_string() == "snap-00000034").unwrap();
    pending.state = SnapshotState::Pending;
    account
}

#[test]
fn all_of_the_same_data_is_named_wherever_it_is_and_itself_is_not() {
    check(
        &account(),
        &[
            (
                "us-east-1/snap-00000033",
                &[
                    "volume vol-00000001,",
                    "whose copied by this installation of snapkeep copy of \
                 eu-west-1/snap-00000031: its parent, completed same data \
                 eu-central-1/snap-00000034: copy, pending, encrypted \
                 eu-west-1/snap-00000032: encrypted form, completed, encrypted policy db",
                    "!is not finished",
                ],
            ),
            (
                "eu-west-1/snap-00000031",
                &[
                    "whose made by this installation of snapkeep same data \
                 eu-central-1/snap-00000034: copy, pending, encrypted \
                 eu-west-1/snap-00000032: encrypted form, completed, encrypted \
                 us-east-1/snap-00000033: copy, completed, encrypted policy db",
                    "its copy to eu-central-1 is not finished; lifted by the end of the copy; \
                 copy_give_up = ",
                    "!its copy to us-east-1",
                    "is being copied; lifted by the end of the copy",
                    "--snapshot-id snap-00000031 ",
                    "!--snapshot-id snap-00000032 ",
                ],
            ),
            (
                "eu-west-1/snap-00000041",
                &[
                    "same data eu-west-1/snap-00000042: encrypted form, completed, encrypted \
                 eu-central-1: begun by this plan us-east-1: begun by this plan policy db",
                    "its copy to eu-central-1 is not finished",
                    "its copy to us-east-1 is not finished",
                ],
            ),
            ("eu-west-1/snap-00000012", &["!begun by this plan", "!is not finished"]),
        ],
    );
}

#[test]
fn a_copy_that_failed_is_told_with_what_is_there_of_its_slot() {
    check(
        &account(),
        &[
            (
                "us-east-1/snap-00000023",
                &[
                    "copy of eu-west-1/snap-00000021: its parent, completed same data \
                 eu-central-1/snap-00000024: copy, error, encrypted \
                 eu-west-1/snap-00000022: encrypted form, completed, encrypted",
                    "slot 2026-11-18 03:00Z point attempt 1 failed; fills no slot",
                    "goes not before 2026-11-20 03:11Z",
                    "nothing of it can be restored",
                ],
            ),
            // Its 24 hours are over.
            ("eu-central-1/snap-00000024", &["attempt 1 failed", "!goes not before"]),
            (
                "eu-west-1/snap-00000021",
                &["us-east-1/snap-00000023: copy, error", "!snap-00000033", "!snap-00000034"],
            ),
        ],
    );
}

#[test]
fn an_original_that_is_retired_goes_at_once_though_its_point_stays() {
    check(
        &account(),
        &[
            ("eu-west-1/snap-00000011", &["verdict goes: unencrypted, ", "!goes not before"]),
            (
                "eu-west-1/snap-00000012",
                &[
                    "verdict stays: daily until 2026-11-23 03:00Z",
                    "goes not before 2026-11-23 03:00Z",
                ],
            ),
        ],
    );
}

#[test]
fn each_rule_is_asked_by_itself() {
    check(
        &account(),
        &[
            (
                "eu-west-1/snap-00000001",
                &["rules daily = 7 days (first): daily ended 2026-10-08 03:00Z \
                 monthly = 3 months (first): holds it until 2027-01-01 03:00Z \
                 keep_last = 1: does not hold it orphans = keep-last: vol-00000001 is there"],
            ),
            (
                "eu-west-1/snap-00000002",
                &["daily = 7 days (first): 2026-11-15 15:00Z stands for its period"],
            ),
            (
                "eu-west-1/snap-00000003",
                &["daily = 7 days (first): holds it until 2026-11-22 15:00Z"],
            ),
        ],
    );
}

#[test]
fn what_is_in_the_way_is_told_of_what_no_policy_judges_too() {
    let mut account = account();
    check(
        &account,
        &[(
            "eu-west-1/snap-00000051",
            &["volume vol-00000009, ", "whose made by others; no policy adopts it", "!in the way"],
        )],
    );
    let region = account.region("eu-west-1");
    region.locked.insert("snap-00000051".parse().unwrap());
    let error = Failure::lasting("UnauthorizedOperation");
    region.gaps.push(Gap { listing: Listing::Images, error });
    let gap = "DescribeImages could not be read; lifted by a run in which DescribeImages succeeds";
    check(
        &account,
        &[
            (
                "eu-west-1/snap-00000051",
                &[gap, "locked; lifted by unlocking the snapshot, or the end of its lock"],
            ),
            ("eu-west-1/snap-00000001", &[gap, "!locked"]),
            ("us-east-1/snap-00000013", &["!DescribeImages"]),
        ],
    );
}
