use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{Listed, ask_about_images, ask_about_keys, ask_for_sources, list, observe};
use crate::cloud::sandbox::tests::{DATA, region, sandbox, snapshot};
use crate::cloud::sandbox::{ACCOUNT, Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CloudError, ErrorKind, Page};
use crate::domain::failure::Failure;
use crate::domain::ids::{ImageId, InstanceId};
use crate::domain::inventory::{
    Image, Instance, InstanceState, KeyAnswer, Listing, RegionInventory, SnapshotState,
};
use crate::domain::region::Region;
use crate::domain::source::Source;

/// Lists what `page` answers for the number of the call.
async fn check(page: impl Fn(usize) -> Result<(Vec<u32>, Option<String>), ()>) -> Listed<u32> {
    let n_calls = Cell::new(0);
    list(
        |item| *item,
        |_token| {
            n_calls.set(n_calls.get() + 1);
            let reply = page(n_calls.get());
            async move {
                let (items, next_token) = reply.map_err(|()| CloudError {
                    kind: ErrorKind::Denied,
                    operation: "DescribeVolumes",
                    region: "eu-west-1".parse().unwrap(),
                    code: "UnauthorizedOperation".to_owned(),
                    message: "no".to_owned(),
                })?;
                Ok(Page { items, next_token })
            }
        },
    )
    .await
}

fn token(n: usize) -> String {
    n.to_string()
}

#[tokio::test]
async fn pages_are_read_until_none_follows() {
    let listed = check(|n| {
        Ok(match n {
            1 => (vec![1, 2], Some(token(1))),
            2 => (vec![], Some(token(2))),
            _ => (vec![2, 3], None),
        })
    })
    .await;
    assert_eq!((listed.items, listed.error), (vec![1, 2, 3], None));
}

#[tokio::test]
async fn what_was_read_before_a_failure_is_kept() {
    let listed = check(|n| if n == 1 { Ok((vec![1], Some(token(1)))) } else { Err(()) }).await;
    assert_eq!(listed.items, [1]);
    assert_eq!(listed.error, Some(Failure::lasting("UnauthorizedOperation: no")));
}

#[tokio::test]
async fn a_listing_without_end_is_an_error() {
    let listed = check(|n| Ok((vec![], Some(token(n % 2))))).await;
    assert_eq!(listed.error, Some(Failure::lasting("EC2 gave the same page token twice")));
    let listed = check(|n| Ok((vec![], Some(token(n))))).await;
    assert_eq!(listed.error, Some(Failure::lasting("no end after 10000 pages")));
}

#[tokio::test]
async fn observing_takes_no_more_calls_than_pages() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.page_items = 5);
    for n in 2..=11 {
        let id = format!("snap-{n:08x}");
        sandbox.add_snapshot(&region(), snapshot(&id, SnapshotState::Completed));
    }
    sandbox.lock_snapshot(&region(), "snap-00000002".parse().unwrap());
    let other: Region = "us-east-1".parse().unwrap();
    sandbox.add_region(&other);
    let regions = sandbox.describe_regions().await.unwrap();
    let inventory = observe(sandbox, &regions).await;

    let expected = sandbox.inventory();
    assert_eq!(format!("{:?}", inventory.regions), format!("{:?}", expected.regions));
    assert_eq!(inventory.account.as_deref(), Some(ACCOUNT));
    assert_eq!(inventory.clock_skew, Some(TimeDelta::zero()));
    for (operation, n_here, n_elsewhere) in [
        ("DescribeInstances", 1, 1),
        ("DescribeVolumes", 1, 1),
        ("DescribeSnapshots", 3, 1),
        ("DescribeImages", 1, 1),
        ("DescribeLockedSnapshots", 1, 1),
    ] {
        let calls = sandbox.calls();
        assert_eq!(calls[&(region(), operation)], n_here, "{operation}");
        assert_eq!(calls[&(other, operation)], n_elsewhere, "{operation}");
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_a_gap_of_its_own() {
    let sandbox = &sandbox();
    sandbox.set(|settings| settings.page_items = 1);
    sandbox.add_snapshot(&region(), snapshot("snap-00000002", SnapshotState::Completed));
    sandbox.fail(Rule::every("DescribeSnapshots").after(1), Fault::Throttled);
    sandbox.fail(Rule::every("DescribeLockedSnapshots"), Fault::Denied);
    let inventory = observe(sandbox, &[region()]).await;
    let found = &inventory.regions[&region()];
    assert_eq!((found.snapshots.len(), found.instances.len(), found.volumes.len()), (1, 1, 2));
    assert!(found.has_gap(Listing::Snapshots));
    assert_eq!(
        found.gaps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["DescribeSnapshots: RequestLimitExceeded: Request limit exceeded."]
    );
    assert_eq!(
        found.notes,
        ["DescribeLockedSnapshots: UnauthorizedOperation: \
          You are not authorized to perform this operation."]
    );
}

#[tokio::test]
async fn only_what_ec2_does_not_know_is_gone() {
    let instances: Vec<InstanceId> =
        (1..=201).map(|n| format!("i-{n:08x}").parse().unwrap()).collect();
    let mut sources: BTreeSet<Source> = instances.iter().copied().map(Source::Instance).collect();
    sources.insert(DATA.parse().unwrap());
    sources.insert("vol-00000009".parse().unwrap());
    let questions = BTreeMap::from([(region(), sources)]);
    for (fault_on, is_terminated, n_gone, n_notes) in [
        (None, false, 201, 0),
        (None, true, 202, 0),
        (Some("DescribeVolumes"), false, 200, 1),
        (Some("DescribeInstances"), false, 1, 2),
    ] {
        let sandbox = sandbox();
        let mut inventory = observe(&sandbox, &[region()]).await;
        if is_terminated {
            sandbox.set_instance_state(&region(), instances[0], InstanceState::Terminated);
        }
        if let Some(operation) = fault_on {
            sandbox.fail(Rule::every(operation), Fault::ErrorBefore);
        }
        ask_for_sources(&sandbox, &mut inventory, &questions).await;
        let found = &inventory.regions[&region()];
        assert_eq!((found.gone.len(), found.notes.len()), (n_gone, n_notes), "{fault_on:?}");
        assert_eq!(sandbox.n_calls("DescribeInstances"), 1 + 2);
        assert_eq!(sandbox.n_calls("DescribeVolumes"), 1 + 1);
    }
}

/// An account with 12 images: an instance of the first, a terminated one of the second, a launch
/// template of the third, an SSM parameter of the fourth; the last is shared.
fn with_images() -> (Sandbox, Vec<ImageId>) {
    let sandbox = sandbox();
    let ids: Vec<ImageId> = (1..=12).map(|n| format!("ami-{n:08x}").parse().unwrap()).collect();
    for id in &ids {
        sandbox.add_image(&region(), Image::plain(*id, &id.to_string()));
    }
    let instance = sandbox.inventory().regions.remove(&region()).unwrap().instances.remove(0);
    for (id, image_id, state) in [
        ("i-00000002", ids[0], InstanceState::Running),
        ("i-00000003", ids[1], InstanceState::Terminated),
    ] {
        let (id, image_id) = (id.parse().unwrap(), Some(image_id));
        sandbox.add_instance(&region(), Instance { id, state, image_id, ..instance.clone() });
    }
    sandbox.add_launch_template(&region(), "lt-1", ids[2]);
    sandbox.add_ssm_parameter(&region(), "/golden", ids[3]);
    sandbox.share(&region(), ids[11].into(), "000000000001");
    (sandbox, ids)
}

/// Asks about all images while the calls of `denied` fail; returns what is known of the region.
async fn ask_while_denied(denied: &[(&'static str, usize)]) -> (RegionInventory, Vec<ImageId>) {
    let (sandbox, ids) = with_images();
    sandbox.set(|settings| settings.page_items = 3);
    for (operation, n_to_skip) in denied {
        sandbox.fail(Rule::every(operation).after(*n_to_skip), Fault::Denied);
    }
    let mut inventory = observe(&sandbox, &[region()]).await;
    let questions = BTreeMap::from([(region(), ids.iter().copied().collect())]);
    ask_about_images(&sandbox, &mut inventory, &questions).await;
    (inventory.regions.remove(&region()).unwrap(), ids)
}

#[tokio::test]
async fn what_is_known_of_an_image_depends_on_what_may_be_asked() {
    const REFERENCES: &str = "DescribeImageReferences";
    const TEMPLATES: &str = "DescribeLaunchTemplateVersions";
    const SHARING: &str = "DescribeImageAttribute";
    const DENIED: &str = "UnauthorizedOperation: You are not authorized to perform this operation.";
    let partly = |n: usize| {
        format!(
            "{REFERENCES}: {DENIED} (images of which only instances and launch templates were \
             looked at: {n})"
        )
    };
    let unknown = |operation: &str| {
        format!("{REFERENCES}: {DENIED}; {operation}: {DENIED} (images whose use is not known: 12)")
    };
    let unshared = |n: usize| format!("{SHARING}: {DENIED} (images not known to be unshared: {n})");
    for (denied, n_answers, n_complete, users, n_asked, notes) in [
        (&[][..], 12, 12, 4, 12, vec![]),
        (&[(REFERENCES, 0)], 12, 0, 2, 12, vec![partly(12)]),
        // The second batch only.
        (&[(REFERENCES, 2)], 12, 10, 4, 12, vec![partly(2)]),
        // The second page of the first batch: what the first page says is kept.
        (&[(REFERENCES, 1)], 12, 0, 3, 12, vec![partly(12)]),
        (&[(REFERENCES, 0), (TEMPLATES, 0)], 0, 0, 0, 0, vec![unknown(TEMPLATES)]),
        (
            &[(REFERENCES, 0), ("DescribeInstances", 0)],
            0,
            0,
            0,
            0,
            vec![unknown("DescribeInstances")],
        ),
        (&[(SHARING, 0)], 12, 12, 4, 0, vec![unshared(12)]),
        (&[(SHARING, 11)], 12, 12, 4, 11, vec![unshared(1)]),
    ] {
        let (found, ids) = ask_while_denied(denied).await;
        let uses = &found.image_uses;
        assert_eq!(found.notes, notes, "{denied:?}");
        assert_eq!(uses.len(), n_answers, "{denied:?}");
        assert_eq!(uses.values().filter(|u| u.is_complete).count(), n_complete, "{denied:?}");
        assert_eq!(uses.values().map(|u| u.used_by.len()).sum::<usize>(), users, "{denied:?}");
        let asked = uses.values().filter(|u| u.shared_with.is_some()).count();
        assert_eq!(asked, n_asked, "{denied:?}");
        if 0 < n_answers {
            assert_eq!(uses[&ids[0]].used_by, ["instance i-00000002".into()]);
            assert_eq!(uses[&ids[2]].used_by, ["launch template lt-1".into()]);
        }
        if n_asked == 12 {
            assert_eq!(uses[&ids[11]].shared_with, Some(vec!["000000000001".into()]));
        }
    }
}

#[tokio::test]
async fn keys_are_known_or_there_is_a_reason() {
    let sandbox = sandbox();
    let arn = sandbox.add_key(&region(), "alias/backup", false, true);
    let mut inventory = observe(&sandbox, &[region()]).await;
    let names = ["alias/backup", "alias/other"].map(Into::into).into();
    let questions =
        BTreeMap::from([(region(), names), ("us-east-1".parse().unwrap(), BTreeSet::new())]);
    ask_about_keys(&sandbox, &mut inventory, &questions).await;
    let keys = &inventory.regions[&region()].keys;
    let KeyAnswer::Known(key) = &keys["alias/backup"] else { panic!("{keys:?}") };
    assert_eq!((&key.arn, key.is_enabled, key.is_symmetric), (&arn, false, true));
    let KeyAnswer::Missing(reason) = &keys["alias/other"] else { panic!("{keys:?}") };
    assert!(reason.starts_with("NotFoundException: "), "{reason}");
}

#[test]
fn observing_may_move_between_threads() {
    // What runs on Lambda must; a closure too much takes the bound away without a word.
    fn check(_: impl Send) {}
    let sandbox = &sandbox();
    let time = sandbox.time();
    check(time.drive(observe(sandbox, &[region()])));
    check(ask_for_sources(sandbox, &mut sandbox.inventory(), &BTreeMap::new()));
    check(ask_about_images(sandbox, &mut sandbox.inventory(), &BTreeMap::new()));
    check(ask_about_keys(sandbox, &mut sandbox.inventory(), &BTreeMap::new()));
}
