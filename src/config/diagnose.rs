//! What is wrong with a configuration, and where.
//!
//! Everything that reads a configuration reports into one [`Findings`], so that all problems of
//! all files come out together and in file order. Nothing here decides what is a problem.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::domain::printable::is_harmful;

/// So many problems are told; the rest is counted.
const PROBLEMS_MAX: usize = 100;
/// So many characters of a line are shown.
const EXCERPT_CHARS_MAX: usize = 200;
/// So many of them before what is meant.
const BEFORE_CHARS_MAX: usize = 60;
/// So many characters of a message or hint, which may quote what was typed.
const MESSAGE_CHARS_MAX: usize = 1000;

/// A place in one of the files, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the file in the order in which they were read.
    pub(super) file: usize,
    /// Where its text begins.
    pub(super) start: usize,
    /// Where its text ends.
    pub(super) end: usize,
}

impl Place {
    pub(super) fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }
}

/// All that has been found so far.
pub(super) struct Findings<'a> {
    files: &'a [(String, String)],
    /// Where the lines of each file begin.
    lines: Vec<Vec<usize>>,
    found: Vec<(Place, String, String)>,
    seen: BTreeSet<(Place, String)>,
    n_more: usize,
}

impl<'a> Findings<'a> {
    /// Starts with nothing found in `files`, which are pairs of name and text.
    pub(super) fn new(files: &'a [(String, String)]) -> Self {
        let lines = files.iter().map(|(_, text)| line_starts(text)).collect();
        Self { files, lines, found: Vec::new(), seen: BTreeSet::new(), n_more: 0 }
    }

    /// Takes down a problem; the same one at the same place counts once.
    pub(super) fn report(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if PROBLEMS_MAX <= self.found.len() {
            self.n_more += 1;
            return;
        }
        let message = cut(message.into());
        if self.seen.insert((place.clone(), message.clone())) {
            self.found.push((place.clone(), message, cut(hint.into())));
        }
    }

    /// Returns the text at `place`, as it was written.
    pub(super) fn text_at(&self, place: &Place) -> &'a str {
        let (_, text) = self.file(place.file);
        text.get(place.start..place.end).unwrap_or_default()
    }

    /// Returns `FILE:LINE` for a hint that points elsewhere.
    pub(super) fn line_at(&self, place: &Place) -> String {
        let (name, _) = self.file(place.file);
        format!("{name}:{}", self.line(place))
    }

    /// Returns the number of the line at `place`, from 1.
    pub(super) fn line(&self, place: &Place) -> usize {
        let starts = self.lines.get(place.file).map_or(&[][..], Vec::as_slice);
        starts.partition_point(|start| *start <= place.start).max(1)
    }

    /// Returns everything found, in file order; none if there is nothing.
    pub(super) fn into_problems(mut self) -> Option<Problems> {
        if self.found.is_empty() {
            return None;
        }
        // Stable: at one place the order of reporting stays.
        self.found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let found = std::mem::take(&mut self.found);
        let problems = found
            .into_iter()
            .map(|(place, message, hint)| {
                let (name, text) = self.file(place.file);
                Problem::new(name, text, &place, self.line(&place), &message, &hint)
            })
            .collect();
        Some(Problems { list: problems, n_more: self.n_more })
    }

    fn file(&self, index: usize) -> (&'a str, &'a str) {
        self.files.get(index).map_or(("", ""), |(name, text)| (name, text))
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// The line as it was written; of a long one what stands around the place.
    pub excerpt: String,
    /// How many characters of the line stand before the excerpt.
    pub n_before: usize,
    /// How many characters of it are meant, from `column` on; at least 1.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead, or where else to look.
    pub hint: Option<String>,
}

impl Problem {
    fn new(file: &str, text: &str, place: &Place, line: usize, message: &str, hint: &str) -> Self {
        let start = floor_boundary(text, place.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let column = text[line_start..start].chars().count() + 1;
        let written = masked(text[line_start..line_end].trim_end());
        let is_long = written.chars().nth(EXCERPT_CHARS_MAX).is_some();
        let n_before = if is_long { (column - 1).saturating_sub(BEFORE_CHARS_MAX) } else { 0 };
        let excerpt = written.chars().skip(n_before).take(EXCERPT_CHARS_MAX).collect();
        let end = floor_boundary(text, place.end).clamp(start, line_end);
        let length = text[start..end].trim_end().chars().take(EXCERPT_CHARS_MAX).count().max(1);
        let hint = Some(masked(hint)).filter(|hint| !hint.is_empty());
        let message = masked(message);
        Self { file: file.to_owned(), line, column, excerpt, n_before, length, message, hint }
    }
}

/// Returns `text` without what follows the scheme of a URL, or the host of one that has none: that
/// of a webhook is a secret, wherever it was typed by mistake. Every character has a star, so that
/// marks stay in place.
fn masked(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let words = text.split_inclusive(is_end).flat_map(|word| {
        let start = secret_start(word);
        let hidden = |(n, c)| if start <= n && !is_end(c) { '*' } else { c };
        word.char_indices().map(hidden).collect::<Vec<char>>()
    });
    words.collect()
}

/// Returns where in a word a secret may begin; its end if it is no URL.
fn secret_start(word: &str) -> usize {
    let after_scheme = word.find("://").map(|at| at + "://".len());
    let is_host = |text: &str| {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        let end = text.rsplit_once('.').map_or("", |(_, end)| end);
        1 < end.len()
            && end.bytes().all(|b| b.is_ascii_alphabetic())
            && text.bytes().all(is_allowed)
    };
    let after_host = || word.find('/').filter(|at| is_host(&word[..*at])).map(|at| at + 1);
    after_scheme.or_else(after_host).unwrap_or(word.len())
}

/// Returns the nearest boundary of a character at or before byte `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
    [0].into_iter().chain(after_ends).collect()
}

/// Returns `text`, or its beginning if it is long.
fn cut(text: String) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let chars = || self.excerpt.chars();
        let width = |text: String| text.chars().map(columns).sum::<usize>();
        let n_unmarked = self.column - 1 - self.n_before;
        let indent = width(printable(chars().take(n_unmarked)));
        let marked = width(printable(chars().skip(n_unmarked).take(self.length))).max(1);
        writeln!(f, "error: {}", printable(self.message.chars()))?;
        let file = printable(self.file.chars());
        writeln!(f, "{margin}--> {file}:{}:{}", self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{}", format!("{number} | {}", printable(chars())).trim_end())?;
        write!(f, "{margin} | {}{}", " ".repeat(indent), "^".repeat(marked))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = help: {}", printable(hint.chars()))?;
        }
        Ok(())
    }
}

/// Returns text that can be shown on a terminal; a tab is four spaces.
fn printable(chars: impl Iterator<Item = char>) -> String {
    let mut res = String::new();
    for c in chars {
        match c {
            '\t' => res.push_str("    "),
            c if is_harmful(c) => res.extend(c.escape_unicode()),
            c => res.push(c),
        }
    }
    res
}

/// Returns how many columns a terminal gives a character; East Asian ones get two.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Everything that is wrong with a configuration, in file order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// How many more there are.
    n_more: usize,
}

impl Problems {
    /// Returns the problems, in file order; of very many the first that were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Returns how many problems there are.
    pub fn len(&self) -> usize {
        self.list.len() + self.n_more
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n\n" })?;
        }
        match self.n_more {
            0 => Ok(()),
            n => write!(f, "\n\nand {n} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// Returns the name most like `text`, if any is like it.
pub(super) fn did_you_mean<'a>(
    text: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let text = text.to_lowercase();
    let score = |name: &str| strsim::jaro_winkler(&text, &name.to_lowercase());
    let scored = names.into_iter().map(|name| (name, score(name)));
    let best = scored.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (0.8 < best.1).then_some(best.0)
}

/// Returns "`a`, `b` or `c`".
pub(super) fn either<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    use super::{Findings, Place};

    fn show(text: &str, span: std::ops::Range<usize>) -> String {
        let files = [("a.toml".to_owned(), text.to_owned())];
        let mut findings = Findings::new(&files);
        findings.report(&Place::new(0, span), "something is wrong", "write something else");
        findings.into_problems().unwrap().to_string()
    }

    #[test]
    fn the_place_is_marked() {
        assert_data_eq!(
            show("one = 1\ndayly = \"1 month\"\n", 8..13),
            str![[r#"
error: something is wrong
 --> a.toml:2:1
  |
2 | dayly = "1 month"
  | ^^^^^
  = help: write something else
"#]]
        );
    }

    #[test]
    fn control_characters_are_escaped_and_the_marks_stay_in_place() {
        let text = "\ta = \"\u{1b}[2J\u{202e}\" # x";
        assert_data_eq!(
            show(text, 5..14),
            str![[r#"
error: something is wrong
 --> a.toml:1:6
  |
1 |     a = "/u{1b}[2J/u{202e}" # x
  |         ^^^^^^^^^^^^^^^^^^^
  = help: write something else
"#]]
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_data_eq!(
            show("t = { 이름 = 1 }", 15..16),
            str![[r#"
error: something is wrong
 --> a.toml:1:12
  |
1 | t = { 이름 = 1 }
  |              ^
  = help: write something else
"#]]
        );
    }

    #[test]
    fn of_a_url_only_the_scheme_is_shown() {
        let text = "url = 'https://hooks.example.com/T/s3cret' # or https://b/s3cret";
        assert_data_eq!(
            show(text, 6..42),
            str![[r#"
error: something is wrong
 --> a.toml:1:7
  |
1 | url = 'https://**************************' # or https://********
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: write something else
"#]]
        );
    }

    #[test]
    fn paths_and_arns_are_no_urls() {
        for (text, expected) in [
            ("hooks.slack.com/T/s3cret \"b\"", "hooks.slack.com/******** \"b\""),
            ("/etc/snapkeep.d/10.toml:2", "/etc/snapkeep.d/10.toml:2"),
            ("snapkeep.d/10.toml", "snapkeep.d/10.toml"),
            ("arn:aws:kms:eu-west-1:1:key/a.b/c", "arn:aws:kms:eu-west-1:1:key/a.b/c"),
            ("30 */6 * * *", "30 */6 * * *"),
        ] {
            assert_eq!(super::masked(text), expected);
        }
    }

    #[test]
    fn places_beyond_the_text_are_the_end() {
        assert!(show("", 0..0).contains("a.toml:1:1"));
        assert!(show("ö", 1..400).contains("a.toml:1:1"));
        assert!(show("a\n", 100..400).contains("a.toml:2:1"));
    }
}
