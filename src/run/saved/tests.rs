use chrono::{DateTime, Utc};

use super::{SavedError, read};
use crate::domain::span::Span;

const PLAN: &str = r#"{
  "format": "snapkeep.plan/1", "now": "2026-11-20T03:00:00Z", "account": "123456789012",
  "account_name": null, "config_digest": "sha256:00", "keeps": [1, {}], "waiting": "passed over",
  "actions": [{ "id": "DeleteSnapshot/eu-west-1/snap-00000001", "op": "DeleteSnapshot" }],
  "withheld": [{ "limit": "max", "action": { "id": "DeleteSnapshot/eu-west-1/snap-00000002" } }],
  "notes": [{ "severity": "warning", "message": "mind" }]
}"#;

fn t(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn refusal(text: &[u8]) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_plan_is_read_and_what_it_keeps_is_passed_over() {
    let plan = read(PLAN.as_bytes()).unwrap().remove(0);
    assert_eq!(plan.now, t("2026-11-20T03:00:00Z"));
    assert_eq!(plan.account.as_deref(), Some("123456789012"));
    assert_eq!(plan.actions[0].text("op"), Some("DeleteSnapshot"));
    assert!(plan.withheld.contains("DeleteSnapshot/eu-west-1/snap-00000002"));
}

#[test]
fn plans_of_several_accounts_are_read_each() {
    let named = PLAN.replace("null", "\"production\"");
    let plans = format!(r#"{{ "format": "snapkeep.plans/1", "plans": [{PLAN}, {named}] }}"#);
    let names: Vec<_> =
        read(plans.as_bytes()).unwrap().into_iter().map(|plan| plan.account_name).collect();
    assert_eq!(names, [None, Some("production".to_owned())]);
}

#[test]
fn what_is_no_saved_plan_is_refused_with_what_it_may_be() {
    let twice = format!(r#"{{ "format": "snapkeep.plans/1", "plans": [{PLAN}, {PLAN}] }}"#);
    let nested = r#"{ "format": "snapkeep.plans/1", "plans": [{ "format": "snapkeep.plans/1" }] }"#;
    let deep = format!(r#"{{ "format": "snapkeep.plan/1", "actions": [{}"#, "[".repeat(100_000));
    let mark = format!("\u{feff}{PLAN}");
    let no_id = PLAN.replace("\"id\": \"DeleteSnapshot/eu-west-1/snap-00000001\",", "");
    let other =
        |why: &str| format!("is no saved plan: {why}; `snapkeep plan --out FILE` saves one");
    let damaged =
        |why: &str| format!("is damaged: {why}; plan again with `snapkeep plan --out FILE`");
    for (text, expected) in [
        ("", other("it is empty")),
        (" \n", other("it is empty")),
        ("Plan for 2026-11-20 03:00Z\n", other("it is a plan as text")),
        ("[]", other("it is no JSON object")),
        ("version = 1\n", other("it is no JSON object")),
        ("\0", other("it is no JSON object")),
        (&mark, other("it begins with a byte order mark, which some editor put there")),
        (r#"{ "Snapshots": [] }"#, other("it has no `format`")),
        (r#"{ "format": 1 }"#, other("its `format` is no text")),
        (
            r#"{ "format": "snapkeep.plan/2" }"#,
            other(
                "its format is `snapkeep.plan/2`, and this version of snapkeep reads \
                 `snapkeep.plan/1`",
            ),
        ),
        (
            r#"{ "format": "snapkeep.run/1", "plan": {} }"#,
            other("its format is `snapkeep.run/1`, not `snapkeep.plan/1`"),
        ),
        (r#"{ "format": "snapkeep.plan/1" }"#, damaged("it has no `actions`")),
        (r#"{ "format": "snapkeep.plans/1" }"#, damaged("it has no `plans`")),
        (r#"{ "format": "snapkeep.plans/1", "plans": [] }"#, damaged("it has no plans")),
        (nested, damaged("plans stand within plans")),
        (&twice, damaged("account `self` stands in it twice")),
        (&no_id, damaged("an action has no `id`")),
        (&PLAN[..90], damaged("EOF while parsing a value at line 2 column 88")),
        (&deep, damaged("recursion limit exceeded at line 1 column 169")),
    ] {
        assert_eq!(refusal(text.as_bytes()), expected, "{text:.60}");
    }
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(PLAN.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(refusal(&utf16), other("it is UTF-16, as some shells write it"));
}

#[test]
fn a_plan_that_was_refused_or_cut_is_not_applied() {
    for (from, to, expected) in [
        ("warning", "fatal", "the plan was refused when it was made: mind"),
        (
            "\"account\"",
            "\"left_out\": { \"actions\": 2 }, \"account\"",
            "the plan leaves out 2 of its actions, for want of room",
        ),
    ] {
        let err = read(PLAN.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(matches!(err, SavedError::Refused(_)) && err.to_string() == expected, "{err}");
    }
}

#[test]
fn the_age_that_is_allowed_is_counted_from_the_instant_of_judgement() {
    let plan = read(PLAN.as_bytes()).unwrap().remove(0);
    for (now, is_fine) in [
        ("2026-11-20T02:59:59Z", false),
        ("2026-11-20T03:00:00Z", true),
        ("2026-11-21T03:00:00Z", true),
        ("2026-11-21T03:00:01Z", false),
    ] {
        assert_eq!(plan.check_age(t(now), Span::days(1)).is_ok(), is_fine, "{now}");
    }
}
