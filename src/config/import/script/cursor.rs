//! Characters of a shell script, up to whole words with their quotes.

use super::word::{Piece, Word, parameter};

/// No default is longer; it bounds how deep they nest.
const DEFAULT_CHARS_MAX: usize = 1000;

/// A place in a script.
#[derive(Debug)]
pub(super) struct Cursor {
    chars: Vec<char>,
    at: usize,
    /// Counted from 1.
    line: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, line: 1 }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Returns true if what follows is `text`.
    pub(super) fn is_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c))
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    pub(super) fn skip(&mut self, n: usize) {
        for _ in 0..n {
            self.next();
        }
    }

    /// Goes on to the next character that is no blank; a line may go on behind a backslash.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            if self.is_at("\\\n") {
                self.skip(2);
            } else if self.peek().is_some_and(|c| c == ' ' || c == '\t') {
                self.next();
            } else {
                return;
            }
        }
    }

    /// Returns the rest of the line, without its end; stays in front of that.
    pub(super) fn rest_of_line(&mut self) -> String {
        let mut rest = String::new();
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            rest.push(c);
            self.next();
        }
        rest
    }

    /// Returns `NAME`, and whether it is appended to, if an assignment follows; goes behind its
    /// `=`. An element of an array has its index as part of the name.
    pub(super) fn assigned(&mut self) -> Option<(String, bool)> {
        let rest = self.chars.get(self.at..)?;
        let is_of_name = |c: &&char| c.is_ascii_alphanumeric() || **c == '_';
        let mut n = rest.iter().take_while(is_of_name).count();
        if n == 0 || rest.first()?.is_ascii_digit() {
            return None;
        }
        if rest.get(n) == Some(&'[') {
            n += rest.get(n..)?.iter().position(|c| *c == ']' || *c == '\n')? + 1;
        }
        let appends = rest.get(n) == Some(&'+');
        let name: String = rest.get(..n)?.iter().collect();
        let operator = n + usize::from(appends);
        if rest.get(operator) != Some(&'=') || rest.get(operator + 1) == Some(&'=') {
            return None;
        }
        self.skip(operator + 1);
        Some((name, appends))
    }

    /// Returns the words between parentheses, which may span lines and have comments; stays behind
    /// the closing one. None if there is no closing one.
    pub(super) fn array(&mut self) -> Option<Vec<Word>> {
        self.next();
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek()? {
                ')' => {
                    self.next();
                    return Some(words);
                }
                '\n' => self.skip(1),
                '#' => drop(self.rest_of_line()),
                c if is_meta(c) => {
                    // No array has these; whatever it is, it is not known.
                    self.next();
                    words.push(Word { pieces: vec![Piece::Computed], raw: c.to_string() });
                }
                _ => words.push(self.word()),
            }
        }
    }

    /// Reads a word, up to a blank or an operator; it may be empty.
    pub(super) fn word(&mut self) -> Word {
        let start = self.at;
        let mut word = Word::default();
        while let Some(c) = self.peek().filter(|c| !is_meta(*c)) {
            self.next();
            match c {
                '\'' => {
                    if word.pieces.is_empty() {
                        word.pieces.push(Piece::Text(String::new()));
                    }
                    let is_closed = self.until('\'', |c| word.push(c));
                    if !is_closed {
                        word.pieces.push(Piece::Computed);
                    }
                }
                '"' => self.in_quotes(&mut word),
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => word.push(c),
                },
                // `$'…'` has escapes of its own.
                '$' if self.peek() == Some('\'') => {
                    self.next();
                    self.until('\'', |_| {});
                    word.pieces.push(Piece::Computed);
                }
                '$' | '`' => self.expansion(c, &mut word),
                c => word.push(c),
            }
        }
        word.raw = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        word
    }

    /// Goes behind the next `end`; returns false if there is none.
    fn until(&mut self, end: char, mut each: impl FnMut(char)) -> bool {
        while let Some(c) = self.next() {
            if c == end {
                return true;
            }
            each(c);
        }
        false
    }

    /// Reads on behind an opening `"`.
    fn in_quotes(&mut self, word: &mut Word) {
        if word.pieces.is_empty() {
            word.pieces.push(Piece::Text(String::new()));
        }
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => {
                        if !matches!(c, '$' | '`' | '"' | '\\') {
                            word.push('\\');
                        }
                        word.push(c);
                    }
                },
                '$' | '`' => self.expansion(c, word),
                c => word.push(c),
            }
        }
        word.pieces.push(Piece::Computed);
    }

    /// Reads on behind `$` or a backtick.
    fn expansion(&mut self, c: char, word: &mut Word) {
        let piece = if c == '`' {
            self.until('`', |_| {});
            Piece::Computed
        } else {
            match self.peek() {
                Some('{') => {
                    let content = self.balanced('{', '}');
                    if DEFAULT_CHARS_MAX < content.len() {
                        Piece::Computed
                    } else {
                        parameter(&content, default)
                    }
                }
                Some('(') => {
                    self.balanced('(', ')');
                    Piece::Computed
                }
                Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                    let mut name = String::new();
                    while let Some(c) =
                        self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                    {
                        name.push(c);
                        self.next();
                    }
                    Piece::Variable { name, default: None, assigns: false }
                }
                Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                    self.next();
                    Piece::Computed
                }
                _ => return word.push('$'),
            }
        };
        word.pieces.push(piece);
    }

    /// Returns what stands between brackets, the outer ones left out.
    fn balanced(&mut self, open: char, close: char) -> String {
        let (mut depth, mut content) = (0_usize, String::new());
        while let Some(c) = self.next() {
            if c == open {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    return content;
                }
            }
            content.push(c);
            match c {
                '\\' => content.extend(self.next()),
                '\'' | '"' => {
                    self.until(c, |c| content.push(c));
                    content.push(c);
                }
                _ => {}
            }
        }
        content
    }
}

/// Reads what stands in for a variable that is unset; it may have quotes of its own.
fn default(text: &str) -> Word {
    if !text.contains(['"', '\'']) {
        return Cursor::new(&format!("\"{text}\"")).word();
    }
    let mut cursor = Cursor::new(text);
    let mut word = cursor.word();
    if cursor.peek().is_some() {
        word.pieces.push(Piece::Computed);
    }
    word
}

/// Returns true for what ends a word outside quotes.
pub(super) fn is_meta(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
