//! What several tests share.

#[cfg(feature = "aws")]
pub(crate) mod moto;
#[cfg(feature = "aws")]
pub(crate) mod python;
#[cfg(feature = "aws")]
pub(crate) mod runtime_api;
