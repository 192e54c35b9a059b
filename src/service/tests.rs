//! What the service refuses before it starts.

use super::check_schedules;
use crate::config::parse;

const HEAD: &str = "version = 1\n[defaults]\nretention = { daily = '7 days' }\n";

fn check(policies: &str) -> Result<(), String> {
    let config = parse(&[("test.toml".to_owned(), format!("{HEAD}{policies}"))]).unwrap();
    check_schedules(&config).map_err(|err| err.to_string())
}

#[test]
fn only_policies_that_make_points_need_a_schedule() {
    let servers = "[[policy]]\nname = 'servers'\nregions = ['eu-west-1', 'us-east-1']\n\
        select = { resource = 'instance' }\n";
    let volumes = "[[policy]]\nname = 'volumes'\nregions = ['eu-west-1']\n\
        select = { resource = 'volume' }\n";
    let head =
        "without a `schedule` the service does not know when to make points; it is missing in";
    let scheduled = servers.replace("select", "schedule = '@daily'\nselect");
    for (policies, expected) in [
        (scheduled.clone(), Ok(())),
        (format!("{servers}create = false\n"), Ok(())),
        (servers.to_owned(), Err(format!("{head} policy `servers`"))),
        (format!("{servers}{volumes}"), Err(format!("{head} policy `servers`, policy `volumes`"))),
        // Every region says when, though the policy itself does not.
        (
            format!(
                "{servers}[policy.override.'us-east-1']\nschedule = '@daily'\n\
                 [policy.override.'eu-west-1']\nschedule = '@daily'\n"
            ),
            Ok(()),
        ),
        // Only one region says when.
        (
            format!("{servers}[policy.override.'us-east-1']\nschedule = '@daily'\n"),
            Err(format!("{head} policy `servers`")),
        ),
    ] {
        assert_eq!(check(&policies), expected, "{policies}");
    }
}
