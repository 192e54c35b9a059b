//! Copies, keys and what is known about regions.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, RetentionShape};

/// A region to which points are copied.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Copy", extend("required" = ["to"]))]
pub(in crate::config) struct CopyShape {
    /// Where to: a region.
    #[schemars(extend("examples" = ["eu-west-1"]))]
    pub(in crate::config) to: Option<At<String>>,
    /// Whether copies are encrypted even if their source is not. Default false.
    pub(in crate::config) encrypted: Option<bool>,
    /// Key for what is encrypted there: an alias, an id or an ARN. Default: the region's.
    #[schemars(extend("examples" = ["alias/backup"]))]
    pub(in crate::config) kms_key: Option<At<String>>,
    /// The tier of the policy whose points are copied. Default: all points.
    pub(in crate::config) only: Option<At<TierNameShape>>,
    /// Whether points older than this rule's first copy are copied too. Default false.
    pub(in crate::config) existing: Option<bool>,
    /// How long copies are kept: rules, or `"forever"`. Default: as their originals.
    pub(in crate::config) retention: Option<At<RetentionShape>>,
    /// Ids of accounts that may use the copies.
    #[schemars(inner(regex(pattern = r"^[0-9]{12}$")), extend("maxItems" = 19))]
    pub(in crate::config) share_with: Option<At<Vec<At<String>>>>,
    /// How long a copy may take: `1 hour` to `48 hours`. EC2 charges for it; by default it takes as
    /// long as it takes.
    #[schemars(extend("examples" = ["4 hours"]))]
    pub(in crate::config) complete_within: Option<At<String>>,
}

/// A tier of retention.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "TierName")]
pub(in crate::config) enum TierNameShape {
    /// What `every` keeps.
    Every,
    /// What `hourly` keeps.
    Hourly,
    /// What `daily` keeps.
    Daily,
    /// What `weekly` keeps.
    Weekly,
    /// What `monthly` keeps.
    Monthly,
    /// What `yearly` keeps.
    Yearly,
}

/// Unencrypted points are replaced by encrypted copies in their own region.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Encrypt")]
pub(in crate::config) struct EncryptShape {
    /// Key: an alias, an id or an ARN. Default: the region's.
    #[schemars(extend("examples" = ["alias/backup"]))]
    pub(in crate::config) kms_key: Option<At<String>>,
    /// Whether the unencrypted original is deleted once the encrypted copy, and every copy asked
    /// for, is complete. Default false.
    pub(in crate::config) retire_unencrypted: Option<bool>,
}

/// Facts about a region.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Region")]
pub(in crate::config) struct RegionShape {
    /// Key for what is encrypted there: an alias, an id or an ARN. Default: the region's default
    /// key for EBS, which cannot be shared.
    #[schemars(extend("examples" = ["alias/backup"]))]
    pub(in crate::config) kms_key: Option<At<String>>,
    /// What EC2 charges there for a GiB of snapshots a month, for `simulate`. Default: that of
    /// `[prices]`, else the published price.
    #[schemars(extend("minimum" = 0, "examples" = [0.05]))]
    pub(in crate::config) snapshot_gib_month: Option<At<f64>>,
}
