//! SIGHUP reads the configuration again; SIGTERM and SIGINT end the service.

use super::{DAILY, Home};

#[test]
fn a_new_configuration_is_followed_at_once() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.pass_until("2026-11-20T12:00:00Z");
    home.configure(&DAILY.replace("0 3 * * *", "0 15 * * *"));
    service.signal("-HUP");
    service.hear("snapkeep.toml is read again");
    // Its latest slot, yesterday at 15:00, is older than the points that are there.
    assert_eq!(service.idle(), "2026-11-20T15:00:00Z");
    assert_eq!(service.health().1["reload_error"], serde_json::Value::Null);
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_bad_configuration_is_told_everywhere_and_the_old_one_stays() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox", "");
    service.pass_until("2026-11-20T12:00:00Z");
    home.configure(&DAILY.replace("0 3 * * *", "noon").replace("regions", "region"));
    service.signal("-HUP");
    service.hear("snapkeep.toml is not usable, what was read before stays:");
    // Every problem, as `check` shows them.
    service.hear("error: unknown key `region`");
    service.hear("error: `noon` is not a schedule");
    let (status, health) = service.health();
    let error = health["reload_error"].as_str().unwrap();
    assert!(status == 200 && error.contains("`noon` is not a schedule"), "{error}");
    let (_, page) = service.get("/");
    assert!(page.contains("The configuration is not usable"), "{page}");
    assert!(page.contains("`noon` is not a schedule"), "{page}");

    service.feed("2026-11-21T03:00:00Z");
    service.pass_until("2026-11-21T12:00:00Z");
    assert_eq!(service.health().1["last_cycle"]["exit_codes"], serde_json::json!([0]));

    // Policies without a schedule are as bad; a good one clears it all.
    home.configure(&DAILY.replace("schedule = \"0 3 * * *\"", ""));
    service.signal("-HUP");
    service.hear("it is missing in policy `servers`");
    home.configure(DAILY);
    service.signal("-HUP");
    service.hear("snapkeep.toml is read again");
    service.idle();
    assert_eq!(service.health().1["reload_error"], serde_json::Value::Null);
    assert!(!service.get("/").1.contains("not usable"));
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn another_address_is_listened_on_after_a_reload() {
    let home = Home::new(DAILY);
    let args = "--sandbox serve --clock stdin";
    let with_listen = |listen: &str| format!("{DAILY}\n[service]\nlisten = \"{listen}\"\n");
    home.configure(&with_listen("127.0.0.1:0"));
    let mut service = super::Service::start(home.command(args), super::START);
    service.idle();
    // An address that was free a moment ago; nobody else is given it so soon.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    // While it is taken, the service stays where it is.
    home.configure(&with_listen(&address));
    service.signal("-HUP");
    service.hear(&format!("cannot listen on {address}, "));
    service.idle();
    let (status, health) = service.health();
    let error = health["reload_error"].as_str().unwrap();
    assert!(status == 200 && error.ends_with("; 127.0.0.1:0 stays"), "{error}");
    drop(other);
    service.signal("-HUP");
    service.hear(&format!("listening on http://{address}/"));
    service.idle();
    std::net::TcpStream::connect(("127.0.0.1", service.port)).unwrap_err();
    service.port = address.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(service.health().0, 200);

    home.configure(&with_listen("off"));
    service.signal("-HUP");
    service.idle();
    std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn both_signals_end_an_idle_service_at_once() {
    for name in ["-TERM", "-INT"] {
        let home = Home::new(DAILY);
        let mut service = home.serve("--sandbox", "");
        service.idle();
        service.signal(name);
        service.hear("stopping: what is under way is finished first");
        assert_eq!(service.ended().0, Some(0), "{name}");
    }
}

#[test]
fn another_address_of_the_same_port_is_listened_on_after_a_reload() {
    let with_listen = |listen: &str| format!("{DAILY}\n[service]\nlisten = \"{listen}\"\n");
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = Home::new(&with_listen(&format!("127.0.0.1:{port}")));
    let mut service =
        super::Service::start(home.command("--sandbox serve --clock stdin"), super::START);
    service.idle();
    // The one excludes the other.
    home.configure(&with_listen(&format!("0.0.0.0:{port}")));
    service.signal("-HUP");
    service.hear(&format!("listening on http://0.0.0.0:{port}/"));
    service.idle();
    assert_eq!(service.health().0, 200);
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_reload_right_after_something_was_made_waits_until_listings_show_it() {
    let home = Home::new(DAILY);
    let mut service = home.serve("--sandbox=account.json", "");
    let until = service.idle();
    assert_eq!(service.health().1["last_cycle"]["number"], 1);
    service.signal("-HUP");
    service.hear("is read again");
    // The clock stands still, so the next cycle has not come, though it was reloaded.
    let again = service.hear("idle until ");
    assert!(again.contains("cycle 1 done"), "{again}");
    service.feed(&until);
    assert!(service.hear("idle until ").contains("cycle 2 done"));
    assert_eq!(service.stop().0, Some(0));
}
