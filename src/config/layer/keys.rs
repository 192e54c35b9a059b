//! Keys of the Key Management Service, as far as their text tells.

use std::sync::Arc;

use crate::config::diagnose::Place;
use crate::config::layer::Reader;
use crate::config::shape::{At, RegionShape};
use crate::domain::region::Region;

/// A key for what is encrypted.
#[derive(Debug, Clone)]
pub(in crate::config) struct KmsKey {
    pub(in crate::config) place: Place,
    pub(in crate::config) text: Arc<str>,
    /// The one region in which it is, if it says so.
    pub(in crate::config) region: Option<Region>,
}

/// What is known about a region.
#[derive(Debug)]
pub(in crate::config) struct RegionFacts {
    /// The key for what is encrypted there.
    pub(in crate::config) kms_key: Option<Arc<str>>,
    /// What a GiB of snapshots costs there a month.
    pub(in crate::config) price: Option<f64>,
}

/// A text names no key.
#[derive(Debug, PartialEq, Eq)]
struct NoKey;

/// Returns true for a key that AWS manages; what it encrypts cannot be shared.
pub(in crate::config) fn is_managed_by_aws(key: &str) -> bool {
    key.rsplit(':').next().is_some_and(|name| name.starts_with("alias/aws/"))
}

/// Returns true if `key` can be the key for what is encrypted in `region`.
pub(in crate::config) fn is_key_for(key: &str, region: &Region) -> bool {
    region_of(key).is_ok_and(|own| own.is_none_or(|own| own == *region))
}

impl Reader<'_, '_> {
    /// Reads what is known about a region.
    pub(in crate::config) fn region_facts(
        &mut self,
        name: &At<String>,
        at: &At<RegionShape>,
    ) -> Option<(Region, RegionFacts)> {
        let region = self.region(name.value(), &self.place(name.span()));
        let RegionShape { kms_key, snapshot_gib_month } = at.value();
        let kms_key = kms_key.as_ref().map(|key| self.kms_key(key, region.as_ref()));
        let price = snapshot_gib_month.as_ref().map(|at| self.price(at));
        // What is wrong has been reported.
        let kms_key = kms_key.map_or(Some(None), |key| key.map(|key| Some(key.text)))?;
        let price = price.map_or(Some(None), |price| price.map(Some))?;
        Some((region?, RegionFacts { kms_key, price }))
    }

    /// Reads a key that is used in `region`, where that is known.
    pub(super) fn kms_key(&mut self, at: &At<String>, region: Option<&Region>) -> Option<KmsKey> {
        let (text, place) = (at.value().as_str(), self.place(at.span()));
        let Ok(own_region) = region_of(text) else {
            let message = if text.trim().is_empty() {
                "`kms_key` is empty".to_owned()
            } else {
                format!("`{text}` is not a key")
            };
            return self.refuse(&place, message, hint(text));
        };
        if let (Some(own), Some(region)) = (&own_region, region)
            && own != region
        {
            let message = format!("the key is in `{own}`, but is to encrypt in `{region}`");
            let hint = format!("write a key of `{region}`, or an alias that it has there");
            return self.refuse(&place, message, hint);
        }
        Some(KmsKey { place, text: text.into(), region: own_region })
    }
}

/// Returns the region that a key names, if it names one.
fn region_of(text: &str) -> Result<Option<Region>, NoKey> {
    if is_alias(text) || is_id(text) {
        return Ok(None);
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts[..] else {
        return Err(NoKey);
    };
    let is_key = is_alias(resource) || resource.strip_prefix("key/").is_some_and(is_id);
    if partition.starts_with("aws") && is_account(account) && is_key {
        return region.parse().map(Some).map_err(|_| NoKey);
    }
    Err(NoKey)
}

/// Returns true for the id of an account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_alias(text: &str) -> bool {
    text.strip_prefix("alias/").is_some_and(is_alias_name)
}

fn is_alias_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-');
    (1..=250).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn is_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.into_iter().all(is_hex)
}

/// Returns what to write instead of something that is no key.
fn hint(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return "leave it out for the default".to_owned();
    }
    if region_of(trimmed).is_ok() {
        return format!("write `{trimmed}`, without spaces");
    }
    if trimmed.starts_with("arn:") {
        return "an ARN is `arn:aws:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`".to_owned();
    }
    if let Some(id) = trimmed.strip_prefix("key/").filter(|id| is_id(id)) {
        return format!("write `{id}`");
    }
    let (prefix, name) = trimmed.split_once('/').unwrap_or(("", trimmed));
    let is_bare = prefix.is_empty() || prefix.eq_ignore_ascii_case("alias");
    // A longish name of hex digits is more likely an id with a slip.
    let is_like_id = trimmed.starts_with("mrk-")
        || 30 < trimmed.len() && trimmed.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_bare && is_alias_name(name) && !is_like_id {
        return format!("write `alias/{name}`");
    }
    "write an alias such as `alias/backup`, the id of a key, or its ARN".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{NoKey, hint, is_managed_by_aws, region_of};

    #[test]
    fn keys_are_aliases_ids_and_arns() {
        for (text, region) in [
            ("alias/backup", None),
            ("alias/teams/db_1", None),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", None),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", None),
            ("arn:aws:kms:eu-west-1:123456789012:alias/backup", Some("eu-west-1")),
            (
                "arn:aws-cn:kms:cn-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                Some("cn-north-1"),
            ),
        ] {
            let found = region_of(text).map(|region| region.map(|region| region.as_str()));
            assert_eq!(found, Ok(region), "{text}");
        }
    }

    #[test]
    fn other_texts_are_told_what_to_write() {
        let usual = "write an alias such as `alias/backup`, the id of a key, or its ARN";
        let arn = "an ARN is `arn:aws:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`";
        for (text, expected) in [
            ("", "leave it out for the default"),
            ("backup", "write `alias/backup`"),
            ("Alias/backup", "write `alias/backup`"),
            (" alias/backup", "write `alias/backup`, without spaces"),
            ("alias/", usual),
            ("my key", usual),
            ("mrk-1234", usual),
            ("1234abcd-12ab-34cd-56ef-1234567890", usual),
            (
                "key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "write `1234abcd-12ab-34cd-56ef-1234567890ab`",
            ),
            ("arn:aws:kms:eu-west-1:12345:alias/backup", arn),
            ("arn:aws:iam::123456789012:role/backup", arn),
            ("arn:aws:kms:eu-west-1a:123456789012:alias/backup", arn),
        ] {
            assert_eq!(region_of(text), Err(NoKey), "{text}");
            assert_eq!(hint(text), expected, "{text}");
        }
    }

    #[test]
    fn keys_of_aws_are_told_from_own_ones() {
        assert!(is_managed_by_aws("alias/aws/ebs"));
        assert!(is_managed_by_aws("arn:aws:kms:eu-west-1:123456789012:alias/aws/ebs"));
        assert!(!is_managed_by_aws("alias/awsome"));
    }
}
