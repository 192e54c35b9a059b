//! What storage costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::layer::Reader;
use crate::config::prices::{Prices, USD};
use crate::config::shape::{At, PricesShape};

/// A currency's name stands in every table.
const CURRENCY_CHARS_MAX: usize = 8;

impl Reader<'_, '_> {
    /// Reads `[prices]`; what regions say comes on top.
    pub(in crate::config) fn prices(&mut self, at: &At<PricesShape>) -> Option<Prices> {
        let PricesShape { currency, snapshot_gib_month } = at.value();
        let price = snapshot_gib_month.as_ref().map(|at| self.price(at));
        let currency = match currency {
            Some(at) => self.currency(at)?,
            None => USD.into(),
        };
        if *currency != *USD && price.is_none() && !self.broken.touches("prices/snapshot_gib_month")
        {
            let message = format!("prices in {currency} are not known");
            let hint = "add `snapshot_gib_month`; published prices are in USD";
            return self.refuse(&self.place(at.span()), message, hint);
        }
        let snapshot_gib_month = price.map_or(Some(None), |price| price.map(Some))?;
        Some(Prices { currency, snapshot_gib_month, by_region: BTreeMap::new() })
    }

    /// Reads what a GiB costs a month.
    pub(in crate::config) fn price(&mut self, at: &At<f64>) -> Option<f64> {
        let price = *at.value();
        // TOML also has `inf` and `nan`.
        if price.is_finite() && 0.0 <= price {
            return Some(price);
        }
        let message = format!("a price cannot be {price}");
        self.refuse(
            &self.place(at.span()),
            message,
            "write what a GiB costs a month, such as `0.05`",
        )
    }

    fn currency(&mut self, at: &At<String>) -> Option<Arc<str>> {
        let text = at.value().trim();
        let n_chars = text.chars().count();
        if 0 < n_chars && n_chars <= CURRENCY_CHARS_MAX && !text.chars().any(char::is_control) {
            return Some(text.into());
        }
        let message = format!("`{}` cannot name a currency", at.value());
        self.refuse(&self.place(at.span()), message, "write its code, such as `USD` or `EUR`")
    }
}
