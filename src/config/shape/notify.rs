//! Who is told what.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;

/// Who is told what, by at least one channel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Notify")]
pub(in crate::config) struct NotifyShape {
    /// What is told. Default `["failure", "refusal", "recovery"]`.
    pub(in crate::config) on: Option<At<Vec<EventShape>>>,
    /// When the summary is due: a crontab expression. Default `0 8 * * *`; `on` has to name it.
    #[schemars(extend("examples" = ["0 8 * * *"]))]
    pub(in crate::config) summary: Option<At<String>>,
    /// IANA time zone of `summary` and `repeat`. Default: that of `[defaults]`, else `UTC`.
    #[schemars(extend("examples" = ["UTC", "Asia/Seoul"]))]
    pub(in crate::config) timezone: Option<At<String>>,
    /// After how long an unchanged failure is told again. Default `1 day`.
    #[schemars(extend("examples" = ["1 day", "6 hours"]))]
    pub(in crate::config) repeat: Option<At<String>>,
    /// An SNS topic is told.
    pub(in crate::config) sns: Option<At<SnsShape>>,
    /// A webhook that takes what Slack takes is told.
    pub(in crate::config) webhook: Option<At<WebhookShape>>,
    /// A program is told, on its standard input.
    pub(in crate::config) command: Option<At<CommandShape>>,
}

/// Something that people are told of.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Event")]
pub(in crate::config) enum EventShape {
    /// Something failed, could not be read, or is not protected.
    Failure,
    /// Something was refused: deletions over a limit, a plan, a configuration.
    Refusal,
    /// All is well again.
    Recovery,
    /// Once a day, whatever happened.
    Summary,
}

/// An SNS topic.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sns", extend("required" = ["topic"]))]
pub(in crate::config) struct SnsShape {
    /// Its ARN.
    #[schemars(extend("examples" = ["arn:aws:sns:eu-west-1:123456789012:snapkeep"]))]
    pub(in crate::config) topic: Option<At<String>>,
}

/// A webhook. Its URL is a secret, so it stands elsewhere; one of the keys says where.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Webhook")]
pub(in crate::config) struct WebhookShape {
    /// The environment variable that holds the URL.
    #[schemars(extend("examples" = ["SNAPKEEP_WEBHOOK_URL"]))]
    pub(in crate::config) url_env: Option<At<String>>,
    /// The file that holds the URL: an absolute path, or the name of a systemd credential.
    #[schemars(extend("examples" = ["/etc/snapkeep/webhook-url", "webhook-url"]))]
    pub(in crate::config) url_file: Option<At<String>>,
}

/// A program.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Command", extend("required" = ["run"]))]
pub(in crate::config) struct CommandShape {
    /// The program and its arguments, without a shell. The message is on its standard input.
    #[schemars(extend("examples" = [["/usr/local/bin/page", "--oncall"]]))]
    pub(in crate::config) run: Option<At<Vec<At<String>>>>,
}
