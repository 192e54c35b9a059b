//! Programs that are told, and what they do with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use snapkeep::config::Notify;
use snapkeep::run::notify::Arrival;

use super::{IMPATIENT, PATIENT, failed, notify, send};

/// Runs a script of the shell in `dir`.
fn shell(script: &str, dir: &Path) -> Notify {
    let script = format!("cd '{}' && {script}", dir.display());
    let run = toml_array(&["/bin/sh", "-c", &script]);
    notify(&format!("command = {{ run = {run} }}"))
}

fn toml_array(items: &[&str]) -> String {
    serde_json::to_string(items).unwrap()
}

fn fifo(dir: &Path) {
    let status = Command::new("mkfifo").arg(dir.join("fifo")).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_program_reads_the_message_and_knows_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let script = "cat > text && echo \"$SNAPKEEP_EVENT|$SNAPKEEP_SUBJECT|$0\" > about";
    let (arrival, delivery) = send(&shell(script, dir.path()), "", PATIENT).await;
    assert_eq!(arrival, Arrival::Arrived);
    assert_eq!(fs::read_to_string(dir.path().join("text")).unwrap(), delivery.message.text);
    let about = fs::read_to_string(dir.path().join("about")).unwrap();
    assert_eq!(about, "test|snapkeep test: this is how you are told|/bin/sh\n");
}

#[tokio::test]
async fn a_program_does_not_inherit_the_secret_of_the_webhook() {
    let dir = tempfile::tempdir().unwrap();
    // A variable that every test has.
    let mut told = shell("echo \"${PATH-none}\" > path", dir.path());
    told.webhook = Some(snapkeep::config::UrlSource::Env("PATH".to_owned()));
    let own = Err("there is no account".to_owned());
    let url = Err("nobody knows".to_owned());
    let teller = snapkeep::run::notify::Teller { notify: &told, url, own, patience: PATIENT };
    let delivery = teller.send(snapkeep::report::Message::of_test()).await;
    assert_eq!((delivery.has_arrived(), delivery.n_failed()), (true, 1));
    // The shell has a path of its own, if it was given none.
    let path = fs::read_to_string(dir.path().join("path")).unwrap();
    assert_ne!(path.trim(), env!("PATH"));
}

#[tokio::test]
async fn a_program_may_read_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for script in ["true", "exec <&- && true"] {
        let (arrival, _) = send(&shell(script, dir.path()), "", PATIENT).await;
        assert_eq!(arrival, Arrival::Arrived, "{script}");
    }
}

#[tokio::test]
async fn a_program_that_fails_is_quoted() {
    let dir = tempfile::tempdir().unwrap();
    for (script, expected) in [
        ("exit 3", "exit status: 3"),
        (
            "{ echo one; printf 'no \\033[31mpager\\n\\n'; } >&2; exit 1",
            "exit status: 1: no \\u{1b}[31mpager",
        ),
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        // Much is said before.
        ("seq 100000 >&2; echo last >&2; exit 1", "exit status: 1: last"),
    ] {
        let (arrival, _) = send(&shell(script, dir.path()), "", PATIENT).await;
        assert_eq!(failed(&arrival), expected, "{script}");
    }
    let missing = notify("command = { run = ['/nowhere/page'] }");
    let (arrival, _) = send(&missing, "", PATIENT).await;
    assert!(
        failed(&arrival).starts_with("cannot start `/nowhere/page`: No such file"),
        "{arrival:?}"
    );
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_began() {
    let dir = tempfile::tempdir().unwrap();
    fifo(dir.path());
    // Ends when the last process that may write to it has ended.
    let path = dir.path().join("fifo");
    let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
    let script = "echo $$ > pid; exec 3> fifo; echo stuck >&2; sleep 3600 & wait";
    let (arrival, _) = send(&shell(script, dir.path()), "", IMPATIENT).await;
    assert_eq!(failed(&arrival), "killed after 0.3 s: stuck");
    assert_eq!(reader.join().unwrap(), "");
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} is a zombie");
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    fifo(dir.path());
    // It keeps stderr until somebody writes.
    let (arrival, _) = send(&shell("read line < fifo & exit 0", dir.path()), "", PATIENT).await;
    assert_eq!(arrival, Arrival::Arrived);
    fs::write(dir.path().join("fifo"), "end\n").unwrap();
}
