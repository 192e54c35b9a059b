//! One file for each command.

pub(super) mod apply;
pub(super) mod check;
pub(super) mod completions;
pub(super) mod explain;
pub(super) mod iam;
pub(super) mod import;
pub(super) mod inventory;
pub(super) mod man;
pub(super) mod notify;
pub(super) mod plan;
pub(super) mod run;
pub(super) mod sandbox_server;
pub(super) mod schema;
pub(super) mod serve;
pub(super) mod simulate;
pub(super) mod status;

use std::io::Write as _;

use crate::report::text::printable_lines;

/// Tells something on stderr, in a line or more; whether anybody hears it changes nothing.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable_lines(line));
}

/// Writes to stdout, which is data.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
