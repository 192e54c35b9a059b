//! What properties have found, each as small as it gets.

use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::inventory::{ImageState, Listing};
use snapkeep::plan::Plan;

use super::account::{Account, CopySeed, Seed, config, regions, start};
use super::copying::{ROUNDS_MAX, broken, deleted, with_gap};

/// An image of ours, of the policy `golden`.
const GOLDEN: usize = 2;
/// An image of the family `web`, made by others.
const WEB: usize = 5;
/// A set of ours, of the policy `servers`.
const SET: usize = 0;
/// A snapshot that others made of one of its volumes.
const OLD: usize = 8;

fn seed(kind: usize, days: i64, wrong: u8) -> Seed {
    Seed { kind, days, state: 9, mark: 20, wrong, attempt: 1, ..Seed::default() }
}

/// The encrypted form of an original.
fn form() -> CopySeed {
    CopySeed { to: 0, state: 9, mark: 20, wrong: 6, attempt: 1, ..CopySeed::default() }
}

fn plan(account: &Account) -> Plan {
    account.plan(&config(), start())
}

/// Carries out plan after plan until nothing is left to do; no promise may be broken.
fn follow(mut account: Account) -> Account {
    for round in 0..ROUNDS_MAX {
        let plan = plan(&account);
        let broken = broken(&account, &config(), &plan, start());
        assert!(broken.is_empty(), "round {round}: {broken:#?}");
        account.carry_out(&plan.actions, start());
        account.settle(None);
    }
    assert!(plan(&account).actions.is_empty());
    account
}

#[test]
fn what_another_policy_keeps_is_not_retired() {
    // `base` and `sweep` adopt it, and only `base` makes encrypted forms.
    let account = follow(Account::new(&[seed(WEB, 0, 8)], true));
    let images = &account.inventory.regions[&regions()[0]].images;
    let plain = images.iter().filter(|image| !image.is_encrypted && image.name.starts_with("base"));
    assert_eq!(plain.count(), 1);
    let notes = plan(&account).notes;
    let expected = "another policy keeps it: it stays";
    assert!(notes.iter().any(|note| note.message.contains(expected)), "{notes:#?}");
}

#[test]
fn a_family_of_originals_and_encrypted_forms_raises_no_false_alarm() {
    let alone = |days| Seed { is_gone: true, copies: vec![form()], ..seed(WEB, days, 6) };
    let newer = [seed(WEB, 0, 7), seed(WEB, 1, 8)];
    follow(Account::new(&[&[alone(60), alone(61)][..], &newer].concat(), true));
}

#[test]
fn two_originals_of_one_slot_may_each_have_a_form() {
    let disabled = CopySeed { state: 2, ..form() };
    let first = Seed { copies: vec![disabled], ..seed(GOLDEN, 12, 10) };
    let mut account = Account::new(&[first, seed(GOLDEN, 12, 10)], true);
    // EC2 copies nothing that is disabled; somebody disabled it later.
    account.region(regions()[0]).images[0].state = ImageState::Disabled;
    follow(account);
}

#[test]
fn an_encrypted_form_covers_an_adopted_volume() {
    let covering =
        Seed { is_gone: true, copies: vec![CopySeed { member: 5, ..form() }], ..seed(SET, 0, 10) };
    follow(Account::new(&[seed(OLD, 8, 10), covering], true));
}

#[test]
fn a_pending_encrypted_form_stays_though_its_original_is_no_complete_point() {
    let pending = CopySeed { state: 0, ..form() };
    let old = Seed { copies: vec![pending], ..seed(WEB, 90, 21) };
    let mut account = Account::new(&[old, seed(WEB, 1, 10)], true);
    account.region(regions()[0]).images[0].state = ImageState::Disabled;
    let broken = broken(&account, &config(), &plan(&account), start());
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_strangers_copy_stays_too() {
    // Another installation's copy into a region that no rule of ours names.
    let strange = CopySeed { to: 2, state: 0, wrong: 0, ..form() };
    let expired = Seed { copies: vec![strange], ..seed(WEB, 90, 10) };
    let newer = [seed(WEB, 0, 10), seed(WEB, 9, 10)];
    let mut account = Account::new(&[&[expired][..], &newer].concat(), true);
    let old = account.region(regions()[0]).images[0].id;
    let id = RegionalId { region: regions()[0], id: old.into() };
    assert!(!deleted(&plan(&account)).contains(&id));
    // Once the copy is made, nothing stands in the way any more.
    account.settle(None);
    let account = follow(account);
    assert!(account.inventory.regions[&regions()[0]].images.iter().all(|image| image.id != old));
}

#[test]
fn failed_copies_are_remembered_while_their_originals_cannot_be_seen() {
    let failed = CopySeed { to: 2, hours: 5, state: 1, ..form() };
    let account = Account::new(&[Seed { copies: vec![failed], ..seed(GOLDEN, 2, 10) }], true);
    let there = &account.inventory.regions[&regions()[1]].images;
    let id = RegionalId { region: regions()[1], id: ResourceId::from(there[0].id) };
    assert!(!deleted(&plan(&account)).contains(&id));
    let unseen = with_gap(&account, regions()[0], Listing::Images, 0);
    assert!(!deleted(&plan(&unseen)).contains(&id));
}
