//! Words of a shell script, as far as they can be known without running it.

/// A word: its pieces, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
    /// As it is written.
    pub(super) raw: String,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Characters, their quotes removed.
    Text(String),
    /// `$NAME`, or `${NAME:-default}`.
    Variable {
        /// Whose value it is.
        name: String,
        /// What stands in for it where it is unset.
        default: Option<Word>,
        /// `:=` and `=` also set the variable.
        assigns: bool,
    },
    /// What only a shell can tell, such as `$(date)`.
    Computed,
}

impl Word {
    pub(super) fn push(&mut self, c: char) {
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push(c);
        } else {
            self.pieces.push(Piece::Text(c.to_string()));
        }
    }
}

/// Returns what `${content}` stands for.
pub(super) fn parameter(content: &str, read: impl FnOnce(&str) -> Word) -> Piece {
    let n = content.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
    let (name, rest) = content.split_at(n);
    let variable = |default, assigns| Piece::Variable { name: name.to_owned(), default, assigns };
    if name.is_empty() {
        return Piece::Computed;
    }
    if rest.is_empty() {
        return variable(None, false);
    }
    for (operator, assigns) in [(":-", false), (":=", true), ("-", false), ("=", true)] {
        if let Some(default) = rest.strip_prefix(operator) {
            return variable(Some(read(default)), assigns);
        }
    }
    Piece::Computed
}

/// Returns true for what can name a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
