//! What sources have, against what is asked of them: what `status` says after whole cycles.

use chrono::TimeDelta;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::inventory::{Instance, InstanceState};
use snapkeep::domain::region::Region;
use snapkeep::plan::reason::minute;
use snapkeep::plan::{Plan, ProtectionState, Request};
use snapkeep::report::ExitCode;
use snapkeep::report::status::Status;

use super::copies::{KINDS, Kind, TO_US, copies, hourly, lose, settle};
use super::world::{DAILY, Server, TWO_REGIONS, World, eu, notes, t, us};

/// Where, how, and since when or for what reason; one place a line.
fn lines(plan: &Plan) -> Vec<String> {
    let line = |protection: &snapkeep::plan::Protection| {
        let place = match protection.copy_from {
            Some(from) => format!("{from} to {}", protection.region),
            None => protection.region.to_string(),
        };
        let detail = match &protection.state {
            ProtectionState::Protected => None,
            ProtectionState::New { first_due } => first_due.map(minute),
            ProtectionState::Unprotected { since } => since.map(minute),
            ProtectionState::Unknown(why) => Some(why.to_string()),
        };
        let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
        format!("{place}: {}{detail}", protection.state.name())
    };
    plan.protection.iter().map(line).collect()
}

/// What `status` says now, and what it exits with.
async fn status(world: &World, config: &str) -> (Vec<String>, ExitCode) {
    let plan = world.plan(config).await;
    let request = Request::at(world.now());
    let code = Status::new(std::slice::from_ref(&plan), &request).codes()[0];
    (lines(&plan), code)
}

async fn assert_status(world: &World, config: &str, expected: &[&str], code: ExitCode) {
    let found = status(world, config).await;
    assert_eq!(found, (expected.iter().map(|line| (*line).to_owned()).collect(), code));
}

/// Makes `server` one that was made now.
fn just_made(world: &World, server: &Server) {
    change(world, server, |instance, now| {
        instance.launched_at = Some(now);
        for volume in &mut instance.volumes {
            volume.attached_at = Some(now);
        }
    });
}

fn change(
    world: &World,
    server: &Server,
    change: impl FnOnce(&mut Instance, chrono::DateTime<chrono::Utc>),
) {
    let regions = world.sandbox.inventory().regions;
    let all = &regions[&server.region].instances;
    let mut instance = all.iter().find(|i| i.id == server.id).unwrap().clone();
    change(&mut instance, world.now());
    world.sandbox.add_instance(&server.region, instance);
}

#[tokio::test]
async fn a_source_made_now_is_new_then_protected_or_unprotected_since_it_was_made() {
    for kind in KINDS {
        let world = World::at("2026-11-20 12:00:00");
        let server = kind.source(&world);
        if kind == Kind::Volume {
            let regions = world.sandbox.inventory().regions;
            let mut volume = regions[&eu()].volumes[0].clone();
            volume.created_at = Some(world.now());
            world.sandbox.add_volume(&eu(), volume);
        }
        just_made(&world, &server);
        let config = kind.policy("", "");
        let new = ["eu-west-1: new 2026-11-21 09:00Z"];
        assert_status(&world, &config, &new, ExitCode::Done).await;
        world.wait_until("2026-11-21 08:59:00");
        assert_status(&world, &config, &new, ExitCode::Done).await;
        world.wait_until("2026-11-21 09:00:00");
        let late = ["eu-west-1: unprotected 2026-11-20 12:00Z"];
        assert_status(&world, &config, &late, ExitCode::Failed).await;
        // Begun is not complete.
        world.cycle(&config).await;
        assert_status(&world, &config, &late, ExitCode::Failed).await;
        hourly(&world, &config, 4).await;
        assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
    }
}

#[tokio::test]
async fn points_that_fail_are_told_once_grace_is_over_and_no_more_once_one_is_complete() {
    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        kind.source(&world);
        let config = kind.policy("", "");
        settle(&world, &config).await;
        world.wait_until("2026-11-21 03:00:00");
        let calls = ["CreateSnapshots", "CreateSnapshot", "CreateImage"];
        for call in calls {
            world.sandbox.fail(Rule::every(call), Fault::SnapshotsFail);
        }
        hourly(&world, &config, 5).await;
        assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
        world.wait_until("2026-11-21 09:00:00");
        let failed = ["eu-west-1: unprotected 2026-11-21 09:00Z"];
        assert_status(&world, &config, &failed, ExitCode::Failed).await;
        // Another day of the same began no earlier.
        world.wait_until("2026-11-22 03:00:00");
        hourly(&world, &config, 12).await;
        assert_status(&world, &config, &failed, ExitCode::Failed).await;
        world.sandbox.clear_faults();
        hourly(&world, &config, 26).await;
        assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
    }
}

#[tokio::test]
async fn a_copy_that_never_comes_is_told_beside_its_point() {
    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        kind.source(&world);
        let config = kind.policy("copy_grace = \"1 day\"", TO_US);
        let new = ["eu-west-1: unprotected", "eu-west-1 to us-east-1: new"];
        assert_status(&world, &config, &new, ExitCode::Failed).await;
        settle(&world, &config).await;
        let good = ["eu-west-1: protected", "eu-west-1 to us-east-1: protected"];
        assert_status(&world, &config, &good, ExitCode::Done).await;
        world.wait_until("2026-11-21 03:00:00");
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        let mut seen = Vec::new();
        for _ in 0..3 {
            hourly(&world, &config, 6).await;
            let (lines, code) = status(&world, &config).await;
            seen.push((lines[1].clone(), code));
            world.wait_until(&format!("2026-11-{} 03:00:00", 21 + seen.len()));
        }
        let to_us = |state: &str| format!("eu-west-1 to us-east-1: {state}");
        // A day after the point of the 21st, which was a little after 03:00.
        let late = to_us("unprotected 2026-11-22 03:00Z");
        assert_eq!(
            seen,
            [
                (to_us("protected"), ExitCode::Done),
                (late.clone(), ExitCode::Failed),
                (late, ExitCode::Failed)
            ],
            "{kind:?}"
        );
        world.sandbox.clear_faults();
        hourly(&world, &config, 12).await;
        assert_status(&world, &config, &good, ExitCode::Done).await;
    }
}

#[tokio::test]
async fn a_copy_that_is_missing_is_told_behind_newer_ones() {
    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        kind.source(&world);
        let config = kind.policy("copy_grace = \"2 days\"", TO_US);
        for day in 21..=25 {
            settle(&world, &config).await;
            world.wait_until(&format!("2026-11-{day} 03:00:00"));
        }
        settle(&world, &config).await;
        let good = ["eu-west-1: protected", "eu-west-1 to us-east-1: protected"];
        assert_status(&world, &config, &good, ExitCode::Done).await;
        // Those of the 24th and, later, of the 23rd are lost; that of the 25th stays.
        let lose_copies = |day: &str| {
            let lost =
                copies(&world, &us()).into_iter().filter(|copy| copy.name().starts_with(day));
            for copy in lost {
                lose(&world, &us(), copy.id);
            }
        };
        for (day, since) in [("11-24", None), ("11-23", Some("2026-11-25 03:00Z"))] {
            lose_copies(day);
            let plan = world.plan(&config).await;
            let alarm = "copies to us-east-1 unfinished or missing for longer than copy_grace: 1";
            assert_eq!(notes(&plan).contains(alarm), since.is_some(), "{kind:?}");
            let Some(since) = since else {
                assert_status(&world, &config, &good, ExitCode::Done).await;
                continue;
            };
            let late = format!("eu-west-1 to us-east-1: unprotected {since}");
            assert_status(&world, &config, &[good[0], &late], ExitCode::Failed).await;
        }
        hourly(&world, &config, 6).await;
        assert_status(&world, &config, &good, ExitCode::Done).await;
    }
}

#[tokio::test]
async fn a_rule_for_a_tier_asks_for_copies_of_its_points_only() {
    for kind in KINDS {
        let world = World::at("2026-11-28 03:00:00");
        kind.source(&world);
        let rules = "retention = { daily = \"10 days\", monthly = \"3 months\" }\n\
                     copy_grace = \"1 day\"";
        let rest = "[[policy.copy]]\nto = \"us-east-1\"\nonly = \"monthly\"\n\
                    retention = { monthly = \"12 months\" }";
        let config = kind.policy(rules, rest);
        settle(&world, &config).await;
        let good = ["eu-west-1: protected", "eu-west-1 to us-east-1: protected"];
        assert_status(&world, &config, &good, ExitCode::Done).await;
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        // No later point of November is asked for, nor one of December within grace.
        for day in ["2026-11-29", "2026-11-30", "2026-12-01"] {
            world.wait_until(&format!("{day} 03:00:00"));
            assert_status(&world, &config, &good, ExitCode::Done).await;
            hourly(&world, &config, 6).await;
        }
        world.wait_until("2026-12-02 03:00:00");
        let late =
            ["eu-west-1: protected", "eu-west-1 to us-east-1: unprotected 2026-12-02 03:00Z"];
        assert_status(&world, &config, &late, ExitCode::Failed).await;
        world.wait_until("2026-12-03 03:00:00");
        world.sandbox.clear_faults();
        hourly(&world, &config, 6).await;
        assert_status(&world, &config, &good, ExitCode::Done).await;
    }
}

#[tokio::test]
async fn a_region_that_is_down_is_unknown_and_hides_no_other() {
    let down = |world: &World, region: &Region| {
        let listings =
            ["DescribeInstances", "DescribeVolumes", "DescribeSnapshots", "DescribeImages"];
        for operation in listings {
            world.sandbox.fail(Rule::every(operation).in_region(region), Fault::ErrorBefore);
        }
    };
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["gp3"]);
    world.server_in(&us(), &["gp3"]);
    settle(&world, TWO_REGIONS).await;
    down(&world, &us());
    let (found, code) = status(&world, TWO_REGIONS).await;
    assert_eq!((found.len(), found[0].as_str()), (2, "eu-west-1: protected"));
    assert!(found[1].starts_with("us-east-1: unknown DescribeInstances: "), "{found:?}");
    assert_eq!(code, ExitCode::Incomplete);
    // What is known to be unprotected comes first.
    world.wait(TimeDelta::days(2));
    assert_eq!(status(&world, TWO_REGIONS).await.1, ExitCode::Failed);

    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        kind.source(&world);
        settle(&world, &kind.to_us()).await;
        down(&world, &us());
        let (found, code) = status(&world, &kind.to_us()).await;
        assert_eq!((found.len(), found[0].as_str()), (2, "eu-west-1: protected"), "{kind:?}");
        assert!(found[1].starts_with("eu-west-1 to us-east-1: unknown Describe"), "{found:?}");
        assert_eq!(code, ExitCode::Incomplete);
    }
}

#[tokio::test]
async fn without_a_schedule_one_point_is_enough_for_ever() {
    let world = World::new();
    world.server(&["gp3"]);
    let config = DAILY.replace("schedule = \"0 3 * * *\"\n", "");
    assert_status(&world, &config, &["eu-west-1: unprotected"], ExitCode::Failed).await;
    world.cycle(&config).await;
    world.wait(TimeDelta::days(90));
    assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
}

#[tokio::test]
async fn a_stopped_instance_is_asked_for_where_it_is_selected() {
    let world = World::at("2026-11-20 03:00:00");
    let server = world.server(&["gp3"]);
    let stopped_too = DAILY.replace(", states = [\"running\"]", "");
    settle(&world, DAILY).await;
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Stopped);
    world.wait(TimeDelta::days(3));
    assert_status(&world, DAILY, &[], ExitCode::Incomplete).await;
    let late = ["eu-west-1: unprotected 2026-11-21 09:00Z"];
    assert_status(&world, &stopped_too, &late, ExitCode::Failed).await;
    // Started again, it has the time that one made now would have.
    world.sandbox.set_instance_state(&eu(), server.id, InstanceState::Running);
    change(&world, &server, |instance, now| instance.launched_at = Some(now));
    assert_status(&world, &stopped_too, &late, ExitCode::Failed).await;
    let new = format!("eu-west-1: new {}", minute(world.now() + TimeDelta::hours(6)));
    assert_status(&world, DAILY, &[&new], ExitCode::Done).await;
    world.wait(TimeDelta::hours(6));
    assert_status(&world, DAILY, &late, ExitCode::Failed).await;
}

#[tokio::test]
async fn when_clocks_change_nothing_is_late_that_was_made_in_time() {
    let berlin = DAILY.replace(
        "schedule = \"0 3 * * *\"",
        "schedule = \"30 2 * * *\"\ntimezone = \"Europe/Berlin\"",
    );
    // Clocks go on on 29 March at 01:00Z, and back on 25 October.
    for day in ["2026-03-28", "2026-10-24"] {
        let world = World::at(&format!("{day} 00:00:00"));
        world.server(&["gp3"]);
        hourly(&world, &berlin, 8).await;
        for _ in 0..60 {
            world.wait(TimeDelta::hours(1));
            world.cycle(&berlin).await;
            world.wait(TimeDelta::minutes(10));
            assert_status(&world, &berlin, &["eu-west-1: protected"], ExitCode::Done).await;
        }
    }
}

#[tokio::test]
async fn an_unencrypted_point_protects_as_its_encrypted_form_does() {
    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        world.sandbox.add_key(&eu(), "alias/backup", true, true);
        kind.source(&world);
        let encrypt = "encrypt = { kms_key = \"alias/backup\", retire_unencrypted = true }";
        let config = kind.policy(encrypt, "");
        world.cycle(&config).await;
        world.sandbox.fail(Rule::every(kind.call()), Fault::Denied);
        hourly(&world, &config, 6).await;
        assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
        world.sandbox.clear_faults();
        hourly(&world, &config, 4).await;
        assert_status(&world, &config, &["eu-west-1: protected"], ExitCode::Done).await;
    }
}

#[tokio::test]
async fn of_images_made_elsewhere_and_of_points_from_before_only_copies_are_asked_for() {
    let family = |copies: &str| {
        format!(
            "version = 1\n[[policy]]\nname = \"golden\"\nkind = \"images\"\n\
             regions = [\"eu-west-1\"]\ncopy_grace = \"1 day\"\n\
             select = {{ resource = \"image\", name = \"web-*\" }}\n\
             retention = {{ every = \"30 days\" }}\n{copies}"
        )
    };
    let world = World::at("2026-11-20 03:00:00");
    world.made_elsewhere("web-1", t("2026-11-20 02:00:00"), &[]);
    let config = family("[[policy.copy]]\nto = \"us-east-1\"");
    assert_status(&world, &family(""), &[], ExitCode::Done).await;
    let new = ["eu-west-1 to us-east-1: new 2026-11-21 02:00Z"];
    assert_status(&world, &config, &new, ExitCode::Done).await;
    world.wait(TimeDelta::days(1));
    let late = ["eu-west-1 to us-east-1: unprotected 2026-11-21 02:00Z"];
    assert_status(&world, &config, &late, ExitCode::Failed).await;
    hourly(&world, &config, 4).await;
    assert_status(&world, &config, &["eu-west-1 to us-east-1: protected"], ExitCode::Done).await;
    // While nobody knows which families there are, nobody knows whether they have their copies.
    world.sandbox.fail(Rule::every("DescribeImages").in_region(&eu()), Fault::ErrorBefore);
    let (found, code) = status(&world, &config).await;
    assert!(found[0].starts_with("eu-west-1: unknown DescribeImages: "), "{found:?}");
    assert_eq!((status(&world, &family("")).await.0.len(), code), (0, ExitCode::Incomplete));

    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        kind.source(&world);
        settle(&world, &kind.to_us()).await;
        let no_more = kind.policy("create = false", TO_US);
        world.wait(TimeDelta::days(2));
        let good = ["eu-west-1 to us-east-1: protected"];
        assert_status(&world, &no_more, &good, ExitCode::Done).await;
    }
}

#[tokio::test]
async fn a_source_that_is_gone_or_selected_no_more_is_not_listed() {
    for kind in KINDS {
        let world = World::at("2026-11-20 03:00:00");
        let server = kind.source(&world);
        let config = kind.to_us();
        settle(&world, &config).await;
        world.sandbox.remove_instance(&eu(), server.id);
        for volume_id in &server.volumes {
            world.sandbox.remove_volume(&eu(), *volume_id);
        }
        world.wait(TimeDelta::days(5));
        // Nothing else is selected: nobody can say that all is well.
        assert_status(&world, &config, &[], ExitCode::Incomplete).await;
    }
}
