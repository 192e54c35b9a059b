//! What a valid configuration says, with all defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::accounts::{AccountName, Role};
use crate::config::notify::Notify;
use crate::config::prices::Prices;
use crate::config::schedule::Schedule;
use crate::config::select::{Adopt, Select, VolumeChoice};
use crate::config::service::Listen;
use crate::domain::region::Region;
use crate::domain::span::Span;

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The policies, in the order in which they were written.
    pub policies: Vec<Policy>,
    /// The roles that are assumed in other accounts, by the accounts' names.
    pub roles: BTreeMap<Arc<str>, Role>,
    /// The account that this is about, if it is [one account's part](Config::of_account); none is
    /// the own one.
    pub account: AccountName,
    /// The key for what is encrypted in a region, where one is given.
    pub region_keys: BTreeMap<Region, Arc<str>>,
    /// Share of EC2's published request rates to use at most; above 0, at most 1.
    pub api_share: f64,
    /// Who is told what, if anybody is.
    pub notify: Option<Notify>,
    /// Where `serve` listens.
    pub listen: Listen,
    /// What storage costs.
    pub prices: Prices,
    /// `sha256:` and the hex digest of the files as they were read.
    pub digest: String,
}

impl Config {
    /// Returns every region that the configuration names: where policies apply, and where their
    /// copies go.
    pub fn named_regions(&self) -> BTreeSet<Region> {
        let mut regions = BTreeSet::new();
        for policy in &self.policies {
            if let Regions::Named(named) = &policy.regions {
                regions.extend(named.iter().copied());
            }
            regions.extend(policy.variants().flat_map(|v| &v.copies).map(|copy| copy.to));
        }
        regions
    }

    /// Returns the key for what `policy` encrypts in `region`: its own, else the region's; none is
    /// the region's default EBS key.
    pub fn encrypt_key<'a>(
        &'a self,
        policy: &'a RegionalPolicy,
        region: &Region,
    ) -> Option<&'a Arc<str>> {
        let own = policy.encrypt.as_ref().and_then(|encrypt| encrypt.kms_key.as_ref());
        own.or_else(|| self.region_keys.get(region))
    }
}

/// One policy with its variants by region.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, unique in the configuration.
    pub name: Arc<str>,
    /// Names it had before; it takes over their points.
    pub renamed_from: Vec<Arc<str>>,
    /// The accounts in which it applies; at least one.
    pub accounts: BTreeSet<AccountName>,
    /// Where it applies.
    pub regions: Regions,
    /// What it says where no override does.
    pub base: RegionalPolicy,
    /// What it says in regions that have an override; complete, not only the differences.
    pub overrides: BTreeMap<Region, RegionalPolicy>,
}

impl Policy {
    /// Returns what the policy says in `region`, whether or not it applies there.
    pub fn in_region(&self, region: &Region) -> &RegionalPolicy {
        self.overrides.get(region).unwrap_or(&self.base)
    }

    /// Returns everything that it says anywhere: where nothing is overridden, then region by region.
    pub fn variants(&self) -> impl Iterator<Item = &RegionalPolicy> {
        std::iter::once(&self.base).chain(self.overrides.values())
    }

    /// Returns true if the policy applies in `region`.
    pub fn applies_in(&self, region: &Region) -> bool {
        match &self.regions {
            Regions::All => true,
            Regions::Named(regions) => regions.contains(region),
        }
    }

    /// Returns true if points of a policy called `name` are this policy's.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name.as_ref() == name || self.renamed_from.iter().any(|old| old.as_ref() == name)
    }
}

/// Where a policy applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Every region that is enabled for the account.
    All,
    /// These, without repetition.
    Named(Vec<Region>),
}

/// What a policy says in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionalPolicy {
    /// Which installation's points are judged and made.
    pub owner: Arc<str>,
    /// Whose calendar schedules and retention follow.
    pub timezone: Tz,
    /// What recovery points are made of.
    pub kind: Kind,
    /// When points are due; none makes one at the start of each run.
    pub schedule: Option<Schedule>,
    /// Whether recovery points are made at all. Images that are selected are made elsewhere: with
    /// [`Resource::Image`](crate::config::select::Resource::Image) this is false.
    pub create: bool,
    /// What is protected.
    pub select: Select,
    /// Which of an instance's volumes.
    pub volumes: VolumeChoice,
    /// How long points are kept.
    pub retention: Retention,
    /// What is special to images; the defaults, where snapshots are made.
    pub images: ImageRules,
    /// Where copies go; at most one rule for each destination.
    pub copies: Vec<CopyRule>,
    /// How unencrypted points become encrypted ones, if at all.
    pub encrypt: Option<Encrypt>,
    /// How long after its slot a point may be unfinished or missing before that is an alarm.
    pub point_grace: Span,
    /// How long a copy may be unfinished or missing before that is an alarm, from the time of the
    /// point.
    pub copy_grace: Span,
    /// How long a point that no rule keeps waits for its copies, from its time.
    pub copy_give_up: Span,
    /// Which snapshots or images, as its kind is, made by others may be expired too.
    pub adopt: Option<Adopt>,
    /// How much may be deleted in one run.
    pub limits: Limits,
}

impl RegionalPolicy {
    /// Returns the rule for copies from `from` to `to`; none onto the region itself.
    pub fn copy_rule(&self, from: &Region, to: &Region) -> Option<&CopyRule> {
        self.copies.iter().find(|rule| rule.to == *to && to != from)
    }
}

/// What recovery points are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// EBS snapshots.
    Snapshots,
    /// AMIs with their backing snapshots.
    Images,
}

impl Kind {
    /// Returns the spelling in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Images => "images",
        }
    }
}

/// What is special to images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRules {
    /// Whether CreateImage may reboot the instance.
    pub reboot: bool,
    /// Images younger than this are never deregistered.
    pub min_age: Option<Span>,
    /// How long after its point's time an image is deprecated.
    pub deprecate_after: Option<Span>,
    /// The tag whose value names the family of an image made elsewhere; without it, all that the
    /// policy selects or adopts in a region are one.
    pub family_tag: Option<Arc<str>>,
}

/// One rule for copies: `[[policy.copy]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRule {
    /// The destination.
    pub to: Region,
    /// Whether copies are encrypted even if their source is not.
    pub encrypted: bool,
    /// The key for what is encrypted there: the rule's, else the region's; none is the region's
    /// default EBS key.
    pub kms_key: Option<Arc<str>>,
    /// Only points that this tier of the policy keeps are copied.
    pub only: Option<Tier>,
    /// Whether points older than the rule's first copy are copied too.
    pub existing: bool,
    /// How long copies are kept.
    pub retention: Retention,
    /// Accounts that may use the copies; 12 digits each, ordered, without repetition.
    pub share_with: Vec<Arc<str>>,
    /// CompletionDurationMinutes of a time-based copy: a multiple of 15, from 15 to 2880.
    pub complete_within_minutes: Option<u32>,
}

/// `[policy.encrypt]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypt {
    /// The policy's own key; [`Config::encrypt_key`] is the one to use.
    pub kms_key: Option<Arc<str>>,
    /// Whether the unencrypted original goes once the encrypted copy, and every copy asked for, is
    /// complete.
    pub retire_unencrypted: bool,
}

/// How long points are kept. A point stays if any rule keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Newest complete points kept whatever their age; at least 1.
    pub keep_last: u32,
    /// What becomes of points whose source is gone.
    pub orphans: Orphans,
    /// The tiers, each at most once, in the order of [`Tier`].
    pub tiers: Vec<TierRule>,
    /// `retention = "forever"`: nothing expires.
    pub forever: bool,
}

/// What becomes of points whose source is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// The tiers go on, and so does `keep_last`.
    KeepLast,
    /// The tiers go on, `keep_last` lapses at once.
    Expire,
    /// The tiers go on, `keep_last` lapses this long after the newest point.
    After(Span),
}

/// One retention rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierRule {
    /// Which tier.
    pub tier: Tier,
    /// How far back it reaches.
    pub window: Window,
    /// Which point stands for a period. Always [`Take::First`] for [`Tier::Every`].
    pub take: Take,
}

/// The tiers, from the shortest period to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Each point; has no period.
    Every,
    /// One for each hour of the local clock.
    Hourly,
    /// One for each local day.
    Daily,
    /// One for each ISO week, Monday first.
    Weekly,
    /// One for each month.
    Monthly,
    /// One for each year.
    Yearly,
}

impl Tier {
    /// Every tier with its key in a policy.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Every, "every"),
        (Self::Hourly, "hourly"),
        (Self::Daily, "daily"),
        (Self::Weekly, "weekly"),
        (Self::Monthly, "monthly"),
        (Self::Yearly, "yearly"),
    ];

    /// Returns the tier's key in a policy.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(tier, _)| *tier == self).map_or("", |(_, name)| name)
    }
}

/// How far back a tier reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A point is kept while its time plus this span is after now.
    For(Span),
    /// The newest so many periods that have a representative; at least 1. Never with
    /// [`Tier::Every`].
    Count(u32),
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => span.fmt(f),
            Self::Count(n) => n.fmt(f),
        }
    }
}

/// Which point stands for its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The earliest, if it is of the period's first local day.
    FirstDay,
}

impl Take {
    /// Every choice with its spelling.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::First, "first"), (Self::Last, "last"), (Self::FirstDay, "first-day")];

    /// Returns the spelling in a policy.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(take, _)| *take == self).map_or("", |(_, name)| name)
    }
}

/// How much may be deleted for one policy in one region and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Snapshots and images at most.
    pub max_deletes: u32,
    /// Percent of the policy's points in the region at most; counts from 20 deletions on.
    pub max_delete_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_deletes: 1000, max_delete_percent: 60 }
    }
}
