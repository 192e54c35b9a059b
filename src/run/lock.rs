//! One cycle at a time on one machine: a lock file for each installation that a configuration is
//! about.
//!
//! The lock saves work and quota, nothing else: two cycles at once do no harm (crate docs, invariant 7),
//! so whatever is wrong with it is told and stops nothing. The kernel frees it with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use crate::config::{Config, Policy};
use crate::execute::Stop;

/// How long another process is waited for. Whoever holds a lock for longer hangs or means harm, and
/// a cycle that never comes is worse than two at once.
const WAIT_MAX: Duration = Duration::from_hours(2);

/// Is told who else runs a cycle, and what is wrong with a lock.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The locks of a configuration.
pub struct Locks {
    /// Names of the files, ordered: everybody takes them in the same order.
    names: Vec<String>,
    dirs: Vec<PathBuf>,
    tell: Tell,
    has_complained: AtomicBool,
    /// What is held now; cycles of one process share it.
    held: Mutex<Weak<Held>>,
}

/// Locks that are held; they are free once all clones are dropped.
#[derive(Debug, Clone)]
#[must_use = "a lock that is dropped is free"]
pub struct Guard {
    held: Arc<Held>,
}

impl Guard {
    /// Returns true if another process held a lock, so that time has passed since it was wanted.
    pub fn has_waited(&self) -> bool {
        self.held.has_waited
    }
}

#[derive(Debug)]
struct Held {
    files: Vec<File>,
    has_waited: bool,
}

impl Drop for Held {
    /// Closing a file is not enough: a command that is just being started has it, too, for a moment.
    fn drop(&mut self) {
        for file in &self.files {
            // If that fails, closing it remains.
            let _ = file.unlock();
        }
    }
}

impl Locks {
    /// Locks nothing: for an account in memory.
    pub fn none() -> Self {
        Self {
            names: Vec::new(),
            dirs: Vec::new(),
            tell: Arc::new(|_| ()),
            has_complained: AtomicBool::new(false),
            held: Mutex::new(Weak::new()),
        }
    }

    /// One lock for each owner in `config`, in the first of `dirs` where it can be made.
    pub fn new(config: &Config, dirs: Vec<PathBuf>, tell: Tell) -> Self {
        let variants = config.policies.iter().flat_map(Policy::variants);
        let mut names: Vec<String> = variants.map(|variant| file_name(&variant.owner)).collect();
        names.sort();
        names.dedup();
        Self { names, dirs, tell, ..Self::none() }
    }

    /// Waits until no other process runs a cycle; none as soon as the wish to stop is set.
    pub async fn take(&self, stop: &Stop) -> Option<Guard> {
        let mut known = self.held.lock().await;
        if let Some(held) = known.upgrade() {
            return Some(Guard { held });
        }
        let (mut files, mut has_waited) = (Vec::new(), false);
        for name in &self.names {
            match self.open(name) {
                Ok((path, file)) => {
                    files.extend(self.lock(&path, file, &mut has_waited, stop).await?);
                }
                Err(err) => self.complain(&format!("there is no lock file {name}: {err}")),
            }
        }
        let held = Arc::new(Held { files, has_waited });
        *known = Arc::downgrade(&held);
        Some(Guard { held })
    }

    /// Opens a lock file in the first directory where that can be done.
    fn open(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let mut first_error = None;
        for dir in &self.dirs {
            let path = dir.join(name);
            match open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(err) => {
                    tracing::debug!(path = %path.display(), error = %err, "no lock file here");
                    let err = io::Error::new(err.kind(), format!("{}: {err}", path.display()));
                    first_error.get_or_insert(err);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| io::Error::other("no directory is named")))
    }

    /// Waits for one lock; none as soon as the wish to stop is set.
    async fn lock(
        &self,
        path: &Path,
        file: File,
        has_waited: &mut bool,
        stop: &Stop,
    ) -> Option<Option<File>> {
        let mut file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&file)
                    .map_or("another process".to_owned(), |pid| format!("process {pid}"));
                let path = path.display();
                (self.tell)(&format!("waiting for {holder}, which has locked {path}"));
                *has_waited = true;
                match stop.unless_set(timeout(WAIT_MAX, locked(file))).await? {
                    Ok(Ok(file)) => file,
                    Err(_) => {
                        let hours = WAIT_MAX.as_secs() / 3600;
                        (self.tell)(&format!(
                            "warning: {holder} has locked {path} for {hours} hours or more; going \
                             on without it"
                        ));
                        return Some(None);
                    }
                    Ok(Err(err)) => {
                        self.complain(&format!("cannot lock {path}: {err}"));
                        return Some(None);
                    }
                }
            }
            Err(TryLockError::Error(err)) => {
                self.complain(&format!("cannot lock {}: {err}", path.display()));
                return Some(None);
            }
        };
        // Only for people: without it, nobody is named.
        if let Err(err) = sign(&mut file) {
            tracing::debug!(error = &err as &dyn std::error::Error, "could not sign a lock file");
        }
        Some(Some(file))
    }

    /// Tells what is wrong, once.
    fn complain(&self, what: &str) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            (self.tell)(&format!(
                "warning: {what}; a second run on this machine would not be noticed"
            ));
        }
    }
}

/// Opens what is there, else makes it; never through a link that somebody laid.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).read(true);
    // In a directory for everybody the kernel may refuse to "make" what another user made, but
    // anybody who can read a file can lock it.
    let mut reading = options.clone();
    reading.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    match options.clone().write(true).open(path) {
        Ok(file) => Ok(file),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            options.write(true).create(true).truncate(false).mode(0o644).open(path)
        }
        Err(err) => reading.open(path).map_err(|_| err),
    }
}

/// Waits for a lock. On a thread of its own, since that wait cannot be given up.
async fn locked(file: File) -> io::Result<File> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        // If nobody waits any more, the file is dropped here and with it the lock.
        let _ = sender.send(locked);
    });
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the thread that waits has ended")))
}

/// Writes this process into the file.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Returns who holds the lock, if the file tells.
fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Returns the name of the lock file of an owner, which may be called anything.
fn file_name(owner: &str) -> String {
    const LENGTH_MAX: usize = 100;
    let is_safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let escape = |b: u8| if is_safe(b) { char::from(b).to_string() } else { format!("%{b:02x}") };
    let safe: String = owner.bytes().map(escape).collect();
    if safe.len() <= LENGTH_MAX {
        return format!("snapkeep-{safe}.lock");
    }
    let digest = Sha256::digest(owner.as_bytes());
    let digest = digest[..8].iter().fold(0_u64, |digest, byte| digest << 8 | u64::from(*byte));
    format!("snapkeep-{}-{digest:016x}.lock", &safe[..LENGTH_MAX])
}

#[cfg(test)]
mod tests;
