//! Who may use snapshots and images, and tags that are set later.

use snapbox::str;

use super::replay::{Answer, Replay, check, pairs, region};
use crate::cloud::{Cloud as _, Permissions};
use crate::domain::ids::ResourceId;

fn changes() -> Permissions {
    let accounts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Permissions {
        add: accounts(&["111122223333", "444455556666"]),
        remove: accounts(&["777788889999"]),
    }
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

#[tokio::test]
async fn accounts_may_make_volumes_of_a_snapshot() {
    let replay = Replay::new([Answer::file(200, "modify_snapshot_attribute.xml")]);
    let cloud = replay.cloud().await;
    let snapshot = id("snap-0123456789abcdef0");
    cloud.modify_permissions(&region(), snapshot, &changes()).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=ModifySnapshotAttribute
Version=2016-11-15
CreateVolumePermission.Add.1.UserId=111122223333
CreateVolumePermission.Add.2.UserId=444455556666
CreateVolumePermission.Remove.1.UserId=777788889999
SnapshotId=snap-0123456789abcdef0

"#]],
    );
}

#[tokio::test]
async fn accounts_may_launch_an_image() {
    let replay = Replay::new([Answer::file(200, "modify_image_attribute.xml")]);
    let cloud = replay.cloud().await;
    let image = id("ami-0abcdef1234567890");
    cloud.modify_permissions(&region(), image, &changes()).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=ModifyImageAttribute
Version=2016-11-15
ImageId=ami-0abcdef1234567890
LaunchPermission.Add.1.UserId=111122223333
LaunchPermission.Add.2.UserId=444455556666
LaunchPermission.Remove.1.UserId=777788889999

"#]],
    );
}

#[tokio::test]
async fn whoever_may_launch_an_image_is_listed() {
    let replay = Replay::new([Answer::file(200, "image_attribute.xml")]);
    let cloud = replay.cloud().await;
    let image = "ami-0abcdef1234567890".parse().unwrap();
    let shared_with = cloud.describe_launch_permissions(&region(), image).await.unwrap();
    assert_eq!(
        shared_with,
        [
            "111122223333",
            "group all",
            "arn:aws:organizations::123456789012:organization/o-123example",
            "arn:aws:organizations::123456789012:ou/o-123example/ou-1234-5example",
        ]
    );
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeImageAttribute
Version=2016-11-15
Attribute=launchPermission
ImageId=ami-0abcdef1234567890

"#]],
    );
}

#[tokio::test]
async fn tags_are_set_on_one_resource() {
    let replay = Replay::new([Answer::file(200, "create_tags.xml")]);
    let tags = pairs(&[("snapkeep:hold", "audit"), ("Name", "")]);
    let cloud = replay.cloud().await;
    cloud.create_tags(&region(), id("ami-0abcdef1234567890"), &tags).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateTags
Version=2016-11-15
ResourceId.1=ami-0abcdef1234567890
Tag.1.Key=snapkeep:hold
Tag.1.Value=audit
Tag.2.Key=Name
Tag.2.Value=

"#]],
    );
}
