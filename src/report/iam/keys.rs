//! The statements of an IAM policy that are about KMS keys.
//!
//! What EBS needs of a key: EBS user guide, "Requirements for Amazon EBS encryption", and for copies
//! also GenerateDataKey, "Copy an Amazon EBS snapshot". An alias
//! cannot stand as a resource: "the policy applies to the alias resource, not to any KMS key that
//! might be associated with it" (KMS developer guide, "Use aliases to control access").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{partition, partitions};
use crate::plan::rights::{KeyNeed, Rights};

/// Returns the statements for `keys`: two for each way of naming them.
pub(super) fn statements<'k>(
    rights: &Rights,
    keys: impl IntoIterator<Item = &'k KeyNeed>,
) -> Vec<Value> {
    // None stands first: keys that are named by id or ARN are a group of their own.
    let mut groups: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
    for need in keys {
        let (alias, arns) = resources(rights, need);
        groups.entry(alias).or_default().extend(arns);
    }
    let mut sids = BTreeSet::new();
    let mut statements = Vec::new();
    for (alias, arns) in groups {
        let name = sid(alias.as_deref(), &mut sids);
        let any = alias.map(|alias| json!({ "kms:ResourceAliases": [alias] }));
        statements.push(use_of(&name, &arns, any.as_ref()));
        statements.push(grants_of(&name, &arns, any.as_ref()));
    }
    statements
}

fn use_of(name: &str, arns: &BTreeSet<String>, any: Option<&Value>) -> Value {
    let mut statement = json!({
        "Sid": format!("Use{name}"),
        "Effect": "Allow",
        "Action": [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
        ],
        "Resource": arns,
    });
    if let Some(any) = any {
        statement["Condition"] = json!({ "ForAnyValue:StringEquals": any });
    }
    statement
}

/// EBS keeps using the key by a grant; nobody else is to get one.
fn grants_of(name: &str, arns: &BTreeSet<String>, any: Option<&Value>) -> Value {
    let mut condition = json!({ "Bool": { "kms:GrantIsForAWSResource": ["true"] } });
    if let Some(any) = any {
        condition["ForAnyValue:StringEquals"] = any.clone();
    }
    json!({
        "Sid": format!("Grant{name}"),
        "Effect": "Allow",
        "Action": ["kms:CreateGrant"],
        "Resource": arns,
        "Condition": condition,
    })
}

/// Returns the alias by which a key is named, if it is, and the ARNs that it may have.
fn resources(rights: &Rights, need: &KeyNeed) -> (Option<String>, Vec<String>) {
    let name = need.name.as_ref();
    if let Some(rest) = name.strip_prefix("arn:") {
        let Some((head, alias)) = rest.split_once(":alias/") else {
            return (None, vec![name.to_owned()]);
        };
        return (Some(format!("alias/{alias}")), vec![format!("arn:{head}:key/*")]);
    }
    let (alias, key) = match name.strip_prefix("alias/") {
        Some(_) => (Some(name.to_owned()), "*"),
        None => (None, name),
    };
    let arns = if let Some(region) = &need.region {
        vec![format!("arn:{}:kms:{region}:*:key/{key}", partition(region))]
    } else {
        let partitions = partitions(rights).into_iter();
        partitions.map(|partition| format!("arn:{partition}:kms:*:*:key/{key}")).collect()
    };
    (alias, arns)
}

/// Returns the end of a statement's name, letters and digits only, that no other has.
fn sid(alias: Option<&str>, taken: &mut BTreeSet<String>) -> String {
    let name = match alias.and_then(|alias| alias.strip_prefix("alias/")) {
        None => "Keys".to_owned(),
        Some(alias) => {
            let words = alias.split(|c: char| !c.is_ascii_alphanumeric());
            let words = words.filter(|word| !word.is_empty()).map(|word| {
                let (first, rest) = word.split_at(1);
                format!("{}{rest}", first.to_ascii_uppercase())
            });
            format!("Key{}", words.collect::<String>())
        }
    };
    let mut unique = name.clone();
    let mut n = 1;
    while !taken.insert(unique.clone()) {
        n += 1;
        unique = format!("{name}{n}");
    }
    unique
}
