//! Lambda's Runtime API: one event after the other, each answered before the next is taken.
//!
//! Clients are made once and live as long as the process. Nothing here decides what is done.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::TimeDelta;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::Instrument as _;
use tracing::level_filters::LevelFilter;

use crate::cloud::aws::SsmParameter;
use crate::config::Config;
use crate::domain::failure::Failure;
use crate::lambda::answer::Retry;
use crate::lambda::configuration::{Configuration, ConfigurationError, Parameters};
use crate::lambda::deadline::Deadline;
use crate::lambda::handler::{Ended, handle};
use crate::lambda::logs;
use crate::lambda::metrics;
use crate::lambda::settings::{Settings, SettingsError};
use crate::report::trouble::Trouble;
use crate::run::notify::{After, Notifier};
use crate::run::{Accounts, Choice, Clock as _, OpenError, SystemClock};

/// How long people are told at most; each channel has its own bound.
const TELLING_MAX: TimeDelta = TimeDelta::seconds(30);
/// What serde_json says of no text at all.
const NO_TEXT: &str = "EOF while parsing a value at line 1 column 0";

pub(super) fn main() -> ExitCode {
    let settings = Settings::of_process();
    logs::start(settings.as_ref().map_or(LevelFilter::WARN, |settings| settings.log_level));
    // Without a function there is nobody to answer to.
    if let Err(err @ SettingsError::NotInLambda(_)) = &settings {
        tracing::error!("{err}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            tracing::error!("could not start: {err}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            tracing::error!("the Runtime API failed: {err}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Result<Settings, SettingsError>) -> Result<(), lambda_runtime::Error> {
    let mut function = Function::new(settings);
    // Lambda gives the time before the first event the whole of a processor.
    let _ = function.prepare().await;
    let function = Arc::new(Mutex::new(function));
    let handler = service_fn(|event: LambdaEvent<Payload>| {
        let function = Arc::clone(&function);
        async move {
            let LambdaEvent { payload, context } = event;
            let span = logs::invocation(&context.request_id);
            let invoked = async { function.lock().await.invoke(payload, context.deadline).await };
            invoked.instrument(span).await
        }
    });
    Runtime::new(handler).run().await
}

/// What lives as long as the process.
struct Function {
    clock: SystemClock,
    settings: Result<Configuration, SettingsError>,
    parameter: SsmParameter,
    /// The accounts, and the digest of the configuration that they were opened for.
    open: Option<(String, Accounts)>,
    notifier: Notifier,
}

impl Function {
    fn new(settings: Result<Settings, SettingsError>) -> Self {
        Self {
            clock: SystemClock::new(None),
            settings: settings.map(|settings| Configuration::new(settings.source)),
            parameter: SsmParameter::default(),
            open: None,
            // What survives is what the environment of the function survives.
            notifier: Notifier::new(None, |name| std::env::var_os(name)),
        }
    }

    async fn invoke(&mut self, payload: Payload, deadline_ms: u64) -> Result<Value, Retry> {
        let begun_at = self.clock.now();
        let deadline = Deadline::of(deadline_ms, begun_at);
        let mut ended = self.handle(payload, deadline).await;
        // What was wrong with it is logged already.
        ended.is_refused |= self.stale_for().is_some();
        self.tell_people(&ended, deadline).await;
        let lines = metrics::lines(&ended, begun_at, self.clock.now());
        if let Err(err) = std::io::stdout().write_all(lines.as_bytes()) {
            tracing::warn!("the metrics could not be written: {err}");
        }
        ended.answer
    }

    async fn handle(&mut self, payload: Payload, deadline: Option<Deadline>) -> Ended {
        let event = match payload.0 {
            Ok(event) => event,
            Err(err) => return Ended::refused(&format!("the event is no JSON: {err}")),
        };
        match self.prepare().await {
            Ok((config, accounts)) => handle(accounts, config, &event, deadline).await,
            Err(err) => err.ended(),
        }
    }

    /// Returns what is wrong with the configuration, if the one that was read before is used.
    fn stale_for(&self) -> Option<&str> {
        self.settings.as_ref().ok().and_then(Configuration::stale_for)
    }

    /// Tells people what a cycle came to, if they want to know and there is time, and that it was
    /// one of a configuration that should be another by now.
    async fn tell_people(&mut self, ended: &Ended, deadline: Option<Deadline>) {
        let left = deadline.map(|deadline| deadline.answer_at - self.clock.now());
        let left = left.unwrap_or(TELLING_MAX).min(TELLING_MAX).to_std().unwrap_or_default();
        let troubles: Vec<_> =
            self.stale_for().map(Trouble::of_configuration).into_iter().collect();
        let Self { settings, open, notifier, .. } = self;
        let config = settings.as_ref().ok().and_then(Configuration::current);
        let (Some(config), Some((_, accounts))) = (config, open) else { return };
        let (reports, is_partial) = (&ended.reports[..], ended.is_partial);
        let after = After { reports, troubles, is_partial };
        if tokio::time::timeout(left, notifier.tell(config, accounts, after)).await.is_err() {
            tracing::warn!("the time was over before people were told");
        }
    }

    /// Reads the configuration and opens its accounts, as far as that is not done.
    async fn prepare(&mut self) -> Result<(&Config, &Accounts), PrepareError> {
        let configuration = self.settings.as_mut().map_err(|err| err.clone())?;
        let config = configuration.at(self.clock.now(), &self.parameter).await?;
        let open = match self.open.take() {
            Some(open) if open.0 == config.digest => open,
            _ => (config.digest.clone(), Accounts::open(config, &[], &Choice::Aws, None).await?),
        };
        Ok((config, &self.open.insert(open).1))
    }
}

impl Parameters for SsmParameter {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        self.value(name).await
    }
}

/// Nothing can be done.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl PrepareError {
    fn ended(self) -> Ended {
        match self {
            Self::Configuration(ConfigurationError::Unread(failure)) if failure.may_pass => {
                Ended::again(Retry { kind: "Configuration", why: failure.why })
            }
            err => Ended::refused(&format!("{:#}", anyhow::Error::new(err))),
        }
    }
}

impl From<Retry> for Diagnostic {
    fn from(retry: Retry) -> Self {
        Self { error_type: retry.kind.to_owned(), error_message: retry.why }
    }
}

/// An event, or why it is none: what cannot be read is refused like any other bad event, and not
/// repeated.
struct Payload(Result<Value, String>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer) {
            Ok(value) => Ok(value),
            Err(err) if err.to_string() == NO_TEXT => Ok(Value::Null),
            Err(err) => Err(err.to_string()),
        }))
    }
}
