//! What the function's environment says: where the configuration is, and how much is logged.
//!
//! The only place of this room that knows names of variables. A variable that is empty counts as
//! not set, since templates leave empty ones behind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;

/// Where Lambda's Runtime API is; only there is it set.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// What Lambda's runtime tells the function of itself, without which it cannot be served.
const OF_LAMBDA: [&str; 3] =
    ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"];
/// The directory of the package.
const TASK_ROOT: &str = "LAMBDA_TASK_ROOT";
const CONFIG_FILE: &str = "SNAPKEEP_CONFIG";
const CONFIG_TEXT: &str = "SNAPKEEP_CONFIG_TOML";
const CONFIG_PARAMETER: &str = "SNAPKEEP_CONFIG_PARAMETER";
const LOG_LEVEL: &str = "SNAPKEEP_LOG_LEVEL";
/// The configuration's name in the package.
const DEFAULT_FILE: &str = "snapkeep.toml";

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file of the package, or a directory of files.
    File(PathBuf),
    /// In the variable itself.
    Text(String),
    /// In the SSM parameter of this name or ARN.
    Parameter(String),
}

/// What the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the configuration is.
    pub source: Source,
    /// What is logged.
    pub log_level: LevelFilter,
}

/// The environment contradicts itself, or lacks something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// More than one place for the configuration.
    #[error("only one of {} can say where the configuration is", .0.join(" and "))]
    Several(Vec<&'static str>),
    /// Not a level.
    #[error("{LOG_LEVEL} is `{0}`; it may be error, warn, info, debug or trace")]
    Level(String),
    /// Not the text that it must be.
    #[error("{0} is not UTF-8")]
    Encoding(&'static str),
    /// Set by Lambda, and not set here.
    #[error(
        "{RUNTIME_API} is set, as in Lambda, but {0} is not; for the command line, unset it or name \
         a command"
    )]
    NotInLambda(&'static str),
}

/// Returns true if Lambda has started this process: its Runtime API is there, and nobody typed a
/// command.
pub fn is_lambda() -> bool {
    std::env::var_os(RUNTIME_API).is_some_and(|api| !api.is_empty())
        && std::env::args_os().len() <= 1
}

impl Settings {
    /// Reads the environment of this process.
    pub fn of_process() -> Result<Self, SettingsError> {
        Self::of(std::env::var_os)
    }

    /// Reads an environment.
    pub fn of(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name: &'static str| {
            let value = variable(name).map(OsString::into_string).transpose();
            value.map_err(|_| SettingsError::Encoding(name))
        };
        if let Some(missing) = OF_LAMBDA.into_iter().find(|name| variable(name).is_none()) {
            return Err(SettingsError::NotInLambda(missing));
        }
        let log_level = match text(LOG_LEVEL)? {
            Some(level) => level_of(&level)?,
            None => LevelFilter::WARN,
        };
        let set: Vec<&'static str> = [CONFIG_FILE, CONFIG_TEXT, CONFIG_PARAMETER]
            .into_iter()
            .filter(|name| variable(name).is_some())
            .collect();
        if 1 < set.len() {
            return Err(SettingsError::Several(set));
        }
        let source = if let Some(toml) = text(CONFIG_TEXT)? {
            Source::Text(toml)
        } else if let Some(name) = text(CONFIG_PARAMETER)? {
            Source::Parameter(name.trim().to_owned())
        } else {
            let root = variable(TASK_ROOT).unwrap_or_default();
            let file = variable(CONFIG_FILE).unwrap_or_else(|| DEFAULT_FILE.into());
            Source::File(Path::new(&root).join(file))
        };
        Ok(Self { source, log_level })
    }
}

fn level_of(text: &str) -> Result<LevelFilter, SettingsError> {
    let known = ["error", "warn", "info", "debug", "trace"];
    // Lambda's own setting has capitals.
    let level = text.trim().to_ascii_lowercase();
    let level = known.contains(&level.as_str()).then(|| level.parse().ok()).flatten();
    level.ok_or_else(|| SettingsError::Level(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::{OF_LAMBDA, Settings, SettingsError, Source};

    fn check(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let of_lambda = OF_LAMBDA.map(|name| (name, "of Lambda"));
        Settings::of(|name| {
            let mut all = variables.iter().chain(&of_lambda);
            all.find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    fn source(variables: &[(&str, &str)]) -> Source {
        check(variables).unwrap().source
    }

    #[test]
    fn the_configuration_is_in_one_place() {
        let in_package = ("LAMBDA_TASK_ROOT", "/var/task");
        let file = |path: &str| Source::File(path.into());
        assert_eq!(source(&[in_package]), file("/var/task/snapkeep.toml"));
        assert_eq!(source(&[]), file("snapkeep.toml"));
        assert_eq!(source(&[in_package, ("SNAPKEEP_CONFIG", "a.d")]), file("/var/task/a.d"));
        assert_eq!(source(&[in_package, ("SNAPKEEP_CONFIG", "/opt/a.toml")]), file("/opt/a.toml"));
        let text = ("SNAPKEEP_CONFIG_TOML", "version = 1");
        assert_eq!(source(&[text, ("SNAPKEEP_CONFIG", "")]), Source::Text("version = 1".into()));
        let parameter = ("SNAPKEEP_CONFIG_PARAMETER", " /snapkeep/main\n");
        assert_eq!(source(&[parameter]), Source::Parameter("/snapkeep/main".into()));
        assert_eq!(
            check(&[text, parameter]),
            Err(SettingsError::Several(vec!["SNAPKEEP_CONFIG_TOML", "SNAPKEEP_CONFIG_PARAMETER"]))
        );
    }

    #[test]
    fn what_is_logged_has_a_name() {
        let level =
            |text| check(&[("SNAPKEEP_LOG_LEVEL", text)]).map(|settings| settings.log_level);
        assert_eq!(level(""), Ok(LevelFilter::WARN));
        assert_eq!(level("DEBUG"), Ok(LevelFilter::DEBUG));
        for wrong in ["verbose", "1", "off", "info,hyper=trace"] {
            assert_eq!(level(wrong), Err(SettingsError::Level(wrong.to_owned())));
        }
    }

    #[test]
    fn a_runtime_api_without_a_function_is_a_mistake() {
        let settings = Settings::of(|_| None);
        assert_eq!(settings, Err(SettingsError::NotInLambda("AWS_LAMBDA_FUNCTION_NAME")));
    }
}
