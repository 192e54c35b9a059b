//! The preflight: proves before the first run that what a configuration needs is there.
//!
//! Credentials, regions, keys and permissions are tried by asking; nothing is changed. What cannot
//! be tried is said to be untried, never to be right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join_all};

use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::config::Config;
use crate::domain::region::Region;
use crate::plan::preflight::{Check, Finding, Grant, Preflight};
use crate::plan::rights::{Purpose, Right, rights};

mod answers;
mod permissions;
mod samples;

use samples::Samples;

/// What the checks of all regions share.
struct Preparation<'a> {
    config: &'a Config,
    rights: &'a crate::plan::rights::Rights,
    /// What is there to try things on.
    samples: BTreeMap<Region, Samples>,
    /// Whether the credentials were good for anything anywhere.
    has_credentials: bool,
}

/// Tries everything that `config` needs.
pub async fn preflight<C: Cloud>(cloud: &C, config: &Config) -> Preflight {
    let rights = rights(config);
    let mut regions = rights.regions.clone();
    let listed = cloud.describe_regions().await;
    let mut account = account_checks(&listed, rights.is_everywhere);
    account.extend(rights.topics.iter().map(topic_check));
    let enabled: Option<BTreeSet<Region>> = listed.ok().map(|list| list.into_iter().collect());
    if let (true, Some(enabled)) = (rights.is_everywhere, &enabled) {
        regions.extend(enabled);
    }
    let is_enabled = |region: &Region| enabled.as_ref().is_none_or(|all| all.contains(region));
    let sampled = join_all(
        regions
            .iter()
            .filter(|region| is_enabled(region))
            .map(async |region| (*region, Samples::take(cloud, region, &rights.owners).await)),
    );
    let samples: BTreeMap<Region, Samples> = sampled.await.into_iter().collect();
    let has_credentials = enabled.is_some() || samples.values().any(|s| !s.is_turned_away());
    let preparation = Preparation { config, rights: &rights, samples, has_credentials };
    let checks = join_all(regions.iter().map(|region| check_region(cloud, &preparation, region)));
    let checks = checks.await;
    drop(preparation);
    Preflight { rights, account, regions: regions.into_iter().zip(checks).collect() }
}

fn account_checks(listed: &Result<Vec<Region>, CloudError>, is_needed: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let finding = match listed {
        Ok(regions) => Finding::Fine(format!("{} regions are enabled", regions.len())),
        // Without `["all"]` nobody needs the answer, and the least policy does not grant it.
        Err(_) if !is_needed => return Vec::new(),
        Err(err) => Finding::Missing {
            why: answers::words(err),
            needed_for: BTreeSet::from(["`regions = [\"all\"]`".to_owned()]),
            granted_by: answers::grants(err, vec![Grant::Purpose(Purpose::Observe)]),
        },
    };
    checks.push(Check { what: "DescribeRegions".to_owned(), finding });
    if is_needed && listed.is_err() {
        let finding = Finding::NotTried("which regions there are is not known".to_owned());
        checks.push(Check { what: "the regions that are not named".to_owned(), finding });
    }
    checks
}

/// A message that is published is sent, so that is not tried.
fn topic_check(arn: &Arc<str>) -> Check {
    let why = "`snapkeep notify --test` does, with a message that everybody gets".to_owned();
    Check { what: format!("Publish to {arn}"), finding: Finding::NotTried(why) }
}

async fn check_region<C: Cloud>(
    cloud: &C,
    preparation: &Preparation<'_>,
    region: &Region,
) -> Vec<Check> {
    let needed_for = || {
        let rights = preparation.rights.in_region(region);
        let listing = rights.filter(|(_, operation, _)| *operation == "DescribeSnapshots");
        listing.flat_map(|(.., right)| right.reasons.clone()).collect()
    };
    let away = |why: String| {
        let what = "the region".to_owned();
        let finding = Finding::Missing { why, needed_for: needed_for(), granted_by: Vec::new() };
        let rest = Finding::NotTried("the region does not answer".to_owned());
        vec![Check { what, finding }, Check { what: "everything else".to_owned(), finding: rest }]
    };
    let Some(samples) = preparation.samples.get(region) else {
        return away("it is not enabled for the account".to_owned());
    };
    if samples.is_turned_away() {
        let reason = samples.first_error().map(answers::words).unwrap_or_default();
        let why = if preparation.has_credentials {
            format!(
                "it is not enabled for the account, or no credentials are valid there: {reason}"
            )
        } else {
            format!("no usable credentials: {reason}")
        };
        return away(why);
    }
    let permissions = permissions::check(cloud, preparation, region, samples);
    let keys = check_keys(cloud, preparation, region);
    let (mut checks, keys) = join(permissions, keys).await;
    checks.extend(keys);
    checks
}

/// Asks for each key that is used in a region.
async fn check_keys<C: Cloud>(
    cloud: &C,
    preparation: &Preparation<'_>,
    region: &Region,
) -> Vec<Check> {
    let keys = preparation.rights.keys_in(region).map(async |(need, reasons)| {
        let missing = |why: &str, granted_by: Vec<Grant>| Finding::Missing {
            why: why.to_owned(),
            needed_for: reasons.clone(),
            granted_by,
        };
        let grant = vec![Grant::Key(need.clone())];
        let finding = match cloud.describe_key(region, &need.name).await {
            Ok(key) if !key.is_enabled => missing("it is disabled", Vec::new()),
            Ok(key) if !key.is_symmetric => {
                missing("it is not a symmetric encryption key, which EBS needs", Vec::new())
            }
            Ok(_) => Finding::Fine(
                "exists, enabled, symmetric; whether it may be used shows with the first copy"
                    .to_owned(),
            ),
            Err(err) if err.kind == ErrorKind::NotFound => {
                missing(&format!("no such key in {region}"), Vec::new())
            }
            Err(err) => answers::unanswered(&err, reasons, grant),
        };
        Check { what: format!("key {}", need.name), finding }
    });
    join_all(keys).await
}

/// Returns what came of a call that needs `right`.
fn answered<T>(
    answer: &Result<T, CloudError>,
    right: &Right,
    purpose: Purpose,
    fine: String,
) -> Finding {
    match answer {
        Ok(_) => Finding::Fine(fine),
        Err(err) => match right.lacking {
            Some(effect) => {
                Finding::Lacking { why: answers::words(err), effect: effect.to_owned() }
            }
            None => answers::unanswered(err, &right.reasons, vec![Grant::Purpose(purpose)]),
        },
    }
}
