//! When the next slot of each policy is, where it applies.
//!
//! Only reads the configuration; what is due then, the planner decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{Config, Regions};
use crate::domain::region::Region;
use crate::report::page::Expected;
use crate::run::wake::next_slot_in;

/// Returns where each policy applies, with its next slot there; of the regions that are `seen`,
/// where it applies in all.
pub(super) fn expected(
    config: &Config,
    seen: &BTreeSet<Region>,
    now: DateTime<Utc>,
) -> Vec<Expected> {
    let mut all = Vec::new();
    for policy in &config.policies {
        let regions: BTreeSet<Region> = match &policy.regions {
            Regions::All => seen.iter().copied().chain(policy.overrides.keys().copied()).collect(),
            Regions::Named(regions) => regions.iter().copied().collect(),
        };
        all.extend(regions.into_iter().map(|region| Expected {
            policy: Arc::clone(&policy.name),
            region,
            next_slot: next_slot_in(policy.in_region(&region), now),
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::expected;
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
    fn a_policy_for_all_regions_is_expected_where_something_was_seen() {
        let everywhere = DAILY.replace("['eu-west-1', 'us-east-1']", "['all']");
        let policies =
            format!("{everywhere}[policy.override.'us-east-1']\nschedule = '0 9 * * *'\n");
        let seen = ["eu-west-1", "eu-west-2"].map(|name| name.parse().unwrap());
        let places = expected(&config(&policies), &seen.into(), t("11-20T04:00"));
        let places: Vec<_> =
            places.iter().map(|place| (place.region.as_str(), place.next_slot.unwrap())).collect();
        assert_eq!(
            places,
            [
                ("eu-west-1", t("11-21T03:00")),
                ("eu-west-2", t("11-21T03:00")),
                ("us-east-1", t("11-20T09:00")),
            ]
        );
    }
}
