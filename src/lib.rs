//! snapkeep.

pub mod cloud;
pub mod config;
pub mod domain;
pub mod plan;
