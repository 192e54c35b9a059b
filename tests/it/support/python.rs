//! Programs of others that are written in Python, for tests.
//!
//! They are installed once into virtual environments under `target/`; a machine that cannot is a
//! failure, never a skip.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the virtual environment `name` with what `requirements` lists, made if need be.
///
/// Tests of one binary run in threads, those under nextest in processes: a lock on a file holds
/// for both. What was left half done is made again, as is what has other requirements.
pub(crate) fn installed(name: &str, requirements: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).unwrap();
    let lock = File::create(target.join(format!("{name}-venv.lock"))).unwrap();
    lock.lock().unwrap();

    let venv = target.join(format!("{name}-venv"));
    let done = venv.join("installed-requirements.txt");
    let wanted = fs::read_to_string(requirements).unwrap();
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return venv;
    }
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
        "install Python 3.10 or newer with its venv module (Debian: python3-venv)",
    );
    run(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(requirements),
        "it is installed from PyPI once: check the network, or pip's configuration",
    );
    fs::write(&done, wanted).unwrap();
    venv
}

fn run(command: &mut Command, hint: &str) {
    let status = command.status();
    let is_success = status.as_ref().is_ok_and(std::process::ExitStatus::success);
    assert!(is_success, "a test needs Python: {command:?} failed ({status:?})\nhint: {hint}");
}
