//! Log lines on their way out: what is harmful in one is escaped, whoever logged it.
//!
//! Subscribers hand over one event at a time, so the line feed at the end is the only one that ends
//! a line.

use std::io;

use crate::domain::printable::{printable, printable_json};

/// How the lines of a log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object a line.
    Json,
    /// For people, without colours.
    Text,
    /// For people, with colours, which are escape sequences themselves: what is not one of those is
    /// escaped.
    Coloured,
}

/// Writes events to another writer.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    shape: Shape,
}

impl<W: io::Write> Lines<W> {
    /// Writes events of this shape to `out`.
    pub fn new(out: W, shape: Shape) -> Self {
        Self { out, shape }
    }
}

impl<W: io::Write> io::Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.out.write_all(shown(event, self.shape).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn shown(event: &[u8], shape: Shape) -> String {
    let text = String::from_utf8_lossy(event);
    let (line, end) = match text.strip_suffix('\n') {
        Some(line) => (line, "\n"),
        None => (&*text, ""),
    };
    match shape {
        Shape::Json => printable_json(line).into_owned() + end,
        Shape::Text => printable(line).into_owned() + end,
        Shape::Coloured => coloured(line) + end,
    }
}

/// Escapes all but escape sequences that only change colours: `ESC [ digits and semicolons m`.
fn coloured(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut out = printable(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let parameters = part.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b';');
        let colour = parameters.filter(|(parameters, _)| is_digits(parameters));
        out.push_str(if colour.is_some() { "\u{1b}" } else { "\\u{1b}" });
        out.push_str(&printable(part));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Shape, shown};

    #[test]
    fn a_line_is_a_line_and_steers_nothing() {
        let event = "WARN a\nb \u{9b}2J\u{202e}\n".as_bytes();
        assert_eq!(shown(event, Shape::Text), "WARN a\\u{a}b \\u{9b}2J\\u{202e}\n");
        let event = "{\"m\":\"a\u{9b}\u{202e}\"}\n".as_bytes();
        assert_eq!(shown(event, Shape::Json), "{\"m\":\"a\\u009b\\u202e\"}\n");
    }

    #[test]
    fn colours_stay_and_nothing_else_does() {
        let event = "\u{1b}[33m WARN\u{1b}[0m a\u{1b}[2Jb\u{1b}]8;;x\u{7}c\u{1b}[0m\n".as_bytes();
        assert_eq!(
            shown(event, Shape::Coloured),
            "\u{1b}[33m WARN\u{1b}[0m a\\u{1b}[2Jb\\u{1b}]8;;x\\u{7}c\u{1b}[0m\n"
        );
    }
}
