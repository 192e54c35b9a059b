//! `serve` over several days, killed on the way: one point of each slot, and nothing lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::scene::{SERVERS, few};
use super::{Machine, json_codes};
use crate::service::Service;

const SERVE: &str = "serve --clock stdin --listen 127.0.0.1:0";

/// Starts a service at an instant, which is EC2's too.
fn serve(machine: &Machine, now: &str) -> Service {
    machine.moto.set_now(now);
    Service::start(machine.command(SERVE), now)
}

/// Lets time pass, for the service and for EC2, until the service would wait beyond `end`.
fn pass_until(machine: &Machine, service: &mut Service, end: &str) {
    for _ in 0..100 {
        let next = service.idle();
        if end < next.as_str() {
            return;
        }
        machine.moto.set_now(&next);
        service.feed(&next);
    }
    panic!("too many cycles");
}

/// Returns how many snapshots there are of each slot in a region, from `first` on.
fn slots_since(machine: &Machine, region: &str, first: &str) -> BTreeMap<String, usize> {
    let mut slots = BTreeMap::new();
    for snapshot in machine.snapshots(region).into_values() {
        let slot = snapshot.tags.get("snapkeep:slot").unwrap_or_default();
        if first <= slot {
            *slots.entry(slot.to_owned()).or_default() += 1;
        }
    }
    slots
}

/// Waits for what another process does; not for ever.
fn until(is_reached: impl Fn() -> bool) {
    let begun_at = Instant::now();
    while !is_reached() {
        assert!(begun_at.elapsed() < Duration::from_mins(1), "it never came");
        std::thread::yield_now();
    }
}

fn once(days: &[u32]) -> BTreeMap<String, usize> {
    days.iter().map(|day| (format!("2026-11-{day}T03:00:00Z"), 1)).collect()
}

#[test]
fn several_days_with_two_kills_have_one_point_of_each_slot() {
    let mut scene = few();
    // The snapshot is made, but the reply never comes.
    scene["lose"] = json!([
        { "region": "eu-west-1", "action": "CreateSnapshots", "how": "hang", "times": 1 },
    ]);
    let machine = Machine::new(&scene, SERVERS);
    let before = machine.snapshots("eu-west-1").len();

    // Killed in the middle of its first cycle.
    let service = serve(&machine, "2026-11-20T03:00:10Z");
    until(|| before < machine.snapshots("eu-west-1").len());
    assert_eq!(service.health().1["phase"], "cycle");
    service.kill();

    let mut service = serve(&machine, "2026-11-20T03:05:00Z");
    pass_until(&machine, &mut service, "2026-11-22T12:00:00Z");
    let (status, metrics) = service.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("snapkeep_api_calls_total{region=\"eu-west-1\""), "{metrics}");
    // Killed while idle, and down over a slot.
    service.kill();

    let mut service = serve(&machine, "2026-11-23T12:00:00Z");
    pass_until(&machine, &mut service, "2026-11-24T12:00:00Z");
    let (code, stdout) = service.stop();
    assert_eq!(code, Some(0), "{stdout}");

    for region in ["us-east-1", "eu-west-1"] {
        let slots = slots_since(&machine, region, "2026-11-20");
        assert_eq!(slots, once(&[20, 21, 22, 23, 24]), "{region}");
        // A slot that was missed for half a day too is one call, never two.
        assert_eq!(machine.n_calls()[&format!("{region} CreateSnapshots")], 5, "{region}");
    }
    let plan = machine.snapkeep("plan --now 2026-11-24T12:00:00Z --format json").json(0);
    assert_eq!((&plan["actions"], json_codes(&plan)), (&json!([]), vec![0]));
}

#[test]
fn a_signal_drops_an_observation_that_gets_no_answer() {
    let mut scene = few();
    scene["lose"] = json!([
        { "region": "eu-west-1", "action": "DescribeSnapshots", "how": "hang", "times": 100 },
    ]);
    let machine = Machine::new(&scene, SERVERS);
    let service = serve(&machine, "2026-11-20T03:00:10Z");
    until(|| machine.n_calls().contains_key("eu-west-1 DescribeSnapshots"));
    let (code, stdout) = service.stop();
    assert_eq!(code, Some(0));
    assert!(stdout.contains("stopped before anything was planned"), "{stdout}");
}

#[test]
fn the_clock_of_a_real_account_cannot_be_fed() {
    let mut machine = Machine::new(&few(), SERVERS);
    machine.env.insert("AWS_ENDPOINT_URL", "http://192.0.2.1:5000".to_owned());
    let mut command = machine.command("serve --listen 127.0.0.1:0 --now 2026-11-20T03:00:10Z");
    let ended = super::Ended::of(command.output().unwrap());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("neither --now nor --clock ever changes a real account"));
}

#[test]
fn people_are_told_of_a_failure_once_and_of_the_recovery() {
    let mut scene = few();
    scene["refuse"] = json!([{
        "region": "eu-west-1", "action": "DescribeVolumes", "code": "UnauthorizedOperation",
        "times": 3,
    }]);
    scene["regions"]["us-west-2"] = json!({ "topics": ["snapkeep"] });
    let topic = "\n[notify.sns]\ntopic = \"arn:aws:sns:us-west-2:123456789012:snapkeep\"\n";
    let machine = Machine::new(&scene, &format!("{SERVERS}{topic}"));
    let mut service = serve(&machine, "2026-11-20T03:00:10Z");
    pass_until(&machine, &mut service, "2026-11-20T03:02:00Z");
    // What was told is remembered beyond the process.
    service.kill();
    let mut service = serve(&machine, "2026-11-20T03:05:00Z");
    pass_until(&machine, &mut service, "2026-11-20T12:00:00Z");
    assert_eq!(service.stop().0, Some(0));
    assert_eq!(
        machine.asked("us-west-2", "Publish", "Subject"),
        [
            "snapkeep failure: DescribeVolumes in eu-west-1 not read (123456789012)",
            "snapkeep recovery: all is well again (123456789012)",
        ]
    );
}

#[test]
fn a_region_that_is_down_for_a_day_holds_up_no_other_and_is_caught_up() {
    let mut scene = few();
    scene["refuse"] = json!([{
        "region": "eu-west-1", "action": "DescribeSnapshots", "code": "UnauthorizedOperation",
        "times": 90,
    }]);
    let machine = Machine::new(&scene, SERVERS);
    let mut service = serve(&machine, "2026-11-20T03:00:10Z");
    pass_until(&machine, &mut service, "2026-11-21T12:00:00Z");
    assert_eq!(service.stop().0, Some(0));
    assert_eq!(slots_since(&machine, "us-east-1", "2026-11-20"), once(&[20, 21]));
    assert_eq!(slots_since(&machine, "eu-west-1", "2026-11-20"), once(&[20, 21]));
    // It was looked at ever more rarely, and its point was made when it was back: nearly a day late.
    let made: Vec<_> = machine
        .snapshots("eu-west-1")
        .into_values()
        .filter(|s| s.tags.get("snapkeep:slot") == Some("2026-11-20T03:00:00Z"))
        .map(|s| s.started_at.to_rfc3339())
        .collect();
    assert!(made.iter().all(|at| "2026-11-21T00:00:00" < at.as_str()), "{made:?}");
}

#[test]
fn with_a_clock_that_is_off_the_service_deletes_nothing() {
    let mut scene = few();
    scene["clock_ahead_seconds"] = json!(600);
    let machine = Machine::new(&scene, SERVERS);
    let mut service = serve(&machine, "2026-11-20T03:00:10Z");
    pass_until(&machine, &mut service, "2026-11-20T12:00:00Z");
    let (code, stdout) = service.stop();
    assert_eq!(code, Some(0));
    let words: Vec<&str> = stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("seconds behind EC2's: nothing is deleted"), "{stdout}");
    assert_eq!(slots_since(&machine, "us-east-1", "2026-11-20"), once(&[20]));
    assert!(!machine.n_calls().keys().any(|call| call.ends_with("DeleteSnapshot")));
}
