//! When a service wakes: at the next slot of any policy, or of the summary.
//!
//! Only reads the configuration; what is due then, the planner decides.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::config::{Config, Policy, RegionalPolicy, Regions};

/// What makes no points has no slots; it is looked at at the start of every hour.
const WITHOUT_SLOTS: TimeDelta = TimeDelta::hours(1);

/// Returns the first slot after `now` of any policy in any of its regions, or the next look at what
/// has none, or the slot of the summary: a cycle tells it.
pub fn next_wake_up(config: &Config, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let variants = config.policies.iter().flat_map(variants);
    let summary = config.notify.as_ref().and_then(|notify| notify.summary.as_ref());
    let summary = summary.and_then(|schedule| schedule.slot_after(now));
    variants.filter_map(|variant| wakes_after(variant, now)).chain(summary).min()
}

/// Returns what a policy says in its regions, each variant once.
pub fn variants(policy: &Policy) -> impl Iterator<Item = &RegionalPolicy> {
    let has_base = match &policy.regions {
        Regions::All => true,
        Regions::Named(regions) => {
            regions.iter().any(|region| !policy.overrides.contains_key(region))
        }
    };
    has_base.then_some(&policy.base).into_iter().chain(policy.overrides.values())
}

/// Returns the next slot, or the next look at what has none.
fn wakes_after(variant: &RegionalPolicy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match variant.schedule {
        Some(_) => next_slot_in(variant, now),
        None => Some(now.duration_trunc(WITHOUT_SLOTS).ok()? + WITHOUT_SLOTS),
    }
}

/// Returns the next slot of what has a schedule.
pub fn next_slot_in(variant: &RegionalPolicy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    variant.schedule.as_ref()?.slot_after(now)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::next_wake_up;
    use crate::config::{Config, parse};

    fn t(text: &str) -> DateTime<Utc> {
        format!("2026-{text}:00Z").parse().unwrap()
    }

    fn config(policies: &str) -> Config {
        let text =
            format!("version = 1\n[defaults]\nretention = {{ daily = '7 days' }}\n{policies}");
        parse(&[("test.toml".to_owned(), text)]).unwrap()
    }

    const DAILY: &str = "[[policy]]\nname = 'daily'\nregions = ['eu-west-1', 'us-east-1']\n\
        schedule = '0 3 * * *'\nselect = { resource = 'instance' }\n";

    #[test]
    fn the_service_wakes_at_the_first_slot_of_any_policy_and_region() {
        let weekly = "[[policy]]\nname = 'weekly'\nregions = ['eu-west-1']\n\
            schedule = '30 2 * * mon'\nselect = { resource = 'volume' }\n";
        let seoul = "[policy.override.'us-east-1']\ntimezone = 'Asia/Seoul'\n";
        let all_overridden = "[policy.override.'us-east-1']\nschedule = '0 9 * * *'\n\
            [policy.override.'eu-west-1']\nschedule = '0 8 * * *'\n";
        let images = "[[policy]]\nname = 'golden'\nkind = 'images'\nregions = ['eu-west-1']\n\
            select = { resource = 'image', name = 'golden-*' }\n\
            encrypt = { kms_key = 'alias/backup' }\n";
        let summary = "[notify]\non = ['summary']\nsummary = '0 8 * * *'\ntimezone = 'Asia/Seoul'\n\
            [notify.command]\nrun = ['/usr/local/bin/page']\n";
        let berlin = DAILY.replace("'0 3 * * *'", "'30 2 * * *'\ntimezone = 'Europe/Berlin'");
        for (policies, now, expected) in [
            (DAILY.to_owned(), "11-20T02:59", "11-20T03:00"),
            (DAILY.to_owned(), "11-20T03:00", "11-21T03:00"),
            // Monday.
            (format!("{DAILY}{weekly}"), "11-23T01:00", "11-23T02:30"),
            (format!("{DAILY}{weekly}"), "11-24T01:00", "11-24T03:00"),
            // 03:00 in Seoul is 18:00 UTC.
            (format!("{DAILY}{seoul}"), "11-20T04:00", "11-20T18:00"),
            (format!("{DAILY}{seoul}"), "11-20T18:00", "11-21T03:00"),
            // Nobody follows the schedule that every region overrides.
            (format!("{DAILY}{all_overridden}"), "11-20T01:00", "11-20T08:00"),
            (format!("{DAILY}{all_overridden}"), "11-20T08:00", "11-20T09:00"),
            // Images that others make have no slots: every hour.
            (images.to_owned(), "11-20T04:10", "11-20T05:00"),
            (images.to_owned(), "11-20T05:00", "11-20T06:00"),
            (format!("{DAILY}{images}"), "11-20T02:10", "11-20T03:00"),
            // Nothing is due at 23:00 UTC but the summary.
            (format!("{DAILY}{summary}"), "11-20T03:00", "11-20T23:00"),
            (format!("{DAILY}{summary}"), "11-20T23:00", "11-21T03:00"),
            // 29 March, 02:30 does not exist: the first instant after the gap.
            (berlin, "03-28T12:00", "03-29T01:00"),
        ] {
            assert_eq!(
                next_wake_up(&config(&policies), t(now)),
                Some(t(expected)),
                "{policies} {now}"
            );
        }
    }
}
