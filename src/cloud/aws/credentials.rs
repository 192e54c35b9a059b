//! Marks failures to get credentials, so that they are told from failures to reach EC2.
//!
//! The SDK reports both as "dispatch failure". The gate sits in front of the identity cache, which
//! every request passes, and wraps what comes out of it.

use std::sync::Arc;

use aws_sdk_ec2::config::{
    ConfigBag, ResolveCachedIdentity, RuntimeComponents, RuntimeComponentsBuilder,
    SharedIdentityCache,
};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_runtime_api::client::identity::{IdentityFuture, SharedIdentityResolver};

/// There are no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCredentials {
    /// The credential chain gave none.
    #[error("no AWS credentials found (set AWS_PROFILE, or run `aws configure`)")]
    Chain(#[source] BoxError),
    /// AssumeRole gave none.
    #[error("cannot assume the role `{arn}`")]
    Role {
        /// The role.
        arn: Arc<str>,
        /// Why.
        source: BoxError,
    },
}

/// Whose credentials are asked for: a role's, or those of the chain.
pub(super) type OfRole = Option<Arc<str>>;

impl NoCredentials {
    pub(super) fn new(role: &OfRole, source: BoxError) -> Self {
        match role {
            Some(arn) => Self::Role { arn: Arc::clone(arn), source },
            None => Self::Chain(source),
        }
    }
}

/// An identity cache whose failures are [`NoCredentials`].
#[derive(Debug)]
pub(super) struct CredentialsGate {
    cache: SharedIdentityCache,
    role: OfRole,
}

impl CredentialsGate {
    pub(super) fn new(cache: SharedIdentityCache, role: OfRole) -> Self {
        Self { cache, role }
    }
}

impl ResolveCachedIdentity for CredentialsGate {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            self.cache
                .resolve_cached_identity(resolver, runtime_components, config_bag)
                .await
                .map_err(|source| NoCredentials::new(&self.role, source).into())
        })
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.cache.validate_base_client_config(runtime_components, cfg)
    }

    fn validate_final_config(
        &self,
        runtime_components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.cache.validate_final_config(runtime_components, cfg)
    }
}
