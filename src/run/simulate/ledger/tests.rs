//! What the ledger counts, told by small histories.

use chrono::{DateTime, Utc};

use super::Ledger;
use crate::cloud::sandbox::Sandbox;
use crate::config::{Config, parse};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Snapshot, SnapshotState};
use crate::domain::region::Region;
use crate::domain::tags::{self, Tags};

const SOURCE: &str = "eu-west-1/i-00000001";

fn config() -> Config {
    let text = "version = 1\n[[policy]]\nname = 'servers'\nregions = ['eu-west-1']\n\
        select = { resource = 'instance' }\nretention = { daily = 3 }\n";
    parse(&[("test.toml".to_owned(), text.to_owned())]).unwrap()
}

fn region() -> Region {
    "eu-west-1".parse().unwrap()
}

fn day(n: u32) -> DateTime<Utc> {
    format!("2026-11-{n:02}T03:00:00Z").parse().unwrap()
}

/// One of `n_members` snapshots of a day, of volume `n`.
fn snapshot(of: u32, n: u32, n_members: u32, more: &[(&str, &str)]) -> Snapshot {
    let (members, slot) = (n_members.to_string(), day(of).to_rfc3339());
    let ours = [
        (tags::OWNER, "main"),
        (tags::POLICY, "servers"),
        (tags::SOURCE, SOURCE),
        (tags::SLOT, &*slot),
        (tags::MEMBERS, &*members),
    ];
    Snapshot {
        id: format!("snap-{:08x}", of * 16 + n).parse().unwrap(),
        volume_id: format!("vol-{n:08x}").parse().ok(),
        owner_id: None,
        state: SnapshotState::Completed,
        state_message: None,
        started_at: day(of),
        volume_size_gib: 100,
        full_size_bytes: None,
        is_encrypted: false,
        kms_key_id: None,
        description: "".into(),
        tags: ours.into_iter().chain(more.iter().copied()).collect::<Tags>(),
    }
}

fn id(of: u32, n: u32) -> SnapshotId {
    snapshot(of, n, 1, &[]).id
}

/// Returns how many points are restorable, and the days of all that ever were.
fn points(ledger: &Ledger<'_>) -> (usize, String) {
    let Some(history) = ledger.histories.get(&(0, SOURCE.parse().unwrap())) else {
        return (0, String::new());
    };
    let days = history.times.iter().map(|at| at.format("%d").to_string());
    (history.n_restorable, days.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_point_is_restorable_once_all_its_members_are_complete() {
    let (config, sandbox) = (config(), Sandbox::new(day(20)));
    let mut ledger = Ledger::new(&config, 2.0);
    sandbox.add_snapshot(&region(), snapshot(18, 1, 2, &[]));
    let pending = Snapshot { state: SnapshotState::Pending, ..snapshot(18, 2, 2, &[]) };
    // It completes in its time.
    sandbox.add_snapshot(&region(), Snapshot { started_at: day(20), ..pending });
    ledger.look(&sandbox);
    assert_eq!(points(&ledger), (0, String::new()));
    sandbox.time().advance_to(day(21));
    ledger.look(&sandbox);
    assert_eq!(points(&ledger), (1, "18".to_owned()));
    // A second snapshot of a volume is no second point, and may go.
    sandbox.add_snapshot(&region(), Snapshot { id: id(18, 9), ..snapshot(18, 1, 2, &[]) });
    ledger.look(&sandbox);
    sandbox.remove_snapshot(&region(), id(18, 9));
    ledger.look(&sandbox);
    assert_eq!(points(&ledger), (1, "18".to_owned()));
    assert_eq!(ledger.losses, []);
}

#[test]
fn the_loss_of_a_last_restorable_point_is_seen() {
    let (config, sandbox) = (config(), Sandbox::new(day(20)));
    let mut ledger = Ledger::new(&config, 2.0);
    for of in [17, 18] {
        sandbox.add_snapshot(&region(), snapshot(of, 1, 1, &[]));
    }
    ledger.look(&sandbox);
    sandbox.remove_snapshot(&region(), id(17, 1));
    ledger.look(&sandbox);
    assert_eq!((points(&ledger).0, ledger.losses.len()), (1, 0));
    sandbox.remove_snapshot(&region(), id(18, 1));
    ledger.look(&sandbox);
    ledger.look(&sandbox);
    assert_eq!(points(&ledger), (0, "17 18".to_owned()));
    assert_eq!(ledger.losses, [((0, SOURCE.parse().unwrap()), day(20))]);
    assert!(ledger.store.gib(1)[0].abs() < 1e-9);
}

#[test]
fn what_failed_in_the_last_attempt_is_given_up() {
    let (config, sandbox) = (config(), Sandbox::new(day(20)));
    let mut ledger = Ledger::new(&config, 2.0);
    for (n, attempt) in [(1, "4"), (2, "5")] {
        let pending = snapshot(19, n, 1, &[(tags::ATTEMPT, attempt)]);
        sandbox.add_snapshot(&region(), Snapshot { state: SnapshotState::Pending, ..pending });
    }
    ledger.look(&sandbox);
    assert_eq!(ledger.gave_up, []);
    for n in [1, 2] {
        sandbox.fail_snapshot(&region(), id(19, n), "Internal error");
    }
    ledger.look(&sandbox);
    ledger.look(&sandbox);
    let at: Vec<_> = ledger.gave_up.iter().map(|gave_up| gave_up.at).collect();
    assert_eq!(at, [day(19)]);
}
