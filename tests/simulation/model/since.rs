//! Since when a rule copies: what is older than its first copy is not asked for, so the first copy
//! must not go while what is not older lacks its own.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use snapkeep::config::Config;
use snapkeep::domain::region::Region;

use super::Gone;
use super::lineage::{Lineage, Lineages};
use super::loss::{name, routes, wanted};
use super::retention::Status;

/// A policy, by index, and from which region to which.
type Way = (usize, Region, Region);

/// Adds what nobody would copy any more if all of `gone` went.
pub(super) fn losses(
    config: &Config,
    gone: &Gone,
    all: &Lineages<'_>,
    now: DateTime<Utc>,
    res: &mut Vec<String>,
) {
    let ways: BTreeSet<Way> = copies(all)
        .filter(|copies| copies.points.iter().any(|point| point.touches(gone)))
        .map(|copies| (copies.policy, copies.source.region, copies.place))
        .collect();
    for (policy, from, to) in ways {
        let after = first(all, (policy, from, to), gone);
        if first(all, (policy, from, to), &Gone::new()) == after {
            continue;
        }
        let is_here =
            |home: &&Lineage<'_>| home.policy == policy && home.place == from && home.is_home();
        for home in all.values().filter(is_here) {
            let routes = routes(config, home, all, now);
            let Some(route) = routes.iter().find(|r| r.rule.to == to && !r.rule.existing) else {
                continue;
            };
            let is_too_old = |time| after.is_some_and(|after| time < after);
            for key in wanted(route) {
                let Some(point) = home.point(key).filter(|p| is_too_old(p.times.1)) else {
                    continue;
                };
                let name = name(config, home, point);
                res.push(format!("{name} would be older than the first copy in {to}"));
            }
        }
    }
}

fn copies<'l, 't>(all: &'l Lineages<'t>) -> impl Iterator<Item = &'l Lineage<'t>> {
    all.values().filter(|lineage| !lineage.is_home())
}

/// Returns the time of the oldest copy of a way that does not go.
fn first(all: &Lineages<'_>, way: Way, gone: &Gone) -> Option<DateTime<Utc>> {
    let of_way = copies(all).filter(|c| (c.policy, c.source.region, c.place) == way);
    let points = of_way.flat_map(|copies| &copies.points);
    let stay = points.filter(|p| p.status != Status::Failed && !p.touches(gone));
    stay.map(|point| point.times.0).min()
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    #[test]
    fn the_first_copy_stays_while_what_is_not_older_lacks_its_own() {
        let policies = r#"
[[policy]]
name = "servers"
regions = ["eu-west-1"]
schedule = "0 3 * * *"
select = { resource = "instance" }
retention = { daily = "40 days" }
[[policy.copy]]
to = "eu-west-3"
retention = { daily = "3 days", monthly = { for = "3 months", take = "first-day" } }
"#;
        let account = "snap1 ours=servers/i1 vol=1 at=2026-02-27T03:00 call=1
             snap2 ours=servers/i1 vol=1 at=2026-03-01T03:00 call=2
             snap3 ours=servers/i1 vol=1 at=2026-03-09T03:00 call=3
             snap4 ours=servers/i1 vol=1 at=2026-03-10T03:00 call=4
             snap11 @eu-west-3 ours=servers/i1 vol=1 copy=1@eu-west-1 at=2026-02-27T03:00
             snap13 @eu-west-3 ours=servers/i1 vol=1 copy=3@eu-west-1 at=2026-03-09T03:00
             snap14 @eu-west-3 ours=servers/i1 vol=1 copy=4@eu-west-1 at=2026-03-10T03:00";
        let scene = Scene::new(policies, "2026-03-10T12:00", account);
        let losses = scene.losses("snap11");
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert!(losses[0].contains("2026-03-01 03:00:00Z would be older than"), "{losses:?}");
        let done = format!(
            "{account}\nsnap12 @eu-west-3 ours=servers/i1 vol=1 copy=2@eu-west-1 at=2026-03-01T03:00"
        );
        let scene = Scene::new(policies, "2026-03-10T12:00", &done);
        assert_eq!(scene.losses("snap11"), Vec::<String>::new());
    }
}
