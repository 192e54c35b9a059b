//! What each thing in a configuration makes needed.

use std::fmt::Write as _;

use snapbox::{assert_data_eq, str};

use super::rights;
use crate::config::parse;
use crate::domain::region::Region;

/// Returns all that policies need but optional questions, a line each.
fn needs(policies: &str) -> String {
    let text = format!("version = 1\n{policies}");
    let config = parse(&[("rights.toml".to_owned(), text)]);
    let rights = rights(&config.unwrap_or_else(|problems| panic!("{problems}")));
    let mut lines = String::new();
    for ((purpose, operation), right) in &rights.all {
        let is_listing = operation.starts_with("Describe") || operation.starts_with("GetEbs");
        if is_listing && right.lacking.is_some() {
            continue;
        }
        let place = match right.place.named() {
            None => "everywhere".to_owned(),
            Some(regions) => regions.iter().map(Region::as_str).collect::<Vec<_>>().join(" "),
        };
        let reasons: Vec<&str> = right.reasons.iter().map(String::as_str).collect();
        let reasons = reasons.join(", ");
        let _ = writeln!(lines, "{purpose:?} {operation}: {place}: {reasons}");
    }
    for (key, reasons) in &rights.keys {
        let place = key.region.map_or("everywhere", |region| region.as_str());
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let _ = writeln!(lines, "key {}: {place}: {}", key.name, reasons.join(", "));
    }
    lines
}

#[test]
fn points_are_made_tagged_and_deleted() {
    assert_data_eq!(
        needs(
            "[[policy]]\n\
         name = \"servers\"\n\
         regions = [\"eu-west-1\"]\n\
         select = { resource = \"instance\" }\n\
         retention = { daily = 7 }\n"
        ),
        str![[r#"
Observe DescribeImages: eu-west-1: `servers`
Observe DescribeInstances: eu-west-1: `servers`
Observe DescribeSnapshots: eu-west-1: `servers`
Observe DescribeVolumes: eu-west-1: `servers`
SnapshotInstances CreateSnapshot: eu-west-1: recovery points of `servers`
SnapshotInstances CreateSnapshots: eu-west-1: recovery points of `servers`
TagWhatIsCreated CreateTags: eu-west-1: recovery points of `servers`
DeleteOwn DeleteSnapshot: eu-west-1: expired points of `servers`

"#]]
    );
}

#[test]
fn copies_are_made_and_expire_where_they_go() {
    assert_data_eq!(
        needs(
            "[[policy]]\n\
         name = \"volumes\"\n\
         regions = [\"eu-west-1\"]\n\
         select = { resource = \"volume\" }\n\
         retention = { daily = 7 }\n\
         copy = [{ to = \"eu-central-1\", encrypted = true, kms_key = \"alias/dr\", share_with = \
         [\"210987654321\"] }]\n"
        ),
        str![[r#"
Observe DescribeImages: eu-central-1 eu-west-1: `volumes`
Observe DescribeInstances: eu-central-1 eu-west-1: `volumes`
Observe DescribeSnapshots: eu-central-1 eu-west-1: `volumes`
Observe DescribeVolumes: eu-central-1 eu-west-1: `volumes`
SnapshotVolumes CreateSnapshot: eu-west-1: recovery points of `volumes`
CopySnapshots CopySnapshot: eu-central-1: copies of `volumes` to eu-central-1
TagWhatIsCreated CreateTags: eu-central-1 eu-west-1: copies of `volumes` to eu-central-1, recovery points of `volumes`
TagShared CreateTags: eu-central-1: sharing copies of `volumes`
ShareSnapshots ModifySnapshotAttribute: eu-central-1: sharing copies of `volumes`
DeleteOwn DeleteSnapshot: eu-central-1 eu-west-1: expired copies of `volumes`, expired points of `volumes`
key alias/dr: eu-central-1: copies of `volumes` to eu-central-1

"#]]
    );
}

#[test]
fn adopted_snapshots_leave_no_second_right_to_delete_ones_own() {
    assert_data_eq!(
        needs(
            "[[policy]]\n\
         name = \"old\"\n\
         regions = [\"all\"]\n\
         create = false\n\
         select = { resource = \"volume\" }\n\
         retention = { daily = 7 }\n\
         adopt = { all = true }\n\
         [policy.override.\"us-east-1\"]\n\
         kind = \"images\"\n\
         select = { resource = \"instance\" }\n"
        ),
        str![[r#"
Observe DescribeImageAttribute: us-east-1: what `old` adopts
Observe DescribeImageReferences: us-east-1: what `old` adopts
Observe DescribeImages: everywhere: `old`
Observe DescribeInstances: everywhere: `old`
Observe DescribeRegions: everywhere: `regions = ["all"]`
Observe DescribeSnapshots: everywhere: `old`
Observe DescribeVolumes: everywhere: `old`
TagSnapshotsOfAdopted CreateTags: us-east-1: snapshots of the images that `old` adopts
DeleteAdopted DeleteSnapshot: everywhere: what `old` adopts
DeregisterAdopted DeregisterImage: us-east-1: what `old` adopts

"#]]
    );
}

#[test]
fn encryption_everywhere_needs_the_keys_of_all_regions() {
    assert_data_eq!(
        needs(
            "[regions.\"eu-west-1\"]\n\
         kms_key = \"alias/eu\"\n\
         [[policy]]\n\
         name = \"golden\"\n\
         kind = \"images\"\n\
         regions = [\"all\"]\n\
         select = { resource = \"image\" }\n\
         retention = { daily = 7 }\n\
         deprecate_after = \"90 days\"\n\
         encrypt = { retire_unencrypted = false }\n"
        ),
        str![[r#"
Observe DescribeImages: everywhere: `golden`
Observe DescribeInstances: everywhere: `golden`
Observe DescribeRegions: everywhere: `regions = ["all"]`
Observe DescribeSnapshots: everywhere: `golden`
Observe DescribeVolumes: everywhere: `golden`
CopyImages CopyImage: everywhere: encrypted forms of `golden`
TagWhatIsCreated CreateTags: everywhere: encrypted forms of `golden`
DeprecateImages EnableImageDeprecation: everywhere: `deprecate_after` on encrypted forms of `golden`
DeleteOwn DeleteSnapshot: everywhere: expired points of `golden`
DeregisterOwn DeregisterImage: everywhere: expired points of `golden`
key alias/eu: eu-west-1: encrypted forms of `golden`

"#]]
    );
}

#[test]
fn a_key_that_every_region_uses_is_named_once() {
    let needs = needs(
        "[[policy]]\n\
         name = \"volumes\"\n\
         regions = [\"all\"]\n\
         select = { resource = \"volume\" }\n\
         retention = { daily = 7 }\n\
         encrypt = { kms_key = \"alias/backup\" }\n\
         copy = [{ to = \"eu-central-1\", encrypted = true, kms_key = \"alias/backup\" }]\n",
    );
    let keys: Vec<&str> = needs.lines().filter(|line| line.starts_with("key ")).collect();
    assert_eq!(
        keys,
        ["key alias/backup: everywhere: copies of `volumes` to eu-central-1, encrypted forms of \
          `volumes`"]
    );
}

#[test]
fn ones_own_are_deleted_where_nothing_is_adopted_too() {
    let needs = needs(
        "[[policy]]\n\
         name = \"volumes\"\n\
         regions = [\"eu-west-1\", \"us-east-1\"]\n\
         select = { resource = \"volume\" }\n\
         retention = { daily = 7 }\n\
         [policy.override.\"us-east-1\"]\n\
         adopt = { all = true }\n",
    );
    let deletions: Vec<&str> = needs.lines().filter(|l| l.starts_with("Delete")).collect();
    assert_eq!(
        deletions,
        [
            "DeleteOwn DeleteSnapshot: eu-west-1: expired points of `volumes`",
            "DeleteAdopted DeleteSnapshot: us-east-1: what `volumes` adopts"
        ]
    );
}
