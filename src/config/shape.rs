//! What may be typed into a configuration file.
//!
//! These types are the single truth about keys: the published JSON Schema is generated from them,
//! and the same schema finds what is wrong with the structure of a file (see `conform`). Nothing
//! here knows a default or checks a meaning; that is for `layer` and `merge`.

mod accounts;
mod copies;
mod notify;
mod schema;
mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use accounts::AccountShape;
pub(super) use copies::{CopyShape, EncryptShape, RegionShape, TierNameShape};
pub(super) use notify::{CommandShape, EventShape, NotifyShape, SnsShape, WebhookShape};
pub use schema::schema;
pub(super) use value::{
    At, DefaultsShape, OverrideShape, RegionsShape, RetentionShape, TierShape, WindowShape,
};

/// Tag keys with a pattern for each value.
pub(super) type TagsShape = BTreeMap<At<String>, String>;

/// One configuration file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "snapkeep configuration", extend("required" = ["version"]))]
pub(super) struct FileShape {
    /// Version of this format.
    #[schemars(extend("const" = 1))]
    pub(super) version: Option<At<i64>>,
    /// What every policy says unless it says otherwise.
    pub(super) defaults: Option<At<DefaultsShape>>,
    /// What is known about regions, by their names.
    pub(super) regions: Option<At<BTreeMap<At<String>, At<RegionShape>>>>,
    /// Other accounts, by the names that policies use.
    pub(super) accounts: Option<At<BTreeMap<At<String>, At<AccountShape>>>>,
    /// The policies.
    pub(super) policy: Option<Vec<At<PolicyShape>>>,
    /// What all policies together may use.
    pub(super) limits: Option<At<GlobalLimitsShape>>,
    /// Who is told of failures, and of what else.
    pub(super) notify: Option<At<NotifyShape>>,
    /// How `serve` runs.
    pub(super) service: Option<At<ServiceShape>>,
    /// What storage costs, for `simulate`.
    pub(super) prices: Option<At<PricesShape>>,
}

/// One named block: what to protect, when, and how long to keep it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
#[schemars(rename = "Policy")]
pub(super) struct PolicyShape {
    /// Name of the policy; written on every snapshot it makes.
    #[schemars(extend("minLength" = 1, "maxLength" = 128, "examples" = ["servers"]))]
    pub(super) name: Option<At<String>>,
    /// Names the policy had before; it takes over their points.
    pub(super) renamed_from: Option<Vec<At<String>>>,
    /// What recovery points are made of. Default `snapshots`.
    pub(super) kind: Option<At<KindShape>>,
    /// Regions in which it applies, or `["all"]` for every region enabled for the account.
    pub(super) regions: Option<At<RegionsShape>>,
    /// Accounts in which it applies: names of `[accounts.NAME]`, and `self` for the account whose
    /// credentials are used. Default `["self"]`.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true, "examples" = [["self", "production"]]))]
    pub(super) accounts: Option<At<Vec<At<String>>>>,
    /// Which installation this is; only points that bear its owner tag are judged. Default `main`.
    #[schemars(extend("minLength" = 1, "maxLength" = 128))]
    pub(super) owner: Option<At<String>>,
    /// IANA time zone whose calendar schedules and retention follow. Default `UTC`.
    #[schemars(extend("examples" = ["UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York"]))]
    pub(super) timezone: Option<At<String>>,
    /// When points are due: a crontab expression of 5 fields, or 6 with leading seconds. Without
    /// it a point is due at the start of each run.
    #[schemars(extend("examples" = ["0 3 * * *", "30 */6 * * *", "0 3 * * mon-fri", "@daily"]))]
    pub(super) schedule: Option<At<String>>,
    /// Whether recovery points are made at all; false only copies and expires. Default true.
    pub(super) create: Option<At<bool>>,
    /// What to protect.
    pub(super) select: Option<At<SelectShape>>,
    /// Which of an instance's volumes.
    pub(super) volumes: Option<At<VolumesShape>>,
    /// How long points are kept: rules, of which any keeps a point, or `"forever"`.
    pub(super) retention: Option<At<RetentionShape>>,
    /// Where copies of the points go. `[]` is nowhere.
    pub(super) copy: Option<At<Vec<At<CopyShape>>>>,
    /// Unencrypted points are replaced by encrypted copies in their own region; `{}` does it with
    /// the region's key.
    pub(super) encrypt: Option<At<EncryptShape>>,
    /// How long after its slot a point may be missing or unfinished before `status` and the alarms
    /// say so. Default `6 hours`.
    #[schemars(extend("examples" = ["6 hours"]))]
    pub(super) point_grace: Option<At<String>>,
    /// How long a copy may be missing or unfinished before that is an alarm. Default `3 days`.
    #[schemars(extend("examples" = ["3 days"]))]
    pub(super) copy_grace: Option<At<String>>,
    /// How long a point that no rule keeps any more waits for its copies. Default `30 days`.
    #[schemars(extend("examples" = ["30 days"]))]
    pub(super) copy_give_up: Option<At<String>>,
    /// Images: whether an instance may be rebooted for one. Default false.
    pub(super) reboot: Option<At<bool>>,
    /// Images: younger ones are never deregistered.
    #[schemars(extend("examples" = ["7 days"]))]
    pub(super) min_age: Option<At<String>>,
    /// Images: how long after its making one is deprecated.
    #[schemars(extend("examples" = ["90 days"]))]
    pub(super) deprecate_after: Option<At<String>>,
    /// Images made elsewhere: the tag whose value names the family of one. Without it, all that are
    /// selected or adopted in a region are one family.
    #[schemars(extend("minLength" = 1, "maxLength" = 127, "examples" = ["Family"]))]
    pub(super) family_tag: Option<At<String>>,
    /// Which snapshots or images made by others may be expired too; all keys given must match.
    pub(super) adopt: Option<At<AdoptShape>>,
    /// How much may be deleted in one region and run.
    pub(super) limits: Option<At<LimitsShape>>,
    /// What differs in one region.
    #[serde(rename = "override")]
    pub(super) overrides: Option<At<BTreeMap<At<String>, At<OverrideShape>>>>,
}

/// What recovery points are made of.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Kind")]
pub(super) enum KindShape {
    /// EBS snapshots.
    Snapshots,
    /// Images (AMIs) with their backing snapshots.
    Images,
}

/// What to protect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["resource"]))]
#[schemars(rename = "Select")]
pub(super) struct SelectShape {
    /// What becomes a source.
    pub(super) resource: Option<At<ResourceShape>>,
    /// States in which an instance is selected. Default `["running", "stopped"]`.
    pub(super) states: Option<At<Vec<StateShape>>>,
    /// What the name of an image must be like; may use `*` and `?`.
    #[schemars(extend("examples" = ["golden-*"]))]
    pub(super) name: Option<At<String>>,
    /// Tags that must all match; values may use `*` and `?`.
    pub(super) tags: Option<At<TagsShape>>,
    /// Tags of which none may match; values may use `*` and `?`.
    pub(super) exclude_tags: Option<At<TagsShape>>,
}

/// What becomes a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Resource")]
pub(super) enum ResourceShape {
    /// Instances: the volumes attached to each, together.
    Instance,
    /// Volumes, each by itself, attached or not.
    Volume,
    /// Images made elsewhere, to copy and expire them.
    Image,
}

/// A state of an instance, as EC2 spells it.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "State")]
pub(super) enum StateShape {
    /// Being started.
    Pending,
    /// Running.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped.
    Stopped,
}

/// Which of an instance's volumes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Volumes")]
pub(super) struct VolumesShape {
    /// Whether the root volume is protected. Default true; images always have it.
    pub(super) boot: Option<At<bool>>,
    /// Volumes that bear any of these are left out; values may use `*` and `?`.
    pub(super) exclude_tags: Option<At<TagsShape>>,
}

/// The rules of retention; a point is kept if any rule keeps it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rules")]
pub(super) struct RulesShape {
    /// Newest complete points kept whatever their age. Default 1.
    #[schemars(extend("minimum" = 1))]
    pub(super) keep_last: Option<At<i64>>,
    /// What becomes of points whose source is gone: `keep-last` goes on as before; `expire`, or a
    /// span after the newest point, lets `keep_last` lapse. Default `keep-last`.
    #[schemars(extend("examples" = ["keep-last", "expire", "90 days"]))]
    pub(super) orphans: Option<At<String>>,
    /// Each point, for a span.
    #[schemars(extend("examples" = ["36 hours", "1 month"]))]
    pub(super) every: Option<At<TierShape>>,
    /// One point for each hour.
    #[schemars(extend("examples" = ["36 hours", 48]))]
    pub(super) hourly: Option<At<TierShape>>,
    /// One point for each day.
    #[schemars(extend("examples" = ["1 month", 14]))]
    pub(super) daily: Option<At<TierShape>>,
    /// One point for each ISO week, Monday first.
    #[schemars(extend("examples" = ["8 weeks", 8]))]
    pub(super) weekly: Option<At<TierShape>>,
    /// One point for each month.
    #[schemars(extend("examples" = ["7 months", 12]))]
    pub(super) monthly: Option<At<TierShape>>,
    /// One point for each year.
    #[schemars(extend("examples" = ["2 years", 7]))]
    pub(super) yearly: Option<At<TierShape>>,
}

/// Which point stands for its period.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Take")]
pub(super) enum TakeShape {
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The earliest, if it is of the period's first local day: the 1st, Monday, 1 January.
    FirstDay,
}

/// Which snapshots or images made by others may be expired too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Adopt")]
pub(super) struct AdoptShape {
    /// True: every own snapshot or image of the region, as far as the other keys match.
    pub(super) all: Option<bool>,
    /// Tags that must all match; values may use `*` and `?`.
    pub(super) tags: Option<At<TagsShape>>,
    /// What the description must be like; may use `*` and `?`.
    #[schemars(extend("examples" = ["nightly*"]))]
    pub(super) description: Option<At<String>>,
    /// Tags of which none may match; values may use `*` and `?`.
    pub(super) exclude_tags: Option<At<TagsShape>>,
}

/// How much may be deleted for one policy in one region and run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub(super) struct LimitsShape {
    /// Snapshots and images at most. Default 1000.
    #[schemars(extend("minimum" = 0))]
    pub(super) max_deletes: Option<At<i64>>,
    /// Percent of the policy's points in the region at most; counts from 20 deletions on.
    /// Default 60.
    #[schemars(extend("minimum" = 0, "maximum" = 100))]
    pub(super) max_delete_percent: Option<At<i64>>,
}

/// What all policies together may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GlobalLimits")]
pub(super) struct GlobalLimitsShape {
    /// Share of EC2's published request rates to use at most. Default 1.0.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub(super) api_share: Option<At<f64>>,
}

/// How `serve` runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub(super) struct ServiceShape {
    /// Address and port on which page, health and metrics are, or `off`. Default `127.0.0.1:9546`.
    #[schemars(extend("examples" = ["127.0.0.1:9546", "[::1]:9546", "off"]))]
    pub(super) listen: Option<At<String>>,
}

/// What storage costs, for `simulate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Prices")]
pub(super) struct PricesShape {
    /// In what prices are. Default `USD`; with another one, `snapshot_gib_month` is needed, since
    /// published prices are in that.
    #[schemars(extend("examples" = ["USD", "EUR"]))]
    pub(super) currency: Option<At<String>>,
    /// What EC2 charges for a GiB of snapshots a month where the region says nothing else. Default:
    /// the published price, as far as it is known here.
    #[schemars(extend("minimum" = 0, "examples" = [0.05]))]
    pub(super) snapshot_gib_month: Option<At<f64>>,
}
