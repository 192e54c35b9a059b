//! Keys as other tools, or a tired person, call them.
//!
//! Only those that are not like the right ones, or more like others: what is spelled alike is found
//! without a list.

use crate::config::layer::URL_HINT;

/// A table in which keys go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// That holds the keys of a policy.
    Policy,
    /// A rule for copies.
    Copy,
    /// `encrypt`.
    Encrypt,
    /// `notify`.
    Notify,
    /// One of its channels.
    Sns,
    /// Another.
    Webhook,
    /// Another.
    Command,
}

/// Keys and what is meant by them.
const SYNONYMS: [(Table, &str, Meant); 28] = [
    (Table::Copy, "region", Meant::Key("to")),
    (Table::Copy, "regions", Meant::Key("to")),
    (Table::Copy, "destination", Meant::Key("to")),
    (Table::Copy, "destination_region", Meant::Key("to")),
    (Table::Copy, "dest", Meant::Key("to")),
    (Table::Copy, "target", Meant::Key("to")),
    (Table::Copy, "encrypt", Meant::Key("encrypted")),
    (Table::Copy, "tier", Meant::Key("only")),
    (Table::Copy, "tiers", Meant::Key("only")),
    (Table::Copy, "accounts", Meant::Key("share_with")),
    (Table::Copy, "key", Meant::Key("kms_key")),
    (Table::Encrypt, "key", Meant::Key("kms_key")),
    (Table::Encrypt, "encrypted", Meant::Text("write `encrypt = {}`, which is all it takes")),
    (Table::Policy, "copies", Meant::Key("copy")),
    (Table::Policy, "copy_to", Meant::Text("write `copy = [{ to = \"eu-west-1\" }]`")),
    (Table::Policy, "copy_regions", Meant::Text("write `copy = [{ to = \"eu-west-1\" }]`")),
    (Table::Policy, "encrypted", Meant::Text("write `encrypt = {}`")),
    (
        Table::Policy,
        "kms_key",
        Meant::Text("`kms_key` belongs in `encrypt`, `copy` or `[regions.\"eu-west-1\"]`"),
    ),
    (
        Table::Policy,
        "no_reboot",
        Meant::Text("an instance is rebooted only where `reboot = true` says so"),
    ),
    (Table::Notify, "slack", Meant::Key("webhook")),
    (Table::Notify, "events", Meant::Key("on")),
    (
        Table::Notify,
        "email",
        Meant::Text("subscribe the address to an SNS topic, and name that in `[notify.sns]`"),
    ),
    (Table::Notify, "url", Meant::Text(URL_HINT)),
    (Table::Sns, "arn", Meant::Key("topic")),
    (Table::Sns, "topic_arn", Meant::Key("topic")),
    (Table::Webhook, "url", Meant::Text(URL_HINT)),
    (Table::Webhook, "env", Meant::Key("url_env")),
    (Table::Command, "argv", Meant::Key("run")),
];

/// What is meant by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// Another key of the same table.
    Key(&'static str),
    /// This is to be done.
    Text(&'static str),
}

/// Returns what is meant by `key` in the table at `path`; `holds_policy_keys` tells tables that
/// hold keys of a policy.
pub(super) fn meant(path: &str, key: &str, holds_policy_keys: bool) -> Option<Meant> {
    let parts: Vec<&str> = path.split('/').collect();
    let table = match parts[..] {
        _ if holds_policy_keys => Table::Policy,
        [.., "copy", n] if n.bytes().all(|b| b.is_ascii_digit()) => Table::Copy,
        [.., "encrypt"] => Table::Encrypt,
        ["notify"] => Table::Notify,
        ["notify", "sns"] => Table::Sns,
        ["notify", "webhook"] => Table::Webhook,
        ["notify", "command"] => Table::Command,
        _ => return None,
    };
    let mut synonyms = SYNONYMS.iter();
    synonyms.find(|(home, name, _)| *home == table && *name == key).map(|(.., meant)| *meant)
}

#[cfg(test)]
mod tests {
    use super::{Meant, meant};

    #[test]
    fn keys_are_meant_by_their_table() {
        assert_eq!(meant("policy/0/copy/1", "region", false), Some(Meant::Key("to")));
        assert_eq!(meant("policy/0/encrypt", "key", false), Some(Meant::Key("kms_key")));
        assert!(matches!(meant("policy/0", "copy_to", true), Some(Meant::Text(_))));
        assert_eq!(meant("policy/0", "region", true), None);
        assert_eq!(meant("policy/0/select", "region", false), None);
    }
}
