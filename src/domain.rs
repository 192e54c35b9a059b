//! The nouns: ids, regions, spans, tags, sources, and what was observed.
//!
//! Nothing here talks to EC2, reads a clock or knows a policy, so every other room may use it.

pub mod api_calls;
pub mod calendar;
pub mod event;
pub mod failure;
pub mod id_map;
pub mod ids;
pub mod intern;
pub mod inventory;
pub mod pattern;
pub mod printable;
pub mod region;
pub mod source;
pub mod span;
pub mod tags;
