//! What to write where a file is no TOML.
//!
//! The parser says what it expected; people who do not know TOML need to be told what to type.

use std::ops::Range;

use crate::config::layer::URL_HINT;

/// Returns a hint about what the parser found at `span`; empty where nothing is plain.
pub(super) fn hint(text: &str, span: Range<usize>, message: &str) -> String {
    let start = span.start;
    let line = line_at(text, start).trim();
    let uncommented = line.split('#').next().unwrap_or_default();
    let found = text.get(span).unwrap_or_default();
    if message.starts_with("duplicate key") {
        let hint = if line == "[policy]" {
            "write `[[policy]]`: there may be several"
        } else if line.starts_with('[') {
            "this table stands twice; keep one, with the keys of both"
        } else {
            "the key stands twice in this table; keep one"
        };
        return hint.to_owned();
    }
    if uncommented.contains(['“', '”', '„', '‘', '’']) {
        return "these are typographic quotes; use plain ones: `\"`".to_owned();
    }
    // A word that begins like `true` or `inf` is taken for one.
    let is_bare = ["must be quoted", "invalid boolean", "expected `inf`", "expected `nan`"];
    if is_bare.iter().any(|part| message.contains(part)) {
        return match found.trim().to_lowercase().as_str() {
            word @ ("true" | "false") => format!("write `{word}`"),
            "" => "write a value after `=`".to_owned(),
            // Only webhooks have one.
            _ if found.contains("://") => URL_HINT.to_owned(),
            _ if found.contains(['"', '\\', '\n']) => "put quotes around it".to_owned(),
            _ => format!("put quotes around it: `\"{}\"`", found.trim()),
        };
    }
    if message.contains("leading zero") {
        let is_digit = |c: &char| c.is_ascii_digit() || *c == '_';
        let digits: String =
            text.get(start..).unwrap_or_default().chars().take_while(is_digit).collect();
        return format!("a number has no leading zero; an id is text: `\"{digits}\"`");
    }
    if let (true, Some(key)) = (message.contains("expected `=`"), key_before_colon(line)) {
        return format!("TOML writes `=` between a key and its value: `{key} = …`");
    }
    String::new()
}

fn line_at(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
}

/// Returns the first bare key of a line that a colon follows.
fn key_before_colon(line: &str) -> Option<&str> {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut keys = line.match_indices(':').filter_map(|(at, _)| {
        let before = line.get(..at)?.trim_end();
        let start = before.rfind(|c| !is_bare(c)).map_or(0, |at| at + 1);
        before.get(start..).filter(|key| !key.is_empty())
    });
    keys.next()
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    /// Returns the hint about the first thing that the parser finds.
    fn hint(text: &str) -> String {
        let (_, errors) = DeTable::parse_recoverable(text);
        super::hint(text, errors[0].span().unwrap(), errors[0].message())
    }

    #[test]
    fn common_mistakes_are_told_what_to_write() {
        for (text, expected) in [
            ("regions = [eu-west-1]", "put quotes around it: `\"eu-west-1\"`"),
            ("schedule = 0 3 * * *", "put quotes around it: `\"0 3 * * *\"`"),
            ("a = { resource = instance }", "put quotes around it: `\"instance\"`"),
            ("create = False", "write `false`"),
            ("owner =", "write a value after `=`"),
            ("owner = “main”", "these are typographic quotes; use plain ones: `\"`"),
            ("owner = main # it’s ours", "put quotes around it: `\"main\"`"),
            ("owner: 5", "TOML writes `=` between a key and its value: `owner = …`"),
            ("[a]\n[a]", "this table stands twice; keep one, with the keys of both"),
            ("a = 1\na = 2", "the key stands twice in this table; keep one"),
            ("[[policy]]\n[policy]", "write `[[policy]]`: there may be several"),
            (
                "a = [012345678901]",
                "a number has no leading zero; an id is text: `\"012345678901\"`",
            ),
            ("a = [1", ""),
        ] {
            assert_eq!(hint(text), expected, "{text}");
        }
    }
}
