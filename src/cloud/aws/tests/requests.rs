//! What is sent: exactly these parameters, once.

use snapbox::str;

use super::replay::{Answer, Replay, check, pairs, region};
use crate::cloud::{Cloud as _, CreateSnapshot, CreateSnapshots, SnapshotFilter};
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};

#[tokio::test]
async fn only_own_snapshots_are_listed_page_by_page() {
    let replay = Replay::new([Answer::file(200, "snapshots_page.xml")]);
    let cloud = replay.cloud().await;
    let token = Some("abc+/=".to_owned());
    cloud.describe_snapshots(&region(), &SnapshotFilter::All, token).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeSnapshots
Version=2016-11-15
MaxResults=1000
NextToken=abc+/=
Owner.1=self

"#]],
    );
}

#[tokio::test]
async fn snapshots_are_asked_for_by_filter_so_that_a_vanished_one_fails_nothing() {
    let replay = Replay::new([Answer::file(200, "snapshots_page.xml")]);
    let ids: Vec<SnapshotId> =
        vec!["snap-0123456789abcdef0".parse().unwrap(), "snap-00000001".parse().unwrap()];
    let filter = SnapshotFilter::Ids(ids);
    replay.cloud().await.describe_snapshots(&region(), &filter, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeSnapshots
Version=2016-11-15
MaxResults=1000
Owner.1=self
Filter.1.Name=snapshot-id
Filter.1.Value.1=snap-0123456789abcdef0
Filter.1.Value.2=snap-00000001

"#]],
    );
}

#[tokio::test]
async fn no_ids_are_no_snapshots_and_no_request() {
    let replay = Replay::new([]);
    let filter = SnapshotFilter::Ids(Vec::new());
    let page = replay.cloud().await.describe_snapshots(&region(), &filter, None).await.unwrap();
    assert!(page.items.is_empty() && page.next_token.is_none());
}

#[tokio::test]
async fn tags_are_matched_literally() {
    let replay = Replay::new([Answer::file(200, "snapshots_page.xml")]);
    let filter = SnapshotFilter::Tags(pairs(&[
        ("snapkeep:policy", r"what? * C:\x"),
        ("snapkeep:slot", "2026-11-20T03:00:00Z"),
    ]));
    replay.cloud().await.describe_snapshots(&region(), &filter, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeSnapshots
Version=2016-11-15
MaxResults=1000
Owner.1=self
Filter.1.Name=tag:snapkeep:policy
Filter.1.Value.1=what\? \* C:\\x
Filter.2.Name=tag:snapkeep:slot
Filter.2.Value.1=2026-11-20T03:00:00Z

"#]],
    );
}

#[tokio::test]
async fn instances_are_listed_page_by_page() {
    let replay = Replay::new([Answer::file(200, "instances_page.xml")]);
    replay.cloud().await.describe_instances(&region(), &[], None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeInstances
Version=2016-11-15
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn instances_that_a_service_manages_are_not_gone() {
    let replay = Replay::new([Answer::file(200, "instances_page.xml")]);
    let ids: Vec<InstanceId> = vec!["i-1234567890abcdef0".parse().unwrap()];
    replay.cloud().await.describe_instances(&region(), &ids, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeInstances
Version=2016-11-15
IncludeManagedResources=true
Filter.1.Name=instance-id
Filter.1.Value.1=i-1234567890abcdef0
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn volumes_are_listed_page_by_page() {
    let replay = Replay::new([Answer::file(200, "volumes_page.xml")]);
    replay.cloud().await.describe_volumes(&region(), &[], Some("t".into())).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeVolumes
Version=2016-11-15
NextToken=t
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn volumes_that_a_service_manages_are_not_gone() {
    let replay = Replay::new([Answer::file(200, "volumes_page.xml")]);
    let ids: Vec<VolumeId> = vec!["vol-1234567890abcdef0".parse().unwrap()];
    replay.cloud().await.describe_volumes(&region(), &ids, None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeVolumes
Version=2016-11-15
IncludeManagedResources=true
Filter.1.Name=volume-id
Filter.1.Value.1=vol-1234567890abcdef0
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn locked_snapshots_are_listed_page_by_page() {
    let replay = Replay::new([Answer::file(200, "locked_snapshots_page.xml")]);
    replay.cloud().await.describe_locked_snapshots(&region(), None).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeLockedSnapshots
Version=2016-11-15
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn the_default_region_is_asked_for_the_regions() {
    let replay = Replay::new([Answer::file(200, "regions.xml")]);
    replay.cloud().await.describe_regions().await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.eu-west-1.amazonaws.com/
Action=DescribeRegions
Version=2016-11-15

"#]],
    );
}

#[tokio::test]
async fn a_set_is_made_with_its_tags_and_without_what_is_excluded() {
    let replay = Replay::new([Answer::file(200, "create_snapshots.xml")]);
    let request = CreateSnapshots {
        instance_id: "i-1234567890abcdef0".parse().unwrap(),
        exclude_boot_volume: true,
        exclude_data_volume_ids: vec![
            "vol-1234567890abcdef0".parse().unwrap(),
            "vol-00000001".parse().unwrap(),
        ],
        description: "snapkeep servers".to_owned(),
        tags: pairs(&[("snapkeep:policy", "servers"), ("snapkeep:members", "1")]),
        copy_tags_from_volume: true,
    };
    replay.cloud().await.create_snapshots(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateSnapshots
Version=2016-11-15
Description=snapkeep servers
InstanceSpecification.InstanceId=i-1234567890abcdef0
InstanceSpecification.ExcludeBootVolume=true
InstanceSpecification.ExcludeDataVolumeId.1=vol-1234567890abcdef0
InstanceSpecification.ExcludeDataVolumeId.2=vol-00000001
TagSpecification.1.ResourceType=snapshot
TagSpecification.1.Tag.1.Key=snapkeep:policy
TagSpecification.1.Tag.1.Value=servers
TagSpecification.1.Tag.2.Key=snapkeep:members
TagSpecification.1.Tag.2.Value=1
CopyTagsFromSource=volume

"#]],
    );
}

#[tokio::test]
async fn a_plain_set_asks_for_nothing_else() {
    let replay = Replay::new([Answer::file(200, "create_snapshots.xml")]);
    let request = CreateSnapshots {
        instance_id: "i-1234567890abcdef0".parse().unwrap(),
        exclude_boot_volume: false,
        exclude_data_volume_ids: Vec::new(),
        description: "d".to_owned(),
        tags: Vec::new(),
        copy_tags_from_volume: false,
    };
    replay.cloud().await.create_snapshots(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateSnapshots
Version=2016-11-15
Description=d
InstanceSpecification.InstanceId=i-1234567890abcdef0
InstanceSpecification.ExcludeBootVolume=false

"#]],
    );
}

#[tokio::test]
async fn a_snapshot_is_made_with_its_tags() {
    let replay = Replay::new([Answer::file(200, "create_snapshot.xml")]);
    let request = CreateSnapshot {
        volume_id: "vol-1234567890abcdef0".parse().unwrap(),
        description: "snapkeep servers".to_owned(),
        tags: pairs(&[("snapkeep:policy", "a=b&c d"), ("Name", "")]),
    };
    replay.cloud().await.create_snapshot(&region(), &request).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=CreateSnapshot
Version=2016-11-15
Description=snapkeep servers
VolumeId=vol-1234567890abcdef0
TagSpecification.1.ResourceType=snapshot
TagSpecification.1.Tag.1.Key=snapkeep:policy
TagSpecification.1.Tag.1.Value=a=b&c d
TagSpecification.1.Tag.2.Key=Name
TagSpecification.1.Tag.2.Value=

"#]],
    );
}

#[tokio::test]
async fn a_deletion_names_one_snapshot() {
    let replay = Replay::new([Answer::file(200, "delete_snapshot.xml")]);
    let id = "snap-0123456789abcdef0".parse().unwrap();
    replay.cloud().await.delete_snapshot(&region(), id).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DeleteSnapshot
Version=2016-11-15
SnapshotId=snap-0123456789abcdef0

"#]],
    );
}
