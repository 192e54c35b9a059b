//! Configuration: TOML as typed by people → a validated [`Config`].
//!
//! `shape` is what may be typed (and the published JSON Schema), `conform` and `layer` find
//! everything that is wrong at once, `syntax` helps where it is no TOML and `diagnose` shows it,
//! `resolve` and `merge` fill in defaults and overrides, `region_keys` what is known about regions,
//! `accounts` what is known about other accounts. `import` makes such text of what other tools were
//! told.
//! Everything below works on [`Config`] alone. Nothing here reads a clock or knows an
//! inventory.

mod accounts;
mod conflict;
mod conform;
mod diagnose;
mod feasible;
pub mod import;
mod layer;
mod load;
mod merge;
pub mod notify;
pub mod policy;
pub mod prices;
mod region_keys;
mod resolve;
mod resolved;
pub mod schedule;
pub mod select;
pub mod service;
mod shape;
mod syntax;
mod toml_text;

pub use accounts::{AccountName, Role};
pub use diagnose::{Problem, Problems};
pub use load::{LoadError, load, parse};
pub use notify::{Notify, Topic, UrlSource};
pub use policy::{
    Config, CopyRule, Encrypt, ImageRules, Kind, Limits, Orphans, Policy, RegionalPolicy, Regions,
    Retention, Take, Tier, TierRule, Window,
};
pub use prices::Prices;
pub use resolved::render_resolved;
pub use service::Listen;
pub use shape::schema;
