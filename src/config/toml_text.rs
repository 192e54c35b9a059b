//! Values as TOML that people read on a terminal: on one line, and with what is harmful escaped.

use std::fmt::Write as _;

use toml::Value;

use crate::domain::printable::is_harmful;

/// Returns `value` as it stands behind a key.
pub(super) fn value_text(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(is_harmful) {
        return text;
    }
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(value_text).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{} = {}", key_text(key), value_text(value))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => text,
    }
}

fn key_text(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// Returns a basic string, which is the one in which characters can be escaped.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_harmful(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::value_text;

    #[test]
    fn what_is_harmful_is_escaped_and_means_the_same() {
        let mut inner = Table::new();
        inner.insert("plain".to_owned(), "'\"\\ \u{1b}[2J\n".into());
        inner.insert("a\u{202e} b".to_owned(), Value::Array(vec!["\u{9b}é".into(), 1.into()]));
        let value = Value::Table(inner);
        let text = value_text(&value);
        assert_eq!(
            text,
            r#"{ plain = "'\"\\ \U0000001B[2J\U0000000A", "a\U0000202E b" = ["\U0000009Bé", 1] }"#
        );
        let read: Table = format!("value = {text}").parse().unwrap();
        assert_eq!(read["value"], value);
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        for text in ["\"a\"", "{ a = 1 }", "[\"서울\", true]"] {
            let read: Table = format!("value = {text}").parse().unwrap();
            assert_eq!(value_text(&read["value"]), text);
        }
    }
}
