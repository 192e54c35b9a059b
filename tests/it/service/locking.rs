//! One cycle at a time on one machine.

use std::fs::File;
use std::path::Path;

use super::{DAILY, Home, START, stderr};

/// Takes the lock as another process would.
fn taken(home: &Path) -> File {
    let file = File::create(home.join("snapkeep-main.lock")).unwrap();
    file.lock().unwrap();
    std::io::Write::write_all(&mut &file, b"4711\n").unwrap();
    file
}

#[test]
fn a_cycle_waits_for_the_cycle_of_another_process() {
    let home = Home::new(DAILY);
    let lock = taken(home.path());
    let mut service = home.serve("--sandbox=account.json", "");
    let line = service.hear("waiting for process 4711, which has locked ");
    assert!(line.ends_with("snapkeep-main.lock"), "{line}");
    let (status, health) = service.health();
    assert_eq!(status, 200);
    assert_eq!(health["phase"], "waiting for another process");
    assert!(service.get("/").1.contains("waiting for process 4711"));
    drop(lock);
    service.idle();
    // Between cycles the lock is free.
    assert!(File::open(home.path().join("snapkeep-main.lock")).unwrap().try_lock().is_ok());
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_signal_ends_a_cycle_that_waits() {
    let home = Home::new(DAILY);
    let _lock = taken(home.path());
    let mut service = home.serve("--sandbox=account.json", "");
    service.hear("waiting for process 4711");
    service.signal("-TERM");
    service.hear("stopped, cycle 1 done");
    let (code, stdout) = service.ended();
    assert_eq!(code, Some(0));
    assert!(stdout.contains("stopped before anything was planned"), "{stdout}");
}

#[test]
fn two_services_take_turns() {
    let home = Home::new(DAILY);
    let lock = taken(home.path());
    let mut first = home.serve("--sandbox=account.json", "");
    let mut second = home.serve("--sandbox=other.json", "");
    first.hear("waiting for process 4711");
    second.hear("waiting for process 4711");
    drop(lock);
    first.idle();
    second.idle();
    assert_eq!((first.stop().0, second.stop().0), (Some(0), Some(0)));
}

#[test]
fn a_run_waits_its_turn_and_a_dry_run_need_not() {
    let home = Home::new(DAILY);
    let lock = taken(home.path());
    let dry = home.snapkeep(&format!("--sandbox=account.json --now {START} run --dry-run"));
    assert_eq!((dry.status.code(), stderr(&dry)), (Some(0), String::new()));
    // The account in memory is nobody else's.
    let own = home.snapkeep(&format!("--sandbox --now {START} run"));
    assert_eq!((own.status.code(), stderr(&own)), (Some(0), String::new()));

    for args in ["run", "run --wait"] {
        let mut command = home.command(&format!("--sandbox=account.json --now {START} {args}"));
        let command = command.stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let heard = super::lines(child.stderr.take().unwrap());
        let line = heard.recv_timeout(super::PATIENCE).unwrap();
        assert!(line.starts_with("waiting for process 4711, which has locked "), "{line}");
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success()
        );
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(stdout.contains("stopped before anything was planned"), "{stdout}");
    }
    drop(lock);
    let run = home.snapkeep(&format!("--sandbox=account.json --now {START} run"));
    assert_eq!((run.status.code(), stderr(&run)), (Some(0), String::new()));
}

#[test]
fn without_a_place_for_its_lock_a_run_only_warns() {
    let home = Home::new(DAILY);
    let mut command = home.command(&format!("--sandbox=account.json --now {START} run"));
    let run = command.env("SNAPKEEP_LOCK_DIR", "/nonexistent").output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    let text = stderr(&run);
    assert!(text.starts_with("warning: there is no lock file snapkeep-main.lock: "), "{text}");
    assert!(text.ends_with("; a second run on this machine would not be noticed\n"), "{text}");
}
