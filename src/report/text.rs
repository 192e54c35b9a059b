//! Words and layout that all text reports share.

use std::fmt::Write as _;

use crate::domain::ids::ResourceId;

pub use crate::domain::printable::{printable, printable_lines};

/// Reports fit terminals of so many columns.
pub const COLUMNS: usize = 80;

/// Returns `1 snapshot`, `2 snapshots`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Returns `2 snapshots`, `1 image`, or `1 image and 2 snapshots`; `0 snapshots` for nothing.
pub fn things(ids: impl IntoIterator<Item = ResourceId>) -> String {
    let (mut n_images, mut n_snapshots) = (0, 0);
    for id in ids {
        match id {
            ResourceId::Image(_) => n_images += 1,
            ResourceId::Snapshot(_) => n_snapshots += 1,
        }
    }
    match (n_images, n_snapshots) {
        (0, n) => count(n, "snapshot"),
        (n, 0) => count(n, "image"),
        (n, m) => format!("{} and {}", count(n, "image"), count(m, "snapshot")),
    }
}

/// Appends a row: `columns`, then `reason` behind it or, where that gets too wide, below it.
pub fn row(out: &mut String, columns: &str, reason: &str) {
    let reason = printable(reason);
    let columns = columns.trim_end();
    if columns.chars().count() + 2 + reason.chars().count() <= COLUMNS {
        let _ = writeln!(out, "{columns}  {reason}");
    } else {
        let _ = writeln!(out, "{columns}");
        wrapped(out, "        ", &reason);
    }
}

/// Appends `text` broken at spaces, every line behind `indent`, with what is harmful escaped.
pub fn wrapped(out: &mut String, indent: &str, text: &str) {
    let mut line = String::new();
    for word in printable(text).split_whitespace() {
        let width = indent.chars().count() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && COLUMNS < width {
            let _ = writeln!(out, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// Appends `text` as one item of a list, its later lines further in.
pub fn item(out: &mut String, text: &str) {
    let mut body = String::new();
    wrapped(&mut body, "    ", text);
    out.push_str("  ");
    out.push_str(body.trim_start());
}

/// Appends `text` behind `head`, later lines indented to match.
pub fn hanging(out: &mut String, head: &str, text: &str) {
    let indent = " ".repeat(head.chars().count());
    let mut body = String::new();
    wrapped(&mut body, &indent, text);
    out.push_str(head);
    out.push_str(body.get(indent.len()..).unwrap_or("\n"));
}

#[cfg(test)]
mod tests {
    use super::things;

    #[test]
    fn images_and_snapshots_are_counted_apart() {
        for (ids, expected) in [
            ("", "0 snapshots"),
            ("snap-00000001", "1 snapshot"),
            ("ami-00000001 ami-00000002", "2 images"),
            ("snap-00000001 ami-00000001 snap-00000002", "1 image and 2 snapshots"),
        ] {
            let ids = ids.split_whitespace().map(|id| id.parse().unwrap());
            assert_eq!(things(ids), expected);
        }
    }
}
