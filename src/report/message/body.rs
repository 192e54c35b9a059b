//! The text of a message: first what to do, then lists of which the ends may be cut off.

use std::fmt::Write as _;

use super::line;

/// One line is no longer.
const LINE_CHARS_MAX: usize = 400;

/// The parts of a text.
#[derive(Debug, Default)]
pub(super) struct Body {
    first: Vec<String>,
    lists: Vec<(String, Vec<String>)>,
    last: Vec<String>,
}

impl Body {
    /// Adds a paragraph to those that come first.
    pub(super) fn first(&mut self, text: String) {
        self.first.push(text);
    }

    /// Adds a list; an empty one is left out.
    pub(super) fn list(&mut self, heading: String, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().map(|item| cut(&line(&item))).collect();
        if !items.is_empty() {
            self.lists.push((heading, items));
        }
    }

    /// Adds a paragraph to those that come last.
    pub(super) fn end(&mut self, text: String) {
        self.last.push(text);
    }

    /// Returns the text in at most `chars_max` characters, each line as `shown` shows it.
    ///
    /// Items that do not fit are counted. All lists have the same room, but what one does not need
    /// the next may use.
    pub(super) fn fitted(&self, chars_max: usize, shown: impl Fn(&str) -> String) -> String {
        let paragraphs = |texts: &[String]| -> String {
            texts.iter().flat_map(|text| [shown(&cut(&line(text))), "\n\n".to_owned()]).collect()
        };
        let (mut out, last) = (paragraphs(&self.first), paragraphs(&self.last));
        let n_chars = |text: &str| text.chars().count();
        let mut room = chars_max.saturating_sub(n_chars(&out) + n_chars(&last));
        for (n, (heading, items)) in self.lists.iter().enumerate() {
            let share = room / (self.lists.len() - n);
            let list = fitted_list(&shown(heading), items.iter().map(|item| shown(item)), share);
            room -= n_chars(&list).min(room);
            out.push_str(&list);
        }
        out.push_str(&last);
        out.trim_end().to_owned() + "\n"
    }
}

fn fitted_list(heading: &str, items: impl ExactSizeIterator<Item = String>, room: usize) -> String {
    let mut out = format!("{heading}\n");
    let n_items = items.len();
    let mut n_chars = out.chars().count();
    for (n, item) in items.enumerate() {
        let text = format!("  {item}\n");
        let n_left = n_items - n;
        // The line that counts the rest, and the empty one, have to fit as well.
        let reserve = "  and  more\n\n".len() + n_left.to_string().len();
        n_chars += text.chars().count();
        if room < n_chars + reserve {
            let _ = writeln!(out, "  and {n_left} more");
            break;
        }
        out.push_str(&text);
    }
    out.push('\n');
    out
}

/// Returns `text` with what is too long of it cut off.
fn cut(text: &str) -> String {
    if text.chars().count() <= LINE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(LINE_CHARS_MAX - 1).chain(['…']).collect()
}
