//! What the service manager is told, and when.

use std::os::unix::net::UnixDatagram;

use super::{DAILY, Home, PATIENCE, START, Service};

/// A manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message that contains `part`; returns it.
    fn hear(&self, part: &str) -> String {
        let mut buffer = [0; 4096];
        for _ in 0..1000 {
            let n = self.0.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            if text.contains(part) {
                return text;
            }
        }
        panic!("`{part}` was not told");
    }
}

#[test]
fn readiness_status_reload_watchdog_and_end_are_told() {
    let home = Home::new(DAILY);
    let socket = home.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = home.command("--sandbox serve --clock stdin --listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let mut service = Service::start(command, START);
    // The first of all, before the first cycle.
    let mut buffer = [0; 4096];
    let n = manager.0.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"READY=1\n");
    manager.hear("STATUS=cycle 1 of 2026-11-20T03:10:00Z\n");
    manager.hear("STATUS=idle until 2026-11-20T03:11:00Z, cycle 1 done\n");
    manager.hear("WATCHDOG=1\n");
    manager.hear("WATCHDOG=1\n");

    service.idle();
    service.signal("-HUP");
    let reload = manager.hear("RELOADING=1\n");
    assert!(reload.contains("MONOTONIC_USEC="), "{reload}");
    manager.hear("READY=1\n");
    manager.hear("WATCHDOG=1\n");

    service.signal("-TERM");
    manager.hear("STOPPING=1\n");
    assert_eq!(service.ended().0, Some(0));
}
