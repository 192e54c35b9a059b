//! What is wrong is told before the first cycle.

use std::net::TcpListener;

use super::{DAILY, Home, stderr};

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let home = Home::new(DAILY);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let serve = home.snapkeep(&format!("--sandbox serve --listen {address}"));
    assert_eq!(serve.status.code(), Some(1));
    assert_eq!(serve.stdout, b"");
    let expected = format!(
        "error: cannot listen on {address}, which --listen or `[service] listen` says; name another \
         address and port, or `off`: Address already in use (os error 98)\n"
    );
    assert_eq!(stderr(&serve), expected);
}

#[test]
fn what_a_tired_person_types_is_answered() {
    let unscheduled = DAILY.replace("schedule = \"0 3 * * *\"", "");
    for (config, args, expected) in [
        (&*unscheduled, "--sandbox serve", "it is missing in policy `servers`"),
        (DAILY, "--sandbox serve --listen 9546", "write the address: `127.0.0.1:9546`"),
        (DAILY, "--sandbox serve --listen no", "write `off` to listen nowhere"),
        (DAILY, "--sandbox serve --clock stdin", "`` is no instant such as 2026-11-20T03:00:00Z"),
        (
            DAILY,
            "--sandbox serve --clock stdin --now 2026-11-20T03:00:00Z",
            "cannot be used with '--now",
        ),
        (DAILY, "serve --inventory .", "unexpected argument '--inventory'"),
        ("version = 2", "--sandbox serve", "version 2 of the format is not known"),
    ] {
        let home = Home::new(config);
        let serve = home.snapkeep(args);
        assert_eq!(serve.status.code(), Some(2), "{args}: {}", stderr(&serve));
        assert!(stderr(&serve).contains(expected), "{args}: {}", stderr(&serve));
        assert_eq!(serve.stdout, b"", "{args}");
    }
}
