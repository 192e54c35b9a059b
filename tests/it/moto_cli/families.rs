//! Images that a build made: copied, kept by family, and taken over only as far as a policy says.

use serde_json::{Value, json};
use snapbox::{assert_data_eq, file, str};

use super::Machine;
use super::scene::NOW;

pub(super) const BUILDS: &str = r#"
version = 1

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
family_tag = "Family"
select = { resource = "image", name = "golden-*", tags = { Stage = "release" } }
adopt = { tags = { Builder = "packer" } }
min_age = "3 days"
retention = { keep_last = 2, every = "1 week" }

[[policy.copy]]
to = "us-east-1"
encrypted = true
kms_key = "alias/golden"
retention = { every = "2 weeks" }
"#;

/// Builds of two families, and others that something speaks for. The last digits of an image's id
/// are those of its snapshots'.
pub(super) fn scene() -> Value {
    let mut images = Vec::new();
    let mut snapshots = Vec::new();
    let mut add = |n: u32, family: &str, day: &str, backing: &[u32], more: Value| {
        let mut image = json!({
            "id": format!("ami-000000{n:02}"), "name": format!("golden-{family}-{n}"),
            "creation_date": format!("{day}T12:00:00Z"),
            "tags": { "Builder": "packer", "Stage": "release", "Family": family },
            "snapshots": backing.iter().map(|n| format!("snap-000000{n:02}")).collect::<Vec<_>>(),
        });
        image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        images.push(image);
        for n in backing {
            // As Packer leaves them.
            let snapshot = json!({ "id": format!("snap-000000{n:02}"),
                "start_time": format!("{day}T11:55:00Z"),
                "tags": { "Builder": "packer" }, "volume": format!("vol-000000{n:02}"),
                "description": format!("Created by CreateImage(i-000000{n:02}) for ami-000000{n:02}"),
            });
            if !snapshots.contains(&snapshot) {
                snapshots.push(snapshot);
            }
        }
    };
    let none = || json!({});
    add(1, "web", "2026-10-01", &[1, 51], none());
    add(2, "web", "2026-10-02", &[2], none());
    add(3, "web", "2026-10-03", &[3], json!({ "shared_with": ["210987654321"] }));
    add(4, "web", "2026-10-04", &[4], json!({ "public": true }));
    add(5, "web", "2026-10-05", &[5], json!({ "protection": "enabled" }));
    add(6, "web", "2026-10-06", &[6], none());
    add(7, "web", "2026-10-07", &[7], none());
    add(8, "web", "2026-11-18", &[8], none());
    add(9, "web", "2026-11-19", &[9], none());
    // The other family's are all old: the newest two stay. Two of its images share a snapshot.
    add(21, "db", "2026-09-01", &[21], none());
    add(22, "db", "2026-09-02", &[21, 22], none());
    add(23, "db", "2026-09-03", &[23], none());
    add(24, "db", "2026-09-04", &[22, 24], none());
    // Nobody's.
    add(31, "web", "2026-09-01", &[31], json!({ "tags": { "Stage": "release" }, "name": "mine" }));
    json!({ "now": NOW, "regions": {
        "eu-west-1": {
            "images": images,
            "snapshots": snapshots,
            "instances": [{ "id": "i-00000001", "image": "ami-00000006", "state": "stopped" }],
            "launch_templates": [{ "id": "lt-00000001", "images": ["ami-00000002", "ami-00000009"] }],
            "references": [{ "image": "ami-00000007", "type": "ssm:Parameter",
                             "arn": "arn:aws:ssm:eu-west-1:123456789012:parameter/golden" }],
        },
        "us-east-1": { "keys": [{ "alias": "alias/golden",
                                  "id": "00000000-0000-0000-0000-000000000001" }] },
    } })
}

#[test]
fn old_builds_are_taken_over_unless_something_speaks_for_them() {
    let machine = Machine::new(&scene(), BUILDS);
    let mut transcript = machine.cycle(NOW);
    transcript += &machine.cycle("2026-11-20T03:20:10Z");
    assert_data_eq!(transcript, file!["families/adopted.txt"]);
    let left: Vec<String> = machine.images("eu-west-1").into_keys().collect();
    assert_data_eq!(
        left.join(" "),
        str![
            "ami-00000002 ami-00000003 ami-00000004 ami-00000005 ami-00000006 ami-00000007 ami-00000008 ami-00000009 ami-00000023 ami-00000024 ami-00000031"
        ]
    );
    let later = "2026-11-20T03:30:10Z";
    let plan = machine.snapkeep(&format!("plan --now {later} --exit-code --format json")).json(0);
    assert_eq!(plan["actions"], json!([]));
}

#[test]
fn snapshots_of_an_image_made_elsewhere_are_tagged_before_it_goes() {
    let machine = Machine::new(&scene(), BUILDS);
    machine.snapkeep(&format!("run --now {NOW}")).quiet(0);
    let calls = machine.moto.calls();
    let of = |action: &str, id: &str| {
        calls
            .iter()
            .position(|call| call.action == action && call.params.values().any(|value| value == id))
    };
    let [tagged, also_tagged, gone, deleted] = [
        of("CreateTags", "snap-00000001"),
        of("CreateTags", "snap-00000051"),
        of("DeregisterImage", "ami-00000001"),
        of("DeleteSnapshot", "snap-00000001"),
    ]
    .map(Option::unwrap);
    assert!(tagged < gone && also_tagged < gone && gone < deleted);
}

#[test]
fn what_could_not_be_tagged_is_not_deregistered() {
    let mut scene = scene();
    scene["refuse"] = json!([
        { "region": "eu-west-1", "action": "CreateTags", "code": "UnauthorizedOperation" },
    ]);
    let machine = Machine::new(&scene, BUILDS);
    let run = machine.snapkeep(&format!("run --now {NOW}"));
    assert_eq!(run.code, Some(1));
    // Of this one nothing is to be tagged: its snapshot backs another image.
    assert_eq!(machine.asked("eu-west-1", "DeregisterImage", "ImageId"), ["ami-00000021"]);
    assert_eq!(machine.asked("eu-west-1", "DeleteSnapshot", "SnapshotId"), [""; 0]);
}

#[test]
fn where_nobody_may_ask_what_uses_images_those_made_elsewhere_stay() {
    let mut scene = scene();
    scene["refuse"] = json!([
        { "region": "eu-west-1", "action": "DescribeImageReferences",
          "code": "UnauthorizedOperation" },
    ]);
    let machine = Machine::new(&scene, BUILDS);
    let plan = machine.snapkeep(&format!("plan --now {NOW} --region eu-west-1")).quiet(0);
    assert_data_eq!(
        plan,
        str![[r#"
Plan for 2026-11-20 03:00Z, account 123456789012

       0 to create
       0 to delete, 0 GiB of volumes
       4 kept
       8 kept although retention is over

eu-west-1 · golden
  keep 8 images although retention is over
    2026-09-01 12:00Z ami-00000021
        what uses the image is not known; would go: every ended 2026-09-08
        12:00Z
    2026-09-02 12:00Z ami-00000022
        what uses the image is not known; would go: every ended 2026-09-09
        12:00Z
    2026-10-01 12:00Z ami-00000001
        what uses the image is not known; would go: every ended 2026-10-08
        12:00Z
    2026-10-02 12:00Z ami-00000002
        used by launch template lt-00000001; would go: every ended 2026-10-09
        12:00Z
    2026-10-03 12:00Z ami-00000003
        what uses the image is not known; would go: every ended 2026-10-10
        12:00Z
    2026-10-05 12:00Z ami-00000005
        protected against deregistration; would go: every ended 2026-10-12
        12:00Z
    2026-10-06 12:00Z ami-00000006
        used by instance i-00000001; would go: every ended 2026-10-13 12:00Z
    2026-10-07 12:00Z ami-00000007
        what uses the image is not known; would go: every ended 2026-10-14
        12:00Z
  keep 4 images
       2  every; keep_last
       2  keep_last

notes
  eu-west-1: 15 snapshots left alone: backs an image and goes with it
  eu-west-1: DescribeImageReferences: UnauthorizedOperation: You are not
    authorized to perform this operation. User:
    arn:aws:iam::123456789012:user/backup is not authorized to perform:
    ec2:DescribeImageReferences because no identity-based policy allows the
    ec2:DescribeImageReferences action (images of which only instances and
    launch templates were looked at: 6)

"#]]
    );
}
