use snapbox::{assert_data_eq, str};

use crate::config::{Config, ImageRules, Kind, Orphans, Regions, parse};

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

#[test]
fn the_key_is_the_nearest_one() {
    let config = config(
        r#"
[regions."eu-west-1"]
kms_key = "alias/ireland"
[regions."us-west-2"]
kms_key = "alias/oregon"

[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1"]
select = { resource = "instance" }
retention = { daily = "1 month" }
encrypt = {}
copy = [{ to = "us-west-2" }, { to = "us-west-1" }, { to = "us-east-2", kms_key = "alias/own" }]

[policy.override."us-east-1"]
encrypt = { kms_key = "alias/virginia" }
"#,
    );
    let policy = &config.policies[0];
    for (region, expected) in [
        ("eu-west-1", Some("alias/ireland")),
        ("us-east-1", Some("alias/virginia")),
        ("us-west-1", None),
    ] {
        let region = region.parse().unwrap();
        let key = config.encrypt_key(policy.in_region(&region), &region);
        assert_eq!(key.map(AsRef::as_ref), expected, "{region}");
    }
    let keys: Vec<Option<&str>> =
        policy.base.copies.iter().map(|copy| copy.kms_key.as_deref()).collect();
    assert_eq!(keys, [Some("alias/oregon"), None, Some("alias/own")]);
}

#[test]
fn copies_are_kept_as_their_originals_unless_they_say_otherwise() {
    let config = config(
        r#"
[[defaults.copy]]
to = "us-west-2"
share_with = ["999999999999", "111111111111", "999999999999"]
complete_within = "2 days"

[[policy]]
name = "servers"
regions = ["eu-west-1", "us-east-1", "us-west-1"]
select = { resource = "instance" }
retention = { daily = "1 month" }

[policy.override."us-east-1"]
retention = "forever"

[policy.override."us-west-1"]
copy = []
"#,
    );
    let policy = &config.policies[0];
    let in_region = |region: &str| policy.in_region(&region.parse().unwrap());
    let base = in_region("eu-west-1");
    assert_eq!(base.copies[0].retention, base.retention);
    let accounts: Vec<&str> = base.copies[0].share_with.iter().map(AsRef::as_ref).collect();
    assert_eq!(accounts, ["111111111111", "999999999999"]);
    assert_eq!(base.copies[0].complete_within_minutes, Some(2880));
    assert!(in_region("us-east-1").copies[0].retention.forever);
    assert!(in_region("us-west-1").copies.is_empty());
    assert_eq!(config.named_regions().len(), 4);
}

#[test]
fn a_copy_onto_its_own_region_is_left_out_where_points_are_encrypted_or_elsewhere() {
    for (regions, encrypt, is_valid) in [
        (r#"["eu-west-1", "us-east-1"]"#, "", false),
        (r#"["eu-west-1", "us-east-1"]"#, "encrypt = {}", true),
        (r#"["all"]"#, "", true),
        (r#"["us-east-1"]"#, "", true),
    ] {
        let text = format!(
            "version = 1\n[[policy]]\nname = \"a\"\nregions = {regions}\n{encrypt}\n\
             select = {{ resource = \"instance\" }}\nretention = \"forever\"\n\
             copy = [{{ to = \"eu-west-1\" }}]\n"
        );
        let parsed = parse(&[("a.toml".to_owned(), text)]);
        assert_eq!(parsed.is_ok(), is_valid, "{regions} {encrypt}");
        let Ok(config) = parsed else { continue };
        let (here, there) = ("us-east-1".parse().unwrap(), "eu-west-1".parse().unwrap());
        let policy = config.policies[0].in_region(&here);
        assert!(policy.copy_rule(&here, &there).is_some());
        assert!(policy.copy_rule(&there, &there).is_none());
    }
}

#[test]
fn what_the_defaults_say_is_ignored_where_it_does_not_fit() {
    let config = config(
        r#"
[defaults]
regions = ["eu-west-1"]
retention = { daily = "1 month" }
schedule = "0 3 * * *"
create = true
reboot = true
min_age = "7 days"
family_tag = "Family"
volumes = { exclude_tags = { Scratch = "*" } }

[[policy]]
name = "snapshots"
select = { resource = "instance" }

[[policy]]
name = "images"
kind = "images"
select = { resource = "instance" }

[[policy]]
name = "golden"
kind = "images"
select = { resource = "image" }
"#,
    );
    let policies: Vec<_> = config.policies.iter().map(|policy| &policy.base).collect();
    let [snapshots, images, golden] = policies[..] else { panic!("{policies:?}") };
    assert_eq!((snapshots.kind, &snapshots.images), (Kind::Snapshots, &ImageRules::default()));
    assert!(images.images.reboot && images.images.family_tag.is_none());
    assert!(images.images.min_age.is_some() && images.create && images.schedule.is_some());
    assert!(!golden.images.reboot && golden.images.family_tag.is_some());
    assert!(golden.images.min_age.is_some() && !golden.create && golden.schedule.is_none());
    assert!(golden.volumes.exclude_tags.is_empty());
}

#[test]
fn policies_of_different_kinds_may_select_the_same() {
    let images = SERVERS.replace("\"servers\"", "\"images\"") + "kind = \"images\"\n";
    assert_eq!(config(&format!("{SERVERS}{images}")).policies.len(), 2);
    let more = images.replace("\"images\"\nregions", "\"more\"\nregions");
    assert!(problems(&format!("{images}{more}")).contains("select the same in region `eu-west-1`"));
}

#[test]
fn a_region_is_known_for_some_policy() {
    let key = "[regions.\"us-west-2\"]\nkms_key = \"alias/backup\"\n";
    assert!(problems(&format!("{key}{SERVERS}")).contains("no policy applies in region"));
    let everywhere = SERVERS.replace("[\"eu-west-1\", \"us-east-1\"]", "[\"all\"]");
    assert_eq!(config(&format!("{key}{everywhere}")).region_keys.len(), 1);
}
