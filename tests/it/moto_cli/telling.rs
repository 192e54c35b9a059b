//! Messages to an SNS topic that others made.

use serde_json::json;

use super::Machine;

const CONFIG: &str = r#"
version = 1
[notify.sns]
topic = "arn:aws:sns:us-west-2:123456789012:snapkeep"
[[policy]]
name = "servers"
regions = ["us-east-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "3 days" }
"#;

/// What is asked of SNS where the topic is.
fn published(machine: &Machine, param: &str) -> Vec<String> {
    machine.asked("us-west-2", "Publish", param)
}

#[test]
fn a_region_that_is_down_is_told_once_and_its_recovery_too() {
    let scene = json!({
        "refuse": [{
            "region": "us-east-1",
            "action": "DescribeVolumes",
            "code": "UnauthorizedOperation",
            "times": 2,
        }],
        "regions": { "us-east-1": {}, "us-west-2": { "topics": ["snapkeep"] } },
    });
    let machine = Machine::new(&scene, CONFIG);
    assert_eq!(machine.snapkeep("notify --test").quiet(0), "sns: told\n");
    for code in [4, 4, 0, 0] {
        machine.snapkeep("run").quiet(code);
    }
    assert_eq!(
        published(&machine, "Subject"),
        [
            "snapkeep failure: DescribeVolumes in us-east-1 not read",
            "snapkeep recovery: all is well again",
            "snapkeep test: this is how you are told",
        ]
    );
    assert!(published(&machine, "Message")[0].starts_with("Grant the right that is missing: "));
    assert!(machine.path(".local/state/snapkeep/notify.json").exists());
}

#[test]
fn a_topic_that_is_not_there_fails_no_run() {
    let scene = json!({
        "refuse": [{ "region": "us-east-1", "action": "DescribeVolumes", "code": "InternalError" }],
        "regions": { "us-east-1": {} },
    });
    let machine = Machine::new(&scene, CONFIG);
    let tested = machine.snapkeep("notify --test").quiet(1);
    assert!(tested.starts_with("sns: failed: NotFound: "), "{tested}");
    let ended = machine.snapkeep("run");
    assert_eq!(ended.code, Some(4));
    let warning = "sns could not be told of a failure: NotFound: ";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}
