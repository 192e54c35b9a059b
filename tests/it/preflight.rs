//! `check --online` on an account where something is not as it should be.

use snapbox::{assert_data_eq, str};
use snapkeep::cloud::sandbox::{Fault, Rule, Sandbox};
use snapkeep::config::{Config, parse};
use snapkeep::plan::preflight::Preflight;
use snapkeep::report::preflight_text::render;
use snapkeep::run::preflight;

const NOW: &str = "2026-11-20T03:10:00Z";

/// The policy of the demonstration account, in one region.
const SERVERS: &str = "version = 1\n\
     [[policy]]\n\
     name = \"servers\"\n\
     regions = [\"us-east-1\"]\n\
     schedule = \"0 3 * * *\"\n\
     select = { resource = \"instance\" }\n\
     retention = { daily = \"1 month\" }\n";

/// Copies of them that are encrypted, and shared.
const COPIES: &str = "[[policy.copy]]\n\
     to = \"eu-west-1\"\n\
     encrypted = true\n\
     kms_key = \"alias/dr\"\n\
     share_with = [\"210987654321\"]\n";

fn config(text: &str) -> Config {
    let config = parse(&[("preflight.toml".to_owned(), text.to_owned())]);
    config.unwrap_or_else(|problems| panic!("{problems}"))
}

fn region(name: &str) -> snapkeep::domain::region::Region {
    name.parse().unwrap()
}

fn tried(text: &str, arrange: impl FnOnce(&Sandbox)) -> Preflight {
    let sandbox = Sandbox::demo(NOW.parse().unwrap());
    arrange(&sandbox);
    let config = config(text);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = sandbox.inventory();
    let found = runtime.block_on(sandbox.time().drive(preflight(&sandbox, &config)));
    let after = sandbox.inventory();
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "nothing is changed");
    found
}

/// Returns what is said of a part of an account, without what is fine.
fn troubles(text: &str, arrange: impl FnOnce(&Sandbox)) -> String {
    let found = tried(text, arrange);
    let all = render(&found);
    let mut is_fine = false;
    let kept = all.lines().filter(|line| {
        // What is said of something stands further in than its name.
        if !line.starts_with("             ") {
            is_fine = line.starts_with("  ok ");
        }
        !is_fine
    });
    let kept: Vec<&str> = kept.collect();
    format!("passed: {}\n{}\n", found.is_passed(), kept.join("\n"))
}

#[test]
fn everything_there_is_everything_fine() {
    let found = tried(SERVERS, |_| ());
    assert!(found.is_passed());
    assert_data_eq!(
        render(&found),
        str![[r#"
account
  ok         DescribeRegions  5 regions are enabled

us-east-1
  ok         DescribeImages
  ok         DescribeInstances
  ok         DescribeSnapshots
  ok         DescribeVolumes
  ok         DescribeLockedSnapshots
  ok         EBS encryption
             off by default; where no key is named: alias/aws/ebs
  ok         CreateSnapshot  tried on vol-0975835de1c9756ce
  ok         CreateSnapshots  tried on i-0910a2dec89025cc1
  ok         DeleteSnapshot  tried on snap-00017d4f79964d0de

nothing that is needed was found missing

"#]]
    );
}

#[test]
fn a_call_that_is_denied_is_missing_with_the_statement_that_grants_it() {
    let deny = |sandbox: &Sandbox| sandbox.fail(Rule::every("DeleteSnapshot"), Fault::Denied);
    assert_data_eq!(
        troubles(SERVERS, deny),
        str![[r#"
passed: false
account

us-east-1
  missing    DeleteSnapshot
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             needed for expired points of `servers`
             granted by DeleteOwnSnapshots, below

1 thing missing

what grants it, as in `snapkeep iam`
{
  "Sid": "DeleteOwnSnapshots",
  "Effect": "Allow",
  "Action": [
    "ec2:DeleteSnapshot"
  ],
  "Resource": [
    "arn:aws:ec2:*::snapshot/*"
  ],
  "Condition": {
    "StringEquals": {
      "aws:RequestedRegion": [
        "us-east-1"
      ],
      "aws:ResourceTag/snapkeep:owner": [
        "main"
      ]
    }
  }
}

"#]]
    );
}

#[test]
fn a_creation_that_is_denied_may_lack_either_of_two_rights() {
    let deny = |sandbox: &Sandbox| sandbox.fail(Rule::every("CreateSnapshots"), Fault::Denied);
    assert_data_eq!(
        troubles(SERVERS, deny),
        str![[r#"
passed: false
account

us-east-1
  missing    CreateSnapshots
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             needed for recovery points of `servers`
             granted by SnapshotInstances and TagWhatIsCreated, below

1 thing missing

what grants it, as in `snapkeep iam`
{
  "Sid": "SnapshotInstances",
  "Effect": "Allow",
  "Action": [
    "ec2:CreateSnapshot",
    "ec2:CreateSnapshots"
  ],
  "Resource": [
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:ec2:*::snapshot/*",
    "arn:aws:ec2:*:*:volume/*"
  ],
  "Condition": {
    "StringEquals": {
      "aws:RequestedRegion": [
        "us-east-1"
      ]
    }
  }
}
{
  "Sid": "TagWhatIsCreated",
  "Effect": "Allow",
  "Action": [
    "ec2:CreateTags"
  ],
  "Resource": [
    "arn:aws:ec2:*::snapshot/*"
  ],
  "Condition": {
    "StringEquals": {
      "aws:RequestedRegion": [
        "us-east-1"
      ],
      "ec2:CreateAction": [
        "CreateSnapshot",
        "CreateSnapshots"
      ]
    }
  }
}

"#]]
    );
}

#[test]
fn a_listing_that_is_denied_leaves_nothing_to_try_others_on() {
    let deny = |sandbox: &Sandbox| sandbox.fail(Rule::every("DescribeSnapshots"), Fault::Denied);
    assert_data_eq!(
        troubles(SERVERS, deny),
        str![[r#"
passed: false
account

us-east-1
  missing    DescribeSnapshots
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             needed for `servers`
             granted by Observe, below
  not tried  DeleteSnapshot
             no snapshot of ours is known to try it on, as a listing failed

1 thing missing, 1 not tried

what grants it, as in `snapkeep iam`
{
  "Sid": "Observe",
  "Effect": "Allow",
  "Action": [
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes"
  ],
  "Resource": "*"
}

"#]]
    );
}

#[test]
fn an_optional_call_that_is_denied_is_a_note() {
    let deny = |sandbox: &Sandbox| {
        sandbox.fail(Rule::every("DescribeLockedSnapshots"), Fault::Denied);
        sandbox.fail(Rule::every("GetEbsEncryptionByDefault"), Fault::Denied);
    };
    assert_data_eq!(
        troubles(SERVERS, deny),
        str![[r#"
passed: true
account

us-east-1
  optional   DescribeLockedSnapshots
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             locks are not known beforehand; EC2 itself refuses to delete what
             is locked
  optional   EBS encryption
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             how EBS encrypts by default is not shown

nothing that is needed was found missing, 2 optional denied

"#]]
    );
}

#[test]
fn a_key_that_cannot_be_used_is_told_before_a_copy_fails() {
    let text = format!("{SERVERS}{COPIES}");
    let eu = region("eu-west-1");
    assert_data_eq!(
        troubles(&text, |_| ()),
        str![[r#"
passed: false
account

eu-west-1
  missing    key alias/dr  no such key in eu-west-1
             needed for copies of `servers` to eu-west-1

us-east-1

1 thing missing

"#]]
    );
    assert_data_eq!(
        troubles(&text, |sandbox| _ = sandbox.add_key(&eu, "alias/dr", false, true)),
        str![[r#"
passed: false
account

eu-west-1
  missing    key alias/dr  it is disabled
             needed for copies of `servers` to eu-west-1

us-east-1

1 thing missing

"#]]
    );
    assert_data_eq!(
        troubles(&text, |sandbox| _ = sandbox.add_key(&eu, "alias/dr", true, false)),
        str![[r#"
passed: false
account

eu-west-1
  missing    key alias/dr  it is not a symmetric encryption key, which EBS needs
             needed for copies of `servers` to eu-west-1

us-east-1

1 thing missing

"#]]
    );
    let denied = |sandbox: &Sandbox| {
        sandbox.add_key(&eu, "alias/dr", true, true);
        sandbox.fail(Rule::every("DescribeKey"), Fault::Denied);
    };
    assert_data_eq!(
        troubles(&text, denied),
        str![[r#"
passed: false
account

eu-west-1
  missing    key alias/dr
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             needed for copies of `servers` to eu-west-1
             granted by the statements on the key, below

us-east-1

1 thing missing

what grants it, as in `snapkeep iam`
{
  "Sid": "UseKeyDr",
  "Effect": "Allow",
  "Action": [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*"
  ],
  "Resource": [
    "arn:aws:kms:eu-west-1:*:key/*"
  ],
  "Condition": {
    "ForAnyValue:StringEquals": {
      "kms:ResourceAliases": [
        "alias/dr"
      ]
    }
  }
}
{
  "Sid": "GrantKeyDr",
  "Effect": "Allow",
  "Action": [
    "kms:CreateGrant"
  ],
  "Resource": [
    "arn:aws:kms:eu-west-1:*:key/*"
  ],
  "Condition": {
    "Bool": {
      "kms:GrantIsForAWSResource": [
        "true"
      ]
    },
    "ForAnyValue:StringEquals": {
      "kms:ResourceAliases": [
        "alias/dr"
      ]
    }
  }
}

"#]]
    );
    assert!(tried(&text, |sandbox| _ = sandbox.add_key(&eu, "alias/dr", true, true)).is_passed());
}

#[test]
fn what_would_be_shared_but_is_encrypted_by_default_is_doubtful() {
    let copies = "[[policy.copy]]\nto = \"eu-west-1\"\nshare_with = [\"210987654321\"]\n";
    let eu = region("eu-west-1");
    let by_default = |sandbox: &Sandbox| sandbox.set_encryption_by_default(&eu, true);
    assert_data_eq!(
        troubles(&format!("{SERVERS}{copies}"), by_default),
        str![[r#"
passed: true
account

eu-west-1
  warning    EBS encryption
             on by default, with alias/aws/ebs: copies of `servers` would be
             encrypted with it, and such copies are not shared; give the copy a
             `kms_key`

us-east-1

nothing that is needed was found missing, 1 doubtful

"#]]
    );
}

#[test]
fn bad_credentials_are_one_thing_and_a_region_that_is_not_enabled_another() {
    let refused = Fault::Refused { code: "AuthFailure", message: "AWS was not able to validate" };
    let everywhere = |sandbox: &Sandbox| {
        for operation in [
            "DescribeRegions",
            "DescribeInstances",
            "DescribeVolumes",
            "DescribeSnapshots",
            "DescribeImages",
        ] {
            sandbox.fail(Rule::every(operation), refused.clone());
        }
    };
    assert_data_eq!(
        troubles(SERVERS, everywhere),
        str![[r#"
passed: false
us-east-1
  missing    the region
             no usable credentials: AuthFailure: AWS was not able to validate
             needed for `servers`
  not tried  everything else  the region does not answer

1 thing missing, 1 not tried

"#]]
    );
    let text = SERVERS.replace("[\"us-east-1\"]", "[\"us-east-1\", \"eu-south-1\"]");
    assert_data_eq!(
        troubles(&text, |_| ()),
        str![[r#"
passed: false
account

eu-south-1
  missing    the region  it is not enabled for the account
             needed for `servers`
  not tried  everything else  the region does not answer

us-east-1

1 thing missing, 1 not tried

"#]]
    );
    let unlisted = |sandbox: &Sandbox| {
        sandbox.fail(Rule::every("DescribeRegions"), Fault::Denied);
    };
    assert_data_eq!(
        troubles(&text, unlisted),
        str![[r#"
passed: false
eu-south-1
  missing    the region
             it is not enabled for the account, or no credentials are valid
             there: AuthFailure: AWS was not able to validate the provided
             access credentials
             needed for `servers`
  not tried  everything else  the region does not answer

us-east-1

1 thing missing, 1 not tried

"#]]
    );
}

#[test]
fn all_regions_cannot_be_found_without_their_list() {
    let text = SERVERS.replace("[\"us-east-1\"]", "[\"all\"]");
    let deny = |sandbox: &Sandbox| sandbox.fail(Rule::every("DescribeRegions"), Fault::Denied);
    assert_data_eq!(
        troubles(&text, deny),
        str![[r#"
passed: false
account
  missing    DescribeRegions
             UnauthorizedOperation: You are not authorized to perform this
             operation.
             needed for `regions = ["all"]`
             granted by Observe, below
  not tried  the regions that are not named
             which regions there are is not known

1 thing missing, 1 not tried

what grants it, as in `snapkeep iam`
{
  "Sid": "Observe",
  "Effect": "Allow",
  "Action": [
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes"
  ],
  "Resource": "*"
}

"#]]
    );
}

#[test]
fn what_there_is_nothing_of_is_not_said_to_be_right() {
    let text = "version = 1\n\
         [[policy]]\n\
         name = \"golden\"\n\
         kind = \"images\"\n\
         regions = [\"ap-northeast-2\"]\n\
         schedule = \"0 3 * * *\"\n\
         select = { resource = \"instance\" }\n\
         retention = { daily = 7 }\n\
         deprecate_after = \"90 days\"\n\
         adopt = { all = true }\n";
    assert_data_eq!(
        troubles(text, |_| ()),
        str![[r#"
passed: true
account

ap-northeast-2
  not tried  DescribeImageAttribute  no image is there to ask about
  not tried  DescribeImageReferences  no image is there to ask about
  not tried  CreateTags on snapshots of adopted images
             no image that is adopted is there to try it on
  not tried  EnableImageDeprecation  no image of ours is there to try it on
  not tried  DeregisterImage of what others made
             no image that is adopted is there to try it on

nothing that is needed was found missing, 5 not tried

"#]]
    );
}
