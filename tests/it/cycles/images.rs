//! Images at each slot: one of each, with its tags, its name and the volumes that are wanted.

use chrono::TimeDelta;
use futures_util::future::join;
use snapkeep::cloud::sandbox::{Fault, Rule};
use snapkeep::domain::ids::ImageId;
use snapkeep::domain::inventory::{Image, ImageState, Instance};
use snapkeep::domain::tags;
use snapkeep::execute::Stop;
use snapkeep::plan::{ExpireReason, Op, Request};
use snapkeep::run::{self, SandboxClock};

use super::world::{IMAGES, Server, World, config, ended, eu, notes, tag, words};

fn change_instance(world: &World, server: &Server, change: impl FnOnce(&mut Instance)) {
    let instances = world.sandbox.inventory().regions.remove(&eu()).unwrap().instances;
    let mut instance = instances.into_iter().find(|i| i.id == server.id).unwrap();
    change(&mut instance);
    world.sandbox.add_instance(&eu(), instance);
}

/// The slots that the region's usable images fill.
fn slots(world: &World) -> Vec<String> {
    let images = world.images(&eu()).into_iter();
    let usable = images.filter(|image| image.state == ImageState::Available);
    usable.map(|image| image.tags.get(tags::SLOT).unwrap_or("none").to_owned()).collect()
}

#[tokio::test]
async fn an_image_is_made_at_each_slot_without_a_reboot_and_tagged_in_the_call() {
    let world = World::new();
    let server = world.server(&["gp3", "gp3"]);
    change_instance(&world, &server, |i| i.tags = [("Team", "a")].into_iter().collect());
    for volume in &server.volumes {
        world.tag_volume(&eu(), *volume, &[("Cost", "7")]);
    }
    for n in 1..=3 {
        let report = world.cycle(IMAGES).await;
        assert_eq!(ended(&report), [("CreateImage", "done")]);
        world.assert_nothing_left(IMAGES, &report).await;
        assert_eq!(world.images(&eu()).len(), n);
        world.wait(TimeDelta::days(1));
    }
    assert_eq!(world.sandbox.n_reboots(server.id), 0);
    assert_eq!(world.sandbox.n_calls("CreateTags"), 0, "tags go with the call");
    assert_eq!(world.snapshots(&eu()).len(), 6);
    let image = &world.images(&eu())[0];
    for key in [tags::OWNER, tags::POLICY, tags::SOURCE, tags::SLOT, tags::MEMBERS] {
        assert!(image.tags.has(key), "{key}");
        assert!(world.snapshots(&eu()).iter().all(|s| s.tags.has(key)), "{key}");
    }
    assert_eq!(image.tags.get("Team"), Some("a"));
    assert!(world.snapshots(&eu()).iter().all(|s| s.tags.get("Cost") == Some("7")));
}

#[tokio::test]
async fn an_instance_reboots_for_its_image_only_where_the_policy_says_so() {
    let config = IMAGES.replace("kind = \"images\"", "kind = \"images\"\nreboot = true");
    let world = World::new();
    let server = world.server(&["gp3"]);
    world.days(&config, 2).await;
    assert_eq!(world.sandbox.n_reboots(server.id), 2);
    world.days(IMAGES, 2).await;
    assert_eq!(world.sandbox.n_reboots(server.id), 2);
}

#[tokio::test]
async fn names_are_accepted_by_ec2_and_unique() {
    let long = "n".repeat(128);
    for name in ["g\u{f6}lden: nightly & more", &long] {
        let config = IMAGES.replace("golden", name);
        let world = World::new();
        world.server(&["gp3"]);
        world.server(&["gp3"]);
        let report = world.cycle(&config).await;
        assert_eq!(words(&report), ["done", "done"]);
        world.assert_nothing_left(&config, &report).await;
    }
}

#[tokio::test]
async fn where_another_image_has_the_name_another_is_taken() {
    let world = World::new();
    world.server(&["gp3"]);
    let plan = world.plan(IMAGES).await;
    let Op::CreateImage(create) = &plan.actions[0].op else { panic!("{:?}", plan.actions) };
    let disabled = Image {
        state: ImageState::Disabled,
        ..Image::plain(world.sandbox.new_image_id(), &create.name)
    };
    world.sandbox.add_image(&eu(), disabled);
    let report = world.cycle(IMAGES).await;
    assert_eq!(ended(&report), [("CreateImage", "done")]);
    world.assert_nothing_left(IMAGES, &report).await;

    // Taken only after the plan: the next cycle takes another.
    let world = World::new();
    world.server(&["gp3"]);
    let plan = world.plan(IMAGES).await;
    let stranger = Image::plain(world.sandbox.new_image_id(), &create.name);
    world.sandbox.add_image(&eu(), stranger);
    let report = world.execute(plan).await;
    assert_eq!(words(&report), ["failed"]);
    let report = world.cycle(IMAGES).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn an_image_that_another_runner_made_since_the_plan_is_found_by_its_name() {
    let other = Fault::Refused { code: "InvalidParameterValue", message: "no" };
    for (fault, word) in [(None, "found"), (Some(other), "failed")] {
        let world = World::new();
        world.server(&["gp3"]);
        let plan = world.plan(IMAGES).await;
        world.cycle(IMAGES).await;
        world.wait(TimeDelta::minutes(30));
        if let Some(fault) = fault {
            world.sandbox.fail(Rule::next("CreateImage"), fault);
        }
        let report = world.execute(plan).await;
        assert_eq!(words(&report), [word]);
        let [image] = &world.images(&eu())[..] else { panic!("{:?}", world.images(&eu())) };
        let found = if word == "found" { vec![image.id.into()] } else { Vec::new() };
        assert_eq!(report.outcomes[0].made(), found);
    }
}

#[tokio::test]
async fn volumes_that_the_policy_leaves_out_are_not_in_the_image() {
    let config = format!("{IMAGES}volumes = {{ exclude_tags = {{ Scratch = \"*\" }} }}\n");
    let world = World::new();
    let server = world.server(&["gp3", "gp3", "gp3"]);
    world.tag_volume(&eu(), server.volumes[1], &[("Scratch", "")]);
    let report = world.cycle(&config).await;
    assert_eq!(words(&report), ["done"]);
    world.assert_nothing_left(&config, &report).await;
    let snapshots = world.snapshots(&eu());
    let mut of: Vec<_> = snapshots.iter().filter_map(|s| s.volume_id).collect();
    of.sort();
    let mut wanted = vec![server.volumes[0], server.volumes[2]];
    wanted.sort();
    assert_eq!(of, wanted);
    assert!(snapshots.iter().all(|s| tag(s, "members") == Some("2")));
}

#[tokio::test]
async fn what_ec2_makes_no_image_of_is_left_out_with_a_reason_and_stops_no_other() {
    let config = format!("{IMAGES}volumes = {{ exclude_tags = {{ Scratch = \"*\" }} }}\n");
    let world = World::new();
    let store = world.server(&["gp3"]);
    change_instance(&world, &store, |i| i.is_instance_store = true);
    let rootless = world.server(&["gp3", "gp3"]);
    world.tag_volume(&eu(), rootless.volumes[0], &[("Scratch", "")]);
    world.server(&["gp3"]);
    let report = world.cycle(&config).await;
    assert_eq!(ended(&report), [("CreateImage", "done")]);
    let told = notes(&report.plan);
    for (id, why) in [(store.id, "instance store"), (rootless.id, "root volume")] {
        let line = told.lines().find(|line| line.contains(&id.to_string()));
        assert!(line.is_some_and(|line| line.contains(why)), "{told}");
    }
    world.assert_nothing_left(&config, &report).await;
}

#[tokio::test]
async fn whatever_becomes_of_the_call_a_slot_has_one_image_in_the_end() {
    let duplicate = Fault::Refused { code: "InvalidAMIName.Duplicate", message: "in use" };
    let busy = Fault::Refused { code: "IncorrectState", message: "not now" };
    let faults = [
        (Fault::LostReply, "found"),
        (Fault::ErrorBefore, "failed"),
        (Fault::Throttled, "done"),
        (Fault::Denied, "failed"),
        (Fault::Slow(TimeDelta::minutes(3)), "done"),
        (duplicate, "failed"),
        (busy, "waiting"),
    ];
    for (fault, word) in faults {
        for invisible in [0, 40] {
            let world = World::new();
            world.server(&["gp3", "st1"]);
            world.sandbox.set(|s| s.invisible_for = TimeDelta::seconds(invisible));
            world.sandbox.fail(Rule::next("CreateImage"), fault.clone());
            let report = world.cycle(IMAGES).await;
            assert_eq!(words(&report), [word], "{fault:?}");
            for _ in 0..3 {
                world.wait(TimeDelta::minutes(10));
                world.cycle(IMAGES).await;
            }
            let report = world.cycle(IMAGES).await;
            world.assert_nothing_left(IMAGES, &report).await;
            assert_eq!(slots(&world), ["2026-11-20T03:00:00Z"], "{fault:?}");
            assert_eq!(world.snapshots(&eu()).len(), 2, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_image_is_tried_again_by_the_attempts_rule_and_cleaned_up() {
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["gp3", "gp3"]);
    world.sandbox.fail(Rule::every("CreateImage").times(2), Fault::SnapshotsFail);
    let mut made_at = Vec::new();
    for quarter in 0..4 * 24 {
        let report = world.cycle(IMAGES).await;
        if report.plan.actions.iter().any(|a| a.as_creation().is_some()) {
            made_at.push(quarter);
        }
        world.assert_nothing_left(IMAGES, &report).await;
        world.wait(TimeDelta::minutes(15));
    }
    assert_eq!(made_at, [0, 4, 12], "after one hour, and two more");
    assert_eq!(slots(&world), ["2026-11-20T03:00:00Z"]);
    let image = world.images(&eu()).into_iter().find(|i| i.state == ImageState::Available).unwrap();
    assert_eq!(image.tags.get("snapkeep:attempt"), Some("3"));
    // The failed ones and their snapshots go 24 hours after their start.
    for _ in 0..8 {
        let report = world.cycle(IMAGES).await;
        world.assert_nothing_left(IMAGES, &report).await;
        world.wait(TimeDelta::hours(1));
    }
    assert!(world.images(&eu()).iter().all(|i| i.state == ImageState::Available));
    let n_images = world.images(&eu()).len();
    assert_eq!((n_images, world.snapshots(&eu()).len()), (2, 4));
}

#[tokio::test]
async fn an_image_that_always_fails_is_given_up_with_a_note_and_the_next_slot_tries_again() {
    let weekly = IMAGES.replace("0 3 * * *", "0 3 * * 5");
    let world = World::at("2026-11-20 03:00:00");
    world.server(&["gp3"]);
    world.sandbox.fail(Rule::every("CreateImage").times(5), Fault::SnapshotsFail);
    for _ in 0..48 {
        world.cycle(&weekly).await;
        world.wait(TimeDelta::hours(1));
    }
    assert_eq!(world.sandbox.n_calls("CreateImage"), 5);
    let report = world.cycle(&weekly).await;
    assert!(notes(&report.plan).contains("5 attempts failed"), "{}", notes(&report.plan));
    world.wait_until("2026-11-27 03:00:00");
    world.cycle(&weekly).await;
    world.wait(TimeDelta::days(2));
    let report = world.cycle(&weekly).await;
    world.assert_nothing_left(&weekly, &report).await;
    assert_eq!(slots(&world), ["2026-11-27T03:00:00Z"]);
    assert_eq!((world.images(&eu()).len(), world.snapshots(&eu()).len()), (1, 1));
}

/// Registers a second image of the slot of `first`, as another runner would have made it.
fn twin(world: &World, first: ImageId, later: TimeDelta) -> ImageId {
    let image = world.find_image(&eu(), first).unwrap();
    let id = world.sandbox.new_image_id();
    let mut snapshot_ids = Vec::new();
    for snapshot_id in &image.snapshot_ids {
        let snapshot = world.find(&eu(), *snapshot_id).unwrap();
        let description = snapshot.description.replace(&first.to_string(), &id.to_string());
        let (twin_id, description) = (world.sandbox.new_snapshot_id(), description.into());
        let started_at = snapshot.started_at + later;
        let twin = snapkeep::domain::inventory::Snapshot {
            id: twin_id,
            description,
            started_at,
            ..snapshot
        };
        world.sandbox.add_snapshot(&eu(), twin);
        snapshot_ids.push(twin_id);
    }
    let created_at = image.created_at.map(|at| at + later);
    let name = format!("{} 2", image.name).into();
    world.sandbox.add_image(&eu(), Image { id, name, snapshot_ids, created_at, ..image });
    id
}

#[tokio::test]
async fn of_two_images_of_a_slot_the_later_goes_once_the_earlier_is_complete() {
    let world = World::new();
    world.server(&["gp3", "gp3"]);
    world.cycle(IMAGES).await;
    world.wait(TimeDelta::minutes(5));
    let first = world.images(&eu())[0].id;
    let second = twin(&world, first, TimeDelta::seconds(40));
    // While the first is pending, either may be the one that stays.
    world.sandbox.change_image(&eu(), first, |image| image.state = ImageState::Transient);
    let report = world.cycle(IMAGES).await;
    assert!(report.plan.actions.is_empty(), "{:?}", ended(&report));
    world.sandbox.change_image(&eu(), first, |image| image.state = ImageState::Available);
    let report = world.cycle(IMAGES).await;
    assert_eq!(
        ended(&report),
        [("DeregisterImage", "done"), ("DeleteSnapshot", "done"), ("DeleteSnapshot", "done")]
    );
    let deletes = report.plan.actions.iter().filter_map(|a| a.as_delete());
    assert!(deletes.into_iter().all(|delete| delete.reason == ExpireReason::Surplus));
    assert!(world.find_image(&eu(), first).is_some() && world.find_image(&eu(), second).is_none());
    assert_eq!(world.snapshots(&eu()).len(), 2);
    world.assert_nothing_left(IMAGES, &report).await;
}

#[tokio::test]
async fn two_runners_at_once_end_with_one_image_of_each_slot() {
    for seed in 0..8_i32 {
        let world = World::new();
        world.server(&["gp3", "gp3"]);
        world.server(&["gp3"]);
        world.days(IMAGES, 4).await;
        let latency = TimeDelta::milliseconds(37 << seed);
        world.sandbox.set(|settings| {
            settings.latency = latency;
            settings.invisible_for = TimeDelta::seconds(i64::from(seed % 3) * 20);
        });
        let config = config(IMAGES);
        let clock = SandboxClock(world.sandbox.time().clone());
        let (_sender, stop) = Stop::new();
        let run_after = async |pause: TimeDelta| {
            world.sandbox.time().sleep_until(world.now() + pause).await;
            let request = Request::at(world.now());
            run::run(&world.sandbox, &clock, &config, &request, &stop, &()).await
        };
        let both = join(run_after(TimeDelta::zero()), run_after(latency * (seed % 5) / 3));
        world.sandbox.time().drive(both).await;
        for _ in 0..4 {
            world.wait(TimeDelta::minutes(10));
            world.cycle(IMAGES).await;
        }
        let report = world.cycle(IMAGES).await;
        world.assert_nothing_left(IMAGES, &report).await;
        let mut slots = slots(&world);
        slots.dedup();
        assert_eq!((slots.len(), world.images(&eu()).len()), (3, 6), "{seed}: {slots:?}");
        assert_eq!(world.snapshots(&eu()).len(), 9, "{seed}");
    }
}
