//! Whether a policy's rules can keep anything at all.
//!
//! A rule that never does is a mistake that nobody sees until the point is missing.

use chrono::{Datelike as _, NaiveDate, Weekday};

use crate::config::diagnose::Findings;
use crate::config::layer::Rules;
use crate::config::policy::{RegionalPolicy, Take, Tier};

/// Reports tiers of `rules`, the policy's or those of one of its copies, that no slot can ever
/// feed.
///
/// Points made without a schedule, or by others, may be of any day.
pub(super) fn check(policy: &RegionalPolicy, rules: &Rules, findings: &mut Findings<'_>) {
    let Some(schedule) = &policy.schedule else { return };
    if !policy.create || policy.adopt.is_some() {
        return;
    }
    for rule in &rules.retention.tiers {
        if rule.take != Take::FirstDay || first_days(rule.tier).any(|day| schedule.fires_on(day)) {
            continue;
        }
        let Some((_, place)) = rules.places.iter().find(|(tier, _)| *tier == rule.tier) else {
            continue;
        };
        let (name, day) = (rule.tier.name(), first_day_name(rule.tier));
        let message =
            format!("`{name}` can never keep anything: `{}` never fires on {day}", schedule.text());
        let hint = "take `first` instead of `first-day`, or let the schedule fire on that day";
        findings.report(place, message, hint);
    }
}

fn first_day_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Yearly => "1 January",
        Tier::Monthly => "the first day of a month",
        Tier::Weekly => "a Monday",
        Tier::Daily | Tier::Hourly | Tier::Every => "any day",
    }
}

/// Returns the first days of a tier's periods through 28 years: after these, dates fall on the
/// same days of the week again.
fn first_days(tier: Tier) -> impl Iterator<Item = NaiveDate> {
    let start = NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default();
    start.iter_days().take(28 * 366).filter(move |day| match tier {
        Tier::Yearly => day.ordinal() == 1,
        Tier::Monthly => day.day() == 1,
        Tier::Weekly => day.weekday() == Weekday::Mon,
        Tier::Daily | Tier::Hourly | Tier::Every => true,
    })
}
