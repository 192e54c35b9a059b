//! The present instant as somebody else tells it, line by line: for tests and demonstrations that
//! let days pass in seconds.

use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::execute::Clock;

/// A clock that shows what it is fed. Clones show the same time.
///
/// Waits within a cycle pass at once, and take the clock along; between cycles it waits to be fed.
#[derive(Debug, Clone)]
pub struct FedClock {
    fed: watch::Receiver<DateTime<Utc>>,
    /// How far waits within cycles have taken it.
    passed: Arc<Mutex<DateTime<Utc>>>,
}

impl FedClock {
    /// Reads the first instant of `lines` now and the others as they come, each RFC 3339.
    ///
    /// A line that is no instant, and one that would go back, changes nothing; the first kind is
    /// told to `complain`.
    pub fn read(
        mut lines: impl BufRead + Send + 'static,
        complain: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let begun_at = instant(&line)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, not_instant(&line)))?;
        let (sender, fed) = watch::channel(begun_at);
        // Reading cannot be given up, so it must hold nothing up: not even the end of the program.
        std::thread::spawn(move || {
            for line in lines.lines() {
                let Ok(line) = line else { return };
                match instant(&line) {
                    Some(at) => drop(sender.send_if_modified(|now| {
                        let is_later = *now < at;
                        *now = at.max(*now);
                        is_later
                    })),
                    None => complain(&not_instant(&line)),
                }
            }
        });
        Ok(Self { fed, passed: Arc::new(Mutex::new(begun_at)) })
    }

    /// Makes a clock that is fed nothing after `at`.
    pub fn still(at: DateTime<Utc>) -> Self {
        let (_, fed) = watch::channel(at);
        Self { fed, passed: Arc::new(Mutex::new(at)) }
    }

    /// Waits until the clock has been fed `at` or later; for ever if nothing more is fed.
    pub async fn fed(&self, at: DateTime<Utc>) {
        if self.fed.clone().wait_for(|now| at <= *now).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Clock for FedClock {
    fn now(&self) -> DateTime<Utc> {
        let fed = *self.fed.borrow();
        fed.max(*self.passed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            *passed = at.max(*passed);
        }
        // Others have their turn as in any wait.
        tokio::task::yield_now().await;
    }
}

fn instant(line: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(line.trim()).ok().map(|at| at.with_timezone(&Utc))
}

fn not_instant(line: &str) -> String {
    format!("`{}` is no instant such as 2026-11-20T03:00:00Z", line.trim())
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use chrono::TimeDelta;

    use super::{FedClock, instant};
    use crate::execute::Clock as _;

    #[tokio::test]
    async fn waits_of_a_cycle_pass_at_once_and_others_when_they_are_fed() {
        let (read, mut write) = std::io::pipe().unwrap();
        writeln!(write, "2026-11-20T03:00:00Z").unwrap();
        let clock = FedClock::read(BufReader::new(read), |_| ()).unwrap();
        let start = clock.now();
        clock.sleep_until(start + TimeDelta::minutes(1)).await;
        assert_eq!(clock.now(), start + TimeDelta::minutes(1));
        // Neither the past nor nonsense moves it.
        writeln!(write, "2026-11-19T03:00:00Z\nsoon\n2026-11-20T12:05:00+09:00").unwrap();
        clock.fed(start + TimeDelta::minutes(2)).await;
        assert_eq!(clock.now(), instant("2026-11-20T03:05:00Z").unwrap());
    }

    #[test]
    fn the_first_line_must_be_an_instant() {
        for text in ["", "now\n"] {
            assert!(FedClock::read(std::io::Cursor::new(text), |_| ()).is_err());
        }
    }
}
