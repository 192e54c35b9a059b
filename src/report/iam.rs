//! The least-privilege IAM policy for a configuration, as JSON.
//!
//! Resources and conditions are those that the Service Authorization Reference, "Actions,
//! resources, and condition keys for Amazon EC2", lists for each action. The document is the same
//! for the same rights.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::domain::region::Region;
use crate::domain::tags;
use crate::plan::preflight::Grant;
use crate::plan::rights::{Place, Purpose, Rights};

mod keys;

/// Returns the whole policy.
pub fn policy(rights: &Rights) -> Value {
    let purposes: BTreeSet<Purpose> = rights.all.keys().map(|(purpose, _)| *purpose).collect();
    let mut statements: Vec<Value> =
        purposes.into_iter().filter_map(|purpose| statement(rights, purpose)).collect();
    statements.extend(keys::statements(rights, rights.keys.keys()));
    if !rights.roles.is_empty() {
        statements.push(json!({
            "Sid": "AssumeRolesInOtherAccounts",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": rights.roles,
        }));
    }
    statements.extend(telling(rights));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Returns the statements of the policy that are `grants`.
pub fn statements(rights: &Rights, grants: &BTreeSet<Grant>) -> Vec<Value> {
    let mut statements = Vec::new();
    let mut keys = Vec::new();
    for grant in grants {
        match grant {
            Grant::Purpose(purpose) => statements.extend(statement(rights, *purpose)),
            Grant::Key(need) => keys.push(need),
        }
    }
    statements.extend(keys::statements(rights, keys));
    statements
}

/// Returns what the policy cannot say.
pub fn hints(rights: &Rights) -> Vec<String> {
    let has = |purpose| rights.all.keys().any(|(p, _)| *p == purpose);
    let mut hints = Vec::new();
    if has(Purpose::CopySnapshots) || has(Purpose::CopyImages) {
        hints.push(
            "sources that are encrypted with other customer keys than those named here, and regions \
             whose default EBS key is a customer's, need the same KMS rights for these keys"
                .to_owned(),
        );
    }
    if !rights.keys.is_empty() {
        hints.push(
            "a key in another account, or one whose key policy does not let IAM policies grant, \
             needs its key policy changed too"
                .to_owned(),
        );
    }
    if !rights.topics.is_empty() {
        hints.push(
            "a topic that is encrypted with a customer's key needs kms:Decrypt and \
             kms:GenerateDataKey on that key as well"
                .to_owned(),
        );
    }
    if rights.all.keys().any(|(_, operation)| *operation == "DescribeImageReferences") {
        hints.push(
            "DescribeImageReferences looks at SSM parameters and Image Builder recipes with the \
             caller's own rights: attach AWS's policy AmazonEC2ImageReferencesAccessPolicy as well"
                .to_owned(),
        );
    }
    hints
}

/// Returns what a role's trust policy has to say.
pub fn trust_hint(role_arn: &str, external_id: Option<&str>) -> String {
    let condition = external_id.map_or_else(String::new, |id| {
        format!(", on the condition that sts:ExternalId equals `{id}`")
    });
    format!(
        "the trust policy of {role_arn} has to allow sts:AssumeRole to whoever runs \
         snapkeep{condition}"
    )
}

/// Returns the statement for messages to topics; none if nobody is told so.
fn telling(rights: &Rights) -> Option<Value> {
    (!rights.topics.is_empty()).then(|| {
        json!({
            "Sid": "Tell",
            "Effect": "Allow",
            "Action": ["sns:Publish"],
            "Resource": rights.topics,
        })
    })
}

/// Returns the statement for one purpose; none if nothing is needed for it.
fn statement(rights: &Rights, purpose: Purpose) -> Option<Value> {
    let operations = rights.all.keys().filter(|(p, _)| *p == purpose).map(|(_, name)| *name);
    // What is needed in one region need not be optional for another.
    let is_granted = |name: &&str| {
        purpose != Purpose::ObserveMore || !rights.all.contains_key(&(Purpose::Observe, *name))
    };
    let actions: Vec<String> =
        operations.filter(is_granted).map(|name| format!("ec2:{name}")).collect();
    if actions.is_empty() {
        return None;
    }
    let mut statement = json!({
        "Sid": purpose.sid(),
        "Effect": "Allow",
        "Action": actions,
        "Resource": resources(rights, purpose),
    });
    let condition = condition(rights, purpose);
    if let (Some(object), false) = (statement.as_object_mut(), condition.is_empty()) {
        object.insert("Condition".to_owned(), json!({ "StringEquals": condition }));
    }
    Some(statement)
}

fn condition(rights: &Rights, purpose: Purpose) -> Map<String, Value> {
    let mut equals = Map::new();
    if is_listing(purpose) {
        return equals;
    }
    let mut place = rights.place_of(purpose);
    // CopySnapshot and CopyImage are authorised on the source as well (since April 2025 and October
    // 2024), and the presigned URL of an encrypted source is a request to the source's region. No
    // document says which region `aws:RequestedRegion` is then, so both are allowed.
    if let Some(sources) = rights.copy_sources.get(&purpose) {
        place.add(sources);
    }
    if let Place::In(regions) = place {
        equals.insert("aws:RequestedRegion".to_owned(), json!(regions));
    }
    if purpose.is_of_own() {
        equals.insert(format!("aws:ResourceTag/{}", tags::OWNER), json!(rights.owners));
    }
    if purpose == Purpose::TagWhatIsCreated {
        equals.insert("ec2:CreateAction".to_owned(), json!(rights.creations));
    }
    equals
}

fn is_listing(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Observe | Purpose::ObserveMore)
}

fn resources(rights: &Rights, purpose: Purpose) -> Value {
    let (instances, volumes) = (":*:instance/*", ":*:volume/*");
    // Neither belongs to an account in its ARN.
    let (snapshots, images) = ("::snapshot/*", "::image/*");
    let makes_images = ["CreateImage", "CopyImage"].iter().any(|o| rights.creations.contains(o));
    let shares = |purpose| rights.all.keys().any(|(p, _)| *p == purpose);
    let kinds: &[&str] = match purpose {
        Purpose::Observe | Purpose::ObserveMore => return json!("*"),
        Purpose::SnapshotInstances => &[instances, snapshots, volumes],
        Purpose::SnapshotVolumes => &[snapshots, volumes],
        Purpose::CreateImages => &[images, instances, snapshots],
        Purpose::TagWhatIsCreated if makes_images => &[images, snapshots],
        Purpose::TagShared if !shares(Purpose::ShareImages) => &[snapshots],
        Purpose::TagShared if !shares(Purpose::ShareSnapshots) => &[images],
        Purpose::TagShared | Purpose::CopyImages => &[images, snapshots],
        Purpose::CopySnapshots
        | Purpose::TagWhatIsCreated
        | Purpose::TagSnapshotsOfAdopted
        | Purpose::ShareSnapshots
        | Purpose::DeleteOwn
        | Purpose::DeleteAdopted => &[snapshots],
        Purpose::ShareImages
        | Purpose::DeprecateImages
        | Purpose::DeregisterOwn
        | Purpose::DeregisterAdopted => &[images],
    };
    let partitions = partitions(rights);
    let arns = partitions
        .iter()
        .flat_map(|partition| kinds.iter().map(move |kind| format!("arn:{partition}:ec2:*{kind}")));
    json!(arns.collect::<Vec<_>>())
}

/// Returns the partitions of all regions that are named anywhere; without any, the usual one.
fn partitions(rights: &Rights) -> BTreeSet<&'static str> {
    let places = rights.all.values().filter_map(|right| right.place.named()).flatten();
    let mut partitions: BTreeSet<&'static str> =
        places.chain(&rights.regions).map(partition).collect();
    if partitions.is_empty() {
        partitions.insert("aws");
    }
    partitions
}

/// Returns the partition of a region (IAM user guide, "Amazon Resource Names", and the SDKs' list
/// of partitions).
fn partition(region: &Region) -> &'static str {
    let known = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
    ];
    let of_it = known.iter().find(|(prefix, _)| region.as_str().starts_with(prefix));
    of_it.map_or("aws", |(_, partition)| partition)
}
