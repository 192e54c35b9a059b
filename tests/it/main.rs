//! All integration tests, in one binary.

#[cfg(test)]
mod config_samples;
