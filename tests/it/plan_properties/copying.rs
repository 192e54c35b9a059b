//! What holds for plans of images, copies and encrypted forms over three regions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use snapkeep::config::{Config, CopyRule, Tier, TierRule, Window};
use snapkeep::domain::failure::Failure;
use snapkeep::domain::ids::RegionalId;
use snapkeep::domain::inventory::{Gap, ImageState, Inventory, Listing, SnapshotState};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags;
use snapkeep::plan::{ExpireReason, Plan, Severity};

use super::account::{Account, any_seeds, config, regions, start};
use super::cases;
use super::facts::Facts;

/// After so many rounds, in each of which everything pending completes, nothing is left to do.
pub(super) const ROUNDS_MAX: usize = 8;

pub(super) fn deleted(plan: &Plan) -> BTreeSet<RegionalId> {
    let deletes = plan.actions.iter().filter_map(|a| Some((a.region, a.as_delete()?.resource)));
    deletes.map(|(region, id)| RegionalId { region, id }).collect()
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(snapkeep::plan::Action::id).collect()
}

/// Returns every promise that `plan` breaks, as far as it can be told without the planner.
pub(super) fn broken(
    account: &Account,
    config: &Config,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut broken: Vec<String> = plan
        .notes
        .iter()
        .filter(|note| note.severity == Severity::Fatal)
        .map(|note| format!("fatal: {}", note.message))
        .collect();
    let deleted = deleted(plan);
    for id in &deleted {
        if let Some(why) = account.untouchable.get(id) {
            broken.push(format!("{id} {why} and would go"));
        }
    }
    broken.extend(Facts::of(account, config).lost(account, config, &deleted, now));
    broken.extend(copied_away(&account.inventory, plan, &deleted));
    broken.extend(over_the_limit(&account.inventory, plan));
    broken.extend(over_a_gap(&account.inventory, config, plan));
    broken
}

/// What is being copied, or is to be, stays.
fn copied_away(inventory: &Inventory, plan: &Plan, deleted: &BTreeSet<RegionalId>) -> Vec<String> {
    let planned = plan.actions.iter().filter_map(|action| Some(action.as_copy()?.parent));
    let parents: BTreeSet<RegionalId> = planned.chain(being_copied(inventory)).collect();
    let lost = parents.intersection(deleted);
    lost.map(|id| format!("{id} is being copied and would go")).collect()
}

fn being_copied(inventory: &Inventory) -> BTreeSet<RegionalId> {
    let mut parents = BTreeSet::new();
    for observed in inventory.regions.values() {
        let snapshots = observed.snapshots.iter();
        let snapshots = snapshots.filter(|s| s.state == SnapshotState::Pending).map(|s| &s.tags);
        let images = observed.images.iter().filter(|i| i.state.name() == "pending");
        let tags = snapshots.chain(images.map(|image| &image.tags));
        parents.extend(tags.filter_map(|tags| RegionalId::parse(tags.get(tags::COPY_OF)?)));
    }
    parents
}

/// Returns what a plan made of a part of `account` deletes, and the one made of all of it does not.
fn more_than(account: &Account, part: &Plan, full: &Plan) -> Vec<RegionalId> {
    // A copy that nobody sees keeps nothing; what is owed a copy is kept for that.
    if !being_copied(&account.inventory).is_empty() {
        return vec![];
    }
    deleted(part).difference(&deleted(full)).copied().collect()
}

/// EC2 runs 20 copies into a region; each snapshot of an image is one.
fn over_the_limit(inventory: &Inventory, plan: &Plan) -> Vec<String> {
    let mut begun: BTreeMap<Region, Vec<usize>> = BTreeMap::new();
    for action in &plan.actions {
        let Some(copy) = action.as_copy() else { continue };
        let images = &inventory.regions[&copy.parent.region].images;
        let image = images.iter().find(|image| Some(image.id) == copy.parent.id.image());
        let n = image.map_or(1, |image| image.snapshot_ids.len());
        begun.entry(action.region).or_default().push(n);
    }
    let is_over = |(region, copies): &(Region, Vec<usize>)| {
        let snapshots = inventory.regions[region].snapshots.iter();
        let pending = snapshots.filter(|s| s.state == SnapshotState::Pending);
        let n_running = pending.filter(|s| s.tags.has(tags::COPY_OF)).count();
        20 < n_running + copies.iter().sum::<usize>() && (0 < n_running || 1 < copies.len())
    };
    let over = begun.into_iter().filter(is_over);
    over.map(|(region, copies)| format!("{copies:?} copies into {region}")).collect()
}

/// Nothing is made or deleted in a region with a gap, nor what has copies there.
fn over_a_gap(inventory: &Inventory, config: &Config, plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    for (region, observed) in &inventory.regions {
        if !observed.has_gap(Listing::Snapshots) && !observed.has_gap(Listing::Images) {
            continue;
        }
        for action in plan.actions.iter().filter(|action| action.region == *region) {
            let changes = action.as_creation().is_none() && action.as_copy().is_none();
            if !changes || action.as_delete().is_some() {
                broken.push(format!("{} although {region} has a gap", action.id()));
            }
        }
        for action in &plan.actions {
            let policy = config.policies.iter().find(|policy| policy.name == action.policy);
            let copies = &policy.unwrap().in_region(&action.region).copies;
            let Some(delete) = action.as_delete() else { continue };
            // The rule that is easily told: everything so new is to be there.
            let is_owed = |rule: &CopyRule| {
                let is_new = |tier: &TierRule| match tier.window {
                    Window::For(span) => plan.now < span.end(delete.point_time, chrono_tz::UTC),
                    Window::Count(_) => false,
                };
                let every = |tier: &&TierRule| tier.tier == Tier::Every;
                rule.to == *region && rule.retention.tiers.iter().filter(every).any(is_new)
            };
            let images = &inventory.regions[&action.region].images;
            let is_selected = images.iter().any(|image| {
                delete.resource == image.id.into()
                    && image.name.starts_with("base")
                    && image.state == ImageState::Available
            });
            let is_surplus = delete.reason == ExpireReason::Surplus;
            if is_selected && !is_surplus && copies.iter().any(is_owed) {
                broken.push(format!("{} although {region} has a gap", action.id()));
            }
        }
    }
    broken
}

pub(super) fn with_gap(
    account: &Account,
    region: Region,
    listing: Listing,
    n_seen: usize,
) -> Account {
    let mut account = account.clone();
    let observed = account.region(region);
    observed.gaps.push(Gap { listing, error: Failure::lasting("cut off") });
    match listing {
        Listing::Images => observed.images.truncate(n_seen),
        _ => observed.snapshots.truncate(n_seen),
    }
    account
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn the_order_of_listings_does_not_matter_in_any_region(
        seeds in any_seeds(25), turns in prop::array::uniform3(any::<prop::sample::Index>()),
    ) {
        let account = Account::new(&seeds, true);
        let mut turned = account.clone();
        for (region, turn) in regions().into_iter().zip(turns) {
            let observed = turned.region(region);
            let (n_snapshots, n_images) = (observed.snapshots.len(), observed.images.len());
            observed.snapshots.reverse();
            observed.images.reverse();
            observed.snapshots.rotate_left(turn.index(n_snapshots.max(1)) % n_snapshots.max(1));
            observed.images.rotate_left(turn.index(n_images.max(1)) % n_images.max(1));
            observed.instances.reverse();
            observed.volumes.reverse();
        }
        let text = |account: &Account| format!("{:#?}", account.plan(&config(), start()));
        let (straight, again, turned) = (text(&account), text(&account), text(&turned));
        prop_assert!(straight == again);
        let differs = straight.lines().zip(turned.lines()).find(|(a, b)| a != b);
        prop_assert!(straight == turned, "{differs:?}");
    }

    #[test]
    fn no_promise_is_broken_while_plans_are_carried_out(
        seeds in any_seeds(25), has_sources in any::<bool>(),
    ) {
        let (config, now) = (config(), start());
        let mut account = Account::new(&seeds, has_sources);
        let mut told = Vec::new();
        for round in 0..=ROUNDS_MAX {
            let plan = account.plan(&config, now);
            let broken = broken(&account, &config, &plan, now);
            prop_assert!(broken.is_empty(), "round {round}: {broken:#?} {:#?}", ids(&plan));
            prop_assert!(
                round < ROUNDS_MAX || plan.actions.is_empty(),
                "{:#?} after {told:#?}", ids(&plan)
            );
            told.push(ids(&plan));
            account.carry_out(&plan.actions, now);
            // What was begun is known at once, and begun once.
            let again = account.plan(&config, now);
            let begun: BTreeSet<String> = ids(&plan).into_iter().collect();
            let twice: Vec<_> = ids(&again).into_iter().filter(|id| begun.contains(id)).collect();
            prop_assert!(twice.is_empty(), "round {round}: {twice:#?}");
            account.settle(None);
        }
    }

    #[test]
    fn a_gap_in_any_region_deletes_nothing_that_a_full_view_keeps(
        seeds in any_seeds(25), which in 0_usize..3, n_seen in 0_usize..40,
        is_settled in any::<bool>(),
    ) {
        let (config, now) = (config(), start());
        let mut account = Account::new(&seeds, true);
        if is_settled {
            account.settle(None);
        }
        let full = account.plan(&config, now);
        for listing in [Listing::Snapshots, Listing::Images] {
            let account = with_gap(&account, regions()[which], listing, n_seen);
            let plan = account.plan(&config, now);
            let broken = broken(&account, &config, &plan, now);
            prop_assert!(broken.is_empty(), "{broken:#?}");
            let more = more_than(&account, &plan, &full);
            prop_assert!(more.is_empty(), "{more:?}");
        }
        let mut unseen = account.clone();
        unseen.inventory.regions.remove(&regions()[2]);
        let more = more_than(&account, &unseen.plan(&config, now), &full);
        prop_assert!(more.is_empty(), "{more:?}");
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn no_promise_is_broken_over_weeks_of_bad_luck(
        seeds in any_seeds(12),
        days in prop::collection::vec((0_i64..40, 2_usize..6, 0_usize..8, any::<bool>()), 12),
    ) {
        let (config, mut now) = (config(), start());
        let mut account = Account::new(&seeds, true);
        for (hours, one_in, gap, completes) in days {
            let seen = match regions().get(gap) {
                Some(region) => with_gap(&account, *region, Listing::Snapshots, usize::MAX),
                None => account.clone(),
            };
            let plan = seen.plan(&config, now);
            let broken = broken(&seen, &config, &plan, now);
            prop_assert!(broken.is_empty(), "{now}: {broken:#?} {:#?}", ids(&plan));
            let full = account.plan(&config, now);
            let more = more_than(&account, &plan, &full);
            prop_assert!(more.is_empty(), "{now}: {more:?} {:#?} {:#?}", plan.actions, full.actions);
            account.carry_out(&plan.actions, now);
            if completes {
                account.settle((one_in < 5).then_some(one_in));
            }
            now += TimeDelta::hours(hours);
        }
    }
}
