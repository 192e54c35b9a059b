//! Asks KMS what the keys are that copies are to be encrypted with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::cloud::{Cloud, ErrorKind};
use crate::domain::inventory::{Inventory, KeyAnswer};
use crate::domain::region::Region;

/// Asks for each key by the name that the configuration gives it, and records the answers in the
/// inventory. Regions that were not observed are not asked.
pub async fn ask_about_keys<C: Cloud>(
    cloud: &C,
    inventory: &mut Inventory,
    questions: &BTreeMap<Region, BTreeSet<Arc<str>>>,
) {
    let observed = inventory.regions.iter_mut();
    let asked =
        observed.filter_map(|(region, found)| Some((region, found, questions.get(region)?)));
    let answers = asked.map(|(region, found, names)| async move {
        // There are as many as a configuration names.
        for name in names {
            let answer = match cloud.describe_key(region, name).await {
                Ok(key) => KeyAnswer::Known(key),
                Err(err) if err.kind == ErrorKind::NotFound => KeyAnswer::Missing(err.reason()),
                Err(err) => KeyAnswer::Unknown(err.reason()),
            };
            found.keys.insert(Arc::clone(name), answer);
        }
    });
    join_all(answers).await;
}
