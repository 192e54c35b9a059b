//! sandbox

pub mod time;
