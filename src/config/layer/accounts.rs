//! Accounts, and the roles that are assumed in them.

use std::sync::Arc;

use crate::config::accounts::{OWN, Role};
use crate::config::conform::join;
use crate::config::diagnose::Place;
use crate::config::layer::Reader;
use crate::config::layer::keys::is_account;
use crate::config::shape::{AccountShape, At};

/// Names of accounts, each with its place.
pub(in crate::config) type AccountNames = Vec<(Arc<str>, Place)>;

/// Names also go into names of files and labels of metrics.
const NAME_CHARS_MAX: usize = 64;
/// STS API reference, AssumeRole: ExternalId has 2 to 1,224 characters.
const EXTERNAL_ID_CHARS: std::ops::RangeInclusive<usize> = 2..=1224;

impl Reader<'_, '_> {
    /// Reads the accounts in which a policy applies; whether they exist is for all files to say.
    pub(super) fn account_names(&mut self, at: &At<Vec<At<String>>>) -> Option<AccountNames> {
        let mut names: AccountNames = Vec::new();
        if at.value().is_empty() {
            let hint = format!("name accounts, or leave it out for `[\"{OWN}\"]`");
            return self.refuse(&self.place(at.span()), "`accounts` names no account", hint);
        }
        let mut is_valid = true;
        for name in at.value() {
            let place = self.place(name.span());
            if names.iter().any(|(other, _)| other.as_ref() == name.value()) {
                let message = format!("account `{}` is given twice", name.value());
                self.findings.report(&place, message, "remove one of them");
                is_valid = false;
            } else if is_account(name.value()) {
                let message = format!("`{}` is an account's id, not its name", name.value());
                let hint =
                    "write `[accounts.NAME]` with a `role_arn` of that account, and NAME here";
                self.findings.report(&place, message, hint);
                is_valid = false;
            } else {
                names.push((name.value().as_str().into(), place));
            }
        }
        is_valid.then_some(names)
    }

    /// Reads the name of a table in `[accounts]`.
    pub(in crate::config) fn account_name(&mut self, at: &At<String>) -> Option<Arc<str>> {
        let name = at.value().as_str();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let reason = if name == OWN {
            "it stands for the account whose credentials are used"
        } else if name.is_empty() || NAME_CHARS_MAX < name.len() {
            "it has to have 1 to 64 characters"
        } else if !name.chars().all(is_allowed) {
            "it has other characters than letters, digits, `-` and `_`"
        } else {
            return Some(name.into());
        };
        let message = format!("`{name}` cannot name an account: {reason}");
        self.refuse(&self.place(at.span()), message, "write a short name such as `production`")
    }

    /// Reads the table of an account at `path`.
    pub(in crate::config) fn role(
        &mut self,
        at: &At<AccountShape>,
        place: &Place,
        path: &str,
    ) -> Option<Role> {
        let AccountShape { role_arn, external_id } = at.value();
        let external_id = match external_id {
            Some(at) => self.external_id(at).map(Some),
            None => Some(None),
        };
        let arn = match role_arn {
            Some(at) => self.role_arn(at),
            None if self.broken.touches(&join(path, "role_arn")) => None,
            None => {
                let hint = "say which role to assume, such as `role_arn = \
                            \"arn:aws:iam::123456789012:role/snapkeep\"`";
                self.refuse(place, "the account has no `role_arn`", hint)
            }
        };
        Some(Role { arn: arn?, external_id: external_id? })
    }

    fn role_arn(&mut self, at: &At<String>) -> Option<Arc<str>> {
        let text = at.value().as_str();
        if is_role_arn(text) {
            return Some(text.into());
        }
        let hint = if is_role_arn(text.trim()) {
            format!("write `{}`, without spaces", text.trim())
        } else if text.contains(":assumed-role/") {
            "that is a session; the role's own ARN is `arn:aws:iam::ACCOUNT:role/NAME`".to_owned()
        } else {
            "the ARN of a role is `arn:aws:iam::ACCOUNT:role/NAME`".to_owned()
        };
        let message = format!("`{text}` is not the ARN of a role");
        self.refuse(&self.place(at.span()), message, hint)
    }

    fn external_id(&mut self, at: &At<String>) -> Option<Arc<str>> {
        let text = at.value().as_str();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        if EXTERNAL_ID_CHARS.contains(&text.len()) && text.chars().all(is_allowed) {
            return Some(text.into());
        }
        let hint = "it has 2 to 1224 letters, digits and characters of `_+=,.@:/-`";
        self.refuse(&self.place(at.span()), format!("`{text}` cannot be an external id"), hint)
    }
}

/// Returns true for `arn:PARTITION:iam::ACCOUNT:role/…`.
fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    let is_named = resource.strip_prefix("role/").is_some_and(|path| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c);
        !path.is_empty() && !path.ends_with('/') && path.chars().all(is_allowed)
    });
    partition.starts_with("aws") && is_account(account) && is_named
}
