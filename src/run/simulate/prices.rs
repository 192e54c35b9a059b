//! What storing snapshots costs where the configuration does not say.

use crate::config::prices::Prices;
use crate::domain::region::Region;
use crate::report::simulation::{Basis, Price};

/// What most regions charge for a GiB of snapshots of the standard tier a month, in USD.
const USUAL: f64 = 0.05;

/// Prices of AWS's public price list (usage type `EBS:SnapshotUsage`, unit GB-Mo), in USD, with the
/// day of the list. Only what was seen there stands here; of other regions [`USUAL`] is assumed, and
/// reports say so.
const PUBLISHED: [(&str, f64, &str); 3] = [
    ("eu-west-1", 0.05, "2026-05-01"),
    ("us-east-1", 0.05, "2026-05-01"),
    ("us-west-1", 0.055, "2023-08-01"),
];

/// Returns what a GiB of snapshots costs a month in `region`.
pub(super) fn price(prices: &Prices, region: &Region) -> Price {
    if let Some(gib_month) = prices.snapshot_gib_month(region) {
        return Price { gib_month, basis: Basis::Configured };
    }
    let published = PUBLISHED.iter().find(|(name, ..)| *name == region.as_str());
    match published {
        Some((_, gib_month, date)) => {
            Price { gib_month: *gib_month, basis: Basis::Published(date) }
        }
        None => Price { gib_month: USUAL, basis: Basis::Assumed },
    }
}
