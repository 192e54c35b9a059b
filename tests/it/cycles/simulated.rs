//! What simulated years found and nobody had thought of: each scene as short as it can be.
//!
//! `tests/simulation` found them among thousands of others; here each stands alone and says why.

mod attempts;
mod debts;
mod leftovers;
mod seen;
mod since;
mod windows;
