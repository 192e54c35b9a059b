//! The whole way: instance → image → encrypted → two regions → unencrypted original removed →
//! expiry on both sides by their own calendars.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::TimeDelta;
use snapbox::{assert_data_eq, str};
use snapkeep::domain::inventory::Image;
use snapkeep::domain::region::Region;
use snapkeep::domain::tags;

use super::world::{World, eu, us};

const GOLDEN: &str = r#"
version = 1

[regions."eu-west-1"]
kms_key = "alias/backup"
[regions."us-east-1"]
kms_key = "alias/backup"
[regions."ap-northeast-2"]
kms_key = "alias/backup"

[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", states = ["running"] }
retention = { daily = "3 days" }
encrypt = { retire_unencrypted = true }

[[policy.copy]]
to = "us-east-1"
encrypted = true
retention = { daily = "7 days" }

[[policy.copy]]
to = "ap-northeast-2"
encrypted = true
retention = { weekly = "4 weeks" }
"#;

fn ap() -> Region {
    "ap-northeast-2".parse().unwrap()
}

/// The images of a region by slot: which of them are encrypted.
fn images(world: &World, region: &Region) -> BTreeMap<String, Vec<&'static str>> {
    let mut slots: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for image in world.images(region) {
        let slot = image.tags.get(tags::SLOT).unwrap_or("none")[..10].to_owned();
        slots.entry(slot).or_default().push(form(&image));
    }
    slots
}

fn form(image: &Image) -> &'static str {
    match (image.state.name(), image.is_encrypted) {
        ("available", true) => "encrypted",
        ("available", false) => "plain",
        _ => "pending",
    }
}

#[tokio::test]
async fn images_are_encrypted_copied_to_two_regions_and_expire_by_three_calendars() {
    let world = World::at("2026-11-02 03:05:00");
    world.sandbox.add_region(&ap());
    for region in [eu(), us(), ap()] {
        world.sandbox.add_key(&region, "alias/backup", true, true);
    }
    world.server(&["gp3", "gp3"]);

    let mut told = String::new();
    for day in 0..28 {
        // Four looks a day: the image, its encrypted form, its copies, and what can go.
        let mut report = world.cycle(GOLDEN).await;
        let n_made = report.plan.actions.len();
        for _ in 0..4 {
            world.wait(TimeDelta::hours(1));
            report = world.cycle(GOLDEN).await;
        }
        world.assert_nothing_left(GOLDEN, &report).await;
        assert!(report.plan.waiting.is_empty(), "{:#?}", report.plan.waiting);
        let show = |region: &Region| {
            let images = images(&world, region);
            let forms: Vec<String> = images
                .iter()
                .map(|(slot, forms)| format!("{}:{}", &slot[8..], forms.join("+")))
                .collect();
            forms.join(" ")
        };
        if day < 5 || day % 7 == 0 || day == 27 {
            let today = (world.now() - TimeDelta::hours(4)).format("%m-%d");
            writeln!(told, "{today}  {n_made} at first").unwrap();
            for region in [eu(), us(), ap()] {
                writeln!(told, "       {region}: {}", show(&region)).unwrap();
            }
        }
        world.wait(TimeDelta::hours(20));
    }
    assert_data_eq!(
        told,
        str![[r#"
11-02  1 at first
       eu-west-1: 02:encrypted
       us-east-1: 02:encrypted
       ap-northeast-2: 02:encrypted
11-03  1 at first
       eu-west-1: 02:encrypted 03:encrypted
       us-east-1: 02:encrypted 03:encrypted
       ap-northeast-2: 02:encrypted
11-04  1 at first
       eu-west-1: 02:encrypted 03:encrypted 04:encrypted
       us-east-1: 02:encrypted 03:encrypted 04:encrypted
       ap-northeast-2: 02:encrypted
11-05  4 at first
       eu-west-1: 03:encrypted 04:encrypted 05:encrypted
       us-east-1: 02:encrypted 03:encrypted 04:encrypted 05:encrypted
       ap-northeast-2: 02:encrypted
11-06  4 at first
       eu-west-1: 04:encrypted 05:encrypted 06:encrypted
       us-east-1: 02:encrypted 03:encrypted 04:encrypted 05:encrypted 06:encrypted
       ap-northeast-2: 02:encrypted
11-09  7 at first
       eu-west-1: 07:encrypted 08:encrypted 09:encrypted
       us-east-1: 03:encrypted 04:encrypted 05:encrypted 06:encrypted 07:encrypted 08:encrypted 09:encrypted
       ap-northeast-2: 02:encrypted 09:encrypted
11-16  7 at first
       eu-west-1: 14:encrypted 15:encrypted 16:encrypted
       us-east-1: 10:encrypted 11:encrypted 12:encrypted 13:encrypted 14:encrypted 15:encrypted 16:encrypted
       ap-northeast-2: 02:encrypted 09:encrypted 16:encrypted
11-23  7 at first
       eu-west-1: 21:encrypted 22:encrypted 23:encrypted
       us-east-1: 17:encrypted 18:encrypted 19:encrypted 20:encrypted 21:encrypted 22:encrypted 23:encrypted
       ap-northeast-2: 02:encrypted 09:encrypted 16:encrypted 23:encrypted
11-29  7 at first
       eu-west-1: 27:encrypted 28:encrypted 29:encrypted
       us-east-1: 23:encrypted 24:encrypted 25:encrypted 26:encrypted 27:encrypted 28:encrypted 29:encrypted
       ap-northeast-2: 02:encrypted 09:encrypted 16:encrypted 23:encrypted

"#]]
    );
    // An image has two snapshots, and nothing else is left.
    for region in [eu(), us(), ap()] {
        let n_images = world.images(&region).len();
        assert_eq!(world.snapshots(&region).len(), 2 * n_images, "{region}");
        assert!(world.snapshots(&region).iter().all(|snapshot| snapshot.is_encrypted), "{region}");
    }
}
