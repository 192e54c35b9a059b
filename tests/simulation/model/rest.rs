//! What is left to do once nothing disturbs any more. Empty, or something is wrong.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::Config;
use snapkeep::domain::tags::{OWNER, POLICY, SOURCE};

use super::adoption::{adopters, is_left_by_adopted_image, kept_with};
use super::claim::{Claim, Key, claim, rules};
use super::copying::Route;
use super::due::{is_retried_later, missing_points};
use super::lineage::{Lineage, Lineages, lineages};
use super::loss::{name, routes};
use super::point::{Form, Member, Part, Point};
use super::retention::{Side, Status, Why};
use super::thing::{Life, Thing, things};
use super::veto::Vetoes;
use super::{Birth, Gone, Truth, family};

/// How long what a deregistered image leaves behind, and what failed, may stay, generously.
const LEFTOVER_HOURS_MAX: i64 = 48;

/// Returns in what the account differs from what the policies ask for by `now`, when the last
/// cycle began.
pub(crate) fn unsettled(truth: &Truth<'_>, config: &Config, now: DateTime<Utc>) -> Vec<String> {
    let all = lineages(truth, config);
    let gone = Gone::new();
    let vetoes = Vetoes::new(truth, config, &gone, &all);
    let mut res = missing_points(truth, config, &all, now);
    for lineage in all.values() {
        let routes = routes(config, lineage, &all, now);
        let look =
            Look { truth, config, now, lineage, routes: &routes, all: &all, vetoes: &vetoes };
        look.at_points(&mut res);
        look.at_copies(&mut res);
    }
    at_adopted(truth, config, now, &all, &vetoes, &mut res);
    at_tags(truth, &mut res);
    res
}

/// One lineage with all that says whether it is as it should be.
struct Look<'l, 't> {
    truth: &'l Truth<'t>,
    config: &'l Config,
    now: DateTime<Utc>,
    lineage: &'l Lineage<'t>,
    routes: &'l [Route<'l, 't>],
    all: &'l Lineages<'t>,
    vetoes: &'l Vetoes<'l, 't>,
}

impl Look<'_, '_> {
    fn at_points(&self, res: &mut Vec<String>) {
        let Some(rule) = self.lineage.rule(self.truth, self.config, self.now) else { return };
        let allowed = self.lineage.kept(&rule, Side::Allowed);
        let required = self.lineage.kept(&rule, Side::Required);
        let wanted: BTreeSet<Key> =
            self.routes.iter().flat_map(|route| route.missing(Side::Allowed)).collect();
        for (index, point) in self.lineage.points.iter().enumerate() {
            let is_awaited = wanted.contains(&point.key);
            if allowed[index].is_none() && !is_awaited && !self.is_attempt(point) {
                // A veto on one form may be seen as one on the other, too: they are one point.
                if !self.is_free(point) {
                    continue;
                }
                let is_data_left = point.members.iter().all(|m| m.is_leftover);
                if is_data_left && self.lineage.kept_as_complete(&rule, index) {
                    // Its image went by mistake; a new one can be registered.
                    continue;
                }
                let may_wait = |m: &&Member<'_>| m.is_leftover && !self.is_old(m);
                let members = point.members.iter().filter(|m| !m.is_others() && !may_wait(m));
                self.surplus(point, members, "nothing keeps it", res);
                continue;
            }
            if point.status == Status::Complete {
                self.at_repetitions(point, res);
                self.at_remains(point, res);
                self.at_forms(point, required[index], is_awaited, res);
            }
        }
    }

    /// Reports those of some members that may go and are still there.
    fn surplus<'m>(
        &self,
        point: &Point<'_>,
        members: impl Iterator<Item = &'m Member<'m>>,
        why: &str,
        res: &mut Vec<String>,
    ) {
        for member in members.filter(|m| self.may_go(m)) {
            let name = name(self.config, self.lineage, point);
            res.push(format!("{} of {name} is still there: {why}", member.thing.at));
        }
    }

    /// Returns true if nothing is in the way of any thing of a point, in whatever form.
    fn is_free(&self, point: &Point<'_>) -> bool {
        !point.members.iter().any(|m| self.vetoes.in_the_way(&m.thing).is_some())
    }

    fn may_go(&self, member: &Member<'_>) -> bool {
        self.vetoes.forbidden(member.thing.at).is_none()
    }

    fn is_old(&self, member: &Member<'_>) -> bool {
        let started_at = member.thing.started_at().unwrap_or(member.claim.time);
        started_at + TimeDelta::hours(LEFTOVER_HOURS_MAX) < self.now
    }

    /// Returns true for a failed copy that may be remembered as the attempt that it was.
    fn is_attempt(&self, point: &Point<'_>) -> bool {
        let (source, policy) = (self.lineage.source, self.lineage.policy);
        let home = self.all.get(&(policy, source, source.region));
        let original = home.and_then(|home| home.point(point.key));
        !self.lineage.is_home()
            && point.status == Status::Failed
            && original.is_some_and(|original| original.status == Status::Complete)
    }

    /// Of what was made twice one is surplus once the other is complete, unless it cannot go.
    fn at_repetitions(&self, point: &Point<'_>, res: &mut Vec<String>) {
        let mut by_part: BTreeMap<(bool, Part), Vec<&Member<'_>>> = BTreeMap::new();
        for member in &point.members {
            if member.thing.life() == Life::Complete && !member.is_leftover {
                let key = (member.claim.copy_of.is_some(), member.part());
                by_part.entry(key).or_default().push(member);
            }
        }
        for things in by_part.values().filter(|things| 1 < things.len()) {
            let n_to_go = things.iter().filter(|m| self.may_go(m)).count();
            if things.len() - n_to_go + 1 < things.len() {
                let name = name(self.config, self.lineage, point);
                let ids: Vec<String> = things.iter().map(|m| m.thing.at.to_string()).collect();
                res.push(format!("{name} is there more than once: {}", ids.join(", ")));
            }
        }
    }

    /// What failed, and what images have left behind, goes where the point is complete without it.
    fn at_remains(&self, point: &Point<'_>, res: &mut Vec<String>) {
        let remains =
            |m: &&Member<'_>| (m.is_leftover || m.thing.life() == Life::Failed) && self.is_old(m);
        let why = "the point is complete without it";
        self.surplus(point, point.members.iter().filter(remains), why, res);
    }

    /// Encrypted forms are made of what a tier keeps, and then stand in the place of what is not.
    fn at_forms(
        &self,
        point: &Point<'_>,
        required: Option<Why>,
        is_awaited: bool,
        res: &mut Vec<String>,
    ) {
        let here = rules(self.config, self.lineage.policy, self.lineage.source.region).here;
        let Some(encrypt) = here.encrypt.as_ref().filter(|_| self.lineage.is_home()) else {
            return;
        };
        let none = Gone::new();
        let is_encrypted = point.is_whole(Form::Encrypted, None, &none);
        let is_kept = matches!(required, Some(Why::Tier(_) | Why::Forever));
        let copies = point.members.iter().filter(|m| m.claim.copy_of.is_some());
        let can_be = point.members.iter().all(Member::can_be_copied);
        if !is_encrypted && is_kept && can_be && !is_on_its_way(copies, self.now) {
            let name = name(self.config, self.lineage, point);
            res.push(format!("{name} has no encrypted form"));
        }
        if is_encrypted && encrypt.retire_unencrypted && !is_awaited {
            let plain = point.members.iter().filter(|m| !m.thing.is_encrypted() && !m.is_leftover);
            self.surplus(point, plain, "its encrypted form stands in its place", res);
        }
    }

    /// Copies that every reading wants are there.
    fn at_copies(&self, res: &mut Vec<String>) {
        for route in self.routes {
            for key in route.missing(Side::Required) {
                let Some(point) = self.lineage.point(key) else { continue };
                let copy = route.there.and_then(|there| there.point(key));
                // Where there is to be an encrypted form, copies are made of that.
                let forms = point.members.iter().filter(|m| m.claim.copy_of.is_some());
                let members = copy.iter().flat_map(|copy| &copy.members).chain(forms);
                let is_possible = point.members.iter().all(Member::can_be_copied)
                    && !route.is_given_up(point.times.0)
                    && !route.may_come_too_late(point.times.0);
                if is_possible && !is_on_its_way(members, self.now) {
                    let name = name(self.config, self.lineage, point);
                    res.push(format!("{name} has no copy in {}", route.rule.to));
                }
            }
        }
    }
}

/// Returns true if a copy is being made, or will be tried again by itself.
fn is_on_its_way<'m, 't: 'm>(
    copies: impl Iterator<Item = &'m Member<'t>> + Clone,
    now: DateTime<Utc>,
) -> bool {
    copies.clone().any(|m| m.thing.life() == Life::Pending) || is_retried_later(copies, now)
}

/// What is adopted and kept by nobody is gone.
fn at_adopted(
    truth: &Truth<'_>,
    config: &Config,
    now: DateTime<Utc>,
    all: &Lineages<'_>,
    vetoes: &Vetoes<'_, '_>,
    res: &mut Vec<String>,
) {
    for thing in things(truth).filter(|thing| claim(thing, config).is_err()) {
        let adopters = adopters(truth, config, &thing);
        if adopters.is_empty() || vetoes.forbidden(thing.at).is_some() {
            continue;
        }
        let started_at = thing.started_at().unwrap_or_default();
        let is_kept = if is_left_by_adopted_image(truth, &thing) {
            now < started_at + TimeDelta::hours(LEFTOVER_HOURS_MAX)
        } else {
            let why = |policy: &usize| {
                kept_with(truth, config, &thing, *policy, now, Side::Allowed)
                    .get(&thing.at)
                    .copied()
            };
            // It may have to wait for a copy, or to be encrypted; what is superseded is told above.
            let is_awaited = |claim: Claim| {
                let home = all.get(&(claim.policy, claim.source, thing.at.region));
                home.is_some_and(|home| {
                    let routes = routes(config, home, all, now);
                    routes.iter().any(|r| r.missing(Side::Allowed).contains(&claim.key))
                })
            };
            adopters.iter().any(|policy| why(policy).flatten().is_some())
                || family::members(&thing, config).into_iter().any(is_awaited)
        };
        if !is_kept {
            res.push(format!("{} is still there: it is adopted, and nothing keeps it", thing.at));
        }
    }
}

/// Whatever snapkeep makes bears its tags from birth; what people took away is gone for good.
fn at_tags(truth: &Truth<'_>, res: &mut Vec<String>) {
    for thing in things(truth) {
        let Some((birth, tags)) = truth.births.get(&thing.at) else { continue };
        let lacks = |thing: &Thing<'_>, key: &&&str| !tags.has(key) && !thing.tags().has(key);
        let missing: Vec<&str> =
            [OWNER, POLICY, SOURCE].iter().filter(|key| lacks(&thing, key)).copied().collect();
        if matches!(birth, Birth::Made { .. }) && !missing.is_empty() {
            res.push(format!("{} was made without {}", thing.at, missing.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    const SERVERS: &str = r#"
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance", tags = { Backup = "on" } }
retention = { daily = "3 days", monthly = "3 months" }
"#;

    const ONE: &str = "
        volume1
        instance1 vols=1 tag:Backup=on
        snap10 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=10";

    /// Checks what is left to do on the 10th of March at noon: nothing if `expected` is empty.
    fn check(policies: &str, account: &str, expected: &str) {
        let left = Scene::new(policies, "2026-03-10T12:00", account).unsettled();
        let is_right = if expected.is_empty() { left.is_empty() } else { left.contains(expected) };
        assert!(is_right, "{left:?}, not {expected:?}, of {account}");
    }

    #[test]
    fn a_slot_that_is_due_has_its_point() {
        let missing = "eu-west-1/i-00000001 has no point of `servers` for 2026-03-10 03:00:00 UTC";
        let source = "volume1\ninstance1 vols=1 tag:Backup=on";
        let before = "snap9 ours=servers/i1 vol=1 at=2026-03-09T03:00";
        let failed = "snap10 ours=servers/i1 vol=1 at=2026-03-10T03:00 state=error";
        for (lines, expected) in [
            (ONE.to_owned(), ""),
            (source.to_owned(), missing),
            (source.replace("on", "off"), ""),
            (source.replace("instance1", "instance1 state=terminated"), ""),
            ("instance1 tag:Backup=on".to_owned(), ""),
            (format!("{source}\n{before}"), missing),
            (ONE.replace("call=10", "state=pending"), ""),
            (format!("{source}\n{before}\n{failed}"), missing),
            // The next attempt waits, or there is none.
            (format!("{source}\n{before}\n{failed} attempt=5"), ""),
            (
                format!("{source}\n{before}\n{failed}")
                    .replace("at=2026-03-10T03:00", "slot=2026-03-10T03:00 at=2026-03-10T11:30"),
                "",
            ),
            // By hand, later than the slot.
            (format!("{source}\nsnap10 ours=servers/i1 vol=1 at=2026-03-10T10:00"), ""),
        ] {
            check(SERVERS, &lines, expected);
        }
    }

    #[test]
    fn nothing_is_left_that_nothing_keeps() {
        let gone = "is still there: nothing keeps it";
        for (line, expected) in [
            ("snap2 ours=servers/i1 vol=1 at=2026-03-01T03:00", ""),
            ("snap2 ours=servers/i1 vol=1 at=2026-03-09T03:00", ""),
            ("snap2 ours=servers/i1 vol=1 at=2025-03-09T03:00", gone),
            ("snap2 ours=servers/i1 vol=1 at=2025-03-09T03:00 locked", ""),
            ("snap2 vol=1 at=2025-03-09T03:00", ""),
            ("snap2 ours=others/i1 vol=1 at=2025-03-09T03:00", ""),
            (
                "snap2 ours=servers/i1 vol=1 at=2025-03-09T03:00\nimage1 at=2025-04-01T00:00 backed=2",
                "",
            ),
            // Of a source that is gone the newest stays.
            ("snap2 ours=servers/i2 vol=2 at=2025-03-09T03:00", ""),
            ("snap2 ours=servers/i1 vol=1 at=2026-03-09T03:00 state=error", gone),
            ("snap2 ours=servers/i1 vol=1 at=2026-03-09T23:00 state=error", ""),
            ("snap2 ours=servers/i1 vol=1 at=2026-02-09T03:00 state=pending", ""),
            (
                "snap2 ours=servers/i1 vol=1 slot=2026-03-10T03:00 at=2026-03-10T03:20 call=2",
                "is there more than once: eu-west-1/snap-00000010, eu-west-1/snap-00000002",
            ),
            ("snap2 ours=servers/i1 vol=1 slot=2026-03-10T03:00 at=2026-03-10T03:20 locked", ""),
            (
                "snap2 ours=servers/i1 vol=1 slot=2026-03-10T03:00 at=2026-03-10T03:20 state=pending",
                "",
            ),
            ("snap2 vol=1 at=2026-03-10T03:20 call=3", "was made without snapkeep:owner"),
        ] {
            check(SERVERS, &format!("{ONE}\n{line}"), expected);
        }
    }

    #[test]
    fn what_a_gone_source_leaves_expires_as_told() {
        let expire = SERVERS.replace("retention = {", "retention = { orphans = \"10 days\",");
        let point = |at: &str| format!("snap2 ours=servers/i2 vol=2 at=2026-{at}");
        check(&expire, &point("01-20T03:00"), "");
        let short = expire.replace("monthly = \"3 months\"", "weekly = 1");
        check(&short, &point("03-01T03:00"), "");
        let none = short.replace(", weekly = 1", "");
        check(&none, &point("03-01T03:00"), "");
        check(&none, &point("02-28T03:00"), "nothing keeps it");
    }

    #[test]
    fn copies_that_are_wanted_are_there_and_originals_wait_for_them() {
        let policies = SERVERS
            .replace("daily = \"3 days\", monthly = \"3 months\"", "daily = \"3 days\"")
            + "[[policy.copy]]\nto = \"eu-west-3\"\nretention = { daily = \"20 days\" }\n";
        let copy = "snap20 @eu-west-3 ours=servers/i1 vol=1 copy=10@eu-west-1 time=2026-03-10T03:00 at=2026-03-10T04:00";
        let missing = "2026-03-10 03:00:00Z has no copy in eu-west-3";
        check(&policies, ONE, missing);
        check(&policies, &format!("{ONE}\n{copy}"), "");
        check(&policies, &format!("{ONE}\n{copy} state=pending"), "");
        check(&policies, &format!("{ONE}\n{copy} state=error"), missing);
        check(&policies, &format!("{ONE}\n{copy} state=error attempt=5"), "");
        // Before the first copy nothing is copied, so nothing waits.
        let old = "snap5 ours=servers/i1 vol=1 at=2026-03-05T03:00";
        check(&policies, &format!("{ONE}\n{copy}\n{old}"), "is still there: nothing keeps it");
        let first = "snap21 @eu-west-3 ours=servers/i1 vol=1 copy=4@eu-west-1 time=2026-03-04T03:00 at=2026-03-04T04:00";
        check(
            &policies,
            &format!("{ONE}\n{copy}\n{old}\n{first}"),
            "03-05 03:00:00Z has no copy in eu-west-3",
        );
        let copied =
            old.replace("snap5", "snap22 @eu-west-3 copy=5@eu-west-1 time=2026-03-05T03:00");
        check(&policies, &format!("{ONE}\n{copy}\n{first}\n{copied}"), "");
        // The copies' own days: one is over.
        let late = first.replace("03-04", "02-04");
        check(&policies, &format!("{ONE}\n{copy}\n{late}"), "eu-west-3/snap-00000021 of");
    }

    #[test]
    fn encrypted_forms_are_there_and_stand_for_the_others() {
        let encrypt = format!("{SERVERS}[policy.encrypt]\n");
        check(&encrypt, ONE, "has no encrypted form");
        check(&encrypt, &ONE.replace("call=10", "encrypted"), "");
        let copy = "snap20 ours=servers/i1 vol=1 copy=10@eu-west-1 time=2026-03-10T03:00 at=2026-03-10T04:00 encrypted";
        let both = format!("{ONE}\n{copy}");
        check(&encrypt, &both, "");
        check(&encrypt, &format!("{both} state=pending"), "");
        let retire = format!("{encrypt}retire_unencrypted = true\n");
        check(&retire, &both, "is still there: its encrypted form stands in its place");
        check(&retire, &format!("{both} state=pending"), "");
        let lonely = "volume1\ninstance1 vols=1 tag:Backup=on\nsnap10 at=2026-03-10T03:00";
        // Once complete it stands for its original, whose slot it fills.
        check(&retire, &format!("{lonely}\n{copy}"), "");
    }

    #[test]
    fn what_images_leave_behind_goes_a_day_later() {
        let images = SERVERS.replace("select", "kind = \"images\"\nselect");
        let account = "volume1
            instance1 vols=1 tag:Backup=on
            image10 ours=servers/i1 backed=10 at=2026-03-10T03:00
            snap10 ours=servers/i1 vol=1 at=2026-03-10T03:00";
        check(&images, account, "");
        let leftover = "snap2 ours=servers/i1 vol=1 at=2026-03-0";
        // Of another month there is nothing but this.
        check(&images, &format!("{account}\n{leftover}9T03:00"), "");
        check(&images, &format!("{account}\n{leftover}5T03:00"), "");
        check(
            &images,
            &format!("{account}\n{leftover}5T03:00\nimage1 ours=servers/i1 at=2026-03-01T03:00"),
            "nothing keeps it",
        );
        check(&images, &format!("{account}\n{leftover}9T03:00 slot=2026-03-10T03:00"), "");
    }

    #[test]
    fn adopted_things_that_nothing_keeps_are_gone() {
        let adopt = format!("{SERVERS}[policy.adopt]\ntags = {{ By = \"script\" }}\n");
        let two = format!(
            "{ONE}\nsnap1 vol=2 at=2025-01-01T03:00 tag:By=script
             snap2 vol=2 at=2025-01-02T03:00 tag:By=script"
        );
        check(&adopt, &two, "eu-west-1/snap-00000001 is still there: it is adopted");
        check(SERVERS, &two, "");
        check(&adopt, &two.replace("snap1", "snap1 locked"), "");
        check(&adopt, &two.replace("vol=2", "vol=3").replacen("vol=3", "vol=2", 1), "");
        let left = "snap3 at=2025-01-01T03:00 vol=3 tag:snapkeep:backed=ami-00000009/snap-00000003";
        let images = adopt.replace("select", "kind = \"images\"\nselect");
        check(&images, left, "eu-west-1/snap-00000003 is still there");
    }
}
