//! `import`: a configuration made of what another tool was told.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::cli::args::{ImportArgs, ImportFrom};
use crate::cli::usage;
use crate::config::import::{from_dlm, from_script};
use crate::report::ExitCode;
use crate::report::text::printable;

use super::print;

/// What is larger is something else, or has no end.
const BYTES_MAX: u64 = 1 << 20;

pub(in crate::cli) fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let (file, res) = match &args.from {
        // Scripts are read byte by byte; an old comment in another encoding matters to nobody.
        ImportFrom::Script { file } => (file, from_script(&String::from_utf8_lossy(&read(file)?))),
        ImportFrom::Dlm { file } => (file, from_dlm(&String::from_utf8_lossy(&read(file)?))),
    };
    let imported = res.map_err(|err| {
        let file = if is_stdin(file) { "standard input".to_owned() } else { shown(file) };
        usage(format!("{file}: {err}"))
    })?;
    let mut err = std::io::stderr().lock();
    for remark in &imported.remarks {
        writeln!(err, "remark: {}", printable(remark))?;
    }
    print(&imported.toml)?;
    Ok(ExitCode::Done)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(file) {
        let source = std::io::stdin().lock();
        source.take(BYTES_MAX + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let read = File::open(file).and_then(|f| f.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|err| usage(format!("cannot read {}: {err}", shown(file))))?;
    }
    if BYTES_MAX < bytes.len() as u64 {
        let text = "is larger than 1 MiB, as neither scripts nor policies are";
        return Err(usage(format!("{} {text}", shown(file))));
    }
    Ok(bytes)
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn shown(file: &Path) -> String {
    format!("`{}`", file.display())
}
