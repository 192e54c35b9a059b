use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{DATA, code, region, sandbox, set, single, snapshot, snapshots, start};
use crate::cloud::observe::observe;
use crate::cloud::sandbox::{Change, Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CloudError, ErrorKind, SnapshotFilter};
use crate::domain::ids::SnapshotId;
use crate::domain::inventory::{Image, ImageState, SnapshotState};

#[tokio::test]
async fn what_is_protected_is_not_deleted() {
    let id: SnapshotId = "snap-00000001".parse().unwrap();
    let image = |state| Image {
        state,
        snapshot_ids: vec!["snap-00000001".parse().unwrap()],
        ..Image::plain("ami-00000001".parse().unwrap(), "i")
    };
    let in_use =
        "InvalidSnapshot.InUse: The snapshot snap-00000001 is currently in use by ami-00000001";
    for (change, expected) in [
        (Box::new(|_: &_| ()) as Box<dyn Fn(&Sandbox)>, "ok"),
        (Box::new(|s| s.add_image(&region(), image(ImageState::Available))), in_use),
        (Box::new(|s| s.add_image(&region(), image(ImageState::Disabled))), in_use),
        (
            Box::new(|s| s.lock_snapshot(&region(), id)),
            "OperationNotPermitted: The snapshot snap-00000001 is locked and can't be deleted.",
        ),
        (
            Box::new(|s| s.tag_snapshot(&region(), id, "aws:backup:source-resource", "arn")),
            "InvalidParameterValue: This snapshot is managed by the AWS Backup service and cannot \
             be deleted via EC2 APIs. If you wish to delete this snapshot, please do so via the \
             Backup console.",
        ),
        (
            Box::new(|s| s.remove_snapshot(&region(), id)),
            "InvalidSnapshot.NotFound: The snapshot 'snap-00000001' does not exist.",
        ),
    ] {
        let sandbox = sandbox();
        change(&sandbox);
        let n_before = snapshots(&sandbox).len();
        let res = sandbox.delete_snapshot(&region(), id).await;
        let text = res.as_ref().map_or_else(CloudError::reason, |()| "ok".to_owned());
        assert_eq!(text, expected);
        assert_eq!(snapshots(&sandbox).len(), n_before - usize::from(res.is_ok()));
    }
}

#[tokio::test]
async fn a_region_that_is_down_answers_nothing_until_it_is_back() {
    let sandbox = sandbox();
    sandbox.outage(&region(), start(), start() + TimeDelta::hours(1));
    let refused = sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap_err();
    assert_eq!(refused.reason(), "ServiceUnavailable: The service is unavailable.");
    assert_eq!(refused.kind, ErrorKind::Ambiguous);
    sandbox.time().advance_to(start() + TimeDelta::hours(1));
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    assert_eq!(sandbox.faults_met(), [("unavailable", 1)].into());
}

#[tokio::test]
async fn a_time_out_leaves_open_whether_the_call_was_carried_out() {
    for is_done in [false, true] {
        let sandbox = sandbox();
        let n_before = snapshots(&sandbox).len();
        let after = TimeDelta::seconds(30);
        sandbox.fail(Rule::next("CreateSnapshot"), Fault::TimedOut { after, is_done });
        let request = single(DATA);
        let here = region();
        let calling = sandbox.time().drive(sandbox.create_snapshot(&here, &request));
        assert_eq!(calling.await.unwrap_err().kind, ErrorKind::Ambiguous);
        assert_eq!(sandbox.time().now(), start() + after);
        assert_eq!(snapshots(&sandbox).len(), n_before + usize::from(is_done));
    }
}

#[tokio::test]
async fn listings_may_still_show_what_was_just_deleted() {
    let sandbox = sandbox();
    sandbox.set(|settings| settings.lingers_for = TimeDelta::minutes(1));
    let id: SnapshotId = "snap-00000001".parse().unwrap();
    let is_shown = async || {
        let page = sandbox.describe_snapshots(&region(), &SnapshotFilter::All, None).await.unwrap();
        page.items.iter().any(|snapshot| snapshot.id == id)
    };
    sandbox.delete_snapshot(&region(), id).await.unwrap();
    assert!(is_shown().await);
    assert_eq!(code(sandbox.delete_snapshot(&region(), id).await), "InvalidSnapshot.NotFound");
    sandbox.time().advance_to(start() + TimeDelta::minutes(1));
    assert!(!is_shown().await);
}

#[tokio::test]
async fn the_journal_tells_what_came_and_went_by_which_call() {
    let sandbox = sandbox();
    sandbox.keep_journal();
    sandbox.fail(Rule::next("CreateSnapshot"), Fault::LostReply);
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap_err();
    sandbox.remove_snapshot(&region(), "snap-00000001".parse().unwrap());
    sandbox.delete_snapshot(&region(), "snap-00000001".parse().unwrap()).await.unwrap_err();
    let entries = sandbox.take_journal();
    let lines: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.changes[..] {
            [Change::Made(id)] => (entry.operation, format!("+{}", &id.to_string()[..4])),
            [Change::SnapshotGone(snapshot)] => (entry.operation, format!("-{}", snapshot.id)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        lines,
        [(Some("CreateSnapshot"), "+snap".to_owned()), (None, "-snap-00000001".to_owned())]
    );
    assert_eq!(sandbox.take_journal().len(), 0);
}

#[tokio::test]
async fn a_pending_snapshot_is_deleted_once_it_is_complete() {
    let sandbox = sandbox();
    let made = sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    sandbox.delete_snapshot(&region(), made.snapshot_id).await.unwrap();
    assert_eq!(snapshots(&sandbox).len(), 2);
    sandbox.time().advance_to(start() + TimeDelta::minutes(5));
    assert_eq!(snapshots(&sandbox).len(), 1);
}

#[tokio::test]
async fn listings_filter_and_page() {
    let sandbox = sandbox();
    for n in 2..=7 {
        let id = format!("snap-{n:08x}");
        sandbox.add_snapshot(&region(), snapshot(&id, SnapshotState::Completed));
        sandbox.tag_snapshot(&region(), id.parse().unwrap(), "n", &(n % 2).to_string());
    }
    let tags = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        SnapshotFilter::Tags(tags.collect())
    };
    let ids = |ids: &[u32]| {
        let ids = ids.iter().map(|n| format!("snap-{n:08x}").parse().unwrap());
        SnapshotFilter::Ids(ids.collect())
    };
    for has_empty_pages in [false, true] {
        sandbox.set(|settings| {
            settings.page_items = 3;
            settings.has_empty_pages = has_empty_pages;
        });
        for (filter, expected) in [
            (SnapshotFilter::All, &[3, 3, 1][..]),
            (tags(&[("n", "0")]), &[3]),
            (tags(&[("n", "0"), ("m", "0")]), &[0]),
            (tags(&[("n", "*")]), &[0]),
            (ids(&[1, 2, 3, 4, 99]), &[3, 1]),
            (ids(&[99]), &[0]),
        ] {
            let mut sizes = Vec::new();
            let mut token = None;
            loop {
                let page = sandbox.describe_snapshots(&region(), &filter, token).await.unwrap();
                sizes.push(page.items.len());
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            let empty = has_empty_pages.then_some(0);
            let expected: Vec<usize> = empty.into_iter().chain(expected.iter().copied()).collect();
            assert_eq!(sizes, expected, "{filter:?}");
        }
    }
    let all = &SnapshotFilter::All;
    let res = sandbox.describe_snapshots(&region(), all, Some("x".to_owned())).await;
    assert_eq!(code(res), "InvalidNextToken");
    let too_many: Vec<u32> = (0..201).collect();
    let res = sandbox.describe_snapshots(&region(), &ids(&too_many), None).await;
    assert_eq!(code(res), "FilterLimitExceeded");
    assert_eq!(
        code(sandbox.describe_snapshots(&region(), &ids(&[]), None).await),
        "InvalidParameterValue"
    );
    let elsewhere = "us-east-1".parse().unwrap();
    assert_eq!(code(sandbox.describe_snapshots(&elsewhere, all, None).await), "AuthFailure");
}

#[tokio::test]
async fn a_new_snapshot_may_be_missing_from_listings_for_a_while() {
    let sandbox = sandbox();
    sandbox.set(|settings| settings.invisible_for = TimeDelta::seconds(3));
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    for (seconds, expected) in [(0, 1), (2, 1), (3, 2)] {
        sandbox.time().advance_to(start() + TimeDelta::seconds(seconds));
        let page = sandbox.describe_snapshots(&region(), &SnapshotFilter::All, None).await;
        assert_eq!(page.unwrap().items.len(), expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_reply_may_be_lost_before_or_after_the_effect() {
    for (fault, n_made) in
        [(Fault::ErrorBefore, 0), (Fault::LostReply, 2), (Fault::Throttled, 0), (Fault::Denied, 0)]
    {
        let sandbox = sandbox();
        sandbox.fail(Rule::next("CreateSnapshots"), fault.clone());
        let err = sandbox.create_snapshots(&region(), &set()).await.unwrap_err();
        let expected = match fault {
            Fault::Throttled => "Throttled",
            Fault::Denied => "Denied",
            _ => "Ambiguous",
        };
        assert_eq!(format!("{:?}", err.kind), expected);
        assert_eq!(snapshots(&sandbox).len(), 1 + n_made);
    }
}

#[tokio::test]
async fn an_instance_may_vanish_just_before_its_snapshots() {
    let sandbox = sandbox();
    sandbox.fail(Rule::next("CreateSnapshots"), Fault::InstanceVanishes);
    let res = sandbox.create_snapshots(&region(), &set()).await;
    assert_eq!(code(res), "IncorrectState");
}

#[tokio::test]
async fn requests_beyond_the_published_rate_are_refused() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.is_throttling = true);
    let id = "snap-00000009".parse().unwrap();
    let here = &region();
    let delete = |n: usize| async move {
        let calls = (0..n).map(|_| sandbox.delete_snapshot(here, id));
        let codes = join_all(calls).await.into_iter().map(code);
        codes.filter(|code| code == "RequestLimitExceeded").count()
    };
    assert_eq!(delete(120).await, 20);
    sandbox.time().advance_to(start() + TimeDelta::seconds(10));
    assert_eq!(delete(120).await, 70);
    assert_eq!(sandbox.n_calls("DeleteSnapshot"), 240);
}

#[tokio::test]
async fn calls_take_their_time_side_by_side() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.latency = TimeDelta::milliseconds(400));
    sandbox.fail(Rule::next("DescribeImages"), Fault::Slow(TimeDelta::seconds(7)));
    let inventory = sandbox.time().drive(observe(sandbox, &[region()])).await;
    assert!(inventory.regions[&region()].gaps.is_empty());
    assert_eq!(sandbox.time().now(), start() + TimeDelta::milliseconds(7400));
}

#[tokio::test]
async fn an_account_made_from_an_inventory_is_that_account() {
    let (demo, now) = (Sandbox::demo(start()), start());
    let copy = Sandbox::from_inventory(&demo.inventory(), now);
    let is_same = format!("{:?}", copy.inventory()) == format!("{:?}", demo.inventory());
    assert!(is_same, "too long to be shown");
    assert_ne!(copy.new_snapshot_id(), demo.new_snapshot_id());
}
