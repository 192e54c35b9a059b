//! What storage costs: `[prices]`, and what `[regions]` says of it.
//!
//! Only for telling what a simulation costs; nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::region::Region;

/// In what published prices are.
pub const USD: &str = "USD";

/// Prices as they are configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// In what they are.
    pub currency: Arc<str>,
    /// A GiB of snapshots a month where the region says nothing else; none is the published price.
    pub snapshot_gib_month: Option<f64>,
    /// The same in single regions.
    pub by_region: BTreeMap<Region, f64>,
}

impl Default for Prices {
    fn default() -> Self {
        Self { currency: USD.into(), snapshot_gib_month: None, by_region: BTreeMap::new() }
    }
}

impl Prices {
    /// Returns what a GiB of snapshots costs a month in `region`, if that is configured.
    pub fn snapshot_gib_month(&self, region: &Region) -> Option<f64> {
        self.by_region.get(region).copied().or(self.snapshot_gib_month)
    }
}
