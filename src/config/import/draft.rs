//! A configuration on its way to text, with remarks where they belong.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::config::import::{ImportError, Imported};
use crate::config::load::parse;
use crate::config::toml_text::value_text;
use crate::domain::printable::printable;

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
        let _ = writeln!(self.toml, "{key} = {}", value_text(&value.into()));
    }

    /// Writes `key = value` as a comment, for somebody to complete.
    pub(super) fn disabled(&mut self, line: &str) {
        let _ = writeln!(self.toml, "# {}", printable(line));
    }

    /// Writes a comment.
    pub(super) fn comment(&mut self, text: &str) {
        let mut line = "#".to_owned();
        for word in printable(text).split_whitespace() {
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
        self.remarks.push(printable(text).into_owned());
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

#[cfg(test)]
mod tests {
    use super::quoted;
    use crate::domain::printable::printable;

    #[test]
    fn what_is_quoted_is_short_and_steers_nothing() {
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
        assert_eq!(quoted("서울"), "`서울`");
        assert_eq!(printable("a\nname = \u{1b}[2J\u{202e}"), "a\\u{a}name = \\u{1b}[2J\\u{202e}");
    }
}
