//! The configuration over many invocations: read once, or again from a parameter that may change.
//!
//! Where it cannot be read again, or is wrong now, the one that was read before stays: a slip in a
//! parameter must not end the backups. The log says so each time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, LoadError, Problems, load, parse};
use crate::domain::failure::Failure;
use crate::lambda::settings::Source;

/// How long a parameter is taken as read.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(5);

/// Where parameters are; [`crate::cloud`] knows how to ask.
pub trait Parameters {
    /// Returns the value of the parameter of this name or ARN, decrypted.
    fn value(&self, name: &str) -> impl Future<Output = Result<String, Failure>>;
}

/// There is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file is unusable.
    #[error(transparent)]
    File(#[from] LoadError),
    /// It could be read, but not understood.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// The parameter could not be read.
    #[error("the configuration could not be read: {0}")]
    Unread(Failure),
}

impl ConfigurationError {
    /// Returns true if it may go better although nobody changes anything.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unread(failure) if failure.may_pass)
    }
}

/// The configuration as it was last read.
#[derive(Debug)]
pub struct Configuration {
    source: Source,
    read: Option<(Config, DateTime<Utc>)>,
    /// What only a person can change, if the one that was read before stays because of it.
    stale_for: Option<String>,
}

impl Configuration {
    /// Returns the configuration of `source`, which is not read yet.
    pub fn new(source: Source) -> Self {
        Self { source, read: None, stale_for: None }
    }

    /// Returns the configuration as of `now`.
    pub async fn at(
        &mut self,
        now: DateTime<Utc>,
        parameters: &impl Parameters,
    ) -> Result<&Config, ConfigurationError> {
        let read = match self.read.take() {
            Some(read) if self.is_fresh(&read, now) => read,
            before => match (read(&self.source, parameters).await, before) {
                (Ok(config), _) => {
                    self.stale_for = None;
                    (config, now)
                }
                (Err(err), Some((config, _))) => {
                    self.stale_for = (!err.may_pass()).then(|| err.to_string());
                    tracing::error!("the configuration that was read before stays: {err}");
                    (config, now)
                }
                (Err(err), None) => return Err(err),
            },
        };
        Ok(&self.read.insert(read).0)
    }

    /// Returns the one that was read last, if any was.
    pub fn current(&self) -> Option<&Config> {
        self.read.as_ref().map(|(config, _)| config)
    }

    /// Returns what is wrong, if the one that was read before stays because of something that only a
    /// person can change.
    pub fn stale_for(&self) -> Option<&str> {
        self.stale_for.as_deref()
    }

    /// Files of a package and variables do not change while the process lives.
    fn is_fresh(&self, (_, read_at): &(Config, DateTime<Utc>), now: DateTime<Utc>) -> bool {
        !matches!(self.source, Source::Parameter(_)) || now < *read_at + FRESH_FOR
    }
}

async fn read(source: &Source, parameters: &impl Parameters) -> Result<Config, ConfigurationError> {
    match source {
        Source::File(path) => Ok(load(path)?),
        Source::Text(text) => Ok(parse(&[("SNAPKEEP_CONFIG_TOML".to_owned(), text.clone())])?),
        Source::Parameter(name) => {
            let text = parameters.value(name).await.map_err(|failure| {
                ConfigurationError::Unread(failure.said(format!("parameter `{name}`: {failure}")))
            })?;
            Ok(parse(&[(name.clone(), text)])?)
        }
    }
}

#[cfg(test)]
mod tests;
