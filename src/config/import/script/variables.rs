//! What the variables of a script are set to, where that is certain.

use super::shell::{Assignment, Script, Value};
use super::word::{Piece, Word};

/// How many words are looked at for a value, however often variables name each other.
const WORDS_MAX: usize = 1000;

/// What is known about a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The script neither sets nor uses it.
    Absent,
    /// It has this value.
    Set(Setting),
    /// It may have any value; the reason names lines.
    Doubtful(String),
}

/// A value that is certain, unless somebody sets it from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Where it is set first.
    pub(super) line: usize,
    /// The elements of an array; else the value alone.
    pub(super) values: Vec<String>,
    /// Elements that only a shell can tell.
    pub(super) unknown: Vec<String>,
    /// Whether the environment or an argument comes first.
    pub(super) is_default: bool,
}

/// Returns what is known about `name`.
pub(super) fn find(script: &Script, name: &str) -> Found {
    let own = script.assignments.iter().enumerate().filter(|(_, a)| a.name == name);
    let (places, all): (Vec<usize>, Vec<&Assignment>) = own.unzip();
    let Some(first) = all.first() else {
        return match used_in(script, name) {
            Some(line) => Found::Doubtful(format!(
                "is used in line {line}, but set elsewhere: in the environment or another file"
            )),
            None => Found::Absent,
        };
    };
    if let Some(doubt) = all.iter().find(|a| !a.is_plain) {
        let (line, lines) = (doubt.line, lines(&all));
        return Found::Doubtful(match (&doubt.value, all.len()) {
            (Value::Unknown, _) => format!("is changed by a command in line {line}"),
            (_, 1) => format!(
                "is set in line {line} inside a function, a condition, a loop or for one command"
            ),
            _ => format!("is set more than once, in lines {lines}, and not always"),
        });
    }
    // An array may be filled step by step.
    let later = all.get(1..).unwrap_or_default();
    if first.appends || later.iter().any(|a| !a.appends || !matches!(a.value, Value::Array(_))) {
        return Found::Doubtful(if later.is_empty() {
            format!("is appended to in line {}, but not set before", first.line)
        } else {
            format!("is set more than once, in lines {}", lines(&all))
        });
    }
    let mut budget = WORDS_MAX;
    let mut setting =
        Setting { line: first.line, values: Vec::new(), unknown: Vec::new(), is_default: false };
    for (n, assignment) in places.into_iter().zip(all) {
        let words = match &assignment.value {
            Value::Word(word) => std::slice::from_ref(word),
            Value::Array(words) => words,
            Value::Unknown => {
                return Found::Doubtful(format!("cannot be read in line {}", assignment.line));
            }
        };
        for word in words {
            match value(script, word, n, &mut setting.is_default, &mut budget) {
                Some(text) => setting.values.push(text),
                None => setting.unknown.push(word.raw.clone()),
            }
        }
    }
    Found::Set(setting)
}

fn lines(assignments: &[&Assignment]) -> String {
    let lines: Vec<String> = assignments.iter().map(|a| a.line.to_string()).collect();
    lines.join(", ")
}

/// Returns the value of a word of the `n`th assignment; variables in it must be certain themselves.
fn value(
    script: &Script,
    word: &Word,
    n: usize,
    is_default: &mut bool,
    budget: &mut usize,
) -> Option<String> {
    *budget = budget.checked_sub(1)?;
    let mut res = String::new();
    for piece in &word.pieces {
        match piece {
            Piece::Text(text) => res.push_str(text),
            Piece::Computed => return None,
            Piece::Variable { name, default, .. } => {
                let all = script.assignments.iter().enumerate();
                let own: Vec<(usize, &Assignment)> = all.filter(|(_, a)| a.name == *name).collect();
                match (own.as_slice(), default) {
                    ([(at, only)], _) if *at < n && only.is_plain && !only.appends => {
                        let Value::Word(word) = &only.value else { return None };
                        res.push_str(&value(script, word, *at, is_default, budget)?);
                    }
                    // `NAME=${NAME:-default}` is about the environment's.
                    (own, Some(default)) if own.iter().all(|(at, _)| n <= *at) => {
                        *is_default = true;
                        res.push_str(&value(script, default, n, is_default, budget)?);
                    }
                    _ => return None,
                }
            }
        }
    }
    Some(res)
}

/// Returns the first line that uses a variable.
fn used_in(script: &Script, name: &str) -> Option<usize> {
    uses(script, name).next().map(|(line, ..)| line)
}

/// Returns the uses of a variable: the line, what stands before `$`, and what follows the name.
pub(super) fn uses<'a>(
    script: &'a Script,
    name: &'a str,
) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    script.code.lines().zip(1..).flat_map(move |(text, line)| {
        text.match_indices('$').filter_map(move |(at, _)| {
            let rest = text.get(at + 1..)?;
            let (rest, is_braced) = match rest.strip_prefix('{') {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let rest = rest.strip_prefix(name)?;
            let is_longer = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let rest = if is_braced { rest.strip_prefix('}').unwrap_or(rest) } else { rest };
            (!is_longer).then(|| (line, text.get(..at).unwrap_or_default(), rest))
        })
    })
}
