//! All integration tests, as one binary: each more would link the SDK once more.

// A plain `cfg(test)` lets clippy see that the helpers are test code.
#[cfg(test)]
#[cfg(feature = "aws")]
mod moto;
#[cfg(test)]
mod support;
