//! What goes, why, and on what that relies.

use serde_json::{Value, json};

use snapkeep::config::parse;

use super::{Account, fate};

const DB: &str = r#"
version = 1
[[policy]]
name = "db"
regions = ["eu-west-1"]
schedule = "0 3 * * mon"
select = { resource = "volume" }
retention = { daily = "3 days", orphans = "expire" }
adopt = { tags = { By = "hand" } }
"#;

const VOLUME: &str = "vol-00000001";

/// A snapshot that somebody made.
fn by_hand(id: &str, at: &str) -> Value {
    json!({ "id": id, "volume": VOLUME, "start_time": at, "tags": { "By": "hand" } })
}

fn ours(id: &str, slot: &str) -> Value {
    json!({
        "id": id,
        "volume": VOLUME,
        "start_time": slot,
        "description": format!("snapkeep db {VOLUME} {slot}"),
        "tags": {
            "snapkeep:owner": "main",
            "snapkeep:policy": "db",
            "snapkeep:slot": slot,
            "snapkeep:source": format!("eu-west-1/{VOLUME}"),
        },
    })
}

/// `ours`, as one of two that its point was asked for.
fn half(id: &str, slot: &str) -> Value {
    let mut half = ours(id, slot);
    half["tags"]["snapkeep:members"] = json!("2");
    half
}

/// An account on a Friday.
fn account(snapshots: &[Value]) -> Account {
    let region = json!({ "snapshots": snapshots, "volumes": [{ "id": VOLUME }] });
    let scene = json!({ "now": "2026-11-20T03:10:00Z", "regions": { "eu-west-1": region } });
    Account::new(DB, &scene)
}

/// Why `id` goes; or what else becomes of it.
fn reason(account: &Account, id: &str) -> String {
    let plan = account.plan();
    let deletions = plan.actions.iter().filter_map(|action| action.as_delete());
    let mut reasons = deletions.filter(|d| d.resource.to_string() == id).map(|d| d.reason);
    reasons.next().map_or_else(|| fate(&plan, id).to_owned(), |reason| reason.to_string())
}

#[test]
fn only_of_the_newest_it_is_told_that_keep_last_has_lapsed() {
    let (first, second) = ("2026-11-01T03:00:00Z", "2026-11-02T03:00:00Z");
    let mut gone = account(&[ours("snap-00000001", first), ours("snap-00000002", second)]);
    let region = gone.region("eu-west-1");
    region.volumes.clear();
    region.gone.insert(VOLUME.parse().unwrap());
    let covered = account(&[
        by_hand("snap-00000001", first),
        by_hand("snap-00000002", second),
        ours("snap-00000003", "2026-11-16T03:00:00Z"),
    ]);
    let [oldest, newest] = ["daily ended 2026-11-04 03:00Z", "daily ended 2026-11-05 03:00Z"];
    for (account, lapsed) in
        [(&gone, "source is gone, "), (&covered, "newer point covers the volume, ")]
    {
        assert_eq!(reason(account, "snap-00000001"), oldest);
        assert_eq!(reason(account, "snap-00000002"), format!("{lapsed}{newest}"));
    }
}

#[test]
fn what_was_adopted_is_covered_only_by_a_newer_point_of_the_region() {
    let at = "2026-11-02T03:00:00Z";
    let adopted = by_hand("snap-00000001", at);
    for (slot, expected) in
        [(at, "stays"), ("2026-11-02T03:00:01Z", "goes"), ("2026-11-01T03:00:00Z", "stays")]
    {
        let plan = account(&[adopted.clone(), ours("snap-00000002", slot)]).plan();
        assert_eq!(fate(&plan, "snap-00000001"), expected, "{slot}");
    }
    // A copy from elsewhere is of no volume of this region, whatever its tags say.
    let mut copy = ours("snap-00000003", "2026-11-19T03:00:00Z");
    copy["volume"] = json!("vol-ffffffff");
    copy["description"] = json!("snapkeep db copy of us-east-1/snap-00000009");
    for (key, value) in [
        ("snapkeep:copy-of", "us-east-1/snap-00000009"),
        ("snapkeep:source", "us-east-1/vol-00000001"),
        ("snapkeep:time", "2026-11-19T03:00:00Z"),
        ("snapkeep:volume", VOLUME),
    ] {
        copy["tags"][key] = json!(value);
    }
    let mut account = account(&[adopted, copy]);
    let policies = DB.replace("[\"eu-west-1\"]", "[\"eu-west-1\", \"us-east-1\"]");
    let policies = format!(
        "{policies}[[policy.copy]]\nto = \"eu-west-1\"\n\
         [policy.override.\"eu-west-1\"]\ncopy = []\n"
    );
    account.config = parse(&[("test.toml".to_owned(), policies)]).unwrap();
    let plan = account.plan();
    assert_eq!(["snap-00000001", "snap-00000003"].map(|id| fate(&plan, id)), ["stays", "stays"]);
}

#[test]
fn a_deletion_relies_on_what_is_complete_and_not_of_the_future() {
    let account = account(&[
        ours("snap-00000001", "2026-11-01T03:00:00Z"),
        ours("snap-00000002", "2026-11-16T03:00:00Z"),
        half("snap-00000003", "2026-11-17T03:00:00Z"),
        ours("snap-00000004", "2026-12-17T03:00:00Z"),
    ]);
    let plan = account.plan();
    let [deletion] = plan.actions.iter().filter_map(|a| a.as_delete()).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", plan.actions)
    };
    assert_eq!(deletion.resource.to_string(), "snap-00000001");
    let stays: Vec<String> = deletion.stays.iter().map(ToString::to_string).collect();
    assert_eq!(stays, ["snap-00000002"]);
}

#[test]
fn a_failed_attempt_is_remembered_until_its_slot_or_a_later_one_is_complete() {
    let (before, slot, after) =
        ("2026-11-15T03:00:00Z", "2026-11-16T03:00:00Z", "2026-11-17T03:00:00Z");
    let mut failed = ours("snap-00000001", slot);
    failed["state"] = json!("error");
    for (other, expected) in [
        (ours("snap-00000002", before), "stays"),
        (ours("snap-00000002", slot), "goes"),
        (ours("snap-00000002", after), "goes"),
        (half("snap-00000002", slot), "stays"),
        (half("snap-00000002", after), "stays"),
    ] {
        let plan = account(&[failed.clone(), other.clone()]).plan();
        assert_eq!(fate(&plan, "snap-00000001"), expected, "{other}");
    }
}
