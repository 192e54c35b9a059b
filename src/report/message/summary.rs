//! How things are in one account: what each policy has in each region.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::body::Body;
use crate::domain::region::Region;
use crate::plan::ProtectionState;
use crate::plan::reason::minute;
use crate::report::trouble::Cycle;

/// What a policy has in a region.
#[derive(Default)]
struct Stock {
    n_kept: usize,
    /// How many sources are how, by the names of their states.
    states: BTreeMap<&'static str, usize>,
    /// The newest point of each source that has one.
    newest: Vec<DateTime<Utc>>,
    n_waiting: usize,
}

/// Adds what each policy has to `body`.
pub(super) fn tell(body: &mut Body, cycle: &Cycle<'_>) {
    let mut stocks: BTreeMap<(Region, Arc<str>), Stock> = BTreeMap::new();
    let mut stock = |region: Region, policy: &Arc<str>, change: &dyn Fn(&mut Stock)| {
        change(stocks.entry((region, Arc::clone(policy))).or_default());
    };
    for keep in &cycle.plan.keeps {
        stock(keep.region, &keep.policy, &|stock| stock.n_kept += 1);
    }
    for protection in &cycle.plan.protection {
        stock(protection.region, &protection.policy, &|stock| {
            *stock.states.entry(protection.state.name()).or_default() += 1;
            stock.newest.extend(protection.newest);
        });
    }
    for waiting in &cycle.plan.waiting {
        stock(waiting.region, &waiting.policy, &|stock| stock.n_waiting += 1);
    }
    let lines = stocks
        .into_iter()
        .map(|((region, policy), stock)| format!("{region} · {policy}: {}", words(&stock)));
    let heading = cycle
        .account
        .map_or("what there is".to_owned(), |account| format!("what there is in {account}"));
    body.list(heading, lines);
}

fn words(stock: &Stock) -> String {
    let mut parts = Vec::new();
    for name in ProtectionState::NAMES {
        parts.extend(stock.states.get(name).map(|n| format!("{n} {name}")));
    }
    if let (Some(oldest), Some(newest)) = (stock.newest.iter().min(), stock.newest.iter().max()) {
        parts.push(if oldest == newest {
            format!("newest of {}", minute(*newest))
        } else {
            format!("newest between {} and {}", minute(*oldest), minute(*newest))
        });
    }
    parts.push(format!("{} kept", stock.n_kept));
    if 0 < stock.n_waiting {
        parts.push(format!("{} waiting", stock.n_waiting));
    }
    parts.join(", ")
}
