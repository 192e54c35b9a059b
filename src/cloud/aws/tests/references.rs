//! What refers to images.

use snapbox::str;

use super::replay::{Answer, Replay, check, region};
use crate::cloud::{Cloud as _, ErrorKind, ImageReference};

fn lines(references: &[ImageReference]) -> Vec<String> {
    references.iter().map(|reference| format!("{} {}", reference.image_id, reference.by)).collect()
}

#[tokio::test]
async fn every_kind_of_resource_is_asked_about() {
    let replay = Replay::new([Answer::file(200, "image_references.xml")]);
    let ids = ["ami-0abcdef1234567890".parse().unwrap(), "ami-1234567890abcdef0".parse().unwrap()];
    let token = Some("t".to_owned());
    replay.cloud().await.describe_image_references(&region(), &ids, token).await.unwrap();
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeImageReferences
Version=2016-11-15
ImageId.1=ami-0abcdef1234567890
ImageId.2=ami-1234567890abcdef0
IncludeAllResourceTypes=true
NextToken=t
MaxResults=1000

"#]],
    );
}

#[tokio::test]
async fn a_reference_is_named_as_its_owner_knows_it() {
    let replay = Replay::new([Answer::file(200, "image_references.xml")]);
    let ids = ["ami-0abcdef1234567890".parse().unwrap()];
    let cloud = replay.cloud().await;
    let page = cloud.describe_image_references(&region(), &ids, None).await.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("more"));
    assert_eq!(
        lines(&page.items),
        [
            "ami-0abcdef1234567890 instance i-1234567890abcdef0",
            "ami-0abcdef1234567890 launch template lt-1234567890abcdef0",
            "ami-0abcdef1234567890 SSM parameter my-ami",
            "ami-0abcdef1234567890 SSM parameter /golden/latest",
            "ami-1234567890abcdef0 Image Builder recipe \
             arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/web/1.0.0",
            "ami-1234567890abcdef0 ecs:TaskDefinition \
             arn:aws:ecs:us-east-1:123456789012:task-definition/web:1",
        ]
    );
}

#[tokio::test]
async fn a_reference_that_cannot_be_read_is_not_left_out() {
    let reply = "<DescribeImageReferencesResponse><imageReferenceSet><item>\
                 <imageId>ami-0abcdef1234567890</imageId><resourceType>ec2:Instance</resourceType>\
                 </item></imageReferenceSet></DescribeImageReferencesResponse>";
    let replay = Replay::new([Answer::text(200, reply)]);
    let ids = ["ami-0abcdef1234567890".parse().unwrap()];
    let cloud = replay.cloud().await;
    let err = cloud.describe_image_references(&region(), &ids, None).await.unwrap_err();
    assert_eq!((err.kind, &*err.code), (ErrorKind::Refused, "UnreadableItem"));
}

#[tokio::test]
async fn the_versions_that_launch_something_are_asked_of_all_launch_templates() {
    let replay = Replay::new([Answer::file(200, "launch_template_versions.xml")]);
    let token = Some("t".to_owned());
    let cloud = replay.cloud().await;
    let page = cloud.describe_launch_template_images(&region(), token).await.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("more"));
    assert_eq!(lines(&page.items), ["ami-0abcdef1234567890 launch template lt-068f72b72934aff71"]);
    check(
        &replay,
        str![[r#"
https://ec2.ap-northeast-2.amazonaws.com/
Action=DescribeLaunchTemplateVersions
Version=2016-11-15
LaunchTemplateVersion.1=$Latest
LaunchTemplateVersion.2=$Default
NextToken=t
MaxResults=200

"#]],
    );
}
