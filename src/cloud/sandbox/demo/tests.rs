use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use super::{Sandbox, latest_slot};
use crate::domain::inventory::{
    Image, ImageState, Inventory, RegionInventory, Snapshot, SnapshotState,
};
use crate::domain::region::Region;
use crate::domain::tags;

/// Those that the shipped configuration is about.
const REGIONS: [&str; 3] = ["ap-northeast-2", "eu-west-1", "us-east-1"];

fn demo(now: &str) -> (DateTime<Utc>, Inventory) {
    let now = now.parse().unwrap();
    (now, Sandbox::demo(now).inventory())
}

fn snapshots(inventory: &Inventory) -> impl Iterator<Item = &Snapshot> {
    regions(inventory).flat_map(|region| &region.snapshots)
}

/// Returns the regions that the shipped configuration is about.
fn regions(inventory: &Inventory) -> impl Iterator<Item = &RegionInventory> + Clone {
    REGIONS.iter().map(|name| &inventory.regions[&name.parse::<Region>().unwrap()])
}

#[test]
fn the_same_now_gives_the_same_account() {
    let (_, one) = demo("2026-11-20T09:30:00Z");
    let (_, other) = demo("2026-11-20T09:30:00Z");
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    assert!((200..600).contains(&snapshots(&one).count()), "{}", snapshots(&one).count());
}

#[test]
fn the_latest_slot_is_left_to_make() {
    for (now, expected) in [
        ("2026-11-20T09:30:00Z", "2026-11-20T03:00:00Z"),
        ("2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z"),
        ("2026-11-20T02:59:59Z", "2026-11-19T03:00:00Z"),
    ] {
        let (now, inventory) = demo(now);
        let expected: DateTime<Utc> = expected.parse().unwrap();
        assert_eq!(latest_slot(now), expected);
        let slots = snapshots(&inventory).filter(|s| s.tags.has(tags::SLOT));
        let slots = slots.filter(|s| s.state == SnapshotState::Completed);
        let newest = slots.map(|s| s.tags.get(tags::SLOT).unwrap()).max().unwrap();
        assert_eq!(newest.parse::<DateTime<Utc>>().unwrap(), expected - TimeDelta::days(1));
    }
}

#[test]
fn the_account_is_sound_on_every_day_of_the_year() {
    let mut now: DateTime<Utc> = "2026-01-01T02:59:00Z".parse().unwrap();
    for _ in 0..400 {
        let inventory = Sandbox::demo(now).inventory();
        assert!(snapshots(&inventory).all(|s| s.started_at <= now), "{now}");
        let mut points = BTreeMap::new();
        for s in snapshots(&inventory).filter(|s| s.state == SnapshotState::Completed) {
            if let Some(slot) = s.tags.get(tags::SLOT) {
                let n = points.entry((slot, s.volume_id)).or_insert(0);
                *n += 1;
                assert_eq!(*n, 1, "made twice on {now}: {slot}");
            }
        }
        let regions = regions(&inventory);
        assert_eq!(regions.clone().map(|r| r.images.len()).sum::<usize>(), 1, "{now}");
        assert_eq!(regions.map(|r| r.locked.len()).sum::<usize>(), 1, "{now}");
        now += TimeDelta::days(1) + TimeDelta::minutes(3);
    }
}

#[test]
fn one_first_of_a_month_was_missed() {
    let (_, inventory) = demo("2026-11-20T09:30:00Z");
    let days: BTreeSet<_> = snapshots(&inventory)
        .filter(|s| s.tags.get("Name") == Some("web"))
        .map(|s| s.started_at.date_naive())
        .filter(|day| day.day() <= 2)
        .map(|day| day.to_string())
        .collect();
    assert!(days.contains("2026-07-02") && !days.contains("2026-07-01"), "{days:?}");
    assert!(days.contains("2025-11-01") && days.contains("2026-06-01"), "{days:?}");
}

#[test]
fn every_oddity_is_there() {
    let (_, inventory) = demo("2026-11-20T09:30:00Z");
    let n = |is: &dyn Fn(&Snapshot) -> bool| snapshots(&inventory).filter(|s| is(s)).count();
    assert_eq!(n(&|s| s.state == SnapshotState::Pending), 1);
    assert_eq!(n(&|s| s.state == SnapshotState::Error), 1);
    assert_eq!(n(&|s| s.tags.has(tags::HOLD)), 1);
    assert_eq!(n(&|s| s.tags.has("aws:backup:source-resource")), 1);
    assert_eq!(n(&|s| s.tags.has("aws:dlm:managed")), 1);
    assert_eq!(n(&|s| s.tags.get("CreatedBy") == Some("old-script")), 6);
    assert_eq!(n(&|s| s.volume_id.unwrap().is_placeholder()), 1);
    assert_eq!(n(&|s| s.tags.get("Name") == Some("gone")), 5);
    assert_eq!(n(&|s| s.tags.get(tags::MEMBERS) == Some("3")) % 3, 0);
    let regions = regions(&inventory);
    assert_eq!(regions.clone().map(|r| r.images.len()).sum::<usize>(), 1);
    assert_eq!(regions.map(|r| r.locked.len()).sum::<usize>(), 1);
}

#[test]
fn the_second_region_is_a_copy_of_the_first_but_for_what_is_to_be_shown() {
    let mut now: DateTime<Utc> = "2026-01-01T02:59:00Z".parse().unwrap();
    for _ in 0..40 {
        let sandbox = Sandbox::demo(now);
        let inventory = sandbox.inventory();
        let [home, away] = ["eu-west-2", "eu-west-3"].map(|name| name.parse::<Region>().unwrap());
        let [at_home, abroad] = [&inventory.regions[&home], &inventory.regions[&away]];
        let n = |region: &RegionInventory, is: &dyn Fn(&Image) -> bool| {
            region.images.iter().filter(|image| is(image)).count()
        };
        let of = |policy: &'static str| move |i: &Image| i.tags.get(tags::POLICY) == Some(policy);
        // The originals of yesterday and of the new server's two days.
        assert_eq!(n(at_home, &|i| of("shop")(i) && !i.is_encrypted), 3, "{now}");
        assert_eq!(n(at_home, &|i| i.tags.get("Builder") == Some("packer")), 5, "{now}");
        assert_eq!(n(abroad, &|i| of("golden")(i)), 1, "{now}");
        let pending = |i: &Image| i.state == ImageState::Pending;
        assert_eq!(n(abroad, &|i| of("shop")(i) && pending(i)), 1, "{now}");
        assert!(abroad.images.iter().all(|i| i.is_encrypted || pending(i)), "{now}");
        assert!(23 <= n(abroad, &of("shop")), "{now}");
        assert_eq!(abroad.snapshots.iter().filter(|s| s.tags.has(tags::VOLUME)).count() % 2, 0);
        assert!(abroad.snapshots.iter().all(|s| s.is_encrypted && s.kms_key_id.is_some()));
        assert!(at_home.snapshots.iter().all(|s| s.started_at <= now), "{now}");
        // Of each volume only the first copy moved everything.
        let full =
            abroad.snapshots.iter().filter(|s| sandbox.is_full_copy(&away, s.id) == Some(true));
        assert!(full.count() <= 7, "{now}");
        now += TimeDelta::days(9) + TimeDelta::minutes(3);
    }
}
