//! Images made elsewhere: families that are selected, adopted, copied.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::{ImageId, SnapshotId};
use snapkeep::domain::inventory::ImageState;

use super::world::{World, ended, eu, notes, t, us, words};

/// Images by name and tag, by family; `rest` is more of the policy.
fn family(name: &str, retention: &str, rest: &str) -> String {
    format!(
        r#"
[[policy]]
name = "{name}"
kind = "images"
regions = ["eu-west-1"]
select = {{ resource = "image", name = "web-*", tags = {{ Built = "packer" }} }}
retention = {{ {retention} }}
{rest}
"#
    )
}

fn one(retention: &str, rest: &str) -> String {
    format!("version = 1\n{}", family("golden", retention, rest))
}

const ADOPT: &str = "adopt = { tags = { Built = \"packer\" } }";
const BY_APP: &str = "family_tag = \"App\"\nadopt = { tags = { Built = \"packer\" } }";

/// `n` weekly images of an app, the oldest first.
fn builds(world: &World, app: &str, n: i64) -> Vec<(ImageId, SnapshotId)> {
    let tags = [("Built", "packer"), ("App", app)];
    let first = world.now() - TimeDelta::weeks(n);
    let at = |n| first + TimeDelta::weeks(n);
    (0..n).map(|n| world.made_elsewhere(&format!("web-{app}-{n}"), at(n), &tags)).collect()
}

fn left(world: &World, builds: &[(ImageId, SnapshotId)]) -> Vec<bool> {
    let is_left = |(image, snapshot): &(ImageId, SnapshotId)| {
        let is_there = world.find_image(&eu(), *image).is_some();
        assert_eq!(is_there, world.has(&[*snapshot]), "{image}");
        is_there
    };
    builds.iter().map(is_left).collect()
}

#[tokio::test]
async fn keep_last_is_of_each_family_and_of_all_where_no_tag_tells_them_apart() {
    for (rest, one_left, other_left) in [
        (BY_APP, [false, false, false, true, true], [false, true, true]),
        // The latest two of all are of both apps.
        (ADOPT, [false, false, false, false, true], [false, false, true]),
    ] {
        let world = World::new();
        let (one_app, other) = (builds(&world, "a", 5), builds(&world, "b", 3));
        let config = one("keep_last = 2, every = \"1 day\"", rest);
        world.cycle(&config).await;
        let report = world.cycle(&config).await;
        world.assert_nothing_left(&config, &report).await;
        assert_eq!(
            (left(&world, &one_app), left(&world, &other)),
            (one_left.into(), other_left.into()),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn a_name_or_tag_that_does_not_match_is_left_alone_unless_adopted() {
    let world = World::new();
    let old = world.now() - TimeDelta::days(300);
    let packer = ("Built", "packer");
    let named = world.made_elsewhere("db-1", old, &[packer]);
    let tagged = world.made_elsewhere("web-1", old, &[("Built", "by hand")]);
    let plain = world.made_elsewhere("web-2", old, &[]);
    builds(&world, "a", 2);
    let by_name = one("every = \"1 day\"", "adopt = { description = \"never*\" }");
    let report = world.cycle(&by_name).await;
    assert!(report.plan.actions.is_empty());
    // `adopt` says by itself what may expire, and here that is the other name too.
    let config = one("every = \"1 day\"", ADOPT);
    let report = world.cycle(&config).await;
    assert!(world.find_image(&eu(), named.0).is_none(), "{:?}", ended(&report));
    assert_eq!(left(&world, &[tagged, plain]), [true, true]);
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn without_adopt_nothing_of_others_is_ever_deleted() {
    let copy = "\n[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\nretention = { weekly = \"3 weeks\" }";
    let encrypt = "encrypt = { retire_unencrypted = true }";
    for rest in ["", copy, encrypt, &format!("{encrypt}\n{copy}")] {
        let world = World::new();
        let builds = builds(&world, "a", 6);
        let config = one("every = \"2 weeks\"", rest);
        for _ in 0..30 {
            world.cycle(&config).await;
            world.wait(TimeDelta::hours(26));
        }
        assert!(left(&world, &builds).iter().all(|is_left| *is_left), "{rest}");
        let report = world.cycle(&config).await;
        world.assert_nothing_left(&config, &report).await;
        assert!(report.plan.waiting.is_empty(), "{rest}: {:#?}", report.plan.waiting);
    }
}

#[tokio::test]
async fn nothing_is_made_again_and_again_once_it_expired() {
    let rest = "encrypt = {}\nadopt = { all = true }\n\n[[policy.copy]]\nto = \"us-east-1\"\n\
                existing = true\nretention = { every = \"3 weeks\" }";
    for adopted in [rest.to_owned(), rest.replace("adopt = { all = true }\n", "")] {
        let world = World::new();
        builds(&world, "a", 6);
        let config = one("every = \"2 weeks\"", &adopted);
        for _ in 0..60 {
            world.cycle(&config).await;
            world.wait(TimeDelta::hours(13));
        }
        // One copy of each of those that were young enough, and its encrypted form.
        let n_copies = world.sandbox.n_calls("CopyImage");
        assert!(n_copies <= 6, "{n_copies} copies: {adopted}");
    }
}

#[tokio::test]
async fn what_snapkeep_makes_is_never_selected() {
    let makes = r#"
[[policy]]
name = "servers"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "30 days" }

[[policy.copy]]
to = "us-east-1"
retention = { daily = "30 days" }
"#;
    let all = r#"
[[policy]]
name = "all"
kind = "images"
regions = ["eu-west-1", "us-east-1"]
select = { resource = "image" }
retention = { every = "1 hour" }
adopt = { all = true }

[[policy.copy]]
to = "ap-northeast-2"
existing = true
retention = { daily = "30 days" }
"#;
    let config = format!("version = 1\n{makes}{all}");
    let world = World::new();
    world.sandbox.add_region(&"ap-northeast-2".parse().unwrap());
    world.server(&["gp3"]);
    for _ in 0..5 {
        for _ in 0..4 {
            world.cycle(&config).await;
            world.wait(TimeDelta::hours(6));
        }
    }
    assert_eq!((world.images(&eu()).len(), world.images(&us()).len()), (5, 5));
    assert!(world.images(&"ap-northeast-2".parse().unwrap()).is_empty());
}

#[tokio::test]
async fn what_cannot_be_copied_is_told_and_stops_no_other() {
    let copy = "\n[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\nretention = { every = \"1 year\" }";
    let config = one("every = \"1 year\"", copy);
    let world = World::new();
    let builds = builds(&world, "a", 3);
    world.sandbox.change_image(&eu(), builds[0].0, |image| image.has_product_codes = true);
    world.sandbox.change_image(&eu(), builds[1].0, |image| image.is_instance_store = true);
    for _ in 0..6 {
        world.cycle(&config).await;
        world.wait(TimeDelta::hours(1));
    }
    let report = world.cycle(&config).await;
    world.assert_nothing_left(&config, &report).await;
    assert_eq!(world.sandbox.n_calls("CopyImage"), 1);
    assert_eq!(world.images(&us()).len(), 1);
    let told = notes(&report.plan);
    assert!(told.contains("product codes") || told.contains("Marketplace"), "{told}");
    assert!(told.contains("instance store") || told.contains("instance-store"), "{told}");
    assert!(report.plan.waiting.is_empty(), "{:#?}", report.plan.waiting);
}

#[tokio::test]
async fn what_two_policies_adopt_is_kept_if_either_keeps_it() {
    for (first, second, n_left) in [("2 weeks", "4 weeks", 4), ("4 weeks", "2 weeks", 4)] {
        let config = format!(
            "version = 1\n{}{}",
            family("one", &format!("every = \"{first} \"").replace(" \"", "\""), BY_APP),
            family("two", &format!("every = \"{second}\""), ADOPT).replace("web-*", "web-a-*")
        );
        let world = World::new();
        let builds = builds(&world, "a", 6);
        world.wait(TimeDelta::minutes(-5).abs());
        let report = world.cycle(&config).await;
        let n = left(&world, &builds).iter().filter(|is_left| **is_left).count();
        assert!(n == n_left - 1 || n == n_left, "{n}: {first} {second}");
        assert!(words(&report).iter().all(|word| *word == "done"), "{:?}", ended(&report));
        world.assert_nothing_left(&config, &report).await;
    }
    // One adopts, the other only selects: what it wants to keep stays, too.
    let config = format!(
        "version = 1\n{}{}",
        family("one", "every = \"1 week\"", ADOPT),
        family("two", "every = \"4 weeks\"", "").replace("web-*", "web-a-*")
    );
    let world = World::new();
    let builds = builds(&world, "a", 6);
    world.cycle(&config).await;
    let n = left(&world, &builds).iter().filter(|is_left| **is_left).count();
    assert!((3..=4).contains(&n), "{n}");
}

#[tokio::test]
async fn pending_and_failed_images_of_others_are_left_to_them() {
    let config = one("keep_last = 1, every = \"1 day\"", ADOPT);
    let world = World::new();
    let builds = builds(&world, "a", 3);
    // The newest cannot be launched, so it does not count.
    for state in [ImageState::Transient, ImageState::Disabled] {
        world.sandbox.change_image(&eu(), builds[2].0, |image| image.state = state);
        world.cycle(&config).await;
        assert!(world.find_image(&eu(), builds[1].0).is_some(), "{state:?}");
        assert!(world.find_image(&eu(), builds[2].0).is_some(), "{state:?}");
    }
}

#[tokio::test]
async fn an_image_whose_date_nobody_can_read_is_not_the_oldest_for_that() {
    let config = one("keep_last = 1, every = \"1 day\"", &format!("min_age = \"1 week\"\n{ADOPT}"));
    let world = World::new();
    let builds = builds(&world, "a", 3);
    world.sandbox.change_image(&eu(), builds[1].0, |image| image.created_at = None);
    world.cycle(&config).await;
    assert!(world.find_image(&eu(), builds[1].0).is_some(), "its age is not known");
}

#[tokio::test]
async fn a_gap_in_images_or_snapshots_leaves_families_alone() {
    let copy = "\n[[policy.copy]]\nto = \"us-east-1\"\nexisting = true\nretention = { every = \"1 year\" }";
    let config = one("every = \"1 day\"", &format!("{ADOPT}\n{copy}"));
    for operation in ["DescribeImages", "DescribeSnapshots"] {
        let world = World::at("2026-11-20 03:05:00");
        builds(&world, "a", 3);
        assert!(t("2026-11-20 03:05:00") == world.now());
        for region in [eu(), us()] {
            world.sandbox.fail(Rule::next(operation).in_region(&region), Fault::Denied);
            let report = world.cycle(&config).await;
            assert!(
                report.plan.actions.is_empty(),
                "{operation} in {region}: {:?}",
                ended(&report)
            );
        }
    }
}

#[tokio::test]
async fn of_what_is_adopted_only_what_is_selected_is_copied_and_so_is_its_encrypted_form() {
    let world = World::new();
    let old = world.now() - TimeDelta::days(3);
    world.made_elsewhere("web-1", old, &[("Built", "packer")]);
    world.made_elsewhere("db-1", old, &[("Built", "packer")]);
    let copies = "encrypt = { retire_unencrypted = true }\n[[policy.copy]]\nto = \"us-east-1\"\n\
                  existing = true\nretention = { every = \"1 year\" }";
    // The name of the form is another.
    let config = one("every = \"1 year\"", &format!("{ADOPT}\n{copies}")).replace("web-*", "web-?");
    for _ in 0..6 {
        world.cycle(&config).await;
        world.wait(TimeDelta::hours(1));
    }
    let names = |region| -> Vec<String> {
        world.images(&region).iter().map(|image| image.name.to_string()).collect()
    };
    assert_eq!(names(eu()), ["db-1", "web-1 encrypted"]);
    assert_eq!(names(us()), ["web-1 encrypted"]);
}
