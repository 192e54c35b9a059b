//! Days pass: each slot gets its point, whatever happens to the process.

use super::{DAILY, Home, START};

/// What the sandbox's running instances are in the two regions.
const SOURCES: usize = 5;

fn day(n: u32) -> String {
    format!("2026-11-{n}T03:00:00Z")
}

#[test]
fn every_slot_of_several_days_gets_one_point() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox=account.json", "");
    let n_cycles = service.pass_until("2026-11-24T12:00:00Z");
    // One at each of five slots, and a few to see what becomes of it.
    assert!((5..30).contains(&n_cycles), "{n_cycles}");
    let (code, stdout) = service.stop();
    assert_eq!(code, Some(0));
    assert!(stdout.contains("CreateSnapshots done"), "{stdout}");
    let slots = home.slots_since(&day(21));
    assert_eq!(slots, [21, 22, 23, 24].map(|n| (day(n), SOURCES)));
    // What `run` leaves behind is what the service leaves behind.
    let plan = home.snapkeep("--sandbox=account.json --now 2026-11-24T12:00:00Z plan --exit-code");
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
}

#[test]
fn slots_missed_while_nothing_ran_are_caught_up_by_one_point() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox=account.json", "");
    service.pass_until("2026-11-20T12:00:00Z");
    // As after a long sleep of the machine.
    service.feed("2026-11-23T01:00:00Z");
    service.pass_until("2026-11-23T02:00:00Z");
    assert_eq!(service.stop().0, Some(0));
    assert_eq!(home.slots_since(&day(21)), [(day(22), SOURCES)]);
}

#[test]
fn a_service_that_is_killed_goes_on_where_it_was() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox=account.json", "");
    service.pass_until("2026-11-21T12:00:00Z");
    service.kill();

    let mut service = home.serve_at("2026-11-23T03:10:00Z", "--sandbox=account.json", "");
    service.pass_until("2026-11-24T12:00:00Z");
    assert_eq!(service.stop().0, Some(0));
    assert_eq!(home.slots_since(&day(21)), [21, 23, 24].map(|n| (day(n), SOURCES)));
}

#[test]
fn a_dry_run_only_tells() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox=account.json", "--dry-run");
    service.pass_until("2026-11-21T12:00:00Z");
    let (_, page) = service.get("/");
    assert!(page.contains("dry run") && page.contains("Would be done"), "{page}");
    let (code, stdout) = service.stop();
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("Plan for 2026-11-20 03:10Z"), "{stdout}");
    assert!(stdout.contains("Plan for 2026-11-21 03:00Z"), "{stdout}");
    assert_eq!(home.slots_since(START), []);
}

#[test]
fn reports_that_find_no_room_go_to_stderr_and_nothing_stops() {
    let home = Home::new(DAILY);
    let mut command = home.command("--sandbox serve --clock stdin --listen 127.0.0.1:0");
    // A disk that is full.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(full);
    child = child.stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut clock = child.stdin.take().unwrap();
    let lines = super::lines(child.stderr.take().unwrap());
    std::io::Write::write_all(&mut clock, format!("{START}\n").as_bytes()).unwrap();
    let mut heard = Vec::new();
    while !heard.iter().any(|line: &String| line.contains("cycle 1 done")) {
        heard.push(lines.recv_timeout(super::PATIENCE).unwrap());
    }
    let text = heard.join("\n");
    assert!(text.contains("could not write the report to stdout: No space left"), "{text}");
    assert!(text.contains("CreateSnapshots done"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
}
