//! A program: the message on its standard input, bounded in time whatever it does.
//!
//! No shell is between. It leads a process group of its own, which is killed as a whole when its
//! time is over.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::time::timeout;

use super::Patience;
use crate::config::UrlSource;
use crate::report::Message;
use crate::report::text::printable;

/// How much of the end of its stderr is kept.
const TAIL_BYTES_MAX: usize = 4096;
/// How long what it leaves behind may keep its stderr open after its end.
const DRAIN: Duration = Duration::from_millis(200);

/// Runs `argv` with the message; `secret` says which variable it must not inherit.
pub(super) async fn run(
    argv: &[String],
    message: &Message,
    secret: Option<&UrlSource>,
    patience: Patience,
) -> Result<(), String> {
    let (program, arguments) = argv.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("SNAPKEEP_EVENT", message.event.name())
        .env("SNAPKEEP_SUBJECT", &message.subject)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(UrlSource::Env(name)) = secret {
        command.env_remove(name);
    }
    let mut child =
        command.spawn().map_err(|err| format!("cannot start `{}`: {err}", printable(program)))?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let mut tail = Vec::new();
    let ended = timeout(patience.total, attend(&mut child, &message.text, &mut tail)).await;
    let why = match ended {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(err)) => format!("cannot wait for it: {err}"),
        Err(_) => {
            if let Some(group) = group {
                // It may just have ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
            // Reaped, so that no zombie stays; what is killed ends at once.
            let _ = timeout(patience.pause, child.wait()).await;
            format!("killed after {} s", patience.total.as_secs_f32())
        }
    };
    Err(last_line(&tail).map_or_else(|| why.clone(), |line| format!("{why}: {line}")))
}

/// Feeds the program and waits for its end, and keeps the end of what it says on stderr.
async fn attend(child: &mut Child, text: &str, tail: &mut Vec<u8>) -> std::io::Result<ExitStatus> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let work = async {
        // One that ends before it has read everything is none the worse for it.
        let fed = feed(stdin, text);
        match select(std::pin::pin!(child.wait()), std::pin::pin!(fed)).await {
            Either::Left((status, _)) => status,
            Either::Right(((), waiting)) => waiting.await,
        }
    };
    let reading = std::pin::pin!(read(stderr, tail));
    match select(std::pin::pin!(work), reading).await {
        Either::Left((status, reading)) => {
            let _ = timeout(DRAIN, reading).await;
            status
        }
        Either::Right(((), work)) => work.await,
    }
}

async fn feed(stdin: Option<ChildStdin>, text: &str) {
    let Some(mut stdin) = stdin else { return };
    if stdin.write_all(text.as_bytes()).await.is_ok() {
        let _ = stdin.shutdown().await;
    }
}

async fn read(stderr: Option<ChildStderr>, tail: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..n]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES_MAX);
        tail.drain(..surplus);
    }
}

fn last_line(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(printable(line).into_owned())
}
