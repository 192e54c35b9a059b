//! A configuration on its way to text, with remarks where they belong.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::config::import::{ImportError, Imported};
use crate::config::load::parse;

/// Comments fit lines of so many columns.
const COLUMNS: usize = 90;

/// What is quoted of the imported text is cut after so many characters.
const QUOTED_CHARS_MAX: usize = 60;

/// The text so far, and the remarks in it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    toml: String,
    remarks: Vec<String>,
}

impl Draft {
    /// Begins a configuration whose first lines say where it comes from.
    pub(super) fn new(about: &str) -> Self {
        let mut draft = Self::default();
        draft.comment(about);
        draft.toml.push_str("\nversion = 1\n");
        draft
    }

    /// Writes a table's header, such as `[policy.retention]`, after an empty line or a comment
    /// that stands after one.
    pub(super) fn table(&mut self, header: &str) {
        let last = self.toml.rsplit("\n\n").next().unwrap_or_default();
        if !last.lines().all(|line| line.starts_with('#')) {
            self.gap();
        }
        let _ = writeln!(self.toml, "{header}");
    }

    /// Writes an empty line.
    pub(super) fn gap(&mut self) {
        self.toml.push('\n');
    }

    /// Writes `key = value` on one line; tables too.
    pub(super) fn entry(&mut self, key: &str, value: impl Into<Value>) {
        let _ = writeln!(self.toml, "{key} = {}", value.into());
    }

    /// Writes `key = value` as a comment, for somebody to complete.
    pub(super) fn disabled(&mut self, line: &str) {
        let _ = writeln!(self.toml, "# {}", plain(line));
    }

    /// Writes a comment.
    pub(super) fn comment(&mut self, text: &str) {
        let mut line = "#".to_owned();
        for word in plain(text).split_whitespace() {
            if COLUMNS < line.chars().count() + 1 + word.chars().count() {
                let _ = writeln!(self.toml, "{line}");
                line.truncate(1);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(self.toml, "{line}");
    }

    /// Writes a comment that people have to read.
    pub(super) fn remark(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.comment(&format!("remark: {text}"));
        self.remarks.push(plain(text));
    }

    /// Returns the whole, if it loads.
    pub(super) fn finish(self) -> Result<Imported, ImportError> {
        let Self { toml, remarks } = self;
        let files = [("imported.toml".to_owned(), toml)];
        parse(&files).map_err(ImportError::Invalid)?;
        let [(_, toml)] = files;
        Ok(Imported { toml, remarks })
    }
}

/// Returns an array of strings.
pub(super) fn strings<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::String(item.into())).collect())
}

/// Returns a table, in the order of its keys as given.
pub(super) fn table(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Table(entries.into_iter().collect::<Table>())
}

/// Returns `text` in backticks, shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// Returns `text` with what is no character of a comment escaped; it may steer a terminal, too.
fn plain(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escape =
        |c: char| if is_harmful(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::{plain, quoted};

    #[test]
    fn what_is_quoted_is_short_and_steers_nothing() {
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
        assert_eq!(quoted("서울"), "`서울`");
        assert_eq!(plain("a\nname = \u{1b}[2J\u{202e}"), "a\\u{a}name = \\u{1b}[2J\\u{202e}");
    }
}
