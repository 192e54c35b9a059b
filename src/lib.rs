//! snapkeep.

pub mod cloud;
pub mod config;
pub mod domain;
pub mod execute;
pub mod plan;
