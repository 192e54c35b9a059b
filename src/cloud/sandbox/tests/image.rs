use chrono::TimeDelta;

use super::{
    DATA, ROOT, code, image_request, images, region, sandbox, single, snapshots, start, volume,
};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CloudError, CreateImage, ImageFilter};
use crate::domain::ids::{ImageId, InstanceId};
use crate::domain::inventory::{Image, ImageState, InstanceState, SnapshotState};

fn instance() -> InstanceId {
    "i-00000001".parse().unwrap()
}

fn id() -> ImageId {
    "ami-00000001".parse().unwrap()
}

#[tokio::test]
async fn an_image_lists_its_snapshots_once_all_are_complete() {
    let sandbox = sandbox();
    sandbox.encrypt_volume(&region(), ROOT.parse().unwrap());
    let tag = |key: &str| vec![(key.to_owned(), "1".to_owned())];
    let (image_tags, snapshot_tags) = (tag("of-image"), tag("of-snapshot"));
    let request = CreateImage { image_tags, snapshot_tags, ..image_request() };
    let id = sandbox.create_image(&region(), &request).await.unwrap();

    let [pending] = &images(&sandbox)[..] else { panic!() };
    assert_eq!((pending.id, pending.state, pending.size_gib), (id, ImageState::Pending, 16));
    assert_eq!((&pending.snapshot_ids[..], pending.created_at), (&[][..], Some(start())));
    assert!(pending.tags.has("of-image") && !pending.tags.has("of-snapshot"));
    let made: Vec<_> =
        snapshots(&sandbox).into_iter().filter(|s| s.tags.has("of-snapshot")).collect();
    let expected = format!("Created by CreateImage(i-00000001) for {id}");
    assert!(made.iter().all(|s| s.state == SnapshotState::Pending && *s.description == *expected));
    assert_eq!(made.iter().filter(|s| s.is_encrypted && s.kms_key_id.is_some()).count(), 1);

    sandbox.time().advance_to(start() + TimeDelta::minutes(1));
    let [available] = &images(&sandbox)[..] else { panic!() };
    assert_eq!((available.state, available.is_encrypted), (ImageState::Available, false));
    let mut listed = available.snapshot_ids.clone();
    listed.sort();
    assert_eq!(listed, made.iter().map(|s| s.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_image_fails_with_one_of_its_snapshots() {
    for (break_it, reason, n_listed) in [
        (
            (|s, id| s.fail_snapshot(&region(), id, "Internal error")) as fn(&Sandbox, _),
            "Internal error",
            2,
        ),
        (|s, id| s.remove_snapshot(&region(), id), "Snapshot was deleted", 1),
    ] {
        let sandbox = sandbox();
        sandbox.create_image(&region(), &image_request()).await.unwrap();
        let made = snapshots(&sandbox).into_iter().find(|s| s.state == SnapshotState::Pending);
        break_it(&sandbox, made.unwrap().id);
        let [image] = &images(&sandbox)[..] else { panic!() };
        assert_eq!(image.state, ImageState::Failed);
        assert_eq!(image.state_message.as_deref(), Some(reason));
        assert_eq!(image.snapshot_ids.len(), n_listed);
    }
}

#[tokio::test]
async fn what_ec2_makes_no_image_of_is_refused() {
    let named = |name: &str| CreateImage { name: name.to_owned(), ..image_request() };
    let without =
        |device: &str| CreateImage { left_out_devices: vec![device.to_owned()], ..image_request() };
    let nothing = || Box::new(|_: &_| ()) as Box<dyn Fn(&Sandbox)>;
    for (change, request, expected) in [
        (nothing(), image_request(), "ok"),
        (nothing(), named("ab"), "InvalidAMIName.Malformed"),
        (nothing(), named(&"a".repeat(128)), "ok"),
        (nothing(), named(&"a".repeat(129)), "InvalidAMIName.Malformed"),
        (nothing(), named("(a) [b] c.d/e-f'g@h_9"), "ok"),
        (nothing(), named("daily 03:00"), "InvalidAMIName.Malformed"),
        (nothing(), named("täglich"), "InvalidAMIName.Malformed"),
        (
            Box::new(|s| s.add_image(&region(), Image::plain(id(), "web-1"))),
            image_request(),
            "InvalidAMIName.Duplicate",
        ),
        (nothing(), without("/dev/sdf"), "ok"),
        (nothing(), without("/dev/xvda"), "InvalidBlockDeviceMapping"),
        (nothing(), without("/dev/sdz"), "InvalidBlockDeviceMapping"),
        (
            nothing(),
            CreateImage { description: "d".repeat(256), ..image_request() },
            "InvalidParameterValue",
        ),
        (
            Box::new(|s| s.remove_instance(&region(), instance())),
            image_request(),
            "InvalidInstanceID.NotFound",
        ),
        (
            Box::new(|s| s.set_instance_state(&region(), instance(), InstanceState::Terminated)),
            image_request(),
            "IncorrectInstanceState",
        ),
        (
            Box::new(|s| s.set_instance_state(&region(), instance(), InstanceState::Stopped)),
            image_request(),
            "ok",
        ),
        (
            Box::new(|s| s.remove_volume(&region(), DATA.parse().unwrap())),
            image_request(),
            "InvalidVolume.NotFound",
        ),
    ] {
        let sandbox = sandbox();
        change(&sandbox);
        let n_before = images(&sandbox).len();
        let res = sandbox.create_image(&region(), &request).await;
        let is_made = res.is_ok();
        assert_eq!(code(res), expected, "{request:?}");
        assert_eq!(images(&sandbox).len(), n_before + usize::from(is_made));
        let n_left_out = request.left_out_devices.len();
        let n_made = if is_made { 2 - n_left_out } else { 0 };
        assert_eq!(snapshots(&sandbox).len(), 1 + n_made, "{request:?}");
    }
}

#[tokio::test]
async fn the_rules_of_each_volume_hold_for_images_too() {
    let sandbox = sandbox();
    let second = CreateImage { name: "web-2".to_owned(), ..image_request() };
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    for (seconds, expected) in [
        (14, "SnapshotCreationPerVolumeRateExceeded"),
        (15, "ok"),
        (15, "InvalidAMIName.Duplicate"),
    ] {
        sandbox.time().advance_to(start() + TimeDelta::seconds(seconds));
        // The volumes are looked at first.
        if expected == "InvalidAMIName.Duplicate" {
            sandbox.time().advance_to(start() + TimeDelta::minutes(1));
        }
        let res = sandbox.create_image(&region(), &image_request()).await;
        assert_eq!(code(res), expected, "after {seconds} s");
    }
    sandbox.add_volume(&region(), volume(DATA, "st1"));
    sandbox.create_snapshot(&region(), &single(DATA)).await.unwrap();
    sandbox.time().advance_to(start() + TimeDelta::seconds(76));
    let res = sandbox.create_image(&region(), &second).await;
    assert_eq!(code(res), "ConcurrentSnapshotLimitExceeded");
}

#[tokio::test]
async fn only_who_asks_for_it_reboots() {
    for (no_reboot, expected) in [(true, 0), (false, 1)] {
        let sandbox = sandbox();
        let request = CreateImage { no_reboot, ..image_request() };
        sandbox.create_image(&region(), &request).await.unwrap();
        assert_eq!(sandbox.n_reboots(instance()), expected);
    }
}

#[tokio::test]
async fn faults_befall_images_too() {
    for (fault, expected, n_made) in [
        (Fault::LostReply, "InternalError", 1),
        (Fault::ErrorBefore, "InternalError", 0),
        (Fault::Throttled, "RequestLimitExceeded", 0),
        (Fault::Denied, "UnauthorizedOperation", 0),
        (Fault::InstanceVanishes, "IncorrectInstanceState", 0),
        (Fault::SnapshotsFail, "ok", 1),
    ] {
        let sandbox = sandbox();
        sandbox.fail(Rule::next("CreateImage").naming(&instance()), fault.clone());
        let res = sandbox.create_image(&region(), &image_request()).await;
        assert_eq!(code(res), expected, "{fault:?}");
        sandbox.time().advance_to(start() + TimeDelta::hours(1));
        let found = images(&sandbox);
        assert_eq!(found.len(), n_made, "{fault:?}");
        let n_failed = found.iter().filter(|i| i.state == ImageState::Failed).count();
        assert_eq!(n_failed, usize::from(fault == Fault::SnapshotsFail));
    }
}

#[tokio::test]
async fn what_is_protected_is_not_deregistered() {
    for (change, expected) in [
        (None::<fn(&mut Image)>, "ok"),
        (Some(|i| i.state = ImageState::Disabled), "ok"),
        (Some(|i| i.state = ImageState::Failed), "ok"),
        (Some(|i| i.state = ImageState::Pending), "InvalidAMIID.Unavailable"),
        (Some(|i| i.is_protected = true), "OperationNotPermitted"),
        (
            Some(|i| i.tags = [("aws:backup:source-resource", "arn")].into_iter().collect()),
            "InvalidParameterValue",
        ),
    ] {
        let sandbox = sandbox();
        sandbox.add_image(&region(), Image::plain(id(), "web-1"));
        if let Some(change) = change {
            sandbox.change_image(&region(), id(), change);
        }
        let res = sandbox.deregister_image(&region(), id()).await;
        assert_eq!(images(&sandbox).len(), usize::from(res.is_err()));
        let kind = res.as_ref().err().map(|err| format!("{:?}", err.kind));
        assert_eq!(code(res), expected);
        if expected == "InvalidParameterValue" {
            assert_eq!(kind.as_deref(), Some("Protected"));
        }
    }
    let res = sandbox().deregister_image(&region(), id()).await;
    let text = res.as_ref().map_or_else(CloudError::reason, |()| "ok".to_owned());
    assert_eq!(text, "InvalidAMIID.NotFound: The image id '[ami-00000001]' does not exist");
}

#[tokio::test]
async fn snapshots_outlive_their_image_and_not_the_other_way_round() {
    let sandbox = sandbox();
    let id = sandbox.create_image(&region(), &image_request()).await.unwrap();
    let made = snapshots(&sandbox).into_iter().find(|s| s.state == SnapshotState::Pending);
    let snapshot_id = made.unwrap().id;
    let delete = async || sandbox.delete_snapshot(&region(), snapshot_id).await;
    assert_eq!(code(delete().await), "InvalidSnapshot.InUse", "the image is pending");
    sandbox.time().advance_to(start() + TimeDelta::minutes(1));
    assert_eq!(code(delete().await), "InvalidSnapshot.InUse", "the image is available");
    sandbox.deregister_image(&region(), id).await.unwrap();
    assert_eq!(snapshots(&sandbox).len(), 3);
    delete().await.unwrap();
    let res = sandbox.create_image(&region(), &image_request()).await;
    assert_eq!(code(res), "ok", "the name is free again");
}

#[tokio::test]
async fn images_are_deprecated_in_the_future_only() {
    let sandbox = sandbox();
    sandbox.add_image(&region(), Image::plain(id(), "web-1"));
    for (seconds, expected) in [(-1, "InvalidParameterValue"), (60, "ok"), (30, "ok")] {
        let at = start() + TimeDelta::seconds(seconds);
        let before = images(&sandbox)[0].deprecated_at;
        let res = sandbox.enable_image_deprecation(&region(), id(), at).await;
        let expected_at = if res.is_ok() { Some(at) } else { before };
        assert_eq!(code(res), expected, "{seconds}");
        assert_eq!(images(&sandbox)[0].deprecated_at, expected_at);
    }
    let missing = "ami-00000009".parse().unwrap();
    let at = start() + TimeDelta::days(1);
    let res = sandbox.enable_image_deprecation(&region(), missing, at).await;
    assert_eq!(code(res), "InvalidAMIID.NotFound");
}

#[tokio::test]
async fn images_are_listed_by_ids_and_tags_in_pages() {
    let sandbox = sandbox();
    sandbox.set(|settings| settings.page_items = 2);
    for n in 1..=5_u32 {
        let image = Image {
            tags: [("n", (n % 2).to_string())].into_iter().collect(),
            ..Image::plain(format!("ami-{n:08x}").parse().unwrap(), &format!("web-{n}"))
        };
        sandbox.add_image(&region(), image);
    }
    let ids = |ids: &[u32]| {
        ImageFilter::Ids(ids.iter().map(|n| format!("ami-{n:08x}").parse().unwrap()).collect())
    };
    let tag = |value: &str| ImageFilter::Tags(vec![("n".to_owned(), value.to_owned())]);
    for (filter, expected) in [
        (ImageFilter::All, &[2, 2, 1][..]),
        (ids(&[1, 2, 9]), &[2]),
        (tag("1"), &[2, 1]),
        (tag("*"), &[0]),
    ] {
        let mut sizes = Vec::new();
        let mut token = None;
        loop {
            let page = sandbox.describe_images(&region(), &filter, token).await.unwrap();
            sizes.push(page.items.len());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(sizes, expected, "{filter:?}");
    }
    let res = sandbox.describe_images(&region(), &ids(&[]), None).await;
    assert_eq!(code(res), "InvalidParameterValue");

    sandbox.set(|settings| settings.invisible_for = TimeDelta::seconds(3));
    let request = CreateImage { name: "new".to_owned(), ..image_request() };
    let id = sandbox.create_image(&region(), &request).await.unwrap();
    let filter = ImageFilter::Ids(vec![id]);
    for (seconds, expected) in [(2, 0), (3, 1)] {
        sandbox.time().advance_to(start() + TimeDelta::seconds(seconds));
        let page = sandbox.describe_images(&region(), &filter, None).await.unwrap();
        assert_eq!(page.items.len(), expected, "after {seconds} s");
    }
}
