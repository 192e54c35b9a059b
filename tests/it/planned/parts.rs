//! Part of a plan: what is left out takes with it what relies on it, and nothing else.

use serde_json::{Value, json};
use snapkeep::domain::inventory::ImageUse;
use snapkeep::plan::subset::left_out;

use super::{Account, fate, ids};

/// Returns why actions are left out with the one called `without`, by id.
fn left_out_with(account: &Account, without: &str) -> Vec<(String, String)> {
    let plan = account.plan();
    let ids = ids(&plan);
    assert!(ids.iter().any(|id| id == without), "{without}: {ids:?}");
    let is_wanted: Vec<bool> = ids.iter().map(|id| id != without).collect();
    let why = left_out(&plan, &account.inventory, &is_wanted);
    ids.into_iter().zip(why).filter_map(|(id, why)| Some((id, why?))).collect()
}

fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, why)| ((*id).to_owned(), (*why).to_owned())).collect()
}

const VOLUMES: &str = r#"
version = 1
[[policy]]
name = "db"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "volume" }
retention = { daily = "3 days" }
"#;

fn of_volume(id: &str, volume: &str, slot: &str) -> Value {
    json!({
        "id": id,
        "volume": volume,
        "start_time": slot,
        "description": format!("snapkeep db {volume} {slot}"),
        "tags": {
            "snapkeep:owner": "main",
            "snapkeep:policy": "db",
            "snapkeep:slot": slot,
            "snapkeep:source": format!("eu-west-1/{volume}"),
        },
    })
}

#[test]
fn the_points_of_other_sources_and_slots_go_without_each_other() {
    let [older, old, new] =
        ["2026-11-01T03:00:00Z", "2026-11-02T03:00:00Z", "2026-11-20T03:00:00Z"];
    let account = Account::new(
        VOLUMES,
        &json!({
            "now": "2026-11-20T03:10:00Z",
            "regions": { "eu-west-1": {
                "volumes": [{ "id": "vol-00000001" }, { "id": "vol-00000002" }],
                "snapshots": [
                    of_volume("snap-00000011", "vol-00000001", older),
                    of_volume("snap-00000012", "vol-00000001", old),
                    of_volume("snap-00000013", "vol-00000001", new),
                    of_volume("snap-00000022", "vol-00000002", old),
                    of_volume("snap-00000023", "vol-00000002", new),
                ],
            } },
        }),
    );
    for id in ["snap-00000011", "snap-00000012", "snap-00000022"] {
        assert_eq!(left_out_with(&account, &format!("DeleteSnapshot/eu-west-1/{id}")), []);
    }
}

#[test]
fn a_failed_attempt_goes_only_with_the_attempt_that_it_makes_room_for() {
    let slot = "2026-11-20T03:00:00Z";
    let mut failed = of_volume("snap-00000002", "vol-00000001", slot);
    failed["state"] = json!("error");
    // EC2 allows one unfinished snapshot of such a volume.
    let account = Account::new(
        VOLUMES,
        &json!({
            "now": "2026-11-20T05:10:00Z",
            "regions": { "eu-west-1": {
                "volumes": [{ "id": "vol-00000001", "type": "st1" }],
                "snapshots": [
                    of_volume("snap-00000001", "vol-00000001", "2026-11-01T03:00:00Z"),
                    of_volume("snap-00000003", "vol-00000001", "2026-11-19T03:00:00Z"),
                    failed,
                ],
            } },
        }),
    );
    let create = "CreateSnapshot/eu-west-1/db/vol-00000001/2026-11-20T03:00:00Z";
    let delete = "DeleteSnapshot/eu-west-1/snap-00000002";
    assert_eq!(
        left_out_with(&account, create),
        owned(&[(delete, &format!("only makes room for {create}, which is left out"))])
    );
    assert_eq!(
        left_out_with(&account, delete),
        owned(&[(create, &format!("comes after {delete}, which is left out"))])
    );
    assert_eq!(left_out_with(&account, "DeleteSnapshot/eu-west-1/snap-00000001"), []);
}

#[test]
fn so_it_is_with_a_failed_image() {
    let (slot, instance) = ("2026-11-20T03:00:00Z", "i-00000001");
    let tags = json!({
        "snapkeep:owner": "main",
        "snapkeep:policy": "golden",
        "snapkeep:slot": slot,
        "snapkeep:source": format!("eu-west-1/{instance}"),
    });
    let policies = VOLUMES.replace("\"db\"", "\"golden\"\nkind = \"images\"");
    let account = Account::new(
        &policies.replace("\"volume\"", "\"instance\""),
        &json!({
            "now": "2026-11-20T05:10:00Z",
            "regions": { "eu-west-1": {
                "instances": [
                    { "id": instance, "volumes": [{ "id": "vol-00000001", "type": "st1" }] },
                ],
                "snapshots": [{
                    "id": "snap-00000001",
                    "volume": "vol-00000001",
                    "state": "error",
                    "start_time": slot,
                    "description": format!("Created by CreateImage({instance}) for ami-00000001"),
                    "tags": tags,
                }],
                "images": [{
                    "id": "ami-00000001",
                    "creation_date": slot,
                    "state": "failed",
                    "snapshots": ["snap-00000001"],
                    "description": format!("snapkeep golden {instance} {slot}"),
                    "tags": tags,
                }],
            } },
        }),
    );
    let create = format!("CreateImage/eu-west-1/golden/{instance}/{slot}");
    let (image, snapshot) =
        ("DeregisterImage/eu-west-1/ami-00000001", "DeleteSnapshot/eu-west-1/snap-00000001");
    let left_out = left_out_with(&account, &create);
    let ids: Vec<&str> = left_out.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, [image, snapshot], "{left_out:?}");
}

const SCRIPTS: &str = r#"
version = 1
[[policy]]
name = "old"
kind = "images"
regions = ["eu-west-1"]
create = false
select = { resource = "image", tags = { By = "script" } }
adopt = { tags = { By = "script" } }
retention = { daily = "3 days" }
"#;

/// Images of a script, of which two share a snapshot, and the oldest is held.
fn sharing() -> Account {
    let image = |id: &str, at: &str, snapshots: &[&str]| {
        json!({
            "id": id,
            "creation_date": at,
            "snapshots": snapshots,
            "tags": { "By": "script" },
        })
    };
    let mut held = image("ami-00000001", "2026-11-01T03:00:00Z", &[]);
    held["tags"]["snapkeep:hold"] = json!("");
    let mut account = Account::new(
        SCRIPTS,
        &json!({
            "now": "2026-11-20T03:10:00Z",
            "regions": { "eu-west-1": {
                "snapshots": [{ "id": "snap-00000001", "volume": "vol-00000001" }],
                "images": [
                    held,
                    image("ami-00000002", "2026-11-02T03:00:00Z", &["snap-00000001"]),
                    image("ami-00000003", "2026-11-03T03:00:00Z", &["snap-00000001"]),
                    image("ami-00000004", "2026-11-19T03:00:00Z", &[]),
                ],
            } },
        }),
    );
    let region = account.region("eu-west-1");
    for image in &region.images {
        let uses = ImageUse { used_by: vec![], shared_with: Some(vec![]), is_complete: true };
        region.image_uses.insert(image.id, uses);
    }
    account
}

#[test]
fn a_snapshot_that_two_images_share_stays_with_either() {
    let (first, last, snapshot) = (
        "DeregisterImage/eu-west-1/ami-00000002",
        "DeregisterImage/eu-west-1/ami-00000003",
        "DeleteSnapshot/eu-west-1/snap-00000001",
    );
    let without_first = left_out_with(&sharing(), first);
    let why = |id: &str| without_first.iter().find(|(left, _)| left == id).map(|(_, why)| &**why);
    assert_eq!(why(snapshot), Some("backs ami-00000002, which stays"), "{without_first:?}");
    let without_last = left_out_with(&sharing(), last);
    assert!(without_last.iter().any(|(id, _)| id == snapshot), "{without_last:?}");
    assert!(without_last.iter().all(|(id, _)| id != first), "{without_last:?}");
}

#[test]
fn that_shared_snapshots_go_takes_nothing_else_off_the_list_of_what_stays() {
    let plan = sharing().plan();
    for (id, expected) in [
        ("ami-00000001", "stays"),
        ("ami-00000002", "goes"),
        ("ami-00000003", "goes"),
        ("ami-00000004", "stays"),
        ("snap-00000001", "goes"),
    ] {
        assert_eq!(fate(&plan, id), expected, "{id}");
    }
    let is_kept = |id: &str| plan.keeps.iter().any(|keep| keep.resource.to_string() == id);
    assert!(!is_kept("snap-00000001"));
}
