use chrono::TimeDelta;

use super::{code, copy_request, elsewhere, region, sandbox, snapshot, snapshots, start};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CopySnapshot};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Snapshot, SnapshotState};

const KEY_NOT_ACCESSIBLE: &str = "Given key ID is not accessible";

/// Copies `snap-0…n` to the other region.
async fn copy(sandbox: &Sandbox, n: u32) -> SnapshotId {
    let request = CopySnapshot {
        source_snapshot_id: format!("snap-{n:08x}").parse().unwrap(),
        ..copy_request()
    };
    sandbox.copy_snapshot(&elsewhere(), &request).await.unwrap()
}

fn copies(sandbox: &Sandbox) -> Vec<Snapshot> {
    sandbox.inventory().regions.remove(&elsewhere()).unwrap().snapshots
}

fn find(sandbox: &Sandbox, id: SnapshotId) -> Snapshot {
    copies(sandbox).into_iter().find(|s| s.id == id).unwrap()
}

fn pass(sandbox: &Sandbox, span: TimeDelta) {
    let time = sandbox.time();
    time.advance_to(time.now() + span);
}

/// An account with another region, and completed snapshots of the root volume up to `n`.
fn two_regions(n: u32) -> Sandbox {
    let sandbox = sandbox();
    sandbox.add_region(&elsewhere());
    for n in 2..=n {
        let id = format!("snap-{n:08x}");
        sandbox.add_snapshot(&region(), snapshot(&id, SnapshotState::Completed));
    }
    sandbox
}

#[tokio::test]
async fn a_copy_is_a_snapshot_of_no_volume_that_takes_its_time() {
    let sandbox = two_regions(1);
    let id = copy(&sandbox, 1).await;
    let made = find(&sandbox, id);
    assert!(made.volume_id.unwrap().is_placeholder() && made.state == SnapshotState::Pending);
    assert_eq!((made.started_at, made.volume_size_gib, made.is_encrypted), (start(), 8, false));
    assert_eq!((&*made.description, made.tags.get("k")), ("a copy", Some("v")));
    pass(&sandbox, TimeDelta::seconds(227));
    assert_eq!(find(&sandbox, id).state, SnapshotState::Pending);
    pass(&sandbox, TimeDelta::seconds(1));
    assert_eq!(find(&sandbox, id).state, SnapshotState::Completed);
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_at_once() {
    let minutes = |n| CopySnapshot { completion_minutes: Some(n), ..copy_request() };
    let key = || Some("alias/k".to_owned());
    for (change, request, expected) in [
        (None::<fn(&Sandbox)>, copy_request(), "ok"),
        (None, minutes(15), "ok"),
        (None, minutes(2880), "ok"),
        (None, minutes(0), "InvalidParameterValue"),
        (None, minutes(20), "InvalidParameterValue"),
        (None, minutes(2895), "InvalidParameterValue"),
        (
            None,
            CopySnapshot { source_region: "us-west-2".parse().unwrap(), ..copy_request() },
            "InvalidParameterValue",
        ),
        (
            None,
            CopySnapshot { source_snapshot_id: "snap-00000009".parse().unwrap(), ..copy_request() },
            "InvalidSnapshot.NotFound",
        ),
        (
            Some(|s| s.fail_snapshot(&region(), "snap-00000001".parse().unwrap(), "x")),
            copy_request(),
            "IncorrectState",
        ),
        (None, CopySnapshot { kms_key_id: key(), ..copy_request() }, "InvalidParameterDependency"),
        (
            Some(|s| s.set_encryption_by_default(&elsewhere(), true)),
            CopySnapshot { kms_key_id: key(), ..copy_request() },
            "ok",
        ),
        (
            None,
            CopySnapshot { tags: vec![("aws:x".to_owned(), String::new())], ..copy_request() },
            "InvalidParameterValue",
        ),
    ] {
        let sandbox = two_regions(1);
        if let Some(change) = change {
            change(&sandbox);
        }
        let res = sandbox.copy_snapshot(&elsewhere(), &request).await;
        assert_eq!(copies(&sandbox).len(), usize::from(res.is_ok()));
        assert_eq!(code(res), expected, "{request:?}");
    }
}

#[tokio::test]
async fn twenty_copies_run_at_a_time() {
    let sandbox = two_regions(22);
    for n in 1..=20 {
        copy(&sandbox, n).await;
    }
    let request =
        || CopySnapshot { source_snapshot_id: "snap-00000016".parse().unwrap(), ..copy_request() };
    let err = sandbox.copy_snapshot(&elsewhere(), &request()).await.unwrap_err();
    assert_eq!(
        err.reason(),
        "ResourceLimitExceeded: Too many snapshot copies in progress. The limit is 20 for this \
         destination region."
    );
    let third = "ap-northeast-2".parse().unwrap();
    sandbox.add_region(&third);
    assert_eq!(code(sandbox.copy_snapshot(&third, &request()).await), "ok");
    pass(&sandbox, TimeDelta::minutes(10));
    assert_eq!(code(sandbox.copy_snapshot(&elsewhere(), &request()).await), "ok");
}

#[tokio::test]
async fn the_key_of_a_copy_shows_whether_it_fits_only_later() {
    for (change, request, has_key, is_good) in [
        (None::<fn(&Sandbox)>, CopySnapshot { encrypted: true, ..copy_request() }, true, true),
        (Some(|s| s.set_encryption_by_default(&elsewhere(), true)), copy_request(), true, true),
        (Some(|s| _ = s.add_key(&elsewhere(), "alias/k", true, true)), with_key(), true, true),
        (Some(|s| _ = s.add_key(&elsewhere(), "alias/k", false, true)), with_key(), true, false),
        (Some(|s| _ = s.add_key(&elsewhere(), "alias/k", true, false)), with_key(), true, false),
        (Some(|s| _ = s.add_key(&region(), "alias/k", true, true)), with_key(), true, false),
        (None, with_key(), true, false),
        (None, copy_request(), false, true),
    ] {
        let sandbox = two_regions(1);
        if let Some(change) = change {
            change(&sandbox);
        }
        let id = sandbox.copy_snapshot(&elsewhere(), &request).await.unwrap();
        let made = find(&sandbox, id);
        assert_eq!(made.state, SnapshotState::Pending, "{request:?}");
        assert_eq!((made.is_encrypted, made.kms_key_id.is_some()), (has_key, has_key));
        pass(&sandbox, TimeDelta::hours(1));
        let made = find(&sandbox, id);
        let expected = if is_good { SnapshotState::Completed } else { SnapshotState::Error };
        assert_eq!(made.state, expected, "{request:?}");
        let message = (!is_good).then_some(KEY_NOT_ACCESSIBLE);
        assert_eq!(made.state_message.as_deref(), message);
    }
}

fn with_key() -> CopySnapshot {
    CopySnapshot { encrypted: true, kms_key_id: Some("alias/k".to_owned()), ..copy_request() }
}

#[tokio::test]
async fn an_encrypted_source_needs_a_signed_url_and_a_key_that_works() {
    for (is_source_encrypted, is_enabled, expected) in [
        (true, true, SnapshotState::Completed),
        (false, true, SnapshotState::Error),
        (true, false, SnapshotState::Error),
    ] {
        let sandbox = two_regions(1);
        let arn = sandbox.add_key(&region(), "alias/source", is_enabled, true);
        let source = Snapshot {
            is_encrypted: true,
            kms_key_id: Some(arn),
            ..snapshot("snap-00000001", SnapshotState::Completed)
        };
        sandbox.add_snapshot(&region(), source);
        let request = CopySnapshot { is_source_encrypted, ..copy_request() };
        let id = sandbox.copy_snapshot(&elsewhere(), &request).await.unwrap();
        assert!(find(&sandbox, id).is_encrypted);
        pass(&sandbox, TimeDelta::hours(1));
        assert_eq!(find(&sandbox, id).state, expected);
    }
}

#[tokio::test]
async fn a_copy_is_incremental_to_the_newest_one_of_its_lineage_with_its_key() {
    type Between = fn(&Sandbox, SnapshotId);
    for (between, is_full) in [
        ((|s, _| pass(s, TimeDelta::hours(1))) as Between, false),
        // It is still running.
        (|_, _| (), true),
        (
            |s, id| {
                pass(s, TimeDelta::hours(1));
                s.remove_snapshot(&elsewhere(), id);
            },
            true,
        ),
        (
            |s, id| {
                pass(s, TimeDelta::hours(1));
                s.fail_snapshot(&elsewhere(), id, "x");
            },
            true,
        ),
        (
            |s, _| {
                pass(s, TimeDelta::hours(1));
                s.set_encryption_by_default(&elsewhere(), true);
            },
            true,
        ),
        (
            |s, _| {
                pass(s, TimeDelta::hours(1));
                let other = Snapshot {
                    volume_id: "vol-00000009".parse().ok(),
                    ..snapshot("snap-00000002", SnapshotState::Completed)
                };
                s.add_snapshot(&region(), other);
            },
            true,
        ),
    ] {
        let sandbox = two_regions(2);
        let first = copy(&sandbox, 1).await;
        assert_eq!(sandbox.is_full_copy(&elsewhere(), first), Some(true));
        between(&sandbox, first);
        let begun_at = sandbox.time().now();
        let second = copy(&sandbox, 2).await;
        assert_eq!(sandbox.is_full_copy(&elsewhere(), second), Some(is_full));
        sandbox.time().advance_to(begun_at + TimeDelta::seconds(60));
        let is_complete = find(&sandbox, second).state == SnapshotState::Completed;
        assert_eq!(is_complete, !is_full);
    }
    let sandbox = two_regions(1);
    assert_eq!(sandbox.is_full_copy(&region(), "snap-00000001".parse().unwrap()), None);
}

#[tokio::test]
async fn copies_of_copies_are_of_the_first_ones_lineage() {
    let sandbox = &two_regions(2);
    let third = "ap-northeast-2".parse().unwrap();
    sandbox.add_region(&third);
    let onwards =
        |id| CopySnapshot { source_region: elsewhere(), source_snapshot_id: id, ..copy_request() };
    for is_full in [true, false] {
        let first = copy(sandbox, if is_full { 1 } else { 2 }).await;
        pass(sandbox, TimeDelta::hours(1));
        let second = sandbox.copy_snapshot(&third, &onwards(first)).await.unwrap();
        assert_eq!(sandbox.is_full_copy(&third, second), Some(is_full));
        pass(sandbox, TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn a_promised_duration_is_kept() {
    let large =
        |id: &str| Snapshot { volume_size_gib: 1000, ..snapshot(id, SnapshotState::Completed) };
    for (completion_minutes, expected) in
        [(None, SnapshotState::Pending), (Some(30), SnapshotState::Completed)]
    {
        let sandbox = two_regions(1);
        sandbox.add_snapshot(&region(), large("snap-00000001"));
        let request = CopySnapshot { completion_minutes, ..copy_request() };
        let id = sandbox.copy_snapshot(&elsewhere(), &request).await.unwrap();
        pass(&sandbox, TimeDelta::minutes(30));
        assert_eq!(find(&sandbox, id).state, expected);
        pass(&sandbox, TimeDelta::hours(3));
        assert_eq!(find(&sandbox, id).state, SnapshotState::Completed);
    }
}

#[tokio::test]
async fn a_copy_fails_if_its_source_goes() {
    let sandbox = two_regions(2);
    let [running, complete] = [copy(&sandbox, 1).await, copy(&sandbox, 2).await];
    sandbox.delete_snapshot(&region(), "snap-00000001".parse().unwrap()).await.unwrap();
    assert_eq!(find(&sandbox, running).state, SnapshotState::Error);
    pass(&sandbox, TimeDelta::hours(1));
    sandbox.delete_snapshot(&region(), "snap-00000002".parse().unwrap()).await.unwrap();
    assert_eq!(find(&sandbox, complete).state, SnapshotState::Completed);
    assert_eq!(snapshots(&sandbox).len(), 0);
}

#[tokio::test]
async fn faults_befall_copies_too() {
    for (fault, expected, n_made) in [
        (Fault::LostReply, "InternalError", 1),
        (Fault::ErrorBefore, "InternalError", 0),
        (Fault::SnapshotsFail, "ok", 1),
        (Fault::Refused { code: "X", message: "x" }, "X", 0),
    ] {
        let sandbox = two_regions(1);
        let rule = Rule::next("CopySnapshot").naming(&"snap-00000001").in_region(&elsewhere());
        sandbox.fail(rule, fault.clone());
        let res = sandbox.copy_snapshot(&elsewhere(), &copy_request()).await;
        assert_eq!(code(res), expected, "{fault:?}");
        pass(&sandbox, TimeDelta::hours(1));
        let made = copies(&sandbox);
        let n_failed = made.iter().filter(|s| s.state == SnapshotState::Error).count();
        assert_eq!((made.len(), n_failed), (n_made, usize::from(fault == Fault::SnapshotsFail)));
    }
}
