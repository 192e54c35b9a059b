//! Text from outside that people are to read: a tag, a name, an error message, a file.
//!
//! The one place that knows which characters are not shown as they are. A terminal obeys some, a log
//! takes others for the end of a line, and some reorder or hide what stands beside them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns true for what must reach nobody's eyes but escaped: control characters, line and paragraph
/// separators, marks that reorder text (Unicode Bidi), and what is invisible.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Returns `text` on one line and with nothing harmful in it: `\u{1b}` in place of an escape.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful, |out, c| out.extend(c.escape_unicode()))
}

/// Returns several lines, each as [`printable`] does.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    let is_harmful = |c| c != '\n' && is_harmful(c);
    escaped(text, is_harmful, |out, c| out.extend(c.escape_unicode()))
}

/// Returns a JSON document in which harmful characters are escaped as JSON does it, so that it
/// means the same. Line feeds stay: JSON has none but between values.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    let is_harmful = |c| c != '\n' && is_harmful(c);
    escaped(text, is_harmful, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn escaped(
    text: &str,
    is_harmful: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_harmful) else { return Cow::Borrowed(text) };
    let mut out = text[..first].to_owned();
    for c in text[first..].chars() {
        if is_harmful(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{printable, printable_json, printable_lines};

    #[test]
    fn what_is_harmful_is_shown_not_sent() {
        for (text, expected) in [
            ("a\u{1b}[31mb\n", r"a\u{1b}[31mb\u{a}"),
            ("\u{9b}2J\u{7f}\u{7}\r\t\0", r"\u{9b}2J\u{7f}\u{7}\u{d}\u{9}\u{0}"),
            ("\u{202e}cod\u{2066}\u{61c}", r"\u{202e}cod\u{2066}\u{61c}"),
            ("a\u{200b}b\u{feff}\u{ad}\u{2028}", r"a\u{200b}b\u{feff}\u{ad}\u{2028}"),
            ("\u{e0041}", r"\u{e0041}"),
            ("서울 – ok “é” 🙂", "서울 – ok “é” 🙂"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_lines("a\r\nb\u{1b}"), "a\\u{d}\nb\\u{1b}");
    }

    #[test]
    fn json_means_the_same_with_everything_harmful_escaped() {
        let value = serde_json::json!({ "k\u{9b}": ["\u{1b}\u{202e}\u{e0041}é\n"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = printable_json(&text);
        assert!(shown.contains(r#""k\u009b""#), "{shown}");
        assert!(shown.contains(r"\u001b\u202e\udb40\udc41é\n"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
