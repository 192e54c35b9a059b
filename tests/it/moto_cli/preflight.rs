//! `check --online` and `iam`, before the first run.

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::{Ended, Machine, images};

/// Checks the whole way of an image on an account that refuses some calls.
fn checked(arrange: impl FnOnce(&mut Value)) -> (Machine, Ended) {
    let mut scene = images::scene();
    arrange(&mut scene);
    let machine = Machine::new(&scene, images::GOLDEN);
    let before = ["eu-west-1", "us-east-1"].map(|region| machine.snapshots(region));
    let ended = machine.snapkeep("check --online");
    assert_eq!(["eu-west-1", "us-east-1"].map(|region| machine.snapshots(region)), before);
    (machine, ended)
}

/// Checks that what was asked were questions and dry runs.
fn assert_nothing_changed(machine: &Machine) {
    let calls = machine.moto.calls();
    let changing = calls
        .iter()
        .filter(|call| !["Describe", "Get"].iter().any(|prefix| call.action.starts_with(prefix)));
    for call in changing {
        assert_eq!(call.params.get("DryRun").map(String::as_str), Some("true"), "{call:?}");
    }
}

/// Returns what is said of what is not as it should be.
fn troubles(ended: &Ended) -> String {
    let lines = ended.stdout.lines();
    let lines = lines.skip_while(|line| !line.starts_with("  missing"));
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

#[test]
fn an_account_where_all_is_allowed_passes() {
    let (machine, ended) = checked(|_| ());
    assert_data_eq!(
        ended.quiet(0),
        str![[r#"
account
  ok         DescribeRegions  38 regions are enabled

ap-northeast-2
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  not tried  DescribeImageAttribute  no image is there to ask about
  not tried  DescribeImageReferences  no image is there to ask about
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  not tried  CopyImage  no image is there to try it on
  not tried  EnableImageDeprecation  no image of ours is there to try it on
  not tried  DeleteSnapshot  no snapshot of ours is there to try it on
  not tried  DeregisterImage  no image of ours is there to try it on
  ok         key alias/dr
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

eu-west-1
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  not tried  DescribeImageAttribute  no image is there to ask about
  not tried  DescribeImageReferences  no image is there to ask about
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  ok         CreateImage  tried on i-00000001
  not tried  CopyImage  no image is there to try it on
  not tried  EnableImageDeprecation  no image of ours is there to try it on
  not tried  DeleteSnapshot  no snapshot of ours is there to try it on
  not tried  DeregisterImage  no image of ours is there to try it on
  ok         key alias/backup
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

us-east-1
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  not tried  DescribeImageAttribute  no image is there to ask about
  not tried  DescribeImageReferences  no image is there to ask about
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  not tried  CopyImage  no image is there to try it on
  not tried  CreateTags on shared copies  no image of ours is there to try it on
  not tried  ModifyImageAttribute  no image of ours is there to try it on
  not tried  EnableImageDeprecation  no image of ours is there to try it on
  not tried  DeleteSnapshot  no snapshot of ours is there to try it on
  not tried  DeregisterImage  no image of ours is there to try it on
  ok         key alias/backup
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

nothing that is needed was found missing, 20 not tried

"#]]
    );
    assert_nothing_changed(&machine);
}

#[test]
fn a_denied_call_is_missing_with_the_statement_that_grants_it() {
    let (_, ended) = checked(|scene| {
        scene["refuse"] = json!([
            { "region": "eu-west-1", "action": "CreateImage", "code": "UnauthorizedOperation" },
        ]);
    });
    assert_eq!(ended.code, Some(1));
    let (_, granted) = ended.stdout.split_once("what grants it").unwrap();
    assert_data_eq!(
        troubles(&ended) + granted,
        str![[r#"
  missing    CreateImage
             UnauthorizedOperation: You are not authorized to perform this
             operation. User: arn:aws:iam::123456789012:user/backup is not
             authorized to perform: ec2:CreateImage because no identity-based
             policy allows the ec2:CreateImage action
             needed for images of `golden`
             granted by CreateImages, below
  not tried  CopyImage  no image is there to try it on
  not tried  EnableImageDeprecation  no image of ours is there to try it on
  not tried  DeleteSnapshot  no snapshot of ours is there to try it on
  not tried  DeregisterImage  no image of ours is there to try it on
  ok         key alias/backup
             exists, enabled, symmetric; whether it may be used shows with the
             first copy
, as in `snapkeep iam`
{
  "Sid": "CreateImages",
  "Effect": "Allow",
  "Action": [
    "ec2:CreateImage"
  ],
  "Resource": [
    "arn:aws:ec2:*::image/*",
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:ec2:*::snapshot/*"
  ],
  "Condition": {
    "StringEquals": {
      "aws:RequestedRegion": [
        "eu-west-1"
      ]
    }
  }
}

"#]]
    );
}

#[test]
fn what_copies_and_expiry_need_is_tried_on_what_is_there() {
    let machine = Machine::new(&images::month(), images::GOLDEN);
    let before = machine.snapshots("us-east-1");
    let ended = machine.snapkeep("check --online");
    assert_data_eq!(
        ended.quiet(0),
        str![[r#"
account
  ok         DescribeRegions  38 regions are enabled

ap-northeast-2
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  ok         DescribeImageAttribute  asked about ami-30261012
  ok         DescribeImageReferences  asked about ami-30261012
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  ok         CopyImage  tried on ami-10261117 in eu-west-1
  ok         EnableImageDeprecation  tried on ami-30261012
  ok         DeleteSnapshot  tried on snap-3a261012
  ok         DeregisterImage  tried on ami-30261012
  ok         key alias/dr
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

eu-west-1
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  ok         DescribeImageAttribute  asked about ami-10261117
  ok         DescribeImageReferences  asked about ami-10261117
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  ok         CreateImage  tried on i-00000001
  ok         CopyImage  tried on ami-10261117 in eu-west-1
  ok         EnableImageDeprecation  tried on ami-10261117
  ok         DeleteSnapshot  tried on snap-1a261117
  ok         DeregisterImage  tried on ami-10261117
  ok         key alias/backup
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

us-east-1
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  ok         DescribeImageAttribute  asked about ami-20261105
  ok         DescribeImageReferences  asked about ami-20261105
  ok         DescribeLaunchTemplateVersions
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  ok         CopyImage  tried on ami-10261117 in eu-west-1
  ok         CreateTags on shared copies  tried on ami-20261105
  ok         ModifyImageAttribute  tried on ami-20261105
  ok         EnableImageDeprecation  tried on ami-20261105
  ok         DeleteSnapshot  tried on snap-2a261105
  ok         DeregisterImage  tried on ami-20261105
  ok         key alias/backup
             exists, enabled, symmetric; whether it may be used shows with the
             first copy

nothing that is needed was found missing

"#]]
    );
    assert_eq!(machine.snapshots("us-east-1"), before);
    assert_nothing_changed(&machine);
}

#[test]
fn a_key_that_is_not_there_is_missing() {
    let (_, ended) = checked(|scene| {
        scene["regions"]["ap-northeast-2"] = json!({});
    });
    assert_eq!(ended.code, Some(1));
    assert_data_eq!(
        troubles(&ended),
        str![[r#"
  missing    key alias/dr  no such key in ap-northeast-2
             needed for copies of `golden` to ap-northeast-2

"#]]
    );
}

#[test]
fn a_key_that_is_disabled_is_missing() {
    let (_, ended) = checked(|scene| {
        scene["regions"]["us-east-1"]["keys"][0]["enabled"] = json!(false);
    });
    assert_eq!(ended.code, Some(1));
    assert_data_eq!(
        troubles(&ended),
        str![[r#"
  missing    key alias/backup  it is disabled
             needed for copies of `golden` to us-east-1

"#]]
    );
}
