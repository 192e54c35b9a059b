//! From files to a [`Config`], with everything that is wrong with them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, Deserializer};

use crate::config::conform::conform;
use crate::config::diagnose::{Findings, Place, Problems};
use crate::config::policy::Config;
use crate::config::resolve::{ParsedFile, Resolved, resolve};
use crate::config::shape::{FileShape, schema};
use crate::config::syntax;

/// No configuration is larger; what is, is another file, or has no end.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory could not be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could be read, but not understood.
    #[error(transparent)]
    Invalid(Problems),
}

/// Loads a file, or the `*.toml` files of a directory in the order of their names.
///
/// # Errors
///
/// [`LoadError::Invalid`] holds every problem of every file.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let mut files = Vec::new();
    let mut undecoded = Vec::new();
    for path in files_at(path)? {
        let bytes = read_file(&path).map_err(|source| io_error(&path, source))?;
        let text = String::from_utf8(bytes).unwrap_or_else(|err| {
            let (text, place) = readable(err.as_bytes(), err.utf8_error().valid_up_to());
            undecoded.push(Place::new(files.len(), place));
            text
        });
        files.push((path.display().to_string(), text));
    }
    parse_decoded(&files, &undecoded).map_err(LoadError::Invalid)
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| io_error(path, source))? {
        let file = entry.map_err(|source| io_error(path, source))?.path();
        let is_hidden = file.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        // Editors leave hidden copies behind.
        if file.extension().is_some_and(|extension| extension == "toml") && !is_hidden {
            paths.push(file);
        }
    }
    if paths.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "the directory has no `*.toml` file");
        return Err(io_error(path, source));
    }
    paths.sort();
    Ok(paths)
}

/// Reads a file that may be a device or a pipe, and without end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB, as no configuration is",
        ));
    }
    Ok(bytes)
}

/// Returns what can be shown of bytes that are no UTF-8 from `valid` on, and where that is.
fn readable(bytes: &[u8], valid: usize) -> (String, Range<usize>) {
    // Of UTF-16 not even lines can be told.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return (String::new(), 0..0);
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    (text, valid..valid + char::REPLACEMENT_CHARACTER.len_utf8())
}

fn io_error(path: &Path, source: io::Error) -> LoadError {
    LoadError::Io { path: path.to_owned(), source }
}

/// Makes a configuration of files, which are pairs of name and text.
///
/// # Errors
///
/// Every problem of every file, in file order.
pub fn parse(files: &[(String, String)]) -> Result<Config, Problems> {
    parse_decoded(files, &[])
}

/// Does the same where some files have a place that is no UTF-8; these are not read.
fn parse_decoded(files: &[(String, String)], undecoded: &[Place]) -> Result<Config, Problems> {
    let mut findings = Findings::new(files);
    let schema = schema();
    let mut parsed = Vec::new();
    for (file, (_, text)) in files.iter().enumerate() {
        if let Some(place) = undecoded.iter().find(|place| place.file == file) {
            findings.report(place, "this file is not UTF-8", "save it as UTF-8");
            continue;
        }
        parsed.extend(parse_file(file, text, &schema, &mut findings));
    }
    let is_complete = parsed.len() == files.len();
    let resolved = resolve(&parsed, is_complete, &mut findings);
    if let Some(problems) = findings.into_problems() {
        return Err(problems);
    }
    let Resolved { policies, roles, region_keys, api_share, notify, listen, prices } = resolved;
    let digest = digest(files);
    let account = None;
    Ok(Config { policies, roles, account, region_keys, api_share, notify, listen, prices, digest })
}

/// Returns what a file says, without what is wrong with it; none if it is no TOML.
fn parse_file(
    file: usize,
    text: &str,
    schema: &serde_json::Value,
    findings: &mut Findings<'_>,
) -> Option<ParsedFile> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    let mut lines = HashSet::new();
    for err in &errors {
        let place = Place::new(file, err.span().unwrap_or(0..0));
        // What follows on the same line is the same mistake.
        if lines.insert(findings.line(&place)) {
            let hint = syntax::hint(text, err.span().unwrap_or(0..0), err.message());
            findings.report(&place, one_line(err.message()), hint);
        }
    }
    if !errors.is_empty() {
        return None;
    }
    let broken = conform(&mut table, schema, file, findings);
    match FileShape::deserialize(Deserializer::from(table)) {
        Ok(shape) => Some(ParsedFile { file, shape, broken }),
        // Only if the schema allows what the types do not.
        Err(err) => {
            let place = Place::new(file, err.span().unwrap_or(0..0));
            findings.report(&place, one_line(err.message()), "");
            None
        }
    }
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join("; ")
}

/// Returns the digest of the names of the files, without their directories, and their contents.
fn digest(files: &[(String, String)]) -> String {
    let mut hasher = Sha256::new();
    for (name, text) in files {
        let name = Path::new(name).file_name().unwrap_or_default().as_encoded_bytes();
        for part in [name, text.as_bytes()] {
            // With their lengths, so that no two lists of files look alike.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    let mut digest = "sha256:".to_owned();
    for byte in hasher.finalize() {
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}
