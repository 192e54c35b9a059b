//! One file for each command.

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
pub(super) mod status;

use std::io::Write as _;

/// Tells something on stderr; whether anybody hears it changes nothing.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes to stdout, which is data.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
