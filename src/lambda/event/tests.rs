use chrono::{DateTime, Utc};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{collection, proptest};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use super::{Asked, EventError, KEYS, request_of};
use crate::config::{Config, parse};

const NOW: &str = "2026-11-20T03:00:30Z";

fn config() -> Config {
    let text = r#"
version = 1
[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
select = { resource = "instance" }
retention = { daily = "1 month" }
copy = [{ to = "ap-northeast-2", encrypted = true }]
"#;
    parse(&[("test.toml".to_owned(), text.to_owned())]).unwrap()
}

fn check(event: &Value) -> Result<Asked, EventError> {
    request_of(event, &config(), NOW.parse().unwrap())
}

#[track_caller]
fn asked(event: &Value) -> Asked {
    match check(event) {
        Ok(asked) => asked,
        Err(err) => panic!("{event}: {err}"),
    }
}

fn slot(event: &Value) -> String {
    asked(event).request.run_slot.to_rfc3339()
}

#[test]
fn whatever_is_empty_asks_for_a_cycle() {
    for event in [
        json!(null),
        json!({}),
        json!({ "dry_run": false, "policies": [], "regions": [] }),
        json!({ "detail-type": "Scheduled Event", "detail": {} }),
        json!({ "detail-type": "Scheduled Event", "detail": "{}" }),
        json!({ "detail-type": "ours", "detail": null }),
    ] {
        let Asked { dry_run, request, names_slot } = asked(&event);
        assert!(!dry_run && !names_slot);
        assert!(request.policies.is_empty() && request.regions.is_empty());
        assert_eq!((request.now, request.run_slot), (NOW.parse().unwrap(), request.now), "{event}");
    }
}

#[test]
fn an_event_is_the_same_with_and_without_its_envelope() {
    let event = json!({
        "dry_run": true,
        "policies": ["servers"],
        "regions": ["eu-west-1", "ap-northeast-2"],
        "time": "2026-11-20T12:00:00.5+09:00",
    });
    let expected = asked(&event);
    assert!(expected.dry_run);
    assert_eq!(expected.request.policies, ["servers"]);
    let regions: Vec<String> = expected.request.regions.iter().map(ToString::to_string).collect();
    assert_eq!(regions, ["eu-west-1", "ap-northeast-2"]);
    // To the second, as slots stand in tags; the rest is judged now.
    assert_eq!(slot(&event), "2026-11-20T03:00:00+00:00");
    assert_eq!(expected.request.now, NOW.parse::<DateTime<Utc>>().unwrap());

    let envelope = json!({
        "version": "0",
        "id": "a-b-c",
        "detail-type": "ours",
        "source": "ours",
        "account": "123456789012",
        "time": "2026-11-20T02:59:59Z",
        "region": "us-west-2",
        "resources": [],
        "detail": event,
    });
    assert_eq!(asked(&envelope), expected);
}

#[test]
fn the_instant_of_an_envelope_is_the_slot_unless_the_detail_names_one() {
    let at = "2026-11-20T03:00:00Z";
    for detail_type in ["Scheduled Event", "ours"] {
        let event = |detail| json!({ "detail-type": detail_type, "time": at, "detail": detail });
        for detail in [json!({}), json!("{}"), json!(null), json!({ "policies": ["servers"] })] {
            assert_eq!(slot(&event(detail)), "2026-11-20T03:00:00+00:00");
        }
        let earlier = event(json!({ "time": "2026-11-20T02:00:00Z" }));
        assert_eq!(slot(&earlier), "2026-11-20T02:00:00+00:00");
        assert!(asked(&earlier).names_slot && asked(&event(json!({}))).names_slot);
    }
}

#[test]
fn a_scheduler_may_be_a_minute_ahead() {
    let at = |time| json!({ "time": time });
    assert_eq!(slot(&at("2026-11-20T03:01:30Z")), "2026-11-20T03:01:30+00:00");
    assert!(check(&at("2026-11-20T03:01:31Z")).is_err());
    // A repeated event may be hours old.
    assert_eq!(slot(&at("2026-11-19T03:00:00Z")), "2026-11-19T03:00:00+00:00");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let events = [
        json!("run"),
        json!([]),
        json!(true),
        json!({ "dry-run": true }),
        json!({ "Dry_Run": true }),
        json!({ "dry_run": "true" }),
        json!({ "dry_run": 1 }),
        json!({ "policies": "servers" }),
        json!({ "policies": [["servers"]] }),
        json!({ "policies": ["server"] }),
        json!({ "policies": [""] }),
        json!({ "regions": ["Ireland"] }),
        json!({ "regions": ["eu-central-1"] }),
        json!({ "time": "<aws.scheduler.scheduled-time>" }),
        json!({ "time": "2026-11-20 03:00" }),
        json!({ "time": 1_763_607_600 }),
        json!({ "time": "2026-11-21T03:00:00Z" }),
        json!({ "dry_run": null }),
        json!({ "policies": null }),
        json!({ "regions": null }),
        json!({ "time": null }),
        json!({ "detail-type": "ours", "dry_run": true }),
        json!({ "detail-type": "ours", "policies": ["servers"], "detail": { "dry_run": true } }),
        json!({ "detail-type": "ours", "regions": null, "detail": {} }),
        json!({ "detail-type": "ours", "time": "soon", "detail": {} }),
        json!({ "detail-type": "ours", "time": "2026-11-21T03:00:00Z", "detail": {} }),
        json!({ "detail-type": "ours", "detail": "{\"dry_run\": true}" }),
        json!({ "detail-type": "ours", "detail": { "detail": {} } }),
        json!({ "detail": { "dry_run": true } }),
        json!({ "a\u{1b}[31m": "x".repeat(1000) }),
        json!("x".repeat(1000)),
    ];
    let refusals: Vec<String> =
        events.iter().map(|event| format!("{}\n", check(event).unwrap_err())).collect();
    assert_data_eq!(
        refusals.concat(),
        str![[r#"
the event must be an object such as {"dry_run": true}, or empty; it is `"run"`
the event must be an object such as {"dry_run": true}, or empty; it is `[]`
the event must be an object such as {"dry_run": true}, or empty; it is `true`
the event says `dry-run`, which means nothing here; it may say dry_run, policies, regions, time
the event says `Dry_Run`, which means nothing here; it may say dry_run, policies, regions, time
`dry_run` in the event must be true or false; it is `"true"`
`dry_run` in the event must be true or false; it is `1`
`policies` in the event must be a list of names of policies, such as ["servers"]; it is `"servers"`
`policies` in the event must be a list of names of policies, such as ["servers"]; it is `[["servers"]]`
the event names what is not there: no policy is called `server`; the configuration has servers
the event names what is not there: no policy is called ``; the configuration has servers
`regions` in the event must be a list of regions, such as ["eu-west-1"]; it is `["Ireland"]`
the event names what is not there: no policy applies in eu-central-1, and none copies to it
`time` in the event must be an instant such as "2026-11-20T03:00:00Z" (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only); it is `"<aws.scheduler.scheduled-time>"`
`time` in the event must be an instant such as "2026-11-20T03:00:00Z" (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only); it is `"2026-11-20 03:00"`
`time` in the event must be an instant such as "2026-11-20T03:00:00Z" (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only); it is `1763607600`
`time` in the event is 2026-11-21T03:00:00Z, which has not come yet: it is 2026-11-20T03:00:30Z
`dry_run` in the event must be true or false; it is `null`
`policies` in the event must be a list of names of policies, such as ["servers"]; it is `null`
`regions` in the event must be a list of regions, such as ["eu-west-1"]; it is `null`
`time` in the event must be an instant such as "2026-11-20T03:00:00Z" (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only); it is `null`
the event has a `detail-type`, so `dry_run` must be in its `detail`, not beside it
the event has a `detail-type`, so `policies` must be in its `detail`, not beside it
the event has a `detail-type`, so `regions` must be in its `detail`, not beside it
`time` in the event must be an instant such as "2026-11-20T03:00:00Z" (<aws.scheduler.scheduled-time> is replaced by EventBridge Scheduler only); it is `"soon"`
`time` in the event is 2026-11-21T03:00:00Z, which has not come yet: it is 2026-11-20T03:00:30Z
the event must be an object such as {"dry_run": true}, or empty; it is `"{/"dry_run/": true}"`
the event says `detail`, which means nothing here; it may say dry_run, policies, regions, time
the event says `detail`, which means nothing here; it may say dry_run, policies, regions, time
the event says `a/u{1b}[31m`, which means nothing here; it may say dry_run, policies, regions, time
the event must be an object such as {"dry_run": true}, or empty; it is `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`

"#]]
    );
}

/// JSON as anybody may send it, with our own keys among others.
fn json() -> impl Strategy<Value = Value> {
    let keys = KEYS.into_iter().chain(["detail", "detail-type"]).map(str::to_owned);
    let key = prop_oneof![proptest::sample::select(keys.collect::<Vec<_>>()), ".{0,4}"];
    let text = prop_oneof![
        Just("Scheduled Event".to_owned()),
        Just("{}".to_owned()),
        Just("servers".to_owned()),
        Just("eu-west-1".to_owned()),
        Just("2026-11-20T03:00:00Z".to_owned()),
        Just("-262143-01-01T00:00:00+23:59".to_owned()),
        ".{0,100}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::vec((key.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// And what is asked for then is something that the configuration has, and has come.
    #[test]
    fn no_event_makes_it_panic(event in json()) {
        if let Ok(Asked { request, .. }) = check(&event) {
            assert!(request.policies.iter().all(|name| name == "servers"));
            assert!(request.run_slot <= request.now + super::CLOCK_SKEW_MAX);
        }
    }
}
