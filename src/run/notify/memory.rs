//! What was told, kept in a file between processes.
//!
//! The file is only about telling, and may be deleted at any time: then one message is told once too
//! often. Whatever is wrong with it stops no cycle.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::told::Told;

/// The file's name in a directory for states.
const NAME: &str = "notify.json";
const FORMAT: &str = "snapkeep.told/1";

/// Where it is kept what was told.
#[derive(Debug, Clone)]
pub struct Memory {
    path: PathBuf,
    /// Whose it is: several configurations may share a directory.
    configuration: String,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It could not be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Shape {
    format: String,
    told: BTreeMap<String, Told>,
}

impl Memory {
    /// Keeps it in `dir`, for the configuration at `config_path`.
    pub fn new(dir: &Path, config_path: &Path) -> Self {
        // However it was named this time.
        let config_path = fs::canonicalize(config_path).unwrap_or_else(|_| config_path.to_owned());
        Self { path: dir.join(NAME), configuration: config_path.display().to_string() }
    }

    /// Keeps apart what is only told of a sandbox: it must not be taken for what was told.
    #[must_use]
    pub fn of_sandbox(mut self) -> Self {
        self.configuration.push_str(" (sandbox)");
        self
    }

    /// Reads what was told; nothing if there is no file yet.
    ///
    /// # Errors
    ///
    /// If there is one that cannot be read or is none of ours.
    pub fn read(&self) -> Result<Told, MemoryError> {
        let told = self.read_all()?.remove(&self.configuration);
        Ok(told.unwrap_or_default())
    }

    /// Writes what was told, whole or not at all; what other configurations told stays.
    ///
    /// # Errors
    ///
    /// If the file, or a directory above it, cannot be written.
    pub fn write(&self, told: &Told) -> Result<(), MemoryError> {
        // What cannot be read is of no use to anybody.
        let mut all = self.read_all().unwrap_or_default();
        if all.get(&self.configuration) == Some(told) {
            return Ok(());
        }
        all.insert(self.configuration.clone(), told.clone());
        let shape = Shape { format: FORMAT.to_owned(), told: all };
        let text = serde_json::to_vec_pretty(&shape).map_err(io::Error::from);
        let written = text.and_then(|text| replace(&self.path, &text));
        written.map_err(|source| MemoryError::Unwritable { path: self.path.clone(), source })
    }

    fn read_all(&self) -> Result<BTreeMap<String, Told>, MemoryError> {
        let unreadable = |source| MemoryError::Unreadable { path: self.path.clone(), source };
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(err) => return Err(unreadable(err)),
        };
        let shape: Shape = serde_json::from_str(&text).map_err(|err| unreadable(err.into()))?;
        if shape.format != FORMAT {
            let message = format!("its format is `{}`, not `{FORMAT}`", shape.format);
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        Ok(shape.told)
    }
}

/// Puts a new file in the place of an old one; a crash leaves either.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    // Beside it: a rename is atomic only within one file system.
    let temporary = path.with_file_name(format!(".{NAME}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use chrono_tz::Tz;

    use super::super::told::{Repeat, Told};
    use super::Memory;
    use crate::domain::span::Span;

    fn told() -> Told {
        let repeat = Repeat { span: Span::days(1), timezone: Tz::UTC };
        let keys = BTreeSet::from(["DescribeSnapshots in eu-west-1 failed".to_owned()]);
        Told::default().next(&keys, true, repeat, "2026-11-20T03:10:00Z".parse().unwrap()).1
    }

    #[test]
    fn what_was_told_is_remembered_for_each_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (state, config) = (dir.path().join("new/state"), dir.path().join("a.toml"));
        fs::write(&config, "").unwrap();
        let memory = Memory::new(&state, &config);
        assert_eq!(memory.read().unwrap(), Told::default());
        memory.write(&told()).unwrap();
        // The same file by another name.
        let again = Memory::new(&state, &dir.path().join(".").join("a.toml"));
        assert_eq!(again.read().unwrap(), told());
        let other = Memory::new(&state, Path::new("/etc/other.toml"));
        assert_eq!(other.read().unwrap(), Told::default());
        other.write(&Told::default()).unwrap();
        assert_eq!(memory.read().unwrap(), told());
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), Path::new("a.toml"));
        for text in [
            "",
            "{\"format\": \"snapkeep.told/1\", \"told\": 3}",
            "\u{0}",
            "{\"format\": \"x\", \"told\": {}}",
        ] {
            fs::write(dir.path().join("notify.json"), text).unwrap();
            let err = memory.read().unwrap_err();
            assert!(err.to_string().contains("notify.json"), "{err}");
            memory.write(&told()).unwrap();
            assert_eq!(memory.read().unwrap(), told());
        }
    }

    #[test]
    fn a_directory_that_cannot_be_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let memory = Memory::new(&dir.path().join("file/state"), Path::new("a.toml"));
        assert!(memory.read().is_err());
        let err = memory.write(&told()).unwrap_err();
        assert!(err.to_string().starts_with("cannot write"), "{err}");
    }
}
