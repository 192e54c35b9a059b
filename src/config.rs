//! Configuration: TOML as typed by people → a validated [`Config`].
//!
//! `shape` is what may be typed (and the published JSON Schema), `diagnose` finds everything that
//! is wrong at once, `resolve` fills in defaults and overrides. Everything below works on
//! [`Config`] alone. Nothing here reads a clock or knows an inventory.

pub mod policy;
pub mod schedule;
pub mod select;

pub use policy::{
    Config, Limits, Orphans, Policy, RegionalPolicy, Regions, Retention, Take, Tier, TierRule,
    Window,
};
