//! What to write instead of a value that cannot be.
//!
//! What was meant, if that is plain, or an example: sentences about a key help nobody who has to
//! type a value.

use serde_json::Value;
use toml::de::{DeArray, DeTable, DeValue};

use super::words;
use crate::config::diagnose::either;
use crate::config::layer::URL_HINT;
use crate::domain::span::Span;

/// Values that may be written as they are, by the path of their key; the last parts must match.
const EXAMPLES: [(&str, &str); 34] = [
    ("version", "1"),
    ("name", "\"servers\""),
    ("regions", "[\"eu-west-1\"]"),
    ("accounts", "[\"production\"]"),
    ("role_arn", "\"arn:aws:iam::123456789012:role/snapkeep\""),
    ("select", "{ resource = \"instance\" }"),
    ("resource", "\"instance\""),
    ("states", "[\"running\"]"),
    ("tags", "{ Backup = \"on\" }"),
    ("exclude_tags", "{ Backup = \"off\" }"),
    ("volumes", "{ boot = true }"),
    ("retention", "{ daily = \"1 month\" }"),
    ("keep_last", "1"),
    ("hourly/for", "\"36 hours\""),
    ("weekly/for", "\"8 weeks\""),
    ("monthly/for", "\"7 months\""),
    ("yearly/for", "\"2 years\""),
    ("for", "\"1 month\""),
    ("copy", "[{ to = \"eu-west-1\" }]"),
    ("to", "\"eu-west-1\""),
    ("share_with", "[\"123456789012\"]"),
    ("encrypt", "{}"),
    ("kms_key", "\"alias/backup\""),
    ("adopt", "{ description = \"nightly*\" }"),
    ("api_share", "0.5"),
    ("max_deletes", "1000"),
    ("max_delete_percent", "60"),
    ("limits", "{ max_deletes = 1000 }"),
    ("notify", "{ sns = { topic = \"arn:aws:sns:eu-west-1:123456789012:snapkeep\" } }"),
    ("on", "[\"failure\"]"),
    ("topic", "\"arn:aws:sns:eu-west-1:123456789012:snapkeep\""),
    ("sns", "{ topic = \"arn:aws:sns:eu-west-1:123456789012:snapkeep\" }"),
    ("webhook", "{ url_env = \"SNAPKEEP_WEBHOOK_URL\" }"),
    ("run", "[\"/usr/local/bin/page\", \"--oncall\"]"),
];

/// Returns what to write for the key at `path`, which lacks it or holds something else.
pub(super) fn example(path: &str) -> String {
    // All policies together have other limits than one of them.
    if path == "limits" {
        return "write `limits = { api_share = 0.5 }`".to_owned();
    }
    let key = path.rsplit('/').next().unwrap_or_default();
    let is_meant = |end: &str| {
        path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let value = EXAMPLES.iter().find(|(end, _)| is_meant(end)).map(|(_, value)| *value);
    value.map_or(String::new(), |value| format!("write `{key} = {value}`"))
}

/// A value that is not of the type that its key takes.
pub(super) struct Mistyped<'a, 'v> {
    /// What the schema says about it.
    pub(super) schema: &'a Value,
    /// Its alternatives.
    pub(super) forms: &'a [&'a Value],
    /// Names of the types that it may have.
    pub(super) expected: &'a [&'a str],
    /// Where it stands.
    pub(super) path: &'a str,
    /// What was written.
    pub(super) value: &'a DeValue<'v>,
    /// The same, as text.
    pub(super) written: &'a str,
}

impl Mistyped<'_, '_> {
    /// Returns what to write instead: what was meant, if that is plain, or what is possible.
    pub(super) fn hint(&self) -> String {
        let words: Vec<&str> = self.forms.iter().filter_map(|form| words(form)).flatten().collect();
        let examples = self.schema.get("examples").and_then(Value::as_array).into_iter().flatten();
        let examples: Vec<String> = examples.map(|example| format!("`{example}`")).collect();
        if let Some(meant) = self.meant(words.is_empty() && examples.is_empty()) {
            return meant;
        }
        if self.expected == ["a string"] && !words.is_empty() {
            return format!("expected {}", either(words));
        }
        if self.expected == ["true or false"] {
            return "write `true` or `false`".to_owned();
        }
        match examples.split_last() {
            Some((last, [])) => format!("write for example {last}"),
            Some((last, others)) => format!("write for example {} or {last}", others.join(", ")),
            None if is_item(self.path) => String::new(),
            None => example(self.path),
        }
    }

    /// Returns what was meant, if that is plain.
    fn meant(&self, is_any_text: bool) -> Option<String> {
        let Self { expected, written, path, .. } = *self;
        let key = path.rsplit('/').next().unwrap_or_default();
        if key == "retention" {
            return Some(retention(written.trim_matches('"')));
        }
        if let Some(meant) = self.meant_of_tables(key) {
            return Some(meant);
        }
        let is_of_strings =
            |others: &Value| others.get("type").and_then(Value::as_str) == Some("string");
        let is_pairs = self
            .forms
            .iter()
            .any(|form| form.get("additionalProperties").is_some_and(is_of_strings));
        if let (["a table"], true) = (expected, is_pairs)
            && let Some(pairs) = pairs(self.value)
        {
            return Some(format!("write `{key} = {{ {pairs} }}`"));
        }
        match self.value {
            DeValue::Table(_) if expected == ["an array"] && written.starts_with('[') => {
                Some(format!("write `[{written}]`: there may be several"))
            }
            DeValue::Table(_) if expected == ["an array"] && !written.contains('\n') => {
                Some(format!("write `{key} = [{written}]`: there may be several"))
            }
            DeValue::Array(_) if expected == ["a table"] && written.starts_with("[[") => {
                Some("write single brackets: there is only one".to_owned())
            }
            DeValue::Array(_) | DeValue::Table(_) => None,
            _ if written.contains('\n') => None,
            _ if expected == ["an array"] => Some(format!("write `[{written}]`")),
            DeValue::String(text) => {
                let is_meant = match expected {
                    ["true or false"] => matches!(text.as_ref(), "true" | "false"),
                    ["an integer"] => text.parse::<i64>().is_ok(),
                    ["a number"] => text.parse::<f64>().is_ok(),
                    _ => false,
                };
                is_meant.then(|| format!("write `{text}`"))
            }
            _ if expected == ["a string"] && is_any_text => Some(format!("write `\"{written}\"`")),
            _ => None,
        }
    }
}

/// What was meant by a value that stands for a whole table.
impl Mistyped<'_, '_> {
    fn meant_of_tables(&self, key: &str) -> Option<String> {
        let Self { path, value, written, .. } = *self;
        let parts: Vec<&str> = path.split('/').collect();
        let hint = match (&parts[..], value) {
            (["regions"], DeValue::String(_) | DeValue::Array(_)) => {
                "where a policy applies is said in `[[policy]]` or `[defaults]`; here are facts \
                 about regions: `[regions.\"eu-west-1\"]`"
                    .to_owned()
            }
            (["regions", region], DeValue::String(_)) => {
                let region = if region.contains('-') { region } else { "eu-west-1" };
                format!("write `\"{region}\" = {{ kms_key = {written} }}`")
            }
            ([.., "encrypt"], DeValue::String(_)) => {
                format!("write `encrypt = {{ kms_key = {written} }}`")
            }
            ([.., "encrypt"], DeValue::Boolean(false)) => {
                "leave it out: nothing is encrypted unless it is there".to_owned()
            }
            ([.., "copy", n], DeValue::String(_)) if is_item(n) => {
                format!("write `{{ to = {written} }}`")
            }
            ([.., "copy"], DeValue::String(_)) => format!("write `copy = [{{ to = {written} }}]`"),
            ([.., "copy"], DeValue::Boolean(_)) => example(key),
            // What stands there may be the secret itself.
            (["notify", "webhook"], _) => URL_HINT.to_owned(),
            (["notify", "sns"], DeValue::String(_)) => {
                format!("write `sns = {{ topic = {written} }}`")
            }
            (["notify", "command", "run"], DeValue::String(text)) => argv(text),
            (["notify", "command"], DeValue::String(text)) => {
                format!("{}, in `[notify.command]`", argv(text))
            }
            _ => return None,
        };
        Some(hint)
    }
}

/// Returns what to write instead of a command line.
fn argv(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    format!("no shell takes it apart; write `run = [{}]`", words.join(", "))
}

/// Returns what to write instead of a retention that names no tier.
pub(super) fn retention(written: &str) -> String {
    let span = if written.parse::<Span>().is_ok() { written.trim() } else { "1 month" };
    format!("write `retention = {{ daily = \"{span}\" }}`, or `\"forever\"` to keep everything")
}

/// Returns true for an item of an array, whose path ends with its number.
fn is_item(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns `["Backup=on"]`, `"Backup=on"` or AWS's `[{ Key = "Backup", Value = "on" }]` as a table.
fn pairs(value: &DeValue<'_>) -> Option<String> {
    let all = match value {
        DeValue::Array(items) => items_as_pairs(items)?,
        DeValue::String(text) => vec![pair(text)?],
        _ => return None,
    };
    (!all.is_empty()).then(|| all.join(", "))
}

fn items_as_pairs(items: &DeArray<'_>) -> Option<Vec<String>> {
    let one = |item: &DeValue<'_>| match item {
        DeValue::String(text) => pair(text),
        DeValue::Table(table) => Some(key_and_value(
            text_of(table, &["Key", "key"])?,
            text_of(table, &["Value", "value"])?,
        )),
        _ => None,
    };
    items.iter().map(|item| one(item.get_ref())).collect()
}

fn text_of<'t>(table: &'t DeTable<'_>, names: &[&str]) -> Option<&'t str> {
    let (_, value) = table.iter().find(|(key, _)| names.contains(&key.get_ref().as_ref()))?;
    value.get_ref().as_str()
}

/// Reads `KEY=VALUE`; a key alone may have any value.
fn pair(text: &str) -> Option<String> {
    let (key, value) =
        text.split_once('=').or_else(|| text.rsplit_once(':')).unwrap_or((text, "*"));
    let (key, value) = (key.trim(), value.trim());
    let is_plain = |text: &str| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
    (!key.is_empty() && is_plain(key) && is_plain(value)).then(|| key_and_value(key, value))
}

fn key_and_value(key: &str, value: &str) -> String {
    let is_bare = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_bare { format!("{key} = \"{value}\"") } else { format!("\"{key}\" = \"{value}\"") }
}
