//! KMS keys as EBS and DescribeKey see them. Nothing is encrypted here, and nobody may use a key
//! less than another.

use std::sync::Arc;

use crate::cloud::EbsEncryption;
use crate::cloud::sandbox::Sandbox;
use crate::cloud::sandbox::chance::SplitMix64;
use crate::cloud::sandbox::refusal::Refusal;
use crate::domain::inventory::Key;
use crate::domain::region::Region;

/// The key that AWS makes for EBS in each region; it cannot be shared with other accounts.
const AWS_EBS: &str = "alias/aws/ebs";
/// The state message of snapshots whose key cannot be used (EBS user guide, "Copy a snapshot").
pub(super) const KEY_NOT_ACCESSIBLE: &str = "Given key ID is not accessible";

/// A customer's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredKey {
    /// What it was added as: an alias, or what an inventory called it.
    pub(super) name: Arc<str>,
    pub(super) key: Key,
}

/// The keys of one region, and how EBS uses them when nobody says.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) stored: Vec<StoredKey>,
    pub(super) is_encrypted_by_default: bool,
    /// The ARN of the default key; none is AWS's own.
    pub(super) default_key: Option<Arc<str>>,
}

impl Keys {
    pub(super) fn add(&mut self, name: Arc<str>, key: Key) {
        self.stored.retain(|stored| stored.name != name);
        self.stored.push(StoredKey { name, key });
    }

    /// Returns the key of this alias, id or ARN.
    pub(super) fn find(&self, region: Region, account: &str, name: &str) -> Option<Key> {
        let is_it = |known: &str, arn: &str| {
            let alias_arn = || format!("arn:aws:kms:{region}:{account}:{known}");
            known == name
                || arn == name
                || arn.ends_with(&format!("/{name}"))
                || alias_arn() == name
        };
        if let Some(stored) = self.stored.iter().find(|s| is_it(&s.name, &s.key.arn)) {
            return Some(stored.key.clone());
        }
        let own = self.aws_ebs_arn(region, account);
        let key = || Key { arn: Arc::clone(&own), is_enabled: true, is_symmetric: true };
        is_it(AWS_EBS, &own).then(key)
    }

    /// Returns the ARN of AWS's own key: what an inventory says, or else one of ours.
    fn aws_ebs_arn(&self, region: Region, account: &str) -> Arc<str> {
        let stored = self.stored.iter().find(|stored| *stored.name == *AWS_EBS);
        stored.map_or_else(|| arn(region, account, AWS_EBS), |stored| Arc::clone(&stored.key.arn))
    }

    /// Returns true if this is AWS's own key of the region. Without any ARN it is taken for it.
    pub(super) fn is_aws_managed(
        &self,
        region: Region,
        account: &str,
        kms_key_id: Option<&str>,
    ) -> bool {
        kms_key_id.is_none_or(|id| *id == *self.aws_ebs_arn(region, account))
    }

    /// Returns the ARN of the key that EBS takes when nobody names one.
    pub(super) fn default_arn(&self, region: Region, account: &str) -> Arc<str> {
        self.default_key.clone().unwrap_or_else(|| self.aws_ebs_arn(region, account))
    }

    /// Returns true if EBS cannot use the key of this ARN any more.
    pub(super) fn is_disabled(&self, arn: &str) -> bool {
        self.stored.iter().any(|stored| *stored.key.arn == *arn && !stored.key.is_enabled)
    }

    /// Answers DescribeKey.
    pub(super) fn describe(
        &self,
        region: Region,
        account: &str,
        name: &str,
    ) -> Result<Key, Refusal> {
        self.find(region, account, name).ok_or_else(|| {
            let arn = if name.starts_with("arn:") {
                name.to_owned()
            } else if name.starts_with("alias/") {
                format!("arn:aws:kms:{region}:{account}:{name}")
            } else {
                format!("arn:aws:kms:{region}:{account}:key/{name}")
            };
            let kind = if name.contains("alias/") { "Alias" } else { "Key" };
            Refusal::new("NotFoundException", format!("{kind} {arn} is not found."))
        })
    }

    /// Answers GetEbsEncryptionByDefault and GetEbsDefaultKmsKeyId, which names AWS's own key by
    /// its alias.
    pub(super) fn ebs_encryption(&self) -> EbsEncryption {
        EbsEncryption {
            is_by_default: self.is_encrypted_by_default,
            kms_key_id: self.default_key.as_deref().unwrap_or(AWS_EBS).to_owned(),
        }
    }
}

/// Returns the ARN that a key of this alias gets: the same in every run.
fn arn(region: Region, account: &str, alias: &str) -> Arc<str> {
    // FNV-1a: any even spread does, and it needs nothing.
    let text = format!("{region} {alias}");
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut stream = SplitMix64(seed);
    let digits = format!("{:016x}{:016x}", stream.next(), stream.next());
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    format!("arn:aws:kms:{region}:{account}:key/{}", parts.join("-")).into()
}

impl Sandbox {
    /// Adds a customer's key, or replaces the one of that alias (`alias/…`); returns its ARN.
    pub fn add_key(
        &self,
        region: &Region,
        alias: &str,
        is_enabled: bool,
        is_symmetric: bool,
    ) -> Arc<str> {
        let account = Arc::clone(&self.lock().account);
        let arn = arn(*region, &account, alias);
        let key = Key { arn: Arc::clone(&arn), is_enabled, is_symmetric };
        self.change(region, |state| state.keys.add(alias.into(), key));
        arn
    }

    /// Returns the key of this alias, id or ARN, without any call.
    pub fn key(&self, region: &Region, name: &str) -> Option<Key> {
        let state = self.lock();
        state.regions.get(region)?.keys.find(*region, &state.account, name)
    }

    /// Sets whether EBS encrypts in a region without being asked to.
    pub fn set_encryption_by_default(&self, region: &Region, is_on: bool) {
        self.change(region, |state| state.keys.is_encrypted_by_default = is_on);
    }

    /// Makes a customer's key, by its ARN, the one that EBS takes when nobody names one; none is
    /// AWS's own.
    pub fn set_default_key(&self, region: &Region, arn: Option<&str>) {
        self.change(region, |state| state.keys.default_key = arn.map(Into::into));
    }
}
