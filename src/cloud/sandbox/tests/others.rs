use chrono::TimeDelta;

use super::{
    code, copy_request, elsewhere, image_request, region, sandbox, set, single, snapshot, start,
};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, ImageReference, Permissions, Probe};
use crate::domain::ids::{ImageId, ResourceId, SnapshotId};
use crate::domain::inventory::{
    Image, Instance, InstanceState, Inventory, Snapshot, SnapshotState,
};

fn snapshot_id() -> SnapshotId {
    "snap-00000001".parse().unwrap()
}

fn image_id() -> ImageId {
    "ami-00000001".parse().unwrap()
}

/// An account with an image of its one snapshot.
fn with_image() -> Sandbox {
    let sandbox = sandbox();
    let image = Image { snapshot_ids: vec![snapshot_id()], ..Image::plain(image_id(), "web-1") };
    sandbox.add_image(&region(), image);
    sandbox
}

fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn tags_are_added_and_changed() {
    let many: Vec<(String, String)> = (0..50).map(|n| (n.to_string(), String::new())).collect();
    let long = "v".repeat(257);
    for (asked, expected) in [
        (pairs(&[("a", "1"), ("b", "2")]), "ok"),
        (pairs(&[("kept", "new")]), "ok"),
        (pairs(&[("aws:x", "1")]), "InvalidParameterValue"),
        (pairs(&[("a", &long)]), "InvalidParameterValue"),
        (pairs(&[]), "MissingParameter"),
        (many, "TagLimitExceeded"),
    ] {
        let sandbox = with_image();
        for id in [ResourceId::Snapshot(snapshot_id()), ResourceId::Image(image_id())] {
            sandbox.create_tags(&region(), id, &pairs(&[("kept", "old")])).await.unwrap();
            let res = sandbox.create_tags(&region(), id, &asked).await;
            let is_done = res.is_ok();
            assert_eq!(code(res), expected, "{id}");
            let found = sandbox.inventory().regions.remove(&region()).unwrap();
            let tags = match id {
                ResourceId::Snapshot(_) => &found.snapshots[0].tags,
                ResourceId::Image(_) => &found.images[0].tags,
            };
            let has = |(key, value): &(String, String)| tags.get(key) == Some(value);
            assert_eq!(asked.iter().all(has), is_done || asked.is_empty(), "{id} {asked:?}");
            assert!(tags.has("kept"));
        }
    }
    for (id, expected) in
        [("snap-00000009", "InvalidSnapshot.NotFound"), ("ami-00000009", "InvalidAMIID.NotFound")]
    {
        let res = sandbox().create_tags(&region(), id.parse().unwrap(), &pairs(&[("a", "")])).await;
        assert_eq!(code(res), expected);
    }
}

#[tokio::test]
async fn what_is_shared_is_shared_with_accounts() {
    let accounts = |n: &[u64]| n.iter().map(|n| format!("{n:012}")).collect::<Vec<_>>();
    let sandbox = with_image();
    for id in [ResourceId::Snapshot(snapshot_id()), ResourceId::Image(image_id())] {
        for (add, remove, expected) in
            [(&[2, 1][..], &[][..], &[1, 2][..]), (&[2, 3], &[1], &[2, 3]), (&[], &[9], &[2, 3])]
        {
            let permissions = Permissions { add: accounts(add), remove: accounts(remove) };
            sandbox.modify_permissions(&region(), id, &permissions).await.unwrap();
            assert_eq!(sandbox.shared_with(&region(), id), accounts(expected));
        }
    }
    let read = async || sandbox.describe_launch_permissions(&region(), image_id()).await;
    assert_eq!(read().await.unwrap(), accounts(&[2, 3]));
    sandbox.change_image(&region(), image_id(), |image| image.is_public = true);
    assert_eq!(read().await.unwrap().last().map(String::as_str), Some("group all"));
    sandbox.deregister_image(&region(), image_id()).await.unwrap();
    assert_eq!(code(read().await), "InvalidAMIID.Unavailable");
    assert!(sandbox.shared_with(&region(), image_id().into()).is_empty());
    assert_eq!(sandbox.n_calls("ModifySnapshotAttribute"), 3);
    assert_eq!(sandbox.n_calls("ModifyImageAttribute"), 3);
}

#[tokio::test]
async fn what_the_default_key_encrypts_cannot_be_shared() {
    let custom = |s: &Sandbox| Some(s.add_key(&region(), "alias/k", true, true));
    for (key, account, expected) in [
        (custom as fn(&Sandbox) -> _, "000000000001", "ok"),
        (custom, "1", "InvalidParameterValue"),
        (|_| None, "000000000001", "InvalidParameterValue"),
    ] {
        let sandbox = with_image();
        let kms_key_id = key(&sandbox);
        let encrypted = Snapshot {
            is_encrypted: true,
            kms_key_id,
            ..snapshot("snap-00000001", SnapshotState::Completed)
        };
        sandbox.add_snapshot(&region(), encrypted);
        for id in [ResourceId::Snapshot(snapshot_id()), ResourceId::Image(image_id())] {
            let permissions = Permissions { add: vec![account.to_owned()], remove: vec![] };
            let res = sandbox.modify_permissions(&region(), id, &permissions).await;
            assert_eq!(code(res), expected, "{id}");
        }
    }
    let sandbox = sandbox();
    let key = sandbox.describe_key(&region(), "alias/aws/ebs").await.unwrap();
    sandbox.encrypt_volume(&region(), super::DATA.parse().unwrap());
    let made = sandbox.create_snapshot(&region(), &single(super::DATA)).await.unwrap();
    let found = super::snapshots(&sandbox).into_iter().find(|s| s.id == made.snapshot_id);
    assert_eq!(found.unwrap().kms_key_id, Some(key.arn));
}

#[tokio::test]
async fn what_refers_to_images_is_listed() {
    let sandbox = with_image();
    let instances = sandbox.inventory().regions.remove(&region()).unwrap().instances;
    for (id, state) in
        [("i-00000002", InstanceState::Stopped), ("i-00000003", InstanceState::Terminated)]
    {
        let image_id = Some(image_id());
        let instance =
            Instance { id: id.parse().unwrap(), image_id, state, ..instances[0].clone() };
        sandbox.add_instance(&region(), instance);
    }
    let other: ImageId = "ami-00000002".parse().unwrap();
    sandbox.add_launch_template(&region(), "lt-1", image_id());
    sandbox.add_launch_template(&region(), "lt-2", other);
    sandbox.add_ssm_parameter(&region(), "/golden", image_id());
    sandbox.set(|settings| settings.page_items = 2);
    let all = async |ids: &[ImageId]| {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let page = sandbox.describe_image_references(&region(), ids, token).await?;
            found.extend(page.items.into_iter().map(|ImageReference { by, .. }| by));
            token = page.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    };
    let expected = [
        "instance i-00000002",
        "instance i-00000003",
        "launch template lt-1",
        "SSM parameter /golden",
    ];
    assert_eq!(all(&[image_id()]).await.unwrap(), expected);
    assert_eq!(all(&[image_id(), other]).await.unwrap().len(), 5);
    assert_eq!(code(all(&[]).await), "InvalidParameterValue");
    assert_eq!(code(all(&[other; 10]).await), "ok");
    assert_eq!(code(all(&[other; 11]).await), "InvalidParameterValue");
    let page = sandbox.describe_launch_template_images(&region(), None).await.unwrap();
    assert_eq!(
        page.items[1],
        ImageReference { image_id: other, by: "launch template lt-2".into() }
    );
}

#[tokio::test]
async fn keys_have_aliases_ids_and_arns() {
    let sandbox = sandbox();
    let arn = sandbox.add_key(&region(), "alias/backup", true, false);
    let id = arn.rsplit('/').next().unwrap();
    let alias_arn = "arn:aws:kms:eu-west-1:123456789012:alias/backup";
    for name in ["alias/backup", id, &arn, alias_arn] {
        let key = sandbox.describe_key(&region(), name).await.unwrap();
        assert_eq!((&key.arn, key.is_enabled, key.is_symmetric), (&arn, true, false), "{name}");
    }
    for name in ["alias/other", "alias/back", "1234", ""] {
        let err = sandbox.describe_key(&region(), name).await.unwrap_err();
        assert_eq!(
            (&*err.code, format!("{:?}", err.kind)),
            ("NotFoundException", "NotFound".into())
        );
    }
    sandbox.add_region(&elsewhere());
    let res = sandbox.describe_key(&elsewhere(), &arn).await;
    assert_eq!(code(res), "NotFoundException", "keys are regional");

    let encryption = sandbox.ebs_encryption(&region()).await.unwrap();
    assert_eq!((encryption.is_by_default, &*encryption.kms_key_id), (false, "alias/aws/ebs"));
    sandbox.set_encryption_by_default(&region(), true);
    sandbox.set_default_key(&region(), Some(&arn));
    let encryption = sandbox.ebs_encryption(&region()).await.unwrap();
    assert_eq!((encryption.is_by_default, &*encryption.kms_key_id), (true, &*arn));
}

#[tokio::test]
async fn asking_whether_a_call_is_allowed_changes_nothing() {
    for (probe, named) in [
        (Probe::CreateSnapshots(set()), "i-00000001"),
        (Probe::CreateSnapshot(single(super::DATA)), super::DATA),
        (Probe::CreateImage(image_request()), "i-00000001"),
        (Probe::CopySnapshot(copy_request()), "snap-00000001"),
        (Probe::DeleteSnapshot(snapshot_id()), "snap-00000001"),
        (Probe::DeregisterImage(image_id()), "ami-00000001"),
        (Probe::CreateTags(image_id().into()), "ami-00000001"),
        (Probe::ModifyPermissions(snapshot_id().into()), "snap-00000001"),
        (Probe::EnableImageDeprecation(image_id()), "ami-00000001"),
    ] {
        let sandbox = with_image();
        let before = format!("{:?}", sandbox.inventory());
        let ask = async || sandbox.dry_run(&region(), &probe).await;
        assert_eq!(code(ask().await), "ok", "{probe:?}");
        sandbox.fail(Rule::next(probe.operation()).naming(&"other"), Fault::Denied);
        sandbox.fail(Rule::next(probe.operation()), Fault::ErrorBefore);
        assert_eq!(code(ask().await), "ok", "{probe:?}");
        sandbox.fail(Rule::next(probe.operation()).naming(&named), Fault::Denied);
        for _ in 0..2 {
            assert_eq!(code(ask().await), "UnauthorizedOperation", "{probe:?}");
        }
        assert_eq!(format!("{:?}", sandbox.inventory()), before);
        assert_eq!(sandbox.n_calls(probe.operation()), 0);
    }
    let probe = Probe::DeleteSnapshot(snapshot_id());
    assert_eq!(code(sandbox().dry_run(&elsewhere(), &probe).await), "AuthFailure");
}

#[tokio::test]
async fn an_account_made_from_an_inventory_finishes_its_images() {
    let sandbox = sandbox();
    sandbox.add_region(&elsewhere());
    let id = sandbox.create_image(&region(), &image_request()).await.unwrap();
    let mut inventory: Inventory = sandbox.inventory();
    let found = inventory.regions.get_mut(&region()).unwrap();
    let image_use = crate::domain::inventory::ImageUse {
        used_by: vec!["SSM parameter /x".into(), "launch template lt-1".into()],
        shared_with: Some(vec!["000000000001".into()]),
        is_complete: true,
    };
    found.image_uses.insert(id, image_use);
    let copy = Sandbox::from_inventory(&inventory, start());
    assert_eq!(copy.shared_with(&region(), id.into()), ["000000000001"]);
    let page = copy.describe_image_references(&region(), &[id], None).await.unwrap();
    assert_eq!(page.items.len(), 2);
    copy.time().advance_to(start() + TimeDelta::hours(1));
    let images = super::images(&copy);
    let image = images.iter().find(|image| image.id == id).unwrap();
    assert_eq!((image.state.name(), image.snapshot_ids.len()), ("available", 2));
}
