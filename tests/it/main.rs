//! All integration tests, as one binary: each more would link the SDK once more.

// `cfg(test)` on the modules lets clippy see that their helpers are test code. It does not see it
// in `cfg(all(test, …))`.
#[cfg(test)]
mod check_of_plan;
#[cfg(test)]
mod config_samples;
#[cfg(test)]
#[cfg(feature = "aws")]
mod conformance;
#[cfg(test)]
mod cycles;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod iam;
#[cfg(test)]
mod import;
#[cfg(test)]
mod import_direction;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod man;
#[cfg(test)]
#[cfg(feature = "aws")]
mod moto_cli;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod plan_properties;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod service;
// It has no harness of its own where it is used.
#[cfg(test)]
mod simulate;
#[cfg(test)]
#[path = "../simulation/model.rs"]
mod simulation_model;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod units;
#[cfg(test)]
#[cfg(feature = "aws")]
mod wire;
