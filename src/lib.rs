//! snapkeep.

pub mod cli;
pub mod cloud;
pub mod config;
pub mod domain;
pub mod execute;
pub mod plan;
pub mod report;
pub mod run;
