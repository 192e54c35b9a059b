//! What several tests share.

#[cfg(feature = "aws")]
pub(crate) mod moto;
