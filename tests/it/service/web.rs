//! The page, health and metrics over HTTP.

#![expect(clippy::float_cmp, reason = "counts are exact")]
#![expect(clippy::cast_precision_loss, reason = "they are small, too")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::{DAILY, Home, PATIENCE, t};

#[test]
fn health_tells_the_last_cycle_and_the_next() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.pass_until("2026-11-20T12:00:00Z");
    service.feed("2026-11-20T13:00:00Z");
    // The clock has moved on once the age tells so.
    let health = loop {
        let (status, health) = service.health();
        assert_eq!(status, 200);
        if health["last_cycle"]["age_seconds"].as_i64().unwrap() > 3600 {
            break health;
        }
    };
    let ended_at = health["last_cycle"]["ended_at"].as_str().unwrap();
    let age = (t("2026-11-20T13:00:00Z") - t(ended_at)).num_seconds();
    assert_eq!(health["last_cycle"]["age_seconds"], age);
    assert_eq!(health["last_cycle"]["exit_codes"], json!([0]));
    assert_eq!(health["next_wake_up"], "2026-11-21T03:00:00Z");
    assert_eq!((&health["ready"], &health["phase"]), (&json!(true), &json!("idle")));
}

#[test]
fn only_what_is_there_can_be_read_and_nothing_changed() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.idle();
    let ask = |what: &str| service.ask(&format!("{what} HTTP/1.1\r\nHost: here\r\n\r\n"));
    for (what, expected) in [
        ("GET /", 200),
        ("GET /?a=b", 200),
        ("HEAD /", 200),
        ("GET /healthz", 200),
        ("HEAD /healthz", 200),
        ("GET /metrics", 200),
        ("HEAD /metrics", 200),
        ("PUT /metrics", 405),
        ("GET /favicon.ico", 404),
        ("GET /healthz/", 404),
        ("GET /../etc/passwd", 404),
        ("POST /", 405),
        ("DELETE /healthz", 405),
        ("POST /elsewhere", 404),
    ] {
        let (status, head, body) = ask(what);
        assert_eq!(status, expected, "{what}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(head.contains("content-security-policy: default-src 'none'; "), "{head}");
        assert_eq!(head.contains("allow: GET, HEAD"), status == 405, "{head}");
        assert_eq!(body.is_empty(), what.starts_with("HEAD"), "{what}");
    }
}

#[test]
fn requests_are_bounded_and_a_slow_one_holds_nobody_up() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.idle();
    let long = "x".repeat(20_000);
    let (status, ..) = service.ask(&format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"));
    assert_eq!(status, 431);

    // Half a request each, and every place is taken.
    let mut idlers: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
            stream.write_all(b"GET / HT").unwrap();
            stream
        })
        .collect();
    // The loop goes on.
    service.feed("2026-11-20T03:11:00Z");
    service.idle();
    // They are shown out, and then there is room again.
    assert_eq!(service.health().0, 200);
    let mut rest = Vec::new();
    idlers[0].set_read_timeout(Some(PATIENCE)).unwrap();
    idlers[0].read_to_end(&mut rest).unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[test]
fn the_page_shows_policies_and_the_last_cycle() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.idle();
    let (status, page) = service.get("/");
    assert_eq!(status, 200);
    for part in [
        "<title>snapkeep: 1 unprotected</title>",
        "Account 123456789012",
        "servers",
        "eu-west-1",
        "2026-11-21 03:00Z",
        "CreateSnapshots i-",
        "DeleteSnapshot snap-",
        "monthly ended 2026-06-01",
        "managed by AWS Backup",
        "0, all is done",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("http://"));
}

#[test]
fn metrics_count_what_the_cycles_did() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    let n_cycles = service.pass_until("2026-11-20T12:00:00Z");
    let ask = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    let (status, head, text) = service.ask(ask);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).trim().parse().unwrap()
    };
    for (region, n) in [("eu-west-1", 1.0), ("us-east-1", 3.0)] {
        let created = format!(
            "snapkeep_actions_total{{policy=\"servers\",region=\"{region}\",\
             operation=\"CreateSnapshots\",outcome=\"done\"}}"
        );
        assert_eq!(value(&text, &created), n);
    }
    let slot = r#"snapkeep_next_slot_timestamp_seconds{policy="servers",region="us-east-1"}"#;
    assert_eq!(value(&text, slot), t("2026-11-21T03:00:00Z").timestamp() as f64);
    assert_eq!(value(&text, r#"snapkeep_cycles_total{exit_code="0"}"#), n_cycles as f64);
    let call = r#"snapkeep_api_calls_total{region="us-east-1",operation="DescribeSnapshots"}"#;
    let n_calls = value(&text, call);
    assert!(n_cycles as f64 <= n_calls, "{text}");
    let next = t("2026-11-21T03:00:00Z").timestamp() as f64;
    assert_eq!(value(&text, "snapkeep_next_wakeup_timestamp_seconds"), next);

    // They only grow.
    service.feed("2026-11-21T03:00:00Z");
    service.pass_until("2026-11-21T12:00:00Z");
    let (_, text) = service.get("/metrics");
    let created = "snapkeep_actions_total{policy=\"servers\",region=\"us-east-1\",\
                   operation=\"CreateSnapshots\",outcome=\"done\"}";
    assert_eq!(value(&text, created), 6.0);
    assert!(n_calls < value(&text, call));
}
