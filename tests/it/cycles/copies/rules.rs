//! Rules that change, policies that are renamed, and copies that must not travel back.

use chrono::TimeDelta;
use snapkeep::domain::tags;

use super::{KINDS, Kind, TO_US, ap, copies, deleted, hourly, slots, things};
use crate::cycles::world::{TWO_REGIONS, World, eu, notes, us};

/// Another policy, so that both regions are looked at whatever happens to the first.
const OTHER: &str = "[[policy]]\nname = \"other\"\nregions = [\"eu-west-1\", \"us-east-1\"]\n\
                     schedule = \"@daily\"\nselect = { resource = \"volume\", tags = { No = \"one\" } }\n\
                     retention = { daily = 3 }";

async fn days(world: &World, config: &str, n: usize) {
    for _ in 0..n {
        hourly(world, config, 2).await;
        world.wait(TimeDelta::hours(22));
    }
}

#[tokio::test]
async fn a_renamed_policy_takes_over_its_copies_and_makes_none_again() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        days(&world, &kind.to_us(), 2).await;
        let n_calls = world.sandbox.n_calls(kind.call());
        let renamed = kind
            .to_us()
            .replace("name = \"servers\"", "name = \"machines\"\nrenamed_from = [\"servers\"]");
        days(&world, &renamed, 1).await;
        assert_eq!(world.sandbox.n_calls(kind.call()), n_calls + kind.n(), "{kind:?}");
        days(&world, &renamed, 10).await;
        let there = slots(&copies(&world, &us()));
        assert!(!there.contains(&"11-21T03:00".to_owned()), "{kind:?}: {there:?}");
        assert!(copies(&world, &us()).iter().all(|copy| copy.tag(tags::POLICY) == "machines"));
    }
}

#[tokio::test]
async fn copies_whose_rule_or_region_is_gone_are_noted_and_never_deleted() {
    for kind in KINDS {
        let without = kind.policy("", OTHER);
        let moved =
            kind.policy("", &format!("{}\n{OTHER}", TO_US.replace("us-east-1", "ap-northeast-2")));
        let elsewhere = kind.policy("regions = [\"ap-northeast-2\"]", &format!("{TO_US}\n{OTHER}"));
        let no_policy = format!("version = 1\n{OTHER}");
        for (n, changed) in [without, moved, elsewhere, no_policy].iter().enumerate() {
            let world = World::new();
            world.sandbox.add_region(&ap());
            kind.source(&world);
            days(&world, &kind.to_us(), 3).await;
            let before = copies(&world, &us()).len();
            assert_eq!(before, 3 * kind.n());
            world.wait(TimeDelta::days(30));
            let report = hourly(&world, changed, 3).await;
            assert!(deleted(&report.plan, &us()).is_empty());
            assert_eq!(copies(&world, &us()).len(), before, "{kind:?} {n}");
            let told = notes(&report.plan);
            assert!(told.contains(&format!("{before} ")) && told.contains("left alone"), "{told}");
            let why = if n == 3 { "which is not here" } else { "has no rule any more" };
            assert!(told.contains(why), "{kind:?} {n}: {told}");
            // With the rule they are what they were.
            let report = world.cycle(&kind.to_us()).await;
            assert!(!deleted(&report.plan, &us()).is_empty(), "{kind:?} {n}");
        }
    }
}

#[tokio::test]
async fn a_new_destination_begins_with_the_newest_point() {
    for kind in KINDS {
        let world = World::new();
        world.sandbox.add_region(&ap());
        kind.source(&world);
        days(&world, &kind.to_us(), 3).await;
        let both =
            kind.policy("", &format!("{TO_US}\n{}", TO_US.replace("us-east-1", "ap-northeast-2")));
        world.cycle(&both).await;
        world.wait(TimeDelta::minutes(30));
        let report = world.cycle(&both).await;
        let to_ap = super::planned(&report.plan).len();
        assert!(0 < to_ap && to_ap <= 2 * kind.n(), "{kind:?}: {to_ap}");
        days(&world, &both, 2).await;
        let there = slots(&copies(&world, &ap()));
        assert!(
            !there.contains(&"11-20T03:00".to_owned())
                && !there.contains(&"11-21T03:00".to_owned())
        );
        assert!(there.contains(&"11-24T03:00".to_owned()), "{kind:?}: {there:?}");
    }
}

#[tokio::test]
async fn two_policies_that_copy_to_each_other_make_no_loop() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let volumes: &[&str] = if kind == Kind::Volume { &["gp3"] } else { &["gp3", "gp3"] };
        world.server_in(&us(), volumes);
        let there = kind
            .policy("regions = [\"us-east-1\"]", &TO_US.replace("us-east-1", "eu-west-1"))
            .replace("version = 1\n", "")
            .replace("name = \"servers\"", "name = \"back\"");
        let apart = format!("{}\n{there}", kind.to_us());
        days(&world, &apart, 5).await;
        assert_eq!(world.sandbox.n_calls(kind.call()), 10 * kind.n(), "{kind:?}");
        assert_no_copies_of_copies(&world, kind);
    }
}

#[tokio::test]
async fn one_policy_whose_regions_are_each_others_destinations_makes_no_loop() {
    for kind in KINDS {
        let world = World::new();
        kind.source(&world);
        let volumes: &[&str] = if kind == Kind::Volume { &["gp3"] } else { &["gp3", "gp3"] };
        world.server_in(&us(), volumes);
        let back = TO_US.replace("us-east-1", "eu-west-1");
        let own = |region: &str, rule: &str| {
            let rule = rule.replace("[[policy.copy]]", "");
            let table = rule.trim().replace('\n', ", ");
            format!("[policy.override.\"{region}\"]\ncopy = [{{ {table} }}]")
        };
        let config = kind.policy(
            "regions = [\"eu-west-1\", \"us-east-1\"]",
            &format!("{}\n{}", own("eu-west-1", TO_US), own("us-east-1", &back)),
        );
        days(&world, &config, 5).await;
        assert_eq!(world.sandbox.n_calls(kind.call()), 10 * kind.n(), "{kind:?}");
        assert_no_copies_of_copies(&world, kind);
    }
}

fn assert_no_copies_of_copies(world: &World, kind: Kind) {
    let (here, there) = (things(world, &eu()), things(world, &us()));
    for (of, from) in [(&here, &there), (&there, &here)] {
        for copy in of.iter().filter(|thing| thing.is_copy()) {
            let parent = copy.tag(tags::COPY_OF).split_once('/').unwrap().1;
            let parent = from.iter().find(|thing| thing.id.to_string() == parent);
            assert!(parent.is_none_or(|parent| !parent.is_copy()), "{kind:?}");
        }
    }
}

/// Regions that no copy joins are judged one after the other.
#[tokio::test]
async fn a_rule_for_copies_that_selects_nothing_changes_nothing() {
    let world = World::new();
    for server in [world.server(&["gp3", "gp3"]), world.server_in(&us(), &["gp3"])] {
        world.history(&server, 6);
    }
    world.wait(TimeDelta::days(1));
    let alone = world.plan(TWO_REGIONS).await;
    let of_nothing = TWO_REGIONS
        .replace("version = 1", "")
        .replace("servers", "nothing")
        .replace(", \"us-east-1\"", "")
        .replace("states = [\"running\"]", "tags = { None = \"*\" }");
    let joined = format!("{TWO_REGIONS}{of_nothing}{TO_US}");
    let joined = world.plan(&joined).await;
    assert_eq!(alone.actions.len(), 2 + 4 * 3);
    assert_eq!((joined.actions, joined.keeps), (alone.actions, alone.keeps));
    assert_eq!(joined.n_points, alone.n_points);
}
