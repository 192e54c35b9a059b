//! Keys: what KMS knows of one, and how EBS encrypts when nobody says.
//!
//! Only DescribeKey is ever asked of KMS; nothing here encrypts.

use aws_sdk_ec2::Client;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyUsageType};

use super::{AwsCloud, Call};
use crate::cloud::{CloudError, EbsEncryption};
use crate::domain::inventory::Key;
use crate::domain::region::Region;

pub(super) async fn describe(
    cloud: &AwsCloud,
    region: &Region,
    key: &str,
) -> Result<Key, CloudError> {
    let call = Call { operation: "DescribeKey", region };
    let client = cloud.kms_client(region).map_err(|why| call.not_sent(why))?;
    let reply = client.describe_key().key_id(key).send().await.map_err(|err| call.failed(&err))?;
    let bad = || call.bad_item(&format!("the reply does not say what the key `{key}` is"));
    let metadata = reply.key_metadata().ok_or_else(bad)?;
    Ok(Key {
        arn: metadata.arn().ok_or_else(bad)?.into(),
        is_enabled: metadata.enabled(),
        is_symmetric: is_symmetric(metadata),
    })
}

/// "Amazon EBS does not support asymmetric KMS keys" (EC2 API reference, CopyImage). A key that it
/// does support is of the default spec and usage (AWS KMS API reference, CreateKey).
fn is_symmetric(metadata: &KeyMetadata) -> bool {
    metadata.key_spec() == Some(&KeySpec::SymmetricDefault)
        && metadata.key_usage() == Some(&KeyUsageType::EncryptDecrypt)
}

pub(super) async fn ebs_encryption(
    client: &Client,
    region: &Region,
) -> Result<EbsEncryption, CloudError> {
    let call = Call { operation: "GetEbsEncryptionByDefault", region };
    let reply = client.get_ebs_encryption_by_default().send().await;
    let is_by_default = reply
        .map_err(|err| call.failed(&err))?
        .ebs_encryption_by_default()
        .ok_or_else(|| call.bad_item("the reply does not say whether EBS encrypts by default"))?;
    let call = Call { operation: "GetEbsDefaultKmsKeyId", region };
    let reply = client.get_ebs_default_kms_key_id().send().await;
    let reply = reply.map_err(|err| call.failed(&err))?;
    let key = reply.kms_key_id().ok_or_else(|| call.bad_item("the reply names no key"))?;
    Ok(EbsEncryption { is_by_default, kms_key_id: key.to_owned() })
}
