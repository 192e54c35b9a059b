//! Configuration: TOML as typed by people → a validated [`Config`].
//!
//! `shape` is what may be typed (and the published JSON Schema), `conform` and `layer` find
//! everything that is wrong at once, `syntax` helps where it is no TOML and `diagnose` shows it,
//! `resolve` and `merge` fill in defaults and overrides, `region_keys` what is known about regions.
//! Everything below works on [`Config`] alone. Nothing here reads a clock or knows an
//! inventory.

mod conflict;
mod conform;
mod diagnose;
mod feasible;
mod layer;
mod load;
mod merge;
pub mod policy;
mod region_keys;
mod resolve;
mod resolved;
pub mod schedule;
pub mod select;
pub mod service;
mod shape;
mod syntax;

pub use diagnose::{Problem, Problems};
pub use load::{LoadError, load, parse};
pub use policy::{
    Config, CopyRule, Encrypt, ImageRules, Kind, Limits, Orphans, Policy, RegionalPolicy, Regions,
    Retention, Take, Tier, TierRule, Window,
};
pub use resolved::render_resolved;
pub use service::Listen;
pub use shape::schema;
