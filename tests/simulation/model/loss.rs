//! What would be lost: points that every reading of the policies keeps, and the last thing from
//! which a copy that is still wanted could be made.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use snapkeep::config::Config;
use snapkeep::domain::region::Region;

use super::claim::{Key, rules};
use super::copying::Route;
use super::lineage::{Lineage, Lineages};
use super::point::{Form, Point};
use super::retention::{Side, Status, Why, is_keep_last_lapsed};
use super::thing::Life;
use super::{Gone, Truth, adoption, since};

/// Returns what is lost that the policies want restorable if all of `gone` goes now, by the clock
/// of whoever deletes it; `all` are the lineages of the account.
pub(crate) fn losses(
    truth: &Truth<'_>,
    config: &Config,
    gone: &Gone,
    all: &Lineages<'_>,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut res = adoption::losses(truth, config, gone, now);
    let touched = |l: &&Lineage<'_>| l.points.iter().any(|point| point.touches(gone));
    for lineage in all.values().filter(touched) {
        let routes = routes(config, lineage, all, now);
        let missing: Vec<BTreeSet<Key>> = routes.iter().map(wanted).collect();
        of_lineage(truth, config, lineage, &missing, gone, now, &mut res);
        for (route, missing) in routes.iter().zip(&missing) {
            of_route(config, route, missing, gone, &mut res);
        }
    }
    since::losses(config, gone, all, now, &mut res);
    res
}

/// Returns the ways that copies of a lineage go: none from where copies are.
pub(super) fn routes<'r, 't>(
    config: &'r Config,
    home: &'r Lineage<'t>,
    all: &'r Lineages<'t>,
    now: DateTime<Utc>,
) -> Vec<Route<'r, 't>> {
    if !home.is_home() {
        return Vec::new();
    }
    let here = rules(config, home.policy, home.place).here;
    let there = |to| all.get(&(home.policy, home.source, to));
    let rules = here.copies.iter().filter(|rule| rule.to != home.place);
    rules
        .map(|rule| {
            let first_of_rule = first_of_rule(home.policy, rule.to, all);
            Route { here, rule, home, there: there(rule.to), first_of_rule, now }
        })
        .collect()
}

fn first_of_rule(policy: usize, to: Region, all: &Lineages<'_>) -> Option<DateTime<Utc>> {
    let copies = all.values().filter(|l| l.policy == policy && l.place == to && !l.is_home());
    let points = copies.flat_map(|copies| &copies.points);
    points.filter(|p| p.status != Status::Failed).map(|point| point.times.0).min()
}

/// Returns the points that have to wait for their copies.
pub(super) fn wanted(route: &Route<'_, '_>) -> BTreeSet<Key> {
    let mut missing = route.missing(Side::Required);
    missing.retain(|key| {
        let point = route.home.point(*key);
        point.is_some_and(|point| !route.is_given_up(point.times.0))
    });
    missing
}

fn of_lineage(
    truth: &Truth<'_>,
    config: &Config,
    lineage: &Lineage<'_>,
    missing: &[BTreeSet<Key>],
    gone: &Gone,
    now: DateTime<Utc>,
    res: &mut Vec<String>,
) {
    let Some(rule) = lineage.rule(truth, config, now) else { return };
    let encrypt = rules(config, lineage.policy, lineage.source.region).here.encrypt.as_ref();
    let may_retire = lineage.is_home() && encrypt.is_some_and(|encrypt| encrypt.retire_unencrypted);
    let kept = lineage.kept(&rule, Side::Required);
    for (point, why) in lineage.points.iter().zip(kept) {
        let Some(why) = why.filter(|_| point.touches(gone)) else { continue };
        let may_retire = may_retire && !missing.iter().any(|keys| keys.contains(&point.key));
        if let Some(how) = of_point(point, why, may_retire, gone) {
            res.push(format!("{} is kept ({why}), but {how}", name(config, lineage, point)));
        }
    }
    let complete =
        |gone: &Gone| lineage.points.iter().filter(|p| p.is_whole_in_some_form(None, gone)).count();
    let (before, after) = (complete(&Gone::new()), complete(gone));
    let at_least = before.min(rule.retention.keep_last as usize);
    if after < at_least && !is_keep_last_lapsed(&lineage.dated().0, &rule, Side::Required) {
        let (policy, place) = (&config.policies[lineage.policy].name, lineage.place);
        res.push(format!(
            "{place} `{policy}` {}: {after} complete points of {before} would be left, keep_last \
             is {}",
            lineage.source, rule.retention.keep_last
        ));
    }
}

/// Returns what becomes of a point that is kept, if something does.
fn of_point(point: &Point<'_>, why: Why, may_retire: bool, gone: &Gone) -> Option<String> {
    let none = Gone::new();
    if why == Why::Waiting {
        let has_data = |life| matches!(life, Life::Pending | Life::Complete | Life::Unusable);
        let mut members = point.members.iter().filter(|m| gone.contains(&m.thing.at));
        let member = members.find(|m| has_data(m.thing.life()))?;
        return Some(format!("{} of it would go while it is pending", member.thing.at));
    }
    if point.status != Status::Complete {
        let (before, after) = (point.parts(&none), point.parts(gone));
        let lost: Vec<_> = before.difference(&after).collect();
        return (!lost.is_empty()).then(|| format!("of what is left of it {lost:?} would go"));
    }
    if !point.is_whole_in_some_form(None, gone) {
        return Some("would not be complete any more".to_owned());
    }
    if point.is_consistent(&none) && !point.is_consistent(gone) {
        return Some("what is left would not be of one instant".to_owned());
    }
    let goes = |form| point.is_whole(form, None, &none) && !point.is_whole(form, None, gone);
    if goes(Form::Encrypted) {
        return Some("its encrypted form would go".to_owned());
    }
    let is_superseded = may_retire && point.is_whole(Form::Encrypted, None, gone);
    (goes(Form::Plain) && !is_superseded).then(|| {
        "its unencrypted form would go without or before all that is to stand in its place"
            .to_owned()
    })
}

/// Checks that what is still to be copied stays, in whatever form, until it is.
fn of_route(
    config: &Config,
    route: &Route<'_, '_>,
    missing: &BTreeSet<Key>,
    gone: &Gone,
    res: &mut Vec<String>,
) {
    for key in missing {
        let Some(point) = route.home.point(*key) else { continue };
        if point.touches(gone) && !point.is_whole_in_some_form(None, gone) {
            let name = name(config, route.home, point);
            res.push(format!("{name} is still to be copied to {}", route.rule.to));
        }
    }
}

/// Returns what a point is called in messages.
pub(super) fn name(config: &Config, lineage: &Lineage<'_>, point: &Point<'_>) -> String {
    let policy = &config.policies[lineage.policy].name;
    let key = match point.key {
        Key::Slot(slot) => slot.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        Key::Origin(origin) => format!("copy of {origin}"),
    };
    format!("{} `{policy}` {} {key}", lineage.place, lineage.source)
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    const SERVERS: &str = r#"
[[policy]]
name = "servers"
renamed_from = ["hosts"]
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "3 days", monthly = "3 months" }
"#;

    /// Checks what is lost with each of `gone` by itself, as `THINGS: WORDS OF THE LOSS` or `THINGS:`.
    fn check(policies: &str, now: &str, account: &str, expected: &[(&str, &str)]) {
        let scene = Scene::new(policies, now, account);
        for (gone, words) in expected {
            let losses = scene.losses(gone).join("; ");
            let is_right =
                if words.is_empty() { losses.is_empty() } else { losses.contains(words) };
            assert!(is_right, "{gone}: {losses:?}, not {words:?}");
        }
    }

    #[test]
    fn what_a_tier_keeps_is_lost_with_one_member() {
        check(
            SERVERS,
            "2026-03-10T12:00",
            "snap1 ours=servers/i1 vol=1 members=2 at=2026-03-01T03:00 call=1
             snap2 ours=servers/i1 vol=2 members=2 at=2026-03-01T03:00 call=1
             snap3 ours=hosts/i1 vol=1 at=2026-03-05T03:00 call=2
             snap4 ours=servers/i1 vol=1 at=2026-03-09T03:00 call=3
             snap5 ours=servers/i1 vol=1 at=2026-03-09T04:00 call=4
             snap6 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=5",
            &[
                ("snap1", "is kept (monthly), but would not be complete any more"),
                ("snap2", "is kept (monthly)"),
                ("snap3", ""),
                ("snap4", "is kept (daily)"),
                ("snap5", ""),
                ("snap6", "is kept (daily)"),
            ],
        );
    }

    #[test]
    fn the_newest_complete_point_is_never_lost() {
        let account = "instance1 state=stopped
             snap1 ours=servers/i1 vol=1 at=2025-01-01T03:00
             snap2 ours=servers/i1 vol=1 at=2025-01-02T03:00
             snap3 ours=servers/i1 vol=1 members=2 at=2025-01-03T03:00
             snap4 ours=servers/i1 vol=1 at=2025-01-04T03:00 state=pending";
        check(
            SERVERS,
            "2026-03-10T12:00",
            account,
            &[
                ("snap1", ""),
                ("snap2", "is kept (keep_last)"),
                ("snap1 snap2", "0 complete points of 2 would be left"),
                ("snap3", "is kept (newer than the newest complete one), but of what is left"),
                ("snap4", "is kept (waiting)"),
            ],
        );
        let expire = SERVERS.replace("retention = {", "retention = { orphans = \"expire\",");
        check(&expire, "2026-03-10T12:00", account, &[("snap2", "keep_last")]);
        let gone = account.replace("stopped", "terminated");
        check(&expire, "2026-03-10T12:00", &gone, &[("snap1 snap2", ""), ("snap3", "")]);
    }

    #[test]
    fn one_of_two_sets_of_a_slot_is_enough_but_not_half_of_each() {
        check(
            SERVERS,
            "2026-03-10T12:00",
            "snap1 ours=servers/i1 vol=1 members=2 at=2026-03-09T03:00 call=1
             snap2 ours=servers/i1 vol=2 members=2 at=2026-03-09T03:00 call=1
             snap3 ours=servers/i1 vol=1 members=2 slot=2026-03-09T03:00 at=2026-03-09T03:05 call=2
             snap4 ours=servers/i1 vol=2 members=2 slot=2026-03-09T03:00 at=2026-03-09T03:05 call=2
             snap5 ours=servers/i1 vol=1 members=2 at=2026-03-10T03:00 call=3",
            &[
                ("snap1 snap2", ""),
                ("snap3 snap4", ""),
                ("snap1 snap4", "would not be of one instant"),
                ("snap1 snap3", "would not be complete"),
            ],
        );
    }

    #[test]
    fn members_that_were_made_later_complete_a_point() {
        check(
            SERVERS,
            "2026-03-10T12:00",
            "snap1 ours=servers/i1 vol=1 members=2 at=2026-03-09T03:00 call=1
             snap2 ours=servers/i1 vol=2 members=2 at=2026-03-09T03:00 call=2 state=error
             snap3 ours=servers/i1 vol=2 members=2 slot=2026-03-09T03:00 at=2026-03-09T05:00 call=3",
            &[("snap1", "not be complete"), ("snap2", ""), ("snap3", "not be complete")],
        );
    }

    const COPIED: &str = r#"
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "3 days" }
copy_give_up = "30 days"
[[policy.copy]]
to = "eu-west-3"
retention = { daily = "20 days", keep_last = 2 }
"#;

    #[test]
    fn what_is_still_to_be_copied_is_not_lost() {
        let account = "
            snap1 ours=servers/i1 vol=1 at=2026-03-01T03:00 call=1
            snap2 ours=servers/i1 vol=1 at=2026-03-02T03:00 call=2
            snap3 ours=servers/i1 vol=1 at=2026-03-03T03:00 call=3
            snap4 ours=servers/i1 vol=1 at=2026-03-03T05:00 call=4
            snap5 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=5
            snap6 @eu-west-3 ours=servers/i1 vol=1 copy=2@eu-west-1 time=2026-03-02T03:00 at=2026-03-02T04:00 call=6";
        let now = "2026-03-10T12:00";
        check(
            COPIED,
            now,
            account,
            &[
                // Older than the first copy, copied, of another point's day.
                ("snap1", ""),
                ("snap2", ""),
                ("snap4", ""),
                ("snap3", "is still to be copied to eu-west-3"),
                ("snap6", "is kept (daily)"),
            ],
        );
        let existing = COPIED
            .replace("retention = { daily = \"20", "existing = true\nretention = { daily = \"20");
        check(&existing, now, account, &[("snap1", "is still to be copied"), ("snap2", "")]);
        // Their days are over there, and what is wanted is given up at some time.
        check(COPIED, "2026-03-23T04:00", account, &[("snap3", "")]);
        let patient = COPIED.replace("30 days", "10 days");
        check(&patient, "2026-03-13T02:59", account, &[("snap3", "is still to be copied")]);
        check(&patient, "2026-03-13T03:00", account, &[("snap3", "")]);
        // A copy that is not complete is none.
        let pending = format!("{account} state=pending");
        check(COPIED, now, &pending, &[("snap2", "is still to be copied"), ("snap6", "waiting")]);
    }

    #[test]
    fn only_what_the_named_tier_keeps_is_to_be_copied() {
        let policies = COPIED
            .replace("daily = \"3 days\"", "every = \"3 days\", monthly = \"1 month\"")
            .replace("daily = \"20 days\"", "every = \"1 year\"")
            .replace("to = ", "existing = true\nonly = \"monthly\"\nto = ");
        check(
            &policies,
            "2026-03-10T12:00",
            "snap1 ours=servers/i1 vol=1 at=2026-02-09T03:00
             snap2 ours=servers/i1 vol=1 at=2026-03-05T03:00
             snap3 ours=servers/i1 vol=1 at=2026-03-06T03:00
             snap4 ours=servers/i1 vol=1 at=2026-03-10T03:00",
            &[("snap1", ""), ("snap2", "is still to be copied"), ("snap3", "")],
        );
    }

    #[test]
    fn the_last_of_a_period_is_to_be_copied_once_the_period_is_over() {
        let policies = COPIED
            .replace("daily = \"20 days\"", "weekly = { for = \"4 weeks\", take = \"last\" }")
            .replace("to = ", "existing = true\nto = ");
        let week = "
            snap1 ours=servers/i1 vol=1 at=2026-03-03T03:00
            snap2 ours=servers/i1 vol=1 at=2026-03-04T03:00";
        let now = "2026-03-08T23:00";
        check(&policies, now, week, &[("snap1", ""), ("snap2", "(keep_last), but would not")]);
        let account = format!("{week}\nsnap3 ours=servers/i1 vol=1 at=2026-03-09T03:00");
        let expected = [("snap1", ""), ("snap2", "is still to be copied"), ("snap3", "(daily)")];
        check(&policies, "2026-03-10T12:00", &account, &expected);
    }

    #[test]
    fn the_unencrypted_form_goes_only_where_all_stands_in_its_place() {
        let account = "
            snap1 ours=servers/i1 vol=1 at=2026-03-09T03:00 call=1
            snap2 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=2
            snap3 ours=servers/i1 vol=1 copy=1@eu-west-1 time=2026-03-09T03:00 at=2026-03-09T04:00 encrypted call=3
            snap4 ours=servers/i1 vol=1 copy=2@eu-west-1 time=2026-03-10T03:00 at=2026-03-10T04:00 encrypted call=4
            snap5 @eu-west-3 ours=servers/i1 vol=1 copy=3@eu-west-1 origin=1 time=2026-03-09T03:00 at=2026-03-09T05:00 call=5";
        let now = "2026-03-10T12:00";
        let kept = "its unencrypted form would go";
        check(COPIED, now, account, &[("snap1", kept), ("snap3", "its encrypted form would go")]);
        let retire = format!("{COPIED}[policy.encrypt]\nretire_unencrypted = true\n");
        check(
            &retire,
            now,
            account,
            &[
                ("snap1", ""),
                ("snap2", kept),
                ("snap3", "encrypted form"),
                ("snap1 snap3", "complete"),
            ],
        );
        let early = account.replace("snap3 ours", "snap3 state=pending ours");
        check(&retire, now, &early, &[("snap1", "would not be complete")]);
    }

    #[test]
    fn what_an_image_leaves_behind_stays_while_a_tier_would_hold_it() {
        let images = SERVERS.replace("select", "kind = \"images\"\nselect");
        check(
            &images,
            "2026-03-10T12:00",
            "snap1 ours=servers/i1 vol=1 at=2026-02-01T03:00 call=1
             snap2 ours=servers/i1 vol=1 at=2026-02-02T03:00 call=2
             image3 ours=servers/i1 backed=3 at=2026-03-09T03:00 call=3
             snap3 ours=servers/i1 vol=1 at=2026-03-09T03:00 call=3
             snap4 ours=servers/i1 vol=1 slot=2026-03-09T03:00 at=2026-03-09T03:30 call=4
             image5 ours=servers/i1 backed=5 at=2026-03-10T03:00 call=5
             snap5 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=5",
            &[
                ("snap1", "is kept (monthly), but of what is left"),
                ("snap2", ""),
                ("image3", "is kept (daily)"),
                ("snap4", ""),
                ("image5", "is kept (daily)"),
            ],
        );
    }

    const ADOPTING: &str = r#"
[[policy]]
name = "short"
regions = ["eu-west-1"]
create = false
select = { resource = "volume" }
retention = { every = "2 days" }
adopt = { all = true }

[[policy]]
name = "long"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "volume", tags = { A = "b" } }
retention = { every = "9 days" }
adopt = { tags = { Keep = "long" } }
"#;

    #[test]
    fn adopted_snapshots_are_kept_if_any_policy_keeps_them() {
        let account = "volume1\nvolume2
            snap1 vol=1 at=2026-03-02T03:00 tag:Keep=long
            snap2 vol=1 at=2026-03-02T04:00
            snap3 vol=1 at=2026-03-03T03:00
            snap4 vol=2 at=2026-03-01T03:00
            snap5 vol=2 at=2026-03-02T03:00";
        let expected = [
            ("snap1", "adopted by `long`, is kept: every"),
            ("snap2", ""),
            ("snap3", "adopted by `short`, is kept: keep_last"),
            ("snap4", ""),
            ("snap5", "adopted by `short`, is kept: keep_last"),
        ];
        check(ADOPTING, "2026-03-10T12:00", account, &expected);
        let covered = format!("{account}\nsnap6 ours=long/v1 vol=1 at=2026-03-09T03:00");
        check(ADOPTING, "2026-03-10T12:00", &covered, &[("snap3", ""), ("snap5", "keep_last")]);
    }
}
