//! A shell script → the assignments in it, and where they stand. Nothing is run.
//!
//! This is no shell: it knows quotes, comments, here-documents and what begins and ends a block,
//! which is enough to tell an assignment that always happens from one that may not.

use std::ops::Range;

use super::cursor::{Cursor, is_meta};
use super::word::{Piece, Word, is_name};

/// What a script does with variables.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// In the order of the lines.
    pub(super) assignments: Vec<Assignment>,
    /// Lines that read other files, or run what only a shell can tell.
    pub(super) sourcing: Vec<usize>,
    /// The script with its comments and here-documents blanked out.
    pub(super) code: String,
}

/// One change of a variable.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) value: Value,
    /// `+=`.
    pub(super) appends: bool,
    /// Whether it always happens, and holds for what follows.
    pub(super) is_plain: bool,
}

/// What is assigned.
#[derive(Debug)]
pub(super) enum Value {
    /// `NAME=word`.
    Word(Word),
    /// `NAME=(words)`.
    Array(Vec<Word>),
    /// Another command changes it, such as `read`.
    Unknown,
}

/// Where in a command the next word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In front of it.
    Start,
    /// Behind so many assignments, which hold for one command if one follows.
    Assigned(usize),
    /// Behind `export` and the like.
    Declaring,
    /// In front of the name of a function, or of what a loop changes.
    FunctionName,
    LoopName,
    /// Behind `:`.
    Colon,
    /// Behind a command that changes the variables it names.
    Changing,
    /// Anywhere else.
    Arguments,
}

/// What ends a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// `)`.
    Parenthesis,
    /// `fi`, `done`, `esac` or `}`.
    Word,
}

/// Reads a script.
pub(super) fn read(text: &str) -> Script {
    let mut reader = Reader {
        cursor: Cursor::new(text),
        script: Script::default(),
        state: State::Start,
        blocks: Vec::new(),
        is_conditional: false,
        ends: Vec::new(),
        blanked: Vec::new(),
    };
    while reader.step() {}
    let Reader { mut script, blanked, .. } = reader;
    let mut code: Vec<char> = text.chars().collect();
    for range in blanked {
        for c in code.get_mut(range).unwrap_or_default() {
            if *c != '\n' {
                *c = ' ';
            }
        }
    }
    script.code = code.into_iter().collect();
    script
}

struct Reader {
    cursor: Cursor,
    script: Script,
    state: State,
    /// The blocks that are open, the outermost first.
    blocks: Vec<Block>,
    /// Whether what stands here hangs on the command before it.
    is_conditional: bool,
    /// Ends of the here-documents that begin with the next line, and whether tabs go.
    ends: Vec<(String, bool)>,
    /// What is no code.
    blanked: Vec<Range<usize>>,
}

impl Reader {
    /// Reads on; returns false at the end.
    fn step(&mut self) -> bool {
        self.cursor.skip_blanks();
        let Some(c) = self.cursor.peek() else { return false };
        match c {
            '\n' => {
                self.cursor.next();
                self.here_documents();
                // A line may end behind `&&`.
                self.begin(self.is_conditional && self.state == State::Start);
            }
            '#' => {
                let start = self.cursor.at();
                self.cursor.rest_of_line();
                self.blanked.push(start..self.cursor.at());
            }
            ';' => {
                self.cursor.next();
                self.begin(false);
            }
            '&' | '|' => {
                self.cursor.next();
                // What follows `&&`, `||` or `|` may not happen, or elsewhere.
                let is_double = self.cursor.peek() == Some(c);
                self.begin(is_double || c == '|');
                if is_double {
                    self.cursor.next();
                }
            }
            '(' => self.open(),
            ')' => {
                // Patterns of `case` end with one, too.
                self.cursor.next();
                self.close(Block::Parenthesis);
                self.begin(false);
            }
            '<' | '>' => self.redirection(),
            _ => self.item(),
        }
        true
    }

    fn begin(&mut self, is_conditional: bool) {
        self.is_conditional = is_conditional;
        self.state = State::Start;
    }

    fn open(&mut self) {
        self.cursor.next();
        if self.cursor.peek() == Some('(') {
            // Arithmetic, which may change what it names.
            let line = self.cursor.line();
            let mut text = String::new();
            while let Some(c) = self.cursor.peek().filter(|_| !self.cursor.is_at("))")) {
                text.push(c);
                self.cursor.next();
            }
            self.cursor.skip(2);
            for name in changed_by(&text) {
                self.changed(name, line);
            }
            self.state = State::Arguments;
        } else if self.state == State::Arguments && self.cursor.peek() == Some(')') {
            // `name()` of a function.
            self.cursor.next();
            self.begin(false);
        } else {
            self.blocks.push(Block::Parenthesis);
            self.begin(false);
        }
    }

    fn close(&mut self, block: Block) {
        if self.blocks.last() == Some(&block) {
            self.blocks.pop();
        }
    }

    fn redirection(&mut self) {
        if self.cursor.is_at("<<<") {
            self.cursor.skip(3);
        } else if self.cursor.is_at("<<") {
            self.cursor.skip(2);
            let strips_tabs = self.cursor.peek() == Some('-');
            self.cursor.skip(usize::from(strips_tabs));
            self.cursor.skip_blanks();
            let end = self.cursor.word();
            self.ends.push((end.raw.replace(['"', '\'', '\\'], ""), strips_tabs));
            return;
        } else if self.cursor.is_at("<(") || self.cursor.is_at(">(") {
            self.cursor.skip(2);
            self.blocks.push(Block::Parenthesis);
            return;
        } else {
            self.cursor.next();
            while self.cursor.peek().is_some_and(|c| matches!(c, '>' | '&' | '|')) {
                self.cursor.next();
            }
        }
        // The file is no word of the command.
        self.cursor.skip_blanks();
        if self.cursor.peek().is_some_and(|c| !is_meta(c)) {
            self.cursor.word();
        }
    }

    fn here_documents(&mut self) {
        for (end, strips_tabs) in std::mem::take(&mut self.ends) {
            let start = self.cursor.at();
            while self.cursor.peek().is_some() {
                let line = self.cursor.rest_of_line();
                self.cursor.next();
                let line = if strips_tabs { line.trim_start_matches('\t') } else { &line };
                if line == end {
                    break;
                }
            }
            self.blanked.push(start..self.cursor.at());
        }
    }

    /// Reads an assignment or a word.
    fn item(&mut self) {
        let line = self.cursor.line();
        if matches!(self.state, State::Start | State::Assigned(_) | State::Declaring)
            && let Some((name, appends)) = self.cursor.assigned()
        {
            return self.assignment(name, appends, line);
        }
        let word = self.cursor.word();
        let raw = word.raw.as_str();
        match self.state {
            State::Start => self.first_word(raw, line),
            State::Assigned(n) => {
                // They held for this command alone.
                for assignment in self.script.assignments.iter_mut().rev().take(n) {
                    assignment.is_plain = false;
                }
                self.first_word(raw, line);
            }
            State::FunctionName => self.state = State::Start,
            State::LoopName => {
                self.changed(raw, line);
                self.state = State::Arguments;
            }
            State::Changing => {
                let name = raw.split(['=', '+', '[']).next().unwrap_or_default();
                self.changed(name.trim_start_matches(['"', '\'']), line);
            }
            State::Colon => self.default(&word, line),
            State::Declaring | State::Arguments => {}
        }
    }

    fn assignment(&mut self, name: String, appends: bool, line: usize) {
        let value = if self.cursor.peek() == Some('(') {
            self.cursor.array().map_or(Value::Unknown, Value::Array)
        } else {
            Value::Word(self.cursor.word())
        };
        // One element says nothing about the others.
        let (name, value) = match name.split_once('[') {
            Some((array, _)) => (array.to_owned(), Value::Unknown),
            None => (name, value),
        };
        self.state = match self.state {
            State::Assigned(n) => State::Assigned(n + 1),
            State::Declaring => State::Declaring,
            _ => State::Assigned(1),
        };
        let is_plain = self.blocks.is_empty() && !self.is_conditional;
        self.script.assignments.push(Assignment { name, line, value, appends, is_plain });
    }

    fn first_word(&mut self, word: &str, line: usize) {
        self.state = match word {
            "if" | "while" | "until" | "{" => {
                self.blocks.push(Block::Word);
                State::Start
            }
            "case" => {
                self.blocks.push(Block::Word);
                State::Arguments
            }
            "for" | "select" => {
                self.blocks.push(Block::Word);
                State::LoopName
            }
            "fi" | "done" | "esac" | "}" => {
                self.close(Block::Word);
                State::Arguments
            }
            "then" | "do" | "else" | "elif" | "!" | "time" | "builtin" | "command" => State::Start,
            "function" => State::FunctionName,
            "export" | "readonly" | "declare" | "typeset" | "local" => State::Declaring,
            "read" | "mapfile" | "readarray" | "unset" | "let" | "getopts" | "printf" => {
                State::Changing
            }
            ":" => State::Colon,
            "." | "source" | "eval" => {
                self.script.sourcing.push(line);
                State::Arguments
            }
            _ => State::Arguments,
        };
    }

    /// Reads `"${NAME:=default}"` behind `:`.
    fn default(&mut self, word: &Word, line: usize) {
        if let [.., Piece::Variable { name, default: Some(default), assigns: true }] =
            word.pieces.as_slice()
        {
            let piece = Piece::Variable {
                name: name.clone(),
                default: Some(default.clone()),
                assigns: true,
            };
            let value = Value::Word(Word { pieces: vec![piece], raw: word.raw.clone() });
            let is_plain = self.blocks.is_empty() && !self.is_conditional;
            let name = name.clone();
            self.script.assignments.push(Assignment {
                name,
                line,
                value,
                appends: false,
                is_plain,
            });
        }
    }

    /// Notes that something else may change a variable.
    fn changed(&mut self, name: &str, line: usize) {
        if is_name(name) {
            let (name, value) = (name.to_owned(), Value::Unknown);
            let (appends, is_plain) = (false, false);
            self.script.assignments.push(Assignment { name, line, value, appends, is_plain });
        }
    }
}

/// Returns the names that an arithmetic expression assigns to.
fn changed_by(expression: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_of_name) {
        let word = rest.get(start..).unwrap_or_default();
        let (name, behind) = word.split_at(word.find(|c| !is_of_name(c)).unwrap_or(word.len()));
        let before = rest.get(..start).unwrap_or_default().trim_end();
        let operator = behind.trim_start();
        let value = operator.trim_start_matches(['+', '-', '*', '/', '%', '&', '|', '^']);
        let assigns = value.starts_with('=') && !value.starts_with("==");
        let steps = ["++", "--"].iter().any(|s| operator.starts_with(s) || before.ends_with(s));
        if assigns || steps {
            names.push(name);
        }
        rest = behind;
    }
    names
}
