//! Accounts other than the own one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;

/// An account, and how to act in it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Account", extend("required" = ["role_arn"]))]
pub(in crate::config) struct AccountShape {
    /// ARN of the role that is assumed there.
    #[schemars(extend("examples" = ["arn:aws:iam::123456789012:role/snapkeep"]))]
    pub(in crate::config) role_arn: Option<At<String>>,
    /// External id, where the role's trust policy asks for one.
    #[schemars(extend("examples" = ["snapkeep-4711"]))]
    pub(in crate::config) external_id: Option<At<String>>,
}
