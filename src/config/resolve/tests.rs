use snapbox::{assert_data_eq, str};

use crate::config::{Config, Orphans, Regions, parse};

fn config(text: &str) -> Config {
    let files = [("a.toml".to_owned(), format!("version = 1\n{text}"))];
    parse(&files).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> String {
    let files = [("a.toml".to_owned(), format!("version = 1\n{text}"))];
    parse(&files).unwrap_err().to_string()
}

const SERVERS: &str = r#"
[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
select = { resource = "instance" }
retention = { daily = "1 month" }
"#;

#[test]
fn what_is_not_said_has_its_default() {
    let config = config(SERVERS);
    let base = &config.policies[0].base;
    assert_eq!((base.owner.as_ref(), base.timezone.name()), ("main", "UTC"));
    assert_eq!((base.limits.max_deletes, base.limits.max_delete_percent), (1000, 60));
    assert_eq!((base.retention.keep_last, base.retention.orphans), (1, Orphans::KeepLast));
    assert!(base.create && base.volumes.boot && base.schedule.is_none() && base.adopt.is_none());
    let states: Vec<&str> = base.select.states.iter().map(|state| state.name()).collect();
    assert_eq!(states, ["running", "stopped"]);
    assert!((config.api_share - 1.0).abs() < f64::EPSILON);
}

#[test]
fn the_lowest_layer_wins_and_replaces_whole_tables() {
    let config = config(
        r#"
[defaults]
owner = "ours"
timezone = "Asia/Seoul"
schedule = "0 3 * * *"
regions = ["eu-west-1", "us-east-1", "us-west-2"]
retention = { keep_last = 5, orphans = "expire", daily = "1 month" }
limits = { max_deletes = 10, max_delete_percent = 20 }

[[policy]]
name = "servers"
timezone = "Europe/Berlin"
select = { resource = "instance" }
limits = { max_deletes = 7 }

[policy.override."us-east-1"]
timezone = "America/New_York"
retention = { weekly = 4 }
"#,
    );
    let policy = &config.policies[0];
    assert!(matches!(&policy.regions, Regions::Named(regions) if regions.len() == 3));
    let base = &policy.base;
    assert_eq!((base.owner.as_ref(), base.timezone.name()), ("ours", "Europe/Berlin"));
    assert_eq!((base.retention.keep_last, base.retention.orphans), (5, Orphans::Expire));
    assert_eq!((base.limits.max_deletes, base.limits.max_delete_percent), (7, 60));

    let region = "us-east-1".parse().unwrap();
    let there = policy.in_region(&region);
    assert_eq!((there.owner.as_ref(), there.timezone.name()), ("ours", "America/New_York"));
    assert_eq!((there.retention.keep_last, there.retention.orphans), (1, Orphans::KeepLast));
    assert_eq!(there.retention.tiers.len(), 1);
    assert_eq!(there.limits, base.limits);
    // The schedule of the defaults is on the clocks of the region.
    let schedule = there.schedule.as_ref().unwrap();
    assert_eq!(schedule.to_string(), "0 3 * * * (America/New_York)");
}

#[test]
fn adopting_all_may_be_narrowed() {
    for adopt in [
        "{ all = true }",
        "{ all = true, exclude_tags = { Keep = '*' } }",
        "{ all = true, tags = { By = 'x' }, description = 'n*' }",
        "{ description = 'n*' }",
    ] {
        let config = config(&format!("{SERVERS}adopt = {adopt}"));
        assert!(config.policies[0].base.adopt.is_some(), "{adopt}");
    }
}

#[test]
fn an_override_of_the_defaults_needs_some_policy() {
    let overrides = "[defaults.override.\"us-east-1\"]\nowner = \"b\"\n\
                     [defaults.override.\"us-west-1\"]\nowner = \"b\"\n";
    assert_data_eq!(
        problems(&format!("{overrides}{SERVERS}")),
        str![[r#"
error: no policy applies in region `us-west-1`
 --> a.toml:4:20
  |
4 | [defaults.override."us-west-1"]
  |                    ^^^^^^^^^^^
  = help: remove the override, or check the region's name
"#]]
    );
}

#[test]
fn an_override_of_the_defaults_is_for_the_policies_of_its_region() {
    let config = config(
        r#"
[defaults]
select = { resource = "instance" }
retention = { daily = 3 }

[defaults.override."us-east-1"]
retention = { daily = 2 }

[[policy]]
name = "here"
regions = ["eu-west-1"]

[[policy]]
name = "there"
regions = ["us-east-1"]
"#,
    );
    let n_overrides: Vec<usize> = config.policies.iter().map(|p| p.overrides.len()).collect();
    assert_eq!(n_overrides, [0, 1]);
}

#[test]
fn volumes_are_chosen_where_instances_are_selected() {
    // The override selects volumes, and leaves the choice to the other region.
    let overridden = "[policy.override.\"us-east-1\"]\nselect = { resource = \"volume\" }\n";
    let text = format!("{SERVERS}volumes = {{ boot = false }}\n{overridden}");
    assert_eq!(config(&text).policies[0].overrides.len(), 1);
    let text = format!("{text}volumes = {{ boot = true }}\n");
    assert_data_eq!(
        problems(&text),
        str![[r#"
error: `volumes` chooses among an instance's volumes, but volumes are selected
  --> a.toml:11:11
   |
11 | volumes = { boot = true }
   |           ^^^^^^^^^^^^^^^
   = help: leave it out, and use `tags` and `exclude_tags` of `select`
"#]]
    );
}

#[test]
fn a_rule_may_wait_for_years() {
    // 1 January is a Monday, but seldom.
    let rule = "schedule = \"0 0 1 1 *\"\nselect = { resource = \"volume\" }\n\
                retention = { weekly = { for = 1, take = \"first-day\" } }";
    let text = format!("[[policy]]\nname = \"a\"\nregions = [\"all\"]\n{rule}");
    assert_eq!(config(&text).policies.len(), 1);
    // Points made without a schedule, or by others, may be of any day.
    let text = text.replace("0 0 1 1 *", "0 0 * * tue");
    assert!(problems(&text).contains("`weekly` can never keep anything"));
    assert_eq!(config(&format!("{text}\nadopt = {{ all = true }}")).policies.len(), 1);
    assert_eq!(config(&format!("{text}\ncreate = false")).policies.len(), 1);
}
