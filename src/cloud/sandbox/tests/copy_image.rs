use chrono::TimeDelta;

use super::{
    code, copy_request, elsewhere, image_request, images, region, sandbox, snapshot, start,
};
use crate::cloud::sandbox::{Fault, Rule, Sandbox};
use crate::cloud::{Cloud as _, CopyImage};
use crate::domain::ids::ImageId;
use crate::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};

fn source() -> ImageId {
    "ami-00000001".parse().unwrap()
}

fn request() -> CopyImage {
    CopyImage {
        source_region: region(),
        source_image_id: source(),
        name: "web-1".to_owned(),
        description: "a copy".to_owned(),
        encrypted: false,
        kms_key_id: None,
        completion_minutes: None,
        client_token: "token".to_owned(),
        image_tags: vec![("of-image".to_owned(), String::new())],
        snapshot_tags: vec![("of-snapshot".to_owned(), String::new())],
    }
}

/// An account with an image of two snapshots and another region.
fn with_image() -> Sandbox {
    let sandbox = sandbox();
    sandbox.add_region(&elsewhere());
    sandbox.add_snapshot(&region(), snapshot("snap-00000002", SnapshotState::Completed));
    let snapshot_ids = ["snap-00000001", "snap-00000002"].map(|id| id.parse().unwrap()).to_vec();
    let image = Image {
        snapshot_ids,
        size_gib: 16,
        is_public: true,
        is_protected: true,
        deprecated_at: Some(start()),
        tags: [("Name", "web")].into_iter().collect(),
        ..Image::plain(source(), "web-1")
    };
    sandbox.add_image(&region(), image);
    sandbox
}

fn copies(sandbox: &Sandbox) -> (Vec<Image>, Vec<Snapshot>) {
    let found = sandbox.inventory().regions.remove(&elsewhere()).unwrap();
    (found.images, found.snapshots)
}

async fn copy(sandbox: &Sandbox, request: &CopyImage) -> String {
    code(sandbox.copy_image(&elsewhere(), request).await)
}

#[tokio::test]
async fn a_copy_of_an_image_lists_its_snapshots_once_they_are_copied() {
    let sandbox = with_image();
    let id = sandbox.copy_image(&elsewhere(), &request()).await.unwrap();
    let (made, snapshots) = copies(&sandbox);
    let expected = Image {
        description: "a copy".into(),
        state: ImageState::Pending,
        created_at: Some(start()),
        size_gib: 16,
        source_image_id: Some(source()),
        source_image_region: Some(region()),
        tags: [("of-image", "")].into_iter().collect(),
        ..Image::plain(id, "web-1")
    };
    assert_eq!(made, [expected]);
    let mut descriptions: Vec<_> = snapshots.iter().map(|s| s.description.to_string()).collect();
    descriptions.sort();
    let expected_descriptions = [1, 2].map(|n| {
        format!(
            "Copied for DestinationAmi {id} from SourceAmi ami-00000001 for SourceSnapshot \
             snap-0000000{n}."
        )
    });
    assert_eq!(descriptions, expected_descriptions);
    assert!(snapshots.iter().all(|s| s.volume_id.unwrap().is_placeholder()));
    assert!(snapshots.iter().all(|s| s.tags.has("of-snapshot") && !s.tags.has("of-image")));

    sandbox.time().advance_to(start() + TimeDelta::hours(1));
    let (made, _) = copies(&sandbox);
    assert_eq!((made[0].state, made[0].snapshot_ids.len()), (ImageState::Available, 2));
    assert_eq!(images(&sandbox).len(), 1);
}

type Change = fn(&mut Image);

#[tokio::test]
async fn what_cannot_be_copied_is_refused() {
    let named = |name: &str| CopyImage { name: name.to_owned(), ..request() };
    for (change, request, expected) in [
        (None::<Change>, request(), "ok"),
        (
            Some((|i| i.state = ImageState::Pending) as Change),
            request(),
            "InvalidAMIID.Unavailable",
        ),
        (Some(|i| i.state = ImageState::Disabled), request(), "InvalidAMIID.Unavailable"),
        (Some(|i| i.has_product_codes = true), request(), "InvalidRequest"),
        (Some(|i| i.is_instance_store = true), request(), "InvalidRequest"),
        (
            Some(|i| i.snapshot_ids.push("snap-00000009".parse().unwrap())),
            request(),
            "InvalidRequest",
        ),
        (
            None,
            CopyImage { source_image_id: "ami-00000009".parse().unwrap(), ..request() },
            "InvalidAMIID.NotFound",
        ),
        (None, named("a"), "InvalidAMIName.Malformed"),
        (None, named("taken"), "InvalidAMIName.Duplicate"),
        (None, CopyImage { completion_minutes: Some(7), ..request() }, "InvalidParameterValue"),
        (None, CopyImage { client_token: "t".repeat(129), ..request() }, "InvalidParameterValue"),
    ] {
        let sandbox = with_image();
        sandbox.add_image(&elsewhere(), Image::plain("ami-00000002".parse().unwrap(), "taken"));
        if let Some(change) = change {
            sandbox.change_image(&region(), source(), change);
        }
        assert_eq!(copy(&sandbox, &request).await, expected, "{request:?}");
        let n_made = usize::from(expected == "ok");
        let (images, snapshots) = copies(&sandbox);
        assert_eq!((images.len(), snapshots.len()), (1 + n_made, 2 * n_made), "{request:?}");
    }
}

#[tokio::test]
async fn the_same_token_makes_no_second_image() {
    let sandbox = with_image();
    sandbox.fail(Rule::next("CopyImage").naming(&source()), Fault::LostReply);
    assert_eq!(copy(&sandbox, &request()).await, "InternalError");
    let (made, _) = copies(&sandbox);
    let again = sandbox.copy_image(&elsewhere(), &request()).await.unwrap();
    assert_eq!(again, made[0].id);
    let other = CopyImage { description: "another".to_owned(), ..request() };
    assert_eq!(copy(&sandbox, &other).await, "IdempotentParameterMismatch");
    let other = CopyImage { client_token: "another".to_owned(), ..request() };
    assert_eq!(copy(&sandbox, &other).await, "InvalidAMIName.Duplicate");
    assert_eq!(copies(&sandbox).0.len(), 1);

    // Even of an image that is gone, until the token is forgotten.
    sandbox.time().advance_to(start() + TimeDelta::hours(1));
    sandbox.deregister_image(&elsewhere(), again).await.unwrap();
    assert_eq!(sandbox.copy_image(&elsewhere(), &request()).await.unwrap(), again);
    sandbox.time().advance_to(start() + TimeDelta::hours(24));
    assert_ne!(sandbox.copy_image(&elsewhere(), &request()).await.unwrap(), again);
}

#[tokio::test]
async fn copies_of_images_and_of_snapshots_share_one_limit() {
    let sandbox = with_image();
    for n in 0..10 {
        let request =
            CopyImage { name: format!("web-{n}"), client_token: n.to_string(), ..request() };
        assert_eq!(copy(&sandbox, &request).await, "ok");
    }
    let last = CopyImage { name: "last".to_owned(), client_token: "x".to_owned(), ..request() };
    assert_eq!(copy(&sandbox, &last).await, "ResourceLimitExceeded");
    let res = sandbox.copy_snapshot(&elsewhere(), &copy_request()).await;
    assert_eq!(code(res), "ResourceLimitExceeded");
    sandbox.time().advance_to(start() + TimeDelta::hours(1));
    assert_eq!(copy(&sandbox, &last).await, "ok");
}

#[tokio::test]
async fn an_image_fails_with_the_key_of_its_copies() {
    for (is_enabled, expected) in [(true, ImageState::Available), (false, ImageState::Failed)] {
        let sandbox = with_image();
        let arn = sandbox.add_key(&elsewhere(), "alias/k", is_enabled, true);
        let request = CopyImage { encrypted: true, kms_key_id: Some(arn.to_string()), ..request() };
        assert_eq!(copy(&sandbox, &request).await, "ok");
        sandbox.time().advance_to(start() + TimeDelta::hours(1));
        let (images, snapshots) = copies(&sandbox);
        assert_eq!((images[0].state, images[0].is_encrypted), (expected, true));
        assert!(snapshots.iter().all(|s| s.kms_key_id.as_ref() == Some(&arn)));
        let message = (!is_enabled).then_some("Given key ID is not accessible");
        assert_eq!(images[0].state_message.as_deref(), message);
        assert_eq!(snapshots[0].state_message.as_deref(), message);
    }
}

#[tokio::test]
async fn an_image_made_here_can_be_copied_once_it_is_available() {
    let sandbox = sandbox();
    sandbox.add_region(&elsewhere());
    let id = sandbox.create_image(&region(), &image_request()).await.unwrap();
    let request = CopyImage { source_image_id: id, ..request() };
    assert_eq!(copy(&sandbox, &request).await, "InvalidAMIID.Unavailable");
    sandbox.time().advance_to(start() + TimeDelta::minutes(5));
    assert_eq!(copy(&sandbox, &request).await, "ok");
}
